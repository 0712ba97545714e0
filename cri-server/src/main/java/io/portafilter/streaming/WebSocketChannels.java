package io.portafilter.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.handler.codec.base64.Base64;
import io.netty.handler.codec.http.websocketx.BinaryWebSocketFrame;
import io.netty.handler.codec.http.websocketx.CloseWebSocketFrame;
import io.netty.handler.codec.http.websocketx.ContinuationWebSocketFrame;
import io.netty.handler.codec.http.websocketx.PingWebSocketFrame;
import io.netty.handler.codec.http.websocketx.PongWebSocketFrame;
import io.netty.handler.codec.http.websocketx.TextWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketCloseStatus;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * A WebSocket whose messages begin with the number of a channel: one byte, or with the {@code base64.} protocols one
 * ASCII digit, after which all is base64 in text. The channels are there from the beginning; what is sent to others is
 * passed over. From v5 on the message {@code 255, channel} ends what the client sends on that channel. Nothing tells a
 * client that we are done with one: the connection is closed when all are (RFC 6455, 1000).
 */
final class WebSocketChannels extends SimpleChannelInboundHandler<WebSocketFrame> implements ClientConnection {

    private static final Logger LOG = System.getLogger(WebSocketChannels.class.getName());

    private static final int FRAME_BYTES = 16 * 1024;
    private static final int CLOSE_SIGNAL = 255;

    private final Channel channel;
    private final Session session;
    private final String protocol;
    private final boolean base64;
    private final boolean halfCloses;
    private final boolean closesWithStreams;
    private final Intake intake;
    private final Map<Integer, Stream> streams = new LinkedHashMap<>();

    private MessagePart next = MessagePart.BEGINNING;
    private int messageChannel;
    private @Nullable ByteBuf encoded;
    private boolean finished;

    /** What the next frame of data is. */
    private enum MessagePart {
        BEGINNING,
        REST
    }

    /**
     * Is put at the end of this channel's pipeline, which gives it frames.
     *
     * @param protocol the one that was agreed on; empty when the client named none
     * @param closesWithStreams whether the connection ends by itself when all streams have
     */
    WebSocketChannels(Channel channel, Session session, String protocol, int heldBytes, boolean closesWithStreams) {
        this.channel = channel;
        this.session = session;
        this.protocol = protocol;
        this.base64 = protocol.contains("base64.");
        this.halfCloses = protocol.equals(CommandProtocol.V5.wireName());
        this.closesWithStreams = closesWithStreams;
        this.intake = new Intake(channel, heldBytes);
    }

    /** A WebSocket knows none: the client is not told of what was taken. */
    private static void noWindow(int bytes) {}

    /** In the pipeline now. */
    void begin() {
        session.begin(this);
    }

    /** One of the channels, which the session takes as a stream with these headers. */
    void open(int number, Map<String, String> headers) {
        Stream stream = new Stream(number);
        streams.put(number, stream);
        if (!session.accepts(headers)) {
            throw new IllegalStateException("channel " + number + " has no place in its own session");
        }
        session.opened(number, headers, stream);
    }

    /** An empty message, which tells the client that the channel is there. */
    void greet(int number) {
        Optional.ofNullable(streams.get(number)).ifPresent(stream -> stream.message(Unpooled.EMPTY_BUFFER));
    }

    /** Sends on a channel before anything else does. */
    void sendFirst(int number, ByteBuf bytes) {
        Optional.ofNullable(streams.get(number)).ifPresent(stream -> stream.write(bytes));
    }

    @Override
    public Channel channel() {
        return channel;
    }

    @Override
    public String protocol() {
        return protocol.isEmpty() ? "websocket" : protocol;
    }

    @Override
    public void finish() {
        if (!finished) {
            finished = true;
            streams.values().forEach(stream -> stream.in.drop());
            WebSocketTunnel.sayGoodbye(channel, WebSocketCloseStatus.NORMAL_CLOSURE);
        }
    }

    private void broken(String what) {
        LOG.log(Level.DEBUG, "stream.broken protocol=" + protocol() + " cause=" + what);
        if (!finished) {
            finished = true;
            gone();
            WebSocketTunnel.sayGoodbye(channel, WebSocketCloseStatus.PROTOCOL_ERROR);
        }
    }

    private void gone() {
        List.copyOf(streams.values()).forEach(Stream::forget);
        session.clientGone();
        if (encoded != null) {
            encoded.release();
            encoded = null;
        }
    }

    @Override
    public void channelInactive(ChannelHandlerContext context) throws Exception {
        super.channelInactive(context);
        gone();
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        LOG.log(Level.DEBUG, "stream.broken protocol=" + protocol() + " cause=" + cause);
        var _ = channel.close();
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext context) {
        if (channel.isWritable()) {
            List.copyOf(streams.values()).forEach(Stream::resume);
        }
    }

    @Override
    protected void channelRead0(ChannelHandlerContext context, WebSocketFrame frame) {
        switch (frame) {
            case PingWebSocketFrame ping -> {
                var _ = channel.writeAndFlush(
                        new PongWebSocketFrame(ping.content().retain()));
            }
            case PongWebSocketFrame _ -> {}
            case CloseWebSocketFrame _ -> {
                if (!finished) {
                    finished = true;
                    gone();
                    WebSocketTunnel.sayGoodbye(channel, WebSocketCloseStatus.NORMAL_CLOSURE);
                }
                var _ = channel.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(_ -> {
                    var _ = channel.close();
                });
            }
            case BinaryWebSocketFrame data -> dataFrame(data);
            case TextWebSocketFrame data -> dataFrame(data);
            case ContinuationWebSocketFrame data -> dataFrame(data);
            default -> broken("a frame " + frame.getClass().getSimpleName());
        }
    }

