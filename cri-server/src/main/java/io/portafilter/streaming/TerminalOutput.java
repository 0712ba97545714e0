package io.portafilter.streaming;

import static io.portafilter.linux.LinuxConstants.SPLICE_F_NONBLOCK;

import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;

/**
 * Moves what a program writes to its terminal into the pipe that its container's monitor keeps, from which the log is
 * taken as from any other program's. Each move is one call ({@code splice(2)}) that takes from the one and gives to the
 * other: a server that is killed before or after it loses nothing and doubles nothing.
 *
 * @param master of the terminal, non-blocking; owned by this
 * @param pipe write end; owned by this
 */
public record TerminalOutput(Fd master, Fd pipe) implements AutoCloseable {

    /** A call's memory is taken for all that it may move; a terminal gives no more than 4 KiB at once. */
    private static final int PIECE_BYTES = 16 * 1024;

    /** Moves at most a chunk; whether there may be more that can be moved at once. */
    boolean move() {
        for (int moved = 0; moved < LogLoop.CHUNK_BYTES; ) {
            int piece = piece();
            if (piece == 0) {
                return false;
            }
            moved += piece;
        }
        return true;
    }

    /** Nothing where there is nothing, no room, or nobody who has the terminal open: somebody may open it again. */
    private int piece() {
        try {
            return (int) Kernel.splice(master, pipe, PIECE_BYTES, SPLICE_F_NONBLOCK);
        } catch (KernelException e) {
            if (e.is(Errno.EAGAIN) || e.is(Errno.EIO)) {
                return 0;
            }
            throw e;
        }
    }

    @Override
    public void close() {
        try (pipe) {
            master.close();
        }
    }
}
