package io.portafilter.e2e.bench;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HexFormat;
import java.util.Locale;

/**
 * A program that ends at once with code 0: what a runtime spends on it is the runtime's own. A C library begins by asking
 * the processor what it can do, which on a virtual machine each time goes to the host: with busybox that is most of a
 * millisecond, and the same for every runtime.
 */
final class EmptyProgram {
    private static final long ADDRESS = 0x400000;
    private static final int HEADERS = 64 + 56;

    private EmptyProgram() {}

    /** The file, elf(5): two headers, and the system call exit. */
    static byte[] file() {
        return switch (System.getProperty("os.arch").toLowerCase(Locale.ROOT)) {
            // xor edi, edi; mov eax, 60; syscall
            case "amd64", "x86_64" -> file(62, HexFormat.of().parseHex("31ffb83c0000000f05"));
            // mov x0, 0; mov x8, 93; svc 0
            case "aarch64" -> file(183, HexFormat.of().parseHex("000080d2a80b80d2010000d4"));
            default -> throw new IllegalStateException("no machine code for " + System.getProperty("os.arch"));
        };
    }

    private static byte[] file(int machine, byte[] code) {
        int size = HEADERS + code.length;
        return ByteBuffer.allocate(size)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put(new byte[] {0x7f, 'E', 'L', 'F', 2 /* 64 bit */, 1 /* little endian */, 1})
                .position(16)
                .putShort((short) 2) // ET_EXEC
                .putShort((short) machine)
                .putInt(1)
                .putLong(ADDRESS + HEADERS)
                .putLong(64) // program headers
                .putLong(0)
                .putInt(0)
                .putShort((short) 64)
                .putShort((short) 56)
                .putShort((short) 1)
                .putShort((short) 64)
                .putShort((short) 0)
                .putShort((short) 0)
                .putInt(1) // PT_LOAD
                .putInt(5) // to read and execute
                .putLong(0)
                .putLong(ADDRESS)
                .putLong(ADDRESS)
                .putLong(size)
                .putLong(size)
                .putLong(0x10000)
                .put(code)
                .array();
    }
}
