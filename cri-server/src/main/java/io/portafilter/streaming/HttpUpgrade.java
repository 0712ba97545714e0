package io.portafilter.streaming;

import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFutureListener;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.socket.DuplexChannel;
import io.netty.handler.codec.http.DefaultFullHttpResponse;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpContent;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaderValues;
import io.netty.handler.codec.http.HttpMethod;
import io.netty.handler.codec.http.HttpObject;
import io.netty.handler.codec.http.HttpRequest;
import io.netty.handler.codec.http.HttpResponseStatus;
import io.netty.handler.codec.http.HttpServerCodec;
import io.netty.handler.codec.http.HttpVersion;
import io.netty.handler.codec.http.LastHttpContent;
import io.netty.handler.codec.http.websocketx.WebSocket13FrameDecoder;
import io.netty.handler.codec.http.websocketx.WebSocket13FrameEncoder;
import io.netty.handler.codec.http.websocketx.WebSocketDecoderConfig;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * The one HTTP request of a connection: finds what its token stands for and goes over to the protocol that the client
 * asks for. What is refused is answered and the connection closed; nothing is ever redirected (CVE-2018-1002102).
 */
final class HttpUpgrade extends SimpleChannelInboundHandler<HttpObject> {

    private static final String SPDY = "SPDY/3.1";
    private static final String FORWARD_PROTOCOL = "portforward.k8s.io";
    private static final String TUNNEL_PROTOCOL = SPDY + "+" + FORWARD_PROTOCOL;
    /** The first is ours: nobody else half-closes channels of ports. */
    private static final List<String> FORWARD_CHANNELS =
            List.of("v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "");

    /** Those of exec and attach, with the version whose rules they follow; none at all is the oldest. */
    private static final Map<String, CommandProtocol> COMMAND_CHANNELS = Map.of(
            "v5.channel.k8s.io", CommandProtocol.V5,
            "v4.channel.k8s.io", CommandProtocol.V4,
            "v4.base64.channel.k8s.io", CommandProtocol.V4,
            "channel.k8s.io", CommandProtocol.V3,
            "base64.channel.k8s.io", CommandProtocol.V3,
            "", CommandProtocol.V3);

    private static final String VERSIONS = "X-Stream-Protocol-Version";
    private static final String ACCEPTED_VERSIONS = "X-Accepted-Stream-Protocol-Versions";
    /** RFC 6455, 1.3. */
    private static final String WEBSOCKET_ID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

    private final StreamServer server;
    private Optional<HttpRequest> request = Optional.empty();
    private boolean answered;

    HttpUpgrade(StreamServer server) {
        super(true);
        this.server = server;
    }

    @Override
    protected void channelRead0(ChannelHandlerContext context, HttpObject part) {
        if (answered) {
            return;
        }
        if (part.decoderResult().isFailure()) {
            refuse(context, HttpResponseStatus.BAD_REQUEST, "this is no HTTP request, or one with too long headers");
            return;
        }
        if (part instanceof HttpRequest head) {
            request = Optional.of(head);
        }
        if (part instanceof HttpContent content && content.content().isReadable()) {
            refuse(context, HttpResponseStatus.BAD_REQUEST, "a request for an upgrade has no body");
            return;
        }
        if (part instanceof LastHttpContent && request.isPresent()) {
            answer(context, request.get());
        }
    }

    @Override
    public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        var _ = context.close();
    }

