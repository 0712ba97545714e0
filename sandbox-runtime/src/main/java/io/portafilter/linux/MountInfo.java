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
 * @param superOptions the file system's options, separated by commas
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
        String superOptions) {

    public MountInfo {
        options = List.copyOf(options);
    }

    /** Whether the mount itself is read-only. */
    public boolean isReadOnly() {
        return options.contains("ro");
    }

    /** All lines of the file, in its order: a mount follows the one it lies on unless it was moved. */
    public static List<MountInfo> parse(String text) {
        List<MountInfo> mounts = new ArrayList<>();
        Line line = new Line(text);
        while (line.next()) {
            mounts.add(line.mount());
        }
        return mounts;
    }

    /** Walks through the text word by word: gate 2 reads it for each launch. */
    private static final class Line {

        private final String text;
        private int begin;
        private int end = -1;
        private int at;
        private String lastWord = "";
        private List<String> lastOptions = List.of();

        Line(String text) {
            this.text = text;
        }

        /** The next line that is not empty. */
        boolean next() {
            do {
                begin = end + 1;
                if (begin >= text.length()) {
                    return false;
                }
                int newline = text.indexOf('\n', begin);
                end = newline < 0 ? text.length() : newline;
            } while (end == begin);
            at = begin;
            return true;
        }

        private String word() {
            if (at > end) {
                throw new IllegalArgumentException("not a line of mountinfo: " + text.substring(begin, end));
            }
            int blank = text.indexOf(' ', at);
            int stop = blank < 0 || blank > end ? end : blank;
            String word = text.substring(at, stop);
            at = stop + 1;
            return word;
        }

        MountInfo mount() {
            int id = Integer.parseInt(word());
            int parentId = Integer.parseInt(word());
            Device device = device(word());
            String root = unescape(word());
            String mountPoint = unescape(word());
            List<String> options = options(word());
            Optional<Integer> shared = Optional.empty();
            Optional<Integer> master = Optional.empty();
            boolean unbindable = false;
            for (String field = word(); !"-".equals(field); field = word()) {
                if (field.startsWith("shared:")) {
                    shared = Optional.of(Integer.parseInt(field.substring(7)));
                } else if (field.startsWith("master:")) {
                    master = Optional.of(Integer.parseInt(field.substring(7)));
                } else if ("unbindable".equals(field)) {
                    unbindable = true;
                }
            }
            return new MountInfo(
                    id,
                    parentId,
                    device,
                    root,
                    mountPoint,
                    options,
                    shared,
                    master,
                    unbindable,
                    unescape(word()),
                    unescape(word()),
                    word());
        }

        private static Device device(String word) {
            int colon = word.indexOf(':');
            return new Device(
                    Integer.parseInt(word, 0, colon, 10), Integer.parseInt(word, colon + 1, word.length(), 10));
        }

        /** Most mounts have the options of the one before. */
        private List<String> options(String word) {
            if (!word.equals(lastWord)) {
                lastWord = word;
                lastOptions = List.of(word.split(","));
            }
            return lastOptions;
        }
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
