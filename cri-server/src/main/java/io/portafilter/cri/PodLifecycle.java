package io.portafilter.cri;

import static io.portafilter.linux.LinuxConstants.EPOLLIN;

import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.Status;
import io.portafilter.cgroup.Cgroup;
import io.portafilter.cgroup.CgroupRefusal;
import io.portafilter.container.HostFeatures;
import io.portafilter.container.LaunchedPod;
import io.portafilter.container.Monitor;
import io.portafilter.container.Outcome;
import io.portafilter.container.PodLaunch;
import io.portafilter.container.PodRequest;
import io.portafilter.container.Rollback;
import io.portafilter.cri.v1.ContainerEventType;
import io.portafilter.cri.v1.LinuxPodSandboxConfig;
import io.portafilter.cri.v1.RunPodSandboxRequest;
import io.portafilter.cri.v1.StopPodSandboxRequest;
import io.portafilter.linux.EventLoop;
import io.portafilter.network.PodNetwork;
import io.portafilter.security.KernelVersion;
import io.portafilter.security.Labels;
import io.portafilter.state.Bytes;
import io.portafilter.state.Change;
import io.portafilter.state.PodLock;
import io.portafilter.state.PodRecord;
import io.portafilter.state.PodState;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/** Runs, stops and removes pod sandboxes: READY, then NOTREADY for ever, then gone. */
final class PodLifecycle {

    private static final Logger LOG = System.getLogger(PodLifecycle.class.getName());

    private static final Duration KILL_LIMIT = Duration.ofSeconds(10);

    private final Node node;
    private final SandboxNetwork network;
    private final ContainerLifecycle containers;
    private final ContainerEvents events;
    private final LiveTable<LivePod> pods;
    private final HostFeatures features;
    private final String nodeName;
    private final SelinuxLevels levels = new SelinuxLevels();

    PodLifecycle(
            Node node,
            HostFeatures features,
            SandboxNetwork network,
            LiveTable<LivePod> pods,
            ContainerLifecycle containers,
            ContainerEvents events) {
        this.node = node;
        this.features = features;
        this.network = network;
        this.pods = pods;
        this.containers = containers;
        this.events = events;
        this.nodeName = PodFiles.nodeName();
    }

    /** Makes a pod sandbox, or joins or finds the same request; its id. */
    String run(RunPodSandboxRequest request) {
        PodSpec spec = PodSpec.of(request);
        node.places().requireFits(spec.cgroupParent());
        if (spec.ids().isPresent()) {
            requireUserNamespaces(features, node.host().facts().host().kernel());
        }
        return node.inFlight()
                .run(
                        spec.identity(),
                        "RunPodSandbox of " + spec.identity(),
                        request,
                        flight -> existing(request, spec).orElseGet(() -> make(flight, request, spec)));
    }

    /** None of the pod's containers could be created: the pod is not even made. */
    static void requireUserNamespaces(HostFeatures features, KernelVersion kernel) {
        if (features.hasUserNamespaces()) {
            return;
        }
        String why = switch (features.idMappedLayers()) {
            case Outcome.Missing(String words) -> words;
            case Outcome.Untried(String words) -> words;
            case Outcome.NotNeeded(String words) -> words;
            case Outcome.Works(String words) -> words;
        };
        throw CriException.precondition(
                "config.linux.security_context.namespace_options.userns_options",
                "this host cannot give a pod its own user namespace and map the layers of images to it: " + why,
                "use Linux 5.19 or newer (this is " + kernel + "), with the server's root on ext4, xfs or btrfs, or a"
                        + " pod in the host's user namespace (hostUsers: true); `portafilter check` tries it again");
    }

    private Optional<String> existing(RunPodSandboxRequest request, PodSpec spec) {
        // one whose record has gone is just being removed: its name is free
        pods.with(spec.identity()).filter(LivePod::isLeft).ifPresent(left -> removeLeft(left, spec));
        return pods.with(spec.identity())
                .flatMap(pod -> node.database().pod(pod.id()).map(record -> {
                    if (record.state() == PodState.READY && pod.request().equals(request)) {
                        return pod.id();
                    }
                    throw new CriException(
                            Status.Code.ALREADY_EXISTS,
                            "RunPodSandbox of " + spec.identity(),
                            "pod sandbox " + pod.id() + " of "
                                    + Duration.ofNanos(Node.now() - record.createdAtNanos())
                                            .toSeconds() + " s ago is "
                                    + record.state(),
                            "remove it, or use another attempt");
                }));
    }