    private void answer(ChannelHandlerContext context, HttpRequest asked) {
        if (!asked.method().equals(HttpMethod.GET) && !asked.method().equals(HttpMethod.POST)) {
            refuse(context, HttpResponseStatus.METHOD_NOT_ALLOWED, "GET or POST");
            return;
        }
        String[] path = asked.uri().split("[?#]", 2)[0].split("/", -1);
        Optional<StreamRequest> found = path.length == 3 && path[0].isEmpty()
                ? server.take(context.channel(), path[1], path[2])
                : Optional.empty();
        if (found.isEmpty()) {
            refuse(context, HttpResponseStatus.NOT_FOUND, "404 page not found");
            return;
        }
        if (server.isCrowded()) {
            refuse(context, HttpResponseStatus.SERVICE_UNAVAILABLE, "too many connections");
            return;
        }
        String upgrade = asked.headers().get(HttpHeaderNames.UPGRADE, "");
        if (!asked.headers().containsValue(HttpHeaderNames.CONNECTION, HttpHeaderValues.UPGRADE, true)) {
            refuse(context, HttpResponseStatus.BAD_REQUEST, "unable to upgrade: missing upgrade headers in request");
        } else if (upgrade.equalsIgnoreCase("websocket")) {
            webSocket(context, asked, found.get());
        } else if (upgrade.equalsIgnoreCase(SPDY)) {
            spdy(context, asked, found.get());
        } else {
            refuse(context, HttpResponseStatus.BAD_REQUEST, "unable to upgrade: neither " + SPDY + " nor websocket");
        }
    }

    /** The comma-separated values of all headers of this name. */
    private static List<String> values(HttpRequest asked, CharSequence name) {
        List<String> values = new ArrayList<>();
        for (String line : asked.headers().getAll(name)) {
            for (String value : line.split(",")) {
                if (!value.isBlank()) {
                    values.add(value.strip());
                }
            }
        }
        return values;
    }

    // ---- SPDY

    private void spdy(ChannelHandlerContext context, HttpRequest asked, StreamRequest found) {
        List<String> versions = values(asked, VERSIONS);
        if (versions.isEmpty()) {
            refuse(context, HttpResponseStatus.BAD_REQUEST, "unable to upgrade: " + VERSIONS + " is required");
            return;
        }
        switch (found) {
            case StreamRequest.Command command -> {
                Optional<CommandProtocol> chosen = CommandProtocol.chosen(versions);
                if (chosen.isEmpty()) {
                    refuseVersions(
                            context,
                            List.of(CommandProtocol.values()).stream()
                                    .map(CommandProtocol::wireName)
                                    .toList());
                    return;
                }
                String name = chosen.get().wireName();
                toSpdy(context, name, new CommandSession(command, chosen.get(), server));
            }
            case StreamRequest.Forward forward -> {
                if (!versions.contains(FORWARD_PROTOCOL)) {
                    refuseVersions(context, List.of(FORWARD_PROTOCOL));
                    return;
                }
                toSpdy(context, FORWARD_PROTOCOL, new ForwardSession(forward, server));
            }
        }
    }

    private void toSpdy(ChannelHandlerContext context, String version, Session session) {
        FullHttpResponse response = switching(SPDY);
        response.headers().set(VERSIONS, version);
        ChannelPipeline pipeline = switchOver(context, response);
        SpdySession spdy = new SpdySession(
                context.channel(), session, "spdy/" + version, server.shareBytes(), HttpUpgrade::closeAfterClient);
        pipeline.addLast(spdy);
        spdy.begin();
    }

    /** Sends the end, and waits a little for the client's, so that nothing on its way to the client is lost. */
    private static void closeAfterClient(Channel channel) {
        channel.config().setAutoRead(true);
        var _ = channel.writeAndFlush(Unpooled.EMPTY_BUFFER).addListener(_ -> {
            var _ = ((DuplexChannel) channel).shutdownOutput();
        });
        var _ = channel.eventLoop()
                .schedule(
                        () -> {
                            var _ = channel.close();
                        },
                        WebSocketTunnel.GOODBYE_LIMIT.toMillis(),
                        TimeUnit.MILLISECONDS);
    }

    private void refuseVersions(ChannelHandlerContext context, List<String> accepted) {
        FullHttpResponse response = response(
                HttpResponseStatus.FORBIDDEN, "unable to upgrade: unable to negotiate protocol; we accept " + accepted);
        response.headers().set(ACCEPTED_VERSIONS, accepted);
        close(context, response);
    }

