package io.portafilter.streaming;

import static io.portafilter.linux.LinuxConstants.EPOLLET;
import static io.portafilter.linux.LinuxConstants.EPOLLIN;
import static io.portafilter.linux.LinuxConstants.O_NONBLOCK;
import static io.portafilter.linux.LinuxConstants.O_WRONLY;
import static io.portafilter.linux.LinuxConstants.POLLHUP;
import static io.portafilter.linux.LinuxConstants.POLLIN;
import static io.portafilter.linux.LinuxConstants.POLLOUT;
import static io.portafilter.linux.LinuxConstants.SPLICE_F_NONBLOCK;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.container.ExitRecord;
import io.portafilter.linux.Errno;
import io.portafilter.linux.EventLoop;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.Pipe;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

/**
 * The log of one container: takes what it writes to stdout and stderr and appends it to a file in CRI's format.
 *
 * <p>Output is copied out of the container's pipe (tee(2)), formatted, written, and only then consumed, as {@link
 * LogPosition} tells. The beginning of a line that is not finished stays in the pipe, so nothing is kept in this
 * process. Everything but {@link #open} happens on the thread of the {@link LogLoop}.
 *
 * <p>Owns both read ends and closes them with {@link #finish} or {@link #close}.
 */
public final class ContainerLog implements AutoCloseable {

    private static final Logger LOG = System.getLogger(ContainerLog.class.getName());

    /** One of the two streams. */
    private static final class Stream {
        private final int index;
        private final String name;
        private final Fd pipe;
        private final Optional<TerminalOutput> terminal;
        private final List<OutputTap> taps = new ArrayList<>();
        private Optional<EventLoop.Registration> registration = Optional.empty();

        Stream(int index, String name, Fd pipe, Optional<TerminalOutput> terminal) {
            this.index = index;
            this.name = name;
            this.pipe = pipe;
            this.terminal = terminal;
        }

        /**
         * Gives those who are attached what they have not got of it yet.
         *
         * @param last nobody is waited for
         * @return how much of it all of them have, and may be consumed
         */
        int give(byte[] output, int available, boolean last) {
            int all = available;
            for (OutputTap tap : List.copyOf(taps)) {
                int has = tap.give(output, available, last);
                all = tap.isOpen() ? Math.min(all, has) : all;
            }
            return all;
        }

        /** So much of it left the pipe. */
        void consumed(int bytes) {
            taps.forEach(tap -> tap.consumed(bytes));
        }

        void close() {
            registration.ifPresent(EventLoop.Registration::cancel);
            List.copyOf(taps).forEach(OutputTap::close);
            pipe.close();
            terminal.ifPresent(TerminalOutput::close);
        }
    }

    private static final String STDOUT = "stdout";

    private final LogLoop loop;
    private final Optional<LogFile> place;
    private final LogPosition position;
    private final List<Stream> streams;
    private final List<Attachment> attached = new ArrayList<>();
    private final AtomicLong dropped = new AtomicLong();
    private Optional<Fd> file = Optional.empty();
    private boolean failing;
    private boolean unprotected;
    private boolean closed;

    private ContainerLog(LogLoop loop, Optional<LogFile> place, LogPosition position, List<Stream> streams) {
        this.loop = loop;
        this.place = place;
        this.position = position;
        this.streams = streams;
    }

    /**
     * Opens the log, sees to the end what an earlier server had begun, and goes on with what waits in the pipes.
     *
     * @param place where it goes; absent: output is read and dropped
     * @param position a file for this log's own use in the container's state directory
     * @param stdout read end of the pipe; owned by the result, or closed when this fails
     * @param stderr as stdout
     * @throws KernelException or java.io.UncheckedIOException when the file cannot be opened
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the result owns what is opened
    public static ContainerLog open(LogLoop loop, Optional<LogFile> place, Path position, Fd stdout, Fd stderr) {
        return open(
                loop,
                place,
                position,
                List.of(
                        new Stream(0, STDOUT, stdout, Optional.empty()),
                        new Stream(1, "stderr", stderr, Optional.empty())));
    }

    /**
     * The log of a terminal, all of whose output is stdout.
     *
     * @param stdout read end of a pipe that nobody else uses; owned by the result, or closed when this fails
     * @param terminal moves the output into it; owned likewise
     */
    @MustBeClosed
    public static ContainerLog openTerminal(
            LogLoop loop, Optional<LogFile> place, Path position, Fd stdout, TerminalOutput terminal) {
        return open(loop, place, position, List.of(new Stream(0, STDOUT, stdout, Optional.of(terminal))));
    }

    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the result owns what is opened
    private static ContainerLog open(LogLoop loop, Optional<LogFile> place, Path position, List<Stream> streams) {
        LogPosition opened;
        try {
            opened = LogPosition.open(position);
        } catch (RuntimeException e) {
            streams.forEach(Stream::close);
            throw e;
        }
        ContainerLog log = new ContainerLog(loop, place, opened, streams);
        try {
            log.file = place.map(LogFile::open);
            for (Stream stream : log.streams) {
                Kernel.setFlags(stream.pipe, Kernel.getFlags(stream.pipe) | O_NONBLOCK);
            }
            log.resume();
            loop.between(log::watch);
        } catch (RuntimeException e) {
            log.release();
            throw e;
        }
        return log;
    }

