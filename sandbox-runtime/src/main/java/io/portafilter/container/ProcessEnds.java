package io.portafilter.container;

import io.portafilter.linux.Fd;
import java.util.Optional;

/**
 * What a client of exec or attach is connected to. All descriptors are non-blocking; they stay this object's, and are
 * valid until it is closed.
 */
public interface ProcessEnds extends AutoCloseable {

    /**
     * Where the program's input is written to: a pipe, EPIPE when nobody reads it any more, or the master of its terminal.
     * Absent where no input was asked for, or its container takes none.
     */
    Optional<Fd> stdin();

    /**
     * Where its output is read: a pipe, which ends with 0 bytes, or the master of its terminal, which ends with EIO. A
     * child of the program that lives on may hold it open.
     */
    Optional<Fd> stdout();

    /** As {@link #stdout}; absent with a terminal. */
    Optional<Fd> stderr();

    /**
     * The client has no more input: closes {@link #stdin} where it is a pipe. A terminal has no end of input but the
     * character for it. Doing it again does nothing.
     */
    void endInput();

    /** The terminal's size in characters; nothing happens without a terminal, or if either is not positive. */
    void resize(int columns, int rows);

    /** Becomes readable, and stays so, when the program has ended ({@code pidfd_open(2)}). */
    Fd end();

    /** How the program ended; empty while it runs, or if that was lost. */
    Optional<ExitRecord> exit();

    /** Exec: kills what is left of the program. Attach: only detaches. */
    @Override
    void close();
}
