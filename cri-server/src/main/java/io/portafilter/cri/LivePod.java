package io.portafilter.cri;

import io.portafilter.container.Monitor;
import io.portafilter.cri.v1.LinuxPodSandboxConfig;
import io.portafilter.cri.v1.RunPodSandboxRequest;
import io.portafilter.linux.EventLoop;
import io.portafilter.state.PodRecord;
import java.util.Optional;

/**
 * A pod sandbox while the server runs: what its record says and what watches it.
 *
 * @see PodRecord
 */
final class LivePod {

    private final String id;
    private final RunPodSandboxRequest request;
    private final PodSpec spec;
    private final PodFiles files;
    private final ListItem<PodRecord> listed = new ListItem<>();

    /** Changed with the pod's lock held; closed when the pause process has ended. */
    private final CpuRate cpuRate = new CpuRate();

    private volatile Optional<Watched> watched = Optional.empty();

    private volatile LinuxPodSandboxConfig resources;

    private volatile String remains = "";

    /** The monitor of a pause process, and its place in the event loop. */
    record Watched(Monitor monitor, EventLoop.Registration registration) {
        void end() {
            registration.cancel();
            monitor.close();
        }
    }

    LivePod(String id, RunPodSandboxRequest request, PodSpec spec, PodFiles files) {
        this.id = id;
        this.request = request;
        this.spec = spec;
        this.files = files;
        this.resources = request.getConfig().getLinux();
    }

    String id() {
        return id;
    }

    RunPodSandboxRequest request() {
        return request;
    }

    PodSpec spec() {
        return spec;
    }

    PodFiles files() {
        return files;
    }

    /** Its Linux configuration with the overhead and resources that it has now. */
    LinuxPodSandboxConfig resources() {
        return resources;
    }

    void resources(LinuxPodSandboxConfig updated) {
        resources = updated;
    }

    /** What the lists say of it. */
    ListItem<PodRecord> listed() {
        return listed;
    }

    /** How fast its containers use processor time. */
    CpuRate cpuRate() {
        return cpuRate;
    }

    /** Notes that it could not be made, nor undone. */
    void leftBy(Throwable cause) {
        remains = Remains.of(cause);
    }

    /** Whether it is what a creation that failed left. */
    boolean isLeft() {
        return !remains.isEmpty();
    }

    /** Why it could not be made, and what could not be undone; empty for one that was made. */
    String remains() {
        return remains;
    }

    Optional<Watched> watched() {
        return watched;
    }

    void watchedBy(Watched newWatched) {
        watched = Optional.of(newWatched);
    }

    /** Takes what watches it, once. */
    synchronized Optional<Watched> unwatch() {
        Optional<Watched> taken = watched;
        watched = Optional.empty();
        return taken;
    }

    /** For people: {@code namespace/name}. */
    String name() {
        return spec.identity().namespace() + "/" + spec.identity().name();
    }
}
