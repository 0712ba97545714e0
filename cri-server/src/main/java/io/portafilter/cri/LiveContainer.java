package io.portafilter.cri;

import io.portafilter.cgroup.OomCount;
import io.portafilter.container.ContainerLaunch;
import io.portafilter.container.ContainerPlan;
import io.portafilter.container.Monitor;
import io.portafilter.cri.v1.CreateContainerRequest;
import io.portafilter.linux.EventLoop;
import io.portafilter.linux.Fd;
import io.portafilter.state.ContainerRecord;
import io.portafilter.streaming.ContainerLog;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * A container while the server runs: what its record says, and what belongs to its processes. What changes here does so
 * with the container's lock held; readers may look at any time.
 *
 * @see ContainerRecord
 */
final class LiveContainer {

    private final String id;
    private final CreateContainerRequest request;
    private volatile ContainerSpec spec;
    private final List<Path> layersTopFirst;
    private final AtomicBoolean stopSignalSent = new AtomicBoolean();
    private final AtomicBoolean killed = new AtomicBoolean();
    private final CompletableFuture<Boolean> exited = new CompletableFuture<>();
    private final ListItem<ContainerRecord> listed = new ListItem<>();
    private final CpuRate cpuRate = new CpuRate();
    private final WritableLayers.Known layer = new WritableLayers.Known();

    private volatile Optional<ContainerLaunch> prepared = Optional.empty();
    private volatile Optional<Running> running = Optional.empty();
    private volatile Optional<ContainerLog> log = Optional.empty();
    private volatile Optional<ContainerPlan> plan = Optional.empty();
    private volatile long oomKillsBeforeOurs;
    private volatile Optional<OomCount> oom = Optional.empty();
    private volatile boolean left;

    /** The processes of a started container, and the first one's place in the event loop. */
    record Running(Monitor monitor, Fd init, EventLoop.Registration registration) {}

    LiveContainer(String id, CreateContainerRequest request, ContainerSpec spec, List<Path> layersTopFirst) {
        this.id = id;
        this.request = request;
        this.spec = spec;
        this.layersTopFirst = List.copyOf(layersTopFirst);
    }

    String id() {
        return id;
    }

    String podId() {
        return spec.podId();
    }

    /** As it was created, or found by this server. */
    CreateContainerRequest request() {
        return request;
    }

    ContainerSpec spec() {
        return spec;
    }

    /** The same container with other resources. */
    void spec(ContainerSpec updated) {
        spec = updated;
    }

    List<Path> layersTopFirst() {
        return layersTopFirst;
    }

    /** Waits at its gate. */
    Optional<ContainerLaunch> prepared() {
        return prepared;
    }

    void prepared(Optional<ContainerLaunch> launch) {
        prepared = launch;
        launch.ifPresent(known -> plan = Optional.of(known.plan()));
    }

    Optional<Running> running() {
        return running;
    }

    void running(Optional<Running> processes) {
        running = processes;
    }

    /** Where systemd removes the cgroup before the end of the container is seen; until that end. */
    Optional<OomCount> oom() {
        return oom;
    }

    /** Takes the place of an earlier one, which is closed. */
    void oom(Optional<OomCount> count) {
        Optional<OomCount> earlier = oom;
        oom = count;
        earlier.ifPresent(OomCount::close);
    }

    Optional<ContainerLog> log() {
        return log;
    }

    void log(Optional<ContainerLog> opened) {
        log = opened;
    }

    /** What was decided for it; absent for one that an earlier server started, until it is decided again. */
    Optional<ContainerPlan> plan() {
        return plan;
    }

    void plan(ContainerPlan decided) {
        plan = Optional.of(decided);
    }

    /** True for the first caller alone. */
    boolean sendsStopSignal() {
        return stopSignalSent.compareAndSet(false, true);
    }

    /** Notes that what comes now is our doing, not the kernel's want of memory. */
    void killing(long oomKillsSoFar) {
        if (killed.compareAndSet(false, true)) {
            oomKillsBeforeOurs = oomKillsSoFar;
        }
    }

    boolean killedByUs() {
        return killed.get();
    }

    /** How many of its processes had been killed for want of memory before we killed it; 0 if we did not. */
    long oomKillsBeforeOurs() {
        return oomKillsBeforeOurs;
    }

    /** What the lists say of it. */
    ListItem<ContainerRecord> listed() {
        return listed;
    }

    /** How fast it uses processor time. */
    CpuRate cpuRate() {
        return cpuRate;
    }

    /** What is known of what it wrote into its own file system. */
    WritableLayers.Known layer() {
        return layer;
    }

    /** Whether it is what a creation that failed could not undo. */
    boolean isLeft() {
        return left;
    }

    /** Notes that it could not be made, nor undone. */
    void leave() {
        left = true;
    }

    /** Completed when the record says EXITED. */
    CompletableFuture<Boolean> exited() {
        return exited;
    }

    /** For people: {@code namespace/pod/name}. */
    String name() {
        Identity.Pod pod = spec.pod().identity();
        return pod.namespace() + "/" + pod.name() + "/" + spec.identity().name();
    }
}
