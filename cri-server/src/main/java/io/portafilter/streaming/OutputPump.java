package io.portafilter.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.channel.IoEventLoop;
import io.netty.channel.epoll.EpollIoOps;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Optional;

/**
 * Carries what a process writes to its client, never more than the client's stream has room for: then the pipe fills, and
 * the process waits. Without a stream, what the process writes is read and dropped.
 */
final class OutputPump {

    private static final int CHUNK_BYTES = 32 * 1024;

    /** How many chunks are carried before the next one's turn. */
    private static final int CHUNKS_AT_ONCE = 8;

    /** What a pipe can hold at most where nobody may exceed the default of fs.pipe-max-size (pipe(7)). */
    private static final int LARGEST_PIPE_BYTES = 1024 * 1024;

    private final IoEventLoop loop;
    private final Fd pipe;
    private final Optional<ClientStream> stream;
    private final Runnable onEnd;
    private final Watched watched;
    private final ByteBuf chunk;
    private boolean ended;
    private long bytesUntilEnd = Long.MAX_VALUE;

    /**
     * Begins at once; called on the loop's thread.
     *
     * @param pipe stays the caller's, who closes it when the pump has ended or was stopped
     * @param chunk room for one chunk that all pumps of the loop share
     * @param onEnd called once, when everything has been handed to the stream
     */
    OutputPump(IoEventLoop loop, Fd pipe, Optional<ClientStream> stream, ByteBuf chunk, Runnable onEnd) {
        this.loop = loop;
        this.pipe = pipe;
        this.stream = stream;
        this.chunk = chunk;
        this.onEnd = onEnd;
        this.watched = Watched.of(loop, pipe, EpollIoOps.EPOLLIN, this::pump);
        stream.ifPresent(client -> client.onWritable(this::pump));
        loop.execute(this::pump);
    }

    static int chunkBytes() {
        return CHUNK_BYTES;
    }

    /**
     * The process has ended: what the pipe holds now is still carried, then the pump ends, whoever else may hold the
     * pipe's other end.
     */
    void drain() {
        if (!ended && bytesUntilEnd == Long.MAX_VALUE) {
            bytesUntilEnd = capacity();
            pump();
        }
    }

    private long capacity() {
        try {
            return Math.max(Kernel.pipeSize(pipe), CHUNK_BYTES);
        } catch (KernelException e) {
            // a terminal
            return LARGEST_PIPE_BYTES;
        }
    }

    /** Carries nothing any more. */
    void stop() {
        if (!ended) {
            ended = true;
            watched.cancel();
        }
    }

    private void pump() {
        for (int i = 0; i < CHUNKS_AT_ONCE && !ended; i++) {
            int room = Math.min(CHUNK_BYTES, stream.map(ClientStream::writable).orElse(CHUNK_BYTES));
            if (room <= 0) {
                return;
            }
            int count = read((int) Math.min(room, bytesUntilEnd));
            if (count > 0) {
                stream.ifPresent(
                        client -> client.write(client.alloc().buffer(count).writeBytes(chunk, 0, count)));
                if (bytesUntilEnd != Long.MAX_VALUE) {
                    bytesUntilEnd -= count;
                }
            }
            if (count < 0 || bytesUntilEnd == 0 || (count == 0 && bytesUntilEnd != Long.MAX_VALUE)) {
                stop();
                onEnd.run();
                return;
            }
            if (count == 0) {
                return;
            }
        }
        if (!ended) {
            loop.execute(this::pump);
        }
    }

    /** How many bytes were read; 0 when there are none now, negative at the end. */
    private int read(int most) {
        try {
            ByteBuffer into = chunk.internalNioBuffer(0, most);
            return watched.fd().read(into, into.position(), into.position() + most);
        } catch (IOException e) {
            // EIO: nobody has the terminal open any more (tty(4))
            return -1;
        }
    }
}