    // ---- WebSocket

    private void webSocket(ChannelHandlerContext context, HttpRequest asked, StreamRequest found) {
        String key = asked.headers().get(HttpHeaderNames.SEC_WEBSOCKET_KEY, "");
        if (!asked.method().equals(HttpMethod.GET)
                || key.isEmpty()
                || !asked.headers()
                        .get(HttpHeaderNames.SEC_WEBSOCKET_VERSION, "")
                        .equals("13")) {
            FullHttpResponse response =
                    response(HttpResponseStatus.BAD_REQUEST, "a WebSocket of version 13 begins with GET and a key");
            response.headers().set(HttpHeaderNames.SEC_WEBSOCKET_VERSION, "13");
            close(context, response);
            return;
        }
        List<String> offered = values(asked, HttpHeaderNames.SEC_WEBSOCKET_PROTOCOL);
        List<String> known = offered.isEmpty() ? List.of("") : offered;
        switch (found) {
            case StreamRequest.Command command -> {
                Optional<String> chosen =
                        known.stream().filter(COMMAND_CHANNELS::containsKey).findFirst();
                if (chosen.isEmpty()) {
                    refuseSubprotocols(context, offered);
                    return;
                }
                commandChannels(context, key, command, chosen.get());
            }
            case StreamRequest.Forward forward -> {
                Optional<String> chosen = known.stream()
                        .filter(name -> name.equals(TUNNEL_PROTOCOL)
                                || FORWARD_CHANNELS.contains(name)
                                        && !forward.ports().isEmpty())
                        .findFirst();
                if (chosen.isEmpty()) {
                    refuseSubprotocols(context, offered);
                } else if (chosen.get().equals(TUNNEL_PROTOCOL)) {
                    tunnel(context, key, forward);
                } else {
                    forwardChannels(context, key, forward, chosen.get());
                }
            }
        }
    }

    private void refuseSubprotocols(ChannelHandlerContext context, List<String> offered) {
        refuse(
                context,
                HttpResponseStatus.FORBIDDEN,
                "unable to upgrade: none of the WebSocket subprotocols is served here: " + offered);
    }

    private void commandChannels(
            ChannelHandlerContext context, String key, StreamRequest.Command command, String protocol) {
        CommandSession session = new CommandSession(
                command, Optional.ofNullable(COMMAND_CHANNELS.get(protocol)).orElseThrow(), server);
        ChannelPipeline pipeline = toWebSocket(context, key, protocol);
        WebSocketChannels channels =
                new WebSocketChannels(context.channel(), session, protocol, server.shareBytes(), false);
        pipeline.addLast(channels);
        channels.begin();
        for (CommandSession.StreamType type : CommandSession.StreamType.values()) {
            if (session.expected().contains(type)) {
                channels.open(type.channel(), Map.of("streamtype", type.name().toLowerCase(Locale.ROOT)));
            }
        }
        CommandSession.StreamType lowest = command.stdout()
                ? CommandSession.StreamType.STDOUT
                : command.stderr() ? CommandSession.StreamType.STDERR : CommandSession.StreamType.ERROR;
        channels.greet(lowest.channel());
    }

    private void forwardChannels(
            ChannelHandlerContext context, String key, StreamRequest.Forward forward, String protocol) {
        ChannelPipeline pipeline = toWebSocket(context, key, protocol);
        ForwardSession session = new ForwardSession(forward, server);
        WebSocketChannels channels =
                new WebSocketChannels(context.channel(), session, protocol, server.shareBytes(), true);
        pipeline.addLast(channels);
        channels.begin();
        List<Integer> ports = forward.ports();
        for (int i = 0; i < ports.size(); i++) {
            String port = Integer.toString(ports.get(i));
            String id = Integer.toString(i);
            channels.open(2 * i, Map.of("streamtype", "data", "port", port, "requestid", id));
            channels.open(2 * i + 1, Map.of("streamtype", "error", "port", port, "requestid", id));
        }
        for (int i = 0; i < 2 * ports.size(); i++) {
            channels.sendFirst(i, Unpooled.buffer(2).writeShortLE(ports.get(i / 2)));
        }
    }