    /** What an earlier try left is in the way of the same try again: it goes, or it is told why it does not. */
    private void removeLeft(LivePod left, PodSpec spec) {
        try {
            remove(left);
        } catch (CriException | CgroupRefusal e) {
            throw new CriException(
                    Status.Code.ALREADY_EXISTS,
                    "RunPodSandbox of " + spec.identity(),
                    "an earlier try failed and its remains are listed as pod sandbox " + left.id() + ": "
                            + e.getMessage(),
                    "or use another attempt",
                    e);
        }
    }

    /** With the level that it asks for, or one of its own where the host has SELinux. */
    private PodSpec withSelinuxLevel(PodSpec asked) {
        if (!node.host().facts().host().modules().selinux()) {
            return asked;
        }
        asked.selinux().level().ifPresent(levels::hold);
        return asked.selinux().level().isPresent() ? asked : asked.withSelinuxLevel(Optional.of(levels.take()));
    }

    private void freeSelinuxLevel(PodSpec spec) {
        spec.selinux().level().ifPresent(levels::free);
    }

    /** That of the files which all of the pod's containers see. */
    private Optional<String> fileLabel(PodSpec spec) {
        return Labels.ofPod(
                        spec.selinux(),
                        spec.hostPid() || spec.hostIpc(),
                        node.host().facts().host())
                .selinuxMounts();
    }

    @SuppressWarnings("MustBeClosedChecker") // the pod owns the monitor until its end
    private String make(InFlight.Flight flight, RunPodSandboxRequest request, PodSpec asked) {
        long start = System.nanoTime();
        String id = Places.newId();
        Places places = node.places();
        PodSpec spec = withSelinuxLevel(asked);
        LivePod pod = new LivePod(id, request, spec, new PodFiles(places.podFiles(id), nodeName));
        Rollback undo = new Rollback();
        PodNetwork.Added added;
        try (undo) {
            flight.stage("making its directories");
            undo.add(() -> Directories.remove(places.podState(id)));
            Directories.make(places.podState(id));
            TakeOver.noteCgroup(places.podState(id), cgroupPath(pod));
            undo.add(() -> {
                // in there it says how
                network.remove(pod);
                Directories.remove(places.podFiles(id));
            });
            Directories.make(places.podFiles(id));
            pod.files().write(spec, fileLabel(spec));
            flight.stage("making its namespaces and its network");
            undo.add(() -> release(pod));
            SandboxNetwork.Launched made = network.launch(pod, launchRequest(pod), undo);
            PodLaunch launch = made.launch();
            added = made.network();
            flight.stage("recording");
            PodRecord record = newRecord(pod, PodState.READY, Optional.of(launch.launched()), added.addresses());
            undo.add(() -> node.database().note(new Change.RemovePod(id)));
            node.database().commit(new Change.PutPod(record));
            watch(pod, launch.execute());
            pods.add(pod);
            undo.forget();
            events.pod(ContainerEventType.CONTAINER_CREATED_EVENT, pod);
            events.pod(ContainerEventType.CONTAINER_STARTED_EVENT, pod);
        } catch (RuntimeException | Error e) {
            // its level is held without a gap as long as anything is left of the pod: to its removal
            if (undo.hasFailed()) {
                keep(pod, e);
            } else {
                freeSelinuxLevel(spec);
            }
            throw e;
        }
        LOG.log(
                Level.INFO,
                "pod.ready pod=" + pod.name() + " id=" + Places.shortId(id) + " micros="
                        + (System.nanoTime() - start) / 1000
                        + (added.addresses().isEmpty()
                                ? ""
                                : " plugins_micros=" + added.plugins().toNanos() / 1000 + " addresses="
                                        + String.join(",", added.addresses())));
        return id;
    }

    private PodRequest launchRequest(LivePod pod) {
        return pod.spec()
                .launch(pod.id(), pod.files(), cgroupPath(pod), node.places().podState(pod.id()));
    }

