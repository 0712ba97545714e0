package io.portafilter.streaming;

import io.netty.buffer.ByteBuf;

/** Takes what nobody wants. */
record Discard(ClientStream stream) implements ClientStream.Receiver {

    @Override
    public void data(ByteBuf bytes) {
        int count = bytes.readableBytes();
        bytes.release();
        stream.consumed(count);
    }

    @Override
    public void end() {}
}
