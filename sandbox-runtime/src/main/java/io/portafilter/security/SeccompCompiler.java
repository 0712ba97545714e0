package io.portafilter.security;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.portafilter.linux.Architecture;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.Libseccomp;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

/**
 * Compiles seccomp profiles with the host's libseccomp and remembers the results, for compiling takes about ten
 * milliseconds. A result depends on nothing but its key, so remembering it changes no answer.
 */
public final class SeccompCompiler {

    /** More rules with conditions than this do not fit the kernel's 4096 instructions for three architectures. */
    private static final int MAX_CONDITIONED_RULES_FOR_ALL_MODES = 400;

    /** More would take minutes to compile and could not fit. */
    private static final int MAX_CONDITIONED_RULES = 1000;

    /**
     * Of SCMP_CMP_LT and SCMP_CMP_LE, for one call. libseccomp's time grows with the fourth power: 0.23 s for 100 with
     * ascending values of 64 bits, 3.8 s for 200, all in one native call. Other comparisons take hundredths of that.
     */
    private static final int MAX_UPPER_BOUNDS_OF_A_CALL = 100;

    static final int MAX_RULES = 8192;

    private static final int REMEMBERED = 128;

    private static final SeccompCompiler SHARED = new SeccompCompiler();

    /** All that a compiled filter depends on; of the capabilities, those that the profile asks about. */
    private record Key(
            String profile,
            CapabilitySet capabilities,
            Architecture architecture,
            KernelVersion kernel,
            String library) {}

    @GuardedBy("this")
    private final Map<Key, CompletableFuture<SeccompCompilation>> remembered = new LinkedHashMap<>(16, 0.75f, true);

    /** What of a profile its key depends on, by its identity: a profile that is known is not parsed again. */
    @GuardedBy("this")
    private final Map<String, CapabilitySet> conditions = new LinkedHashMap<>(16, 0.75f, true);

    private final AtomicLong reads = new AtomicLong();
    private final AtomicLong compilations = new AtomicLong();

    SeccompCompiler() {}

    /**
     * The runtime's own profile for a container with this bounding set.
     *
     * @throws SecurityRefusal if the host has no libseccomp: a container that asks for a filter never runs without
     */
    public static SeccompCompilation runtimeDefault(CapabilitySet bounding, HostFacts host) {
        SeccompProfile profile = SeccompProfile.runtimeDefault();
        return SHARED.compiled(profile.identity(), profile.conditionalCapabilities(), () -> profile, bounding, host);
    }

    /**
     * A profile from a file for a container with this bounding set.
     *
     * @throws SecurityRefusal for a malformed profile, with the place, or if the host has no libseccomp
     */
    public static SeccompCompilation localhost(SeccompRequest.Localhost file, CapabilitySet bounding, HostFacts host) {
        return SHARED.compiled(file, bounding, host);
    }

    /**
     * Compiles the filters that most containers get, so that no launch waits for it. Does nothing without libseccomp.
     */
    public static void warmUp(HostFacts host) {
        if (Libseccomp.installed().isEmpty()) {
            return;
        }
        CapabilitySet usual = CapabilitySets.DEFAULT.intersect(host.allCapabilities());
        for (CapabilitySet bounding : List.of(usual, CapabilitySet.EMPTY)) {
            var _ = runtimeDefault(bounding, host);
        }
    }

    /** A profile from a file, as {@link #localhost}. */
    SeccompCompilation compiled(SeccompRequest.Localhost file, CapabilitySet bounding, HostFacts host) {
        String identity = SeccompProfileReader.identity(file);
        Optional<CapabilitySet> known = conditions(identity);
        if (known.isPresent()) {
            return compiled(identity, known.get(), () -> read(file), bounding, host)
                    .named(SeccompProfileReader.name(file));
        }
        SeccompProfile profile = read(file);
        rememberConditions(identity, profile.conditionalCapabilities());
        return compiled(identity, profile.conditionalCapabilities(), () -> profile, bounding, host)
                .named(profile.name());
    }

