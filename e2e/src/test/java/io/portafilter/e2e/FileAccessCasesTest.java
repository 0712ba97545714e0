package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.LinuxContainerSecurityContext;
import io.portafilter.cri.v1.Mount;
import io.portafilter.cri.v1.MountPropagation;
import io.portafilter.cri.v1.NamespaceMode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What of its files a container can read and write: read-only roots, masked and read-only paths, and volumes. */
class FileAccessCasesTest {
    private static final int FIRST_HOST_ID = 2_228_224;
    private static final String READ_ONLY = "Read-only file system";

    @RegisterExtension
    static final Live live = Live.server();

    /** Says what is asked for, a script, and what it prints. */
    private record Case(
            String name, Consumer<LinuxContainerSecurityContext.Builder> asked, String script, String says) {}

    private static ContainerFixture idle(Pod pod) {
        return pod.container(live.image(Image.IMAGE)).command("/bin/sleep", "1000");
    }

    // Made when it is first used.
    private static final class Image {
        static final TestImage IMAGE = TestImages.busyboxWith(new TarWriter()
                .directory("m")
                .file("m/file", "secret\n")
                .file("m/other", "secret\n")
                .directory("m/dir")
                .file("m/dir/inside", "secret\n")
                .directory("m/dir/below")
                .file("m/dir/below/deep", "secret\n")
                .program("m/program", "#!/bin/sh\necho ran\n".getBytes(StandardCharsets.UTF_8))
                .symlink("m/to-file", "file")
                .symlink("m/to-dir", "/m/dir")
                .symlink("m/dangling", "/m/absent")
                .fifo("m/fifo"));
    }

    private static Consumer<LinuxContainerSecurityContext.Builder> masked(String... paths) {
        return security -> security.addAllMaskedPaths(List.of(paths));
    }

    private static Consumer<LinuxContainerSecurityContext.Builder> readOnly(String... paths) {
        return security -> security.addAllReadonlyPaths(List.of(paths));
    }

    /** Standard output and error of an exec, which may fail. */
    private static String tried(Container container, String script) {
        Container.Output output = container.exec("/bin/sh", "-c", script);
        return (output.stdout() + output.stderr()).strip();
    }

    /** Each case for root and for another user, in the host's user namespace and in the pod's own. */
    private static Stream<DynamicTest> inEveryKindOfPod(List<Case> cases) {
        Pod plain = live.pod().run();
        Pod mapped = live.pod().userNamespace(FIRST_HOST_ID).run();
        return cases.stream()
                .flatMap(one -> Stream.of(
                        DynamicTest.dynamicTest(one.name(), () -> says(idle(plain), one)),
                        DynamicTest.dynamicTest(one.name() + ", in a user namespace", () -> says(idle(mapped), one))));
    }

    private static void says(ContainerFixture fixture, Case one) {
        Container container = fixture.security(one.asked()).start();
        assertThat(tried(container, one.script())).isEqualTo(one.says());
        container.remove();
    }

