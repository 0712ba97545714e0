package io.portafilter.container;

import java.util.List;

/**
 * A resource limit of a process ({@code getrlimit(2)}).
 *
 * @param resource the kernel's number of the resource, {@code RLIMIT_NOFILE} and others
 * @param soft the limit in force
 * @param hard the highest value that the process may raise it to
 */
public record ProcessLimit(int resource, long soft, long hard) {

    /** {@code RLIMIT_*} by number, as the lines of {@code /proc/PID/limits} begin after "Max" (fs/proc/base.c). */
    private static final List<String> LINES = List.of(
            "cpu time",
            "file size",
            "data size",
            "stack size",
            "core file size",
            "resident set",
            "processes",
            "open files",
            "locked memory",
            "address space",
            "file locks",
            "pending signals",
            "msgqueue size",
            "nice priority",
            "realtime priority",
            "realtime timeout");

    /** What {@code /proc/PID/limits} calls it. */
    String line() {
        return LINES.get(resource);
    }
}
