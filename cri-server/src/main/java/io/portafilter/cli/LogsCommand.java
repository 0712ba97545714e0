package io.portafilter.cli;

import io.grpc.StatusRuntimeException;
import io.portafilter.config.ConfigException;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ContainerStatus;
import io.portafilter.cri.v1.ContainerStatusRequest;
import io.portafilter.state.Bytes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "logs",
        description = "Prints a container's log: its stdout on stdout, its stderr on stderr.",
        mixinStandardHelpOptions = true)
final class LogsCommand implements Callable<Integer> {
    private static final int POLL_MILLIS = 50;

    @Mixin
    private ServerOptions server = new ServerOptions();

    @Parameters(
            paramLabel = "CONTAINER",
            description = "An id or its beginning, a name, POD/NAME, or a pod with one container.")
    private String container = "";

    @Option(
            names = {"-f", "--follow"},
            description = "Goes on until the container ends.")
    private boolean follow;

    @Option(names = "--tail", paramLabel = "N", description = "Only the last N lines. Default: all.")
    private Optional<Integer> tail = Optional.empty();

    @Option(
            names = {"-t", "--timestamps"},
            description = "Begins each line with its time.")
    private boolean timestamps;

    @Override
    public Integer call() throws CommandException, ConfigException, IOException, InterruptedException {
        try (Connection connection = server.connect()) {
            String id = Lookup.container(connection, container).getId();
            Path log = Path.of(status(connection, id).getLogPath());
            if (log.toString().isEmpty()) {
                throw new CommandException(ExitStatus.FAILED, "container " + container + " was made without a log");
            }
            ContainerOutput output = ContainerOutput.ofProcess();
            LogFollower.Sink sink = timestamps ? output.timed() : output.plain();
            try (LogFollower reader = new LogFollower(log)) {
                if (!Files.exists(log) && !follow) {
                    throw new CommandException(ExitStatus.FAILED, "there is no log yet: " + log);
                }
                first(reader, sink);
                output.flush();
                while (follow) {
                    // Asked before reading: what was written before the end is read after it.
                    boolean ended = hasEnded(connection, id);
                    reader.poll(sink);
                    output.flush();
                    if (ended) {
                        break;
                    }
                    Thread.sleep(POLL_MILLIS);
                }
                sink.end();
                output.flush();
            }
        }
        return 0;
    }

    private void first(LogFollower reader, LogFollower.Sink sink) throws IOException {
        if (tail.isEmpty()) {
            reader.poll(sink);
            return;
        }
        LastLines last = new LastLines(tail.get());
        reader.poll(last);
        last.replay(sink);
    }

    private static boolean hasEnded(Connection connection, String id) {
        try {
            return status(connection, id).getState() == ContainerState.CONTAINER_EXITED;
        } catch (StatusRuntimeException e) {
            if (Connection.isNotFound(e)) {
                return true;
            }
            throw e;
        }
    }

    private static ContainerStatus status(Connection connection, String id) {
        return connection
                .runtime()
                .containerStatus(
                        ContainerStatusRequest.newBuilder().setContainerId(id).build())
                .getStatus();
    }

    /** Keeps the pieces of the last lines. */
    private static final class LastLines implements LogFollower.Sink {
        private record Piece(String time, boolean stderr, Bytes text, boolean whole) {}

        private final int limit;
        private final Deque<Piece> pieces = new ArrayDeque<>();
        private int wholeLines;

        private LastLines(int limit) {
            this.limit = Math.max(0, limit);
        }

        @Override
        public void accept(String time, boolean stderr, byte[] text, int offset, int length, boolean whole) {
            byte[] copy = new byte[length];
            System.arraycopy(text, offset, copy, 0, length);
            pieces.addLast(new Piece(time, stderr, Bytes.copyOf(copy), whole));
            wholeLines += whole ? 1 : 0;
            while (wholeLines > limit) {
                wholeLines -= pieces.removeFirst().whole ? 1 : 0;
            }
        }

        private void replay(LogFollower.Sink sink) throws IOException {
            for (Piece piece : pieces) {
                sink.accept(piece.time, piece.stderr, piece.text.toByteArray(), 0, piece.text.size(), piece.whole);
            }
        }
    }
}
