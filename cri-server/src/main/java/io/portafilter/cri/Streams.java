package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.precondition;

import io.grpc.Status;
import io.portafilter.container.ExecLaunch;
import io.portafilter.container.ExecRequest;
import io.portafilter.container.ProcessEnds;
import io.portafilter.cri.v1.AttachRequest;
import io.portafilter.cri.v1.PortForwardRequest;
import io.portafilter.launch.LaunchException;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.PodState;
import io.portafilter.streaming.StreamRequest;
import io.portafilter.streaming.StreamServer;
import java.util.List;

/**
 * Exec, Attach and PortForward: checks what is asked and answers with the URL where the client finds it. What must hold
 * when the client comes is checked again then.
 */
final class Streams {

    /** More than any pod has. */
    private static final int MOST_PORTS = 128;

    private final Node node;
    private final LiveTable<LivePod> pods;
    private final LiveTable<LiveContainer> containers;
    private final ContainerLifecycle lifecycle;
    private final PodLifecycle podLifecycle;
    private final StreamServer server;

    Streams(
            Node node,
            LiveTable<LivePod> pods,
            LiveTable<LiveContainer> containers,
            ContainerLifecycle lifecycle,
            PodLifecycle podLifecycle,
            StreamServer server) {
        this.node = node;
        this.pods = pods;
        this.containers = containers;
        this.lifecycle = lifecycle;
        this.podLifecycle = podLifecycle;
        this.server = server;
    }

    private String offer(StreamRequest request, String asked) {
        return server.offer(request)
                .orElseThrow(() -> new CriException(
                        Status.Code.RESOURCE_EXHAUSTED,
                        asked,
                        "too many URLs wait for their clients",
                        "each is given up after a minute"));
    }

    /** The URL of an exec. */
    String exec(io.portafilter.cri.v1.ExecRequest request) {
        LiveContainer container = containers.require(request.getContainerId());
        String asked = "Exec in " + container.id();
        ExecSync.requireCommand(request.getCmdList());
        requireStreams(request.getTty(), request.getStdin(), request.getStdout(), request.getStderr());
        ExecSync.requireRunning(lifecycle.record(container), asked);
        List<String> command = List.copyOf(request.getCmdList());
        return offer(
                new StreamRequest.Command(
                        StreamRequest.Kind.EXEC,
                        where(container),
                        command,
                        request.getStdin(),
                        request.getStdout(),
                        request.getStderr(),
                        request.getTty(),
                        () -> run(container, command, request, asked)),
                asked);
    }

    /** The URL of an attach; whether there is a terminal was decided when the container was made. */
    String attach(AttachRequest request) {
        LiveContainer container = containers.require(request.getContainerId());
        String asked = "Attach to " + container.id();
        requireStreams(request.getTty(), request.getStdin(), request.getStdout(), request.getStderr());
        ExecSync.requireRunning(lifecycle.record(container), asked);
        boolean terminal = container.spec().streams().terminal();
        boolean stdout = request.getStdout() || terminal && request.getStderr();
        boolean stderr = request.getStderr() && !terminal;
        return offer(
                new StreamRequest.Command(
                        StreamRequest.Kind.ATTACH,
                        where(container),
                        List.of(),
                        request.getStdin(),
                        stdout,
                        stderr,
                        terminal,
                        () -> lifecycle.attach(container, request.getStdin(), stdout, stderr)),
                asked);
    }

    private static String where(LiveContainer container) {
        return "container=" + container.name() + " id=" + container.id();
    }

    /** What kubelet's own server refuses is refused here, too; it offers no terminal with an stderr of its own. */
    private static void requireStreams(boolean tty, boolean stdin, boolean stdout, boolean stderr) {
        if (tty && stderr) {
            throw invalid("stderr", "true together with tty", "a terminal has one output: leave stderr out");
        }
        if (!stdin && !stdout && !stderr) {
            throw invalid("stdin, stdout, stderr", "all are false", "ask for one of them at least");
        }
    }

    @SuppressWarnings("MustBeClosedChecker") // who serves the client closes them
    private ProcessEnds run(
            LiveContainer container, List<String> command, io.portafilter.cri.v1.ExecRequest request, String asked)
            throws StreamRequest.NotRun {
        ContainerRecord record = lifecycle.record(container);
        ExecSync.requireRunning(record, asked);
        try {
            return ExecLaunch.start(
                    node.host(),
                    lifecycle.planToJoin(container),
                    ContainerEnd.cgroupPath(node, container),
                    record.launched().orElseThrow(),
                    new ExecRequest(
                            Places.newId(), command, ExecRequest.LONGEST_START, request.getTty(), request.getStdin()));
        } catch (LaunchException e) {
            if (e.isExecveError()) {
                throw new StreamRequest.NotRun(String.valueOf(e.getMessage()), ExecSync.exitCode(e));
            }
            throw e;
        }
    }

    /** The URL of a port-forward. */
    String portForward(PortForwardRequest request) {
        LivePod pod = pods.require(request.getPodSandboxId());
        String asked = "PortForward to " + pod.id();
        if (request.getPortCount() > MOST_PORTS) {
            throw invalid("port", request.getPortCount() + " ports", "at most " + MOST_PORTS);
        }
        for (int port : request.getPortList()) {
            if (port < 1 || port > 0xffff) {
                throw invalid("port", port + " is no port", "1 to 65535");
            }
        }
        requireReady(pod, asked);
        return offer(
                new StreamRequest.Forward("pod=" + pod.name() + " id=" + pod.id(), request.getPortList(), () -> {
                    requireReady(pod, asked);
                    return PodSockets.of(pod);
                }),
                asked);
    }

    private void requireReady(LivePod pod, String asked) {
        if (podLifecycle.record(pod).state() != PodState.READY) {
            throw precondition(asked, "the pod sandbox is not ready", "only a running one has connections");
        }
    }
}
