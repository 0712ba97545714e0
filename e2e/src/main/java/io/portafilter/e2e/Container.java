package io.portafilter.e2e;

import com.google.protobuf.ByteString;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ContainerStatus;
import io.portafilter.cri.v1.ContainerStatusRequest;
import io.portafilter.cri.v1.ExecSyncRequest;
import io.portafilter.cri.v1.ExecSyncResponse;
import io.portafilter.cri.v1.LinuxContainerResources;
import io.portafilter.cri.v1.RemoveContainerRequest;
import io.portafilter.cri.v1.StartContainerRequest;
import io.portafilter.cri.v1.StopContainerRequest;
import io.portafilter.cri.v1.UpdateContainerResourcesRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** A container on a server. */
public record Container(CriServer server, String id, Path log) {
    private static final Duration EXIT = Duration.ofSeconds(30);
    private static final Pattern PID = Pattern.compile("\"pid\"\\s*:\\s*(\\d+)");

    /** What an exec left, as text. */
    public record Output(String stdout, String stderr, int exitCode) {}

    /** A line of a log in CRI form. */
    public record LogLine(String time, String stream, String tag, String text) {
        static LogLine parse(String line) {
            String[] part = line.split(" ", 4);
            if (part.length < 4) {
                throw new AssertionError("not a CRI log line: " + line);
            }
            return new LogLine(part[0], part[1], part[2], part[3]);
        }
    }

    public void start() {
        var _ = server.cri()
                .runtime()
                .startContainer(
                        StartContainerRequest.newBuilder().setContainerId(id).build());
    }

    public ContainerStatus status() {
        return server.cri()
                .runtime()
                .containerStatus(
                        ContainerStatusRequest.newBuilder().setContainerId(id).build())
                .getStatus();
    }

    public Map<String, String> info() {
        return server.cri()
                .runtime()
                .containerStatus(ContainerStatusRequest.newBuilder()
                        .setContainerId(id)
                        .setVerbose(true)
                        .build())
                .getInfoMap();
    }

    /** The first process on the host, as verbose status tells it. */
    public Proc process() {
        return new Proc(pidIn(info()));
    }

    static long pidIn(Map<String, String> info) {
        String all = String.join("\n", info.values());
        Matcher pid = PID.matcher(info.getOrDefault("info", all));
        if (info.containsKey("pid")) {
            return Long.parseLong(Proc.required(info, "pid"));
        }
        if (!pid.find()) {
            throw new AssertionError("no pid in the verbose information: " + all);
        }
        return Long.parseLong(pid.group(1));
    }

    /** Waits until the container has exited and answers its status. */
    public ContainerStatus awaitExit() {
        Await.until("container " + id + " exits", EXIT, () -> status().getState() == ContainerState.CONTAINER_EXITED);
        return status();
    }

    /**
     * Waits until the first process has a handler for a signal: before that, process 1 of a PID namespace does not even
     * notice that it was sent.
     */
    public void awaitHandlerOf(int signal) {
        Proc process = process();
        Await.until(
                "container " + id + " handles signal " + signal,
                EXIT,
                () -> (Long.parseUnsignedLong(Proc.required(process.status(), "SigCgt"), 16) >>> (signal - 1) & 1)
                        == 1);
    }

    public Output exec(String... command) {
        return exec(Duration.ZERO, command);
    }

    public Output exec(Duration timeout, String... command) {
        ExecSyncResponse answer = server.cri()
                .runtime()
                .execSync(ExecSyncRequest.newBuilder()
                        .setContainerId(id)
                        .addAllCmd(List.of(command))
                        .setTimeout(timeout.toSeconds())
                        .build());
        return new Output(text(answer.getStdout()), text(answer.getStderr()), answer.getExitCode());
    }

    /** Standard output of {@code /bin/sh -c SCRIPT}, which must succeed, without the last newline. */
    public String shell(String script) {
        Output output = exec("/bin/sh", "-c", script);
        if (output.exitCode() != 0) {
            throw new AssertionError("exec of \"" + script + "\": " + output);
        }
        return output.stdout().stripTrailing();
    }

    public void stop(Duration grace) {
        var _ = server.cri()
                .runtime()
                .stopContainer(StopContainerRequest.newBuilder()
                        .setContainerId(id)
                        .setTimeout(grace.toSeconds())
                        .build());
    }

    /** UpdateContainerResources with these fields. */
    public void update(Consumer<LinuxContainerResources.Builder> change) {
        LinuxContainerResources.Builder resources = LinuxContainerResources.newBuilder();
        change.accept(resources);
        var _ = server.cri()
                .runtime()
                .updateContainerResources(UpdateContainerResourcesRequest.newBuilder()
                        .setContainerId(id)
                        .setLinux(resources)
                        .build());
    }

    public void remove() {
        var _ = server.cri()
                .runtime()
                .removeContainer(
                        RemoveContainerRequest.newBuilder().setContainerId(id).build());
    }

    public List<LogLine> logLines() {
        try {
            if (!Files.exists(log)) {
                return List.of();
            }
            String text = Files.readString(log);
            // The last line may be in the middle of its write.
            return text.substring(0, text.lastIndexOf('\n') + 1)
                    .lines()
                    .map(LogLine::parse)
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What the program wrote to one stream, as it wrote it. */
    public String logged(String stream) {
        return logLines().stream()
                .filter(line -> line.stream().equals(stream))
                .map(line -> line.text() + (line.tag().startsWith("F") ? "\n" : ""))
                .collect(Collectors.joining());
    }

    /** Standard output of a container that has exited, complete: waits until the log holds its last line. */
    public String output() {
        var _ = awaitExit();
        return logged("stdout");
    }

    private static String text(ByteString bytes) {
        return bytes.toString(StandardCharsets.UTF_8);
    }
}
