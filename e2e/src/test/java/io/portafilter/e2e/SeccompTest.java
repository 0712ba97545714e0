package io.portafilter.e2e;

import static io.portafilter.e2e.Attempts.EINVAL;
import static io.portafilter.e2e.Attempts.ENOSYS;
import static io.portafilter.e2e.Attempts.EPERM;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.Status;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.SecurityProfile;
import io.portafilter.cri.v1.SecurityProfile.ProfileType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Filters, judged by what a program finds that it may do: system calls are made by number (those of x86-64), most of them
 * harmless {@code umask(2)} and {@code getpriority(2)}.
 */
class SeccompTest {
    private static final int SIGSYS_EXIT = 128 + 31;
    private static final int FIRST_HOST_ID = 0x100000;
    private static final Path RUNTIME_DEFAULT = Tree.root()
            .resolve("sandbox-runtime/src/main/resources/io/portafilter/security/seccomp-runtime-default.tsv");

    /** Where and as whom a filtered program may run. */
    enum Site {
        OWN_PIDS,
        SHARED_PIDS,
        USER_NAMESPACE,
        USER_NAMESPACE_SHARED_PIDS,
        HOST_PIDS,
        ANOTHER_USER,
        NO_NEW_PRIVILEGES,
        ANOTHER_USER_WITHOUT_CAPABILITIES_AND_NO_NEW_PRIVILEGES;

        ContainerFixture container() {
            PodFixture pod = live.pod();
            if (this == USER_NAMESPACE || this == USER_NAMESPACE_SHARED_PIDS) {
                pod.userNamespace(FIRST_HOST_ID);
            }
            if (this == SHARED_PIDS || this == USER_NAMESPACE_SHARED_PIDS) {
                pod.pid(NamespaceMode.POD);
            }
            if (this == HOST_PIDS) {
                pod.pid(NamespaceMode.NODE);
            }
            ContainerFixture container = pod.run().container(live.attacker()).idle();
            return switch (this) {
                case ANOTHER_USER -> container.runAsUser(1000);
                case NO_NEW_PRIVILEGES -> container.noNewPrivs();
                case ANOTHER_USER_WITHOUT_CAPABILITIES_AND_NO_NEW_PRIVILEGES ->
                    container.runAsUser(1000).drop("ALL").noNewPrivs();
                case OWN_PIDS, SHARED_PIDS, USER_NAMESPACE, USER_NAMESPACE_SHARED_PIDS, HOST_PIDS -> container;
            };
        }
    }

    @RegisterExtension
    static final Live live = Live.server();

    private static ContainerFixture attacker() {
        return Site.OWN_PIDS.container();
    }

