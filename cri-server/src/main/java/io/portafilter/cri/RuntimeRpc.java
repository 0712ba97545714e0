package io.portafilter.cri;

import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.portafilter.container.ContainerPlan;
import io.portafilter.cri.v1.*;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.PodRecord;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.Optional;

/** CRI's RuntimeService, a short method for each call; those that are not here answer UNIMPLEMENTED. */
final class RuntimeRpc extends RuntimeServiceGrpc.RuntimeServiceImplBase {

    private static final Logger LOG = System.getLogger(RuntimeRpc.class.getName());

    private final Recovered recovered;

    RuntimeRpc(Recovered recovered) {
        this.recovered = recovered;
    }

    private Services runtime() {
        return recovered.services();
    }

    private static <A> void reply(StreamObserver<A> to, A answer) {
        to.onNext(answer);
        to.onCompleted();
    }

    // ---- the runtime

    @Override
    public void version(VersionRequest request, StreamObserver<VersionResponse> answer) {
        reply(answer, RuntimeStatusAnswers.version());
    }

    @Override
    public void status(StatusRequest request, StreamObserver<StatusResponse> answer) {
        reply(answer, RuntimeStatusAnswers.status(runtime(), request.getVerbose()));
    }

    @Override
    public void runtimeConfig(RuntimeConfigRequest request, StreamObserver<RuntimeConfigResponse> answer) {
        reply(answer, RuntimeStatusAnswers.config(runtime().config()));
    }

    @Override
    public void updateRuntimeConfig(
            UpdateRuntimeConfigRequest request, StreamObserver<UpdateRuntimeConfigResponse> answer) {
        runtime().podCidr().set(request.getRuntimeConfig().getNetworkConfig().getPodCidr());
        reply(answer, UpdateRuntimeConfigResponse.getDefaultInstance());
    }

    // ---- pods

    @Override
    public void runPodSandbox(RunPodSandboxRequest request, StreamObserver<RunPodSandboxResponse> answer) {
        String id = runtime().pods().run(request);
        reply(answer, RunPodSandboxResponse.newBuilder().setPodSandboxId(id).build());
    }

    @Override
    public void stopPodSandbox(StopPodSandboxRequest request, StreamObserver<StopPodSandboxResponse> answer) {
        runtime().pods().stop(request.getPodSandboxId());
        reply(answer, StopPodSandboxResponse.getDefaultInstance());
    }

    @Override
    public void removePodSandbox(RemovePodSandboxRequest request, StreamObserver<RemovePodSandboxResponse> answer) {
        runtime().pods().remove(request.getPodSandboxId());
        reply(answer, RemovePodSandboxResponse.getDefaultInstance());
    }

    @Override
    public void podSandboxStatus(PodSandboxStatusRequest request, StreamObserver<PodSandboxStatusResponse> answer) {
        Services runtime = runtime();
        LivePod pod = runtime.podTable().require(request.getPodSandboxId());
        PodRecord record = runtime.pods().record(pod);
        PodSandboxStatusResponse.Builder response = PodSandboxStatusResponse.newBuilder()
                .setStatus(CriAnswers.status(pod, record))
                .setTimestamp(Node.now());
        for (LiveContainer container : runtime.containers().ofPod(pod.id())) {
            runtime.node()
                    .database()
                    .container(container.id())
                    .ifPresent(found -> response.addContainersStatuses(
                            CriAnswers.status(container, found, plan(runtime, container))));
        }
        if (request.getVerbose()) {
            response.putInfo("info", RuntimeStatusAnswers.podInfo(runtime, pod, record));
        }
        reply(answer, response.build());
    }

    @Override
    public void listPodSandbox(ListPodSandboxRequest request, StreamObserver<ListPodSandboxResponse> answer) {
        reply(
                answer,
                ListPodSandboxResponse.newBuilder()
                        .setUnknownFields(ListItem.repeated(
                                ListPodSandboxResponse.ITEMS_FIELD_NUMBER,
                                runtime().listing().pods(request.getFilter()).toList()))
                        .build());
    }

    @Override
    public void streamPodSandboxes(
            StreamPodSandboxesRequest request, StreamObserver<StreamPodSandboxesResponse> answer) {
        ListStream.send(
                answer,
                runtime().listing().pods(request.getFilter()),
                StreamPodSandboxesResponse.POD_SANDBOXES_FIELD_NUMBER,
                pods -> StreamPodSandboxesResponse.newBuilder()
                        .setUnknownFields(pods)
                        .build());
    }

    @Override
    public void updatePodSandboxResources(
            UpdatePodSandboxResourcesRequest request, StreamObserver<UpdatePodSandboxResourcesResponse> answer) {
        runtime().resources().pod(request);
        reply(answer, UpdatePodSandboxResourcesResponse.getDefaultInstance());
    }

    // ---- containers