    @TestFactory
    Stream<DynamicTest> aMaskedPathShowsNothingOfWhatIsThere() {
        String device = "1:3 character special file";
        return inEveryKindOfPod(List.of(
                new Case(
                        "a file",
                        masked("/m/file"),
                        "cat /m/file; stat -c '%t:%T %F' /m/file; cat /m/other",
                        device + "\nsecret"),
                new Case(
                        "a directory",
                        masked("/m/dir"),
                        "ls -A /m/dir; cat /m/dir/inside 2>&1 | grep -o 'No such'",
                        "No such"),
                new Case("a named pipe", masked("/m/fifo"), "stat -c '%t:%T %F' /m/fifo", device),
                new Case(
                        "what is not there",
                        masked("/m/absent", "/absent/below", "/m/file"),
                        "cat /m/file; ls /m/absent 2>&1 | grep -o 'No such'",
                        "No such"),
                new Case("a link to a file", masked("/m/to-file"), "cat /m/to-file /m/file; echo end", "end"),
                new Case(
                        "a link to a directory",
                        masked("/m/to-dir"),
                        "ls -A /m/to-dir /m/dir/; echo end",
                        "/m/dir/:\n\n/m/to-dir:\nend"),
                new Case("a link to nothing", masked("/m/dangling"), "readlink /m/dangling", "/m/absent"),
                new Case(
                        "the same twice",
                        masked("/m/file", "/m/file", "/m/dir", "/m/dir"),
                        "cat /m/file; ls -A /m/dir; echo end",
                        "end"),
                new Case("with a slash at its end", masked("/m/dir/"), "ls -A /m/dir; echo end", "end"),
                new Case("in another spelling", masked("//m/./dir/../file"), "cat /m/file; cat /m/other", "secret"),
                new Case(
                        "a directory and what is in it",
                        masked("/m/dir", "/m/dir/inside"),
                        "ls -A /m/dir; echo end",
                        "end"),
                new Case(
                        "what is in a directory, and the directory",
                        masked("/m/dir/inside", "/m/dir"),
                        "ls -A /m/dir; echo end",
                        "end"),
                new Case(
                        "a program",
                        masked("/m/program"),
                        "/m/program 2>&1 | grep -o 'Permission denied'",
                        "Permission denied"),
                new Case(
                        "of proc and sys",
                        masked("/proc/timer_list", "/sys/firmware"),
                        "cat /proc/timer_list; ls -A /sys/firmware; touch /sys/firmware/x 2>&1 | grep -o '" + READ_ONLY
                                + "'",
                        READ_ONLY),
                new Case("all processes", masked("/proc"), "ls -A /proc /proc/; echo end", "/proc:\n\n/proc/:\nend"),
                new Case(
                        "what the runtime mounts",
                        masked("/dev/shm", "/dev/mqueue", "/sys"),
                        "ls -A /sys /dev/shm /dev/mqueue; (: > /dev/shm/x) 2>&1 | grep -o '" + READ_ONLY + "'",
                        "/dev/mqueue:\n\n/dev/shm:\n\n/sys:\n" + READ_ONLY),
                new Case(
                        "a volume's place and the pod's files",
                        masked("/etc/hosts", "/etc/hostname"),
                        "cat /etc/hosts /etc/hostname; echo end",
                        "end"),
                new Case(
                        "nothing is masked unasked",
                        security -> {},
                        "grep -c -e ' /proc/' -e ' /sys/firmware ' /proc/self/mountinfo; cat /m/file",
                        "0\nsecret"),
                new Case(
                        "and stays so for a user",
                        masked("/m/file", "/m/dir")
                                .andThen(s -> s.getRunAsUserBuilder().setValue(1000)),
                        "cat /m/file; ls -A /m/dir; umount /m/file 2>&1 | grep -c -i 'permitted\\|root'",
                        "1")));
    }

