package io.portafilter.streaming;

import io.netty.buffer.Unpooled;
import io.netty.channel.IoEventLoop;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.LinuxConstants;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * Connections to ports of a pod, each a pair of streams, data and error, that belong together by their {@code requestID}.
 * Without one, as with clients older than that header, the error stream's number is the id, and the data stream's number
 * less two. The pod's 127.0.0.1 is tried, then its ::1. What cannot be connected is told on the error stream; the others
 * live on. The end of one direction is passed on, the other goes on.
 */
final class ForwardSession implements Session {

    private static final Logger LOG = System.getLogger(ForwardSession.class.getName());

    /** More different ports than this are forwarded, but not each told to the log. */
    private static final int LOGGED_PORTS = 32;

    private final StreamRequest.Forward request;
    private final StreamServer server;
    private final Map<String, Pair> waiting = new HashMap<>();
    private final Set<Pair> pairs = new HashSet<>();
    private final Set<Integer> logged = new HashSet<>();
    private Optional<ClientConnection> connection = Optional.empty();
    private boolean gone;

    ForwardSession(StreamRequest.Forward request, StreamServer server) {
        this.request = request;
        this.server = server;
    }

    @Override
    public void begin(ClientConnection opened) {
        connection = Optional.of(opened);
        log("started");
    }

    private void log(String what) {
        ClientConnection client = connection.orElseThrow();
        LOG.log(
                Level.INFO,
                "portforward." + what + " peer=" + client.channel().remoteAddress() + " " + request.where()
                        + " protocol=" + client.protocol());
    }

    private IoEventLoop loop() {
        return (IoEventLoop) connection.orElseThrow().channel().eventLoop();
    }

    private static Optional<Integer> port(Map<String, String> headers) {
        String text = headers.getOrDefault("port", "");
        if (!text.matches("[0-9]{1,5}")) {
            return Optional.empty();
        }
        return Optional.of(Integer.valueOf(text)).filter(port -> port >= 1 && port <= 0xffff);
    }

    private static boolean isData(Map<String, String> headers) {
        return headers.getOrDefault("streamtype", "").equals("data");
    }

    private static String id(int number, Map<String, String> headers) {
        String id = headers.getOrDefault("requestid", "");
        return !id.isEmpty() ? id : Integer.toString(isData(headers) ? number - 2 : number);
    }

    @Override
    public boolean accepts(Map<String, String> headers) {
        String type = headers.getOrDefault("streamtype", "");
        return port(headers).isPresent() && (type.equals("data") || type.equals("error"));
    }

    @Override
    public void opened(int number, Map<String, String> headers, ClientStream stream) {
        String id = id(number, headers);
        int port = port(headers).orElseThrow();
        Pair pair = waiting.computeIfAbsent(id, _ -> new Pair(id, port));
        pair.add(isData(headers), stream);
    }

    @Override
    public void clientGone() {
        gone = true;
        List.copyOf(waiting.values()).forEach(Pair::end);
        List.copyOf(pairs).forEach(Pair::end);
    }

    /** Two streams and their connection in the pod. */
    private final class Pair {
        private final String id;
        private final int port;
        private final Future<?> limit;
        private Optional<ClientStream> data = Optional.empty();
        private Optional<ClientStream> error = Optional.empty();
        private Optional<PodConnecting> connecting = Optional.empty();
        private Optional<PodConnection> pod = Optional.empty();
        private boolean ended;

        Pair(String id, int port) {
            this.id = id;
            this.port = port;
            this.limit = loop().schedule(
                            this::isLate, CommandSession.STREAM_CREATION_LIMIT.toMillis(), TimeUnit.MILLISECONDS);
        }

        private void isLate() {
            if (data.isEmpty() || error.isEmpty()) {
                fail("timed out waiting for the client to create both streams");
            }
        }

        void add(boolean isData, ClientStream stream) {
            if ((isData ? data : error).isPresent()) {
                stream.reset();
                fail((isData ? "data" : "error") + " stream already assigned");
                return;
            }
            if (isData) {
                data = Optional.of(stream);
            } else {
                error = Optional.of(stream);
                stream.receiver(new Discard(stream));
            }
            if (data.isPresent() && error.isPresent()) {
                limit.cancel(false);
                waiting.remove(id);
                pairs.add(this);
                open();
            }
        }

        private void open() {
            if (logged.size() < LOGGED_PORTS && logged.add(port)) {
                log("connecting port=" + port);
            }
            IoEventLoop loop = loop();
            server.work(() -> {
                try {
                    StreamRequest.Sockets sockets = request.sockets().call();
                    loop.execute(() -> connect(sockets));
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    loop.execute(() -> fail("the server is ending"));
                } catch (Exception e) {
                    LOG.log(Level.DEBUG, "portforward.failed " + request.where() + " cause=" + e);
                    loop.execute(() -> fail(String.valueOf(e.getMessage())));
                }
            });
        }

        private void connect(StreamRequest.Sockets sockets) {
            if (ended) {
                sockets.close();
                return;
            }
            PodConnecting attempt = new PodConnecting(sockets, port, loop(), this::connected, this::fail);
            connecting = Optional.of(attempt);
            attempt.next();
        }

        private void connected(Fd socket) {
            connecting = Optional.empty();
            PodConnection connection = new PodConnection(socket, data.orElseThrow());
            pod = Optional.of(connection);
            connection.start();
        }

        /** Tells why on the error stream; the data stream is cut. */
        private void fail(String why) {
            if (ended) {
                return;
            }
            String message = "error forwarding port " + port + " to the pod: " + why;
            error.ifPresent(stream -> stream.write(Unpooled.wrappedBuffer(message.getBytes(StandardCharsets.UTF_8))));
            data.ifPresent(ClientStream::reset);
            end();
        }

        /** Nothing goes either way any more. */
        private void end() {
            if (ended) {
                return;
            }
            ended = true;
            limit.cancel(false);
            waiting.remove(id, this);
            pairs.remove(this);
            connecting.ifPresent(PodConnecting::cancel);
            pod.ifPresent(PodConnection::close);
            if (!gone) {
                data.ifPresent(ClientStream::finish);
                error.ifPresent(ClientStream::finish);
            }
        }

        /** A connected socket, and what goes between it and the client's data stream. */
        private final class PodConnection {
            private final Fd socket;
            /** One descriptor can be watched but once. */
            private final Fd forReading;

            private final ClientStream client;
            private final InputPump input;
            private Optional<OutputPump> output = Optional.empty();
            private boolean clientEnded;
            private boolean podEnded;

            @SuppressWarnings("MustBeClosedChecker") // closed with this
            PodConnection(Fd socket, ClientStream client) {
                this.socket = socket;
                this.forReading = socket.duplicate();
                this.client = client;
                this.input = new InputPump(loop(), socket, client, this::clientEnded);
            }

            void start() {
                output = Optional.of(
                        new OutputPump(loop(), forReading, Optional.of(client), server.chunk(), this::podEnded));
                client.receiver(input);
            }

            private void clientEnded() {
                clientEnded = true;
                try {
                    Kernel.shutdown(socket, LinuxConstants.SHUT_WR);
                } catch (KernelException e) {
                    if (!e.is(Errno.ENOTCONN)) {
                        throw e;
                    }
                }
                endIfBoth();
            }

            private void podEnded() {
                podEnded = true;
                client.finish();
                endIfBoth();
            }

            private void endIfBoth() {
                if (clientEnded && podEnded || input.isBroken()) {
                    end();
                }
            }

            void close() {
                input.stop();
                output.ifPresent(OutputPump::stop);
                try (socket) {
                    forReading.close();
                }
            }
        }
    }
}
