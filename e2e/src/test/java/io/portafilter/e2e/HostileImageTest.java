package io.portafilter.e2e;

import static io.portafilter.e2e.HostTarget.hasItsOwnFileSystems;
import static io.portafilter.e2e.HostTarget.startedOrRefused;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import io.portafilter.cri.v1.SupplementalGroupsPolicy;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Images whose files wait for the runtime to follow them: links and worse where it mounts, writes and reads. Nothing of
 * the host may change, and a container either starts with what was asked for or not at all.
 */
class HostileImageTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @RegisterExtension
    static final Live live = Live.server();

    // /proc, /sys and /dev (CVE-2019-19921, CVE-2023-27561, CVE-2026-41579); links are in LaunchRulesTest.

    @TestFactory
    Stream<DynamicTest> whatStandsInThePlaceOfProcSysOrDevAndIsNoDirectoryIsRefused() {
        Map<String, BiFunction<TarWriter, String, TarWriter>> kinds = new LinkedHashMap<>();
        kinds.put("a file", (tar, name) -> tar.file(name, ""));
        kinds.put("a fifo", TarWriter::fifo);
        kinds.put("a link to itself", (tar, name) -> tar.symlink(name, name));
        kinds.put(
                "a link to a directory beside it",
                (tar, name) -> tar.directory("real").symlink(name, "real"));
        return AtOnce.cases(kinds.entrySet().stream()
                .flatMap(kind -> Stream.of("proc", "sys", "dev")
                        .map(name -> DynamicTest.dynamicTest(name + " is " + kind.getKey(), () -> {
                            TestImage image = TestImage.of(
                                    "\"Cmd\":[\"/bin/sh\",\"-c\",\"echo started\"]",
                                    TestImages.busyboxLayer(),
                                    new TarWriter().whiteout(name).finish(),
                                    kind.getValue().apply(new TarWriter(), name).finish());
                            String reference = live.image(image);
                            Pod pod = live.pod().run();
                            Refusal refusal = Refusal.of(
                                    () -> pod.container(reference).create().start());
                            // Before anything is made, not by what is found of it at the gate.
                            assertThat(refusal.message()).contains("/" + name + " of the image is");
                        }))));
    }

    // The targets of mounts (CVE-2021-30465).

    private static Map<String, TarWriter> leadingAway(HostTarget target) {
        Map<String, TarWriter> links = new LinkedHashMap<>();
        links.put("absolute", new TarWriter().symlink("data", target.directory().toString()));
        links.put("above the root", new TarWriter().symlink("data", target.above()));
        links.put(
                "a chain",
                new TarWriter()
                        .symlink("data", "second")
                        .symlink("second", "/third")
                        .symlink("third", target.above()));
        links.put(
                "the root of the first process", new TarWriter().symlink("data", "/proc/1/root" + target.directory()));
        links.put("a working directory", new TarWriter().symlink("data", "/proc/self/cwd" + target.above()));
        links.put("a descriptor", new TarWriter().symlink("data", "/proc/self/fd/6"));
        links.put(
                "dangling",
                new TarWriter()
                        .symlink("data", target.directory().resolve("absent").toString()));
        links.put("itself", new TarWriter().symlink("data", "data"));
        links.put("the root", new TarWriter().symlink("data", "/"));
        links.put("proc", new TarWriter().symlink("data", "/proc"));
        links.put("proc of the process", new TarWriter().symlink("data", "proc/self"));
        links.put("a file", new TarWriter().symlink("data", target.file().toString()));
        links.put("a fifo", new TarWriter().fifo("data"));
        return links;
    }

    @TestFactory
    Stream<DynamicTest> noVolumeIsMountedWhereAnImagesLinkLeadsOutside() {
        HostTarget target = HostTarget.of(live);
        Path volume = live.directory("volume");
        return AtOnce.cases(leadingAway(target).entrySet().stream()
                .flatMap(link -> Stream.of("/data", "/data/below/deeper")
                        .map(place -> DynamicTest.dynamicTest(link.getKey() + ", " + place, () -> {
                            Files.writeString(volume.resolve("of-the-volume"), "");
                            String image = live.image(TestImages.busyboxWith(link.getValue()));
                            Optional<Container> container = startedOrRefused(
                                    live.pod().run().container(image).idle().mount(volume, place));
                            target.isUntouched();
                            container.ifPresent(c -> {
                                assertThat(c.shell("ls " + place)).contains("of-the-volume");
                                hasItsOwnFileSystems(c);
                            });
                        }))));
    }

    @TestFactory
    Stream<DynamicTest> noFileIsMountedWhereAnImagesLinkLeadsOutside() throws IOException {
        HostTarget target = HostTarget.of(live);
        Path file = Files.writeString(live.directory("volume").resolve("mounted"), "mounted\n");
        return AtOnce.cases(leadingAway(target).entrySet().stream()
                .map(link -> DynamicTest.dynamicTest(link.getKey(), () -> {
                    String image = live.image(TestImages.busyboxWith(link.getValue()));
                    Optional<Container> container = startedOrRefused(
                            live.pod().run().container(image).idle().mount(file, "/data"));
                    target.isUntouched();
                    container.ifPresent(c -> {
                        assertThat(c.shell("cat /data")).isEqualTo("mounted");
                        hasItsOwnFileSystems(c);
                    });
                })));
    }

    // Files that the runtime puts into /etc (CVE-2024-5154), and links where it would find programs' files.

    @TestFactory
    Stream<DynamicTest> whatTheRuntimePutsIntoEtcStaysInTheContainer() {
        HostTarget target = HostTarget.of(live);
        Map<String, TarWriter> images = new LinkedHashMap<>();
        for (String name : List.of("hosts", "hostname", "resolv.conf", "mtab")) {
            images.put(
                    name + " absolute",
                    new TarWriter().symlink("etc/" + name, target.file().toString()));
            images.put(name + " above", new TarWriter().symlink("etc/" + name, target.above() + "/file"));
            images.put(
                    name + " through proc", new TarWriter().symlink("etc/" + name, "/proc/self/root" + target.file()));
            images.put(name + " a fifo", new TarWriter().fifo("etc/" + name));
        }
        images.put(
                "etc absolute",
                new TarWriter()
                        .whiteout("etc")
                        .symlink("etc", target.directory().toString()));
        images.put("etc above", new TarWriter().whiteout("etc").symlink("etc", target.above()));
        images.put("etc in proc", new TarWriter().whiteout("etc").symlink("etc", "proc/self"));
        images.put("etc is the root", new TarWriter().whiteout("etc").symlink("etc", "."));
        return AtOnce.cases(images.entrySet().stream()
                .map(each -> DynamicTest.dynamicTest(
                        each.getKey(),
                        () -> assertTimeoutPreemptively(PATIENCE, () -> {
                            String image = live.image(TestImages.busyboxWith(each.getValue()));
                            Optional<Container> container = startedOrRefused(
                                    live.pod().run().container(image).idle());
                            target.isUntouched();
                            container.ifPresent(c -> {
                                hasItsOwnFileSystems(c);
                                assertThat(c.shell("cat /etc/hostname")).isNotEqualTo("of the host");
                                // Written to, they are the pod's: nobody else's.
                                var _ = c.exec(
                                        "/bin/sh",
                                        "-c",
                                        "for f in hosts hostname resolv.conf; do echo x > /etc/$f; done");
                                target.isUntouched();
                            });
                        }))));
    }

    // Masks (CVE-2025-31133, CVE-2025-52565).

    @TestFactory
    Stream<DynamicTest> whatAnImageHasInItsDevIsNoMask() {
        HostTarget target = HostTarget.of(live);
        return AtOnce.cases(Stream.of("null", "console", "pts", "shm", "mqueue", "ptmx", "fd", "stdin")
                .map(name -> DynamicTest.dynamicTest("dev/" + name, () -> {
                    String image = live.image(TestImages.busyboxWith(
                            new TarWriter().symlink("dev/" + name, target.directory() + "/file")));
                    Container container = live.pod()
                            .run()
                            .container(image)
                            .idle()
                            .security(s -> s.addMaskedPaths("/etc/group")
                                    .addMaskedPaths("/proc/timer_list")
                                    .addMaskedPaths("/sys/firmware"))
                            .start();
                    assertThat(container.shell(
                                    "stat -c '%t:%T' /etc/group /dev/null; cat /etc/group; ls /sys/firmware"))
                            .isEqualTo("1:3\n1:3");
                    assertThat(container.shell("stat -c %F /dev/pts /dev/shm /dev/mqueue"))
                            .isEqualTo("directory\ndirectory\ndirectory");
                    target.isUntouched();
                })));
    }

    @TestFactory
    Stream<DynamicTest> noLinkKeepsAPathFromBeingMaskedOrMadeReadOnly() {
        HostTarget target = HostTarget.of(live);
        Map<String, String> links = new LinkedHashMap<>();
        links.put("absolute", "/real/file");
        links.put("relative", "real/file");
        links.put("above the root", "../../../../real/file");
        links.put("through proc", "/proc/self/root/real/file");
        links.put("through a working directory", "/proc/self/cwd/real/file");
        return AtOnce.cases(links.entrySet().stream()
                .map(link -> DynamicTest.dynamicTest(link.getKey(), () -> {
                    String image = live.image(TestImages.busyboxWith(new TarWriter()
                            .directory("real")
                            .file("real/file", "to be hidden\n")
                            .symlink("link", link.getValue())));
                    startedOrRefused(live.pod()
                                    .run()
                                    .container(image)
                                    .idle()
                                    .security(s -> s.addMaskedPaths("/link").addReadonlyPaths("/real")))
                            .ifPresent(container -> {
                                assertThat(container.shell("cat /link /real/file"))
                                        .isEmpty();
                                assertThat(container.shell("touch /real/new 2>&1 || true"))
                                        .contains("Read-only");
                            });
                    target.isUntouched();
                })));
    }

    // Accounts (CVE-2024-40635, CVE-2026-46680, CVE-2026-47262).

    private static String imageWithAccounts(String passwd, String group) {
        return live.image(TestImages.busyboxWith(
                new TarWriter().file("etc/passwd", passwd).file("etc/group", group)));
    }

    /** Whoever runs in the end, it is not root. */
    @TestFactory
    Stream<DynamicTest> noAccountFileMakesAnybodyRoot() {
        Map<String, String> files = new LinkedHashMap<>();
        files.put("too large", "app:x:4294967296:4294967296::/:/bin/sh\n");
        files.put("just too large", "app:x:2147483648:0::/:/bin/sh\n");
        files.put("far too large", "app:x:99999999999999999999999999:0::/:/bin/sh\n");
        files.put("negative", "app:x:-1:-1::/:/bin/sh\n");
        files.put("empty", "app:x:::::\n");
        files.put("no number", "app:x:0x0:0x0::/:/bin/sh\n");
        files.put("blanks", "app:x: 0: 0::/:/bin/sh\n");
        files.put("a NUL in the name", "ap\0p:x:0:0::/:/bin/sh\napp\0:x:0:0::/:/bin/sh\n");
        files.put("a NUL in the number", "app:x:0\0:0\0::/:/bin/sh\n");
        files.put("too few fields", "app:x:0\napp\n::::\n:\n");
        files.put("carriage returns", "app:x:0\r:0\r\n");
        files.put("compatibility with NIS", "+app:x:0:0::/:/bin/sh\n-app:x:0:0:::\n+\n");
        files.put("a comment", "#app:x:0:0::/:/bin/sh\n");
        files.put("another line's end", "x:x:5:5:\u2028app:x:0:0:\u0085app:x:0:0:\u000bapp:x:0:0:::\n");
        return AtOnce.cases(files.entrySet().stream()
                .map(file -> DynamicTest.dynamicTest(file.getKey(), () -> {
                    String image = imageWithAccounts(file.getValue(), "g:x:5:app\n");
                    Pod pod = live.pod().run();
                    startedOrRefused(pod.container(image).idle().runAsUsername("app"))
                            .ifPresent(HostileImageTest::isNotRoot);
                    startedOrRefused(pod.container(image).idle().runAsUser(1000))
                            .ifPresent(HostileImageTest::isNotRoot);
                })));
    }

    private static void isNotRoot(Container container) {
        for (String line : List.of("Uid", "CapEff")) {
            String value = container.process().status().get(line);
            assertThat(value).as(line).isNotNull();
            if (line.equals("Uid")) {
                assertThat(List.of(String.valueOf(value).split(" "))).doesNotContain("0");
            } else {
                assertThat(value).isEqualTo("0000000000000000");
            }
        }
    }

    @TestFactory
    Stream<DynamicTest> noUserOfAnImageIsTakenForRoot() {
        return AtOnce.cases(Stream.of(
                        "-1",
                        "4294967296",
                        "2147483648",
                        "4294967296:0",
                        "+0",
                        "0x0",
                        " 0",
                        "0 ",
                        "ghost",
                        "root\\n",
                        "../root",
                        "1000:4294967296",
                        "1000:-1",
                        "1000:ghost",
                        ":",
                        ":0",
                        "1000:1000:0",
                        "\\u0000",
                        "\uff10")
                .map(user -> DynamicTest.dynamicTest("User " + user, () -> {
                    String image = live.image(TestImages.busybox()
                            .withConfig("\"User\":\"" + user + "\",\"Env\":[\"PATH=/bin\"],\"Cmd\":[\"sh\"]"));
                    startedOrRefused(live.pod().run().container(image).idle()).ifPresent(container -> {
                        isNotRoot(container);
                        assertThat(container.process().status().get("Gid")).doesNotContain("4294967295");
                    });
                })));
    }

    @TestFactory
    Stream<DynamicTest> giantAccountFilesAreRefusedOrReadQuickly() {
        Map<String, String> groups = new LinkedHashMap<>();
        StringBuilder many = new StringBuilder();
        for (int i = 0; i < 50_000; i++) {
            many.append("g").append(i).append(":x:").append(i + 10).append(":app\n");
        }
        groups.put("50 000 groups of one user", many.toString());
        groups.put("a million empty lines", "\n".repeat(1_000_000));
        groups.put("one line of 3 MiB", "g:x:5:" + "a,".repeat(3 << 19) + "app\n");
        groups.put("8 MiB", "g:x:5:app\n".repeat(8 << 20 / 10));
        groups.put("zeros", "\0".repeat(3 << 20));
        return AtOnce.cases(groups.entrySet().stream()
                .map(file -> DynamicTest.dynamicTest(file.getKey(), () -> {
                    String image = imageWithAccounts(TestImages.PASSWD, file.getValue());
                    Pod pod = live.pod().run();
                    assertTimeoutPreemptively(PATIENCE, () -> {
                        startedOrRefused(pod.container(image).idle().runAsUser(1000))
                                .ifPresent(container -> assertThat(String.valueOf(container
                                                        .process()
                                                        .status()
                                                        .get("Groups"))
                                                .split(" "))
                                        .hasSizeLessThanOrEqualTo(1025));
                        startedOrRefused(pod.container(image)
                                        .idle()
                                        .runAsUser(1000)
                                        .security(s -> s.setSupplementalGroupsPolicy(SupplementalGroupsPolicy.Strict)))
                                .ifPresent(container ->
                                        assertThat(container.shell("id -G")).isEqualTo("1000"));
                    });
                    assertThat(live.portafilter().isRunning()).isTrue();
                })));
    }

    /** Nor is a member overlooked because there are many. */
    @Test
    void ofAMillionMembersOfAGroupTheLastIsFound() {
        String image = imageWithAccounts(TestImages.PASSWD, "g:x:5:" + "a,".repeat(1 << 20) + "app\n");
        Container container =
                live.pod().run().container(image).idle().runAsUser(1000).start();
        assertThat(container.shell("id -G")).isEqualTo("1000 5");
    }

    // What else of an image's configuration the runtime uses.

    @TestFactory
    Stream<DynamicTest> noWorkingDirectoryOfAnImageIsOutside() {
        HostTarget target = HostTarget.of(live);
        return AtOnce.cases(Stream.of(
                        target.directory().toString(),
                        target.above(),
                        "/proc/self/fd/5",
                        "/proc/self/cwd/../../../..",
                        "/proc/1/root" + target.directory(),
                        "relative/../../../../..",
                        "/x\\u0000y",
                        "/x\\ny",
                        "//..//..")
                .map(directory -> DynamicTest.dynamicTest("WorkingDir " + directory, () -> {
                    String image = live.image(TestImages.busybox()
                            .withConfig(
                                    "\"WorkingDir\":\"" + directory + "\",\"Env\":[\"PATH=/bin\"],\"Cmd\":[\"sh\"]"));
                    startedOrRefused(live.pod().run().container(image).idle()).ifPresent(container -> {
                        assertThat(container.shell("ls; ls ..; ls ../../../../../.."))
                                .doesNotContain("file");
                        assertThat(container.shell("pwd")).startsWith("/").doesNotContain("unreachable");
                    });
                    target.isUntouched();
                })));
    }

    /** Labels of an image are the image's: none reaches a container or changes how it is run (CVE-2026-53488). */
    @Test
    void labelsAndAnnotationsOfAnImageChangeNothing() {
        String image = live.image(TestImages.busybox()
                .withConfig("\"Env\":[\"PATH=/bin\"],\"Cmd\":[\"sh\"],\"Labels\":{"
                        + "\"io.kubernetes.cri.container-type\":\"sandbox\","
                        + "\"io.kubernetes.container.name\":\"other\","
                        + "\"io.kubernetes.cri-o.userns-mode\":\"auto\","
                        + "\"io.containerd.image.privileged\":\"true\","
                        + "\"org.systemd.property.ExecStart\":\"/bin/false\","
                        + "\"run.oci.keep_original_groups\":\"1\"}"));
        Pod pod = live.pod().run();
        Container labelled = pod.container(image).idle().start();
        Container plain = pod.container(live.busybox()).idle().start();
        assertThat(labelled.status().getLabelsMap()).isEmpty();
        assertThat(labelled.status().getAnnotationsMap()).isEmpty();
        for (String line : List.of("CapEff", "CapBnd", "Uid", "Groups", "NoNewPrivs", "Seccomp")) {
            assertThat(labelled.process().status().get(line))
                    .as(line)
                    .isEqualTo(plain.process().status().get(line));
        }
    }

    /** Variables without a name, and one that would change how the runtime's own steps go. */
    @Test
    void theEnvironmentOfAnImageIsForItsProgramsAlone() {
        String image = live.image(TestImages.busybox()
                .withConfig(
                        "\"Env\":[\"PATH=/bin\",\"=nameless\",\"NOEQUALS\",\"A=line\\nB=injected\",\"\",\"C=\\u0000D=1\","
                                + "\"JAVA_TOOL_OPTIONS=-version\",\"NOTIFY_SOCKET=/run/x\"],\"Cmd\":[\"sh\"]"));
        Container container = live.pod().run().container(image).idle().start();
        String environment = container.exec("/bin/cat", "/proc/1/environ").stdout();
        assertThat(environment.split("\0"))
                .contains("A=line\nB=injected")
                .noneMatch(
                        variable -> variable.startsWith("B=") || variable.startsWith("D=") || variable.startsWith("="));
        assertThat(live.portafilter().isRunning()).isTrue();
    }
}
