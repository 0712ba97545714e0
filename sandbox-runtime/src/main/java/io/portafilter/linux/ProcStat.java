package io.portafilter.linux;

/**
 * What {@code /proc/PID/stat} says, proc_pid_stat(5).
 *
 * @param pid the process number
 * @param command the command name, which may hold blanks, parentheses and newlines
 * @param state one letter, as {@link ProcStatus#state}
 * @param parentPid the parent's process number
 * @param terminal its controlling terminal, 0:0 without one
 * @param flags the kernel's {@code PF_*} ({@code include/linux/sched.h})
 * @param threads how many threads it has, those not counted that have ended, but for the first one
 * @param startTimeTicks when the process started, in clock ticks since boot: with the number it names a process
 */
public record ProcStat(
        int pid,
        String command,
        char state,
        int parentPid,
        Device terminal,
        long flags,
        int threads,
        long startTimeTicks) {

    /** The process was forked and has not yet executed anything: {@code include/linux/sched.h}. */
    public static final long PF_FORKNOEXEC = 0x40;

    /** As many as are looked at, of 50. */
    private static final int FIELDS = 20;

    /** Parses the file's text. Throws IllegalArgumentException for text of another form. */
    public static ProcStat parse(String text) {
        // the command is not escaped: it ends at the last parenthesis
        int open = text.indexOf('(');
        int close = text.lastIndexOf(')');
        if (open < 2 || close < open) {
            throw new IllegalArgumentException("not a process's stat: " + KernelText.quoted(text));
        }
        // Walked, not split: an exec reads this of five processes. Field 3 of the manual is the first here.
        int[] begins = new int[FIELDS + 1];
        begins[0] = close + 2;
        for (int i = 0; i < FIELDS; i++) {
            int blank = text.indexOf(' ', begins[i]);
            if (blank < 0) {
                throw new IllegalArgumentException("not a process's stat: " + KernelText.quoted(text));
            }
            begins[i + 1] = blank + 1;
        }
        return new ProcStat(
                Integer.parseInt(text, 0, open - 1, 10),
                text.substring(open + 1, close),
                text.charAt(begins[0]),
                Integer.parseInt(text, begins[1], begins[2] - 1, 10),
                // signed in the file, though it is none
                Device.decode(Integer.toUnsignedLong(Integer.parseInt(text, begins[4], begins[5] - 1, 10))),
                Long.parseLong(text, begins[6], begins[7] - 1, 10),
                Integer.parseInt(text, begins[17], begins[18] - 1, 10),
                Long.parseUnsignedLong(text, begins[19], begins[20] - 1, 10));
    }

    /** Whether none of it runs any more. A process whose first thread alone has ended shows that thread's state. */
    public boolean hasEnded() {
        return (state == 'Z' || state == 'X') && threads <= 1;
    }

    /** Whether it has executed a program since it was forked. */
    public boolean hasExecuted() {
        return (flags & PF_FORKNOEXEC) == 0;
    }
}
