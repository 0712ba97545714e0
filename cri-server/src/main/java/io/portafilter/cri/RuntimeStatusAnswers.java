package io.portafilter.cri;

import io.portafilter.audit.GivenRights;
import io.portafilter.cgroup.Cgroup;
import io.portafilter.config.Config;
import io.portafilter.container.HostFeatures;
import io.portafilter.container.OciRuntimeSpec;
import io.portafilter.container.Outcome;
import io.portafilter.cri.v1.LinuxRuntimeConfiguration;
import io.portafilter.cri.v1.RuntimeCondition;
import io.portafilter.cri.v1.RuntimeConfigResponse;
import io.portafilter.cri.v1.RuntimeFeatures;
import io.portafilter.cri.v1.RuntimeHandler;
import io.portafilter.cri.v1.RuntimeHandlerFeatures;
import io.portafilter.cri.v1.RuntimeStatus;
import io.portafilter.cri.v1.StatusResponse;
import io.portafilter.cri.v1.VersionResponse;
import io.portafilter.launch.ProgramText;
import io.portafilter.linux.ProcStatus;
import io.portafilter.network.NetworkReadiness;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.PodRecord;
import io.portafilter.state.PodState;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What Version, Status and RuntimeConfig answer, and the verbose part of others. */
final class RuntimeStatusAnswers {

    private static final String KUBELET_INTERFACE = "0.1.0";
    private static final String RUNTIME_API = "v1";
    private static final String RUNTIME_NAME = "portafilter";

    /** A server that is filtered itself hands its filters down. */
    private static final int OWN_FILTERS = ProcStatus.ownSeccompFilters();

    private RuntimeStatusAnswers() {}

    static VersionResponse version() {
        return VersionResponse.newBuilder()
                .setVersion(KUBELET_INTERFACE)
                .setRuntimeName(RUNTIME_NAME)
                .setRuntimeVersion(runtimeVersion())
                .setRuntimeApiVersion(RUNTIME_API)
                .build();
    }

    /** From the jar's manifest; a build outside of a jar has none. */
    private static String runtimeVersion() {
        return Optional.ofNullable(RuntimeStatusAnswers.class.getPackage().getImplementationVersion())
                .orElse("0.1.0-development");
    }

    /** Kubelet starts pods in the host's network alone while NetworkReady is false. */
    static StatusResponse status(Services services, boolean verbose) {
        NetworkReadiness network = services.network().readiness();
        StatusResponse.Builder response = StatusResponse.newBuilder()
                .setStatus(RuntimeStatus.newBuilder()
                        .addConditions(RuntimeCondition.newBuilder()
                                .setType("RuntimeReady")
                                .setStatus(true))
                        .addConditions(RuntimeCondition.newBuilder()
                                .setType("NetworkReady")
                                .setStatus(network.ready())
                                .setReason(network.ready() ? "" : "NetworkPluginNotReady")
                                .setMessage(network.message())))
                .addAllRuntimeHandlers(handlers(services.features()))
                .setFeatures(RuntimeFeatures.newBuilder()
                        .setSupplementalGroupsPolicy(true)
                        .setMountOptions(true)
                        .setUserNamespacesHostNetwork(services.features().hasUserNamespaces()));
        if (verbose) {
            response.putInfo("config", configInfo(services))
                    .putInfo("features", featuresInfo(services.features()))
                    .putInfo("cniconfig", networkInfo(services.config(), network))
                    .putInfo("lastCNILoadStatus", network.ready() ? "OK" : network.message());
        }
        return response.build();
    }

