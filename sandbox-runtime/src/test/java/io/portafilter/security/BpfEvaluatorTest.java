package io.portafilter.security;

import static io.portafilter.security.BpfEvaluator.AUDIT_ARCH_X86_64;
import static io.portafilter.security.SeccompAction.SECCOMP_RET_ALLOW;
import static io.portafilter.security.SeccompAction.SECCOMP_RET_KILL_PROCESS;
import static io.portafilter.security.SeccompAction.SECCOMP_RET_KILL_THREAD;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The instructions of classic BPF by their codes (Documentation/networking/filter.rst of the kernel). */
class BpfEvaluatorTest {

    private static final int[] RETURN_A = {0x16, 0, 0, 0};

    @Test
    void readsNumberArchitectureAndArguments() {
        assertThat(run(program(load(0), RETURN_A), 231, 1, 2)).isEqualTo(231);
        assertThat(run(program(load(4), RETURN_A), 231, 1, 2)).isEqualTo(AUDIT_ARCH_X86_64);
        assertThat(run(program(load(16), RETURN_A), 231, 0x1_0000_0007L)).isEqualTo(7);
        assertThat(run(program(load(20), RETURN_A), 231, 0x1_0000_0007L)).isEqualTo(1);
        assertThat(run(program(load(56), RETURN_A), 231, 1, 2, 3, 4, 5, 6)).isEqualTo(6);
        assertThat(run(program(load(56), RETURN_A), 231, 1)).isZero();
    }

    @ParameterizedTest
    @CsvSource({
        "0x04, 7, 5, 12",
        "0x14, 7, 5, 2",
        "0x24, 7, 5, 35",
        "0x34, 7, 5, 1",
        "0x34, -1, 2, 2147483647",
        "0x44, 6, 3, 7",
        "0x54, 6, 3, 2",
        "0x64, 6, 3, 48",
        "0x74, -1, 28, 15",
        "0xa4, 6, 3, 5",
        "0x84, 6, 0, -6"
    })
    void calculatesWithAConstantAndWithTheIndex(String code, int accumulator, int operand, int expected) {
        int operation = Integer.decode(code);
        assertThat(run(program(constant(accumulator), new int[] {operation, 0, 0, operand}, RETURN_A), 0))
                .isEqualTo(expected);
        assertThat(run(
                        program(
                                constant(accumulator),
                                new int[] {0x01, 0, 0, operand},
                                new int[] {operation | 0x08, 0, 0, 0},
                                RETURN_A),
                        0))
                .isEqualTo(expected);
    }

    @ParameterizedTest
    @CsvSource({
        "0x15, 5, 5, true", "0x15, 5, 6, false", "0x25, 6, 5, true", "0x25, 5, 5, false", "0x25, -1, 1, true",
        "0x35, 5, 5, true", "0x35, 4, 5, false", "0x35, 1, -1, false", "0x45, 6, 4, true", "0x45, 6, 1, false"
    })
    void jumpsByUnsignedComparison(String code, int accumulator, int operand, boolean taken) {
        int[][] program = {constant(accumulator), new int[] {Integer.decode(code), 0, 1, operand}, answer(1), answer(2)
        };
        assertThat(run(program(program), 0)).isEqualTo(taken ? 1 : 2);
    }

    @Test
    void jumpsForwardAlways() {
        assertThat(run(program(new int[] {0x05, 0, 0, 1}, answer(1), answer(2)), 0))
                .isEqualTo(2);
    }

    @Test
    void keepsWordsInMemoryAndMovesThemToTheIndex() {
        assertThat(run(
                        program(
                                constant(9),
                                new int[] {0x02, 0, 0, 15},
                                constant(1),
                                new int[] {0x61, 0, 0, 15},
                                new int[] {0x87, 0, 0, 0},
                                RETURN_A),
                        0))
                .isEqualTo(9);
        assertThat(run(
                        program(
                                constant(9),
                                new int[] {0x07, 0, 0, 0},
                                new int[] {0x03, 0, 0, 3},
                                constant(1),
                                new int[] {0x60, 0, 0, 3},
                                RETURN_A),
                        0))
                .isEqualTo(9);
        assertThat(run(program(new int[] {0x80, 0, 0, 0}, RETURN_A), 0)).isEqualTo(64);
    }

    @Test
    void endsWithZeroOnADivisionByZero() {
        assertThat(run(program(constant(1), new int[] {0x34, 0, 0, 0}, answer(SECCOMP_RET_ALLOW)), 0))
                .isEqualTo(SECCOMP_RET_KILL_THREAD);
    }

    @Test
    void refusesWhatTheKernelRefuses() {
        assertRefused("instruction 0: load from offset 64", load(64), RETURN_A);
        assertRefused("instruction 0: load from offset 2", load(2), RETURN_A);
        assertRefused("instruction 0: load from offset 4294967292", load(-4), RETURN_A);
        assertRefused("instruction 0: unknown code 40", new int[] {0x28, 0, 0, 0}, RETURN_A);
        assertRefused("instruction 0: a jump backwards", new int[] {0x05, 0, 0, -1}, RETURN_A);
        assertRefused("instruction 1: the program runs past its end", constant(1));
        assertRefused("instruction 0: memory word 16", new int[] {0x60, 0, 0, 16}, RETURN_A);
        assertThatIllegalArgumentException().isThrownBy(() -> run(program(RETURN_A), 0, 1, 2, 3, 4, 5, 6, 7));
    }

    @Test
    void tellsWhatLetsACallThrough() {
        assertThat(SeccompAction.allows(SECCOMP_RET_ALLOW)).isTrue();
        assertThat(SeccompAction.allows(SeccompAction.SECCOMP_RET_LOG)).isTrue();
        assertThat(SeccompAction.allows(SeccompAction.SECCOMP_RET_ERRNO)).isFalse();
        assertThat(SeccompAction.allows(SeccompAction.SECCOMP_RET_TRACE)).isFalse();
        assertThat(SeccompAction.allows(SeccompAction.SECCOMP_RET_TRAP)).isFalse();
        assertThat(SeccompAction.allows(SeccompAction.SECCOMP_RET_USER_NOTIF)).isFalse();
        assertThat(SeccompAction.allows(SECCOMP_RET_KILL_THREAD)).isFalse();
        assertThat(SeccompAction.allows(SECCOMP_RET_KILL_PROCESS)).isFalse();
        assertThat(SeccompAction.text(0x0005_0001)).isEqualTo("ERRNO(EPERM)");
        assertThat(SeccompAction.text(0x0005_0000)).isEqualTo("ERRNO(0)");
    }

    private static void assertRefused(String why, int[]... instructions) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> run(program(instructions), 0))
                .withMessage("seccomp filter, " + why);
    }

    private static int[] load(int offset) {
        return new int[] {0x20, 0, 0, offset};
    }

    private static int[] constant(int value) {
        return new int[] {0x00, 0, 0, value};
    }

    private static int[] answer(int value) {
        return new int[] {0x06, 0, 0, value};
    }

    private static int run(SeccompProgram program, int nr, long... args) {
        return BpfEvaluator.evaluate(program, AUDIT_ARCH_X86_64, nr, args);
    }

    /** Each instruction is code, jump when true, jump when false, constant. */
    private static SeccompProgram program(int[]... instructions) {
        ByteBuffer bytes = ByteBuffer.allocate(instructions.length * 8).order(ByteOrder.nativeOrder());
        for (int[] each : instructions) {
            bytes.putShort((short) each[0])
                    .put((byte) each[1])
                    .put((byte) each[2])
                    .putInt(each[3]);
        }
        return new SeccompProgram(bytes.array(), 0, "test");
    }
}
