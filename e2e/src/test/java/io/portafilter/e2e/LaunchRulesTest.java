package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.StatusRuntimeException;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.SecurityProfile.ProfileType;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The rules of a launch, each attacked from inside a container, with what an image may bring along. */
class LaunchRulesTest {
    @RegisterExtension
    static final Live live = Live.server();

    private static final int FIRST_HOST_ID = 4_587_520;
    private static final Duration PATIENCE = Duration.ofSeconds(20);

    /** A directory with an attack's script, to be mounted. */
    private static Path scripts() {
        Path directory = readable("attack", "rwxr-xr-x");
        for (String name : List.of("peer.pl", "own-etc.pl", "stopper.pl")) {
            try (InputStream in = LaunchRulesTest.class.getResourceAsStream("/attack/" + name)) {
                long _ = Files.copy(Optional.ofNullable(in).orElseThrow(), directory.resolve(name));
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        }
        return directory;
    }

    /** A container that has the scripts, and a directory through which the test talks to them. */
    private static ContainerFixture attacker(Pod pod, Path orders) {
        return pod.container(live.attacker())
                .readOnlyMount(scripts(), "/attack")
                .mount(orders, "/orders");
    }

    private static Path orders() {
        return readable("orders", "rwxrwxrwx");
    }

    /** Also for users other than root, and for root of a user namespace. */
    private static Path readable(String name, String permissions) {
        try {
            return Files.setPosixFilePermissions(live.directory(name), PosixFilePermissions.fromString(permissions));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    // Rule 1: be harmless before being visible.

    /** What the peer found while execs ran, or containers started, beside it. */
    private static List<String> peerFinds(Pod pod, ProfileType filter, String way, Runnable beside) throws IOException {
        Path marker = Files.createFile(live.directory("marker").resolve("only-on-the-host"));
        Path orders = orders();
        // All others in the pod are filtered. The peer has more than the default set, so that it may trace what is like
        // itself.
        Container peer = attacker(pod, orders)
                .command("/usr/bin/perl", "/attack/peer.pl", "%x".formatted(allowedBits()), "2", marker.toString(), way)
                .add("SYS_PTRACE")
                .seccomp(filter)
                .start();
        Await.until("the peer watches", PATIENCE, () -> Files.exists(orders.resolve("ready")));
        beside.run();
        Files.createFile(orders.resolve("stop"));
        var _ = peer.awaitExit();
        List<String> lines = peer.output().lines().toList();
        assertThat(peer.logged("stderr")).isEmpty();
        assertThat(lines).isNotEmpty();
        assertThat(count(lines, "looked at "))
                .as("the peer must see processes, or it proves nothing")
                .isGreaterThan(10);
        return lines;
    }

    private static int count(List<String> lines, String prefix) {
        return lines.stream()
                .filter(line -> line.startsWith(prefix))
                .mapToInt(
                        line -> Integer.parseInt(line.substring(prefix.length()).trim()))
                .sum();
    }

    /** The default set and SYS_PTRACE, which the peer's container has. */
    private static long allowedBits() {
        // CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, FSETID 4, KILL 5, SETGID 6, SETUID 7, SETPCAP 8, NET_BIND_SERVICE 10,
        // NET_RAW 13, SYS_CHROOT 18, SYS_PTRACE 19, MKNOD 27, AUDIT_WRITE 29, SETFCAP 31
        return Stream.of(0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 19, 27, 29, 31)
                .mapToLong(bit -> 1L << bit)
                .sum();
    }

    private static void execs(Container victim, int times) {
        for (int i = 0; i < times; i++) {
            try {
                var _ = victim.exec("/bin/true");
            } catch (StatusRuntimeException killedByThePeer) {
                assertThat(killedByThePeer.getStatus().getDescription()).isNotEmpty();
            }
        }
    }

    private static void starts(Pod pod, ProfileType filter, int times) {
        for (int i = 0; i < times; i++) {
            try {
                pod.container(live.busybox())
                        .shell("true")
                        .seccomp(filter)
                        .start()
                        .remove();
            } catch (StatusRuntimeException killedByThePeer) {
                assertThat(killedByThePeer.getStatus().getDescription()).isNotEmpty();
            }
        }
    }

    @Test
    void rule1APeerSeesNoExecBeforeItIsHarmless() throws IOException {
        for (String way : List.of("look", "seize")) {
            for (boolean noNewPrivs : List.of(false, true)) {
                Pod pod = live.pod().pid(NamespaceMode.POD).run();
                Container victim = pod.container(live.busybox())
                        .idle()
                        .seccomp(ProfileType.RuntimeDefault)
                        .security(s -> s.setNoNewPrivs(noNewPrivs))
                        .start();
                List<String> lines = peerFinds(pod, ProfileType.Unconfined, way, () -> execs(victim, 60));
                assertThat(lines).as("%s, no_new_privs %s", way, noNewPrivs).noneMatch(l -> l.startsWith("found"));
                pod.remove();
            }
        }
    }

    @Test
    void rule1APeerSeesNoStartInASharedPidNamespaceBeforeItIsHarmless() throws IOException {
        for (String way : List.of("look", "seize")) {
            Pod pod = live.pod().pid(NamespaceMode.POD).run();
            List<String> lines =
                    peerFinds(pod, ProfileType.Unconfined, way, () -> starts(pod, ProfileType.RuntimeDefault, 30));
            assertThat(lines).as(way).noneMatch(l -> l.startsWith("found"));
            pod.remove();
        }
    }

    @Test
    void rule1APeerSeesNothingInAUserNamespacedPodEither() throws IOException {
        Pod pod = live.pod().userNamespace(FIRST_HOST_ID).pid(NamespaceMode.POD).run();
        Container victim = pod.container(live.busybox())
                .idle()
                .seccomp(ProfileType.RuntimeDefault)
                .start();
        List<String> lines = peerFinds(pod, ProfileType.Unconfined, "seize", () -> {
            execs(victim, 40);
            starts(pod, ProfileType.RuntimeDefault, 20);
        });
        assertThat(lines).noneMatch(l -> l.startsWith("found"));
    }

    @Test
    void rule1EverythingThatAFilteredPeerSeesIsFiltered() throws IOException {
        for (boolean noNewPrivs : List.of(false, true)) {
            Pod pod = live.pod().pid(NamespaceMode.POD).run();
            Container victim = pod.container(live.busybox())
                    .idle()
                    .seccomp(ProfileType.RuntimeDefault)
                    .security(s -> s.setNoNewPrivs(noNewPrivs))
                    .start();
            List<String> lines = peerFinds(pod, ProfileType.RuntimeDefault, "look", () -> {
                execs(victim, 60);
                starts(pod, ProfileType.RuntimeDefault, 20);
            });
            assertThat(lines).as("no_new_privs %s", noNewPrivs).noneMatch(l -> l.startsWith("found"));
            pod.remove();
        }
    }

    @Test
    void rule1PauseShowsNothingOfTheHost() {
        Pod pod = live.pod().pid(NamespaceMode.POD).run();
        Container peer = pod.container(live.busybox()).idle().add("SYS_PTRACE").start();
        assertThat(peer.shell("ls -A /proc/1/root/").lines())
                .allMatch(name -> Set.of("proc", "empty", "shm").contains(name));
        assertThat(peer.shell("ls -A /proc/1/root/empty")).isEmpty();
        assertThat(peer.shell("ls /proc/1/fd 2>/dev/null | wc -l")).isIn("0", "1", "2", "3");
        Map<String, String> status = Proc.parseStatus(peer.shell("cat /proc/1/status"));
        for (String set : List.of("CapInh", "CapPrm", "CapEff", "CapAmb")) {
            assertThat(status.get(set)).as(set).isEqualTo("0000000000000000");
        }
        assertThat(pod.pause().capabilities("CapEff")).isEmpty();
    }

    // Rule 2: exec joins the namespaces that were recorded, not those that the first process has now.

    @Test
    void rule2AnExecDoesNotFollowTheFirstProcessIntoNamespacesOfItsOwn() {
        Container attacker = attacker(live.pod().run(), orders())
                .command("/usr/bin/perl", "/attack/own-etc.pl")
                .runAsUser(1000)
                .start();
        Await.until(
                "the attacker has its own /etc",
                PATIENCE,
                () -> !attacker.logLines().isEmpty()
                        || attacker.status().getState() == ContainerState.CONTAINER_EXITED);
        String said = attacker.logged("stdout");
        assumeFalse(said.startsWith("no namespaces"), "this kernel gives users no user namespaces: " + said);
        assertThat(said).as(attacker.logged("stderr")).isEqualTo("bound evil:x:0:0::/:/bin/sh\n");
        for (String when : List.of("before", "after")) {
            assertThat(attacker.shell("head -n 1 /etc/passwd"))
                    .as("%s a restart", when)
                    .startsWith("root:");
            assertThat(attacker.shell("readlink /proc/self/ns/user"))
                    .isNotEqualTo(attacker.process().namespace("user"));
            assertThat(attacker.shell("readlink /proc/self/ns/mnt"))
                    .isNotEqualTo(attacker.process().namespace("mnt"));
            if (when.equals("before")) {
                live.portafilter().kill();
                var _ = live.portafilter().start();
            }
        }
    }

    // Rule 3: whatever a filter does to the last calls of a launch, the launch ends.

    @Test
    void rule3NoFilterMakesALaunchSpinOrHang() throws IOException {
        Pod pod = live.pod().run();
        Pod shared = live.pod().pid(NamespaceMode.POD).run();
        Container bystander = pod.container(live.busybox()).idle().start();
        Path profiles = live.directory("profiles");
        List<String> calls = List.of(
                "execve",
                "prctl",
                "write",
                "close",
                "close_range",
                "exit_group",
                "capset",
                "setsid",
                "mmap",
                "clone",
                "rt_sigprocmask",
                "seccomp",
                "read");
        List<String> actions = List.of(
                "\"SCMP_ACT_ERRNO\",\"errnoRet\":0",
                "\"SCMP_ACT_ERRNO\",\"errnoRet\":1",
                "\"SCMP_ACT_KILL_PROCESS\"",
                "\"SCMP_ACT_TRACE\"");
        List<Runnable> launches = new ArrayList<>();
        int n = 0;
        for (String call : calls) {
            for (String action : actions) {
                Path profile = profiles.resolve("profile-" + n++ + ".json");
                Files.writeString(
                        profile,
                        "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_X86_64\"],"
                                + "\"syscalls\":[{\"names\":[\"" + call + "\"],\"action\":" + action + "}]}");
                for (boolean noNewPrivs : List.of(false, true)) {
                    Pod in = n % 2 == 0 ? pod : shared;
                    launches.add(() -> assertTimeoutPreemptively(
                            PATIENCE,
                            () -> launchEnds(in, profile, noNewPrivs),
                            call + " " + action + ", no_new_privs " + noNewPrivs));
                }
            }
        }
        AtOnce.run(launches.stream());
        assertThat(bystander.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
        shared.remove();
        pod.remove();
        Await.until(
                "no process is left that a filter confused",
                PATIENCE,
                () -> Host.processesOf(live.portafilter()).isEmpty());
    }

    private static void launchEnds(Pod pod, Path profile, boolean noNewPrivs) {
        Optional<Container> container = Optional.empty();
        try {
            Container created = pod.container(live.busybox())
                    .command("/bin/sleep", "1000")
                    .seccomp(profile)
                    .security(s -> s.setNoNewPrivs(noNewPrivs))
                    .create();
            container = Optional.of(created);
            created.start();
            if (created.status().getState() == ContainerState.CONTAINER_RUNNING) {
                var _ = created.exec(Duration.ofSeconds(5), "/bin/true");
            }
        } catch (StatusRuntimeException e) {
            assertThat(e.getStatus().getDescription()).isNotEmpty();
        } finally {
            container.ifPresent(Container::remove);
        }
    }

    @Test
    void rule3AFilterThatHandsOutAListenerIsRefused() throws IOException {
        Path profile = live.directory("profiles").resolve("notify.json");
        Files.writeString(
                profile,
                "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/run/x.sock\",\"syscalls\":"
                        + "[{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}");
        Refusal refusal = Refusal.of(() -> live.pod()
                .run()
                .container(live.busybox())
                .idle()
                .seccomp(profile)
                .create());
        assertThat(refusal.message()).contains("listenerPath");
    }

    // Rule 4: no tolerated error hides a mount that was asked for.

    @Test
    void rule4AUserNamespacedContainerHasTheSameMountsAsAnotherOne() {
        Set<String> plain = mountPoints(live.pod().run());
        assertThat(mountPoints(live.pod().userNamespace(FIRST_HOST_ID).run())).isEqualTo(plain);
        assertThat(mountPoints(live.pod().pid(NamespaceMode.POD).run())).isEqualTo(plain);
        assertThat(plain).contains("/", "/proc", "/sys", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue");
        if (Files.exists(Path.of("/sys/fs/cgroup/cgroup.controllers"))) {
            assertThat(plain).contains("/sys/fs/cgroup");
        }
    }

    private static Set<String> mountPoints(Pod pod) {
        return pod.container(live.busybox()).idle().start().process().mounts().stream()
                .map(m -> m.point() + (m.point().startsWith("/sys/fs/cgroup") ? "" : " " + m.type()))
                .map(p -> p.split(" ")[0])
                .collect(Collectors.toCollection(TreeSet::new));
    }

    // Rule 5: non-dumpable after the last change of ids.

    @Test
    void rule5APreparedProcessIsNotDumpableWhateverTheSysctlSays() throws IOException {
        Path sysctl = Path.of("/proc/sys/fs/suid_dumpable");
        String before = readSysctl(sysctl);
        assumeTrue(Files.isWritable(sysctl), "fs.suid_dumpable cannot be set");
        Files.writeString(sysctl, "1");
        try {
            for (NamespaceMode mode : List.of(NamespaceMode.CONTAINER, NamespaceMode.POD)) {
                Pod pod = live.pod().pid(mode).run();
                Set<Long> others = Host.processesOf(live.portafilter()).stream()
                        .map(Host.Left::pid)
                        .collect(Collectors.toSet());
                Container container =
                        pod.container(live.busybox()).idle().runAsUser(1000).create();
                List<Long> prepared = Host.processesOf(live.portafilter()).stream()
                        .map(Host.Left::pid)
                        .filter(pid -> !others.contains(pid))
                        .toList();
                assertThat(prepared).isNotEmpty();
                for (long pid : prepared) {
                    Path status = Path.of("/proc/" + pid + "/environ");
                    assertThat((Integer) Files.getAttribute(status, "unix:uid"))
                            .as(
                                    "owner of %s, uid %s",
                                    status, new Proc(pid).status().get("Uid"))
                            .isZero();
                }
                container.remove();
            }
        } finally {
            Files.writeString(sysctl, before);
        }
    }

    /** Files.readString gives but the first digit of a sysctl on some kernels: it asks for the size first. */
    private static String readSysctl(Path sysctl) throws IOException {
        try (InputStream in = new java.io.FileInputStream(sysctl.toFile())) {
            return new String(in.readAllBytes(), java.nio.charset.StandardCharsets.UTF_8).trim();
        }
    }

    // Rule 6: how a launch ended is not told by what a program can do itself.

    @Test
    void rule6AProgramThatExitsAsALaunchDoesIsAProgramThatExited() throws IOException {
        Map<Integer, Container> containers = new TreeMap<>();
        Path signal = live.directory("signal");
        for (int code : List.of(124, 125, 126, 127, 128, 255)) {
            containers.put(
                    code,
                    live.pod()
                            .run()
                            .container(live.busybox())
                            .shell("until [ -e /signal/" + code + " ]; do sleep 0.02; done; exit " + code)
                            .mount(signal, "/signal")
                            .start());
        }
        // The first two end while there is no server: nobody but the record of their monitor tells how.
        List<Long> pids = Stream.of(124, 125)
                .map(code -> Optional.ofNullable(containers.get(code))
                        .orElseThrow()
                        .process()
                        .pid())
                .toList();
        live.portafilter().kill();
        Files.createFile(signal.resolve("124"));
        Files.createFile(signal.resolve("125"));
        Await.until("the programs end", PATIENCE, () -> pids.stream().noneMatch(Proc::isAlive));
        var _ = live.portafilter().start();
        for (int code : List.of(126, 127, 128, 255)) {
            Files.createFile(signal.resolve(Integer.toString(code)));
        }
        containers.forEach((code, container) -> {
            var status = container.awaitExit();
            assertThat(status.getExitCode()).isEqualTo(code);
            assertThat(status.getReason()).isEqualTo("Error");
        });
    }

    @Test
    void rule6AServerKilledBeforeAStartReportsNoStart() {
        List<Container> created = Stream.of(NamespaceMode.CONTAINER, NamespaceMode.POD)
                .map(mode -> live.pod()
                        .pid(mode)
                        .run()
                        .container(live.busybox())
                        .shell("echo ran")
                        .create())
                .toList();
        live.portafilter().kill();
        // The prepared processes end by themselves: they must not have run the program.
        var _ = live.portafilter().start();
        for (Container container : created) {
            assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_CREATED);
            assertThat(container.logged("stdout")).isEmpty();
        }
    }

    // Rule 7: descriptors are closed for real before the working directory is entered.

    @Test
    void rule7AWorkingDirectoryThroughADescriptorLeadsNowhere() throws IOException {
        Path marker = Files.createFile(live.directory("marker").resolve("only-on-the-host"));
        String find =
                "for up in . .. ../.. ../../.. ../../../.. ../../../../.. ../../../../../../../..; do " + "[ -e $up"
                        + marker + " ] && echo ESCAPED; done; cat release_agent ../release_agent 2>/dev/null; true";
        for (NamespaceMode mode : List.of(NamespaceMode.CONTAINER, NamespaceMode.POD)) {
            Pod pod = live.pod().pid(mode).run();
            AtOnce.run(IntStream.range(3, 64).<Runnable>mapToObj(fd -> () -> {
                try {
                    Container container = pod.container(live.busybox())
                            .shell(find)
                            .workingDirectory("/proc/self/fd/" + fd)
                            .runToEnd();
                    assertThat(container.output()).as("descriptor %d", fd).isEmpty();
                    container.remove();
                } catch (StatusRuntimeException refused) {
                    assertThat(refused.getStatus().getDescription()).contains("/proc/self/fd/" + fd);
                }
            }));
        }
    }

    @Test
    void rule7ALinkToADescriptorLeadsAnExecNowhere() throws IOException {
        Path marker = Files.createFile(live.directory("marker").resolve("only-on-the-host"));
        String find =
                "for up in . .. ../.. ../../.. ../../../.. ../../../../.. ../../../../../../../..; do " + "[ -e $up"
                        + marker + " ] && echo ESCAPED; done; cat release_agent ../release_agent 2>/dev/null; true";
        Path orders = live.directory("orders");
        // The attacker swaps its own working directory for a link, as it is told by a file.
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .shell("cd /; while true; do if [ -e /orders/fd ]; then fd=$(cat /orders/fd); rm -rf /swap; "
                        + "ln -s /proc/self/fd/$fd /swap; mv /orders/fd /orders/done; fi; done")
                .workingDirectory("/swap")
                .mount(orders, "/orders")
                .start();
        int refusals = 0;
        for (int fd = 3; fd < 64; fd++) {
            Path part = Files.writeString(orders.resolve("part"), Integer.toString(fd));
            Files.move(part, orders.resolve("fd"));
            Await.until("the link is made", PATIENCE, () -> Files.deleteIfExists(orders.resolve("done")));
            try {
                assertThat(container.exec("/bin/sh", "-c", find).stdout())
                        .as("descriptor %d", fd)
                        .isEmpty();
            } catch (StatusRuntimeException refused) {
                refusals++;
                assertThat(refused.getStatus().getDescription()).contains("/swap");
            }
        }
        assertThat(refusals)
                .as("a link out of /proc is never a working directory")
                .isEqualTo(61);
    }

    @Test
    void rule7ALinkOfTheImageIsFollowedOnlyBelowItsRoot() throws IOException {
        Path host = live.directory("host");
        Files.createFile(host.resolve("only-on-the-host"));
        String image = live.image(TestImages.busyboxWith(
                new TarWriter().symlink("away", host.toString()).symlink("up", "../../../../../../.." + host)));
        Pod pod = live.pod().run();
        for (String link : List.of("/away", "/up")) {
            try {
                assertThat(pod.container(image)
                                .shell("ls")
                                .workingDirectory(link)
                                .runToEnd()
                                .output())
                        .doesNotContain("only-on-the-host");
            } catch (StatusRuntimeException refused) {
                assertThat(refused.getStatus().getDescription()).contains(link);
            }
        }
    }

    @Test
    void rule7MountTargetsThroughLinksOfTheImageStayInside() throws IOException {
        Path host = live.directory("host");
        Path volume = live.directory("volume");
        Files.createFile(volume.resolve("of-the-volume"));
        String image = live.image(TestImages.busyboxWith(new TarWriter().symlink("data", host.toString())));
        Host before = live.host();
        try {
            Container container = live.pod()
                    .run()
                    .container(image)
                    .shell("ls /data/below")
                    .mount(volume, "/data/below")
                    .runToEnd();
            assertThat(container.output()).isEqualTo("of-the-volume\n");
        } catch (StatusRuntimeException refused) {
            assertThat(refused.getStatus().getDescription()).contains("/data");
        }
        assertThat(host).isEmptyDirectory();
        assertThat(live.host().mounts()).isEqualTo(before.mounts());
    }

    // Rule 8: masks come from our own null device, opened before any volume.

    @Test
    void rule8AVolumeOnTheNullDeviceDoesNotBecomeTheMask() throws IOException {
        Path evil = live.directory("evil").resolve("file");
        Files.writeString(evil, "the attacker's\n");
        Pod pod = live.pod().run();
        try {
            Container container = pod.container(live.busybox())
                    .shell("stat -c '%t:%T' /proc/timer_list /etc/group; cat /proc/timer_list /etc/group")
                    .mount(evil, "/dev/null")
                    .security(s -> s.addMaskedPaths("/proc/timer_list").addMaskedPaths("/etc/group"))
                    .runToEnd();
            assertThat(container.output()).isEqualTo("1:3\n1:3\n");
        } catch (StatusRuntimeException refused) {
            assertThat(refused.getStatus().getDescription()).contains("/dev/null");
        }
        // The whole /dev is the attacker's.
        Path dev = live.directory("dev");
        Files.writeString(dev.resolve("null"), "the attacker's\n");
        try {
            Container container = pod.container(live.busybox())
                    .shell("stat -c '%t:%T' /etc/group; cat /etc/group")
                    .mount(dev, "/dev")
                    .security(s -> s.addMaskedPaths("/etc/group"))
                    .runToEnd();
            assertThat(container.output()).isEqualTo("1:3\n");
        } catch (StatusRuntimeException refused) {
            assertThat(refused.getStatus().getDescription()).contains("/dev");
        }
    }

    @Test
    void rule8AnImageWhoseProcOrSysOrDevIsALinkDoesNotStart() throws IOException {
        Path host = live.directory("host");
        AtOnce.run(Stream.of("proc", "sys", "dev")
                .flatMap(name -> Stream.of("tmp", host.toString(), "/").<Runnable>map(target -> () -> {
                    TestImage image = TestImage.of(
                            "\"Cmd\":[\"/bin/sh\",\"-c\",\"echo started\"]",
                            TestImages.busyboxLayer(),
                            new TarWriter().whiteout(name).finish(),
                            new TarWriter().symlink(name, target).finish());
                    String reference = live.image(image);
                    Pod pod = live.pod().run();
                    Refusal refusal =
                            Refusal.of(() -> pod.container(reference).create().start());
                    assertThat(refusal.message().toLowerCase(Locale.ROOT))
                            .as("%s -> %s", name, target)
                            .contains("/" + name);
                })));
        assertThat(host).isEmptyDirectory();
    }

    @Test
    void rule8AMaskedLinkOfTheImageIsMaskedWhereItLeadsInside() {
        String image = live.image(TestImages.busyboxWith(new TarWriter()
                .directory("real")
                .file("real/file", "kept\n")
                .symlink("link", "/real/file")
                .symlink("also", "tmp")));
        Container container = live.pod()
                .run()
                .container(image)
                .shell("cat /link /real/file; touch /also/x 2>&1 | grep -o Read-only; echo end")
                .security(s -> s.addMaskedPaths("/link").addReadonlyPaths("/also"))
                .runToEnd();
        assertThat(container.status().getExitCode()).isZero();
        assertThat(container.output()).isEqualTo("Read-only\nend\n");
    }

    // Rule 9: the server opens nothing of a container's tree that could hold it.

    @Test
    void rule9AccountsThatAreNoFilesDoNotHoldTheServer() {
        List<TarWriter> traps = List.of(
                new TarWriter().whiteout("etc/passwd").fifo("etc/passwd"),
                new TarWriter().fifo("etc/passwd").fifo("etc/group"),
                new TarWriter().symlink("etc/passwd", "/proc/self/fd/0"),
                new TarWriter().symlink("etc/passwd", "/dev/zero"),
                new TarWriter().symlink("etc/passwd", "passwd"),
                new TarWriter().directory("etc/passwd"),
                new TarWriter().symlink("etc/passwd", "/../../../../../../etc/shadow"));
        Pod pod = live.pod().run();
        AtOnce.run(traps.stream().<Runnable>map(trap -> () -> {
            String image = live.image(TestImages.busyboxWith(trap));
            assertTimeoutPreemptively(PATIENCE, () -> {
                Refusal refusal = Refusal.of(
                        () -> pod.container(image).idle().runAsUsername("app").create());
                assertThat(refusal.message()).isNotEmpty();
                // A number needs no file.
                try {
                    pod.container(image)
                            .shell("true")
                            .runAsUser(1000)
                            .runToEnd()
                            .remove();
                } catch (StatusRuntimeException refused) {
                    assertThat(refused.getStatus().getDescription()).contains("/etc/");
                }
            });
        }));
    }

    @Test
    void rule9AGiantGroupFileIsRefusedOrIgnoredQuickly() {
        StringBuilder giant = new StringBuilder();
        for (int i = 0; i < 400_000; i++) {
            giant.append("g%07d:x:%d:app\n".formatted(i, i % 60_000));
        }
        String image = live.image(TestImages.busyboxWith(new TarWriter().file("etc/group", giant.toString())));
        Pod pod = live.pod().run();
        assertTimeoutPreemptively(PATIENCE, () -> {
            try {
                pod.container(image).shell("true").runAsUser(1000).runToEnd().remove();
            } catch (StatusRuntimeException refused) {
                assertThat(refused.getStatus().getDescription()).contains("group");
            }
        });
        assertThat(live.portafilter().isRunning()).isTrue();
    }

    // Rule 10: every wait has a deadline.

    @Test
    void rule10AnExecThatIsStoppedBeforeItRunsEndsAtItsDeadline() {
        Pod pod = live.pod().run();
        Path orders = orders();
        Container stopper = attacker(pod, orders)
                .command("/usr/bin/perl", "/attack/stopper.pl")
                .start();
        Await.until("the stopper is ready", PATIENCE, () -> Files.exists(orders.resolve("ready")));
        AtOnce.run(Stream.<Runnable>generate(() -> () -> assertTimeoutPreemptively(PATIENCE, () -> {
                    try {
                        var _ = stopper.exec(Duration.ofSeconds(1), "/bin/sleep", "0.1");
                    } catch (StatusRuntimeException e) {
                        assertThat(e.getStatus().getCode()).isEqualTo(io.grpc.Status.Code.DEADLINE_EXCEEDED);
                    }
                }))
                .limit(3));
        assertTimeoutPreemptively(PATIENCE, () -> stopper.stop(Duration.ofSeconds(1)));
        assertThat(stopper.status().getExitCode()).isEqualTo(137);
        assertTimeoutPreemptively(PATIENCE, pod::remove);
    }

    @Test
    void rule10AnExecWhoseEndATracerWithholdsEndsAtItsDeadline() throws IOException {
        Pod pod = live.pod().pid(NamespaceMode.POD).run();
        Container victim = pod.container(live.busybox()).idle().start();
        Path orders = orders();
        Container peer = attacker(pod, orders)
                .command("/usr/bin/perl", "/attack/peer.pl", "1ffffffffff", "0", "/none", "hold")
                .add("SYS_PTRACE")
                .start();
        Await.until("the peer watches", PATIENCE, () -> Files.exists(orders.resolve("ready")));
        AtOnce.run(Stream.<Runnable>generate(() -> () -> assertTimeoutPreemptively(PATIENCE, () -> {
                    try {
                        var _ = victim.exec(Duration.ofSeconds(1), "/bin/sleep", "0.1");
                    } catch (StatusRuntimeException e) {
                        assertThat(e.getStatus().getDescription()).isNotEmpty();
                    }
                }))
                .limit(3));
        assertTimeoutPreemptively(PATIENCE, () -> peer.stop(Duration.ZERO));
        assertTimeoutPreemptively(PATIENCE, pod::remove);
    }

    @Test
    void rule10AStoppedContainerStops() {
        Container container = live.pod().run().container(live.busybox()).idle().start();
        Commands.run("kill", "-STOP", Long.toString(container.process().pid())).orFail();
        assertTimeoutPreemptively(PATIENCE, () -> container.stop(Duration.ofSeconds(1)));
        assertThat(container.status().getExitCode()).isEqualTo(137);
    }

    @Test
    void rule10AFrozenContainerStops() throws IOException {
        Container container = live.pod().run().container(live.busybox()).idle().start();
        Path group = container.process().cgroup("freezer").orElseThrow();
        Path v1 = group.resolve("freezer.state");
        if (Files.exists(v1)) {
            Files.writeString(v1, "FROZEN");
        } else {
            Files.writeString(group.resolve("cgroup.freeze"), "1");
        }
        assertTimeoutPreemptively(PATIENCE, () -> container.stop(Duration.ofSeconds(1)));
        // Thawed to be killed, it may still take the stop signal that waited for it.
        assertThat(container.status().getExitCode()).isIn(137, 143);
    }

    // Rule 12: standard streams belong to the container alone.

    @Test
    void rule12StandardInputIsNotTheHostsNullDevice() throws IOException {
        Path hostNull = Path.of("/dev/null");
        Set<PosixFilePermission> before = Files.getPosixFilePermissions(hostNull);
        try {
            Container container =
                    live.pod().run().container(live.busybox()).idle().start();
            assertThat(container.shell("chmod 600 /proc/self/fd/0 /proc/1/fd/0; chmod 601 /dev/null; echo done"))
                    .isEqualTo("done");
            assertThat(Files.getPosixFilePermissions(hostNull)).isEqualTo(before);
            // Another container's is another one, too.
            Container other = live.pod().run().container(live.busybox()).idle().start();
            assertThat(other.shell("stat -c %a /dev/null")).isEqualTo("666");
        } finally {
            Files.setPosixFilePermissions(hostNull, before);
        }
        assertThat(before).isEqualTo(PosixFilePermissions.fromString("rw-rw-rw-"));
    }

    @Test
    void rule12AProgramThatMakesItsOutputNonBlockingLosesNothingThatItWrote() {
        Container container = attacker(live.pod().run(), orders())
                .command(
                        "/usr/bin/perl",
                        "-e",
                        "syscall(72, 1, 4, 0x800) == 0 or die; $n = 0; while ($n < 20000) { "
                                + "$line = \"$n\\n\"; if (defined(syswrite(STDOUT, $line))) { $n++ } }")
                .runToEnd();
        List<String> expected = new ArrayList<>();
        for (int i = 0; i < 20_000; i++) {
            expected.add(Integer.toString(i));
        }
        assertThat(container.status().getExitCode()).isZero();
        assertThat(container.output().lines()).containsExactlyElementsOf(expected);
    }

    @Test
    void rule12AChildThatKeepsTheOutputOpenDoesNotKeepTheContainerAlive() {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .shell("echo before; (setsid sleep 1000 &); exit 0")
                .start();
        assertTimeoutPreemptively(PATIENCE, () -> {
            var _ = container.awaitExit();
        });
        assertThat(container.output()).isEqualTo("before\n");
    }

    // Rule 13: what a container does to its mounts stays in the container.

    @Test
    void rule13UnmountingInAPrivilegedContainerLeavesTheHostsMount() throws IOException {
        Path volume = live.directory("shared");
        Path below = Files.createDirectory(volume.resolve("below"));
        Commands.run("mount", "--bind", volume.toString(), volume.toString()).orFail();
        Commands.run("mount", "--make-shared", volume.toString()).orFail();
        Commands.run("mount", "-t", "tmpfs", "tmpfs", below.toString()).orFail();
        try {
            Files.createFile(below.resolve("kept"));
            Container container = live.pod()
                    .privileged()
                    .run()
                    .container(live.busybox())
                    .privileged()
                    .idle()
                    .mount(volume, "/data")
                    .start();
            assertThat(container.shell("ls /data/below; umount /data/below; umount /data; ls /data"))
                    .isEqualTo("kept");
            assertThat(below.resolve("kept")).exists();
        } finally {
            Commands.run("umount", "-R", volume.toString()).orFail();
        }
    }
}