    /** In the words of the other runtimes, for tools that look. */
    private static String networkInfo(Config config, NetworkReadiness network) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put(
                "PluginDirs", config.cniBinDirs().stream().map(Path::toString).toList());
        fields.put("PluginConfDir", config.cniConfDir());
        fields.put("PluginMaxConfNum", 1);
        fields.put("Prefix", "eth");
        network.file().ifPresent(file -> fields.put("Source", file));
        network.config().ifPresent(found -> fields.put("Network", found));
        return VerboseInfo.json(fields);
    }

    /** Both names of the one handler, with what was tried when the server started. */
    private static List<RuntimeHandler> handlers(HostFeatures tried) {
        RuntimeHandlerFeatures features = RuntimeHandlerFeatures.newBuilder()
                .setRecursiveReadOnlyMounts(tried.hasRecursiveReadOnly())
                .setUserNamespaces(tried.hasUserNamespaces())
                .build();
        return PodRequests.RUNTIME_HANDLERS.stream()
                .map(name -> RuntimeHandler.newBuilder()
                        .setName(name)
                        .setFeatures(features)
                        .build())
                .toList();
    }

    /** Why a feature is not told: the kernel's own words. */
    private static String featuresInfo(HostFeatures tried) {
        return VerboseInfo.json(Map.of(
                "userNamespaces", words(tried.idMappedLayers()),
                "recursiveReadOnlyMounts", words(tried.recursiveReadOnly())));
    }

    private static String words(Outcome outcome) {
        return switch (outcome) {
            case Outcome.Works _ -> "works";
            case Outcome.Missing(String why) -> "missing: " + why;
            case Outcome.Untried(String why) -> "untried: " + why;
            case Outcome.NotNeeded(String why) -> "not needed: " + why;
        };
    }

    private static String configInfo(Services services) {
        Config config = services.config();
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("rootDir", config.root());
        fields.put("stateDir", config.state());
        fields.put("sandboxImage", config.sandboxImage());
        fields.put("cgroupDriver", config.cgroupDriver());
        fields.put("cgroupParent", config.cgroupParent());
        fields.put(
                "cdiSpecDirs", config.cdiSpecDirs().stream().map(Path::toString).toList());
        fields.put("hostShortcomings", services.node().host().shortcomings());
        return VerboseInfo.json(fields);
    }

    static RuntimeConfigResponse config(Config config) {
        return RuntimeConfigResponse.newBuilder()
                .setLinux(LinuxRuntimeConfiguration.newBuilder()
                        .setCgroupDriver(
                                switch (config.cgroupDriver()) {
                                    case CGROUPFS -> io.portafilter.cri.v1.CgroupDriver.CGROUPFS;
                                    case SYSTEMD -> io.portafilter.cri.v1.CgroupDriver.SYSTEMD;
                                }))
                .build();
    }

    /** The verbose part of a pod's status. */
    static String podInfo(Services services, LivePod pod, PodRecord record) {
        Node node = services.node();
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("pid", pausePid(record));
        fields.put(
                "monitorPid",
                record.launched().map(launched -> launched.monitor().pid()).orElse(0));
        fields.put("netNamespaceClosed", record.launched().isEmpty());
        fields.put("addresses", record.addresses());
        if (record.state() == PodState.READY) {
            // asks the plugins: for people, who look at few pods at a time
            services.network().check(pod.files().directory()).ifPresent(wrong -> fields.put("networkDiffers", wrong));
        }
        fields.put("hostname", pod.files().hostname(pod.spec()));
        fields.put("bootID", record.bootId());
        fields.put("overhead", VerboseInfo.fields(pod.resources().getOverhead()));
        fields.put("resources", VerboseInfo.fields(pod.resources().getResources()));
        fields.put("config", VerboseInfo.fields(pod.spec().config()));
        String cgroup = node.places().cgroup(pod.spec().cgroupParent(), pod.id(), pod.id());
        fields.put(
                "runtimeSpec",
                OciRuntimeSpec.of(
                        pod.spec()
                                .launch(
                                        pod.id(),
                                        pod.files(),
                                        cgroup,
                                        node.places().podState(pod.id())),
                        pausePid(record),
                        cgroup,
                        pod.spec().config().getAnnotationsMap()));
        return VerboseInfo.json(fields);
    }

    private static int pausePid(PodRecord record) {
        return record.launched().map(launched -> launched.pause().pid()).orElse(0);
    }

    /** The verbose part of a container's status; {@code pod} is what the records say of its pod. */
    static String containerInfo(
            Node node,
            LiveContainer container,
            ContainerRecord record,
            Optional<PodRecord> pod,
            Optional<ContainerExplanation> explained) {
        ContainerSpec spec = container.spec();
        boolean running = record.state() == io.portafilter.state.ContainerState.RUNNING;
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("sandboxID", container.podId());
        fields.put(
                "pid",
                running
                        ? record.launched()
                                .map(launched -> launched.init().pid())
                                .orElse(0)
                        : 0);
        fields.put(
                "monitorPid",
                running
                        ? record.launched()
                                .map(launched -> launched.monitor().pid())
                                .orElse(0)
                        : 0);
        fields.put("args", spec.arguments());
        fields.put("workingDirectory", spec.workingDirectory());
        fields.put("privileged", spec.security().privileged());
        fields.put(
                "layers",
                container.layersTopFirst().stream().map(Path::toString).toList());
        fields.put("stopSignal", spec.stopSignal());
        fields.put("config", VerboseInfo.fields(spec.config()));
        container.log().ifPresent(log -> fields.put("droppedLogRecords", log.droppedRecords()));
        container.plan().ifPresent(plan -> {
            fields.put("securityPlan", plan.security().describe());
            explained.ifPresent(found -> {
                fields.put("plan", ProvenanceJson.fields(found.plan()));
                fields.put("warnings", ProvenanceJson.warnings(found.warnings()));
                fields.put("notes", plan.security().notes());
            });
            fields.put(
                    "given",
                    GivenRightsJson.fields(GivenRights.of(
                            plan.security(),
                            OWN_FILTERS,
                            Cgroup.at(node.host().cgroups(), ContainerEnd.cgroupPath(node, container))
                                    .expectedProcLines())));
            fields.put("launchProgram", ProgramText.of(plan.program()));
            fields.put(
                    "runtimeSpec",
                    OciRuntimeSpec.of(
                            plan,
                            pod.map(RuntimeStatusAnswers::pausePid).orElse(0),
                            ContainerEnd.cgroupPath(node, container),
                            spec.limits(),
                            spec.config().getAnnotationsMap()));
        });
        return VerboseInfo.json(fields);
    }
}
