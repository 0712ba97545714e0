package io.portafilter.linux;

/**
 * What waitid(2) says of a child.
 *
 * @param pid its process number
 * @param uid the real user id it had
 * @param code how it changed its state, {@code CLD_*}
 * @param status its exit status or, unless it exited, the signal
 */
public record WaitStatus(int pid, int uid, int code, int status) {

    /** From siginfo_t of {@code asm-generic/siginfo.h}. */
    static WaitStatus of(Call.Area area) {
        return new WaitStatus(area.getInt(16), area.getInt(20), area.getInt(8), area.getInt(24));
    }

    /** Whether it exited by itself. */
    public boolean exited() {
        return code == LinuxConstants.CLD_EXITED;
    }

    /** Whether a signal ended it. */
    public boolean killed() {
        return code == LinuxConstants.CLD_KILLED || code == LinuxConstants.CLD_DUMPED;
    }
}
