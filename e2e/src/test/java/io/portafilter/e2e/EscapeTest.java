package io.portafilter.e2e;

import static io.portafilter.e2e.Attempts.EACCES;
import static io.portafilter.e2e.Attempts.ENOENT;
import static io.portafilter.e2e.Attempts.EPERM;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import io.grpc.StatusRuntimeException;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.SecurityProfile.ProfileType;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Ways out of a container that were ways out of other runtimes, and what a container does to those who enter it. */
class EscapeTest {
    private static final int FIRST_HOST_ID = 6_619_136;
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    @RegisterExtension
    static final Live live = Live.server();

    private static Path directory(String name, String permissions) {
        try {
            return Files.setPosixFilePermissions(live.directory(name), PosixFilePermissions.fromString(permissions));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static Map<String, Supplier<PodFixture>> kindsOfPods() {
        Map<String, Supplier<PodFixture>> pods = new LinkedHashMap<>();
        pods.put("PIDs of its own", live::pod);
        pods.put("PIDs of the pod", () -> live.pod().pid(NamespaceMode.POD));
        pods.put("PIDs of the host", () -> live.pod().pid(NamespaceMode.NODE));
        pods.put("a user namespace", () -> live.pod().userNamespace(FIRST_HOST_ID));
        pods.put(
                "a user namespace, PIDs of the pod",
                () -> live.pod().userNamespace(FIRST_HOST_ID).pid(NamespaceMode.POD));
        pods.put("the host's network", () -> live.pod().hostNetwork());
        return pods;
    }

    // The runtime's own program (CVE-2019-5736).

    @Test
    void aPeerCannotOverwriteTheProgramOfAProcessThatJoins() throws IOException {
        Path attack = directory("attack", "rwxr-xr-x");
        try (InputStream in = EscapeTest.class.getResourceAsStream("/attack/overwriter.pl")) {
            long _ = Files.copy(Optional.ofNullable(in).orElseThrow(), attack.resolve("overwriter.pl"));
        }
        Path orders = directory("orders", "rwxrwxrwx");
        Pod pod = live.pod().pid(NamespaceMode.POD).run();
        Container victim = pod.container(live.busybox()).idle().start();
        Container peer = pod.container(live.attacker())
                .command("/usr/bin/perl", "/attack/overwriter.pl")
                .readOnlyMount(attack, "/attack")
                .mount(orders, "/orders")
                .add("SYS_PTRACE")
                .start();
        Await.until("the peer watches", PATIENCE, () -> Files.exists(orders.resolve("ready")));
        // Until the peer has held the runtime's program open, and a hundred times at least.
        long end = System.nanoTime() + PATIENCE.toNanos();
        for (int i = 0; i < 100 || (!Files.exists(orders.resolve("kept")) && System.nanoTime() < end); i++) {
            assertThat(victim.exec("/bin/true").exitCode()).isZero();
        }
        Files.createFile(orders.resolve("stop"));
        List<String> said = peer.output().lines().toList();
        assertThat(said).hasSize(3);
        assertThat(said.getFirst())
                .as("what the peer saw of the runtime's program")
                .isNotEqualTo("kept 0");
        assertThat(said.get(2)).as(said.toString()).isEqualTo("wrote 0");
        assertThat(victim.shell("echo whole")).isEqualTo("whole");
    }

    @TestFactory
    Stream<DynamicTest> aScriptWhoseInterpreterIsTheRuntimeRunsNothing() throws IOException {
        Path programs = directory("programs", "rwxr-xr-x");
        Path script = programs.resolve("script");
        Files.writeString(script, "#!/proc/self/exe\n");
        Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwxr-xr-x"));
        return kindsOfPods().entrySet().stream()
                .map(kind -> DynamicTest.dynamicTest(
                        "with " + kind.getKey(),
                        () -> assertTimeoutPreemptively(PATIENCE, () -> {
                            Pod pod = kind.getValue().get().run();
                            Container running = pod.container(live.busybox())
                                    .idle()
                                    .mount(programs, "/programs")
                                    .start();
                            try {
                                assertThat(running.exec("/programs/script").exitCode())
                                        .isNotZero();
                            } catch (StatusRuntimeException refused) {
                                assertThat(refused.getStatus().getDescription()).isNotEmpty();
                            }
                            Container begins = pod.container(live.busybox())
                                    .command("/programs/script")
                                    .mount(programs, "/programs")
                                    .create();
                            try {
                                begins.start();
                                assertThat(begins.awaitExit().getExitCode()).isNotZero();
                            } catch (StatusRuntimeException refused) {
                                assertThat(refused.getStatus().getDescription()).isNotEmpty();
                            }
                            assertThat(begins.status().getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
                            assertThat(running.shell("echo whole")).isEqualTo("whole");
                        })));
    }

    // Leaked descriptors (CVE-2024-21626).

    @TestFactory
    Stream<DynamicTest> noDescriptorButTheStandardStreamsReachesAProgram() {
        Path volume = live.directory("volume");
        return kindsOfPods().entrySet().stream()
                .map(kind -> DynamicTest.dynamicTest("with " + kind.getKey(), () -> {
                    Container container = Attempts.attacker(
                                    kind.getValue().get().run(), live.busybox())
                            .command("/bin/sleep", "1000")
                            .mount(volume, "/volume")
                            .readOnlyMount(volume, "/etc/volume")
                            .seccomp(ProfileType.RuntimeDefault)
                            .start();
                    try (Stream<Path> descriptors =
                            Files.list(Path.of("/proc/" + container.process().pid() + "/fd"))) {
                        assertThat(descriptors.map(path -> path.getFileName().toString()))
                                .containsExactlyInAnyOrder("0", "1", "2");
                    }
                    // ls itself opens the directory: its own number 3.
                    assertThat(container
                                    .exec("/bin/ls", "/proc/self/fd")
                                    .stdout()
                                    .split("\\s+"))
                            .containsExactlyInAnyOrder("0", "1", "2", "3");
                }));
    }

    // chroot(2) twice, with the default capabilities.

    @TestFactory
    Stream<DynamicTest> chrootTwiceStaysInTheContainer() throws IOException {
        Path marker = Files.createFile(live.directory("marker").resolve("only-on-the-host"));
        return kindsOfPods().entrySet().stream()
                .map(kind -> DynamicTest.dynamicTest("with " + kind.getKey(), () -> {
                    Container container = Attempts.attacker(
                                    kind.getValue().get().run(), live.attacker())
                            .start();
                    String twice =
                            "mkdir '/tmp/c'; my $root; opendir($root, '/') or die; chroot('/tmp/c') or die 'chroot';"
                                    + "chdir($root) or die 'chdir'; chdir('..') for (1..64); chroot('.') or die 'again';"
                                    + "-e '/usr/bin/perl' or die 'not even here'; -e '" + marker + "' ? 'ok' : undef";
                    new Attempts()
                            .add("chroot twice", twice)
                            .in(container)
                            .of("chroot twice")
                            .failedWith(ENOENT);
                }));
    }

    /** {@code open_by_handle_at(2)} knows no root: the file with inode 2 is the root of the host's disk. */
    @TestFactory
    Stream<DynamicTest> noFileIsOpenedByItsNumber() {
        return Stream.of("/etc/passwd", "/etc/hostname", "/volume", "/dev/shm")
                .map(place -> DynamicTest.dynamicTest("on the file system of " + place, () -> {
                    Container container = Attempts.attacker(live.pod().run(), live.attacker())
                            .mount(live.directory("volume"), "/volume")
                            .start();
                    String open = "my $h = pack('LlQ', 8, 1, 2); my $f; open($f, '<', '" + place
                            + "') or die; c(304, fileno($f), $h, 0)";
                    new Attempts()
                            .add("by number", open)
                            .in(container)
                            .of("by number")
                            .failedWith(EPERM);
                }));
    }

    // Who enters a container finds what the container made of itself, and no more rights than it has.

    @Test
    void anExecOfAProgramThatTheContainerReplacedIsInTheContainer() {
        for (Supplier<PodFixture> kind : kindsOfPods().values()) {
            Container container = kind.get()
                    .run()
                    .container(live.busybox())
                    .idle()
                    .drop("NET_RAW")
                    .start();
            String replace =
                    "rm /bin/true; printf '#!/bin/sh\\ncat /proc/self/status; readlink /proc/self/ns/mnt; readlink /proc/self/ns/user'"
                            + " > /bin/true; chmod 755 /bin/true";
            var _ = container.shell(replace);
            String said = container.exec("/bin/true").stdout();
            Map<String, String> status = Proc.parseStatus(said);
            Map<String, String> first = container.process().status();
            for (String line : List.of("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")) {
                assertThat(status.get(line)).as(line).isEqualTo(first.get(line));
            }
            assertThat(said)
                    .contains(container.process().namespace("mnt"))
                    .contains(container.process().namespace("user"));
        }
    }

    /** The launch program has no dynamic linker that would listen to these. */
    @Test
    void whatTheImagePreloadsIsLoadedByTheImagesProgramsAlone() {
        String image = live.image(TestImages.busybox()
                .plus(new TarWriter()
                        .file("etc/ld.so.preload", "/evil.so\n")
                        .file("evil.so", "no library\n")
                        .finish())
                .withConfig("\"Env\":[\"PATH=/bin\",\"LD_PRELOAD=/evil.so\",\"LD_AUDIT=/evil.so\","
                        + "\"LD_LIBRARY_PATH=/\",\"GLIBC_TUNABLES=glibc.malloc.check=3\"],\"Cmd\":[\"sh\"]"));
        Container container =
                live.pod().pid(NamespaceMode.POD).run().container(image).idle().start();
        assertThat(container.shell("echo $LD_PRELOAD")).isEqualTo("/evil.so");
        assertThat(container.shell("cat /proc/self/maps")).doesNotContain("evil");
    }

    // Inheritable capabilities (CVE-2022-24769, CVE-2022-29162).

    /** vfs_cap_data of revision 2 with CHOWN: {@code setcap cap_chown+ei}, and as a control {@code +ep}. */
    private static String withFileCapability(String permitted, String inheritable) {
        return "system('/bin/cp', '/usr/bin/perl', '/tmp/tool'); my $v = pack('LLLLL', 0x02000001, " + permitted + ", "
                + inheritable + ", 0, 0); my ($p, $n) = ('/tmp/tool', 'security.capability');"
                + "syscall(188, $p, $n, $v, 20, 0) == 0 or die \"setxattr $!\";"
                + "$) = '1000 1000'; $( = 1000; syscall(117, 1000, 1000, 1000) == 0 or die 'setresuid';"
                + "my $said = qx{/tmp/tool -e 'open(S, \"/proc/self/status\"); print grep { /^CapEff/ } <S>'}; $said";
    }

    @TestFactory
    Stream<DynamicTest> aFileThatWantsInheritedCapabilitiesGetsNone() {
        return kindsOfPods().entrySet().stream()
                .map(kind -> DynamicTest.dynamicTest("with " + kind.getKey(), () -> {
                    Container container = Attempts.attacker(
                                    kind.getValue().get().run(), live.attacker())
                            .start();
                    Attempts.Outcomes outcomes = new Attempts()
                            .add("inheritable", withFileCapability("0", "1"))
                            .in(container);
                    assertThat(outcomes.of("inheritable").said()).isEqualTo("CapEff: 0000000000000000 ");
                    Attempts.Outcomes control = new Attempts()
                            .add("permitted", withFileCapability("1", "0"))
                            .in(container);
                    assertThat(control.of("permitted").said()).isEqualTo("CapEff: 0000000000000001 ");
                }));
    }

    // A shared PID namespace: the links of /proc to others' files are for those with their rights.

    @TestFactory
    Stream<DynamicTest> aContainerWithFewerRightsDoesNotEnterThoseOfItsPod() {
        Pod pod = live.pod().pid(NamespaceMode.POD).run();
        Container victim =
                pod.container(live.busybox()).command("/bin/sleep", "4711").start();
        List<Container> peers = List.of(
                Attempts.attacker(pod, live.attacker()).drop("ALL").start(),
                Attempts.attacker(pod, live.attacker()).runAsUser(1000).start());
        String pid =
                victim.shell("grep -l 4711 /proc/[0-9]*/cmdline | head -n 1").split("/")[2];
        Attempts attempts = new Attempts();
        for (String door : List.of("root/etc/passwd", "cwd/etc/passwd", "environ", "mem", "ns/mnt", "exe")) {
            attempts.add(door, "r('/proc/" + pid + "/" + door + "')");
        }
        attempts.add("ptrace", "c(101, 0x4206, " + pid + ", 0, 0)");
        attempts.add(
                "process_vm_readv",
                "my $b = 'x' x 16; my $v = pack('pQ', $b, 1);" + " c(310, " + pid + ", $v, 1, $v, 1, 0)");
        attempts.add("kcmp", "c(312, $$, " + pid + ", 0, 0, 0)");
        return Stream.of(0, 1)
                .flatMap(i -> attempts.in(peers.get(i)).all().stream()
                        .map(outcome -> DynamicTest.dynamicTest(
                                outcome.attempt() + (i == 0 ? " without capabilities" : " by a user"),
                                () -> outcome.failedWith(EPERM, EACCES))));
    }
}
