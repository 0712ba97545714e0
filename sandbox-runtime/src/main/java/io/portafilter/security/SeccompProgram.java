package io.portafilter.security;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * A compiled seccomp filter (seccomp(2)).
 *
 * @param bpf {@code struct sock_filter[]} in the machine's byte order, 8 bytes an instruction
 * @param flags the flags of {@code SECCOMP_SET_MODE_FILTER}
 * @param name the profile's name for people
 */
@SuppressWarnings("ArrayRecordComponent") // copied in and out, compared by content
public record SeccompProgram(byte[] bpf, long flags, String name) {

    /** The size of {@code struct sock_filter} in bytes. */
    public static final int INSTRUCTION_BYTES = 8;

    /** The most instructions that the kernel takes ({@code BPF_MAXINSNS}). */
    public static final int MAX_INSTRUCTIONS = 4096;

    public SeccompProgram {
        bpf = bpf.clone();
        int instructions = bpf.length / INSTRUCTION_BYTES;
        if (bpf.length % INSTRUCTION_BYTES != 0 || instructions == 0 || instructions > MAX_INSTRUCTIONS) {
            throw new IllegalArgumentException("no seccomp program: " + bpf.length + " bytes");
        }
    }

    @Override
    public byte[] bpf() {
        return bpf.clone();
    }

    /** The instructions for reading, without a copy. */
    ByteBuffer code() {
        return ByteBuffer.wrap(bpf).asReadOnlyBuffer().order(ByteOrder.nativeOrder());
    }

    /** The same filter under another name for people. */
    SeccompProgram named(String other) {
        return new SeccompProgram(bpf, flags, other);
    }

    /** How many instructions the filter has. */
    public int instructions() {
        return bpf.length / INSTRUCTION_BYTES;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof SeccompProgram program
                && flags == program.flags
                && name.equals(program.name)
                && Arrays.equals(bpf, program.bpf);
    }

    @Override
    public int hashCode() {
        return 31 * Arrays.hashCode(bpf) + name.hashCode();
    }

    @Override
    public String toString() {
        return "SeccompProgram[" + name + ", " + instructions() + " instructions, flags " + flags + "]";
    }
}
