package io.portafilter.security;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Runs a seccomp filter as the kernel would, without the kernel: classic BPF over {@code struct seccomp_data}
 * ({@code include/uapi/linux/seccomp.h}), with the instructions that {@code seccomp_check_filter()} permits.
 *
 * <p>A launch asks it whether the filter lets the last system calls before execve through.
 */
public final class BpfEvaluator {

    /** The architecture of a system call as {@code linux/audit.h} numbers it. x32 calls have that of x86-64. */
    public static final int AUDIT_ARCH_X86_64 = 0xC000_003E;

    public static final int AUDIT_ARCH_I386 = 0x4000_0003;
    public static final int AUDIT_ARCH_AARCH64 = 0xC000_00B7;
    public static final int AUDIT_ARCH_ARM = 0x4000_0028;

    /** The bit that makes a system call number of x86-64 one of x32. */
    public static final int X32_SYSCALL_BIT = 0x4000_0000;

    private static final int SECCOMP_DATA_BYTES = 64;
    private static final int BPF_MEMWORDS = 16;

    // include/uapi/linux/bpf_common.h
    private static final int BPF_LD_W_ABS = 0x20;
    private static final int BPF_LD_W_LEN = 0x80;
    private static final int BPF_LD_IMM = 0x00;
    private static final int BPF_LD_MEM = 0x60;
    private static final int BPF_LDX_W_LEN = 0x81;
    private static final int BPF_LDX_IMM = 0x01;
    private static final int BPF_LDX_MEM = 0x61;
    private static final int BPF_ST = 0x02;
    private static final int BPF_STX = 0x03;
    private static final int BPF_ALU = 0x04;
    private static final int BPF_JMP = 0x05;
    private static final int BPF_RET_K = 0x06;
    private static final int BPF_RET_A = 0x16;
    private static final int BPF_TAX = 0x07;
    private static final int BPF_TXA = 0x87;
    private static final int BPF_CLASS = 0x07;
    private static final int BPF_OPERATION = 0xf0;
    private static final int BPF_X = 0x08;
    private static final int BPF_DIV = 0x30;

    private final ByteBuffer program;
    private final ByteBuffer data;
    private final int[] memory = new int[BPF_MEMWORDS];
    private int accumulator;
    private int index;

    private BpfEvaluator(SeccompProgram program, ByteBuffer data) {
        this.program = program.code();
        this.data = data;
    }

    /**
     * What the filter answers to one system call.
     *
     * @param arch the architecture, an {@code AUDIT_ARCH} number
     * @param nr the number of the system call
     * @param args up to six arguments; the others are 0
     * @return the action as the kernel encodes it, see {@link SeccompAction}
     * @throws IllegalArgumentException for a program that the kernel would refuse
     */
    public static int evaluate(SeccompProgram program, int arch, int nr, long... args) {
        if (args.length > 6) {
            throw new IllegalArgumentException("a system call has six arguments, not " + args.length);
        }
        ByteBuffer data = ByteBuffer.allocate(SECCOMP_DATA_BYTES).order(ByteOrder.nativeOrder());
        data.putInt(nr).putInt(arch).putLong(0);
        for (long argument : args) {
            data.putLong(argument);
        }
        return new BpfEvaluator(program, data).run();
    }

    /** Whether the filter lets the system call through. */
    public static boolean allows(SeccompProgram program, int arch, int nr, long... args) {
        return SeccompAction.allows(evaluate(program, arch, nr, args));
    }

    private int run() {
        int position = 0;
        int count = program.capacity() / SeccompProgram.INSTRUCTION_BYTES;
        while (position < count) {
            int at = position * SeccompProgram.INSTRUCTION_BYTES;
            int code = Short.toUnsignedInt(program.getShort(at));
            int whenTrue = Byte.toUnsignedInt(program.get(at + 2));
            int whenFalse = Byte.toUnsignedInt(program.get(at + 3));
            int k = program.getInt(at + 4);
            position++;
            switch (code) {
                case BPF_RET_K -> {
                    return k;
                }
                case BPF_RET_A -> {
                    return accumulator;
                }
                case BPF_LD_W_ABS -> accumulator = load(position - 1, k);
                case BPF_LD_W_LEN -> accumulator = SECCOMP_DATA_BYTES;
                case BPF_LD_IMM -> accumulator = k;
                case BPF_LD_MEM -> accumulator = memory[word(position - 1, k)];
                case BPF_LDX_W_LEN -> index = SECCOMP_DATA_BYTES;
                case BPF_LDX_IMM -> index = k;
                case BPF_LDX_MEM -> index = memory[word(position - 1, k)];
                case BPF_ST -> memory[word(position - 1, k)] = accumulator;
                case BPF_STX -> memory[word(position - 1, k)] = index;
                case BPF_TAX -> index = accumulator;
                case BPF_TXA -> accumulator = index;
                default -> {
                    int operand = (code & BPF_X) != 0 ? index : k;
                    if ((code & BPF_CLASS) == BPF_ALU) {
                        if ((code & BPF_OPERATION) == BPF_DIV && operand == 0) {
                            // the kernel ends the filter with the answer 0
                            return SeccompAction.SECCOMP_RET_KILL_THREAD;
                        }
                        accumulator = calculate(position - 1, code, operand);
                    } else if ((code & BPF_CLASS) == BPF_JMP) {
                        position += jump(position - 1, code, operand, k, whenTrue, whenFalse);
                    } else {
                        throw refused(position - 1, "unknown code " + code);
                    }
                }
            }
        }
        throw refused(position, "the program runs past its end");
    }

    private int load(int position, int offset) {
        if (offset < 0 || offset >= SECCOMP_DATA_BYTES || offset % 4 != 0) {
            throw refused(position, "load from offset " + Integer.toUnsignedString(offset));
        }
        return data.getInt(offset);
    }

    private static int word(int position, int k) {
        if (k < 0 || k >= BPF_MEMWORDS) {
            throw refused(position, "memory word " + Integer.toUnsignedString(k));
        }
        return k;
    }

    private int calculate(int position, int code, int operand) {
        return switch (code & BPF_OPERATION) {
            case 0x00 -> accumulator + operand;
            case 0x10 -> accumulator - operand;
            case 0x20 -> accumulator * operand;
            case BPF_DIV -> Integer.divideUnsigned(accumulator, operand);
            case 0x40 -> accumulator | operand;
            case 0x50 -> accumulator & operand;
            case 0x60 -> accumulator << operand;
            case 0x70 -> accumulator >>> operand;
            case 0x80 -> -accumulator;
            case 0xa0 -> accumulator ^ operand;
            default -> throw refused(position, "unknown calculation " + code);
        };
    }

    private int jump(int position, int code, int operand, int k, int whenTrue, int whenFalse) {
        boolean taken = switch (code & BPF_OPERATION) {
            case 0x00 -> {
                if (k < 0) {
                    throw refused(position, "a jump backwards");
                }
                yield false;
            }
            case 0x10 -> accumulator == operand;
            case 0x20 -> Integer.compareUnsigned(accumulator, operand) > 0;
            case 0x30 -> Integer.compareUnsigned(accumulator, operand) >= 0;
            case 0x40 -> (accumulator & operand) != 0;
            default -> throw refused(position, "unknown jump " + code);
        };
        if ((code & BPF_OPERATION) == 0x00) {
            return k;
        }
        return taken ? whenTrue : whenFalse;
    }

    private static IllegalArgumentException refused(int position, String why) {
        return new IllegalArgumentException("seccomp filter, instruction " + position + ": " + why);
    }
}
