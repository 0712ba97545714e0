package io.portafilter.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.handler.codec.ByteToMessageDecoder;
import io.netty.handler.codec.spdy.SpdyFrameDecoder;
import io.netty.handler.codec.spdy.SpdyFrameDecoderDelegate;
import io.netty.handler.codec.spdy.SpdyFrameEncoder;
import io.netty.handler.codec.spdy.SpdyVersion;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.zip.DataFormatException;
import org.jspecify.annotations.Nullable;

/**
 * A connection that was upgraded to SPDY/3.1; the client opens the streams, we answer.
 *
 * <p>Windows: the draft gives each stream and the whole session 64 KiB that may be under way. The library of kubectl,
 * kubelet and crictl (moby/spdystream) neither sends WINDOW_UPDATE nor looks at one: whoever waits for it after 64 KiB
 * waits for ever. So a client's windows hold for us from its first WINDOW_UPDATE or SETTINGS on; before, and for clients
 * that never send one, TCP alone is what slows us. We send WINDOW_UPDATE to everybody, as bytes are taken. A client that
 * does not keep to our windows is not read for as long as one of its streams holds too much ({@link Intake}).
 */
final class SpdySession extends ByteToMessageDecoder implements SpdyFrameDecoderDelegate, ClientConnection {

    private static final Logger LOG = System.getLogger(SpdySession.class.getName());

    /** As the draft has it, for a stream and for the session. */
    static final int WINDOW_BYTES = 64 * 1024;

    /** What the session's window is made at once, so that a stream nobody reads does not stop the others. */
    private static final int SESSION_WINDOW_BYTES = 16 * WINDOW_BYTES;

    private static final int FRAME_BYTES = 16 * 1024;
    private static final int MOST_STREAMS = 1024;
    private static final int PROTOCOL_ERROR = 1;
    private static final int REFUSED_STREAM = 3;
    private static final int CANCEL = 5;
    private static final int SETTINGS_INITIAL_WINDOW_SIZE = 7;

    private final Session session;
    private final String protocol;
    private final Closing closing;
    private final Intake intake;
    private final SpdyFrameDecoder decoder = new SpdyFrameDecoder(SpdyVersion.SPDY_3_1, this, FRAME_BYTES);
    private final SpdyFrameEncoder encoder = new SpdyFrameEncoder(SpdyVersion.SPDY_3_1);
    private final HeaderBlock headers = new HeaderBlock();
    private final Map<Integer, Stream> streams = new LinkedHashMap<>();
    private final Channel channel;

    private Optional<Opening> opening = Optional.empty();
    private int lastStream;
    private boolean windowsHold;
    private int initialWindow = WINDOW_BYTES;
    private long sessionWindow = WINDOW_BYTES;
    private int sessionCredit;
    private boolean goneAway;
    private boolean finishing;
    private boolean finished;

    /** A stream whose headers are coming. */
    private record Opening(int number, boolean last) {}

    /**
     * Is put at the end of this channel's pipeline, which gives it the bytes.
     *
     * @param heldBytes what a stream may hold of what came
     * @param closing how the connection ends
     */
    SpdySession(Channel channel, Session session, String protocol, int heldBytes, Closing closing) {
        this.channel = channel;
        this.session = session;
        this.protocol = protocol;
        this.closing = closing;
        this.intake = new Intake(channel, heldBytes);
    }

    /** In the pipeline now. */
    void begin() {
        send(encoder.encodeWindowUpdateFrame(channel.alloc(), 0, SESSION_WINDOW_BYTES - WINDOW_BYTES));
        session.begin(this);
    }

    @Override
    public Channel channel() {
        return channel;
    }

    @Override
    public String protocol() {
        return protocol;
    }

    @Override
    public void finish() {
        finishing = true;
        if (!finished && streams.values().stream().allMatch(stream -> stream.kept.isEmpty())) {
            finished = true;
            send(encoder.encodeGoAwayFrame(channel.alloc(), lastStream, 0));
            // what still comes is read and dropped: closing before would reset the connection, and what was sent is
            // lost
            List.copyOf(streams.values()).forEach(stream -> stream.in.drop());
            closing.close(channel);
        }
    }

    private void send(ByteBuf frame) {
        var _ = channel.writeAndFlush(frame);
    }

    // ---- what comes

    @Override
    protected void decode(ChannelHandlerContext unused, ByteBuf in, List<Object> out) {
        if (finished) {
            in.skipBytes(in.readableBytes());
        } else {
            decoder.decode(in);
        }
    }

    /** Not the superclass's, which reads on when nothing goes down the pipeline, though reading was stopped. */
    @Override
    public void channelReadComplete(ChannelHandlerContext context) {
        discardSomeReadBytes();
        var _ = context.fireChannelReadComplete();
    }

