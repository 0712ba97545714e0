package io.portafilter.cri;

import io.portafilter.container.ContainerPlan;
import io.portafilter.cri.v1.Container;
import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.ContainerFilter;
import io.portafilter.cri.v1.ContainerResources;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ContainerStatus;
import io.portafilter.cri.v1.ContainerUser;
import io.portafilter.cri.v1.LinuxContainerUser;
import io.portafilter.cri.v1.LinuxPodSandboxStatus;
import io.portafilter.cri.v1.Mount;
import io.portafilter.cri.v1.Namespace;
import io.portafilter.cri.v1.PodIP;
import io.portafilter.cri.v1.PodSandbox;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.PodSandboxFilter;
import io.portafilter.cri.v1.PodSandboxNetworkStatus;
import io.portafilter.cri.v1.PodSandboxState;
import io.portafilter.cri.v1.PodSandboxStatus;
import io.portafilter.security.Credentials;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.PodRecord;
import io.portafilter.state.PodState;
import io.portafilter.state.VolumeImage;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/** Records and requests to CRI's answers, and its filters. */
final class CriAnswers {

    private CriAnswers() {}

    static PodSandboxState state(PodState state) {
        return switch (state) {
            case READY -> PodSandboxState.SANDBOX_READY;
            case NOTREADY -> PodSandboxState.SANDBOX_NOTREADY;
        };
    }

    /** CRI knows no STARTING: until its program runs, a container is CREATED. */
    static ContainerState state(io.portafilter.state.ContainerState state) {
        return switch (state) {
            case CREATED, STARTING -> ContainerState.CONTAINER_CREATED;
            case RUNNING -> ContainerState.CONTAINER_RUNNING;
            case EXITED -> ContainerState.CONTAINER_EXITED;
        };
    }

    static PodSandbox listed(LivePod pod, PodRecord record) {
        PodSandboxConfig config = pod.request().getConfig();
        return PodSandbox.newBuilder()
                .setId(pod.id())
                .setMetadata(config.getMetadata())
                .setState(state(record.state()))
                .setCreatedAt(record.createdAtNanos())
                .putAllLabels(config.getLabelsMap())
                .putAllAnnotations(config.getAnnotationsMap())
                .setRuntimeHandler(record.runtimeHandler())
                .build();
    }

    static PodSandboxStatus status(LivePod pod, PodRecord record) {
        PodSandboxConfig config = pod.request().getConfig();
        return PodSandboxStatus.newBuilder()
                .setId(pod.id())
                .setMetadata(config.getMetadata())
                .setState(state(record.state()))
                .setCreatedAt(record.createdAtNanos())
                .setNetwork(network(record))
                .setLinux(LinuxPodSandboxStatus.newBuilder()
                        .setNamespaces(Namespace.newBuilder()
                                .setOptions(
                                        config.getLinux().getSecurityContext().getNamespaceOptions())))
                .putAllLabels(config.getLabelsMap())
                .putAllAnnotations(config.getAnnotationsMap())
                .setRuntimeHandler(record.runtimeHandler())
                .build();
    }

    /** None in the host's network, without a network, and when it has been left. */
    private static PodSandboxNetworkStatus network(PodRecord record) {
        if (record.state() != PodState.READY || record.addresses().isEmpty()) {
            return PodSandboxNetworkStatus.getDefaultInstance();
        }
        return PodSandboxNetworkStatus.newBuilder()
                .setIp(record.addresses().getFirst())
                .addAllAdditionalIps(record.addresses().stream()
                        .skip(1)
                        .map(address -> PodIP.newBuilder().setIp(address).build())
                        .toList())
                .build();
    }

    static Container listed(LiveContainer container, ContainerRecord record) {
        ContainerConfig config = container.request().getConfig();
        return Container.newBuilder()
                .setId(container.id())
                .setPodSandboxId(container.podId())
                .setMetadata(config.getMetadata())
                .setImage(config.getImage())
                .setImageRef(record.imageId())
                .setState(state(record.state()))
                .setCreatedAt(record.createdAtNanos())
                .putAllLabels(config.getLabelsMap())
                .putAllAnnotations(config.getAnnotationsMap())
                .setImageId(record.imageId())
                .build();
    }

    /** The status; {@code plan} is absent where nobody knows any more whom it ran as. */
    static ContainerStatus status(LiveContainer container, ContainerRecord record, Optional<ContainerPlan> plan) {
        ContainerConfig config = container.request().getConfig();
        boolean exited = record.state() == io.portafilter.state.ContainerState.EXITED;
        boolean started = exited || record.state() == io.portafilter.state.ContainerState.RUNNING;
        ContainerStatus.Builder status = ContainerStatus.newBuilder()
                .setId(container.id())
                .setMetadata(config.getMetadata())
                .setState(state(record.state()))
                .setCreatedAt(record.createdAtNanos())
                .setStartedAt(started ? record.startedAtNanos() : 0)
                .setFinishedAt(exited ? record.finishedAtNanos() : 0)
                .setExitCode(exited ? record.exitCode() : 0)
                .setImage(config.getImage())
                .setImageRef(record.imageRef())
                .setReason(record.reason())
                .setMessage(record.message())
                .putAllLabels(config.getLabelsMap())
                .putAllAnnotations(config.getAnnotationsMap())
                .addAllMounts(mounts(config, record))
                .setLogPath(record.logPath())
                .setImageId(record.imageId())
                .setStopSignal(StopSignals.signal(container.spec().stopSignal()));
        status.setResources(ContainerResources.newBuilder()
                .setLinux(ResourceRequests.effective(
                        container.spec().config().getLinux().getResources(), plan)));
        plan.ifPresent(known -> status.setUser(
                ContainerUser.newBuilder().setLinux(user(known.security().user()))));
        return status.build();
    }

    /** As requested; an image with the id that its name had then. */
    private static List<Mount> mounts(ContainerConfig config, ContainerRecord record) {
        if (record.volumeImages().isEmpty()) {
            return config.getMountsList();
        }
        return config.getMountsList().stream()
                .map(mount -> {
                    VolumeImage image =
                            record.volumeImages().get(Fields.absolutePath("container_path", mount.getContainerPath()));
                    return image == null
                            ? mount
                            : mount.toBuilder()
                                    .setImage(mount.getImage().toBuilder().setImageRef(image.id()))
                                    .build();
                })
                .toList();
    }

    /** The groups with the primary one, sorted, each once. */
    private static LinuxContainerUser user(Credentials user) {
        TreeSet<Long> groups = new TreeSet<>(user.groups());
        groups.add(user.gid());
        return LinuxContainerUser.newBuilder()
                .setUid(user.uid())
                .setGid(user.gid())
                .addAllSupplementalGroups(groups)
                .build();
    }

    /** What the filter says of state and labels; its id is looked up. */
    static boolean matches(PodSandboxFilter filter, LivePod pod, PodRecord record) {
        return (!filter.hasState() || filter.getState().getState() == state(record.state()))
                && hasLabels(pod.request().getConfig().getLabelsMap(), filter.getLabelSelectorMap());
    }

    /** What the filter says of state and labels; its ids are looked up. */
    static boolean matches(ContainerFilter filter, LiveContainer container, ContainerRecord record) {
        return (!filter.hasState() || filter.getState().getState() == state(record.state()))
                && hasLabels(container.request().getConfig().getLabelsMap(), filter.getLabelSelectorMap());
    }

    private static boolean hasLabels(Map<String, String> labels, Map<String, String> wanted) {
        return labels.entrySet().containsAll(wanted.entrySet());
    }
}
