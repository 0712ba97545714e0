package io.portafilter.security;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.linux.Libseccomp;
import io.portafilter.linux.Libseccomp.Comparison;
import io.portafilter.linux.Libseccomp.Operator;
import io.portafilter.linux.Libseccomp.Rule;
import io.portafilter.security.RandomTries.Try;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** A shortened filter answers as the one that it was made of, whatever is asked. */
class BpfSearchTreeTest {

    private static final int RET_ALLOW = SeccompAction.SECCOMP_RET_ALLOW;
    private static final int RET_ERRNO = SeccompAction.SECCOMP_RET_ERRNO;
    private static final int LD = 0x20;
    private static final int RET = 0x06;
    private static final int JA = 0x05;
    private static final int JEQ = 0x15;
    private static final int JGT = 0x25;
    private static final int JGE = 0x35;
    private static final int JSET = 0x45;
    private static final int AND = 0x54;
    private static final List<Integer> MODES =
            List.of(Libseccomp.SCMP_ARCH_X86_64, Libseccomp.SCMP_ARCH_X86, Libseccomp.SCMP_ARCH_X32);
    private static final List<Integer> ARCHITECTURES = List.of(
            BpfEvaluator.AUDIT_ARCH_X86_64,
            BpfEvaluator.AUDIT_ARCH_I386,
            BpfEvaluator.AUDIT_ARCH_AARCH64,
            0,
            -1,
            BpfEvaluator.AUDIT_ARCH_I386 + 1);

    /** Where signs change, and the bit of x32. */
    private static final List<Integer> EDGES =
            List.of(0, 1, 0x3fff_ffff, 0x4000_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff);

    private static final List<Integer> ANSWERS = List.of(RET_ALLOW, RET_ERRNO, SeccompAction.SECCOMP_RET_TRACE);

    /** About half of what branches at random is understood. */
    private static final int MIN_WRITTEN = 400;

    private static final int MIN_SHORTENED = 400;

    private static Libseccomp library() {
        assumeTrue(Libseccomp.installed().isPresent(), "libseccomp.so.2 is not installed");
        return Libseccomp.installed().orElseThrow();
    }

    @Test
    void whateverLibseccompMakesOfRandomRulesIsAnsweredAlike() {
        Libseccomp library = library();
        int[] compiled = {0};
        int[] written = {0};
        RandomTries.each(tried -> {
            // Compiling takes milliseconds: one try in ten, and all sizes among them.
            if (tried.random().nextInt(10) == 0) {
                List<Rule> rules = withoutContradiction(tried.list(1, 60, BpfSearchTreeTest::rule));
                byte[] filter = library.compile(
                        tried.oneOf(List.of(RET_ERRNO | 38, RET_ALLOW)),
                        tried.oneOf(List.of(MODES, MODES.subList(0, 1))),
                        rules);
                compiled[0]++;
                BpfSearchTree.written(filter).ifPresent(other -> {
                    written[0]++;
                    assertAnswersAlike(filter, other, tried);
                });
                assertAnswersAlike(filter, kept(filter), tried);
            }
        });
        // All that the library makes is understood.
        assertThat(written[0]).isEqualTo(compiled[0]).isGreaterThan(50);
    }

    /** What the filter becomes; never a contradiction. */
    private static byte[] kept(byte[] filter) {
        return switch (BpfSearchTree.shorten(filter)) {
            case BpfSearchTree.Shortened shorter -> shorter.filter();
            case BpfSearchTree.Kept _ -> filter;
            case BpfSearchTree.Contradicted(String where) -> throw new AssertionError(where);
        };
    }

    private static Rule rule(Try tried) {
        List<Comparison> comparisons = new ArrayList<>();
        for (int argument = 0; argument < 6; argument++) {
            if (tried.random().nextInt(8) == 0) {
                comparisons.add(
                        new Comparison(argument, tried.oneOf(List.of(Operator.values())), value(tried), value(tried)));
            }
        }
        // The library refuses a rule that answers as the filter does by default: neither of these is one.
        int action = tried.oneOf(List.of(RET_ERRNO | 1, SeccompAction.SECCOMP_RET_KILL_PROCESS, RET_ERRNO | 2));
        return new Rule(action, tried.random().nextInt(330), comparisons); // beyond there are gaps
    }

