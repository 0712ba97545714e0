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
 * @param startTimeTicks when the process started, in clock ticks since boot: with the number it names a process
 */
public record ProcStat(
        int pid, String command, char state, int parentPid, Device terminal, long flags, long startTimeTicks) {

    /** The process was forked and has not yet executed anything: {@code include/linux/sched.h}. */
    public static final long PF_FORKNOEXEC = 0x40;

    /** Parses the file's text. Throws IllegalArgumentException for text of another form. */
    public static ProcStat parse(String text) {
        // the command is not escaped: it ends at the last parenthesis
        int open = text.indexOf('(');
        int close = text.lastIndexOf(')');
        if (open < 2 || close < open) {
            throw new IllegalArgumentException("not a process's stat: " + KernelText.quoted(text));
        }
        String[] fields = text.substring(close + 2).strip().split(" ");
        if (fields.length < 20) {
            throw new IllegalArgumentException("not a process's stat: " + KernelText.quoted(text));
        }
        // fields[0] is field 3 of the manual
        return new ProcStat(
                Integer.parseInt(text.substring(0, open - 1)),
                text.substring(open + 1, close),
                fields[0].charAt(0),
                Integer.parseInt(fields[1]),
                // signed in the file, though it is none
                Device.decode(Integer.toUnsignedLong(Integer.parseInt(fields[4]))),
                Long.parseLong(fields[6]),
                Long.parseUnsignedLong(fields[19]));
    }

    /** Whether it has executed a program since it was forked. */
    public boolean hasExecuted() {
        return (flags & PF_FORKNOEXEC) == 0;
    }
}