    /**
     * What could not be undone is not hidden: it is listed as NOTREADY, so that it is removed by whoever cleans up, as
     * soon as that can be done.
     */
    private void keep(LivePod pod, Throwable cause) {
        pod.leftBy(cause);
        try {
            node.database().note(new Change.PutPod(newRecord(pod, PodState.NOTREADY, Optional.empty(), List.of())));
            pods.add(pod);
            events.pod(ContainerEventType.CONTAINER_CREATED_EVENT, pod);
            events.pod(ContainerEventType.CONTAINER_STOPPED_EVENT, pod);
            LOG.log(
                    Level.WARNING,
                    "pod.left pod=" + pod.name() + " id=" + Places.shortId(pod.id()) + " cause=" + pod.remains());
        } catch (RuntimeException e) {
            cause.addSuppressed(e);
        }
    }

    private PodRecord newRecord(LivePod pod, PodState state, Optional<LaunchedPod> launched, List<String> addresses) {
        Identity.Pod identity = pod.spec().identity();
        return new PodRecord(
                pod.id(),
                identity.name(),
                identity.namespace(),
                identity.uid(),
                identity.attempt(),
                Bytes.copyOf(pod.request().toByteArray()),
                Node.now(),
                state,
                launched,
                node.bootId(),
                pod.request().getRuntimeHandler(),
                Optional.empty(),
                pod.spec().selinux().level().orElse(""),
                addresses);
    }

    private String cgroupPath(LivePod pod) {
        return node.places().cgroup(pod.spec().cgroupParent(), pod.id(), pod.id());
    }

    @SuppressWarnings("MustBeClosedChecker") // the pod owns the monitor until its end
    private void watch(LivePod pod, Monitor monitor) {
        EventLoop.Registration registration = node.events().watch(monitor.pidfd(), EPOLLIN, _ -> ended(pod));
        pod.watchedBy(new LivePod.Watched(monitor, registration));
    }

    /** On the event loop: the pause process ended. */
    private void ended(LivePod pod) {
        Optional<LivePod.Watched> watched = pod.unwatch();
        if (watched.isEmpty()) {
            return;
        }
        watched.get().registration().cancel();
        node.exits().execute(() -> {
            watched.get().monitor().reap();
            watched.get().monitor().close();
            try (PodLock.Held held = node.podLock().hold(pod.id())) {
                if (markNotReady(pod, held)) {
                    LOG.log(
                            Level.WARNING,
                            "pod.lost pod=" + pod.name() + " id=" + Places.shortId(pod.id())
                                    + " cause=its pause process ended");
                }
            }
        });
    }

    /** True if it was READY. */
    private boolean markNotReady(LivePod pod, PodLock.Held held) {
        held.require(pod.id());
        Optional<PodRecord> record = node.database().pod(pod.id());
        if (record.isEmpty() || record.get().state() == PodState.NOTREADY) {
            return false;
        }
        node.database().note(new Change.PutPod(record.get().notReady()));
        events.pod(ContainerEventType.CONTAINER_STOPPED_EVENT, pod);
        return true;
    }

    /** The stop of a pod, as what is under way. */
    private record Stopping(String id) {}

    /** Stops a pod sandbox; unknown ones are stopped already. Who comes while it is being stopped waits for that. */
    void stop(String idOrPrefix) {
        pods.find(idOrPrefix).ifPresent(this::stop);
    }

    private void stop(LivePod pod) {
        StopPodSandboxRequest request =
                StopPodSandboxRequest.newBuilder().setPodSandboxId(pod.id()).build();
        String _ = node.inFlight().run(new Stopping(pod.id()), "StopPodSandbox " + pod.id(), request, flight -> {
            end(pod);
            return pod.id();
        });
    }

    /** From the first step on no container starts in it any more; then what runs is killed, then the pod itself. */
    private void end(LivePod pod) {
        boolean was;
        try (PodLock.Held held = node.podLock().hold(pod.id())) {
            was = markNotReady(pod, held);
        }
        containers.stopAll(pod.id());
        pod.unwatch().ifPresent(watched -> end(pod, watched));
        release(pod);
        network.remove(pod);
        Directories.remove(node.places().podState(pod.id()), "StopPodSandbox " + pod.id());
        if (was) {
            LOG.log(Level.INFO, "pod.stopped pod=" + pod.name() + " id=" + Places.shortId(pod.id()));
        }
    }

