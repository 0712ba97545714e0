package io.portafilter.e2e;

import static io.portafilter.e2e.Attempts.EACCES;
import static io.portafilter.e2e.Attempts.EPERM;
import static io.portafilter.e2e.HostTarget.hasItsOwnFileSystems;
import static io.portafilter.e2e.HostTarget.startedOrRefused;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.Status;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Volumes whose content, or whose place, would turn the runtime against the host or against another container. */
class HostileVolumeTest {
    private static final int FIRST_HOST_ID = 6_684_672;
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    @RegisterExtension
    static final Live live = Live.server();

    private static Path directory(String name, String permissions) {
        try {
            return Files.setPosixFilePermissions(live.directory(name), PosixFilePermissions.fromString(permissions));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    // A procfs of the attacker's (CVE-2019-16884, CVE-2025-52881).

    @TestFactory
    Stream<DynamicTest> nothingTakesThePlaceOfProc() throws IOException {
        Path fake = live.directory("fake");
        Files.createDirectories(fake.resolve("self/attr"));
        Path file = Files.writeString(fake.resolve("file"), "fake\n");
        String image = live.image(TestImages.busyboxWith(new TarWriter()
                .symlink("to-proc", "/proc")
                .symlink("to-self", "proc/self")
                .symlink("to-attr", "/proc/thread-self/attr/exec")));
        List<String> directories = List.of(
                "/proc",
                "/proc/",
                "//proc/.",
                "/proc/self",
                "/proc/self/attr",
                "/proc/thread-self",
                "/proc/1",
                "/proc/sys",
                "/proc/sys/kernel",
                "/proc/net",
                "/proc/self/fd",
                "/proc/self/ns",
                "/proc/new",
                "/to-proc",
                "/to-proc/sys",
                "/to-self",
                "/to-self/attr");
        List<String> files = List.of(
                "/proc/self/attr/exec",
                "/proc/self/attr/apparmor/exec",
                "/proc/sys/kernel/core_pattern",
                "/proc/sysrq-trigger",
                "/proc/self/status",
                "/proc/version",
                "/to-attr",
                "/proc/self/uid_map");
        Host before = live.host();
        return Stream.concat(
                        directories.stream().map(place -> Map.entry(place, fake)),
                        files.stream().map(place -> Map.entry(place, file)))
                .map(each -> DynamicTest.dynamicTest(each.getKey(), () -> {
                    Pod pod = live.pod().run();
                    Refusal refusal = Refusal.of(() -> pod.container(image)
                            .idle()
                            .mount(each.getValue(), each.getKey())
                            .create());
                    assertThat(refusal.code()).as(refusal.message()).isEqualTo(Status.Code.INVALID_ARGUMENT);
                    pod.remove();
                    live.awaitAsBefore(before);
                }));
    }

    @TestFactory
    Stream<DynamicTest> whatLxcfsOffersMayBeMountedAndTheRestOfProcStays() throws IOException {
        Path file = Files.writeString(live.directory("lxcfs").resolve("file"), "of lxcfs\n");
        return AtOnce.cases(Stream.of("cpuinfo", "diskstats", "loadavg", "meminfo", "stat", "swaps", "uptime")
                .map(name -> DynamicTest.dynamicTest(name, () -> {
                    Container container = live.pod()
                            .run()
                            .container(live.busybox())
                            .idle()
                            .mount(file, "/proc/" + name)
                            .start();
                    assertThat(container.shell("cat /proc/" + name)).isEqualTo("of lxcfs");
                    assertThat(container.shell("stat -f -c %T /proc/self /proc/self/attr /proc/sys"))
                            .isEqualTo("proc\nproc\nproc");
                })));
    }

    // Targets that lie in a volume, behind links of it, swapped while containers start (CVE-2021-30465).

    private static Map<String, String> linksOutOf(Path target) {
        Map<String, String> links = new LinkedHashMap<>();
        links.put("absolute", target.toString());
        links.put("above the root", "../".repeat(40) + target.toString().substring(1));
        links.put("through proc", "/proc/1/root" + target);
        links.put("the root", "/");
        links.put("proc", "/proc");
        links.put("dev", "/dev");
        links.put("a descriptor", "/proc/self/fd/6");
        return links;
    }

    @TestFactory
    Stream<DynamicTest> aTargetBehindALinkOfAVolumeIsInTheContainerOrRefused() {
        HostTarget target = HostTarget.of(live);
        return AtOnce.cases(linksOutOf(target.directory()).entrySet().stream()
                .map(link -> DynamicTest.dynamicTest(link.getKey(), () -> {
                    Path shared = live.directory("shared");
                    Files.createSymbolicLink(shared.resolve("link"), Path.of(link.getValue()));
                    Path volume = live.directory("volume");
                    Files.createFile(volume.resolve("of-the-volume"));
                    startedOrRefused(live.pod()
                                    .run()
                                    .container(live.busybox())
                                    .idle()
                                    .mount(shared, "/shared")
                                    .mount(volume, "/shared/link/below"))
                            .ifPresent(container -> {
                                assertThat(container.shell("ls /shared/link/below"))
                                        .isEqualTo("of-the-volume");
                                hasItsOwnFileSystems(container);
                            });
                    target.isUntouched();
                })));
    }

    @TestFactory
    Stream<DynamicTest> aTargetThatIsSwappedInALoopWhileContainersStartStaysInside() {
        HostTarget target = HostTarget.of(live);
        return linksOutOf(target.directory()).entrySet().stream()
                .map(link -> DynamicTest.dynamicTest(link.getKey(), () -> {
                    Path shared = live.directory("shared");
                    Files.createDirectory(shared.resolve("swapped"));
                    Files.createSymbolicLink(shared.resolve("link"), Path.of(link.getValue()));
                    Path volume = live.directory("volume");
                    Files.createFile(volume.resolve("of-the-volume"));
                    Pod pod = live.pod().run();
                    // renameat2(AT_FDCWD, ., AT_FDCWD, ., RENAME_EXCHANGE)
                    pod.container(live.attacker())
                            .command(
                                    "/usr/bin/perl",
                                    "-e",
                                    "my ($a, $b) = ('/shared/swapped', '/shared/link');"
                                            + "while (1) { syscall(316, -100, $a, -100, $b, 2) == 0 or die; select(undef, undef, undef, 0.0003) }")
                            .mount(shared, "/shared")
                            .start();
                    Set<Proc.Mount> ofTheHost = mountsOfOurs();
                    int started = 0;
                    for (int i = 0; i < 25; i++) {
                        Optional<Container> container = startedOrRefused(pod.container(live.busybox())
                                .command("/bin/sleep", "1000")
                                .mount(shared, "/shared")
                                .mount(volume, "/shared/swapped/below"));
                        if (container.isPresent()) {
                            started++;
                            hasItsOwnFileSystems(container.get());
                            container.get().remove();
                        }
                        target.isUntouched();
                    }
                    assertThat(mountsOfOurs()).isEqualTo(ofTheHost);
                    assumeTrue(started > 0, "not one of them started: the swap is too fast to prove anything");
                }));
    }

    /** Others on the machine mount, too. */
    private static Set<Proc.Mount> mountsOfOurs() {
        return Proc.self().mounts().stream()
                .filter(mount ->
                        Path.of(mount.point()).startsWith(live.portafilter().base()))
                .collect(Collectors.toSet());
    }

    /** A mask or a read-only mount that is attached by path lands where a link leads meanwhile (CVE-2025-31133). */
    @TestFactory
    Stream<DynamicTest> pathsToMaskThatAreSwappedInALoopShowAndWriteNothingOfTheHost() {
        HostTarget target = HostTarget.of(live);
        return linksOutOf(target.directory()).entrySet().stream()
                .filter(link -> Set.of("absolute", "above the root", "through proc", "a descriptor")
                        .contains(link.getKey()))
                .map(link -> DynamicTest.dynamicTest(link.getKey(), () -> {
                    Path shared = live.directory("shared");
                    Files.writeString(shared.resolve("masked"), "the volume's\n");
                    Files.createSymbolicLink(shared.resolve("masked-link"), Path.of(link.getValue(), "file"));
                    Files.createDirectory(shared.resolve("fixed"));
                    Files.createSymbolicLink(shared.resolve("fixed-link"), Path.of(link.getValue()));
                    Pod pod = live.pod().run();
                    pod.container(live.attacker())
                            .command(
                                    "/usr/bin/perl",
                                    "-e",
                                    "while (1) { for my $a ('/shared/masked', '/shared/fixed') { my $b = \"$a-link\";"
                                            + " syscall(316, -100, $a, -100, $b, 2) == 0 or die }"
                                            + " select(undef, undef, undef, 0.0003) }")
                            .mount(shared, "/shared")
                            .start();
                    Set<Proc.Mount> ofTheHost = mountsOfOurs();
                    int started = 0;
                    for (int i = 0; i < 15; i++) {
                        Optional<Container> container = startedOrRefused(pod.container(live.busybox())
                                .command("/bin/sleep", "1000")
                                .mount(shared, "/shared")
                                .security(s -> s.addMaskedPaths("/shared/masked")
                                        .addMaskedPaths("/etc/group")
                                        .addReadonlyPaths("/shared/fixed")
                                        .addReadonlyPaths("/proc/sys")));
                        if (container.isPresent()) {
                            started++;
                            hasItsOwnFileSystems(container.get());
                            assertThat(container
                                            .get()
                                            .shell("cd /shared; cat /etc/group masked masked-link fixed/* fixed-link/*"
                                                    + " 2>/dev/null; for i in fixed fixed-link; do"
                                                    + " echo x > $i/file; done 2>/dev/null;"
                                                    + " echo x > /proc/sys/kernel/printk && echo written; true"))
                                    .doesNotContain("of the host", "root:", "written");
                            container.get().remove();
                        }
                        target.isUntouched();
                    }
                    assertThat(mountsOfOurs()).isEqualTo(ofTheHost);
                    assumeTrue(started > 0, "not one of them started: the swap is too fast to prove anything");
                }));
    }

    /** Kubelet's subPath checks are worth nothing when the path is resolved again later (CVE-2021-25741). */
    @TestFactory
    Stream<DynamicTest> whatIsPutInAVolumesPlaceAfterTheCreateIsNotMounted() {
        Path secret = live.directory("secret");
        return Stream.of("the volume", "a directory above it")
                .map(what -> DynamicTest.dynamicTest(what, () -> {
                    Files.writeString(secret.resolve("of-the-host"), "secret\n");
                    Path above = live.directory("above");
                    Path volume = Files.createDirectory(above.resolve("volume"));
                    Files.writeString(volume.resolve("of-the-volume"), "");
                    Files.createDirectories(secret.resolve("volume"));
                    Container container = live.pod()
                            .run()
                            .container(live.busybox())
                            .idle()
                            .mount(volume, "/volume")
                            .create();
                    Path swapped = what.equals("the volume") ? volume : above;
                    Files.move(swapped, swapped.resolveSibling(swapped.getFileName() + "-moved"));
                    Files.createSymbolicLink(swapped, secret);
                    container.start();
                    assertThat(container.shell("ls /volume")).isEqualTo("of-the-volume");
                }));
    }

    // Sources that are no files or directories.

    @TestFactory
    Stream<DynamicTest> whatIsNoFileHoldsNobodyAndOpensNothing() throws IOException {
        Path sources = live.directory("sources");
        Commands.run("mkfifo", sources.resolve("fifo").toString()).orFail();
        // Character device 1:11, the kernel's log: the host's node, with everybody's rights.
        Commands.run("mknod", "-m", "666", sources.resolve("device").toString(), "c", "1", "11")
                .orFail();
        Commands.run(
                        "/usr/bin/perl",
                        "-e",
                        "socket(S, 1, 1, 0) or die; bind(S, pack('Sa*', 1, \"$ARGV[0]\\0\")) or die",
                        sources.resolve("socket").toString())
                .orFail();
        return AtOnce.cases(Stream.of("fifo", "device", "socket")
                .flatMap(kind -> Stream.of(false, true)
                        .map(userns -> DynamicTest.dynamicTest(
                                kind + (userns ? " in a user namespace" : ""),
                                () -> assertTimeoutPreemptively(PATIENCE, () -> {
                                    PodFixture pod = userns ? live.pod().userNamespace(FIRST_HOST_ID) : live.pod();
                                    startedOrRefused(pod.run()
                                                    .container(live.busybox())
                                                    .idle()
                                                    .mount(sources.resolve(kind), "/source"))
                                            .ifPresent(container -> {
                                                if (kind.equals("fifo")) {
                                                    assertThat(container.shell("test -p /source && echo a fifo"))
                                                            .isEqualTo("a fifo");
                                                } else {
                                                    assertThat(container
                                                                    .exec(
                                                                            "/bin/sh",
                                                                            "-c",
                                                                            ": > /source; head -c 1 /source")
                                                                    .exitCode())
                                                            .isNotZero();
                                                }
                                            });
                                })))));
    }

    // Volumes over what the runtime needs for its masks.

    @TestFactory
    Stream<DynamicTest> noVolumeInDevOrSysTakesTheMasksAway() throws IOException {
        Path tree = live.directory("tree");
        for (String name : List.of("null", "zero", "console", "ptmx")) {
            Files.writeString(tree.resolve(name), "the attacker's\n");
        }
        Files.createDirectories(tree.resolve("firmware"));
        Files.writeString(tree.resolve("firmware/x"), "the attacker's\n");
        Path file = tree.resolve("null");
        List<String> directories =
                List.of("/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/firmware", "/sys/fs");
        List<String> files = List.of("/dev/null", "/dev/zero", "/dev/console", "/dev/ptmx", "/dev/tty", "/dev/stdin");
        return AtOnce.cases(Stream.concat(
                        directories.stream().map(place -> Map.entry(place, tree)),
                        files.stream().map(place -> Map.entry(place, file)))
                .map(each -> DynamicTest.dynamicTest(
                        each.getKey(),
                        () -> startedOrRefused(live.pod()
                                        .run()
                                        .container(live.busybox())
                                        .idle()
                                        .mount(each.getValue(), each.getKey())
                                        .security(s -> s.addMaskedPaths("/etc/group")
                                                .addMaskedPaths("/sys/firmware")
                                                .addMaskedPaths("/proc/timer_list")))
                                .ifPresent(container -> {
                                    assertThat(container.shell("stat -c '%t:%T' /etc/group; cat /etc/group"))
                                            .isEqualTo("1:3");
                                    assertThat(container.shell("ls -A /sys/firmware || true"))
                                            .isEmpty();
                                    assertThat(container.shell("stat -f -c %T /proc"))
                                            .isEqualTo("proc");
                                    assertThat(file).hasContent("the attacker's");
                                }))));
    }

    @Test
    void whatIsMaskedInAVolumeIsMaskedThereAlone() throws IOException {
        Path volume = directory("volume", "rwxr-xr-x");
        Files.writeString(volume.resolve("hidden"), "kept\n");
        Files.createDirectory(volume.resolve("directory"));
        Files.writeString(volume.resolve("directory/file"), "kept\n");
        Files.createSymbolicLink(volume.resolve("link"), Path.of("/volume/hidden"));
        Pod pod = live.pod().run();
        Container masked = pod.container(live.busybox())
                .idle()
                .mount(volume, "/volume")
                .security(s -> s.addMaskedPaths("/volume/link")
                        .addMaskedPaths("/volume/directory")
                        .addReadonlyPaths("/volume"))
                .start();
        Container other =
                pod.container(live.busybox()).idle().mount(volume, "/volume").start();
        assertThat(masked.shell("cat /volume/hidden; ls /volume/directory")).isEmpty();
        assertThat(masked.shell("touch /volume/new 2>&1 || true")).contains("Read-only");
        assertThat(other.shell("cat /volume/hidden /volume/directory/file; touch /volume/new"))
                .isEqualTo("kept\nkept");
    }

    // A user namespace: what is root's on the host is not root's within (KEP-127).

    @TestFactory
    Stream<DynamicTest> rootOfAUserNamespaceHasNoRightsInAVolumeOfTheHosts() throws IOException {
        Path volume = directory("volume", "rwxr-xr-x");
        Path secret = Files.writeString(volume.resolve("secret"), "root's\n");
        Files.setPosixFilePermissions(secret, PosixFilePermissions.fromString("rw-------"));
        Path closed = Files.createDirectory(volume.resolve("closed"));
        Files.setPosixFilePermissions(closed, PosixFilePermissions.fromString("rwx------"));
        Files.createFile(volume.resolve("readable"));
        Path open = Files.createDirectory(volume.resolve("open"));
        Files.setPosixFilePermissions(open, PosixFilePermissions.fromString("rwxrwxrwx"));
        Container container = Attempts.attacker(
                        live.pod().userNamespace(FIRST_HOST_ID).run(), live.attacker())
                .mount(volume, "/volume")
                .mount(live.portafilter().state(), "/state")
                .mount(Path.of("/etc/shadow"), "/shadow")
                .start();
        Attempts attempts = new Attempts()
                .add("reads a file of root's", "r('/volume/secret')")
                .add("writes it", "w('/volume/secret')")
                .add("reads /etc/shadow", "r('/shadow')")
                .add("enters a directory of root's", "opendir(my $d, '/volume/closed') ? 'ok' : undef")
                .add("enters the server's state", "opendir(my $d, '/state') ? 'ok' : undef")
                .add(
                        "connects to the server",
                        "socket(my $s, 1, 1, 0); connect($s, pack('Sa*', 1, \"/state/portafilter.sock\\0\")) ? 'ok' : undef")
                .add("changes an owner", "chown(0, 0, '/volume/readable') ? 'ok' : undef")
                .add("changes a mode", "chmod(0777, '/volume/readable') ? 'ok' : undef")
                .add("removes a file", "unlink('/volume/readable') ? 'ok' : undef")
                .add(
                        "sets a capability of a file",
                        "my ($p, $n, $v) = ('/volume/readable', 'security.capability',"
                                + " pack('LLLLL', 0x02000001, 1, 0, 0, 0)); c(188, $p, $n, $v, 20, 0)")
                .add("makes a device", "my $p = '/volume/open/device'; c(133, $p, 0020666, 0x10b)");
        Stream<DynamicTest> refused = attempts.in(container).all().stream()
                .map(outcome -> DynamicTest.dynamicTest(outcome.attempt(), () -> outcome.failedWith(EPERM, EACCES)));
        DynamicTest owner = DynamicTest.dynamicTest("what it makes is the mapped user's, setuid or not", () -> {
            assertThat(container.shell("cp /bin/busybox /volume/open/own; chmod 4755 /volume/open/own; echo made"))
                    .isEqualTo("made");
            assertThat((Integer) Files.getAttribute(open.resolve("own"), "unix:uid"))
                    .isEqualTo(FIRST_HOST_ID);
        });
        return Stream.concat(refused, Stream.of(owner));
    }
}
