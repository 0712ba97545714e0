package io.portafilter.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.IoEventLoop;
import io.netty.channel.epoll.EpollIoOps;
import io.portafilter.container.ProcessEnds;
import io.portafilter.linux.Fd;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * An exec or attach. It begins when the client has opened all streams it asked for; it ends with the program, when
 * everything it wrote has been handed over and the error stream has told how it ended. Half-closed stdin ends the
 * program's input. When the client goes away an exec is killed with what it started, an attach lets go.
 */
final class CommandSession implements Session {

    private static final Logger LOG = System.getLogger(CommandSession.class.getName());

    /** How long a client may take to open its streams, as with kubelet's own server. */
    static final Duration STREAM_CREATION_LIMIT = Duration.ofSeconds(30);

    /** What a stream is for, by the header {@code streamType} or the number of a WebSocket's channel. */
    enum StreamType {
        STDIN(0),
        STDOUT(1),
        STDERR(2),
        ERROR(3),
        RESIZE(4);

        private final int channel;

        StreamType(int channel) {
            this.channel = channel;
        }

        int channel() {
            return channel;
        }
    }

    private final StreamRequest.Command request;
    private final CommandProtocol protocol;
    private final StreamServer server;
    private final Set<StreamType> expected = EnumSet.of(StreamType.ERROR);
    private final Map<StreamType, ClientStream> streams = new EnumMap<>(StreamType.class);
    private State state = new Waiting(Optional.empty());

    private sealed interface State {}

    /** For streams. */
    private record Waiting(Optional<Future<?>> limit) implements State {}

    /** The program is being started. */
    private record Starting() implements State {}

    /** The program runs, or has ended and its output is still being carried. */
    private record Running(Pumps pumps) implements State {}

    private record Ended() implements State {}

    private Optional<ClientConnection> connection = Optional.empty();

    CommandSession(StreamRequest.Command request, CommandProtocol protocol, StreamServer server) {
        this.request = request;
        this.protocol = protocol;
        this.server = server;
        if (request.stdin()) {
            expected.add(StreamType.STDIN);
        }
        if (request.stdout()) {
            expected.add(StreamType.STDOUT);
        }
        if (request.stderr()) {
            expected.add(StreamType.STDERR);
        }
        if (request.tty() && protocol.hasResize()) {
            expected.add(StreamType.RESIZE);
        }
    }

    /** The streams that the client is to open. */
    Set<StreamType> expected() {
        return Set.copyOf(expected);
    }

    private ClientConnection connection() {
        return connection.orElseThrow();
    }

    private IoEventLoop loop() {
        return (IoEventLoop) connection().channel().eventLoop();
    }

    @Override
    public void begin(ClientConnection opened) {
        connection = Optional.of(opened);
        LOG.log(
                Level.INFO,
                request.path() + ".started peer=" + opened.channel().remoteAddress() + " " + request.where()
                        + " protocol=" + opened.protocol() + " tty=" + request.tty()
                        + (request.command().isEmpty() ? "" : " command=" + LoggedCommand.of(request.command())));
        state = new Waiting(Optional.of(
                loop().schedule(this::streamsAreLate, STREAM_CREATION_LIMIT.toMillis(), TimeUnit.MILLISECONDS)));
    }

    private void streamsAreLate() {
        if (state instanceof Waiting) {
            end(new CommandEnd.Trouble("timed out waiting for the client to create streams"));
        }
    }

    private static Optional<StreamType> typeOf(Map<String, String> headers) {
        String name = headers.getOrDefault("streamtype", "");
        for (StreamType type : StreamType.values()) {
            if (type.name().toLowerCase(Locale.ROOT).equals(name)) {
                return Optional.of(type);
            }
        }
        return Optional.empty();
    }

    @Override
    public boolean accepts(Map<String, String> headers) {
        return state instanceof Waiting
                && typeOf(headers)
                        .filter(type -> expected.contains(type) && !streams.containsKey(type))
                        .isPresent();
    }

    @Override
    public void opened(int number, Map<String, String> headers, ClientStream stream) {
        streams.put(typeOf(headers).orElseThrow(), stream);
        if (streams.keySet().equals(expected) && state instanceof Waiting(Optional<Future<?>> limit)) {
            limit.ifPresent(timer -> timer.cancel(false));
            state = new Starting();
            start();
        }
    }

    private void start() {
        IoEventLoop loop = loop();
        server.work(() -> {
            try {
                ProcessEnds ends = request.open().call();
                handOver(loop, ends);
            } catch (StreamRequest.NotRun e) {
                loop.execute(() -> notRun(e));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                loop.execute(() -> end(new CommandEnd.Trouble("the server is ending")));
            } catch (Exception e) {
                LOG.log(Level.DEBUG, request.path() + ".failed " + request.where() + " cause=" + e);
                loop.execute(() -> end(new CommandEnd.Trouble(message(e))));
            }
        });
    }

