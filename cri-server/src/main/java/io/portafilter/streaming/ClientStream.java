package io.portafilter.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;

/**
 * Bytes in both directions between a client and us: a stream of SPDY or a channel of a WebSocket. Used on the event loop
 * of its connection alone.
 */
interface ClientStream {

    /** Takes what the client sends. */
    interface Receiver {
        /** Some bytes, which are the receiver's now; it tells the stream when they are gone ({@link #consumed}). */
        void data(ByteBuf bytes);

        /** The client sends no more. */
        void end();
    }

    /** Where the memory of what is sent comes from. */
    ByteBufAllocator alloc();

    /** How many bytes may be sent now; when there is no room, {@link #onWritable} is called later. */
    int writable();

    /** What to do whenever there is room again. */
    void onWritable(Runnable resume);

    /** Sends; the bytes are the stream's. They are dropped when the stream or its connection is closed. */
    void write(ByteBuf bytes);

    /** Nothing is sent any more, what was sent arrives. */
    void finish();

    /** Ends both directions at once. */
    void reset();

    /** Who gets what the client sends. What came earlier was kept for it. */
    void receiver(Receiver receiver);

    /** So many bytes of the client's are out of memory: it may send more. */
    void consumed(int bytes);
}
