package io.portafilter.e2e;

import com.google.protobuf.ByteString;
import io.grpc.Channel;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ContainerStatus;
import io.portafilter.cri.v1.ContainerStatusRequest;
import io.portafilter.cri.v1.CreateContainerRequest;
import io.portafilter.cri.v1.ExecSyncRequest;
import io.portafilter.cri.v1.ExecSyncResponse;
import io.portafilter.cri.v1.ListContainersRequest;
import io.portafilter.cri.v1.ListPodSandboxRequest;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.PodSandboxState;
import io.portafilter.cri.v1.PodSandboxStatus;
import io.portafilter.cri.v1.PodSandboxStatusRequest;
import io.portafilter.cri.v1.RemoveContainerRequest;
import io.portafilter.cri.v1.RemovePodSandboxRequest;
import io.portafilter.cri.v1.ReopenContainerLogRequest;
import io.portafilter.cri.v1.RunPodSandboxRequest;
import io.portafilter.cri.v1.RuntimeServiceGrpc;
import io.portafilter.cri.v1.RuntimeServiceGrpc.RuntimeServiceBlockingStub;
import io.portafilter.cri.v1.StartContainerRequest;
import io.portafilter.cri.v1.StopContainerRequest;
import io.portafilter.cri.v1.StopPodSandboxRequest;
import io.portafilter.cri.v1.StreamContainersRequest;
import io.portafilter.cri.v1.StreamPodSandboxesRequest;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.Supplier;

