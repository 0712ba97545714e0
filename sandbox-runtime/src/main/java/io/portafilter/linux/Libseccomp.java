package io.portafilter.linux;

import com.google.errorprone.annotations.Immutable;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * The compiler of seccomp filters that the host has installed, {@code libseccomp.so.2} (seccomp_init(3)). It only
 * computes: nothing here changes this process.
 *
 * <p>Its functions answer with negative error numbers, not through errno.
 */
public final class Libseccomp {

    /** Architectures as seccomp_arch_add(3) counts them ({@code SCMP_ARCH_*}). */
    public static final int SCMP_ARCH_X86_64 = 0xC000_003E;

    public static final int SCMP_ARCH_X86 = 0x4000_0003;
    public static final int SCMP_ARCH_X32 = 0x4000_003E;
    public static final int SCMP_ARCH_AARCH64 = 0xC000_00B7;
    public static final int SCMP_ARCH_ARM = 0x4000_0028;

    private static final int SCMP_FLTATR_CTL_NNP = 3;
    private static final int SCMP_FLTATR_CTL_OPTIMIZE = 8;
    private static final int SEARCH_TREE = 2;
    private static final int NR_SCMP_ERROR = -1;
    private static final int COMPARISON_BYTES = 24;
    private static final int MAX_ARGUMENTS = 6;
    private static final int MAX_EXPORT_BYTES = 16 * 1024 * 1024;

    /** How an argument is compared, all 64 bits of it ({@code enum scmp_compare}). */
    public enum Operator {
        NOT_EQUAL(1),
        LESS(2),
        LESS_OR_EQUAL(3),
        EQUAL(4),
        GREATER_OR_EQUAL(5),
        GREATER(6),
        /** The argument and the mask (the first value) is the second value. */
        MASKED_EQUAL(7);

        private final int number;

        Operator(int number) {
            this.number = number;
        }
    }

    /**
     * A condition on an argument ({@code struct scmp_arg_cmp}).
     *
     * @param argument its position, from 0 to 5
     * @param operator how it is compared
     * @param first the value, or the mask
     * @param second the value under the mask, otherwise unused
     */
    @Immutable
    public record Comparison(int argument, Operator operator, long first, long second) {

        public Comparison {
            if (argument < 0 || argument >= MAX_ARGUMENTS) {
                throw new IllegalArgumentException("a system call has no argument " + argument);
            }
        }
    }

    /**
     * What happens to a system call when all conditions hold. Several rules of one call are alternatives.
     *
     * @param action the answer as the kernel encodes it
     * @param number the call's number on the machine's own architecture, as {@link #number(String)} gives it
     * @param comparisons the conditions, at most one for each argument
     */
    public record Rule(int action, int number, List<Comparison> comparisons) {

        public Rule {
            comparisons = List.copyOf(comparisons);
            if (comparisons.size() > MAX_ARGUMENTS) {
                throw new IllegalArgumentException("more conditions than arguments");
            }
        }
    }

    private final String version;

    private Libseccomp(String version) {
        this.version = version;
    }

    /** The installed library, or nothing when the host has none. */
    public static Optional<Libseccomp> installed() {
        return Holder.LIBRARY;
    }

    private static final class Holder {

        private static final Optional<Libseccomp> LIBRARY = load();

        private static Optional<Libseccomp> load() {
            try {
                Native.register(Calls.class, NativeLibrary.getInstance("libseccomp.so.2"));
            } catch (UnsatisfiedLinkError absent) {
                return Optional.empty();
            }
            return Optional.of(new Libseccomp(versionText()));
        }

        /** {@code struct scmp_version}: three unsigned integers. */
        private static String versionText() {
            Pointer numbers = Calls.seccomp_version();
            return numbers.getInt(0) + "." + numbers.getInt(4) + "." + numbers.getInt(8);
        }
    }

    private static final class Calls {

        static native Pointer seccomp_version();

        static native long seccomp_init(int defaultAction);

        static native void seccomp_release(long context);

        static native int seccomp_attr_set(long context, int attribute, int value);

        static native int seccomp_arch_exist(long context, int architecture);

        static native int seccomp_arch_add(long context, int architecture);

        static native int seccomp_arch_remove(long context, int architecture);

        static native int seccomp_arch_native();

        static native int seccomp_syscall_resolve_name(String name);

        static native int seccomp_syscall_resolve_name_arch(int architecture, String name);

        static native int seccomp_rule_add_array(long context, int action, int number, int count, long comparisons);

