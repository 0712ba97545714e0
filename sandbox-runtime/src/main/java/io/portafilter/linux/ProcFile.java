package io.portafilter.linux;

import static io.portafilter.linux.LinuxConstants.O_RDONLY;

/**
 * Reads files that the kernel makes while they are read: {@code /proc}, {@code /sys}, cgroups.
 *
 * <p>Not {@code Files.readString}: it asks for the size, is told 0, reads one byte ahead, and of a number in {@code
 * /proc/sys} gets the first digit alone, for those answer only at position 0.
 */
public final class ProcFile {

    private static final int LIMIT_BYTES = 16 * 1024 * 1024;

    private ProcFile() {}

    /** The text of a file of the host. */
    public static String read(String path) {
        return read(Fd.CWD, path);
    }

    /** The text of a file below a directory. */
    public static String read(Fd directory, String path) {
        try (Fd file = Kernel.openat(directory, path, O_RDONLY)) {
            byte[] bytes = Kernel.readAll(file, LIMIT_BYTES);
            return KernelText.decode(bytes, 0, bytes.length);
        }
    }

    /** The first number in a file of the host, such as {@code /proc/sys/kernel/cap_last_cap}. */
    public static long readNumber(String path) {
        String text = read(path).strip();
        try {
            return Long.parseLong(text.split("\\s", 2)[0]);
        } catch (NumberFormatException e) {
            throw new IllegalStateException("no number in " + path + ": " + KernelText.quoted(text), e);
        }
    }

    /** What tells this boot of the machine from all others. */
    public static String bootId() {
        return read("/proc/sys/kernel/random/boot_id").strip();
    }

    /** The highest capability number that the kernel knows. */
    public static int lastCapability() {
        return (int) readNumber("/proc/sys/kernel/cap_last_cap");
    }
}