    private SeccompProfile read(SeccompRequest.Localhost file) {
        reads.incrementAndGet();
        return SeccompProfileReader.read(file);
    }

    /** How many profiles were parsed. */
    long reads() {
        return reads.get();
    }

    /** How many filters were compiled. */
    long compilations() {
        return compilations.get();
    }

    /** Who asks first compiles, outside the lock; others of the same key wait for the result. A refusal is not kept. */
    private SeccompCompilation compiled(
            String identity,
            CapabilitySet conditional,
            Supplier<SeccompProfile> profile,
            CapabilitySet bounding,
            HostFacts host) {
        CapabilitySet relevant = bounding.intersect(conditional);
        String library = Libseccomp.installed().map(Libseccomp::version).orElse("");
        Key key = new Key(identity, relevant, host.architecture(), host.kernel(), library);
        CompletableFuture<SeccompCompilation> mine = new CompletableFuture<>();
        Optional<CompletableFuture<SeccompCompilation>> first = announce(key, mine);
        if (first.isPresent()) {
            try {
                return first.get().join();
            } catch (CompletionException e) {
                // The other's refusal names the other's file.
                return fresh(profile.get(), relevant, host);
            }
        }
        try {
            SeccompCompilation fresh = fresh(profile.get(), relevant, host);
            mine.complete(fresh);
            return fresh;
        } catch (RuntimeException | Error e) {
            forget(key, mine);
            mine.completeExceptionally(e);
            throw e;
        }
    }

    private SeccompCompilation fresh(SeccompProfile profile, CapabilitySet relevant, HostFacts host) {
        compilations.incrementAndGet();
        return compile(Libseccomp.installed(), profile, relevant, host.architecture(), host.kernel());
    }

    /** Whoever was first, nobody if it is the caller. */
    private synchronized Optional<CompletableFuture<SeccompCompilation>> announce(
            Key key, CompletableFuture<SeccompCompilation> mine) {
        Optional<CompletableFuture<SeccompCompilation>> first = Optional.ofNullable(remembered.putIfAbsent(key, mine));
        shrink(remembered);
        return first;
    }

    private synchronized void forget(Key key, CompletableFuture<SeccompCompilation> mine) {
        remembered.remove(key, mine);
    }

    private synchronized Optional<CapabilitySet> conditions(String identity) {
        return Optional.ofNullable(conditions.get(identity));
    }

    private synchronized void rememberConditions(String identity, CapabilitySet capabilities) {
        conditions.put(identity, capabilities);
        shrink(conditions);
    }

    /** The one that was not used for the longest time goes first. */
    private static <K> void shrink(Map<K, ?> map) {
        if (map.size() > REMEMBERED) {
            map.remove(map.keySet().iterator().next());
        }
    }

    /** Compiles without looking at what is remembered. */
    static SeccompCompilation compile(
            Optional<Libseccomp> installed,
            SeccompProfile profile,
            CapabilitySet bounding,
            Architecture architecture,
            KernelVersion kernel) {
        Libseccomp library = installed.orElseThrow(() -> new SecurityRefusal(
                "seccomp",
                "the profile " + profile.name() + " cannot be compiled: this host has no libseccomp.so.2",
                "install the package libseccomp2, or ask for Unconfined"));
        List<SeccompRule> asked = profile.rules(bounding, architecture, kernel);
        requireCompilable(profile, asked);
        requireNoContradiction(profile, asked);

        TreeSet<String> unknown = new TreeSet<>();
        Set<Libseccomp.Rule> rules = new LinkedHashSet<>();
        for (SeccompRule rule : asked) {
            OptionalInt number = library.number(rule.syscall());
            if (number.isEmpty()) {
                unknown.add(rule.syscall());
            } else if (rule.action() != profile.defaultAction()) { // libseccomp refuses what changes nothing
                rules.add(new Libseccomp.Rule(rule.action(), number.getAsInt(), rule.conditions()));
            }
        }
        byte[] prologue = prologue(library, profile, asked, architecture);
        List<Integer> own = List.of(SeccompModes.own(architecture));
        List<Integer> modes = tooManyForAllModes(rules) ? own : profile.modes().on(architecture);
        byte[] filter = compile(library, profile, modes, rules);
        if (!fits(prologue, filter) && modes.size() > 1) {
            modes = own;
            filter = compile(library, profile, modes, rules);
        }
        if (!fits(prologue, filter)) {
            throw tooLarge(
                    profile,
                    (prologue.length + filter.length) / SeccompProgram.INSTRUCTION_BYTES
                            + " instructions, and the kernel takes " + SeccompProgram.MAX_INSTRUCTIONS);
        }
        byte[] whole = ByteBuffer.allocate(prologue.length + filter.length)
                .put(prologue)
                .put(filter)
                .array();
        return new SeccompCompilation(
                new SeccompProgram(BpfSearchTree.shortened(whole, profile.name()), profile.flags(), profile.name()),
                List.copyOf(unknown),
                modes.size() > 1);
    }

