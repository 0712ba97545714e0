package io.portafilter.e2e;

import io.portafilter.cri.v1.AttachRequest;
import io.portafilter.cri.v1.ExecRequest;
import io.portafilter.cri.v1.PortForwardRequest;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/** Asks for URLs and goes there. */
public final class StreamRequests {
    private StreamRequests() {}

    /** Asks for output alone. */
    public static void output(ExecRequest.Builder request) {
        // which is asked for anyway
    }

    /** Asks for input, too. */
    public static void input(ExecRequest.Builder request) {
        request.setStdin(true);
    }

    /** The URL of an exec with stdout and stderr, and what else is asked for. */
    public static String execUrl(Container container, Consumer<ExecRequest.Builder> more, String... command) {
        ExecRequest.Builder request = ExecRequest.newBuilder()
                .setContainerId(container.id())
                .addAllCmd(List.of(command))
                .setStdout(true)
                .setStderr(true);
        more.accept(request);
        return container.server().cri().runtime().exec(request.build()).getUrl();
    }

    /** An exec with stdout and stderr, and what else is asked for. */
    public static StreamClient exec(
            Container container, String protocol, Consumer<ExecRequest.Builder> more, String... command)
            throws IOException {
        ExecRequest.Builder asked = ExecRequest.newBuilder().setStdout(true).setStderr(true);
        more.accept(asked);
        List<String> streams = new ArrayList<>();
        if (asked.getStdin()) {
            streams.add("stdin");
        }
        if (asked.getStdout()) {
            streams.add("stdout");
        }
        if (asked.getStderr()) {
            streams.add("stderr");
        }
        if (asked.getTty()) {
            streams.add("resize");
        }
        return StreamClient.command(execUrl(container, more, command), protocol, streams);
    }

    /** Attaches; {@code streams} of stdin, stdout, stderr, resize. */
    public static StreamClient attach(Container container, String protocol, List<String> streams) throws IOException {
        String url = container
                .server()
                .cri()
                .runtime()
                .attach(AttachRequest.newBuilder()
                        .setContainerId(container.id())
                        .setStdin(streams.contains("stdin"))
                        .setStdout(streams.contains("stdout"))
                        .setStderr(streams.contains("stderr"))
                        .setTty(streams.contains("resize"))
                        .build())
                .getUrl();
        return StreamClient.command(url, protocol, streams);
    }

    /** The URL of a port-forward. */
    public static String forwardUrl(Pod pod, Integer... ports) {
        return pod.server()
                .cri()
                .runtime()
                .portForward(PortForwardRequest.newBuilder()
                        .setPodSandboxId(pod.id())
                        .addAllPort(List.of(ports))
                        .build())
                .getUrl();
    }

    /** Whether a program whose arguments begin so runs in a container. */
    public static boolean runs(Container container, String arguments) {
        return container.shell("ps -o args").lines().anyMatch(line -> line.startsWith(arguments));
    }
}