    @TestFactory
    Stream<DynamicTest> aReadOnlyPathCanBeReadAndNotWritten() {
        return inEveryKindOfPod(List.of(
                new Case(
                        "a file",
                        readOnly("/m/file"),
                        "cat /m/file; (echo x >> /m/file) 2>&1 | grep -o 'Read-only file system'; echo x >> /m/other && cat /m/other",
                        "secret\n" + READ_ONLY + "\nsecret\nx"),
                new Case(
                        "a directory",
                        readOnly("/m/dir"),
                        "touch /m/dir/x 2>&1 | grep -o '" + READ_ONLY + "'; touch /m/x && cat /m/dir/inside",
                        READ_ONLY + "\nsecret"),
                new Case(
                        "all below a directory",
                        readOnly("/m/dir"),
                        "touch /m/dir/below/x 2>&1 | grep -o '" + READ_ONLY + "'",
                        READ_ONLY),
                new Case(
                        "what is not there",
                        readOnly("/m/absent", "/absent/below", "/m/dir"),
                        "touch /m/dir/x 2>&1 | grep -o '" + READ_ONLY + "'; touch /m/absent && echo made",
                        READ_ONLY + "\nmade"),
                new Case(
                        "a link",
                        readOnly("/m/to-dir"),
                        "touch /m/dir/x 2>&1 | grep -o '" + READ_ONLY + "'",
                        READ_ONLY),
                new Case(
                        "the same twice",
                        readOnly("/m/dir", "/m/dir"),
                        "touch /m/dir/x 2>&1 | grep -o '" + READ_ONLY + "'",
                        READ_ONLY),
                new Case(
                        "masked too",
                        readOnly("/m/dir").andThen(masked("/m/dir")),
                        "ls -A /m/dir; touch /m/dir/x 2>&1 | grep -o '" + READ_ONLY + "'",
                        READ_ONLY),
                new Case(
                        "of proc",
                        readOnly("/proc/sys", "/proc/irq"),
                        "echo 1 2>/dev/null > /proc/sys/kernel/printk_delay || echo refused; cat /proc/sys/kernel/ostype",
                        "refused\nLinux"),
                new Case(
                        "a file, masked too",
                        readOnly("/m/file").andThen(masked("/m/file")),
                        "cat /m/file; stat -c %F /m/file",
                        "character special file"),
                new Case(
                        "around what is masked",
                        readOnly("/m").andThen(masked("/m/file", "/m/dir")),
                        "cat /m/file; ls -A /m/dir; touch /m/x 2>&1 | grep -o '" + READ_ONLY + "'",
                        READ_ONLY),
                new Case(
                        "all processes",
                        readOnly("/proc"),
                        "(echo 7 > /proc/self/oom_score_adj) 2>&1 | grep -o '" + READ_ONLY
                                + "'; cat /proc/self/oom_score_adj",
                        READ_ONLY + "\n0"),
                new Case(
                        "what the runtime mounts",
                        readOnly("/dev", "/sys/", "/dev/shm/"),
                        "(: > /dev/shm/x) 2>&1 | grep -o '" + READ_ONLY + "'; : > /dev/null && echo ok",
                        READ_ONLY + "\nok"),
                new Case(
                        "no remount undoes it",
                        readOnly("/m/dir")
                                .andThen(s -> s.getCapabilitiesBuilder().addDropCapabilities("SYS_ADMIN")),
                        "mount -o remount,rw,bind /m/dir 2>/dev/null || umount /m/dir 2>/dev/null || echo refused",
                        "refused"),
                new Case(
                        "nothing is read-only unasked",
                        security -> {},
                        "touch /m/dir/x /m/x /x && echo written",
                        "written")));
    }

    @TestFactory
    Stream<DynamicTest> pathsThatAreNoneAreRefused() {
        Pod pod = live.pod().run();
        return Stream.of("", "m/file", "./m", "~/x", "/m/\0file", "/", "//./")
                .flatMap(path -> Stream.of(
                        DynamicTest.dynamicTest(
                                "masked \"" + path.replace('\0', '0') + "\"",
                                () -> refuses(pod, masked(path), "masked_paths")),
                        DynamicTest.dynamicTest(
                                "read-only \"" + path.replace('\0', '0') + "\"",
                                () -> refuses(pod, readOnly(path), "readonly_paths"))));
    }

    private static void refuses(Pod pod, Consumer<LinuxContainerSecurityContext.Builder> asked, String says) {
        Refusal refusal = Refusal.of(() -> idle(pod).security(asked).create());
        assertThat(refusal.code()).as(refusal.message()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusal.message()).contains(says);
    }

