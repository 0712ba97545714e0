package io.portafilter.cli;

import io.portafilter.cri.VerboseInfo;
import io.portafilter.cri.v1.AttachRequest;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ContainerStatus;
import io.portafilter.cri.v1.ContainerStatusRequest;
import io.portafilter.cri.v1.ContainerStatusResponse;
import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import java.util.OptionalInt;

/**
 * A container whose first program is connected to this process's own standard streams.
 *
 * @param id its id
 * @param stdin whether it takes input
 * @param tty whether it has a terminal
 */
record AttachedContainer(Connection connection, String id, boolean stdin, boolean tty) {

    /** How long the record of an end may take after the last of its output. */
    private static final Duration END_LIMIT = Duration.ofSeconds(30);

    private static final Duration POLL = Duration.ofMillis(20);

    /** As it was made; asks the server for that. */
    static AttachedContainer of(Connection connection, String id) {
        ContainerStatusResponse answer = connection
                .runtime()
                .containerStatus(ContainerStatusRequest.newBuilder()
                        .setContainerId(id)
                        .setVerbose(true)
                        .build());
        Map<?, ?> config =
                VerboseInfo.parse(answer.getInfoOrDefault("info", "{}")).get("config") instanceof Map<?, ?> map
                        ? map
                        : Map.of();
        return new AttachedContainer(
                connection, id, Boolean.TRUE.equals(config.get("stdin")), Boolean.TRUE.equals(config.get("tty")));
    }

    /**
     * Stays connected until the program ends, and answers its exit status, or until the keys that detach, and answers 0.
     *
     * @param types whether what is read here goes there
     * @param detaches whether there are such keys
     */
    int run(boolean types, boolean detaches) throws CommandException, IOException, InterruptedException {
        boolean input = types && stdin;
        // A terminal is only changed if it is what is read: logs of a container with one can be piped.
        boolean own = tty && input && OwnTerminal.isThere();
        String url = connection
                .runtime()
                .attach(AttachRequest.newBuilder()
                        .setContainerId(id)
                        .setStdin(input)
                        .setStdout(true)
                        .setStderr(!tty)
                        .setTty(tty)
                        .build())
                .getUrl();
        RemoteProgram.End end = RemoteProgram.attach(url, input, own, detaches);
        return end == RemoteProgram.End.DETACHED ? 0 : exitStatus();
    }

    private int exitStatus() throws CommandException, InterruptedException {
        long deadline = System.nanoTime() + END_LIMIT.toNanos();
        while (System.nanoTime() < deadline) {
            OptionalInt ended = ended();
            if (ended.isPresent()) {
                return ended.getAsInt();
            }
            Thread.sleep(POLL);
        }
        throw new CommandException(
                ExitStatus.FAILED, "the connection has ended, and container " + id + " has not: attach again");
    }

    private OptionalInt ended() {
        ContainerStatus status = connection
                .runtime()
                .containerStatus(
                        ContainerStatusRequest.newBuilder().setContainerId(id).build())
                .getStatus();
        return status.getState() == ContainerState.CONTAINER_EXITED
                ? OptionalInt.of(status.getExitCode())
                : OptionalInt.empty();
    }
}
