package io.portafilter.streaming;

import com.google.errorprone.annotations.MustBeClosed;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.AdaptiveRecvByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFuture;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.RecvByteBufAllocator;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.handler.codec.http.HttpDecoderConfig;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.timeout.IdleState;
import io.netty.handler.timeout.IdleStateEvent;
import io.netty.handler.timeout.IdleStateHandler;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.time.Duration;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;

/**
 * The server whose URLs Exec, Attach and PortForward answer with. kubelet, crictl and {@code portafilter exec} come to
 * it; kubelet hands through what kubectl says.
 *
 * <p>Who may: whoever has the token of an URL, which is random, serves once and for a minute, and is given to callers of
 * the CRI socket alone. Nothing else is asked: headers such as Host and Origin come from clients behind kubelet's proxy,
 * and a page in a browser cannot know a token. The address is loopback unless configured otherwise, and not encrypted.
 *
 * <p>The protocols, as {@code k8s.io/cri-streaming} and the clients speak them:
 * <ul>
 *   <li>{@code GET|POST /exec/TOKEN}, {@code /attach/TOKEN}, {@code /portforward/TOKEN} with an upgrade; all parameters
 *       are behind the token. {@link HttpUpgrade}.
 *   <li>{@code Upgrade: SPDY/3.1}: the client names versions in {@code X-Stream-Protocol-Version} (exec and attach
 *       {@code v5} to {@code v1}, see {@link CommandProtocol}; {@code portforward.k8s.io}) and the first that we know is
 *       taken. It opens the streams, named by their header {@code streamType}: {@link SpdySession}, {@link
 *       CommandSession}, {@link ForwardSession}.
 *   <li>{@code Upgrade: websocket}: versions are subprotocols, and what SPDY has streams for are numbered channels: {@link
 *       WebSocketChannels}. Newer clients forward ports by SPDY inside a WebSocket: {@link WebSocketTunnel}.
 *   <li>Output comes in full, then on the error stream how it ended ({@link CommandEnd}), then the connection is closed.
 * </ul>
 *
 * <p>One thread carries everything between connections and pipes, without waiting for either; what is held of a
 * connection is bounded, and the less the more connections there are.
 */
public final class StreamServer implements AutoCloseable {

    private static final Logger LOG = System.getLogger(StreamServer.class.getName());

    /** As kubelet's own server. */
    private static final Duration IDLE_LIMIT = Duration.ofHours(4);

    private static final Duration REQUEST_LIMIT = Duration.ofSeconds(10);

    /** Connections that have not shown a token yet; of more the oldest is closed. */
    private static final int MOST_UNKNOWN = 128;

    static final int MOST_CONNECTIONS = 4096;

    private static final int LONGEST_LINE = 4096;
    private static final int LONGEST_HEADERS = 16 * 1024;

    /** What all connections together may hold in each direction, about: native memory is bounded as the heap is. */
    private static final int HELD_BYTES = 8 << 20;

    private static final int MOST_HELD_BYTES = 64 * 1024;
    private static final int LEAST_HELD_BYTES = 4 * 1024;

    private final EventLoopGroup group;
    private final ExecutorService workers = Executors.newVirtualThreadPerTaskExecutor();
    private final StreamTokens tokens = new StreamTokens(System::nanoTime);
    private final Channel listening;

    // the rest belongs to the loop's thread
    private final ByteBuf chunk = Unpooled.directBuffer(OutputPump.chunkBytes(), OutputPump.chunkBytes());
    private final Set<Channel> unknown = new LinkedHashSet<>();
    private int connections;

    private StreamServer(EventLoopGroup group, InetSocketAddress address) {
        this.group = group;
        this.listening = bind(address);
    }

    /**
     * Listens; connections are served from now on.
     *
     * @param address {@code HOST:PORT}, port 0 for any
     * @throws UncheckedIOException if that is not possible
     */
    @MustBeClosed
    public static StreamServer listen(String address) {
        int colon = address.lastIndexOf(':');
        String host = address.substring(0, colon).replaceAll("[\\[\\]]", "");
        EventLoopGroup group = new MultiThreadIoEventLoopGroup(
                1, Thread.ofPlatform().name("streams").daemon().factory(), EpollIoHandler.newFactory());
        try {
            return new StreamServer(group, new InetSocketAddress(host, Integer.parseInt(address.substring(colon + 1))));
        } catch (RuntimeException e) {
            var _ = group.shutdownGracefully(0, 0, TimeUnit.SECONDS);
            throw e;
        }
    }