    private static byte[] compile(
            Libseccomp library, SeccompProfile profile, List<Integer> modes, Set<Libseccomp.Rule> rules) {
        try {
            return library.compile(profile.defaultAction(), modes, List.copyOf(rules));
        } catch (KernelException e) {
            throw new SecurityRefusal(
                    "seccomp",
                    "libseccomp refuses the profile " + profile.name() + ": " + e.getMessage(),
                    "give a profile that this version of the library can compile");
        }
    }

    private static void requireCompilable(SeccompProfile profile, List<SeccompRule> rules) {
        long conditioned =
                rules.stream().filter(rule -> !rule.conditions().isEmpty()).count();
        if (rules.size() > MAX_RULES || conditioned > MAX_CONDITIONED_RULES) {
            throw tooLarge(profile, rules.size() + " rules, " + conditioned + " of them with conditions");
        }
        Map<String, Integer> upperBounds = new HashMap<>();
        for (SeccompRule rule : rules) {
            for (Libseccomp.Comparison condition : rule.conditions()) {
                if (isUpperBound(condition.operator())
                        && upperBounds.merge(rule.syscall(), 1, Integer::sum) > MAX_UPPER_BOUNDS_OF_A_CALL) {
                    throw new SecurityRefusal(
                            "seccomp",
                            "the profile " + profile.name() + " has more than " + MAX_UPPER_BOUNDS_OF_A_CALL
                                    + " conditions SCMP_CMP_LT and SCMP_CMP_LE for "
                                    + AccountId.shortened(rule.syscall()) + ", which take libseccomp minutes",
                            "give a profile with fewer of them: of several for one argument with one action, the"
                                    + " highest is enough");
                }
            }
        }
    }

    private static boolean isUpperBound(Libseccomp.Operator operator) {
        return switch (operator) {
            case LESS, LESS_OR_EQUAL -> true;
            case NOT_EQUAL, EQUAL, GREATER_OR_EQUAL, GREATER, MASKED_EQUAL -> false;
        };
    }

    /**
     * Refuses a call with one answer in general and another under a condition or in general: libseccomp would drop one
     * of the two without a word.
     */
    private static void requireNoContradiction(SeccompProfile profile, List<SeccompRule> rules) {
        Map<String, Integer> general = new HashMap<>();
        for (SeccompRule rule : rules) {
            if (rule.conditions().isEmpty() && rule.action() != profile.defaultAction()) {
                var _ = general.putIfAbsent(rule.syscall(), rule.action());
            }
        }
        for (SeccompRule rule : rules) {
            int answer = general.getOrDefault(rule.syscall(), rule.action());
            if (rule.action() != answer && rule.action() != profile.defaultAction()) {
                throw new SecurityRefusal(
                        "seccomp",
                        "the profile " + profile.name() + " answers " + AccountId.shortened(rule.syscall())
                                + " with both " + SeccompAction.text(answer) + " and "
                                + SeccompAction.text(rule.action()),
                        "let the conditions of its entries exclude one another");
            }
        }
    }