    /** Where root may write with a read-only root, and without. */
    @TestFactory
    Stream<DynamicTest> withAReadOnlyRootOnlyVolumesAndTheRuntimesOwnFileSystemsAreWritten() throws IOException {
        Path volume = live.directory("volume");
        Path kept = live.directory("kept");
        Files.writeString(kept.resolve("file"), "");
        Pod pod = live.pod().run();
        Pod shared = live.pod().userNamespace(FIRST_HOST_ID).run();
        Files.setPosixFilePermissions(volume, PosixFilePermissions.fromString("rwxrwxrwx"));
        String script = "for p in /x /tmp/x /m/dir/x /etc/passwd /etc/hosts /etc/hostname /etc/resolv.conf /kept/x"
                + " /volume/x /dev/shm/x /dev/mqueue/x /dev/x; do if (: >> $p) 2>/dev/null; then echo $p; fi; done";
        return Stream.of(pod, shared)
                .flatMap(in -> Stream.of(true, false)
                        .map(readOnly -> DynamicTest.dynamicTest(
                                (readOnly ? "read-only" : "writable")
                                        + (in.equals(shared) ? " in a user namespace" : ""),
                                () -> {
                                    Files.deleteIfExists(volume.resolve("x"));
                                    Container container = idle(in).mount(volume, "/volume")
                                            .readOnlyMount(kept, "/kept")
                                            .security(security -> security.setReadonlyRootfs(readOnly))
                                            .start();
                                    List<String> always = List.of("/volume/x", "/dev/shm/x", "/dev/mqueue/x");
                                    List<String> written =
                                            tried(container, script).lines().toList();
                                    if (readOnly) {
                                        assertThat(written)
                                                .filteredOn(path -> !path.equals("/dev/x"))
                                                .isEqualTo(always);
                                    } else {
                                        assertThat(written)
                                                .containsAll(always)
                                                .contains(
                                                        "/x",
                                                        "/tmp/x",
                                                        "/m/dir/x",
                                                        "/etc/passwd",
                                                        "/etc/hosts",
                                                        "/etc/hostname")
                                                .doesNotContain("/kept/x");
                                    }
                                    assertThat(container.process().mounts())
                                            .filteredOn(mount -> mount.point().equals("/"))
                                            .singleElement()
                                            .satisfies(mount -> assertThat(
                                                            mount.options().contains("ro"))
                                                    .isEqualTo(readOnly));
                                    container.remove();
                                })));
    }

    private static Mount.Builder mount(Path source, MountPropagation propagation) {
        return Mount.newBuilder()
                .setHostPath(source.toString())
                .setContainerPath("/data")
                .setPropagation(propagation);
    }

    /** Optional fields of the line of /data (proc_pid_mountinfo(5)): shared:N, master:N, or none. */
    private static List<String> peerGroups(Container container) {
        String line = container
                .process()
                .read("mountinfo")
                .lines()
                .filter(mount -> mount.split(" ")[4].equals("/data"))
                .findFirst()
                .orElseThrow();
        return Stream.of(line.substring(0, line.indexOf(" - ")).split(" "))
                .skip(6)
                .map(field -> field.substring(0, field.indexOf(':')))
                .toList();
    }

    private static void mountTmpfs(Path on) {
        Commands.run("mount", "-t", "tmpfs", "tmpfs", on.toString()).orFail();
    }

    @Test
    void mountsCrossAVolumeInTheDirectionsThatItsPropagationSays() throws IOException {
        Path volume = live.directory("shared");
        Commands.run("mount", "--bind", volume.toString(), volume.toString()).orFail();
        Commands.run("mount", "--make-shared", volume.toString()).orFail();
        try {
            Pod pod = live.pod().privileged().run();
            for (MountPropagation propagation : List.of(
                    MountPropagation.PROPAGATION_PRIVATE,
                    MountPropagation.PROPAGATION_HOST_TO_CONTAINER,
                    MountPropagation.PROPAGATION_BIDIRECTIONAL)) {
                Path fromHost = Files.createDirectory(volume.resolve("host-" + propagation.getNumber()));
                Path fromContainer = Files.createDirectory(volume.resolve("container-" + propagation.getNumber()));
                Container container = pod.container(live.busybox())
                        .command("/bin/sleep", "1000")
                        .privileged()
                        .configure(config -> config.addMounts(mount(volume, propagation)))
                        .start();
                mountTmpfs(fromHost);
                Files.writeString(fromHost.resolve("seen"), "");
                assertThat(container.shell("mount -t tmpfs tmpfs /data/" + fromContainer.getFileName()
                                + "; touch /data/" + fromContainer.getFileName() + "/seen; ls /data/"
                                + fromHost.getFileName()))
                        .as("from the host, %s", propagation)
                        .isEqualTo(propagation == MountPropagation.PROPAGATION_PRIVATE ? "" : "seen");
                assertThat(Files.exists(fromContainer.resolve("seen")))
                        .as("from the container, %s", propagation)
                        .isEqualTo(propagation == MountPropagation.PROPAGATION_BIDIRECTIONAL);
                assertThat(peerGroups(container))
                        .isEqualTo(
                                switch (propagation) {
                                    case PROPAGATION_HOST_TO_CONTAINER -> List.of("master");
                                    case PROPAGATION_BIDIRECTIONAL -> List.of("shared");
                                    case PROPAGATION_PRIVATE, UNRECOGNIZED -> List.of();
                                });
                container.remove();
            }
        } finally {
            Commands.run("umount", "-R", volume.toString()).orFail();
        }
    }

