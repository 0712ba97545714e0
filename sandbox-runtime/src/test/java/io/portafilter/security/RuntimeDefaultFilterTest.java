package io.portafilter.security;

import static io.portafilter.security.BpfEvaluator.AUDIT_ARCH_AARCH64;
import static io.portafilter.security.BpfEvaluator.AUDIT_ARCH_ARM;
import static io.portafilter.security.BpfEvaluator.AUDIT_ARCH_I386;
import static io.portafilter.security.BpfEvaluator.AUDIT_ARCH_X86_64;
import static io.portafilter.security.BpfEvaluator.X32_SYSCALL_BIT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.linux.Architecture;
import io.portafilter.linux.Capability;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.linux.Libseccomp;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The compiled filter, run in the evaluator, against the table's text: this test reads the table by itself and knows
 * what each condition means.
 */
class RuntimeDefaultFilterTest {

    private static final int ALLOW = 0x7fff_0000;
    private static final int EPERM = 0x0005_0001;
    private static final int ENOSYS = 0x0005_0026;
    private static final KernelVersion MODERN = new KernelVersion(6, 12);
    private static final KernelVersion OLD = new KernelVersion(4, 7);
    private static final int LAST_TRIED_NUMBER = 700;

    /** A processor mode of a machine. */
    private enum Mode {
        X86_64(Architecture.X86_64, AUDIT_ARCH_X86_64, Libseccomp.SCMP_ARCH_X86_64, 0),
        I386(Architecture.X86_64, AUDIT_ARCH_I386, Libseccomp.SCMP_ARCH_X86, 0),
        X32(Architecture.X86_64, AUDIT_ARCH_X86_64, Libseccomp.SCMP_ARCH_X32, X32_SYSCALL_BIT),
        AARCH64(Architecture.AARCH64, AUDIT_ARCH_AARCH64, Libseccomp.SCMP_ARCH_AARCH64, 0),
        ARM(Architecture.AARCH64, AUDIT_ARCH_ARM, Libseccomp.SCMP_ARCH_ARM, 0);

        private final Architecture machine;
        private final int audit;
        private final int library;
        private final int bit;

        Mode(Architecture machine, int audit, int library, int bit) {
            this.machine = machine;
            this.audit = audit;
            this.library = library;
            this.bit = bit;
        }
    }

    private Libseccomp library;

    @BeforeEach
    void needsTheLibrary() {
        assumeTrue(Libseccomp.installed().isPresent(), "libseccomp.so.2 is not installed");
        assumeTrue(Architecture.current() == Architecture.X86_64, "the numbers here are those of x86-64");
        library = Libseccomp.installed().orElseThrow();
    }

    private static Stream<CapabilitySet> boundingSets() {
        return Stream.concat(
                Stream.of(
                        CapabilitySet.EMPTY,
                        CapabilitySets.DEFAULT,
                        CapabilitySet.of(Capability.values()),
                        CapabilitySets.DEFAULT.minus(Capability.CAP_SYS_CHROOT)),
                conditionalCapabilities().stream()
                        .flatMap(capability -> Stream.of(
                                CapabilitySet.of(capability),
                                CapabilitySet.of(Capability.values()).minus(capability))));
    }

    /** Those that the table's last column names. */
    private static Set<Capability> conditionalCapabilities() {
        Set<Capability> named = new TreeSet<>();
        Pattern capability = Pattern.compile("CAP_\\w+");
        table().forEach(row -> capability.matcher(row[3]).results().forEach(found -> {
            var _ = named.add(Capability.valueOf(found.group()));
        }));
        assertThat(named).hasSizeGreaterThan(10).contains(Capability.CAP_SYS_ADMIN, Capability.CAP_BPF);
        return named;
    }