    /** Ends what an earlier server had begun: written records are consumed, half-written ones taken back. */
    private void resume() {
        Optional<LogPosition.Unfinished> unfinished = position.unfinished();
        if (unfinished.isEmpty()) {
            position.clear();
            return;
        }
        LogPosition.Intent intent = unfinished.get().intent();
        int consumed = unfinished.get().consumed();
        if (consumed > 0 || written(intent)) {
            discard(streams.get(intent.stream()), intent.outputBytes() - consumed);
        }
        position.clear();
    }

    private boolean written(LogPosition.Intent intent) {
        try (OptionalFile log =
                new OptionalFile(place.flatMap(known -> known.find(intent.logDevice(), intent.logInode())))) {
            if (log.file.isEmpty()) {
                return false;
            }
            long grown = Kernel.fstat(log.file.get()).sizeBytes() - intent.logSize();
            if (grown > 0 && grown < intent.recordBytes()) {
                Kernel.ftruncate(log.file.get(), intent.logSize());
            }
            return grown >= intent.recordBytes();
        }
    }

    private record OptionalFile(Optional<Fd> file) implements AutoCloseable {
        @Override
        public void close() {
            file.ifPresent(Fd::close);
        }
    }

    private void watch() {
        for (Stream stream : streams) {
            // of a terminal: nobody but us writes into the pipe
            Fd source = stream.terminal.map(TerminalOutput::master).orElse(stream.pipe);
            stream.registration = Optional.of(loop.events().watch(source, EPOLLIN | EPOLLET, _ -> turn(stream)));
            // what came before the watch makes no event of its own
            turn(stream);
        }
    }

    /**
     * What one turn did.
     *
     * @param consumed how many bytes left the pipe
     * @param more whether there may be more that can be taken at once
     */
    private record Turn(int consumed, boolean more) {
        private static final Turn NOTHING = new Turn(0, false);
    }

    /** Takes one chunk; asks for another turn when there may be more. */
    private void turn(Stream stream) {
        if (closed) {
            return;
        }
        boolean moved = stream.terminal.map(TerminalOutput::move).orElse(false);
        Turn turn = take(stream, false);
        // what a terminal holds may have waited for room
        boolean room = stream.terminal.isPresent() && turn.consumed() > 0;
        if (moved || turn.more() || room) {
            loop.events().execute(() -> turn(stream));
        }
    }

    /** Takes at most a chunk of the stream's output; with {@code last} a line without an end, too. */
    private Turn take(Stream stream, boolean last) {
        if (file.isEmpty() && stream.taps.isEmpty()) {
            int moved = moveNowhere(stream);
            return new Turn(moved, moved == LogLoop.CHUNK_BYTES);
        }
        int copied = copyOut(stream);
        int available = stream.give(loop.output(), copied, last);
        if (available == 0) {
            return Turn.NOTHING;
        }
        if (file.isEmpty()) {
            discard(stream, available);
            stream.consumed(available);
            return new Turn(available, copied == LogLoop.CHUNK_BYTES);
        }
        LogFormat.Formatted formatted = format(stream, available, last);
        if (formatted.covered() == 0) {
            if (available < copied) {
                return Turn.NOTHING; // who is attached and reads slowly has the rest of the line to get first
            }
            boolean ended = hasNoWriter(stream);
            // without this the writer would wait for ever: the pipe holds no more and no end of the line
            if (!ended && !isFull(stream)) {
                return Turn.NOTHING;
            }
            // what its last writer wrote before it went may have come after our copy
            if (ended) {
                copied = copyOut(stream);
                available = stream.give(loop.output(), copied, true);
            }
            formatted = format(stream, available, true);
        }
        write(stream, formatted);
        stream.consumed(formatted.covered());
        // no event will tell of an end that came together with the bytes
        boolean isLeft = formatted.covered() < available && hasNoWriter(stream);
        return new Turn(formatted.covered(), formatted.cut() || copied == LogLoop.CHUNK_BYTES || isLeft);
    }