    private void tunnel(ChannelHandlerContext context, String key, StreamRequest.Forward forward) {
        ChannelPipeline pipeline = toWebSocket(context, key, TUNNEL_PROTOCOL);
        SpdySession spdy = new SpdySession(
                context.channel(),
                new ForwardSession(forward, server),
                TUNNEL_PROTOCOL,
                server.shareBytes(),
                channel -> WebSocketTunnel.sayGoodbye(
                        channel, io.netty.handler.codec.http.websocketx.WebSocketCloseStatus.NORMAL_CLOSURE));
        pipeline.addLast(new WebSocketTunnel(), spdy);
        spdy.begin();
    }

    private ChannelPipeline toWebSocket(ChannelHandlerContext context, String key, String protocol) {
        FullHttpResponse response = switching("websocket");
        response.headers().set(HttpHeaderNames.SEC_WEBSOCKET_ACCEPT, acceptance(key));
        if (!protocol.isEmpty()) {
            response.headers().set(HttpHeaderNames.SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        ChannelPipeline pipeline = switchOver(context, response);
        pipeline.addLast(
                new WebSocket13FrameEncoder(false),
                new WebSocket13FrameDecoder(WebSocketDecoderConfig.newBuilder()
                        .expectMaskedFrames(true)
                        .allowMaskMismatch(false)
                        .allowExtensions(false)
                        .maxFramePayloadLength(WebSocketTunnel.MOST_FRAME_BYTES)
                        .closeOnProtocolViolation(true)
                        .build()));
        return pipeline;
    }

    private static String acceptance(String key) {
        try {
            MessageDigest sha1 = MessageDigest.getInstance("SHA-1");
            return Base64.getEncoder()
                    .encodeToString(sha1.digest((key + WEBSOCKET_ID).getBytes(StandardCharsets.US_ASCII)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-1", e);
        }
    }

    // ---- answers

    private static FullHttpResponse switching(String to) {
        FullHttpResponse response =
                new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, HttpResponseStatus.SWITCHING_PROTOCOLS);
        response.headers().set(HttpHeaderNames.CONNECTION, HttpHeaderValues.UPGRADE);
        response.headers().set(HttpHeaderNames.UPGRADE, to);
        return response;
    }

    /** Sends the answer; from now on the bytes are the new protocol's. */
    private ChannelPipeline switchOver(ChannelHandlerContext context, FullHttpResponse response) {
        answered = true;
        ChannelPipeline pipeline = context.pipeline();
        var _ = context.writeAndFlush(response);
        pipeline.addFirst(StreamServer.idleLimit());
        var _ = pipeline.remove(HttpServerCodec.class);
        var _ = pipeline.remove(this);
        return pipeline;
    }

    private static FullHttpResponse response(HttpResponseStatus status, String text) {
        byte[] body = (text + "\n").getBytes(StandardCharsets.UTF_8);
        FullHttpResponse response =
                new DefaultFullHttpResponse(HttpVersion.HTTP_1_1, status, Unpooled.wrappedBuffer(body));
        response.headers().set(HttpHeaderNames.CONTENT_TYPE, "text/plain; charset=utf-8");
        response.headers().set("X-Content-Type-Options", "nosniff");
        response.headers().set(HttpHeaderNames.CONTENT_LENGTH, body.length);
        response.headers().set(HttpHeaderNames.CONNECTION, HttpHeaderValues.CLOSE);
        return response;
    }

    private void refuse(ChannelHandlerContext context, HttpResponseStatus status, String text) {
        close(context, response(status, text));
    }

    private void close(ChannelHandlerContext context, FullHttpResponse response) {
        answered = true;
        var _ = context.writeAndFlush(response).addListener(ChannelFutureListener.CLOSE);
    }
}