    @ParameterizedTest
    @MethodSource("boundingSets")
    void answersEveryNumberOfEveryModeAsTheTableSays(CapabilitySet bounding) {
        List<String> differences = new ArrayList<>();
        for (Mode mode : Mode.values()) {
            SeccompProgram program = compile(bounding, MODERN, mode.machine).program();
            Map<Integer, String> names = namesByNumber(mode);
            for (int number : numbers(mode, names.keySet())) {
                String name = names.getOrDefault(number, "");
                for (long argument : argumentsFor(name, mode)) {
                    // libseccomp compares the lower half alone where a long has 32 bits, and so does the kernel
                    long compared = mode == Mode.X32 ? argument & 0xffff_ffffL : argument;
                    int expected = expected(name, compared, bounding, MODERN, mode.machine);
                    int actual = BpfEvaluator.evaluate(program, mode.audit, number, argument);
                    if (actual != expected) {
                        differences.add(mode + " " + number + " " + name + "(0x" + Long.toHexString(argument)
                                + "): expected " + SeccompAction.text(expected) + ", filter "
                                + SeccompAction.text(actual));
                    }
                }
            }
        }
        assertThat(differences).isEmpty();
    }

    /** All numbers up to a good margin, and the few far above that Arm has. */
    private static Set<Integer> numbers(Mode mode, Set<Integer> known) {
        Set<Integer> numbers = new TreeSet<>(known);
        for (int plain = 0; plain <= LAST_TRIED_NUMBER; plain++) {
            numbers.add(plain | mode.bit);
        }
        return numbers;
    }

    @Test
    void letsProcessesBeTracedOnlySinceKernel48() {
        SeccompProgram old = compile(CapabilitySets.DEFAULT, OLD).program();
        SeccompProgram modern = compile(CapabilitySets.DEFAULT, MODERN).program();
        SeccompProgram oldWithCapability =
                compile(CapabilitySet.of(Capability.CAP_SYS_PTRACE), OLD).program();
        for (String name : List.of("ptrace", "process_vm_readv", "process_vm_writev")) {
            int number = library.number(name).orElseThrow();
            assertThat(BpfEvaluator.evaluate(old, AUDIT_ARCH_X86_64, number)).isEqualTo(EPERM);
            assertThat(BpfEvaluator.evaluate(modern, AUDIT_ARCH_X86_64, number)).isEqualTo(ALLOW);
            assertThat(BpfEvaluator.evaluate(oldWithCapability, AUDIT_ARCH_X86_64, number))
                    .isEqualTo(ALLOW);
        }
    }

    @Test
    void refusesWhatTheKernelWouldCutDownToAForbiddenAddressFamily() {
        SeccompProgram program = compile(CapabilitySets.DEFAULT, MODERN).program();
        for (int number : List.of(41, 41 | X32_SYSCALL_BIT)) {
            for (long family : List.of(38L, 40L)) {
                for (long upper : List.of(0L, 1L << 32, 1L << 63, 0xffff_ffffL << 32)) {
                    assertThat(BpfEvaluator.evaluate(program, AUDIT_ARCH_X86_64, number, upper | family))
                            .as("socket(0x%x)", upper | family)
                            .isEqualTo(EPERM);
                }
            }
        }
    }

    @Test
    void answersEnosysToClone3SoThatLibrariesFallBackToClone() {
        int clone3 = library.number("clone3").orElseThrow();
        SeccompProgram usual = compile(CapabilitySets.DEFAULT, MODERN).program();
        SeccompProgram admin =
                compile(CapabilitySet.of(Capability.CAP_SYS_ADMIN), MODERN).program();
        assertThat(BpfEvaluator.evaluate(usual, AUDIT_ARCH_X86_64, clone3)).isEqualTo(ENOSYS);
        assertThat(BpfEvaluator.evaluate(admin, AUDIT_ARCH_X86_64, clone3)).isEqualTo(ALLOW);
    }