    private LogFormat.Formatted format(Stream stream, int available, boolean last) {
        return LogFormat.format(loop.output(), available, stream.name, Instant.now(), last, loop.records());
    }

    /** Copies output into the loop's memory without consuming it. */
    private int copyOut(Stream stream) {
        int copied;
        try {
            copied = (int) Kernel.tee(stream.pipe, loop.copy().write(), LogLoop.CHUNK_BYTES, SPLICE_F_NONBLOCK);
        } catch (KernelException e) {
            if (e.is(Errno.EAGAIN)) {
                return 0;
            }
            throw e;
        }
        for (int done = 0; done < copied; ) {
            done += Kernel.read(loop.copy().read(), loop.raw(), done, copied - done);
        }
        loop.raw().bytes().get(0, loop.output(), 0, copied);
        return copied;
    }

    private void write(Stream stream, LogFormat.Formatted formatted) {
        Fd log = file.orElseThrow();
        FileStatus before = Kernel.fstat(log);
        intend(new LogPosition.Intent(
                stream.index,
                LogFile.number(before),
                before.inode(),
                before.sizeBytes(),
                formatted.covered(),
                formatted.length()));
        append(log, before, formatted);
        discard(stream, formatted.covered() - position.consume(stream.pipe, formatted.covered()));
        position.clear();
    }

    /**
     * Without room for the intent the log goes on: a server killed just then loses or doubles a piece, but a container
     * that waited for the node's state directory to have room again would stand still.
     */
    private void intend(LogPosition.Intent intent) {
        try {
            position.intend(intent);
            unprotected = false;
        } catch (KernelException e) {
            position.clear();
            if (!unprotected) {
                unprotected = true;
                LOG.log(Level.WARNING, "log.unprotected path=" + path() + " cause=" + e.getMessage());
            }
        }
    }

    /** What cannot be written, for instance on a full disk, is dropped and counted: a container never waits for it. */
    private void append(Fd log, FileStatus before, LogFormat.Formatted formatted) {
        int written = 0;
        String failure = "the file system is full";
        try {
            written = Kernel.write(log, loop.records(), 0, formatted.length());
        } catch (KernelException e) {
            failure = e.getMessage();
        }
        if (written == formatted.length()) {
            failing = false;
            return;
        }
        int whole = LogFormat.wholeRecords(loop.records(), written);
        if (whole < written) {
            Kernel.ftruncate(log, before.sizeBytes() + whole);
        }
        int kept = 0;
        for (int i = 0; i < whole; i++) {
            kept += loop.records().bytes().get(i) == '\n' ? 1 : 0;
        }
        long total = dropped.addAndGet(formatted.records() - kept);
        if (!failing) {
            failing = true;
            LOG.log(Level.WARNING, "log.dropped path=" + path() + " records=" + total + " cause=" + failure);
        }
    }

    private String path() {
        return place.map(known -> known.path().toString()).orElse("");
    }

    private int moveNowhere(Stream stream) {
        try {
            return (int) Kernel.splice(stream.pipe, loop.nowhere(), LogLoop.CHUNK_BYTES, SPLICE_F_NONBLOCK);
        } catch (KernelException e) {
            if (e.is(Errno.EAGAIN)) {
                return 0;
            }
            throw e;
        }
    }

    private void discard(Stream stream, int bytes) {
        for (int done = 0; done < bytes; ) {
            try {
                int moved = (int) Kernel.splice(stream.pipe, loop.nowhere(), bytes - done, SPLICE_F_NONBLOCK);
                if (moved == 0) {
                    return;
                }
                done += moved;
            } catch (KernelException e) {
                if (e.is(Errno.EAGAIN)) {
                    return;
                }
                throw e;
            }
        }
    }