    private static String message(Exception e) {
        String message = e.getMessage();
        return message == null ? e.getClass().getSimpleName() : message;
    }

    private void handOver(IoEventLoop loop, ProcessEnds ends) {
        try {
            loop.execute(() -> started(ends));
        } catch (RuntimeException e) {
            ends.close();
            throw e;
        }
    }

    private void started(ProcessEnds ends) {
        if (!(state instanceof Starting)) {
            server.work(ends::close);
            return;
        }
        Pumps pumps = new Pumps(ends);
        state = new Running(pumps);
        try {
            pumps.start();
        } catch (RuntimeException e) {
            LOG.log(Level.ERROR, request.path() + ".failed " + request.where(), e);
            end(new CommandEnd.Trouble(message(e)));
        }
    }

    private void notRun(StreamRequest.NotRun why) {
        Optional<ClientStream> shown =
                Optional.ofNullable(streams.getOrDefault(StreamType.STDERR, streams.get(StreamType.STDOUT)));
        shown.ifPresent(stream -> stream.write(utf8(why.getMessage() + (request.tty() ? "\r\n" : "\n"))));
        end(new CommandEnd.ExitCode(why.exitCode()));
    }

    private static ByteBuf utf8(String text) {
        return Unpooled.wrappedBuffer(text.getBytes(StandardCharsets.UTF_8));
    }

    /** Tells how it ended, last, and closes. */
    private void end(CommandEnd how) {
        if (state instanceof Ended) {
            return;
        }
        release();
        streams.forEach((type, stream) -> {
            if (type != StreamType.ERROR) {
                stream.finish();
            }
        });
        Optional.ofNullable(streams.get(StreamType.ERROR)).ifPresent(error -> {
            error.write(utf8(protocol.hasJsonStatus() ? how.json() : how.text()));
            error.finish();
        });
        connection().finish();
    }

    @Override
    public void clientGone() {
        if (!(state instanceof Ended)) {
            LOG.log(Level.DEBUG, request.path() + ".abandoned " + request.where());
            release();
        }
    }

    private void release() {
        State before = state;
        state = new Ended();
        switch (before) {
            case Waiting(Optional<Future<?>> limit) -> limit.ifPresent(timer -> timer.cancel(false));
            case Running(Pumps pumps) -> pumps.stop();
            case Starting(), Ended() -> {}
        }
    }

    /** What goes between the program and its client. */
    private final class Pumps {
        private final ProcessEnds ends;
        private Optional<InputPump> input = Optional.empty();
        private Optional<OutputPump> stdout = Optional.empty();
        private Optional<OutputPump> stderr = Optional.empty();
        private Optional<Watched> end = Optional.empty();
        private int outputs;
        private boolean programEnded;

        Pumps(ProcessEnds ends) {
            this.ends = ends;
        }

        void start() {
            outputs = (ends.stdout().isPresent() ? 1 : 0) + (ends.stderr().isPresent() ? 1 : 0);
            stdout = ends.stdout().map(pipe -> output(pipe, StreamType.STDOUT));
            stderr = ends.stderr().map(pipe -> output(pipe, StreamType.STDERR));
            Optional<ClientStream> stdin = Optional.ofNullable(streams.get(StreamType.STDIN));
            if (stdin.isPresent() && ends.stdin().isPresent()) {
                InputPump pump = new InputPump(loop(), ends.stdin().get(), stdin.get(), ends::endInput);
                input = Optional.of(pump);
                stdin.get().receiver(pump);
            } else {
                stdin.ifPresent(stream -> stream.receiver(new Discard(stream)));
            }
            Optional.ofNullable(streams.get(StreamType.RESIZE))
                    .ifPresent(stream -> stream.receiver(new TerminalSizes(stream, ends::resize)));
            end = Optional.of(Watched.of(loop(), ends.end(), EpollIoOps.EPOLLIN, this::programEnded));
        }

        private OutputPump output(Fd pipe, StreamType type) {
            Optional<ClientStream> stream = Optional.ofNullable(streams.get(type));
            return new OutputPump(loop(), pipe, stream, server.chunk(), () -> {
                stream.ifPresent(ClientStream::finish);
                outputs--;
                endIfDone();
            });
        }

        private void programEnded() {
            programEnded = true;
            stdout.ifPresent(OutputPump::drain);
            stderr.ifPresent(OutputPump::drain);
            endIfDone();
        }

        private void endIfDone() {
            if (programEnded && outputs == 0 && state instanceof Running(Pumps pumps) && pumps == this) {
                end(
                        request.kind() == StreamRequest.Kind.ATTACH
                                ? new CommandEnd.Success()
                                : CommandEnd.of(ends.exit()));
            }
        }

        /** Nothing is carried any more; the program's ends are given up, which may take a while. */
        void stop() {
            end.ifPresent(Watched::cancel);
            input.ifPresent(InputPump::stop);
            stdout.ifPresent(OutputPump::stop);
            stderr.ifPresent(OutputPump::stop);
            server.work(ends::close);
        }
    }
}