    @Test
    void refusesEachNamespaceFlagOfCloneWithoutSysAdmin() {
        SeccompProgram program = compile(CapabilitySets.DEFAULT, MODERN).program();
        int clone = library.number("clone").orElseThrow();
        for (long flag : List.of(
                0x0002_0000L, 0x0200_0000L, 0x0400_0000L, 0x0800_0000L, 0x1000_0000L, 0x2000_0000L, 0x4000_0000L)) {
            assertThat(BpfEvaluator.evaluate(program, AUDIT_ARCH_X86_64, clone, flag | 17))
                    .isEqualTo(EPERM);
        }
        assertThat(BpfEvaluator.evaluate(program, AUDIT_ARCH_X86_64, clone, 0x3d_0f00L))
                .as("the flags of a new thread")
                .isEqualTo(ALLOW);
    }

    /** A number that one architecture lets through is another call on the next. */
    @ParameterizedTest
    @EnumSource
    void killsCallsOfAnArchitectureItDoesNotKnow(Architecture machine) {
        SeccompProgram program =
                compile(CapabilitySets.DEFAULT, MODERN, machine).program();
        Set<Integer> known = Arrays.stream(Mode.values())
                .filter(mode -> mode.machine == machine)
                .map(mode -> mode.audit)
                .collect(Collectors.toSet());
        int s390x = 0x8000_0016;
        for (int audit : List.of(
                AUDIT_ARCH_X86_64,
                AUDIT_ARCH_I386,
                AUDIT_ARCH_AARCH64,
                AUDIT_ARCH_ARM,
                s390x,
                0,
                -1,
                ~AUDIT_ARCH_ARM)) {
            for (int number = -1; !known.contains(audit) && number <= LAST_TRIED_NUMBER; number++) {
                assertThat(BpfEvaluator.evaluate(program, audit, number))
                        .as("call %s of architecture %x", number, audit)
                        .isEqualTo(SeccompAction.SECCOMP_RET_KILL_THREAD);
            }
        }
    }

    /** What the profile would be with the machine's own mode alone: the others cannot be used to get around it. */
    @ParameterizedTest
    @EnumSource
    void killsCallsOfOtherModesWhenItKnowsTheMachinesOwnAlone(Architecture machine) {
        SeccompProfile all = SeccompProfile.runtimeDefault();
        SeccompProfile own = new SeccompProfile(
                all.name(), "own", all.defaultAction(), new SeccompModes.Named(Set.of()), 0, all.rows());
        SeccompProgram program = SeccompCompiler.compile(
                        Libseccomp.installed(), own, CapabilitySets.DEFAULT, machine, MODERN)
                .program();
        for (Mode mode : Mode.values()) {
            boolean isOwn = mode == Mode.X86_64 || mode == Mode.AARCH64;
            if (mode.machine == machine && !isOwn) {
                for (int number = 0; number <= LAST_TRIED_NUMBER; number++) {
                    assertThat(BpfEvaluator.evaluate(program, mode.audit, number | mode.bit))
                            .as("%s call %s", mode, number)
                            .isEqualTo(SeccompAction.SECCOMP_RET_KILL_THREAD);
                }
            }
        }
    }

    /** The table that is compiled against the copy of the facts it was made from, in the words of the facts. */
    @Test
    void hasTheRowsOfTheFacts() throws IOException {
        Map<String, String> words = Map.of(
                "AF_ALG + 1",
                "39",
                "AF_ALG",
                "38",
                "AF_VSOCK",
                "40",
                "(all namespace CLONE_NEW* flags but NEWTIME)",
                "0x7e020000",
                "arch other",
                "not-arch s390|s390x");
        Set<String> facts = new TreeSet<>();
        try (InputStream stream = RuntimeDefaultFilterTest.class.getResourceAsStream("runtime-default-facts.tsv")) {
            assertThat(stream).isNotNull();
            for (String line : new String(stream.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> !line.startsWith("#"))
                    .toList()) {
                String row = line.replace("AF_ALG + 1", "39");
                for (Map.Entry<String, String> word : words.entrySet()) {
                    row = row.replace(word.getKey(), word.getValue());
                }
                facts.add(row);
            }
        }
        Set<String> ours = table().stream()
                .map(row -> String.join("\t", row).replace("int arg", "arg").stripTrailing())
                .collect(Collectors.toCollection(TreeSet::new));
        assertThat(ours).isEqualTo(facts);
    }

