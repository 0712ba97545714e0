package io.portafilter.linux;

import java.util.ArrayList;
import java.util.List;

/**
 * What {@code /proc/PID/status} says, proc_pid_status(5).
 *
 * @param name the command name, at most 15 bytes, escaped as the kernel does
 * @param state one letter: {@code R}, {@code S}, {@code D}, {@code T}, {@code Z} (zombie), {@code X} ...
 * @param parentPid the parent's process number, 0 if it lies outside the reader's PID namespace
 * @param pids the process's numbers in each PID namespace, the reader's first ({@code NSpid})
 * @param uids real, effective, saved and file system user id
 * @param gids real, effective, saved and file system group id
 * @param groups the supplementary groups
 * @param inheritable capability set
 * @param permitted capability set
 * @param effective capability set
 * @param bounding capability set
 * @param ambient capability set
 * @param noNewPrivileges whether execve can gain nothing
 * @param seccompMode {@code SECCOMP_MODE_*}
 * @param seccompFilters how many filters apply (Linux 5.9), -1 when the kernel does not say
 * @param umask the file mode creation mask, -1 for a zombie, which has none
 */
public record ProcStatus(
        String name,
        char state,
        int parentPid,
        List<Integer> pids,
        Ids uids,
        Ids gids,
        List<Integer> groups,
        CapabilitySet inheritable,
        CapabilitySet permitted,
        CapabilitySet effective,
        CapabilitySet bounding,
        CapabilitySet ambient,
        boolean noNewPrivileges,
        int seccompMode,
        int seccompFilters,
        int umask) {

    public ProcStatus {
        pids = List.copyOf(pids);
        groups = List.copyOf(groups);
    }

    /** The four user or group ids of a process. */
    public record Ids(int real, int effective, int saved, int fileSystem) {

        /** Whether all four are this one. */
        public boolean areAll(int id) {
            return real == id && effective == id && saved == id && fileSystem == id;
        }

        private static Ids parse(String text) {
            List<Integer> ids = numbers(text);
            if (ids.size() != 4) {
                throw new IllegalArgumentException("not four ids: " + text);
            }
            return new Ids(ids.get(0), ids.get(1), ids.get(2), ids.get(3));
        }
    }

    /** Parses the file's text. Throws IllegalArgumentException for text that lacks a field every kernel writes. */
    public static ProcStatus parse(String text) {
        Fields fields = new Fields("\n" + text);
        // in the file's order: so they are found in one pass
        String name = fields.get("\nName:");
        String umask = fields.get("\nUmask:", "");
        char state = fields.get("\nState:").charAt(0);
        int parent = Integer.parseInt(fields.get("\nPPid:"));
        Ids uids = Ids.parse(fields.get("\nUid:"));
        Ids gids = Ids.parse(fields.get("\nGid:"));
        List<Integer> groups = numbers(fields.get("\nGroups:"));
        List<Integer> pids = numbers(fields.get("\nNSpid:"));
        CapabilitySet inheritable = CapabilitySet.parse(fields.get("\nCapInh:"));
        CapabilitySet permitted = CapabilitySet.parse(fields.get("\nCapPrm:"));
        CapabilitySet effective = CapabilitySet.parse(fields.get("\nCapEff:"));
        CapabilitySet bounding = CapabilitySet.parse(fields.get("\nCapBnd:"));
        CapabilitySet ambient = CapabilitySet.parse(fields.get("\nCapAmb:"));
        boolean noNewPrivileges = "1".equals(fields.get("\nNoNewPrivs:"));
        int seccompMode = Integer.parseInt(fields.get("\nSeccomp:"));
        int seccompFilters = Integer.parseInt(fields.get("\nSeccomp_filters:", "-1"));
        return new ProcStatus(
                name,
                state,
                parent,
                pids,
                uids,
                gids,
                groups,
                inheritable,
                permitted,
                effective,
                bounding,
                ambient,
                noNewPrivileges,
                seccompMode,
                seccompFilters,
                umask.isEmpty() ? -1 : Integer.parseInt(umask, 8));
    }

    /** The file's lines, each after a newline; the kernel escapes those in a name. */
    private static final class Fields {

        private final String text;
        private int from;

        Fields(String text) {
            this.text = text;
        }

        String get(String beginning) {
            String value = get(beginning, "\n");
            if (value.equals("\n")) {
                throw new IllegalArgumentException(
                        "the process status has no field " + beginning.substring(1, beginning.length() - 1));
            }
            return value;
        }

        /** Looks behind the field that was found last; for one that is not there, everywhere. */
        String get(String beginning, String otherwise) {
            int found = text.indexOf(beginning, from);
            if (found < 0) {
                found = text.indexOf(beginning);
            }
            if (found < 0) {
                return otherwise;
            }
            int begin = found + beginning.length();
            int newline = text.indexOf('\n', begin);
            int end = newline < 0 ? text.length() : newline;
            from = end;
            return text.substring(begin, end).strip();
        }
    }

    /** How many filters apply to this process itself, which hands them down to what it starts; 0 if it cannot be told. */
    public static int ownSeccompFilters() {
        return Math.max(0, parse(ProcFile.read("/proc/self/status")).seccompFilters());
    }

    /** Whether the process has ended and only waits to be reaped. */
    public boolean isZombie() {
        return state == 'Z' || state == 'X';
    }

    private static List<Integer> numbers(String text) {
        List<Integer> numbers = new ArrayList<>();
        int begin = 0;
        for (int i = 0; i <= text.length(); i++) {
            if (i == text.length() || text.charAt(i) == ' ' || text.charAt(i) == '\t') {
                if (i > begin) {
                    numbers.add(Integer.parseUnsignedInt(text, begin, i, 10));
                }
                begin = i + 1;
            }
        }
        return numbers;
    }
}
