package io.portafilter.linux;

import java.util.Optional;

/**
 * A process of this boot, safe against a reused pid.
 *
 * @param pid as the server's own PID namespace sees it
 * @param startTime field 22 of /proc/PID/stat, in clock ticks since the boot
 */
public record ProcessRef(int pid, long startTime) {

    /** The process that has this pid now; ENOENT if there is none. */
    public static ProcessRef of(int pid) {
        return new ProcessRef(
                pid, ProcStat.parse(ProcFile.read("/proc/" + pid + "/stat")).startTimeTicks());
    }

    /** A pidfd of it, if it is still there and has not ended; the caller closes it. */
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    public Optional<Fd> open() {
        Fd process;
        try {
            process = Kernel.pidfdOpen(pid);
        } catch (KernelException e) {
            if (e.is(Errno.ESRCH) || e.is(Errno.EINVAL)) {
                return Optional.empty();
            }
            throw e;
        }
        // The pidfd holds the process that has the pid now: that is ours if the start time is the same.
        try {
            if (isAlive()) {
                return Optional.of(process);
            }
        } catch (RuntimeException e) {
            process.close();
            throw e;
        }
        process.close();
        return Optional.empty();
    }

    /** Whether it is there and has not ended; a zombie has. */
    public boolean isAlive() {
        try {
            ProcStat stat = ProcStat.parse(ProcFile.read("/proc/" + pid + "/stat"));
            return stat.startTimeTicks() == startTime && !stat.hasEnded();
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) || e.is(Errno.ESRCH)) {
                return false;
            }
            throw e;
        }
    }
}
