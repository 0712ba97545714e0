package io.portafilter.launch;

import io.portafilter.linux.Architecture;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HexFormat;

/** What differs between processor architectures in a launch program's file. */
public sealed interface Encoder {

    /** The architecture's encoder; an architecture without one is refused. */
    static Encoder of(Architecture architecture) {
        return switch (architecture) {
            case X86_64 -> new X8664();
            case AARCH64 ->
                throw new UnsupportedOperationException(
                        "launch programs cannot be encoded for AArch64 yet; x86-64 can");
        };
    }

    /** The architecture whose system call numbers the operations use. */
    Architecture architecture();

    /** {@code e_machine} of the ELF header, {@code elf.h}. */
    int machine();

    /** Alignment of the segments: the largest page size of the architecture. */
    int pageSize();

    /** The interpreter's machine code, which begins with the operation at {@code firstOperation}. */
    byte[] interpreter(int firstOperation);

    /** x86-64: 28 instructions that keep the running operation's address in {@code rbx}, which no system call changes. */
    record X8664() implements Encoder {
        private static final int EM_X86_64 = 62;
        // The addresses 0x401000, 0x401004 and 0x401008 in it are those of the progress page.
        private static final String AFTER_START = "891c2508104000" // run: mov [0x401008], ebx
                + "8b03" // mov eax, [rbx]
                + "488b7b08" // mov rdi, [rbx+8]
                + "488b7310" // mov rsi, [rbx+16]
                + "488b5318" // mov rdx, [rbx+24]
                + "4c8b5320" // mov r10, [rbx+32]
                + "4c8b4328" // mov r8, [rbx+40]
                + "4c8b4b30" // mov r9, [rbx+48]
                + "0f05" // syscall
                + "483d01f0ffff" // cmp rax, -4095
                + "7315" // jae err
                + "488b4b38" // mov rcx, [rbx+56]
                + "488901" // mov [rcx], rax
                + "8b4b40" // mov ecx, [rbx+64]
                + "4885c0" // test rax, rax
                + "0f444b44" // cmovz ecx, [rbx+68]
                + "89cb" // mov ebx, ecx
                + "ebc0" // jmp run
                + "f7d8" // err: neg eax
                + "3b4304" // cmp eax, [rbx+4]
                + "7413" // je tolerated
                + "891c2500104000" // mov [0x401000], ebx
                + "89042504104000" // mov [0x401004], eax
                + "8b5b48" // mov ebx, [rbx+72]
                + "eba6" // jmp run
                + "8b5b40" // tolerated: mov ebx, [rbx+64]
                + "eba1"; // jmp run

        @Override
        public Architecture architecture() {
            return Architecture.X86_64;
        }

        @Override
        public int machine() {
            return EM_X86_64;
        }

        @Override
        public int pageSize() {
            return 0x1000;
        }

        @Override
        public byte[] interpreter(int firstOperation) {
            byte[] rest = HexFormat.of().parseHex(AFTER_START);
            byte[] code = new byte[5 + rest.length];
            ByteBuffer.wrap(code)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .put((byte) 0xbb) // start: mov ebx, firstOperation
                    .putInt(firstOperation)
                    .put(rest);
            return code;
        }
    }
}