    @Test
    void reportsExactlyTheNamesThatTheLibraryDoesNotKnow() {
        SeccompCompilation compiled = compile(CapabilitySets.DEFAULT, MODERN);
        TreeSet<String> unknown = new TreeSet<>();
        for (String[] row : table()) {
            if (library.number(row[0]).isEmpty()) {
                unknown.add(row[0]);
            }
        }
        assertThat(compiled.unknownNames()).isSubsetOf(unknown);
        assertThat(unknown)
                .allSatisfy(name -> assertThat(compiled.unknownNames().contains(name))
                        .isEqualTo(table().stream()
                                .anyMatch(row -> row[0].equals(name)
                                        && guarded(row[3], CapabilitySets.DEFAULT, MODERN, Architecture.X86_64))));
        assertThat(compiled.foreignArchitectures()).isTrue();
        System.out.println("libseccomp " + library.version() + " knows "
                + (ROWS_BY_NAME.size() - unknown.size()) + " of the " + ROWS_BY_NAME.size()
                + " names of RuntimeDefault; not covered: " + String.join(", ", unknown));
    }

    @Test
    void givesTheSameAnswerWhenItRemembers() {
        HostFacts host = SecurityFixture.host();
        SeccompCompilation first = SeccompCompiler.runtimeDefault(CapabilitySets.DEFAULT, host);
        assertThat(SeccompCompiler.runtimeDefault(CapabilitySets.DEFAULT, host)).isSameAs(first);
        assertThat(first).isEqualTo(compile(CapabilitySets.DEFAULT, host.kernel()));
        assertThat(SeccompCompiler.runtimeDefault(CapabilitySets.DEFAULT.minus(Capability.CAP_SYS_CHROOT), host))
                .as("a capability on which the profile depends")
                .isNotEqualTo(first);
        assertThat(SeccompCompiler.runtimeDefault(CapabilitySets.DEFAULT.minus(Capability.CAP_NET_RAW), host))
                .as("a capability on which it does not")
                .isSameAs(first);
    }

    private static SeccompCompilation compile(CapabilitySet bounding, KernelVersion kernel) {
        return compile(bounding, kernel, Architecture.X86_64);
    }

    private static SeccompCompilation compile(CapabilitySet bounding, KernelVersion kernel, Architecture machine) {
        return SeccompCompiler.compile(
                Libseccomp.installed(), SeccompProfile.runtimeDefault(), bounding, machine, kernel);
    }

    // ---- what the table says

    private static final List<String[]> TABLE = readTable();

    private static final Map<String, List<String[]>> ROWS_BY_NAME =
            TABLE.stream().collect(Collectors.groupingBy(row -> row[0]));

    private static List<String[]> table() {
        return TABLE;
    }

