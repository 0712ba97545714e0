package io.portafilter.streaming;

import static io.portafilter.linux.LinuxConstants.O_CREAT;
import static io.portafilter.linux.LinuxConstants.O_RDWR;
import static io.portafilter.linux.LinuxConstants.SPLICE_F_NONBLOCK;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Makes writing a piece of the log and consuming it from the container's pipe happen once, whenever the server is
 * killed.
 *
 * <p>A small file in the container's state directory, empty at rest. Before records are written, their {@link Intent}
 * is put into it. After they were written, the container's output is moved (splice(2)) from its pipe <em>behind the
 * intent</em>: one call that consumes and leaves a trace of it, the file's size. Then the file is emptied. So a server
 * that starts sees how far the earlier one came: whether the log has grown tells if the records were written, the
 * file's size how much was consumed. Looking at the texts instead could not tell a line from its repetition.
 */
final class LogPosition implements AutoCloseable {

    private static final long MAGIC = 0x31474f4c2d465000L;
    private static final int HEADER_BYTES = 7 * Long.BYTES;

    /**
     * What is about to happen.
     *
     * @param stream index of the stream that the output comes from
     * @param logDevice which file it is written to
     * @param logInode which file it is written to
     * @param logSize the size of that file before
     * @param outputBytes how much is to be consumed from the pipe
     * @param recordBytes how much is written to the log
     */
    record Intent(int stream, long logDevice, long logInode, long logSize, int outputBytes, int recordBytes) {}

    /** An intent that was not seen to its end, and how many bytes were consumed. */
    record Unfinished(Intent intent, int consumed) {}

    private final Fd file;
    private final byte[] header = new byte[HEADER_BYTES];

    private LogPosition(Fd file) {
        this.file = file;
    }

    /** Opens the file or makes it (0600). */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the result owns it
    static LogPosition open(Path path) {
        return new LogPosition(Kernel.openat(Fd.CWD, path.toString(), O_RDWR | O_CREAT, 0600));
    }

    /** What an earlier server had begun. */
    Optional<Unfinished> unfinished() {
        int count = Kernel.pread(file, header, 0, HEADER_BYTES, 0);
        if (count < HEADER_BYTES) {
            return Optional.empty();
        }
        ByteBuffer fields = ByteBuffer.wrap(header);
        if (fields.getLong() != MAGIC) {
            return Optional.empty();
        }
        Intent intent = new Intent(
                (int) fields.getLong(),
                fields.getLong(),
                fields.getLong(),
                fields.getLong(),
                (int) fields.getLong(),
                (int) fields.getLong());
        FileStatus status = Kernel.fstat(file);
        return Optional.of(new Unfinished(intent, (int) (status.sizeBytes() - HEADER_BYTES)));
    }

    /** Puts the intent down; the file's position is behind it. */
    void intend(Intent intent) {
        ByteBuffer.wrap(header)
                .putLong(MAGIC)
                .putLong(intent.stream)
                .putLong(intent.logDevice)
                .putLong(intent.logInode)
                .putLong(intent.logSize)
                .putLong(intent.outputBytes)
                .putLong(intent.recordBytes);
        Kernel.lseek(file, 0, 0);
        Kernel.writeFully(file, header);
    }

    /**
     * Moves output from the pipe behind the intent; how much of it there was, and was room for. The caller then clears
     * both. There may be less than was copied: the pipe is the program's own, which may read from it too.
     */
    int consume(Fd pipe, int bytes) {
        int done = 0;
        try {
            while (done < bytes) {
                int moved = (int) Kernel.splice(pipe, file, bytes - done, SPLICE_F_NONBLOCK);
                if (moved == 0) {
                    return done;
                }
                done += moved;
            }
        } catch (KernelException e) {
            if (!e.is(Errno.ENOSPC) && !e.is(Errno.EAGAIN)) {
                throw e;
            }
        }
        return done;
    }

    /** Nothing is under way. */
    void clear() {
        Kernel.ftruncate(file, 0);
    }

    @Override
    public void close() {
        file.close();
    }
}
