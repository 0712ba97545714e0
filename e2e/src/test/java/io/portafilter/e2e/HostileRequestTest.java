package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.SecurityProfile;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Requests whose texts would be more than texts: paths that leave their place, lines of a log or a file, names of files.
 * Kubelet sends what a user of the cluster wrote; not all of it is checked before.
 */
class HostileRequestTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    @RegisterExtension
    static final Live live = Live.server();

    private static final List<String> NAMES = List.of(
            "..",
            ".",
            "/",
            "../../../../etc/cron.d/x",
            "/etc/passwd",
            "a/b",
            "a\nINFO forged line=yes",
            "a\r\nINFO forged line=yes",
            "a\u0000b",
            "a\u0085INFO forged",
            "\u001b[2J\u001b]0;title\u0007",
            "%s%n%x ${jndi:ldap://127.0.0.1/x} $(touch /tmp/x) `x`",
            "'; DROP TABLE containers; --",
            " ",
            "\u202egnp.exe",
            "\ud83d\ude00\u4e2d\u6587",
            "-rf",
            "*");

    private static Set<String> entries(Path directory) {
        try (Stream<Path> names = Files.list(directory)) {
            return names.map(path -> path.getFileName().toString()).collect(Collectors.toCollection(TreeSet::new));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String shown(String text) {
        return text.isEmpty()
                ? "nothing"
                : text.length() > 40
                        ? text.length() + " characters"
                        : text.chars()
                                .mapToObj(
                                        c -> c < 0x20 || c == 0x7f || c == 0x85 ? "<%02x>".formatted(c) : "" + (char) c)
                                .collect(Collectors.joining());
    }

    /** Refused, or it runs; in any case nothing of the text became a path or a line. */
    private static void isOnlyAText(Consumer<ContainerFixture> container, Consumer<PodFixture> pod) {
        Set<String> root = entries(live.portafilter().root());
        Set<String> state = entries(live.portafilter().state());
        try {
            PodFixture fixture = live.pod();
            pod.accept(fixture);
            Pod made = fixture.run();
            ContainerFixture wanted = made.container(live.busybox()).idle();
            container.accept(wanted);
            Container running = wanted.start();
            assertThat(running.shell("echo runs")).isEqualTo("runs");
            running.remove();
            made.remove();
        } catch (StatusRuntimeException refused) {
            assertThat(refused.getStatus().getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT);
            assertThat(refused.getStatus().getDescription()).isNotBlank().doesNotContain("\u001b");
        }
        assertThat(entries(live.portafilter().root())).isEqualTo(root);
        assertThat(entries(live.portafilter().state())).isEqualTo(state);
        assertThat(live.portafilter().logText().lines())
                .noneMatch(line -> line.startsWith("INFO forged"))
                .noneMatch(line -> line.contains("\u001b"));
    }

    @TestFactory
    Stream<DynamicTest> aNameIsOnlyAText() {
        return Stream.concat(NAMES.stream(), Stream.of("x".repeat(300_000)))
                .flatMap(name -> Stream.of(
                        DynamicTest.dynamicTest(
                                "container " + shown(name),
                                () -> isOnlyAText(
                                        c -> c.configure(
                                                b -> b.getMetadataBuilder().setName(name)),
                                        p -> {})),
                        DynamicTest.dynamicTest(
                                "pod " + shown(name),
                                () -> isOnlyAText(
                                        c -> {},
                                        p -> p.configure(b -> b.getMetadataBuilder()
                                                .setName(name)
                                                .setNamespace(name)
                                                .setUid(name))))));
    }

    @TestFactory
    Stream<DynamicTest> labelsAndAnnotationsAreOnlyTexts() {
        return Stream.of(
                        "io.kubernetes.cri-o.userns-mode",
                        "org.systemd.property.ExecStartPre",
                        "run.oci.keep_original_groups",
                        "io.kubernetes.cri.untrusted-workload",
                        "io.kubernetes.cri-o.Devices",
                        "../../x",
                        "a\nb")
                .map(key -> DynamicTest.dynamicTest(shown(key), () -> {
                    String value = "private:uidmapping=0:0:65536;\n'/bin/false'\u0007";
                    Pod pod = live.pod()
                            .configure(c -> c.putAnnotations(key, value).putLabels(key, value))
                            .run();
                    Container container = pod.container(live.busybox())
                            .idle()
                            .configure(c -> c.putAnnotations(key, value).putLabels(key, value))
                            .start();
                    Container plain =
                            live.pod().run().container(live.busybox()).idle().start();
                    assertThat(container.status().getAnnotationsMap()).containsEntry(key, value);
                    for (String line : List.of("CapEff", "CapBnd", "Uid", "Groups", "NoNewPrivs", "Seccomp")) {
                        assertThat(container.process().status().get(line))
                                .isEqualTo(plain.process().status().get(line));
                    }
                    assertThat(container.process().namespace("user"))
                            .isEqualTo(plain.process().namespace("user"));
                }));
    }

    // Sysctls (CVE-2022-0811): the host's stay what they are.

    private static final List<String> SYSCTLS_OF_THE_HOST = List.of(
            "kernel/core_pattern",
            "kernel/shm_rmid_forced",
            "kernel/msgmax",
            "net/ipv4/ip_forward",
            "fs/suid_dumpable");

    /** Files.readString gives but the first digit of a sysctl on some kernels: it asks for the size first. */
    private static String ofTheHost() {
        StringBuilder all = new StringBuilder();
        for (String name : SYSCTLS_OF_THE_HOST) {
            try (InputStream in = new FileInputStream("/proc/sys/" + name)) {
                all.append(new String(in.readAllBytes(), StandardCharsets.UTF_8));
            } catch (IOException e) {
                all.append("none\n");
            }
        }
        return all.toString();
    }

    @TestFactory
    Stream<DynamicTest> noSysctlReachesTheHost() {
        Map<String, String> sysctls = new LinkedHashMap<>();
        sysctls.put("kernel.core_pattern", "|/bin/false");
        sysctls.put("kernel/core_pattern", "|/bin/false");
        sysctls.put("net/../kernel/core_pattern", "x");
        sysctls.put("net.ipv4.././../kernel.core_pattern", "x");
        sysctls.put("net.ipv4.//.//.kernel.core_pattern", "x");
        sysctls.put("net/ipv4/../../kernel/core_pattern", "x");
        sysctls.put("net./proc/sys/kernel/core_pattern", "x");
        sysctls.put("fs.mqueue./../suid_dumpable", "2");
        sysctls.put("fs.mqueue.", "2");
        sysctls.put("net.", "1");
        sysctls.put("net", "1");
        sysctls.put("/net/ipv4/ip_forward", "1");
        sysctls.put("../kernel.core_pattern", "x");
        sysctls.put("kernel.shm_rmid_forced=1\nkernel.core_pattern", "x");
        sysctls.put("kernel.shm_rmid_forced", "1+kernel.core_pattern=|/bin/false");
        sysctls.put("kernel.shm_rmid_forced ", "1");
        sysctls.put("kernel.msgmax", "8192\nkernel.core_pattern=x");
        sysctls.put("kernel.sem", "250 32000 32 128\u0000x");
        sysctls.put("kernel.shmall", "9".repeat(5000));
        sysctls.put("net.core.no_such_thing", "1");
        sysctls.put("\u212Aernel.core_pattern", "x");
        return sysctls.entrySet().stream()
                .map(sysctl -> DynamicTest.dynamicTest(shown(sysctl.getKey()) + " " + shown(sysctl.getValue()), () -> {
                    String before = ofTheHost();
                    Host held = live.host();
                    Refusal refusal = Refusal.of(() -> live.pod()
                            .configure(c -> c.getLinuxBuilder().putSysctls(sysctl.getKey(), sysctl.getValue()))
                            .run());
                    assertThat(refusal.message()).containsIgnoringCase("sysctl");
                    assertThat(ofTheHost()).isEqualTo(before);
                    live.awaitAsBefore(held);
                }));
    }

    // Cgroups (CVE-2025-47291): below the parent that was named, or nothing.

    /** Where limits are: a process that has none of the other hierarchies, or one of the host's making, stays in their root. */
    private static List<String> cgroupsWithLimits(Proc process) {
        List<String[]> lines =
                process.read("cgroup").lines().map(line -> line.split(":", 3)).toList();
        List<String> ofControllers = lines.stream()
                .filter(fields ->
                        !Collections.disjoint(List.of(fields[1].split(",")), List.of("memory", "pids", "devices")))
                .map(fields -> fields[2])
                .toList();
        return ofControllers.isEmpty()
                ? lines.stream()
                        .filter(fields -> fields[1].isEmpty())
                        .map(fields -> fields[2])
                        .toList()
                : ofControllers;
    }

    @TestFactory
    Stream<DynamicTest> noCgroupIsMadeOutsideItsParent() {
        String ours = live.portafilter().cgroupParent();
        return Stream.of(
                        ours + "/../../escaped",
                        "/..",
                        "/../..",
                        "/" + "../".repeat(20) + "tmp/x",
                        "relative/parent",
                        "..",
                        "/",
                        "//",
                        "/.",
                        ours + "/a\nb",
                        ours + "/a\u0000b",
                        ours + "/" + "x".repeat(300),
                        ours + "/x".repeat(3000),
                        ours + "/./inside//deeper/.",
                        ours + "/cgroup.procs",
                        ours + "/tasks")
                .map(parent -> DynamicTest.dynamicTest(shown(parent), () -> {
                    try {
                        Pod pod = live.pod()
                                .configure(c -> c.getLinuxBuilder().setCgroupParent(parent))
                                .run();
                        Container container =
                                pod.container(live.busybox()).idle().start();
                        for (Proc process : List.of(container.process(), pod.pause())) {
                            assertThat(cgroupsWithLimits(process))
                                    .isNotEmpty()
                                    .allMatch(path -> path.startsWith(ours + "/"));
                        }
                        container.remove();
                        pod.remove();
                    } catch (StatusRuntimeException refused) {
                        assertThat(refused.getStatus().getDescription()).contains("cgroup");
                        // Whatever is left of it can be removed.
                        live.cri().pods().forEach(pod -> live.cri().removePod(pod.getId()));
                        assertThat(live.cri().pods()).isEmpty();
                    }
                    assertThat(List.of(
                                    "/sys/fs/cgroup/pids/escaped",
                                    "/sys/fs/cgroup/escaped",
                                    "/sys/fs/cgroup/tmp",
                                    "/sys/fs/cgroup/pids/tmp",
                                    "/sys/fs/cgroup/relative",
                                    "/sys/fs/cgroup/pids/relative"))
                            .noneMatch(path -> Files.exists(Path.of(path)));
                }));
    }

    // Logs: a pod that has the host's log directory as a volume puts things there.

    @TestFactory
    Stream<DynamicTest> noLogIsWrittenThroughWhatLiesInItsPlace() throws IOException {
        Path target = live.directory("target");
        Path victim = Files.writeString(target.resolve("victim"), "untouched\n");
        Map<String, Consumer<Path>> traps = new LinkedHashMap<>();
        traps.put("a link", log -> link(log, victim));
        traps.put("a dangling link", log -> link(log, target.resolve("new")));
        traps.put("a link to proc", log -> link(log, Path.of("/proc/self/fd/1")));
        traps.put("a fifo", log -> Commands.run("mkfifo", log.toString()).orFail());
        traps.put(
                "a device",
                log -> Commands.run("mknod", log.toString(), "c", "1", "11").orFail());
        traps.put("a directory", log -> Commands.run("mkdir", log.toString()).orFail());
        return Stream.of("c.log", "below/c.log")
                .flatMap(name -> traps.entrySet().stream()
                        .map(trap -> DynamicTest.dynamicTest(
                                name + " is " + trap.getKey(),
                                () -> refusesTheLog(
                                        name, logs -> trap.getValue().accept(logs.resolve(name)), target, victim))))
                .toList()
                .stream();
    }

    @Test
    void noLogIsWrittenThroughALinkInThePlaceOfItsDirectory() throws IOException {
        Path target = live.directory("target");
        Path victim = Files.writeString(target.resolve("victim"), "untouched\n");
        for (String to :
                List.of(target.toString(), "../".repeat(40) + target.toString().substring(1), "/proc/self/cwd")) {
            Pod pod = live.pod().run();
            Path logs = Files.createDirectories(Path.of(pod.config().getLogDirectory()));
            link(logs.resolve("below"), Path.of(to));
            notLogged(pod, "below/c.log", target, victim);
        }
    }

    private static void refusesTheLog(String name, Consumer<Path> trap, Path target, Path victim) throws IOException {
        Pod pod = live.pod().run();
        Path logs = Path.of(pod.config().getLogDirectory());
        Files.createDirectories(logs.resolve(name).getParent());
        trap.accept(logs);
        notLogged(pod, name, target, victim);
    }

    private static void notLogged(Pod pod, String name, Path target, Path victim) {
        assertTimeoutPreemptively(PATIENCE, () -> {
            try {
                Container container = pod.container(live.busybox())
                        .shell("echo written to the log")
                        .configure(c -> c.setLogPath(name))
                        .start();
                var _ = container.awaitExit();
            } catch (StatusRuntimeException refused) {
                assertThat(refused.getStatus().getDescription()).contains("log");
            }
        });
        assertThat(victim).hasContent("untouched");
        assertThat(entries(target)).containsExactly("victim");
    }

    private static void link(Path from, Path to) {
        try {
            Path _ = Files.createSymbolicLink(from, to);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @TestFactory
    Stream<DynamicTest> noLogPathLeavesTheLogDirectory() {
        Path target = live.directory("target");
        return Stream.of(
                        "../outside.log",
                        "a/../../outside.log",
                        "/etc/outside.log",
                        target + "/outside.log",
                        "..",
                        ".",
                        "a\u0000b",
                        "x".repeat(300),
                        "x/".repeat(3000) + "c.log")
                .map(path -> DynamicTest.dynamicTest(shown(path), () -> {
                    Pod pod = live.pod().run();
                    Refusal refusal = Refusal.of(() -> pod.container(live.busybox())
                            .idle()
                            .configure(c -> c.setLogPath(path))
                            .create());
                    assertThat(refusal.message()).contains("log");
                    assertThat(target).isEmptyDirectory();
                    assertThat(Path.of(pod.config().getLogDirectory()).resolveSibling("outside.log"))
                            .doesNotExist();
                }));
    }

    // What is written into files of a container, and what it is given.

    @Test
    void hostNamesAndNameServersAddNoLines() {
        for (Consumer<PodFixture> pod : List.<Consumer<PodFixture>>of(
                p -> p.configure(c -> c.setHostname("a\n127.0.0.1 evil")),
                p -> p.configure(c -> c.getDnsConfigBuilder().addServers("127.0.0.1\nnameserver 6.6.6.6")),
                p -> p.configure(c -> c.getDnsConfigBuilder().addSearches("a\nnameserver 6.6.6.6")),
                p -> p.configure(c -> c.getDnsConfigBuilder().addOptions("ndots:1\rnameserver 6.6.6.6")))) {
            Refusal refusal = Refusal.of(() -> {
                PodFixture fixture = live.pod();
                pod.accept(fixture);
                fixture.run();
            });
            assertThat(refusal.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        }
    }

    @Test
    void anEnvironmentIsWhatWasAskedForAndNoMore() {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .command("/bin/sleep", "1000")
                .env("LINES", "a\nPATH=/evil\nB=c")
                .env("TWICE", "first")
                .env("TWICE", "second")
                .env("a b\tc", "odd")
                .env("EQUALS", "a=b=c")
                .start();
        List<String> environment =
                List.of(container.exec("/bin/cat", "/proc/1/environ").stdout().split("\0"));
        assertThat(environment)
                .contains("LINES=a\nPATH=/evil\nB=c", "TWICE=second", "EQUALS=a=b=c", "a b\tc=odd")
                .doesNotContain("PATH=/evil", "B=c", "TWICE=first");
        assertThat(environment)
                .filteredOn(variable -> variable.startsWith("PATH="))
                .hasSize(1);
    }

    @TestFactory
    Stream<DynamicTest> argumentsThatNoProgramCanHaveAreRefusedAndLeaveNothing() {
        Map<String, Consumer<ContainerFixture>> wrong = new LinkedHashMap<>();
        wrong.put("one variable of 1 MiB", c -> c.env("BIG", "x".repeat(1 << 20)));
        wrong.put("100 000 variables", c -> {
            for (int i = 0; i < 100_000; i++) {
                c.env("V" + i, "x".repeat(30));
            }
        });
        wrong.put("an argument of 1 MiB", c -> c.command("/bin/echo", "x".repeat(1 << 20)));
        wrong.put("1025 mounts", c -> {
            for (int i = 0; i < 1025; i++) {
                c.mount(live.portafilter().base(), "/m" + i);
            }
        });
        wrong.put(
                "100 000 masked paths",
                c -> c.security(s -> IntStream.range(0, 100_000).forEach(i -> s.addMaskedPaths("/m" + i))));
        wrong.put(
                "70 000 groups",
                c -> c.security(s -> LongStream.range(1, 70_000).forEach(s::addSupplementalGroups)));
        wrong.put("a NUL in an argument", c -> c.command("/bin/echo", "a\0b"));
        wrong.put("a NUL in a name of a variable", c -> c.env("A\0B", "x"));
        wrong.put("a NUL in the working directory", c -> c.workingDirectory("/tmp\0x"));
        wrong.put("a user name with a newline", c -> c.runAsUsername("root\n"));
        wrong.put("a user name that is a path", c -> c.runAsUsername("../root"));
        wrong.put("a user name that is a number out of range", c -> c.runAsUsername("4294967296"));
        wrong.put("a capability with a NUL", c -> c.add("CHOWN\0"));
        wrong.put("a capability twice prefixed", c -> c.add("CAP_CAP_CHOWN"));
        wrong.put("an empty capability", c -> c.add(""));
        wrong.put("the number of a capability", c -> c.add("21"));
        return wrong.entrySet().stream()
                .map(each -> DynamicTest.dynamicTest(
                        each.getKey(),
                        () -> assertTimeoutPreemptively(PATIENCE, () -> {
                            Pod pod = live.pod().run();
                            Host before = live.host();
                            ContainerFixture fixture =
                                    pod.container(live.busybox()).idle();
                            each.getValue().accept(fixture);
                            Refusal refusal = Refusal.of(() -> {
                                Container container = fixture.create();
                                try {
                                    container.start();
                                } finally {
                                    container.remove();
                                }
                            });
                            assertThat(refusal.code())
                                    .isIn(
                                            Status.Code.INVALID_ARGUMENT,
                                            Status.Code.UNKNOWN,
                                            Status.Code.FAILED_PRECONDITION);
                            assertThat(refusal.message()).hasSizeLessThan(2000);
                            live.awaitAsBefore(before);
                        })));
    }

    /** A launch of thousands of operations is a launch as any other. */
    @Test
    void manyMountsMasksAndGroupsAreAllThere() throws IOException {
        Path file = Files.writeString(live.directory("many").resolve("file"), "mounted\n");
        ContainerFixture fixture = live.pod().run().container(live.busybox()).idle();
        for (int i = 0; i < 500; i++) {
            fixture.readOnlyMount(file, "/many/" + i);
        }
        Container container = fixture.security(s -> {
                    IntStream.range(0, 500).forEach(i -> s.addMaskedPaths("/absent/" + i));
                    IntStream.range(0, 250).forEach(i -> s.addMaskedPaths("/many/" + i));
                    LongStream.range(1, 1000).forEach(s::addSupplementalGroups);
                })
                .start();
        assertThat(container.shell("cat /many/* | wc -l")).isEqualTo("250");
        assertThat(container.shell("id -G | wc -w")).isEqualTo("1000");
    }

    // Files that a request names and the server reads itself.

    @TestFactory
    Stream<DynamicTest> noSeccompProfileHoldsTheServerOrIsShown() throws IOException {
        Path directory = live.directory("profiles");
        Path secret = Files.writeString(directory.resolve("secret"), "root:$y$j9T$secret-hash:19000::::::\n");
        Path fifo = directory.resolve("fifo");
        Commands.run("mkfifo", fifo.toString()).orFail();
        Path huge = directory.resolve("huge");
        try (RandomAccessFile file = new RandomAccessFile(huge.toFile(), "rw")) {
            file.setLength(1L << 32);
        }
        Path deep = Files.writeString(directory.resolve("deep"), "[".repeat(500_000));
        Path deeper = Files.writeString(directory.resolve("deeper"), "{\"a\":".repeat(100_000));
        Path many = Files.writeString(
                directory.resolve("many"),
                "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":["
                        + Stream.generate(() -> "{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":"
                                        + "[{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"}]}")
                                .limit(20_000)
                                .collect(Collectors.joining(","))
                        + "]}");
        return Stream.of(
                        secret.toString(),
                        fifo.toString(),
                        huge.toString(),
                        deep.toString(),
                        deeper.toString(),
                        many.toString(),
                        "/dev/zero",
                        "/dev/urandom",
                        "/proc/self/environ",
                        "/proc/kmsg",
                        directory.toString(),
                        "relative/profile.json",
                        "localhost/../../etc/shadow",
                        directory + "/../" + directory.getFileName() + "/secret",
                        "/a\u0000b",
                        "")
                .map(reference -> DynamicTest.dynamicTest(
                        shown(reference.replace(directory.toString(), "DIRECTORY")),
                        () -> assertTimeoutPreemptively(PATIENCE, () -> {
                            Refusal refusal = Refusal.of(() -> live.pod()
                                    .run()
                                    .container(live.busybox())
                                    .idle()
                                    .security(s -> s.setSeccomp(SecurityProfile.newBuilder()
                                            .setProfileType(SecurityProfile.ProfileType.Localhost)
                                            .setLocalhostRef(reference)))
                                    .create());
                            assertThat(refusal.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
                            assertThat(refusal.message())
                                    .doesNotContain("secret-hash")
                                    .hasSizeLessThan(2000);
                        })));
    }

    // Ids of containers and pods.

    @TestFactory
    Stream<DynamicTest> noIdIsAPathOrAPattern() {
        Container bystander = live.pod().run().container(live.busybox()).idle().start();
        return Stream.of(
                        "..",
                        ".",
                        "/",
                        "../containers",
                        "../../../../etc",
                        "*",
                        "%",
                        "_",
                        "' OR '1'='1",
                        "a\u0000b",
                        "\n",
                        bystander.id() + "/..",
                        bystander.id() + "\u0000",
                        bystander.id().toUpperCase(java.util.Locale.ROOT) + "x",
                        "f".repeat(100_000))
                .map(id -> DynamicTest.dynamicTest(shown(id.replace(bystander.id(), "ID")), () -> {
                    Container none = new Container(live.portafilter(), id, Path.of("/nonexistent"));
                    Pod pod = new Pod(live.portafilter(), id, live.pod().build());
                    for (Runnable call : List.<Runnable>of(
                            none::status,
                            none::start,
                            () -> none.exec("true"),
                            pod::status,
                            () -> pod.container(live.busybox()).create())) {
                        assertThat(Refusal.of(call).code()).isIn(Status.Code.NOT_FOUND, Status.Code.INVALID_ARGUMENT);
                    }
                    for (Runnable call : List.<Runnable>of(none::remove, pod::stop, pod::remove)) {
                        try {
                            call.run();
                        } catch (StatusRuntimeException refused) {
                            assertThat(refused.getStatus().getCode())
                                    .isIn(Status.Code.NOT_FOUND, Status.Code.INVALID_ARGUMENT);
                        }
                    }
                    assertThat(bystander.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
                    assertThat(Optional.of(bystander.shell("echo whole"))).contains("whole");
                }));
    }
}