    private static List<String[]> readTable() {
        try (InputStream stream = SeccompProfile.class.getResourceAsStream("seccomp-runtime-default.tsv")) {
            assertThat(stream).isNotNull();
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> !line.startsWith("#"))
                    .map(line -> Arrays.copyOf(line.split("\t", -1), 4))
                    .peek(row -> {
                        row[2] = row[2] == null ? "" : row[2];
                        row[3] = row[3] == null ? "" : row[3];
                    })
                    .toList();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private Map<Integer, String> namesByNumber(Mode mode) {
        Map<Integer, String> names = new HashMap<>();
        for (String[] row : table()) {
            OptionalInt number = library.number(mode.library, row[0]);
            if (number.isPresent() && number.getAsInt() >= 0) {
                names.put(number.getAsInt(), row[0]);
            }
        }
        if (mode == Mode.I386) {
            names.putAll(directCallsOfI386());
        }
        return names;
    }

    /** libseccomp names these by their part of socketcall and ipc; since Linux 4.3 and 5.1 they have numbers too. */
    private static Map<Integer, String> directCallsOfI386() {
        List<String> names = List.of(
                "socket",
                "socketpair",
                "bind",
                "connect",
                "listen",
                "accept4",
                "getsockopt",
                "setsockopt",
                "getsockname",
                "getpeername",
                "sendto",
                "sendmsg",
                "recvfrom",
                "recvmsg",
                "shutdown");
        Map<Integer, String> calls = new HashMap<>(Map.of(337, "recvmmsg", 345, "sendmmsg"));
        for (int i = 0; i < names.size(); i++) {
            calls.put(359 + i, names.get(i));
        }
        List<String> ipc = List.of(
                "semget", "semctl", "shmget", "shmctl", "shmat", "shmdt", "msgget", "msgsnd", "msgrcv", "msgctl");
        for (int i = 0; i < ipc.size(); i++) {
            calls.put(393 + i, ipc.get(i));
        }
        return calls;
    }

    private static List<Long> argumentsFor(String name, Mode mode) {
        List<Long> narrow = switch (name) {
            case "socket" -> List.of(0L, 1L, 2L, 16L, 36L, 37L, 38L, 39L, 40L, 41L, 45L, 0x7fff_ffffL);
            case "personality" -> List.of(0L, 1L, 7L, 8L, 9L, 0x2_0000L, 0x2_0008L, 0x2_0010L, 0x4_0000L, 0xffff_ffffL);
            case "clone" -> List.of(0L, 17L, 0x3d_0f00L, 0x80L, 0x1000_0000L, 0x7e02_0000L, 0x2_0011L);
            default -> List.of(0L, 1L, 0xffff_ffffL);
        };
        List<Long> all = new ArrayList<>(narrow);
        if (mode != Mode.I386 && mode != Mode.ARM) {
            narrow.forEach(value -> all.add(value | 1L << 32));
        }
        return all;
    }

    private static int expected(
            String name, long argument, CapabilitySet bounding, KernelVersion kernel, Architecture machine) {
        int answer = EPERM;
        for (String[] row : ROWS_BY_NAME.getOrDefault(name, List.of())) {
            if (guarded(row[3], bounding, kernel, machine) && holds(row[0], row[2], argument)) {
                answer = row[1].equals("ALLOW") ? ALLOW : ENOSYS;
            }
        }
        return answer;
    }

    private static boolean holds(String name, String condition, long argument) {
        if (condition.isEmpty()) {
            return true;
        }
        return switch (name) {
            case "socket" -> argument >>> 32 == 0 && argument != 38 && argument != 40;
            case "personality" ->
                List.of(0L, 8L, 0x2_0000L, 0x2_0008L, 0xffff_ffffL).contains(argument);
            case "clone" -> condition.startsWith("arg0") && (argument & 0x7e02_0000L) == 0;
            default -> throw new AssertionError("the test does not know the condition of " + name);
        };
    }

    private static boolean guarded(String guards, CapabilitySet bounding, KernelVersion kernel, Architecture machine) {
        return guards.isEmpty()
                || Arrays.stream(guards.split("; ", -1)).allMatch(guard -> {
                    if (guard.startsWith("has ")) {
                        return bounding.contains(Capability.valueOf(guard.substring(4)));
                    }
                    if (guard.startsWith("no ")) {
                        return !bounding.contains(Capability.valueOf(guard.substring(3)));
                    }
                    if (guard.startsWith("arch ")) {
                        return List.of(guard.substring(5).split("\\|", -1))
                                .contains(machine == Architecture.X86_64 ? "amd64" : "arm64");
                    }
                    if (guard.startsWith("kernel >= ")) {
                        return kernel.major() > 4 || kernel.minor() >= 8;
                    }
                    assertThat(guard).isEqualTo("not-arch s390|s390x");
                    return true;
                });
    }
}