    private void end(LivePod pod, LivePod.Watched watched) {
        try {
            Cgroup.at(node.host().cgroups(), cgroupPath(pod)).kill(KILL_LIMIT);
            watched.monitor().kill();
            if (!watched.monitor().awaitEnd(KILL_LIMIT)) {
                throw CriException.precondition(
                        "StopPodSandbox " + pod.id(),
                        "its monitor does not end",
                        "look at what holds it, then try again");
            }
        } catch (RuntimeException e) {
            // for the next one who tries
            pod.watchedBy(watched);
            throw e;
        }
        watched.registration().cancel();
        watched.monitor().close();
    }

    private void removeCgroup(LivePod pod) {
        Cgroup cgroup = Cgroup.at(node.host().cgroups(), cgroupPath(pod));
        if (cgroup.exists()) {
            cgroup.kill(KILL_LIMIT);
            cgroup.remove(KILL_LIMIT);
        }
    }

    /** The pod's cgroup, unless somebody gave it one: that is theirs. */
    private void removeOwnCgroup(LivePod pod) {
        if (pod.spec().cgroupParent().isEmpty()) {
            node.places().ownPodCgroup(pod.id()).ifPresent(path -> {
                Cgroup cgroup = Cgroup.at(node.host().cgroups(), path);
                if (cgroup.exists()) {
                    cgroup.remove(KILL_LIMIT);
                }
            });
        }
    }

    /** Stops and removes a pod sandbox with its containers; unknown ones are removed already. */
    void remove(String idOrPrefix) {
        pods.find(idOrPrefix).ifPresent(this::remove);
    }

    private void remove(LivePod pod) {
        stop(pod);
        containers.removeAll(pod.id());
        try (PodLock.Held held = node.podLock().hold(pod.id())) {
            held.require(pod.id());
            if (pods.exactly(pod.id()).isEmpty()) {
                return;
            }
            containers.requireNone(pod.id());
            Directories.remove(node.places().podFiles(pod.id()), "RemovePodSandbox " + pod.id());
            Optional<PodRecord> last = node.database().pod(pod.id());
            node.database().note(new Change.RemovePod(pod.id()));
            pods.remove(pod);
            last.ifPresent(record -> events.podDeleted(pod, record));
            freeSelinuxLevel(pod.spec());
        }
        LOG.log(Level.INFO, "pod.removed pod=" + pod.name() + " id=" + Places.shortId(pod.id()));
    }

    /** What the records say of it. */
    PodRecord record(LivePod pod) {
        return node.database().pod(pod.id()).orElseThrow(() -> CriException.notFound("pod sandbox", pod.id()));
    }

    // ---- at the server's start

    /** Takes a pod over from the records. */
    LivePod adopt(PodRecord record) {
        try {
            RunPodSandboxRequest request =
                    RunPodSandboxRequest.parseFrom(record.request().toByteArray());
            LivePod pod = new LivePod(
                    record.id(),
                    request,
                    PodSpec.of(request)
                            .withSelinuxLevel(Optional.of(record.selinuxLevel()).filter(level -> !level.isEmpty())),
                    new PodFiles(node.places().podFiles(record.id()), nodeName));
            if (record.updated().isPresent()) {
                pod.resources(
                        LinuxPodSandboxConfig.parseFrom(record.updated().get().toByteArray()));
            }
            pod.spec().selinux().level().ifPresent(levels::hold);
            pods.add(pod);
            return pod;
        } catch (InvalidProtocolBufferException e) {
            throw new IllegalStateException("the record of pod sandbox " + record.id() + " is no request", e);
        }
    }

    /** Watches the pause process that an earlier server left, if it is there; false if it is not. */
    @SuppressWarnings("MustBeClosedChecker") // the pod owns the monitor until its end
    boolean reopen(LivePod pod, LaunchedPod launched) {
        if (!launched.pause().isAlive()) {
            return false;
        }
        Optional<Monitor> monitor = Monitor.reopen(launched.monitor());
        monitor.ifPresent(found -> watch(pod, found));
        return monitor.isPresent();
    }

    /** Ends what is left of a pod that is NOTREADY; an earlier server may have got no further. */
    void release(LivePod pod) {
        removeCgroup(pod);
        removeOwnCgroup(pod);
    }
}