    @Override
    public void channelInactive(ChannelHandlerContext unused) throws Exception {
        super.channelInactive(unused);
        gone();
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext unused, Throwable cause) {
        LOG.log(Level.DEBUG, "stream.broken protocol=" + protocol + " cause=" + cause);
        var _ = channel.close();
    }

    private void gone() {
        headers.close();
        List.copyOf(streams.values()).forEach(Stream::forget);
        session.clientGone();
    }

    @Override
    public void channelWritabilityChanged(ChannelHandlerContext unused) {
        if (channel.isWritable()) {
            resumeAll();
        }
    }

    private void resumeAll() {
        List.copyOf(streams.values()).forEach(Stream::resume);
    }

    @Override
    public void readDataFrame(int number, boolean last, ByteBuf data) {
        Stream stream = streams.get(number);
        if (stream == null) {
            credit(data.readableBytes());
            data.release();
            return;
        }
        if (data.isReadable()) {
            stream.in.data(data);
        } else {
            data.release();
        }
        if (last) {
            stream.remoteEnd();
        }
    }

    @Override
    public void readSynStreamFrame(int number, int associated, byte priority, boolean last, boolean unidirectional) {
        if (number <= lastStream || number % 2 == 0) {
            broken("stream " + number + " after " + lastStream);
            return;
        }
        lastStream = number;
        opening = Optional.of(new Opening(number, last));
    }

    @Override
    public void readSynReplyFrame(int number, boolean last) {
        broken("an answer to stream " + number);
    }

    @Override
    public void readHeadersFrame(int number, boolean last) {
        // more headers tell us nothing; they are unpacked, for those that follow build on them
        Stream stream = streams.get(number);
        if (last && stream != null) {
            stream.remoteEnd();
        }
    }

    @Override
    public void readHeaderBlock(ByteBuf block) {
        try {
            if (!finished) {
                headers.add(block);
            }
        } catch (DataFormatException e) {
            broken("headers: " + e.getMessage());
        } finally {
            block.release();
        }
    }

    @Override
    public void readHeaderBlockEnd() {
        if (finished) {
            return;
        }
        try {
            Map<String, String> names = headers.finish();
            if (opening.isPresent()) {
                Opening opened = opening.get();
                opening = Optional.empty();
                open(opened, names);
            }
        } catch (DataFormatException e) {
            broken("headers: " + e.getMessage());
        }
    }

    private void open(Opening opened, Map<String, String> names) {
        if (goneAway || streams.size() >= MOST_STREAMS || !session.accepts(names)) {
            send(encoder.encodeRstStreamFrame(channel.alloc(), opened.number(), REFUSED_STREAM));
            return;
        }
        Stream stream = new Stream(opened.number());
        streams.put(opened.number(), stream);
        ByteBuf block = headers.empty();
        send(encoder.encodeSynReplyFrame(channel.alloc(), opened.number(), false, block));
        block.release();
        if (opened.last()) {
            stream.remoteEnd();
        }
        session.opened(opened.number(), names, stream);
    }

    @Override
    public void readRstStreamFrame(int number, int status) {
        Stream stream = streams.get(number);
        if (stream != null) {
            stream.in.end();
            stream.forget();
        }
    }

    @Override
    public void readSettingsFrame(boolean clearPersisted) {
        windowsHold = true;
    }

    @Override
    public void readSetting(int id, int value, boolean persistValue, boolean persisted) {
        if (id != SETTINGS_INITIAL_WINDOW_SIZE) {
            return;
        }
        if (value < 0) {
            broken("a window of " + value);
            return;
        }
        long more = (long) value - initialWindow;
        initialWindow = value;
        streams.values().forEach(stream -> stream.window += more);
    }

    @Override
    public void readSettingsEnd() {
        resumeAll();
    }

    @Override
    public void readPingFrame(int id) {
        // even ones would be answers to ours, and we send none
        if (id % 2 != 0) {
            send(encoder.encodePingFrame(channel.alloc(), id));
        }
    }

    @Override
    public void readGoAwayFrame(int lastGoodStream, int status) {
        goneAway = true;
        closeIfEmpty();
    }

    @Override
    public void readWindowUpdateFrame(int number, int more) {
        windowsHold = true;
        if (number == 0) {
            sessionWindow += more;
            resumeAll();
            return;
        }
        Stream stream = streams.get(number);
        if (stream != null) {
            stream.window += more;
            stream.resume();
        }
    }

    @Override
    public void readFrameError(String message) {
        broken(message);
    }