    private static boolean tooManyForAllModes(Set<Libseccomp.Rule> rules) {
        return rules.stream().filter(rule -> !rule.comparisons().isEmpty()).count()
                > MAX_CONDITIONED_RULES_FOR_ALL_MODES;
    }

    private static boolean fits(byte[] prologue, byte[] filter) {
        return (prologue.length + filter.length) / SeccompProgram.INSTRUCTION_BYTES <= SeccompProgram.MAX_INSTRUCTIONS;
    }

    private static SecurityRefusal tooLarge(SeccompProfile profile, String size) {
        return new SecurityRefusal(
                "seccomp", "the profile " + profile.name() + " has " + size, "give a profile with fewer rules");
    }

    private record NarrowArgument(int number, int argument) {}

    /**
     * Instructions before those of libseccomp: the calls whose conditioned argument is a 32-bit integer to the kernel
     * get the default action when the argument's upper half is not zero. Otherwise {@code socket(2^32 + AF_ALG)} would
     * pass as "greater than AF_VSOCK", and the kernel would open AF_ALG. In 32-bit modes, x32 included, libseccomp
     * compares the lower half alone.
     */
    private static byte[] prologue(
            Libseccomp library, SeccompProfile profile, List<SeccompRule> rules, Architecture architecture) {
        List<NarrowArgument> narrow = rules.stream()
                .filter(SeccompRule::intArgument)
                .flatMap(rule -> narrowArgument(library, rule, architecture).stream())
                .distinct()
                .toList();
        if (narrow.isEmpty()) {
            return new byte[0];
        }
        int instructionsEach = 5;
        int length = instructionsEach * narrow.size();
        ByteBuffer code = ByteBuffer.allocate((2 + length) * SeccompProgram.INSTRUCTION_BYTES)
                .order(ByteOrder.nativeOrder());
        instruction(code, BPF_LD_W_ABS, 0, 0, SECCOMP_DATA_ARCH);
        instruction(code, BPF_JEQ, 0, length, auditArchitecture(architecture));
        for (NarrowArgument each : narrow) {
            instruction(code, BPF_LD_W_ABS, 0, 0, SECCOMP_DATA_NR);
            instruction(code, BPF_JEQ, 0, 3, each.number());
            instruction(code, BPF_LD_W_ABS, 0, 0, SECCOMP_DATA_ARGS + 8 * each.argument() + UPPER_HALF);
            instruction(code, BPF_JEQ, 1, 0, 0);
            instruction(code, BPF_RET, 0, 0, profile.defaultAction());
        }
        return code.array();
    }

    // linux/bpf_common.h and the offsets in struct seccomp_data; both processors are little-endian
    private static final int BPF_LD_W_ABS = 0x20;
    private static final int BPF_JEQ = 0x15;
    private static final int BPF_RET = 0x06;
    private static final int SECCOMP_DATA_NR = 0;
    private static final int SECCOMP_DATA_ARCH = 4;
    private static final int SECCOMP_DATA_ARGS = 16;
    private static final int UPPER_HALF = 4;

    private static void instruction(ByteBuffer code, int operation, int whenTrue, int whenFalse, int k) {
        code.putShort((short) operation)
                .put((byte) whenTrue)
                .put((byte) whenFalse)
                .putInt(k);
    }

    /** Nothing for a call that the machine's own mode does not have: such numbers are negative. */
    private static Optional<NarrowArgument> narrowArgument(
            Libseccomp library, SeccompRule rule, Architecture architecture) {
        OptionalInt number = library.number(SeccompModes.own(architecture), rule.syscall());
        return number.isPresent() && number.getAsInt() >= 0
                ? Optional.of(new NarrowArgument(
                        number.getAsInt(), rule.conditions().getFirst().argument()))
                : Optional.empty();
    }

    private static int auditArchitecture(Architecture architecture) {
        return switch (architecture) {
            case X86_64 -> BpfEvaluator.AUDIT_ARCH_X86_64;
            case AARCH64 -> BpfEvaluator.AUDIT_ARCH_AARCH64;
        };
    }
}
