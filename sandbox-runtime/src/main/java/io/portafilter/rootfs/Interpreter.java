package io.portafilter.rootfs;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;

/**
 * What a program names to be executed in its place: the file on the first line of a script ({@code execve(2)}), the
 * loader of a dynamically linked program ({@code elf(5)}, {@code PT_INTERP}). The file is the container's and may hold
 * anything.
 */
public final class Interpreter {
    private static final int HEAD_BYTES = 4096;

    /** As much as the kernel reads of a script's first line (linux/binfmts.h). */
    private static final int LONGEST_NAME = 255;

    private static final byte[] ELF_64_LITTLE = {0x7f, 'E', 'L', 'F', 2, 1};
    private static final int ELF_HEADER_BYTES = 64;
    private static final int E_PHOFF = 32;
    private static final int E_PHENTSIZE = 54;
    private static final int E_PHNUM = 56;
    private static final int PROGRAM_HEADER_BYTES = 56;
    private static final int PT_INTERP = 3;
    private static final int P_OFFSET = 8;
    private static final int P_FILESZ = 32;

    private Interpreter() {}

    /** The interpreter of a program below {@code root}, if the program is there and its interpreter is not. */
    public static Optional<String> missing(Fd root, String program) {
        try {
            return head(root, program)
                    .flatMap(Interpreter::of)
                    .filter(named -> !named.isEmpty() && isMissing(root, named));
        } catch (KernelException | MountRefusal e) {
            return Optional.empty(); // no regular file, or not to be read: nothing is known
        }
    }

    private static boolean isMissing(Fd root, String path) {
        Optional<Fd> found = RootPath.find(root, path);
        found.ifPresent(Fd::close);
        return found.isEmpty();
    }

    private static Optional<byte[]> head(Fd root, String path) {
        Optional<Fd> opened = RootPath.openRegular(root, path, Integer.MAX_VALUE);
        if (opened.isEmpty()) {
            return Optional.empty();
        }
        try (Fd file = opened.get()) {
            byte[] bytes = new byte[HEAD_BYTES];
            return Optional.of(Arrays.copyOf(bytes, Kernel.read(file, bytes, 0, HEAD_BYTES)));
        }
    }

    /** What the first bytes of a file name; empty if nothing, or nothing that a person should be shown. */
    static Optional<String> of(byte[] head) {
        return named(head)
                .filter(name -> name.length() <= LONGEST_NAME && name.chars().noneMatch(Character::isISOControl));
    }

    private static Optional<String> named(byte[] head) {
        if (head.length > 2 && head[0] == '#' && head[1] == '!') {
            return ofScript(head);
        }
        boolean elf = head.length >= ELF_HEADER_BYTES
                && Arrays.equals(head, 0, ELF_64_LITTLE.length, ELF_64_LITTLE, 0, ELF_64_LITTLE.length);
        return elf ? ofElf(ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN)) : Optional.empty();
    }

    private static Optional<String> ofScript(byte[] head) {
        String line = new String(head, 2, head.length - 2, StandardCharsets.UTF_8)
                .lines()
                .findFirst()
                .orElse("");
        return Optional.of(line.strip().split("[ \\t]", 2)[0]).filter(named -> !named.isEmpty());
    }

    private static Optional<String> ofElf(ByteBuffer head) {
        int size = Short.toUnsignedInt(head.getShort(E_PHENTSIZE));
        int count = Short.toUnsignedInt(head.getShort(E_PHNUM));
        long first = head.getLong(E_PHOFF);
        for (int i = 0; i < count && size >= PROGRAM_HEADER_BYTES; i++) {
            long at = first + (long) i * size;
            if (at < 0 || at > head.limit() - PROGRAM_HEADER_BYTES) {
                return Optional.empty();
            }
            if (head.getInt((int) at) == PT_INTERP) {
                return text(head, head.getLong((int) at + P_OFFSET), head.getLong((int) at + P_FILESZ));
            }
        }
        return Optional.empty();
    }

    private static Optional<String> text(ByteBuffer head, long offset, long length) {
        if (offset < 0 || length <= 0 || offset > head.limit() || length > head.limit() - offset) {
            return Optional.empty();
        }
        byte[] bytes = new byte[(int) length];
        head.get((int) offset, bytes);
        String text = new String(bytes, StandardCharsets.UTF_8);
        int end = text.indexOf('\0');
        return Optional.of(end < 0 ? text : text.substring(0, end)).filter(named -> !named.isEmpty());
    }
}