    private static List<Rule> withoutContradiction(List<Rule> rules) {
        TreeSet<Integer> numbers = new TreeSet<>();
        return rules.stream().filter(rule -> numbers.add(rule.number())).toList();
    }

    private static long value(Try tried) {
        return switch (tried.random().nextInt(4)) {
            case 0 -> tried.random().nextInt(8);
            case 1 -> Integer.toUnsignedLong(tried.random().nextInt());
            case 2 -> tried.random().nextLong();
            default -> 1L << tried.random().nextInt(64);
        };
    }

    @Test
    void whateverBranchesAtRandomIsAnsweredAlike() {
        int[] written = {0};
        int[] shortened = {0};
        RandomTries.each(tried -> {
            byte[] filter = randomFilter(tried);
            BpfSearchTree.written(filter).ifPresent(other -> {
                written[0]++;
                shortened[0] += other.length < filter.length ? 1 : 0;
                assertThat(BpfSearchTree.contradiction(filter, other)).isEmpty();
                assertAnswersAlike(filter, other, tried);
            });
            kept(filter);
        });
        assertThat(written[0]).isGreaterThan(MIN_WRITTEN);
        assertThat(shortened[0]).isGreaterThan(MIN_SHORTENED);
    }

    /** Jumps forward anywhere, through loads of anything; the kernel would take it. */
    private static byte[] randomFilter(Try tried) {
        int count = 4 + tried.random().nextInt(3 * tried.size() + 4);
        ByteBuffer code = ByteBuffer.allocate((count + 6) * SeccompProgram.INSTRUCTION_BYTES)
                .order(ByteOrder.nativeOrder());
        put(code, LD, 0, 0, 4);
        put(code, JEQ, 0, tried.random().nextInt(Math.min(200, count - 2)), tried.oneOf(ARCHITECTURES));
        for (int i = 2; i < count; i++) {
            int most = Math.min(200, count - i - 1) + 1;
            int yes = tried.random().nextInt(most);
            int no = tried.random().nextInt(Math.min(most, 3));
            int k = tried.random().nextBoolean() ? (int) tried.between(0, 20) : tried.oneOf(EDGES);
            switch (tried.random().nextInt(14)) {
                case 0, 1, 2 -> put(code, LD, 0, 0, 0);
                case 3 -> put(code, LD, 0, 0, tried.oneOf(List.of(4, 8, 16, 20, 60)));
                case 11 -> {
                    // of an argument, and what is asked of its bits
                    put(code, LD, 0, 0, tried.oneOf(List.of(16, 20, 56)));
                    put(code, AND, 0, 0, k);
                    put(code, tried.oneOf(List.of(JSET, JEQ, JGT)), 0, 1, tried.oneOf(EDGES));
                    put(code, RET, 0, 0, tried.oneOf(ANSWERS) | 7);
                    put(code, RET, 0, 0, tried.oneOf(ANSWERS) | 8);
                    i += 4;
                }
                case 12 ->
                    put(code, RET, 0, 0, tried.oneOf(ANSWERS) | tried.random().nextInt(4));
                case 4 -> put(code, JA, 0, 0, yes);
                case 5, 6, 7 -> put(code, JGE, yes, no, k);
                case 8 -> put(code, JEQ, yes, no, k);
                case 9 -> put(code, JGT, no, yes, k);
                case 10 -> put(code, RET, 0, 0, RET_ERRNO | k);
                default -> put(code, tried.random().nextInt(20) == 0 ? AND : JEQ, yes, no, k);
            }
        }
        put(code, RET, 0, 0, RET_ALLOW);
        put(code, RET, 0, 0, RET_ERRNO);
        return Arrays.copyOf(code.array(), code.position());
    }

    private static void put(ByteBuffer code, int operation, int yes, int no, int k) {
        code.putShort((short) operation).put((byte) yes).put((byte) no).putInt(k);
    }

    private static byte[] filter(int[]... instructions) {
        ByteBuffer code = ByteBuffer.allocate(instructions.length * SeccompProgram.INSTRUCTION_BYTES)
                .order(ByteOrder.nativeOrder());
        for (int[] each : instructions) {
            put(code, each[0], each[1], each[2], each[3]);
        }
        return code.array();
    }

