package io.portafilter.streaming;

import static io.portafilter.linux.LinuxConstants.EFD_NONBLOCK;

import io.portafilter.container.ExitRecord;
import io.portafilter.container.ProcessEnds;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;

/** Somebody who is attached to a container's first program: gets a copy of its output, may write to its input. */
public final class Attachment implements ProcessEnds {

    /**
     * What belongs to the container's input.
     *
     * @param stdin where it is written to
     * @param terminal the master of the program's terminal, for its size
     * @param order an event counter that makes the container's monitor let go of the input, if that is for one client
     *     alone
     */
    public record Input(Optional<Fd> stdin, Optional<Fd> terminal, Optional<Fd> order) implements AutoCloseable {
        @Override
        public void close() {
            stdin.ifPresent(Fd::close);
            terminal.ifPresent(Fd::close);
            order.ifPresent(Fd::close);
        }
    }

    private final Input input;
    private final Supplier<Optional<ExitRecord>> exit;
    private final Fd end = Kernel.eventfd(EFD_NONBLOCK);
    private final AtomicBoolean inputEnded = new AtomicBoolean();
    private volatile Optional<Fd> stdout = Optional.empty();
    private volatile Optional<Fd> stderr = Optional.empty();
    private volatile boolean begun;

    /** Not attached yet; owns the input. */
    Attachment(Input input, Supplier<Optional<ExitRecord>> exit) {
        this.input = input;
        this.exit = exit;
    }

    void stdout(Fd pipe) {
        stdout = Optional.of(pipe);
    }

    void stderr(Fd pipe) {
        stderr = Optional.of(pipe);
    }

    /**
     * What is for this client alone is no one else's from now on: only the descriptor here keeps it open, so that it ends
     * with the client, and also with a server that is killed meanwhile ({@code stdin_once}).
     */
    void begun() {
        begun = true;
        input.order().ifPresent(order -> Kernel.eventfdAdd(order, 1));
    }

    boolean hasBegun() {
        return begun;
    }

    /** The last of the output has been given. */
    synchronized void ended() {
        if (end.isOpen()) {
            Kernel.eventfdAdd(end, 1);
        }
    }

    synchronized boolean isClosed() {
        return !end.isOpen();
    }

    @Override
    public Optional<Fd> stdin() {
        return input.stdin();
    }

    @Override
    public Optional<Fd> stdout() {
        return stdout;
    }

    @Override
    public Optional<Fd> stderr() {
        return stderr;
    }

    @Override
    public void endInput() {
        if (input.terminal().isPresent() || input.stdin().isEmpty() || !inputEnded.compareAndSet(false, true)) {
            return;
        }
        input.stdin().get().close();
    }

    @Override
    public synchronized void resize(int columns, int rows) {
        input.terminal()
                .filter(terminal -> terminal.isOpen() && columns > 0 && rows > 0)
                .ifPresent(
                        terminal -> Kernel.setWindowSize(terminal, Math.min(rows, 0xffff), Math.min(columns, 0xffff)));
    }

    @Override
    public Fd end() {
        return end;
    }

    @Override
    public Optional<ExitRecord> exit() {
        return exit.get();
    }

    /** Detaches: the container goes on. */
    @Override
    public synchronized void close() {
        if (!end.isOpen()) {
            return;
        }
        endInput();
        try (input) {
            stdout.ifPresent(Fd::close);
            stderr.ifPresent(Fd::close);
            end.close();
        }
    }
}