        static native int seccomp_export_bpf(long context, int descriptor);
    }

    /** The library's version, such as {@code 2.5.4}. */
    public String version() {
        return version;
    }

    /**
     * The number by which rules name a system call. Negative for a call that only other architectures have; absent
     * when this version of the library does not know the name.
     */
    public OptionalInt number(String name) {
        return known(Calls.seccomp_syscall_resolve_name(name));
    }

    /**
     * The number of a system call on an architecture, as the kernel counts there (with the bit of x32); negative when
     * the architecture does not have it, absent when the name is unknown.
     */
    public OptionalInt number(int architecture, String name) {
        return known(Calls.seccomp_syscall_resolve_name_arch(architecture, name));
    }

    private static OptionalInt known(int number) {
        return number == NR_SCMP_ERROR ? OptionalInt.empty() : OptionalInt.of(number);
    }

    /**
     * Compiles a filter. Takes some milliseconds, much more for thousands of rules, and holds the calling thread.
     *
     * @param defaultAction what happens to calls without a matching rule, as the kernel encodes it
     * @param architectures {@code SCMP_ARCH_*}, at least one, not necessarily this machine's; calls of others end the
     *     calling thread
     * @param rules in any order
     * @return {@code struct sock_filter[]} in the machine's byte order
     * @throws KernelException if the library refuses a rule
     */
    public byte[] compile(int defaultAction, List<Integer> architectures, List<Rule> rules) {
        long context = Calls.seccomp_init(defaultAction);
        if (context == 0) {
            throw failed("seccomp_init", "0x" + Integer.toHexString(defaultAction), -Errno.EINVAL.number());
        }
        try {
            // Who loads the filter decides on no_new_privs, not the library.
            check("seccomp_attr_set", "CTL_NNP, 0", Calls.seccomp_attr_set(context, SCMP_FLTATR_CTL_NNP, 0));
            // A search tree in place of a list: the kernel tries every system call when it attaches a filter
            // (seccomp_cache_prepare), which takes it 0.7 ms along the list of the default profile. Since 2.5.0; a
            // library without it compiles the list.
            int _ = Calls.seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, SEARCH_TREE);
            for (int architecture : architectures) {
                addArchitecture(context, architecture);
            }
            int machine = Calls.seccomp_arch_native();
            if (!architectures.contains(machine)) {
                check(
                        "seccomp_arch_remove",
                        "0x" + Integer.toHexString(machine),
                        Calls.seccomp_arch_remove(context, machine));
            }
            NativeBuffer comparisons = NativeBuffer.allocate(MAX_ARGUMENTS * COMPARISON_BYTES);
            for (Rule rule : rules) {
                addRule(context, rule, comparisons);
            }
            return export(context);
        } finally {
            Calls.seccomp_release(context);
        }
    }

    /** A new filter already has the machine's own architecture. */
    private static void addArchitecture(long context, int architecture) {
        if (Calls.seccomp_arch_exist(context, architecture) != 0) {
            check(
                    "seccomp_arch_add",
                    "0x" + Integer.toHexString(architecture),
                    Calls.seccomp_arch_add(context, architecture));
        }
    }

    private static void addRule(long context, Rule rule, NativeBuffer comparisons) {
        ByteBuffer bytes = comparisons.bytes().clear();
        for (Comparison comparison : rule.comparisons()) {
            bytes.putInt(comparison.argument())
                    .putInt(comparison.operator().number)
                    .putLong(comparison.first())
                    .putLong(comparison.second());
        }
        int answer = Calls.seccomp_rule_add_array(
                context,
                rule.action(),
                rule.number(),
                rule.comparisons().size(),
                comparisons.address(0, comparisons.capacity()));
        check(
                "seccomp_rule_add_array",
                "0x" + Integer.toHexString(rule.action()) + ", " + rule.number() + ", " + rule.comparisons(),
                answer);
    }

    private static byte[] export(long context) {
        try (Fd memory = Kernel.memfdCreate("seccomp", LinuxConstants.MFD_CLOEXEC)) {
            check("seccomp_export_bpf", "memfd", Calls.seccomp_export_bpf(context, memory.number()));
            Kernel.lseek(memory, 0, 0);
            return Kernel.readAll(memory, MAX_EXPORT_BYTES);
        }
    }

    private static void check(String call, String arguments, int answer) {
        if (answer < 0) {
            throw failed(call, arguments, answer);
        }
    }

    private static KernelException failed(String call, String arguments, int answer) {
        return new KernelException(call, arguments, Errno.of(-answer));
    }
}
