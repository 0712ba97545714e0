package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.DEVPTS_SUPER_MAGIC;
import static io.portafilter.linux.LinuxConstants.O_NOCTTY;
import static io.portafilter.linux.LinuxConstants.O_NONBLOCK;
import static io.portafilter.linux.LinuxConstants.O_RDWR;
import static io.portafilter.linux.LinuxConstants.RESOLVE_BENEATH;
import static io.portafilter.linux.LinuxConstants.RESOLVE_NO_MAGICLINKS;
import static io.portafilter.linux.LinuxConstants.RESOLVE_NO_SYMLINKS;
import static io.portafilter.linux.LinuxConstants.RESOLVE_NO_XDEV;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.launch.LaunchException;
import io.portafilter.linux.Device;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;

/**
 * A terminal of a container: the end for whoever sits at it, and the end for the program. Both come from the container's
 * own devpts by a descriptor of its root that nothing in the container can replace: never by a path there, on which it
 * may have mounted what it likes (CVE-2025-52565), and never from the host's.
 *
 * @param master for the server, non-blocking
 * @param peer for the program, blocking
 */
record PseudoTerminal(Fd master, Fd peer) implements AutoCloseable {

    /** {@code /dev/ptmx}: TTYAUX_MAJOR of {@code linux/major.h}, number 2. */
    private static final Device MASTER = new Device(5, 2);

    /** Where nothing can lead out of the directory; devpts lets nobody make or remove files. */
    private static final long WITHIN = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

    /** {@code struct winsize} has 16 bits for each. */
    private static final int LARGEST = 0xffff;

    static final String MULTIPLEXER = "ptmx";

    /**
     * A new one, which nothing in the container can open.
     *
     * @param terminals the root of a devpts; stays the caller's
     * @param uid the host's id of the program's user, who owns it
     * @param gid likewise its group
     * @throws LaunchException if none is free, or what it is made from is no devpts
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // closed on failure, else the caller's
    static PseudoTerminal open(Fd terminals, int uid, int gid) {
        requireDevpts(terminals);
        Fd master = openMaster(terminals);
        try {
            requireMaster(master, terminals);
            Kernel.unlockPty(master);
            keepToOurselves(master);
            Fd peer = Kernel.openPtyPeer(master, O_RDWR | O_NOCTTY);
            try {
                Kernel.flushTerminal(peer);
                Kernel.flushTerminal(master);
                Kernel.fchown(peer, uid, gid);
                return new PseudoTerminal(master, peer);
            } catch (RuntimeException e) {
                peer.close();
                throw e;
            }
        } catch (RuntimeException e) {
            master.close();
            throw e;
        }
    }

    /**
     * It has a number in the container's /dev/pts by now, and a process there that opens it before the program has it
     * could make it its own controlling terminal: the program would get none. The first line shuts the door, the second
     * turns out whoever was inside, and what it has typed or written is thrown away after that; no process of the
     * container that lacks the host's CAP_SYS_ADMIN comes in again until the program opens it ({@link
     * ProgramWriter#KEPT_TERMINAL}). Turned out twice: who stood in TIOCSCTTY at the first time had only the kernel's lock
     * to wait for, which asks nobody whether his descriptor was hung up meanwhile ({@code tiocsctty} of {@code
     * drivers/tty/tty_jobctrl.c}).
     */
    private static void keepToOurselves(Fd master) {
        try (Fd before = Kernel.openPtyPeer(master, O_RDWR | O_NOCTTY)) {
            Kernel.setExclusive(before);
            Kernel.hangUp(before);
        }
        try (Fd before = Kernel.openPtyPeer(master, O_RDWR | O_NOCTTY)) {
            Kernel.hangUp(before);
        }
    }

    @MustBeClosed
    private static Fd openMaster(Fd terminals) {
        try {
            return Kernel.openat2(terminals, MULTIPLEXER, O_RDWR | O_NOCTTY | O_NONBLOCK, WITHIN);
        } catch (KernelException e) {
            if (e.is(Errno.ENOSPC)) {
                throw LaunchException.because("no terminal is free: the container has as many as it may, or the node as"
                        + " many as the sysctls kernel.pty.max and kernel.pty.reserve let it have");
            }
            if (e.is(Errno.EXDEV) || e.is(Errno.ELOOP) || e.is(Errno.EACCES) || e.is(Errno.ENOENT)) {
                throw LaunchException.because(
                        "no terminal can be opened: something in the container lies on the ptmx of"
                                + " its /dev/pts, or forbids devices there (" + e.getMessage() + ")");
            }
            throw e;
        }
    }

    static void requireDevpts(Fd terminals) {
        if (Kernel.fstatfs(terminals) != DEVPTS_SUPER_MAGIC) {
            throw LaunchException.because("what was kept as the container's terminals is no devpts");
        }
    }

    /** That a descriptor is a master of a terminal of that very devpts. */
    static void requireMaster(Fd master, Fd terminals) {
        FileStatus status = Kernel.fstat(master);
        if (!status.isCharacterDevice()
                || !status.special().equals(MASTER)
                || !status.device().equals(Kernel.fstat(terminals).device())) {
            throw LaunchException.because("what was opened as the container's terminal is none of its own: " + status);
        }
    }

    /** Sets the size of a master's terminal; one that is no size, or a terminal that is closed here, is left alone. */
    static void resize(Fd master, int columns, int rows) {
        if (columns > 0 && rows > 0 && master.isOpen()) {
            Kernel.setWindowSize(master, Math.min(rows, LARGEST), Math.min(columns, LARGEST));
        }
    }

    @Override
    public void close() {
        try (master) {
            peer.close();
        }
    }
}