    @Override
    public void createContainer(CreateContainerRequest request, StreamObserver<CreateContainerResponse> answer) {
        String id = runtime().containers().create(request);
        reply(answer, CreateContainerResponse.newBuilder().setContainerId(id).build());
    }

    @Override
    public void startContainer(StartContainerRequest request, StreamObserver<StartContainerResponse> answer) {
        runtime().containers().start(request.getContainerId());
        reply(answer, StartContainerResponse.getDefaultInstance());
    }

    @Override
    public void stopContainer(StopContainerRequest request, StreamObserver<StopContainerResponse> answer) {
        runtime().containers().stop(request.getContainerId(), request.getTimeout());
        reply(answer, StopContainerResponse.getDefaultInstance());
    }

    @Override
    public void removeContainer(RemoveContainerRequest request, StreamObserver<RemoveContainerResponse> answer) {
        runtime().containers().remove(request.getContainerId());
        reply(answer, RemoveContainerResponse.getDefaultInstance());
    }

    @Override
    public void containerStatus(ContainerStatusRequest request, StreamObserver<ContainerStatusResponse> answer) {
        Services runtime = runtime();
        LiveContainer container = runtime.containerTable().require(request.getContainerId());
        ContainerRecord record = runtime.containers().record(container);
        Optional<ContainerPlan> plan = plan(runtime, container);
        ContainerStatusResponse.Builder response =
                ContainerStatusResponse.newBuilder().setStatus(CriAnswers.status(container, record, plan));
        if (request.getVerbose()) {
            response.putInfo(
                    "info",
                    RuntimeStatusAnswers.containerInfo(
                            runtime.node(),
                            container,
                            record,
                            runtime.node().database().pod(container.podId()),
                            plan.filter(_ -> Explaining.isAsked())
                                    .flatMap(known -> ContainerExplanation.of(runtime, container, known, record))));
        }
        reply(answer, response.build());
    }

    /** Who it runs as; what an earlier boot's container ran as, nobody knows any more. */
    private static Optional<ContainerPlan> plan(Services runtime, LiveContainer container) {
        try {
            return Optional.of(runtime.containers().plan(container));
        } catch (RuntimeException e) {
            LOG.log(Level.DEBUG, "container.plan id=" + container.id() + " cause=" + e.getMessage());
            return Optional.empty();
        }
    }

    @Override
    public void listContainers(ListContainersRequest request, StreamObserver<ListContainersResponse> answer) {
        reply(
                answer,
                ListContainersResponse.newBuilder()
                        .setUnknownFields(ListItem.repeated(
                                ListContainersResponse.CONTAINERS_FIELD_NUMBER,
                                runtime()
                                        .listing()
                                        .containers(request.getFilter())
                                        .toList()))
                        .build());
    }

    @Override
    public void streamContainers(StreamContainersRequest request, StreamObserver<StreamContainersResponse> answer) {
        ListStream.send(
                answer,
                runtime().listing().containers(request.getFilter()),
                StreamContainersResponse.CONTAINERS_FIELD_NUMBER,
                containers -> StreamContainersResponse.newBuilder()
                        .setUnknownFields(containers)
                        .build());
    }

    @Override
    public void updateContainerResources(
            UpdateContainerResourcesRequest request, StreamObserver<UpdateContainerResourcesResponse> answer) {
        runtime().resources().container(request);
        reply(answer, UpdateContainerResourcesResponse.getDefaultInstance());
    }

    @Override
    public void execSync(ExecSyncRequest request, StreamObserver<ExecSyncResponse> answer) {
        runtime().execSync().run(request, response -> reply(answer, response));
    }

    @Override
    public void exec(ExecRequest request, StreamObserver<ExecResponse> answer) {
        String url = runtime().streams().exec(request);
        reply(answer, ExecResponse.newBuilder().setUrl(url).build());
    }

    @Override
    public void attach(AttachRequest request, StreamObserver<AttachResponse> answer) {
        String url = runtime().streams().attach(request);
        reply(answer, AttachResponse.newBuilder().setUrl(url).build());
    }

    @Override
    public void portForward(PortForwardRequest request, StreamObserver<PortForwardResponse> answer) {
        String url = runtime().streams().portForward(request);
        reply(answer, PortForwardResponse.newBuilder().setUrl(url).build());
    }

    @Override
    public void reopenContainerLog(
            ReopenContainerLogRequest request, StreamObserver<ReopenContainerLogResponse> answer) {
        runtime().containers().reopenLog(request.getContainerId());
        reply(answer, ReopenContainerLogResponse.getDefaultInstance());
    }

    // ---- statistics

    @Override
    public void containerStats(ContainerStatsRequest request, StreamObserver<ContainerStatsResponse> answer) {
        Services runtime = runtime();
        LiveContainer container = runtime.containerTable().require(request.getContainerId());
        ContainerStats stats =
                runtime.statistics().container(container, runtime.containers().record(container));
        reply(answer, ContainerStatsResponse.newBuilder().setStats(stats).build());
    }

