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
import io.portafilter.linux.Errno;
import io.portafilter.linux.EventLoop;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;

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
        private Optional<EventLoop.Registration> registration = Optional.empty();

        Stream(int index, String name, Fd pipe) {
            this.index = index;
            this.name = name;
            this.pipe = pipe;
        }
    }

    private final LogLoop loop;
    private final Optional<LogFile> place;
    private final LogPosition position;
    private final List<Stream> streams;
    private final AtomicLong dropped = new AtomicLong();
    private Optional<Fd> file = Optional.empty();
    private boolean failing;
    private boolean unprotected;
    private boolean closed;

    private ContainerLog(LogLoop loop, Optional<LogFile> place, LogPosition position, Fd stdout, Fd stderr) {
        this.loop = loop;
        this.place = place;
        this.position = position;
        this.streams = List.of(new Stream(0, "stdout", stdout), new Stream(1, "stderr", stderr));
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
        LogPosition opened;
        try {
            opened = LogPosition.open(position);
        } catch (RuntimeException e) {
            stdout.close();
            stderr.close();
            throw e;
        }
        ContainerLog log = new ContainerLog(loop, place, opened, stdout, stderr);
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
            stream.registration = Optional.of(loop.events().watch(stream.pipe, EPOLLIN | EPOLLET, _ -> turn(stream)));
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
        if (!closed && take(stream, false).more()) {
            loop.events().execute(() -> turn(stream));
        }
    }

    /** Takes at most a chunk of the stream's output; with {@code last} a line without an end, too. */
    private Turn take(Stream stream, boolean last) {
        int available = file.isEmpty() ? moveNowhere(stream) : copyOut(stream);
        if (file.isEmpty()) {
            return new Turn(available, available == LogLoop.CHUNK_BYTES);
        }
        if (available == 0) {
            return Turn.NOTHING;
        }
        LogFormat.Formatted formatted = format(stream, available, last);
        if (formatted.covered() == 0) {
            boolean ended = hasNoWriter(stream);
            // without this the writer would wait for ever: the pipe holds no more and no end of the line
            if (!ended && !isFull(stream)) {
                return Turn.NOTHING;
            }
            // what its last writer wrote before it went may have come after our copy
            formatted = format(stream, ended ? copyOut(stream) : available, true);
        }
        write(stream, formatted);
        // no event will tell of an end that came together with the bytes
        boolean isLeft = formatted.covered() < available && hasNoWriter(stream);
        return new Turn(formatted.covered(), formatted.cut() || available == LogLoop.CHUNK_BYTES || isLeft);
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
        for (Stream stream : streams) {
            stream.registration.ifPresent(EventLoop.Registration::cancel);
            stream.pipe.close();
        }
        file.ifPresent(Fd::close);
        position.close();
    }
}