    private static void assertAnswersAlike(byte[] filter, byte[] shorter, Try tried) {
        SeccompProgram before = new SeccompProgram(filter, 0, "before");
        SeccompProgram after = new SeccompProgram(shorter, 0, "after");
        List<Integer> constants = constants(filter);
        for (int architecture : ARCHITECTURES) {
            for (int i = -20; i < 480; i++) {
                assertSame(before, after, architecture, i);
                assertSame(before, after, architecture, i | BpfEvaluator.X32_SYSCALL_BIT);
            }
            for (int constant : constants) {
                for (int near = -1; near <= 1; near++) {
                    assertSame(before, after, architecture, constant + near);
                }
            }
            for (int i = 0; i < 200; i++) {
                long[] arguments = new long[6];
                for (int j = 0; j < 6; j++) {
                    arguments[j] = tried.random().nextInt(3) == 0
                            ? value(tried)
                            : Integer.toUnsignedLong(tried.oneOf(constants))
                                    | (Integer.toUnsignedLong(tried.oneOf(constants))
                                            << (tried.random().nextBoolean() ? 32 : 0));
                }
                assertSame(before, after, architecture, tried.oneOf(constants), arguments);
            }
        }
    }

    /** What it compares with: there answers change. */
    private static List<Integer> constants(byte[] filter) {
        ByteBuffer code = ByteBuffer.wrap(filter).order(ByteOrder.nativeOrder());
        TreeSet<Integer> constants = new TreeSet<>();
        for (int at = 0; at < filter.length; at += SeccompProgram.INSTRUCTION_BYTES) {
            constants.add(code.getInt(at + 4));
        }
        return List.copyOf(constants);
    }

    private static void assertSame(
            SeccompProgram before, SeccompProgram after, int architecture, int number, long... arguments) {
        int asked = BpfEvaluator.evaluate(before, architecture, number, arguments);
        int answer = BpfEvaluator.evaluate(after, architecture, number, arguments);
        if (asked != answer) {
            throw new AssertionError("architecture " + Integer.toHexString(architecture) + ", call " + number + ", "
                    + Arrays.toString(arguments) + ": " + SeccompAction.text(asked) + " became "
                    + SeccompAction.text(answer));
        }
    }

    @Test
    void theFilterOfMostContainersIsShort() {
        library();
        HostFacts host = SecurityFixture.host();
        SeccompProgram program =
                SeccompCompiler.runtimeDefault(CapabilitySets.DEFAULT, host).program();
        // libseccomp makes some 1250 of it
        assertThat(program.instructions()).isLessThan(300);
    }

    @Test
    void farJumpsGoThroughOthers() {
        // Every third number has an answer of its own: more of them than one jump can skip.
        List<int[]> code = new ArrayList<>();
        code.add(new int[] {LD, 0, 0, 0});
        for (int i = 0; i < 1000; i++) {
            code.add(new int[] {JEQ, 0, 1, 3 * i});
            code.add(new int[] {RET, 0, 0, RET_ERRNO | i});
        }
        code.add(new int[] {RET, 0, 0, RET_ALLOW});
        byte[] filter = filter(code.toArray(int[][]::new));
        SeccompProgram before = new SeccompProgram(filter, 0, "before");
        byte[] written = BpfSearchTree.written(filter).orElseThrow();
        SeccompProgram after = new SeccompProgram(written, 0, "after");
        assertThat(jumps(written)).isPositive();
        for (int i = -3; i < 3100; i++) {
            assertSame(before, after, 0, i);
        }
    }

    private static int jumps(byte[] filter) {
        ByteBuffer code = ByteBuffer.wrap(filter).order(ByteOrder.nativeOrder());
        int jumps = 0;
        for (int at = 0; at < filter.length; at += SeccompProgram.INSTRUCTION_BYTES) {
            jumps += code.getShort(at) == JA ? 1 : 0;
        }
        return jumps;
    }