    @Override
    public void listContainerStats(
            ListContainerStatsRequest request, StreamObserver<ListContainerStatsResponse> answer) {
        reply(
                answer,
                ListContainerStatsResponse.newBuilder()
                        .setUnknownFields(ListItem.repeated(
                                ListContainerStatsResponse.STATS_FIELD_NUMBER,
                                runtime()
                                        .statistics()
                                        .containers(request.getFilter())
                                        .toList()))
                        .build());
    }

    @Override
    public void streamContainerStats(
            StreamContainerStatsRequest request, StreamObserver<StreamContainerStatsResponse> answer) {
        ListStream.send(
                answer,
                runtime().statistics().containers(request.getFilter()),
                StreamContainerStatsResponse.CONTAINER_STATS_FIELD_NUMBER,
                stats -> StreamContainerStatsResponse.newBuilder()
                        .setUnknownFields(stats)
                        .build());
    }

    @Override
    public void podSandboxStats(PodSandboxStatsRequest request, StreamObserver<PodSandboxStatsResponse> answer) {
        Services runtime = runtime();
        LivePod pod = runtime.podTable().require(request.getPodSandboxId());
        PodSandboxStats stats = runtime.statistics().pod(pod, runtime.pods().record(pod));
        reply(answer, PodSandboxStatsResponse.newBuilder().setStats(stats).build());
    }

    @Override
    public void listPodSandboxStats(
            ListPodSandboxStatsRequest request, StreamObserver<ListPodSandboxStatsResponse> answer) {
        reply(
                answer,
                ListPodSandboxStatsResponse.newBuilder()
                        .setUnknownFields(ListItem.repeated(
                                ListPodSandboxStatsResponse.STATS_FIELD_NUMBER,
                                runtime().statistics().pods(request.getFilter()).toList()))
                        .build());
    }

    @Override
    public void streamPodSandboxStats(
            StreamPodSandboxStatsRequest request, StreamObserver<StreamPodSandboxStatsResponse> answer) {
        ListStream.send(
                answer,
                runtime().statistics().pods(request.getFilter()),
                StreamPodSandboxStatsResponse.POD_SANDBOX_STATS_FIELD_NUMBER,
                stats -> StreamPodSandboxStatsResponse.newBuilder()
                        .setUnknownFields(stats)
                        .build());
    }

    @Override
    public void getContainerEvents(GetEventsRequest request, StreamObserver<ContainerEventResponse> answer) {
        Services runtime = runtime();
        runtime.events()
                .listen(
                        (ServerCallStreamObserver<ContainerEventResponse>) answer,
                        container -> plan(runtime, container));
    }

    // ---- metrics

    @Override
    public void listMetricDescriptors(
            ListMetricDescriptorsRequest request, StreamObserver<ListMetricDescriptorsResponse> answer) {
        reply(
                answer,
                ListMetricDescriptorsResponse.newBuilder()
                        .addAllDescriptors(Metrics.descriptors())
                        .build());
    }

    @Override
    public void listPodSandboxMetrics(
            ListPodSandboxMetricsRequest request, StreamObserver<ListPodSandboxMetricsResponse> answer) {
        reply(
                answer,
                ListPodSandboxMetricsResponse.newBuilder()
                        .setUnknownFields(ListItem.repeated(
                                ListPodSandboxMetricsResponse.POD_METRICS_FIELD_NUMBER,
                                runtime().metrics().pods().toList()))
                        .build());
    }

    @Override
    public void streamPodSandboxMetrics(
            StreamPodSandboxMetricsRequest request, StreamObserver<StreamPodSandboxMetricsResponse> answer) {
        ListStream.send(
                answer,
                runtime().metrics().pods(),
                StreamPodSandboxMetricsResponse.POD_SANDBOX_METRICS_FIELD_NUMBER,
                metrics -> StreamPodSandboxMetricsResponse.newBuilder()
                        .setUnknownFields(metrics)
                        .build());
    }

    // ---- checkpoints

    @Override
    public void checkpointContainer(
            CheckpointContainerRequest request, StreamObserver<CheckpointContainerResponse> answer) {
        throw noCheckpoints("CheckpointContainer");
    }

    @Override
    public void checkpointPod(CheckpointPodRequest request, StreamObserver<CheckpointPodResponse> answer) {
        throw noCheckpoints("CheckpointPod");
    }

    @Override
    public void restorePod(RestorePodRequest request, StreamObserver<RestorePodResponse> answer) {
        throw noCheckpoints("RestorePod");
    }

    private static CriException noCheckpoints(String call) {
        return CriException.unsupported(
                call,
                "this version of Portafilter cannot write the state of processes to files, nor bring them back from there",
                "stop the container in order and start another one");
    }
}
