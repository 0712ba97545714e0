package io.portafilter.streaming;

import static io.portafilter.linux.LinuxConstants.O_NONBLOCK;
import static io.portafilter.linux.LinuxConstants.O_WRONLY;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.EventLoop;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.NativeBuffer;
import io.portafilter.linux.Pipe;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * The one thread that writes the logs of all containers, and what it needs for it: a pipe that output is copied into,
 * and two buffers. Nothing here grows with the number of containers.
 */
public final class LogLoop implements AutoCloseable {

    /** The most that is taken from one container before the next one's turn; a quarter of a log pipe. */
    static final int CHUNK_BYTES = 256 * 1024;

    private static final int PIPE_BYTES = 1024 * 1024;

    private final EventLoop events;
    private final Pipe copy;
    private final Fd nowhere;
    private final NativeBuffer raw = NativeBuffer.allocate(CHUNK_BYTES);
    private final byte[] output = new byte[CHUNK_BYTES];
    private final NativeBuffer records = NativeBuffer.allocate(CHUNK_BYTES + CHUNK_BYTES / 2);

    private LogLoop(EventLoop events, Pipe copy, Fd nowhere) {
        this.events = events;
        this.copy = copy;
        this.nowhere = nowhere;
    }

    /** Makes the pipe; the loop stays the caller's, who closes it after this. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // both belong to the result
    public static LogLoop on(EventLoop events) {
        Pipe copy = Kernel.pipe2(O_NONBLOCK);
        Kernel.setPipeSize(copy.write(), PIPE_BYTES);
        return new LogLoop(events, copy, Kernel.open("/dev/null", O_WRONLY));
    }

    EventLoop events() {
        return events;
    }

    /** An empty pipe between two turns of the loop. */
    Pipe copy() {
        return copy;
    }

    /** {@code /dev/null}. */
    Fd nowhere() {
        return nowhere;
    }

    NativeBuffer raw() {
        return raw;
    }

    /** Room for a container's output in the heap, as large as {@link #raw()}. */
    byte[] output() {
        return output;
    }

    NativeBuffer records() {
        return records;
    }

    /** Does something between two turns of the loop and returns when it is done; what it throws is thrown here. */
    void between(Runnable work) {
        CompletableFuture<Boolean> done = new CompletableFuture<>();
        events.execute(() -> {
            try {
                work.run();
                done.complete(true);
            } catch (RuntimeException | Error e) {
                done.completeExceptionally(e);
            }
        });
        try {
            boolean _ = done.join();
        } catch (CompletionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw e;
        }
    }

    @Override
    public void close() {
        try (copy) {
            nowhere.close();
        }
    }
}