    /** What the client does means nothing in this protocol. */
    private void broken(String what) {
        if (!finished) {
            LOG.log(Level.DEBUG, "stream.broken protocol=" + protocol + " cause=" + what);
            finished = true;
            send(encoder.encodeGoAwayFrame(channel.alloc(), lastStream, PROTOCOL_ERROR));
            gone();
            closing.close(channel);
        }
    }

    private void closeIfEmpty() {
        if (goneAway && streams.isEmpty() && !finished) {
            finish();
        }
    }

    /** Gives the client back what it may send in all. */
    private void credit(int bytes) {
        sessionCredit += bytes;
        if (sessionCredit >= SESSION_WINDOW_BYTES / 2 && channel.isActive()) {
            send(encoder.encodeWindowUpdateFrame(channel.alloc(), 0, sessionCredit));
            sessionCredit = 0;
        }
    }

    /** A stream that the client opened. */
    private final class Stream implements ClientStream {
        private final int number;
        private final Intake.Queue in = intake.new Queue(this::credit);

        /** What the client's window had no room for. */
        private final ArrayDeque<ByteBuf> kept = new ArrayDeque<>();

        private long window = initialWindow;
        private int credit;
        private boolean localEnd;
        private boolean localEndSent;
        private boolean remoteEnd;
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
            if (!kept.isEmpty() || !channel.isWritable()) {
                return 0;
            }
            return (int) Math.min(FRAME_BYTES, Math.min(roomOfClient(), channel.bytesBeforeUnwritable()));
        }

        private long roomOfClient() {
            return windowsHold ? Math.max(0, Math.min(window, sessionWindow)) : FRAME_BYTES;
        }

        @Override
        public void onWritable(Runnable action) {
            resume = action;
        }

        private void resume() {
            while (!kept.isEmpty() && roomOfClient() > 0) {
                ByteBuf first = kept.element();
                if (first.readableBytes() <= roomOfClient()) {
                    frame(kept.remove());
                } else {
                    frame(first.readRetainedSlice((int) roomOfClient()));
                }
            }
            if (kept.isEmpty() && localEnd) {
                sendEnd();
            }
            if (finishing && kept.isEmpty()) {
                SpdySession.this.finish();
                return;
            }
            if (resume != null && writable() > 0) {
                resume.run();
            }
        }

        @Override
        public void write(ByteBuf bytes) {
            if (forgotten || localEnd || !bytes.isReadable()) {
                bytes.release();
            } else if (kept.isEmpty() && bytes.readableBytes() <= roomOfClient()) {
                frame(bytes);
            } else {
                kept.add(bytes);
                resume();
            }
        }

        private void frame(ByteBuf bytes) {
            int count = bytes.readableBytes();
            window -= count;
            sessionWindow -= count;
            ByteBuf frame = encoder.encodeDataFrame(channel.alloc(), number, false, bytes);
            bytes.release();
            send(frame);
        }

        @Override
        public void finish() {
            if (!localEnd && !forgotten) {
                localEnd = true;
                if (kept.isEmpty()) {
                    sendEnd();
                }
            }
        }

        private void sendEnd() {
            if (!localEndSent) {
                localEndSent = true;
                send(encoder.encodeDataFrame(channel.alloc(), number, true, Unpooled.EMPTY_BUFFER));
                closeIfBothEnded();
            }
        }

        private void remoteEnd() {
            remoteEnd = true;
            in.end();
            closeIfBothEnded();
        }

        private void closeIfBothEnded() {
            if (localEndSent && remoteEnd) {
                streams.remove(number);
                closeIfEmpty();
            }
        }

        @Override
        public void reset() {
            if (!forgotten && streams.containsKey(number)) {
                send(encoder.encodeRstStreamFrame(channel.alloc(), number, CANCEL));
            }
            forget();
        }

        /** Nothing comes and nothing goes any more. */
        private void forget() {
            if (forgotten) {
                return;
            }
            forgotten = true;
            streams.remove(number);
            in.drop();
            kept.forEach(ByteBuf::release);
            kept.clear();
            if (resume != null) {
                // so that whoever waits for room finds that its bytes go nowhere
                resume.run();
            }
            closeIfEmpty();
        }

        @Override
        public void receiver(Receiver receiver) {
            in.receiver(receiver);
        }

        @Override
        public void consumed(int bytes) {
            in.consumed(bytes);
        }

        private void credit(int bytes) {
            SpdySession.this.credit(bytes);
            credit += bytes;
            if (credit >= WINDOW_BYTES / 2 && !remoteEnd && !forgotten && channel.isActive()) {
                send(encoder.encodeWindowUpdateFrame(channel.alloc(), number, credit));
                credit = 0;
            }
        }
    }
}