    @Test
    void aWrittenFilterThatAnswersOtherwiseIsNotTaken() {
        byte[] filter = answering(5, 7, RET_ALLOW);
        assertThat(BpfSearchTree.contradiction(filter, answering(5, 7, RET_ALLOW)))
                .isEmpty();
        assertThat(BpfSearchTree.contradiction(filter, answering(6, 7, RET_ALLOW)))
                .isPresent();
        assertThat(BpfSearchTree.contradiction(filter, answering(5, 8, RET_ALLOW)))
                .isPresent();
        assertThat(BpfSearchTree.contradiction(filter, answering(5, 7, RET_ERRNO | 2)))
                .isPresent();
        assertThat(BpfSearchTree.contradiction(filter, filter(new int[] {LD, 0, 0, 0})))
                .isPresent();
    }

    /** To one call, if its first argument has this lower half. */
    private static byte[] answering(int number, int argument, int answer) {
        return filter(
                new int[] {LD, 0, 0, 0},
                new int[] {JEQ, 0, 3, number},
                new int[] {LD, 0, 0, 16},
                new int[] {JEQ, 0, 1, argument},
                new int[] {RET, 0, 0, answer},
                new int[] {RET, 0, 0, RET_ERRNO | 1});
    }

    @Test
    void aLongChainOfQuestionsIsLeftAsLibseccompMadeIt() throws InterruptedException {
        Libseccomp library = library();
        List<Rule> rules = new ArrayList<>();
        for (long i = 0; i < 800; i++) {
            Comparison condition = new Comparison(0, Operator.GREATER_OR_EQUAL, ((i + 1) << 32) | (7 * i + 3), 0);
            rules.add(new Rule(RET_ALLOW, 1, List.of(condition)));
        }
        byte[] filter = library.compile(RET_ERRNO | 1, MODES.subList(0, 1), rules);
        assertThat(filter.length / SeccompProgram.INSTRUCTION_BYTES).isGreaterThan(3000);
        // Half the stack that a thread usually has: the whole chain overflows it.
        List<BpfSearchTree.Result> results = new ArrayList<>();
        Thread small = new Thread(null, () -> results.add(BpfSearchTree.shorten(filter)), "small", 512 * 1024);
        small.start();
        small.join();
        assertThat(results)
                .singleElement()
                .isInstanceOfSatisfying(
                        BpfSearchTree.Kept.class, kept -> assertThat(kept.why()).contains("500 questions"));
        assertThat(BpfSearchTree.shortened(filter, "chain")).isSameAs(filter);
    }

    @Test
    void whatIsNotKnownStaysAsItWas() {
        int[] allow = {RET, 0, 0, RET_ALLOW};
        int[] deny = {RET, 0, 0, RET_ERRNO};
        int[] number = {LD, 0, 0, 0};
        // a set bit of a number; a mask on a number; a comparison of nothing; the number told apart behind an argument
        for (byte[] filter : List.of(
                filter(number, number, number, new int[] {JSET, 0, 1, 4}, allow, deny),
                filter(number, number, new int[] {AND, 0, 0, 3}, new int[] {JEQ, 0, 1, 3}, allow, deny),
                filter(new int[] {JEQ, 0, 0, 0}, new int[] {JEQ, 0, 0, 0}, allow),
                filter(
                        new int[] {LD, 0, 0, 16},
                        new int[] {JEQ, 0, 3, 7},
                        number,
                        new int[] {JEQ, 0, 1, 5},
                        allow,
                        deny),
                filter(number, new int[] {0x07, 0, 0, 0}, allow),
                // past the end: by a comparison of the number, by one of an argument, without a jump
                filter(number, new int[] {JEQ, 200, 0, 0}, allow),
                filter(number, new int[] {LD, 0, 0, 16}, new int[] {JEQ, 200, 0, 0}, allow),
                filter(number),
                filter(number, new int[] {LD, 0, 0, 16}),
                // no offset of struct seccomp_data
                filter(number, number, number, new int[] {LD, 0, 0, 64}, allow),
                filter(number, number, number, new int[] {LD, 0, 0, 17}, allow))) {
            assertThat(BpfSearchTree.shorten(filter)).isInstanceOf(BpfSearchTree.Kept.class);
            assertThat(BpfSearchTree.written(filter)).isEmpty();
            assertThat(BpfSearchTree.shortened(filter, "unknown")).isSameAs(filter);
        }
    }
}
