package io.portafilter.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.channel.IoEventLoop;
import io.netty.channel.epoll.EpollIoOps;
import io.portafilter.linux.Fd;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;

/**
 * Carries what a client sends to a process. What the process does not take waits here, and counts for the connection
 * until it is taken.
 */
final class InputPump implements ClientStream.Receiver {

    private static final Logger LOG = System.getLogger(InputPump.class.getName());

    private final ClientStream stream;
    private final Watched watched;
    private final Runnable onEnd;
    private final ArrayDeque<ByteBuf> waiting = new ArrayDeque<>();
    private boolean clientEnded;
    private boolean stopped;
    private boolean broken;

    /**
     * Called on the loop's thread, which then hands the pump to the stream as its receiver.
     *
     * @param pipe stays the caller's, who closes it when the pump has ended or was stopped
     * @param onEnd called once, when the client has ended its side and everything is in the pipe
     */
    InputPump(IoEventLoop loop, Fd pipe, ClientStream stream, Runnable onEnd) {
        this.stream = stream;
        this.onEnd = onEnd;
        this.watched = Watched.of(loop, pipe, EpollIoOps.EPOLLOUT, this::pump);
    }

    @Override
    public void data(ByteBuf bytes) {
        waiting.add(bytes);
        if (waiting.size() == 1) {
            pump();
        }
    }

    @Override
    public void end() {
        clientEnded = true;
        pump();
    }

    private void pump() {
        while (!waiting.isEmpty()) {
            ByteBuf first = waiting.element();
            int count = stopped || broken ? first.readableBytes() : write(first);
            if (count == 0) {
                return;
            }
            first.skipBytes(count);
            if (!first.isReadable()) {
                waiting.remove().release();
            }
            stream.consumed(count);
        }
        if (clientEnded && !stopped) {
            stop();
            onEnd.run();
        }
    }

    private int write(ByteBuf bytes) {
        try {
            ByteBuffer from = bytes.internalNioBuffer(bytes.readerIndex(), bytes.readableBytes());
            if (from.isDirect()) {
                return watched.fd().write(from, from.position(), from.limit());
            }
            ByteBuf direct = stream.alloc().directBuffer(bytes.readableBytes());
            try {
                direct.writeBytes(bytes, bytes.readerIndex(), bytes.readableBytes());
                ByteBuffer copy = direct.internalNioBuffer(0, direct.readableBytes());
                return watched.fd().write(copy, copy.position(), copy.limit());
            } finally {
                direct.release();
            }
        } catch (IOException e) {
            // EPIPE or EIO: nobody reads it any more; what comes is dropped
            LOG.log(Level.DEBUG, "stream.input cause=" + e);
            broken = true;
            return bytes.readableBytes();
        }
    }

    /** Whether nobody takes what is sent any more. */
    boolean isBroken() {
        return broken;
    }

    /** Carries nothing any more. */
    void stop() {
        if (!stopped) {
            stopped = true;
            watched.cancel();
            pump();
        }
    }
}