    private void dataFrame(WebSocketFrame frame) {
        if (finished) {
            return;
        }
        ByteBuf content = frame.content();
        if (next == MessagePart.BEGINNING && content.isReadable()) {
            int first = content.readUnsignedByte();
            if (halfCloses && first == CLOSE_SIGNAL) {
                halfClose(content, frame.isFinalFragment());
                return;
            }
            messageChannel = base64 ? first - '0' : first;
            next = MessagePart.REST;
        }
        if (content.isReadable()) {
            if (base64) {
                collect(content);
            } else {
                deliver(content.retain());
            }
        }
        if (frame.isFinalFragment()) {
            next = MessagePart.BEGINNING;
            decodeCollected();
        }
    }

    private void halfClose(ByteBuf content, boolean whole) {
        if (content.readableBytes() != 1 || !whole) {
            broken("a close signal of " + (1 + content.readableBytes()) + " bytes");
            return;
        }
        int number = content.readUnsignedByte();
        Optional.ofNullable(streams.get(number)).ifPresent(stream -> stream.in.end());
    }

    private void deliver(ByteBuf bytes) {
        Stream stream = streams.get(messageChannel);
        if (stream == null) {
            bytes.release();
        } else {
            stream.in.data(bytes);
        }
    }

    /** Base64 is decoded when the message is whole. */
    private void collect(ByteBuf part) {
        if (encoded == null) {
            encoded = channel.alloc().buffer(part.readableBytes());
        }
        if (encoded.readableBytes() + part.readableBytes() > WebSocketTunnel.MOST_FRAME_BYTES) {
            broken("a message of more than " + WebSocketTunnel.MOST_FRAME_BYTES + " bytes");
            return;
        }
        encoded.writeBytes(part);
    }

    private void decodeCollected() {
        if (encoded == null) {
            return;
        }
        ByteBuf text = encoded;
        encoded = null;
        try {
            deliver(Base64.decode(text));
        } catch (IllegalArgumentException e) {
            // as other runtimes do: the message is passed over
            LOG.log(Level.DEBUG, "stream.passed-over cause=" + e);
        } finally {
            text.release();
        }
    }

    private final class Stream implements ClientStream {
        private final int number;
        private final Intake.Queue in = intake.new Queue(WebSocketChannels::noWindow);
        private boolean ended;
        private boolean forgotten;
        private @Nullable Runnable resume;

        Stream(int number) {
            this.number = number;
        }

        @Override
        public ByteBufAllocator alloc() {
            return channel.alloc();
        }

        @Override
        public int writable() {
            if (forgotten) {
                return FRAME_BYTES;
            }
            return channel.isWritable() ? (int) Math.min(FRAME_BYTES, channel.bytesBeforeUnwritable()) : 0;
        }

        @Override
        public void onWritable(Runnable action) {
            resume = action;
        }

        private void resume() {
            if (resume != null && writable() > 0) {
                resume.run();
            }
        }

        @Override
        public void write(ByteBuf bytes) {
            try {
                if (!forgotten && !ended && bytes.isReadable()) {
                    message(bytes);
                }
            } finally {
                bytes.release();
            }
        }

        /** The bytes stay the caller's. */
        private void message(ByteBuf bytes) {
            if (base64) {
                ByteBuf text = channel.alloc().buffer(1 + bytes.readableBytes() * 4 / 3 + 4);
                text.writeByte('0' + number);
                ByteBuf digits = Base64.encode(bytes, false);
                text.writeBytes(digits);
                digits.release();
                var _ = channel.writeAndFlush(new TextWebSocketFrame(text));
            } else {
                ByteBuf message = channel.alloc().buffer(1 + bytes.readableBytes());
                message.writeByte(number).writeBytes(bytes);
                var _ = channel.writeAndFlush(new BinaryWebSocketFrame(message));
            }
        }

        @Override
        public void finish() {
            if (ended) {
                return;
            }
            ended = true;
            if (closesWithStreams && !finished) {
                endChannel();
            }
            if (closesWithStreams && streams.values().stream().allMatch(each -> each.ended)) {
                WebSocketChannels.this.finish();
            }
        }

        /** Where one side of a connection to a port has ended: without a way to say so, the other ends with it. */
        private void endChannel() {
            if (halfCloses) {
                ByteBuf signal =
                        channel.alloc().buffer(2).writeByte(CLOSE_SIGNAL).writeByte(number);
                var _ = channel.writeAndFlush(new BinaryWebSocketFrame(signal));
            } else {
                in.end();
            }
        }

        @Override
        public void reset() {
            in.drop();
            finish();
        }

        private void forget() {
            forgotten = true;
            in.drop();
            if (resume != null) {
                resume.run();
            }
        }

        @Override
        public void receiver(Receiver receiver) {
            in.receiver(receiver);
        }

        @Override
        public void consumed(int bytes) {
            in.consumed(bytes);
        }
    }
}
