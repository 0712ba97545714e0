package io.portafilter.linux;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * One mount as a line of {@code /proc/PID/mountinfo} tells it, proc_pid_mountinfo(5).
 *
 * @param id the mount's number, as {@link FileStatus#mountId}
 * @param parentId the mount it lies on; its own for the root of the mount tree
 * @param device the file system's device
 * @param root the directory of the file system that is the mount's root
 * @param mountPoint where it is, relative to the process's root
 * @param options the mount's own options, such as {@code ro} and {@code nosuid}
 * @param sharedGroup the peer group it shares mounts with ({@code shared:N})
 * @param masterGroup the peer group it receives mounts from ({@code master:N})
 * @param isUnbindable whether it cannot be bind mounted
 * @param type the file system's type
 * @param source what was mounted, {@code none} if nothing in particular
 * @param superOptions the file system's options
 */
public record MountInfo(
        int id,
        int parentId,
        Device device,
        String root,
        String mountPoint,
        List<String> options,
        Optional<Integer> sharedGroup,
        Optional<Integer> masterGroup,
        boolean isUnbindable,
        String type,
        String source,
        List<String> superOptions) {

    public MountInfo {
        options = List.copyOf(options);
        superOptions = List.copyOf(superOptions);
    }

    /** Whether the mount itself is read-only. */
    public boolean isReadOnly() {
        return options.contains("ro");
    }

    /** All lines of the file, in its order: a mount follows the one it lies on unless it was moved. */
    public static List<MountInfo> parse(String text) {
        List<MountInfo> mounts = new ArrayList<>();
        for (String line : text.split("\n")) {
            if (!line.isEmpty()) {
                mounts.add(parseLine(line));
            }
        }
        return mounts;
    }

    private static MountInfo parseLine(String line) {
        String[] words = line.split(" ", -1);
        int separator = 6;
        Optional<Integer> shared = Optional.empty();
        Optional<Integer> master = Optional.empty();
        boolean unbindable = false;
        while (separator < words.length && !"-".equals(words[separator])) {
            String field = words[separator];
            if (field.startsWith("shared:")) {
                shared = Optional.of(Integer.parseInt(field.substring(7)));
            } else if (field.startsWith("master:")) {
                master = Optional.of(Integer.parseInt(field.substring(7)));
            } else if ("unbindable".equals(field)) {
                unbindable = true;
            }
            separator++;
        }
        if (separator + 3 >= words.length) {
            throw new IllegalArgumentException("not a line of mountinfo: " + line);
        }
        String[] device = words[2].split(":");
        return new MountInfo(
                Integer.parseInt(words[0]),
                Integer.parseInt(words[1]),
                new Device(Integer.parseInt(device[0]), Integer.parseInt(device[1])),
                unescape(words[3]),
                unescape(words[4]),
                List.of(words[5].split(",")),
                shared,
                master,
                unbindable,
                unescape(words[separator + 1]),
                unescape(words[separator + 2]),
                List.of(words[separator + 3].split(",")));
    }

    /** The kernel writes blank, tab, newline and backslash as a backslash with three octal digits. */
    private static String unescape(String text) {
        if (text.indexOf('\\') < 0) {
            return text;
        }
        byte[] escaped = KernelText.encode(text);
        byte[] plain = new byte[escaped.length];
        int length = 0;
        for (int i = 0; i < escaped.length; i++) {
            if (escaped[i] == '\\' && isOctal(escaped, i + 1)) {
                plain[length++] = (byte) Integer.parseInt(new String(escaped, i + 1, 3, StandardCharsets.US_ASCII), 8);
                i += 3;
            } else {
                plain[length++] = escaped[i];
            }
        }
        return KernelText.decode(plain, 0, length);
    }

    private static boolean isOctal(byte[] text, int at) {
        if (at + 3 > text.length) {
            return false;
        }
        for (int i = at; i < at + 3; i++) {
            if (text[i] < '0' || text[i] > '7') {
                return false;
            }
        }
        return true;
    }
}