    @TestFactory
    Stream<DynamicTest> propagationThatCannotBeIsRefused() {
        Path alone = live.directory("alone");
        Pod pod = live.pod().run();
        Commands.run("mount", "--bind", alone.toString(), alone.toString()).orFail();
        Commands.run("mount", "--make-private", alone.toString()).orFail();
        return Stream.concat(
                Stream.of(
                                mount(alone, MountPropagation.PROPAGATION_HOST_TO_CONTAINER),
                                mount(alone, MountPropagation.PROPAGATION_BIDIRECTIONAL),
                                mount(alone, MountPropagation.PROPAGATION_PRIVATE)
                                        .setPropagationValue(7))
                        .map(mount -> DynamicTest.dynamicTest("propagation " + mount.getPropagationValue(), () -> {
                            Refusal refusal = Refusal.of(() -> {
                                Container created = idle(pod)
                                        .configure(config -> config.addMounts(mount))
                                        .create();
                                created.start();
                            });
                            assertThat(refusal.message()).contains("propagation");
                        })),
                Stream.of(DynamicTest.dynamicTest(
                        "the volume is as before",
                        () -> Commands.run("umount", alone.toString()).orFail())));
    }

    /** A read-only volume with a mount below it, which is read-only too if that is asked for. */
    @TestFactory
    Stream<DynamicTest> readOnlyIsTheVolumeAndRecursiveAllBelowIt() throws IOException {
        Path volume = live.directory("tree");
        Path below = Files.createDirectories(volume.resolve("below"));
        mountTmpfs(below);
        record Asked(boolean readOnly, boolean recursive, String written) {}
        Pod plain = live.pod().run();
        Pod mapped = live.pod()
                .namespaces(n -> n.getUsernsOptionsBuilder()
                        .setMode(NamespaceMode.POD)
                        .addUids(identity())
                        .addGids(identity()))
                .run();
        Stream<DynamicTest> cases = Stream.of(plain, mapped)
                .flatMap(pod -> Stream.of(
                                new Asked(false, false, "/data/x\n/data/below/x"),
                                new Asked(true, false, "/data/below/x"),
                                new Asked(true, true, ""))
                        .map(asked -> DynamicTest.dynamicTest(asked + (pod.equals(mapped) ? " mapped" : ""), () -> {
                            Container container = idle(pod)
                                    .configure(config ->
                                            config.addMounts(mount(volume, MountPropagation.PROPAGATION_PRIVATE)
                                                    .setReadonly(asked.readOnly())
                                                    .setRecursiveReadOnly(asked.recursive())))
                                    .start();
                            assertThat(tried(
                                            container,
                                            "for p in /data/x /data/below/x; do"
                                                    + " if (: > $p) 2>/dev/null; then echo $p; fi; done"))
                                    .isEqualTo(asked.written());
                            container.remove();
                        })));
        return Stream.concat(cases, Stream.of(DynamicTest.dynamicTest("the host's mount is as before", () -> {
            Files.writeString(below.resolve("written"), "");
            Commands.run("umount", below.toString()).orFail();
        })));
    }

    private static IDMapping identity() {
        return IDMapping.newBuilder().setLength(65536).build();
    }
}