    private Channel bind(InetSocketAddress address) {
        ChannelFuture bound = new ServerBootstrap()
                .group(group)
                .channel(EpollServerSocketChannel.class)
                .option(ChannelOption.SO_REUSEADDR, true)
                .childOption(ChannelOption.SO_KEEPALIVE, true)
                .childOption(ChannelOption.TCP_NODELAY, true)
                .childOption(ChannelOption.RECVBUF_ALLOCATOR, receiving())
                .childHandler(new ChannelInitializer<>() {
                    @Override
                    protected void initChannel(Channel channel) {
                        accepted(channel);
                    }
                })
                .bind(address)
                .awaitUninterruptibly();
        if (!bound.isSuccess()) {
            throw new UncheckedIOException(new IOException(
                    "stream_address: cannot listen on " + address.getHostString() + ":" + address.getPort() + ": "
                            + bound.cause().getMessage(),
                    bound.cause()));
        }
        return bound.channel();
    }

    /** Reads little at a time, so that little is held. */
    static RecvByteBufAllocator receiving() {
        return new AdaptiveRecvByteBufAllocator(512, 2048, 32 * 1024);
    }

    /**
     * The URL at which a client finds what was asked for, once and for a minute; empty when too many are waiting for
     * their clients.
     */
    public Optional<String> offer(StreamRequest request) {
        return tokens.add(request).map(token -> "http://" + authority() + "/" + request.path() + "/" + token);
    }

    private String authority() {
        SocketAddress address = listening.localAddress();
        InetSocketAddress bound = (InetSocketAddress) address;
        String host = bound.getAddress().getHostAddress();
        return (host.contains(":") ? "[" + host + "]" : host) + ":" + bound.getPort();
    }

    private void accepted(Channel channel) {
        connections++;
        unknown.add(channel);
        var _ = channel.closeFuture().addListener(_ -> {
            connections--;
            unknown.remove(channel);
        });
        if (unknown.size() > MOST_UNKNOWN) {
            Iterator<Channel> oldest = unknown.iterator();
            Channel dropped = oldest.next();
            oldest.remove();
            var _ = dropped.close();
        }
        var late = channel.eventLoop()
                .schedule(() -> closeUnknown(channel), REQUEST_LIMIT.toMillis(), TimeUnit.MILLISECONDS);
        var _ = channel.closeFuture().addListener(_ -> late.cancel(false));
        int share = shareBytes();
        channel.config().setWriteBufferWaterMark(new WriteBufferWaterMark(share / 4, share));
        channel.pipeline()
                .addLast(
                        new HttpServerCodec(new HttpDecoderConfig()
                                .setMaxInitialLineLength(LONGEST_LINE)
                                .setMaxHeaderSize(LONGEST_HEADERS)
                                .setMaxChunkSize(LONGEST_LINE)),
                        new HttpUpgrade(this));
    }

    private void closeUnknown(Channel channel) {
        if (unknown.remove(channel)) {
            LOG.log(Level.DEBUG, "stream.late peer=" + channel.remoteAddress());
            var _ = channel.close();
        }
    }

    /** What the token stands for, once; empty as well when there are too many connections. */
    Optional<StreamRequest> take(Channel channel, String path, String token) {
        Optional<StreamRequest> request =
                tokens.take(token).filter(found -> found.path().equals(path));
        if (request.isPresent()) {
            unknown.remove(channel);
        }
        return request;
    }

    boolean isCrowded() {
        return connections > MOST_CONNECTIONS;
    }

    /** What one connection may hold in each direction, as many as there are. */
    int shareBytes() {
        return Math.clamp(HELD_BYTES / Math.max(1, connections), LEAST_HELD_BYTES, MOST_HELD_BYTES);
    }

    /** Room for what was just read, used up at once. */
    ByteBuf chunk() {
        return chunk;
    }

    /** Closes a connection on which nothing has gone either way for hours. */
    static IdleStateHandler idleLimit() {
        return new IdleStateHandler(0, 0, IDLE_LIMIT.toSeconds(), TimeUnit.SECONDS) {
            @Override
            protected void channelIdle(ChannelHandlerContext context, IdleStateEvent event) {
                if (event.state() == IdleState.ALL_IDLE) {
                    LOG.log(Level.INFO, "stream.idle peer=" + context.channel().remoteAddress());
                    var _ = context.close();
                }
            }
        };
    }

    /** Does what may wait, on a thread of its own. */
    void work(Runnable task) {
        try {
            workers.execute(task);
        } catch (RejectedExecutionException e) {
            // the server is being closed: what only has to be let go is let go here
            LOG.log(Level.DEBUG, "stream.closing", e);
            task.run();
        }
    }

    /** Ends all connections: what was run for them by exec ends too. */
    @Override
    public void close() {
        var _ = listening.close().awaitUninterruptibly();
        var _ = group.shutdownGracefully(0, 2, TimeUnit.SECONDS).awaitUninterruptibly(5, TimeUnit.SECONDS);
        workers.close();
        chunk.release();
    }
}