/** Makes the calls of random sequences, and tells how each ended. */
record Caller(Supplier<? extends Channel> channels, Impatience impatience, ScheduledExecutorService clock)
        implements AutoCloseable {

    private static final long LIMIT_SECONDS = 60;
    private static final long GRACE_SECONDS = 10;

    /** What happens when a caller's patience is at its end. */
    private sealed interface Impatience {
        /** It goes away. */
        record Leaves() implements Impatience {}

        /** The server is killed, and started again before the call counts as ended. */
        record Kills(PortafilterServer server) implements Impatience {}
    }

    static Caller on(ManagedChannel channel) {
        return new Caller(() -> channel, new Impatience.Leaves(), clocked());
    }

    /** One whose patience ends with the server: what was under way is then known to nobody. */
    static Caller killing(PortafilterServer server) {
        return new Caller(() -> server.cri().channel(), new Impatience.Kills(server), clocked());
    }

    boolean mayKill() {
        return impatience instanceof Impatience.Kills;
    }

    private static ScheduledExecutorService clocked() {
        return Executors.newSingleThreadScheduledExecutor(
                Thread.ofPlatform().daemon().factory());
    }

    private Channel channel() {
        return channels.get();
    }

    /** How a call ended, and its answer if it did so well. */
    record Outcome<A>(Status.Code code, String message, Optional<A> answer) {
        boolean isOk() {
            return code == Status.Code.OK;
        }
    }

    /**
     * Makes a call.
     *
     * @param patienceMicros after how long the caller goes away: by its deadline or, if odd, by cancelling; 0: never
     */
    private <A> Outcome<A> call(int patienceMicros, Function<RuntimeServiceBlockingStub, A> rpc) {
        RuntimeServiceBlockingStub stub = RuntimeServiceGrpc.newBlockingStub(channel());
        if (patienceMicros > 0 && impatience instanceof Impatience.Kills(PortafilterServer server)) {
            return killed(patienceMicros, server, rpc);
        }
        return called(patienceMicros, stub, rpc);
    }

    private <A> Outcome<A> killed(
            int patienceMicros, PortafilterServer server, Function<RuntimeServiceBlockingStub, A> rpc) {
        ProcessHandle process = ProcessHandle.of(server.pid()).orElseThrow();
        var _ = clock.schedule(process::destroyForcibly, patienceMicros, TimeUnit.MICROSECONDS);
        Outcome<A> outcome = called(0, RuntimeServiceGrpc.newBlockingStub(channel()), rpc);
        var _ = process.onExit().join();
        server.kill();
        var _ = server.start();
        server.awaitRecovery();
        // what ended with the server has no answer
        return outcome.code() == Status.Code.UNAVAILABLE
                ? new Outcome<>(Status.Code.CANCELLED, outcome.message(), Optional.empty())
                : outcome;
    }

    private <A> Outcome<A> called(
            int patienceMicros, RuntimeServiceBlockingStub stub, Function<RuntimeServiceBlockingStub, A> rpc) {
        try {
            if (patienceMicros == 0) {
                return ok(rpc.apply(stub.withDeadlineAfter(LIMIT_SECONDS, TimeUnit.SECONDS)));
            }
            if (patienceMicros % 2 == 0) {
                return ok(rpc.apply(stub.withDeadlineAfter(patienceMicros, TimeUnit.MICROSECONDS)));
            }
            return cancelled(patienceMicros, () -> rpc.apply(stub.withDeadlineAfter(LIMIT_SECONDS, TimeUnit.SECONDS)));
        } catch (StatusRuntimeException e) {
            String message = Optional.ofNullable(e.getStatus().getDescription()).orElse("");
            return new Outcome<>(e.getStatus().getCode(), message, Optional.empty());
        }
    }

    private <A> Outcome<A> cancelled(int patienceMicros, Supplier<A> call) {
        try (Context.CancellableContext context = Context.current().withCancellation()) {
            var _ = clock.schedule(() -> context.cancel(null), patienceMicros, TimeUnit.MICROSECONDS);
            Context before = context.attach();
            try {
                return ok(call.get());
            } finally {
                context.detach(before);
            }
        }
    }

    private static <A> Outcome<A> ok(A answer) {
        return new Outcome<>(Status.Code.OK, "", Optional.of(answer));
    }

    Outcome<String> runPod(int patience, PodSandboxConfig config) {
        return call(
                patience,
                stub -> stub.runPodSandbox(RunPodSandboxRequest.newBuilder()
                                .setConfig(config)
                                .build())
                        .getPodSandboxId());
    }

    Outcome<?> stopPod(int patience, String id) {
        return call(
                patience,
                stub -> stub.stopPodSandbox(
                        StopPodSandboxRequest.newBuilder().setPodSandboxId(id).build()));
    }

    Outcome<?> removePod(int patience, String id) {
        return call(
                patience,
                stub -> stub.removePodSandbox(
                        RemovePodSandboxRequest.newBuilder().setPodSandboxId(id).build()));
    }

    Outcome<PodSandboxStatus> podStatus(String id) {
        return call(
                0,
                stub -> stub.podSandboxStatus(PodSandboxStatusRequest.newBuilder()
                                .setPodSandboxId(id)
                                .build())
                        .getStatus());
    }

    Outcome<String> create(int patience, CreateContainerRequest request) {
        return call(patience, stub -> stub.createContainer(request).getContainerId());
    }

    Outcome<?> start(int patience, String id) {
        return call(
                patience,
                stub -> stub.startContainer(
                        StartContainerRequest.newBuilder().setContainerId(id).build()));
    }

    Outcome<?> stop(int patience, String id, boolean gently) {
        return call(
                patience,
                stub -> stub.stopContainer(StopContainerRequest.newBuilder()
                        .setContainerId(id)
                        .setTimeout(gently ? GRACE_SECONDS : 0)
                        .build()));
    }

    Outcome<?> remove(int patience, String id) {
        return call(
                patience,
                stub -> stub.removeContainer(
                        RemoveContainerRequest.newBuilder().setContainerId(id).build()));
    }

    /** A caller that goes away waits for a command that takes longer. */
    Outcome<ExecSyncResponse> exec(int patience, String id) {
        String script = patience > 0 ? "sleep 100" : "echo hello; exit 5";
        return call(
                patience,
                stub -> stub.execSync(ExecSyncRequest.newBuilder()
                        .setContainerId(id)
                        .addCmd("/bin/sh")
                        .addCmd("-c")
                        .addCmd(script)
                        .build()));
    }

    static boolean saysHello(ExecSyncResponse answer) {
        return answer.getExitCode() == 5 && answer.getStdout().equals(ByteString.copyFromUtf8("hello\n"));
    }

    Outcome<ContainerStatus> status(String id) {
        return call(
                0,
                stub -> stub.containerStatus(ContainerStatusRequest.newBuilder()
                                .setContainerId(id)
                                .build())
                        .getStatus());
    }

    Outcome<?> reopenLog(String id) {
        return call(
                0,
                stub -> stub.reopenContainerLog(ReopenContainerLogRequest.newBuilder()
                        .setContainerId(id)
                        .build()));
    }

    /** All pods by id, by the List call or by the Stream call; fails when one is there twice. */
    Map<String, PodSandboxState> pods(boolean streamed) {
        RuntimeServiceBlockingStub stub =
                RuntimeServiceGrpc.newBlockingStub(channel()).withDeadlineAfter(LIMIT_SECONDS, TimeUnit.SECONDS);
        Map<String, PodSandboxState> states = new TreeMap<>();
        if (streamed) {
            stub.streamPodSandboxes(StreamPodSandboxesRequest.getDefaultInstance())
                    .forEachRemaining(message ->
                            message.getPodSandboxesList().forEach(pod -> once(states, pod.getId(), pod.getState())));
        } else {
            stub.listPodSandbox(ListPodSandboxRequest.getDefaultInstance())
                    .getItemsList()
                    .forEach(pod -> once(states, pod.getId(), pod.getState()));
        }
        return states;
    }

    /** All containers; as {@link #pods}. */
    Map<String, ContainerState> containers(boolean streamed) {
        RuntimeServiceBlockingStub stub =
                RuntimeServiceGrpc.newBlockingStub(channel()).withDeadlineAfter(LIMIT_SECONDS, TimeUnit.SECONDS);
        Map<String, ContainerState> states = new TreeMap<>();
        if (streamed) {
            stub.streamContainers(StreamContainersRequest.getDefaultInstance())
                    .forEachRemaining(message -> message.getContainersList()
                            .forEach(found -> once(states, found.getId(), found.getState())));
        } else {
            stub.listContainers(ListContainersRequest.getDefaultInstance())
                    .getContainersList()
                    .forEach(found -> once(states, found.getId(), found.getState()));
        }
        return states;
    }

    private static <S> void once(Map<String, S> states, String id, S state) {
        if (states.put(id, state) != null) {
            throw new AssertionError(id + " is listed twice");
        }
    }

    @Override
    public void close() {
        clock.close();
    }
}
