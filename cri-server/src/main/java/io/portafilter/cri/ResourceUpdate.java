package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.precondition;

import io.portafilter.cgroup.CgroupLimits;
import io.portafilter.container.ContainerLaunch;
import io.portafilter.cri.v1.LinuxContainerResources;
import io.portafilter.cri.v1.LinuxPodSandboxConfig;
import io.portafilter.cri.v1.UpdateContainerResourcesRequest;
import io.portafilter.cri.v1.UpdatePodSandboxResourcesRequest;
import io.portafilter.state.Bytes;
import io.portafilter.state.Change;
import io.portafilter.state.ContainerLock;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.ContainerState;
import io.portafilter.state.PodLock;
import io.portafilter.state.PodRecord;
import io.portafilter.state.PodState;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.Optional;

/** Changes what pods and containers may use while they live. */
final class ResourceUpdate {

    private static final Logger LOG = System.getLogger(ResourceUpdate.class.getName());

    private final Node node;
    private final LiveTable<LivePod> pods;
    private final LiveTable<LiveContainer> containers;

    ResourceUpdate(Node node, LiveTable<LivePod> pods, LiveTable<LiveContainer> containers) {
        this.node = node;
        this.pods = pods;
        this.containers = containers;
    }

    /** Changes the limits of a container that has not ended, all that are given or none, and records them. */
    void container(UpdateContainerResourcesRequest request) {
        LiveContainer container = containers.require(request.getContainerId());
        if (request.hasWindows()) {
            throw invalid("windows", "is set", "this is a Linux node: leave it out");
        }
        // a start takes the pod's lock for its first record and the container's for its second
        try (PodLock.Held pod = node.podLock().hold(container.podId());
                ContainerLock.Held held = node.containerLock().hold(container.id())) {
            pod.require(container.podId());
            held.require(container.id());
            update(container, request.getLinux());
        }
        LOG.log(
                Level.INFO,
                "container.updated container=" + container.name() + " id=" + Places.shortId(container.id()));
    }

    private void update(LiveContainer container, LinuxContainerResources asked) {
        ContainerRecord record = node.database()
                .container(container.id())
                .orElseThrow(() -> CriException.notFound("container", container.id()));
        if (record.state() == ContainerState.EXITED) {
            throw precondition(
                    "UpdateContainerResources " + container.id(), "it is EXITED", "only what lives has limits");
        }
        LinuxContainerResources before = container.spec().config().getLinux().getResources();
        LinuxContainerResources after = ResourceRequests.updated(before, asked);
        ContainerSpec spec = container.spec().withResources(after);
        CgroupLimits written = ResourceRequests.limits(
                "linux", ResourceRequests.written(asked, after), spec.security().privileged());
        Bytes updated = Bytes.copyOf(after.toByteArray());
        Runnable commit = () -> node.database().commit(new Change.PutContainer(record.updated(updated)));
        Optional<ContainerLaunch> prepared = container.prepared();
        if (prepared.isPresent()) {
            prepared.get().limit(written, commit);
        } else if (record.state() == ContainerState.CREATED) {
            commit.run(); // its process went away with an earlier server: the next one is prepared with these limits
        } else {
            node.host().limit(ContainerEnd.cgroupPath(node, container), written, commit);
        }
        container.spec(spec);
    }

    /** Records what a pod may use: kubelet has changed the pod's cgroup, which is its own. */
    void pod(UpdatePodSandboxResourcesRequest request) {
        LivePod pod = pods.require(request.getPodSandboxId());
        try (PodLock.Held held = node.podLock().hold(pod.id())) {
            held.require(pod.id());
            PodRecord record =
                    node.database().pod(pod.id()).orElseThrow(() -> CriException.notFound("pod sandbox", pod.id()));
            if (record.state() != PodState.READY) {
                throw precondition(
                        "UpdatePodSandboxResources " + pod.id(), "it is NOTREADY", "only what lives has resources");
            }
            LinuxPodSandboxConfig.Builder linux = pod.resources().toBuilder();
            if (request.hasOverhead()) {
                linux.setOverhead(request.getOverhead());
            }
            if (request.hasResources()) {
                linux.setResources(request.getResources());
            }
            LinuxPodSandboxConfig updated = linux.build();
            node.database().commit(new Change.PutPod(record.updated(Bytes.copyOf(updated.toByteArray()))));
            pod.resources(updated);
        }
        LOG.log(Level.INFO, "pod.updated pod=" + pod.name() + " id=" + Places.shortId(pod.id()));
    }
}
