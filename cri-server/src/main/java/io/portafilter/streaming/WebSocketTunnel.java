package io.portafilter.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelDuplexHandler;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPromise;
import io.netty.handler.codec.http.websocketx.BinaryWebSocketFrame;
import io.netty.handler.codec.http.websocketx.CloseWebSocketFrame;
import io.netty.handler.codec.http.websocketx.PingWebSocketFrame;
import io.netty.handler.codec.http.websocketx.PongWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketCloseStatus;
import io.netty.handler.codec.http.websocketx.WebSocketFrame;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * Bytes inside the messages of a WebSocket, wherever those begin and end: how SPDY travels with {@code
 * SPDY/3.1+portforward.k8s.io}.
 */
final class WebSocketTunnel extends ChannelDuplexHandler {

    /** The largest frame that is taken: it is in memory as a whole before its bytes go on. */
    static final int MOST_FRAME_BYTES = 512 * 1024;

    /** How long a client may take to answer our good-bye. */
    static final Duration GOODBYE_LIMIT = Duration.ofSeconds(5);

    private boolean saidGoodbye;

    @Override
    public void channelRead(ChannelHandlerContext context, Object message) {
        switch (message) {
            case PingWebSocketFrame ping -> {
                var _ = context.writeAndFlush(new PongWebSocketFrame(ping.content()));
            }
            case PongWebSocketFrame pong -> pong.release();
            case CloseWebSocketFrame close -> {
                close.release();
                if (!saidGoodbye) {
                    saidGoodbye = true;
                    sayGoodbye(context.channel(), WebSocketCloseStatus.NORMAL_CLOSURE);
                }
                var _ = context.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(_ -> {
                    var _ = context.close();
                });
            }
            case WebSocketFrame data -> context.fireChannelRead(data.content());
            default -> context.fireChannelRead(message);
        }
    }

    @Override
    public void write(ChannelHandlerContext context, Object message, ChannelPromise promise) throws Exception {
        Object sent = message;
        if (message instanceof ByteBuf bytes && bytes.isReadable()) {
            sent = new BinaryWebSocketFrame(bytes);
        } else if (message instanceof CloseWebSocketFrame) {
            saidGoodbye = true;
        }
        super.write(context, sent, promise);
    }

    /** Sends the good-bye after all that was written, and closes when the client has answered it, or not in time. */
    static void sayGoodbye(Channel channel, WebSocketCloseStatus status) {
        channel.config().setAutoRead(true);
        var _ = channel.writeAndFlush(new CloseWebSocketFrame(status));
        var _ = channel.eventLoop()
                .schedule(
                        () -> {
                            var _ = channel.close();
                        },
                        GOODBYE_LIMIT.toMillis(),
                        TimeUnit.MILLISECONDS);
    }
}