    private static Path profile(String name, String json) {
        Path file = live.directory("seccomp").resolve(name + ".json");
        try {
            return Files.writeString(file, json.replace('\'', '"'));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Everything is allowed but for these entries of syscalls. */
    private static Path allowing(String name, String... entries) {
        return profile(
                name,
                "{'defaultAction':'SCMP_ACT_ALLOW','architectures':['SCMP_ARCH_X86_64'],'syscalls':["
                        + String.join(",", entries) + "]}");
    }

    private static String entry(String call, String action, String more) {
        return "{'names':['" + call + "'],'action':'SCMP_ACT_" + action + "'" + more + "}";
    }

    /** A program that makes one call and prints what it answered, as the container's first process. */
    private static Container once(Path profile, String expression) {
        Container container = attacker()
                .command(
                        "/usr/bin/perl",
                        "-e",
                        "my $r = " + expression + "; print \"answer $r error \", $! + 0, \"\\n\"")
                .seccomp(profile)
                .start();
        var _ = container.awaitExit();
        return container;
    }

    // ---- actions

    @ParameterizedTest
    @CsvSource({
        "ERRNO, , -1, 1",
        "ERRNO, 38, -1, 38",
        "ERRNO, 13, -1, 13",
        "ERRNO, 133, -1, 133",
        "ERRNO, 0, 0, 0",
        "TRACE, , -1, 38",
        "TRACE, 7, -1, 38",
    })
    void anActionWithAnErrorNumberAnswersIt(String action, Integer errno, int answer, int error) {
        Container container = once(
                allowing(
                        "errno-" + action + errno, entry("umask", action, errno == null ? "" : ",'errnoRet':" + errno)),
                "syscall(95, 18)");
        assertThat(container.output()).isEqualTo("answer " + answer + " error " + error + "\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"ALLOW", "LOG"})
    void allowAndLogLetTheCallThrough(String action) {
        assertThat(once(allowing("through-" + action, entry("umask", action, "")), "syscall(95, 7)")
                        .output())
                .isEqualTo("answer 18 error 0\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"KILL", "KILL_THREAD", "KILL_PROCESS", "TRAP"})
    void killsEndTheProgramWithSigsys(String action) {
        Container container = once(allowing("kill-" + action, entry("umask", action, "")), "syscall(95, 7)");
        assertThat(container.status().getExitCode()).isEqualTo(SIGSYS_EXIT);
        assertThat(container.output()).isEmpty();
    }

    @Test
    void aTrappedCallCanBeHandledByTheProgram() {
        Container container = once(
                allowing("trap-handled", entry("umask", "TRAP", "")),
                "0; $SIG{SYS} = sub { print \"trapped\\n\"; exit 3 }; syscall(95, 7)");
        assertThat(container.output()).isEqualTo("trapped\n");
        assertThat(container.status().getExitCode()).isEqualTo(3);
    }

    // ---- the default action

    private static Path onlyKnownNames(String name, String defaults, String... without) {
        try {
            String names = Files.readAllLines(RUNTIME_DEFAULT).stream()
                    .filter(line -> !line.startsWith("#"))
                    .map(line -> line.substring(0, line.indexOf('\t')))
                    .distinct()
                    .filter(call -> !List.of(without).contains(call))
                    .collect(Collectors.joining("','", "'", "'"));
            return profile(name, "{" + defaults + ",'syscalls':[{'names':[" + names + "],'action':'SCMP_ACT_ALLOW'}]}");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @ParameterizedTest
    @CsvSource({"'', 1", "',\"defaultErrnoRet\":38', 38", "',\"defaultErrnoRet\":77', 77"})
    void whatNoEntryNamesGetsTheDefault(String errno, int error) {
        Path profile = onlyKnownNames("default" + error, "'defaultAction':'SCMP_ACT_ERRNO'" + errno, "umask");
        Attempts.Outcomes outcomes = new Attempts()
                .add("umask", "c(95, 18)")
                .add("an unknown number", "c(999)")
                .add("getpriority", "c(140, 0, 0)")
                .in(attacker().seccomp(profile).start());
        assertThat(outcomes.of("umask").errno()).contains(error);
        assertThat(outcomes.of("an unknown number").errno()).contains(error);
        assertThat(outcomes.of("getpriority").errno()).isEmpty();
    }

    @Test
    void theDefaultMayBeToKill() {
        Path profile = onlyKnownNames("default-kill", "'defaultAction':'SCMP_ACT_KILL_PROCESS'", "umask");
        assertThat(once(profile, "syscall(140, 0, 0)").output()).startsWith("answer ");
        assertThat(once(profile, "syscall(95, 18)").status().getExitCode()).isEqualTo(SIGSYS_EXIT);
    }

    // ---- conditions on arguments

    @ParameterizedTest
    @CsvSource({
        "NE, 5, 0, 4 6 5+2^32",
        "LT, 5, 0, 4",
        "LE, 5, 0, 4 5",
        "EQ, 5, 0, 5",
        "GE, 5, 0, 5 6 5+2^32",
        "GT, 5, 0, 6 5+2^32",
        "MASKED_EQ, 6, 4, 4 5 5+2^32",
        "MASKED_EQ, 4294967296, 4294967296, 5+2^32",
        "EQ, 4294967301, 0, 5+2^32",
    })
    void eachOperatorComparesAll64Bits(String operator, long value, long second, String refused) {
        Path profile = allowing(
                "operator-" + operator + value,
                entry(
                        "umask",
                        "ERRNO",
                        ",'errnoRet':99,'args':[{'index':0,'value':" + value + ",'valueTwo':" + second
                                + ",'op':'SCMP_CMP_" + operator + "'}]"));
        List<String> arguments = List.of("4", "5", "6", "5+2^32");
        Attempts attempts = new Attempts();
        arguments.forEach(each -> attempts.add(each, "c(95, " + each.replace("2^32", "4294967296") + ")"));
        Attempts.Outcomes outcomes = attempts.in(attacker().seccomp(profile).start());
        for (String argument : arguments) {
            assertThat(outcomes.of(argument).errno())
                    .as("umask(%s) where %s %s is refused", argument, operator, value)
                    .isEqualTo(List.of(refused.split(" ")).contains(argument) ? Optional.of(99) : Optional.empty());
        }
    }

    @Test
    void conditionsOfOneEntryMustAllHoldAndEntriesAreAlternatives() {
        Path profile = allowing(
                "and-or",
                entry(
                        "dup2",
                        "ERRNO",
                        ",'errnoRet':99,'args':[{'index':0,'value':1,'op':'SCMP_CMP_EQ'},"
                                + "{'index':1,'value':77,'op':'SCMP_CMP_EQ'}]"),
                entry("dup2", "ERRNO", ",'errnoRet':99,'args':[{'index':1,'value':78,'op':'SCMP_CMP_EQ'}]"));
        Attempts.Outcomes outcomes = new Attempts()
                .add("both", "c(33, 1, 77)")
                .add("first only", "c(33, 1, 79)")
                .add("second only", "c(33, 2, 77)")
                .add("the other entry", "c(33, 2, 78)")
                .in(attacker().seccomp(profile).start());
        assertThat(outcomes.of("both").errno()).contains(99);
        assertThat(outcomes.of("the other entry").errno()).contains(99);
        assertThat(outcomes.of("first only").errno()).isEmpty();
        assertThat(outcomes.of("second only").errno()).isEmpty();
    }

    // ---- includes and excludes

    @ParameterizedTest
    @CsvSource({"false, 11 0 33 0 55 0", "true, 0 22 33 0 55 0"})
    void entriesDependOnCapabilitiesArchitectureAndKernel(boolean withCapability, String expected) {
        Path profile = allowing(
                "conditional",
                entry("umask", "ERRNO", ",'errnoRet':11,'excludes':{'caps':['CAP_SYS_TIME']}"),
                entry("getpriority", "ERRNO", ",'errnoRet':22,'includes':{'caps':['CAP_SYS_TIME']}"),
                entry("getpgid", "ERRNO", ",'errnoRet':33,'includes':{'arches':['amd64'],'minKernel':'3.0'}"),
                entry("getsid", "ERRNO", ",'errnoRet':44,'includes':{'arches':['arm64','s390x']}"),
                entry("times", "ERRNO", ",'errnoRet':55,'excludes':{'minKernel':'99.1'}"),
                entry("sync", "ERRNO", ",'errnoRet':66,'includes':{'minKernel':'99.1'}"));
        ContainerFixture fixture = attacker().seccomp(profile);
        if (withCapability) {
            fixture.add("SYS_TIME");
        }
        List<String> calls = List.of("95, 18", "140, 0, 0", "121, 0", "124, 0", "100, 0", "162");
        Attempts attempts = new Attempts();
        calls.forEach(call -> attempts.add(call, "c(" + call + ")"));
        Attempts.Outcomes outcomes = attempts.in(fixture.start());
        String errors = calls.stream()
                .map(call -> outcomes.of(call).errno().orElse(0).toString())
                .collect(Collectors.joining(" "));
        assertThat(errors).isEqualTo(expected);
    }

    // ---- who is filtered

    /** The first process and what is executed beside it, wherever they run. */
    @ParameterizedTest
    @EnumSource
    void theFirstProcessAndExecsAreFilteredAlike(Site site) {
        Path profile = allowing("site", entry("umask", "ERRNO", ",'errnoRet':99"));
        Container container = site.container()
                .command(
                        "/usr/bin/perl",
                        "-e",
                        "$| = 1; syscall(95, 18); print 'error ', $! + 0, \"\\n\"; $SIG{TERM} = sub { exit 0 };"
                                + " sleep 1 while 1")
                .seccomp(profile)
                .start();
        Await.until(
                "the program has spoken",
                java.time.Duration.ofSeconds(20),
                () -> !container.logged("stdout").isEmpty());
        assertThat(container.logged("stdout")).isEqualTo("error 99\n");
        Attempts.Outcomes exec = new Attempts()
                .add("umask", "c(95, 18)")
                .add("getpriority", "c(140, 0, 0)")
                .in(container);
        assertThat(exec.of("umask").errno()).contains(99);
        assertThat(exec.of("getpriority").errno()).isEmpty();
        Map<String, String> status = container.process().status();
        assertThat(status.get("Seccomp")).isEqualTo("2");
        assertThat(status.get("Seccomp_filters")).isEqualTo("1");
        assertThat(status.get("NoNewPrivs")).isEqualTo(site.name().endsWith("NO_NEW_PRIVILEGES") ? "1" : "0");
    }

    @ParameterizedTest
    @EnumSource
    void runtimeDefaultRefusesTheUsualWaysOut(Site site) {
        Map<String, String> calls = new LinkedHashMap<>();
        calls.put("unshare a user namespace", "c(272, 0x10000000)");
        calls.put("unshare a mount namespace", "c(272, 0x20000)");
        calls.put("clone a user namespace", "c(56, 0x10000011, 0, 0, 0, 0)");
        calls.put("mount", "c(165, 0, 0, 0, 0, 0)");
        calls.put("open_tree", "c(428, -100, 0, 0)");
        calls.put("keyctl", "c(250, 0, -3, 0)");
        calls.put("add_key", "c(248, 0, 0, 0, 0, 0)");
        calls.put("bpf", "c(321, 0, 0, 0)");
        calls.put("io_uring_setup", "c(425, 1, 0)");
        calls.put("userfaultfd", "c(323, 0)");
        calls.put("perf_event_open", "c(298, 0, 0, 0, 0, 0)");
        calls.put("kexec_load", "c(246, 0, 0, 0, 0)");
        calls.put("settimeofday, which changes nothing", "c(164, 1, 0)");
        calls.put("AF_ALG", "c(41, 38, 5, 0)");
        calls.put("AF_VSOCK", "c(41, 40, 1, 0)");
        calls.put("AF_VSOCK below a bit that the kernel drops", "c(41, 40 + 4294967296, 1, 0)");
        calls.put("AF_VSOCK in 64 bits, all of them", "c(41, 40 - 4294967296, 1, 0)");
        Attempts.Outcomes outcomes = new Attempts()
                .addAll(calls)
                .add("clone3", "c(435, 0, 0)")
                .add("getpriority", "c(140, 0, 0)")
                .in(site.container().seccomp(ProfileType.RuntimeDefault).start());
        calls.keySet()
                .forEach(call -> assertThat(outcomes.of(call).errno()).as(call).contains(EPERM));
        assertThat(outcomes.of("clone3").errno()).contains(ENOSYS);
        assertThat(outcomes.of("getpriority").errno()).isEmpty();
    }

    /** With arguments that the kernel refuses for another reason, so that nothing happens to the host. */
    @ParameterizedTest
    @CsvSource({
        "SYS_TIME, 'c(227, 9999, 0)'",
        "SYS_MODULE, 'c(176, 0, 0)'",
        "SYS_BOOT, 'c(169, 0, 0, 0, 0)'",
        "SYS_CHROOT, 'c(161, 0)'",
        "SYSLOG, 'c(103, 99, 0, 0)'",
        "BPF, 'c(321, 9999, 0, 0)'",
        "PERFMON, 'c(298, 0, 0, 0, 0, 0)'",
        "DAC_READ_SEARCH, 'c(304, -1, 0, 0)'",
        "SYS_RAWIO, 'c(172, 99)'",
        "SYS_NICE, 'c(238, 99, 0, 0)'",
        "SYS_ADMIN, 'c(272, 0x1)'",
        "SYS_ADMIN, 'c(428, -1, 0, 0xffffffff)'",
    })
    void runtimeDefaultAllowsWhatACapabilityIsForAndOnlyThen(String capability, String call) {
        assumeTrue(
                new Proc(live.portafilter().pid()).capabilities("CapBnd").contains(capability),
                "the server itself has no CAP_" + capability);
        Attempts attempts = new Attempts().add("call", call);
        Container without =
                attacker().drop(capability).seccomp(ProfileType.RuntimeDefault).start();
        assertThat(attempts.in(without).of("call").errno()).contains(EPERM);
        Container with =
                attacker().add(capability).seccomp(ProfileType.RuntimeDefault).start();
        assertThat(attempts.in(with).of("call").errno().orElse(EINVAL)).isNotEqualTo(EPERM);
    }

    /** x32 is a mode of the processor that this profile does not name: its calls would pass by other numbers. */
    @Test
    void aCallOfAnotherModeKills() {
        Path profile = allowing("native-alone", entry("umask", "ERRNO", ""));
        Container container = once(profile, "syscall(95 + 0x40000000, 18)");
        assertThat(container.status().getExitCode()).isEqualTo(SIGSYS_EXIT);
    }

    @Test
    void theFlagsOfAProfileReachTheKernel() {
        Path profile = profile(
                "flags",
                "{'defaultAction':'SCMP_ACT_ALLOW','flags':['SECCOMP_FILTER_FLAG_LOG','SECCOMP_FILTER_FLAG_SPEC_ALLOW',"
                        + "'SECCOMP_FILTER_FLAG_TSYNC'],'syscalls':[" + entry("umask", "ERRNO", ",'errnoRet':99")
                        + "]}");
        assertThat(once(profile, "syscall(95, 18)").output()).isEqualTo("answer -1 error 99\n");
    }

    /** An exec after the file was changed, or removed, has the filter that the container has. */
    @Test
    void aProfileIsThatOfTheContainersCreation() throws IOException {
        Path profile = allowing("kept", entry("umask", "ERRNO", ",'errnoRet':99"));
        Container container = attacker().seccomp(profile).start();
        Attempts attempts = new Attempts().add("umask", "c(95, 18)");
        allowing("kept");
        assertThat(attempts.in(container).of("umask").errno()).contains(99);
        Files.delete(profile);
        assertThat(attempts.in(container).of("umask").errno()).contains(99);
    }

    @Test
    void twoContainersOfOneProfileHaveOneFilterEach() {
        Path profile = allowing("twice", entry("umask", "ERRNO", ",'errnoRet':99"));
        Pod pod = live.pod().run();
        for (int i = 0; i < 2; i++) {
            Container container =
                    pod.container(live.attacker()).idle().seccomp(profile).start();
            assertThat(container.process().status().get("Seccomp_filters")).isEqualTo("1");
            assertThat(new Attempts()
                            .add("umask", "c(95, 18)")
                            .in(container)
                            .of("umask")
                            .errno())
                    .contains(99);
        }
    }

    // ---- spellings

    /** What the fields say, and what the program finds: {@code none}, {@code default}, {@code file}. */
    @ParameterizedTest
    @CsvSource({
        "absent, '', none",
        "absent, runtime/default, default",
        "absent, docker/default, default",
        "absent, unconfined, none",
        "absent, localhost/FILE, file",
        "empty, '', default",
        "empty, unconfined, default",
        "RuntimeDefault, unconfined, default",
        "RuntimeDefault, localhost/FILE, default",
        "Unconfined, runtime/default, none",
        "Unconfined, localhost/FILE, none",
        "Localhost FILE, '', file",
        "Localhost FILE, unconfined, file",
        "Localhost localhost/FILE, runtime/default, file",
    })
    @SuppressWarnings("deprecation") // older kubelets send it
    void theNewFieldWinsOverTheOldOne(String field, String old, String expected) {
        String file =
                allowing("spelling", entry("umask", "ERRNO", ",'errnoRet':99")).toString();
        Container container = attacker()
                .security(s -> {
                    s.setSeccompProfilePath(old.replace("FILE", file));
                    switch (field.split(" ")[0]) {
                        case "absent" -> {}
                        case "empty" -> s.getSeccompBuilder();
                        case "Localhost" ->
                            s.setSeccomp(SecurityProfile.newBuilder()
                                    .setProfileType(ProfileType.Localhost)
                                    .setLocalhostRef(field.split(" ")[1].replace("FILE", file)));
                        default ->
                            s.setSeccomp(SecurityProfile.newBuilder().setProfileType(ProfileType.valueOf(field)));
                    }
                })
                .start();
        Attempts.Outcomes outcomes = new Attempts()
                .add("umask", "c(95, 18)")
                .add("clone3", "c(435, 0, 0)")
                .in(container);
        assertThat(outcomes.of("umask").errno())
                .isEqualTo(expected.equals("file") ? Optional.of(99) : Optional.empty());
        assertThat(outcomes.of("clone3").errno()).contains(expected.equals("default") ? ENOSYS : EINVAL);
    }

    // ---- refusals

    private static void refused(Consumer<ContainerFixture> asking, String... because) {
        ContainerFixture fixture = attacker();
        asking.accept(fixture);
        Refusal refusal = Refusal.of(fixture::create);
        assertThat(refusal.code()).as(refusal.message()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusal.message()).contains(because);
    }

    private static Consumer<ContainerFixture> localhost(String reference) {
        return fixture -> fixture.security(s -> s.setSeccomp(SecurityProfile.newBuilder()
                .setProfileType(ProfileType.Localhost)
                .setLocalhostRef(reference)));
    }

    @Test
    void whatIsNoRegularFileIsRefused() throws IOException {
        Path directory = live.directory("seccomp-odd");
        Path fifo = directory.resolve("fifo");
        Commands.run("mkfifo", fifo.toString());
        Path toFifo = Files.createSymbolicLink(directory.resolve("to-fifo"), fifo);
        Path dangling = Files.createSymbolicLink(directory.resolve("dangling"), directory.resolve("nothing"));
        Path loop = directory.resolve("loop");
        Files.createSymbolicLink(loop, loop);
        Path toItself = Files.createSymbolicLink(directory.resolve("magic"), Path.of("/proc/self/exe"));
        refused(localhost(fifo.toString()), fifo.toString(), "no regular file");
        refused(localhost(toFifo.toString()), toFifo.toString(), "no regular file");
        refused(localhost(directory.toString()), "no regular file");
        refused(localhost("/dev/zero"), "no regular file");
        refused(localhost(dangling.toString()), "ENOENT");
        refused(localhost(loop.toString()), "ELOOP");
        refused(localhost(toItself.toString()), "ELOOP");
        refused(localhost(directory.resolve("missing.json").toString()), "missing.json", "ENOENT");
    }

    /** Operators keep their profiles elsewhere and link to them from kubelet's directory. */
    @Test
    void aLinkToAProfileIsFollowed() throws IOException {
        Path profile = allowing("behind-a-link", entry("umask", "ERRNO", ",'errnoRet':99"));
        Path link = Files.createSymbolicLink(profile.resolveSibling("link.json"), profile);
        assertThat(once(link, "syscall(95, 18)").output()).isEqualTo("answer -1 error 99\n");
    }

    @Test
    void aHugeProfileIsRefused() {
        Path huge = profile("huge", "{'defaultAction':'SCMP_ACT_ALLOW'}" + " ".repeat(1 << 20));
        refused(localhost(huge.toString()), "1048610 bytes");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'defaultAction':'SCMP_ACT_ALLOW' | line 1, column",
                "{} | defaultAction is missing",
                "{'defaultAction':'SCMP_ACT_MAYBE'} | at /defaultAction: unknown action \"SCMP_ACT_MAYBE\"",
                "{'defaultAction':'SCMP_ACT_NOTIFY'} | SCMP_ACT_NOTIFY needs a process that answers notifications",
                "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['umask'],'action':'SCMP_ACT_NOTIFY'}]}"
                        + " | at /syscalls/0/action: SCMP_ACT_NOTIFY needs a process",
                "{'defaultAction':'SCMP_ACT_ALLOW','listenerPath':'/run/agent.sock'} | listenerPath needs a process",
                "{'defaultAction':'SCMP_ACT_ALLOW','flags':['SECCOMP_FILTER_FLAG_NEW_LISTENER']} | at /flags",
                "{'defaultAction':'SCMP_ACT_ALLOW','flags':['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV']}"
                        + " | \"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\" is not supported",
                "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['umask'],'action':'SCMP_ACT_ERRNO',"
                        + "'arg':[]}]} | at /syscalls/0/arg: unknown field",
                "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['umask'],'action':'SCMP_ACT_ERRNO',"
                        + "'includes':{'caps':['CAP_FLY']}}]} | \"CAP_FLY\" is no capability",
                "{'defaultAction':'SCMP_ACT_ALLOW','architectures':['SCMP_ARCH_Z80']} | at /architectures/0",
                "{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'names':['umask'],'action':'SCMP_ACT_KILL',"
                        + "'errnoRet':3}]} | an error number with KILL_THREAD",
            })
    void aMalformedProfileIsRefusedWithItsPlace(String json, String because) {
        refused(localhost(profile("malformed", json).toString()), "malformed.json", because);
    }

    @Test
    void moreRulesThanAFilterCanHoldAreRefused() {
        String rules = IntStream.range(0, 1001)
                .mapToObj(i -> entry("umask", "ERRNO", ",'args':[{'index':0,'value':" + i + ",'op':'SCMP_CMP_EQ'}]"))
                .collect(Collectors.joining(","));
        refused(localhost(allowing("too-many", rules).toString()), "1001 rules, 1001 of them with conditions");
    }

    /** A process that joins a container's PID namespace makes its last calls under the filter. */
    @Test
    void aFilterThatEndsItsOwnLaunchIsRefusedNamingTheCall() {
        Path profile = allowing("no-execve", entry("execve", "ERRNO", ""));
        ContainerFixture fixture = Site.SHARED_PIDS.container().seccomp(profile);
        Refusal refusal = Refusal.of(fixture::create);
        assertThat(refusal.code()).as(refusal.message()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusal.message()).contains("answers execve with ERRNO(EPERM)");
    }

    @ParameterizedTest
    @ValueSource(strings = {"RuntimeDefault", "Unconfined"})
    void aPathWithAnotherTypeIsRefused(String type) {
        refused(
                fixture -> fixture.security(s -> s.setSeccomp(SecurityProfile.newBuilder()
                        .setProfileType(ProfileType.valueOf(type))
                        .setLocalhostRef("/some/profile.json"))),
                "seccomp.localhost_ref",
                type);
    }

    @Test
    @SuppressWarnings("deprecation") // older kubelets send it
    void aPathThatIsNotAbsoluteIsRefused() {
        refused(localhost("profile.json"), "seccomp.localhost_ref");
        refused(localhost("localhost/profile.json"), "seccomp.localhost_ref");
        refused(localhost(""), "seccomp.localhost_ref");
        refused(
                fixture -> fixture.security(s -> s.setSeccompProfilePath("localhost/profile.json")),
                "seccomp_profile_path");
        refused(fixture -> fixture.security(s -> s.setSeccompProfilePath("strict")), "seccomp_profile_path", "strict");
        refused(
                fixture -> fixture.security(
                        s -> s.setSeccomp(SecurityProfile.newBuilder().setProfileTypeValue(7))),
                "seccomp.profile_type");
    }
}