    /** Whether nobody can write into it any more: closed early, or its container has ended. */
    private static boolean hasNoWriter(Stream stream) {
        return (Kernel.poll(stream.pipe, POLLIN, Duration.ZERO) & POLLHUP) != 0;
    }

    /** Whether a writer would have to wait: small writes fill a pipe long before its size in bytes is reached. */
    private static boolean isFull(Stream stream) {
        try (Fd writer = Kernel.open(stream.pipe.path(), O_WRONLY | O_NONBLOCK)) {
            return (Kernel.poll(writer, POLLOUT, Duration.ZERO) & POLLOUT) == 0;
        }
    }

    /**
     * Opens the file of that name anew, after it was renamed. When this returns, the new file exists and the old one
     * grows no more. Fails without a change when the new one cannot be opened.
     */
    @SuppressWarnings("MustBeClosedChecker") // the log takes it over
    public void reopen() {
        if (place.isEmpty()) {
            return;
        }
        Fd fresh = place.get().open();
        loop.between(() -> {
            if (closed) {
                fresh.close();
                return;
            }
            file.ifPresent(Fd::close);
            file = Optional.of(fresh);
            failing = false;
        });
    }

    /** Takes what is left of a container that has ended, and closes the log. */
    public void finish() {
        loop.between(() -> {
            if (closed) {
                return;
            }
            try {
                for (Stream stream : streams) {
                    drain(stream);
                }
            } finally {
                release();
            }
        });
    }

    /**
     * Drains until there is nothing more, but no more than a pipe can hold: somebody may have got hold of the write end
     * and never stop.
     */
    private void drain(Stream stream) {
        long most = Kernel.pipeSize(stream.pipe) + (long) LogLoop.CHUNK_BYTES;
        for (long seen = 0; seen < most; ) {
            boolean _ = stream.terminal.map(TerminalOutput::move).orElse(false);
            int consumed = take(stream, true).consumed();
            if (consumed == 0) {
                return;
            }
            seen += consumed;
        }
    }

    /** How many records could not be written. */
    public long droppedRecords() {
        return dropped.get();
    }

    /** Stops without taking more: what the pipes hold waits for the next server. */
    @Override
    public void close() {
        loop.between(this::release);
    }

    private void release() {
        if (closed) {
            return;
        }
        closed = true;
        streams.forEach(Stream::close);
        attached.forEach(Attachment::ended);
        attached.clear();
        file.ifPresent(Fd::close);
        position.close();
    }

    // ---- those who are attached

    /**
     * Gives somebody a copy of all output from now on, beginning with a line that is not finished. Who does not read makes
     * the container wait, for some time; then, or when it goes away, it gets no more.
     *
     * @param input what it may write to; owned by the result, or closed when this fails
     * @param exit how the program ended, once it has
     * @return empty if the log is closed: its container has ended
     */
    @SuppressWarnings("MustBeClosedChecker") // the caller closes it
    public Optional<Attachment> attach(
            boolean stdout, boolean stderr, Attachment.Input input, Supplier<Optional<ExitRecord>> exit) {
        Attachment attachment = new Attachment(input, exit);
        try {
            loop.between(() -> {
                if (closed) {
                    return;
                }
                for (Stream stream : streams) {
                    if (stream.index == 0 ? stdout : stderr) {
                        tap(stream, attachment);
                    }
                }
                attached.removeIf(Attachment::isClosed);
                attached.add(attachment);
                attachment.begun();
            });
        } catch (RuntimeException e) {
            attachment.close();
            throw e;
        }
        if (!attachment.hasBegun()) {
            attachment.close();
            return Optional.empty();
        }
        return Optional.of(attachment);
    }

    @SuppressWarnings("MustBeClosedChecker") // the tap owns one end, the attachment the other
    private void tap(Stream stream, Attachment attachment) {
        Pipe pipe = Kernel.pipe2(O_NONBLOCK);
        OutputTap tap = new OutputTap(loop, pipe.write(), path() + " " + stream.name);
        if (stream.index == 0) {
            attachment.stdout(pipe.read());
        } else {
            attachment.stderr(pipe.read());
        }
        stream.taps.add(tap);
        tap.watch(() -> turn(stream), () -> {
            stream.taps.remove(tap);
            // not at once: it may be in the middle of a turn that this is seen
            loop.events().execute(() -> turn(stream));
        });
        turn(stream);
    }
}
