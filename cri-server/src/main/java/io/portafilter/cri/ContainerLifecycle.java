package io.portafilter.cri;

import static io.portafilter.cri.CriException.precondition;
import static io.portafilter.linux.LinuxConstants.EPOLLIN;
import static io.portafilter.linux.LinuxConstants.EPOLLONESHOT;

import com.google.protobuf.InvalidProtocolBufferException;
import io.grpc.Status;
import io.portafilter.cgroup.CgroupRefusal;
import io.portafilter.config.Config;
import io.portafilter.container.ContainerLaunch;
import io.portafilter.container.ContainerPlan;
import io.portafilter.container.ContainerRequest;
import io.portafilter.container.LaunchedContainer;
import io.portafilter.container.LaunchedPod;
import io.portafilter.container.Monitor;
import io.portafilter.container.ProcessEnds;
import io.portafilter.container.Rollback;
import io.portafilter.container.StandardStreams;
import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.ContainerEventType;
import io.portafilter.cri.v1.CreateContainerRequest;
import io.portafilter.cri.v1.LinuxContainerResources;
import io.portafilter.cri.v1.StartContainerRequest;
import io.portafilter.image.ImageConfig;
import io.portafilter.image.ImageStore.LeasedImage;
import io.portafilter.launch.LaunchException;
import io.portafilter.linux.EventLoop;
import io.portafilter.linux.Fd;
import io.portafilter.linux.KernelException;
import io.portafilter.lsm.AppArmor;
import io.portafilter.lsm.AppArmorException;
import io.portafilter.security.Labels;
import io.portafilter.state.Bytes;
import io.portafilter.state.Change;
import io.portafilter.state.ContainerLock;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.ContainerState;
import io.portafilter.state.Database;
import io.portafilter.state.DiskTrouble;
import io.portafilter.state.ImageRecord;
import io.portafilter.state.PodLock;
import io.portafilter.state.PodRecord;
import io.portafilter.state.PodState;
import io.portafilter.state.VolumeImage;
import io.portafilter.streaming.Attachment;
import io.portafilter.streaming.ContainerLog;
import io.portafilter.streaming.LogFile;
import io.portafilter.streaming.TerminalOutput;
import java.io.UncheckedIOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Creates, starts, stops and removes containers: CREATED, RUNNING, EXITED, never back. What happens when a container
 * ends by itself is in {@link ContainerEnd}.
 */
final class ContainerLifecycle {

    private static final Logger LOG = System.getLogger(ContainerLifecycle.class.getName());

    private static final String APPARMOR = "config.linux.security_context.apparmor";
    private static final String RUN_ANOTHER = "run another pod sandbox for it";

    private final Config config;
    private final Node node;
    private final LiveTable<LivePod> pods;
    private final LiveTable<LiveContainer> containers;
    private final ContainerEvents events;
    private final ContainerEnd end;
    private final ContainerStop stop;

    ContainerLifecycle(
            Config config,
            Node node,
            LiveTable<LivePod> pods,
            LiveTable<LiveContainer> containers,
            ContainerEvents events) {
        this.config = config;
        this.node = node;
        this.pods = pods;
        this.containers = containers;
        this.events = events;
        this.end = new ContainerEnd(node, events);
        this.stop = new ContainerStop(node, containers);
    }

    // ---- create

    /** Prepares a container up to its gate, or joins or finds the same request; its id. */
    String create(CreateContainerRequest asked) {
        LivePod pod = pods.require(asked.getPodSandboxId());
        ContainerConfig config = ContainerRequests.config(asked);
        Identity.Container identity = ContainerRequests.identity(config, pod.id());
        CreateContainerRequest request =
                asked.toBuilder().setPodSandboxId(pod.id()).build();
        return node.inFlight()
                .run(
                        identity,
                        "CreateContainer of " + identity,
                        request,
                        flight -> existing(request, identity).orElseGet(() -> makeIn(flight, pod, request)));
    }

    /** What fails because its pod is being stopped fails for that reason, whatever it met first. */
    private String makeIn(InFlight.Flight flight, LivePod pod, CreateContainerRequest request) {
        try {
            return make(flight, pod, request);
        } catch (LaunchException | KernelException | UncheckedIOException e) {
            if (isReady(pod)) {
                throw e;
            }
            throw notReady("CreateContainer", pod, e);
        }
    }

    private Optional<String> existing(CreateContainerRequest request, Identity.Container identity) {
        containers.with(identity).filter(LiveContainer::isLeft).ifPresent(left -> removeLeft(left, identity));
        // one whose record has gone is just being removed: its name is free
        return containers
                .with(identity)
                .flatMap(container -> node.database().container(container.id()).map(record -> {
                    if (record.state() == ContainerState.CREATED
                            && container.request().equals(request)) {
                        return container.id();
                    }
                    throw new CriException(
                            Status.Code.ALREADY_EXISTS,
                            "CreateContainer of " + identity,
                            "container " + container.id() + " of "
                                    + Duration.ofNanos(Node.now() - record.createdAtNanos())
                                            .toSeconds()
                                    + " s ago is " + record.state(),
                            "remove it, or use another attempt");
                }));
    }

    private String make(InFlight.Flight flight, LivePod pod, CreateContainerRequest request) {
        requireReady(pod, "CreateContainer");
        String id = Places.newId();
        try (LeasedImage leased = lease(request.getConfig().getImage().getImage());
                LeasedVolumeImages volumes = new LeasedVolumeImages(node.images())) {
            ImageConfig imageConfig = ImageConfig.parse(leased.image().config().toByteArray());
            ContainerSources.Of sources = ContainerSources.Of.container(config, node.places(), id);
            ContainerSpec spec = ContainerSpec.of(
                    request, pod.id(), pod.spec(), imageConfig, pod.files(), sources.fromNode(), volumes);
            node.places().requireFits(spec.cgroupParent());
            LiveContainer container =
                    new LiveContainer(id, request, spec, node.images().layerPathsTopFirst(leased.image()));
            make(flight, pod, container, leased.image(), volumes.found(), sources);
        }
        return id;
    }

    private void make(
            InFlight.Flight flight,
            LivePod pod,
            LiveContainer container,
            ImageRecord image,
            Map<String, VolumeImage> volumeImages,
            ContainerSources.Of sources) {
        long start = System.nanoTime();
        String id = container.id();
        Rollback undo = new Rollback();
        try (undo) {
            flight.stage("making its directories");
            undo.add(() -> Directories.remove(node.places().containerState(id)));
            Directories.make(node.places().containerState(id));
            TakeOver.noteCgroup(node.places().containerState(id), cgroupPath(container));
            undo.add(() -> Directories.remove(node.places().containerFiles(id)));
            Directories.make(node.places().containerFiles(id));
            sources.keep(container.spec());
            flight.stage("preparing its process");
            undo.add(() -> ContainerEnd.removeCgroup(node, container));
            prepare(container, pod, undo);
            flight.stage("recording");
            ContainerRecord record = newRecord(
                    container, image, volumeImages, container.prepared().map(ContainerLaunch::launched));
            try (PodLock.Held held = node.podLock().hold(pod.id())) {
                held.require(pod.id());
                requireReady(pod, "CreateContainer");
                flight.requireWanted();
                node.database().commit(new Change.PutContainer(record));
                containers.add(container);
                events.container(ContainerEventType.CONTAINER_CREATED_EVENT, container);
            }
            undo.forget();
            LOG.log(
                    Level.INFO,
                    "container.created container=" + container.name() + " id=" + Places.shortId(id) + " micros="
                            + (System.nanoTime() - start) / 1000);
        } catch (RuntimeException | Error e) {
            if (undo.hasFailed()) {
                keep(container, image, volumeImages, e);
            }
            throw e;
        }
    }

    /**
     * What could not be undone is not hidden: it is listed as EXITED, so that it is removed by whoever cleans up, as soon
     * as that can be done.
     */
    private void keep(
            LiveContainer container, ImageRecord image, Map<String, VolumeImage> volumeImages, Throwable cause) {
        container.leave();
        String remains = Remains.of(cause);
        try {
            node.database()
                    .note(new Change.PutContainer(newRecord(container, image, volumeImages, Optional.empty())
                            .exited(Node.now(), ContainerEnd.START_ERROR, "CreateContainerError", remains)));
            container.exited().complete(true);
            containers.add(container);
            events.container(ContainerEventType.CONTAINER_CREATED_EVENT, container);
            events.container(ContainerEventType.CONTAINER_STOPPED_EVENT, container);
            LOG.log(
                    Level.WARNING,
                    "container.left container=" + container.name() + " id=" + Places.shortId(container.id()) + " cause="
                            + remains);
        } catch (RuntimeException e) {
            cause.addSuppressed(e);
        }
    }

    /** What an earlier try left is in the way of the same try again: it goes, or it is told why it does not. */
    private void removeLeft(LiveContainer left, Identity.Container identity) {
        try {
            remove(left);
        } catch (CriException | CgroupRefusal e) {
            throw new CriException(
                    Status.Code.ALREADY_EXISTS,
                    "CreateContainer of " + identity,
                    "an earlier try failed and its remains are listed as container " + left.id() + ": "
                            + e.getMessage(),
                    "or use another attempt",
                    e);
        }
    }

    private LeasedImage lease(String image) {
        return node.images()
                .lease(image)
                .orElseThrow(() -> new CriException(
                        Status.Code.NOT_FOUND,
                        "config.image.image",
                        "image " + CriException.shown(image) + " is not on this node",
                        "pull it first"));
    }

    private PodRecord requireReady(LivePod pod, String asked) {
        Optional<PodRecord> record = node.database().pod(pod.id());
        if (record.isEmpty() || record.get().state() != PodState.READY) {
            throw precondition(asked, notReady(pod), RUN_ANOTHER);
        }
        return record.get();
    }

    private boolean isReady(LivePod pod) {
        return node.database()
                .pod(pod.id())
                .filter(record -> record.state() == PodState.READY)
                .isPresent();
    }

    private static CriException notReady(String asked, LivePod pod, RuntimeException cause) {
        return new CriException(Status.Code.FAILED_PRECONDITION, asked, notReady(pod), RUN_ANOTHER, cause);
    }

    private static String notReady(LivePod pod) {
        return "pod sandbox " + pod.id() + " is not ready";
    }

    private static LaunchedPod launched(PodRecord record) {
        return record.launched().orElseThrow();
    }

    /** Brings the container's process to its gate and opens its log. */
    @SuppressWarnings("MustBeClosedChecker") // the container owns both
    private void prepare(LiveContainer container, LivePod pod, Rollback undo) {
        requireProfile(
                Labels.of(container.spec().security(), node.host().facts().host()));
        ContainerLaunch launch = ContainerLaunch.prepare(
                node.host(),
                launchRequest(container, devices(container)),
                new ContainerLaunch.Neighbours(
                        launched(requireReady(pod, "CreateContainer")),
                        PidTarget.of(container.spec(), node, containers)));
        undo.add(() -> {
            container.prepared(Optional.empty());
            launch.close();
        });
        container.prepared(Optional.of(launch));
        ContainerLog log = openLog(container, launch.monitor());
        undo.add(() -> {
            container.log(Optional.empty());
            log.close();
        });
        container.log(Optional.of(log));
    }

    /** An AppArmor profile that the kernel does not have confines nobody: ours is loaded again, others are missed. */
    private void requireProfile(Labels labels) {
        AppArmor appArmor = node.host().appArmor();
        labels.appArmor().ifPresent(profile -> {
            if (profile.equals(Labels.DEFAULT_PROFILE)) {
                try {
                    appArmor.requireDefault();
                } catch (AppArmorException e) {
                    throw new CriException(
                            Status.Code.FAILED_PRECONDITION,
                            APPARMOR,
                            e.getMessage() + ", and the container is to run under it",
                            "see that the server has CAP_MAC_ADMIN and the package apparmor is whole, or ask for Unconfined",
                            e);
                }
            } else if (!appArmor.isLoaded(profile)) {
                throw precondition(
                        APPARMOR,
                        "the profile " + CriException.shown(profile) + " is not loaded on this node",
                        "load it with apparmor_parser --replace FILE");
            }
        });
    }

    private static HostDevices devices(LiveContainer container) {
        ContainerSpec spec = container.spec();
        return HostDevices.of(
                spec.security().privileged(), spec.devices(), spec.cdi().edits().deviceNodes());
    }

    /** The request for its launch as far as nothing of the host is looked up for it. */
    ContainerRequest launchRequest(LiveContainer container) {
        return launchRequest(container, HostDevices.NONE);
    }

    private ContainerRequest launchRequest(LiveContainer container, HostDevices devices) {
        String id = container.id();
        return container
                .spec()
                .launch(
                        id,
                        new ContainerSpec.Place(
                                node.places().containerFiles(id),
                                node.places().containerState(id),
                                cgroupPath(container)),
                        container.layersTopFirst(),
                        devices);
    }

    private String cgroupPath(LiveContainer container) {
        return ContainerEnd.cgroupPath(node, container);
    }

    @SuppressWarnings("MustBeClosedChecker") // the log owns the pipes, the container the log
    private ContainerLog openLog(LiveContainer container, Monitor monitor) {
        Path position = node.places().containerState(container.id()).resolve("log.position");
        Optional<LogFile> place = container.spec().log();
        try (Rollback undo = new Rollback()) {
            Fd stdout = monitor.stdout();
            undo.add(stdout::close);
            if (container.spec().streams().terminal()) {
                Fd master = monitor.input().orElseThrow();
                undo.add(master::close);
                Fd pipe = monitor.stdoutWrite();
                undo.forget();
                return ContainerLog.openTerminal(
                        node.logs(), place, position, stdout, new TerminalOutput(master, pipe));
            }
            Fd stderr = monitor.stderr();
            undo.forget();
            return ContainerLog.open(node.logs(), place, position, stdout, stderr);
        } catch (KernelException | UncheckedIOException e) {
            throw new CriException(
                    Status.Code.FAILED_PRECONDITION,
                    "the log of container " + container.name(),
                    container
                                    .spec()
                                    .log()
                                    .map(log -> log.path() + " cannot be opened: ")
                                    .orElse("")
                            + e.getMessage(),
                    "make it a plain file in plain directories below log_directory",
                    e);
        }
    }

    private ContainerRecord newRecord(
            LiveContainer container,
            ImageRecord image,
            Map<String, VolumeImage> volumeImages,
            Optional<LaunchedContainer> launched) {
        Identity.Container identity = container.spec().identity();
        return new ContainerRecord(
                container.id(),
                container.podId(),
                identity.name(),
                identity.attempt(),
                Bytes.copyOf(container.request().toByteArray()),
                image.id(),
                image.digests().stream().findFirst().orElse(image.id()),
                image.config(),
                image.layerChain(),
                volumeImages,
                container.spec().log().map(log -> log.path().toString()).orElse(""),
                Node.now(),
                0,
                0,
                ContainerState.CREATED,
                0,
                "",
                "",
                launched,
                node.bootId(),
                Optional.empty());
    }

    // ---- start

    /** Lets a created container's program run; returns when it does. */
    void start(String idOrPrefix) {
        LiveContainer container = containers.require(idOrPrefix);
        String asked = "StartContainer " + container.id();
        StartContainerRequest request = StartContainerRequest.newBuilder()
                .setContainerId(container.id())
                .build();
        String _ = node.inFlight().run(new ContainerStop.Starting(container.id()), asked, request, flight -> {
            start(flight, container, asked);
            return container.id();
        });
    }

    private void start(InFlight.Flight flight, LiveContainer container, String asked) {
        long start = System.nanoTime();
        LivePod pod = pods.require(container.podId());
        try {
            LaunchedContainer launched = launch(flight, container, pod, asked);
            LOG.log(
                    Level.INFO,
                    "container.started container=" + container.name() + " id=" + Places.shortId(container.id())
                            + " pid=" + launched.init().pid() + " micros=" + (System.nanoTime() - start) / 1000);
        } catch (CriException e) {
            throw e;
        } catch (RuntimeException e) {
            if (!isForWantOfDisk(container, e)) {
                failStart(container, e);
            }
            throw e;
        }
    }

    /** Nothing is wrong with the container then, and it has not been let go: it starts when the disk takes its record. */
    private boolean isForWantOfDisk(LiveContainer container, RuntimeException cause) {
        return DiskTrouble.of(cause).isPresent()
                && node.database()
                        .container(container.id())
                        .filter(record -> record.state() == ContainerState.CREATED)
                        .isPresent();
    }

    @SuppressWarnings("MustBeClosedChecker") // the container owns the monitor until its end
    private LaunchedContainer launch(InFlight.Flight flight, LiveContainer container, LivePod pod, String asked) {
        prepareAnewIfNeeded(container, pod, asked);
        flight.stage("comparing its process with the request");
        long startedAt = Node.now();
        ContainerLaunch launch;
        try (PodLock.Held ofPod = node.podLock().hold(pod.id());
                ContainerLock.Held ofContainer = node.containerLock().hold(container.id())) {
            ofPod.require(pod.id());
            ofContainer.require(container.id());
            flight.requireWanted();
            ContainerRecord record = requireCreated(container, pod, asked);
            launch = container.prepared().orElseThrow();
            ContainerRecord starting =
                    record.prepared(launch.launched(), node.bootId()).starting(startedAt);
            // before the gate opens: no program ever ran that the records do not know
            Database.Pending recorded = node.database().begin(List.of(new Change.PutContainer(starting)));
            try {
                launch.check();
                countOom(container);
            } finally {
                recorded.await();
            }
        }
        // from here on nobody else ends it: its record says that it is being started
        LaunchedContainer launched = launch.execute();
        try (ContainerLock.Held held = node.containerLock().hold(container.id())) {
            held.require(container.id());
            container.prepared(Optional.empty());
            watch(container, launch.release(), launched);
            node.database()
                    .note(new Change.PutContainer(
                            record(container).prepared(launched, node.bootId()).running(startedAt)));
            events.container(ContainerEventType.CONTAINER_STARTED_EVENT, container);
        }
        return launched;
    }

    private ContainerRecord requireCreated(LiveContainer container, LivePod pod, String asked) {
        ContainerRecord record = record(container);
        if (record.state() != ContainerState.CREATED) {
            throw precondition(asked, "it is " + record.state(), "only a container that is CREATED starts");
        }
        var _ = requireReady(pod, asked);
        var _ = PidTarget.of(container.spec(), node, containers);
        return record;
    }

    /** A container whose prepared process went away with an earlier server, or was ended by somebody. */
    private void prepareAnewIfNeeded(LiveContainer container, LivePod pod, String asked) {
        try (ContainerLock.Held held = node.containerLock().hold(container.id());
                Rollback undo = new Rollback()) {
            held.require(container.id());
            var _ = requireCreated(container, pod, asked);
            boolean alive = container
                    .prepared()
                    .filter(launch -> launch.launched().init().isAlive())
                    .isPresent();
            if (!alive) {
                ContainerStop.unprepare(container);
                prepare(container, pod, undo);
            }
            undo.forget();
        } catch (LaunchException | KernelException e) {
            if (isReady(pod)) {
                throw e;
            }
            throw notReady(asked, pod, e);
        }
    }

    private void failStart(LiveContainer container, RuntimeException cause) {
        try (ContainerLock.Held held = node.containerLock().hold(container.id())) {
            held.require(container.id());
            container.oom(Optional.empty());
            if (node.database().container(container.id()).isEmpty()) {
                return; // removed before it could fail
            }
            ContainerStop.unprepare(container);
            String message = CriException.readable(
                    Optional.ofNullable(cause.getMessage()).orElseGet(cause::toString));
            node.database()
                    .note(new Change.PutContainer(
                            record(container).exited(Node.now(), ContainerEnd.START_ERROR, "StartError", message)));
            events.container(ContainerEventType.CONTAINER_STOPPED_EVENT, container);
            container.exited().complete(true);
            LOG.log(
                    Level.INFO,
                    "container.failed container=" + container.name() + " id=" + Places.shortId(container.id())
                            + " cause=" + message);
        } catch (RuntimeException e) {
            cause.addSuppressed(e);
        }
    }

    /** From before its program runs: it may be killed for memory, and its cgroup be gone, before the start is over. */
    private void countOom(LiveContainer container) {
        if (container.oom().isEmpty()) {
            container.oom(node.host().watchOom(cgroupPath(container), node.events()));
        }
    }

    /** Sees to it that the end of the first process is noticed; it may have come already. */
    @SuppressWarnings("MustBeClosedChecker") // the container owns them until its end
    private void watch(LiveContainer container, Monitor monitor, LaunchedContainer launched) {
        Optional<Fd> init = launched.init().open();
        if (init.isEmpty()) {
            container.running(Optional.empty());
            node.exits().execute(() -> end.finish(container, Optional.of(monitor)));
            return;
        }
        countOom(container);
        // one report is enough: the pidfd stays readable
        EventLoop.Registration registration = node.events()
                .watch(
                        init.get(),
                        EPOLLIN | EPOLLONESHOT,
                        _ -> node.exits().execute(() -> end.finish(container, Optional.empty())));
        container.running(Optional.of(new LiveContainer.Running(monitor, init.get(), registration)));
    }

    // ---- stop

    /** {@link ContainerStop#stop(String, long)}. */
    void stop(String idOrPrefix, long timeoutSeconds) {
        stop.stop(idOrPrefix, timeoutSeconds);
    }

    /**
     * Ends all containers of a pod that is not READY any more; those that are being created end themselves.
     *
     * @see ContainerStop#stopAll
     */
    void stopAll(String podId) {
        node.inFlight()
                .awaitNone(key -> key instanceof Identity.Container identity
                        && identity.podId().equals(podId));
        stop.stopAll(ofPod(podId));
    }

    List<LiveContainer> ofPod(String podId) {
        return containers.all().stream()
                .filter(container -> container.podId().equals(podId))
                .toList();
    }

    // ---- remove

    /** Removes a container, killing it if it runs; unknown ones are removed already. */
    void remove(String idOrPrefix) {
        containers.find(idOrPrefix).ifPresent(this::remove);
    }

    void removeAll(String podId) {
        ofPod(podId).forEach(this::remove);
    }

    /** Refuses the removal of a pod that still has a container. */
    void requireNone(String podId) {
        List<LiveContainer> left = ofPod(podId);
        if (!left.isEmpty()) {
            throw precondition(
                    "RemovePodSandbox " + podId, "container " + left.getFirst().id() + " came meanwhile", "try again");
        }
    }

    /** One that was started between our looks is killed like one that ran before. */
    private void remove(LiveContainer container) {
        boolean removed;
        do {
            if (stop.isRunning(container)) {
                stop.kill(container);
            }
            removed = removeAtRest(container);
        } while (!removed);
    }

    /** False if it runs. Refuses one that is being started. */
    private boolean removeAtRest(LiveContainer container) {
        try (ContainerLock.Held held = node.containerLock().hold(container.id())) {
            held.require(container.id());
            Optional<ContainerRecord> record = node.database().container(container.id());
            if (record.isEmpty()) {
                return true;
            }
            if (isStarting(container, record.get())) {
                throw precondition(
                        "RemoveContainer " + container.id(), "it is being started", "try again when it has started");
            }
            boolean runs = record.get().state() == ContainerState.RUNNING
                    && !container.exited().isDone();
            if (runs) {
                return false;
            }
            removeAll(container, record.get());
        }
        LOG.log(
                Level.INFO,
                "container.removed container=" + container.name() + " id=" + Places.shortId(container.id()));
        return true;
    }

    /** A start in a pod that is stopped comes to nothing, unless its gate was open before. */
    private boolean isStarting(LiveContainer container, ContainerRecord record) {
        return node.inFlight().isFlying(new ContainerStop.Starting(container.id()))
                && (record.state() == ContainerState.STARTING || isReady(pods.require(container.podId())));
    }

    private void removeAll(LiveContainer container, ContainerRecord record) {
        ContainerStop.unprepare(container);
        ContainerEnd.removeCgroup(node, container);
        String asked = "RemoveContainer " + container.id();
        Directories.remove(node.places().containerState(container.id()), asked);
        Directories.remove(node.places().containerFiles(container.id()), asked);
        node.database().note(new Change.RemoveContainer(container.id()));
        containers.remove(container);
        events.container(ContainerEventType.CONTAINER_DELETED_EVENT, container);
        node.images().removeUnusedLayers(record.usedLayers());
    }

    // ---- log, exec

    /** Opens the log anew after it was renamed. */
    void reopenLog(String idOrPrefix) {
        LiveContainer container = containers.require(idOrPrefix);
        Optional<ContainerLog> log = container.log();
        if (!stop.isRunning(container) || log.isEmpty()) {
            throw precondition(
                    "ReopenContainerLog " + container.id(),
                    "the container is not running",
                    "only the log of a running container is written");
        }
        log.get().reopen();
    }

    /**
     * Attaches somebody to a running container.
     *
     * @param stdin whether it may write to the container's input; without effect if the container takes none
     * @return to be closed by the caller
     */
    ProcessEnds attach(LiveContainer container, boolean stdin, boolean stdout, boolean stderr) {
        String asked = "Attach to " + container.id();
        Optional<ContainerLog> log = container.log();
        Optional<LiveContainer.Running> running = container.running();
        if (log.isEmpty() || running.isEmpty()) {
            throw precondition(asked, "the container is not running", "only a running one can be attached to");
        }
        Attachment.Input input = input(container.spec().streams(), running.get().monitor(), stdin);
        return log.get()
                .attach(stdout, stderr, input, () -> end.exit(container))
                .orElseThrow(() ->
                        precondition(asked, "the container has just ended", "only a running one can be attached to"));
    }

    /** Its input may have ended for good; then there is none. */
    @SuppressWarnings("MustBeClosedChecker") // the caller owns it
    private static Attachment.Input input(StandardStreams streams, Monitor monitor, boolean wanted) {
        boolean writes = wanted && streams.stdin();
        try (Rollback undo = new Rollback()) {
            Optional<Fd> terminal = streams.terminal() ? monitor.input() : Optional.empty();
            terminal.ifPresent(master -> undo.add(master::close));
            Optional<Fd> stdin = writes ? monitor.input() : Optional.empty();
            stdin.ifPresent(open -> undo.add(open::close));
            boolean once = stdin.isPresent() && streams.inputEnds();
            Optional<Fd> order = once ? Optional.of(monitor.inputOrder()) : Optional.empty();
            undo.forget();
            return new Attachment.Input(stdin, terminal, order);
        }
    }

    /**
     * The plan for a program that joins a container: under the AppArmor profile that the container was given, which
     * somebody may have unloaded meanwhile. Where the kernel does not tell which it has, it refuses the program itself.
     */
    ContainerPlan planToJoin(LiveContainer container) {
        ContainerPlan plan = plan(container);
        if (node.host().appArmor().tellsProfiles()) {
            requireProfile(plan.security().labels());
        }
        return plan;
    }

    /** What was decided for a container, again if an earlier server decided it. */
    ContainerPlan plan(LiveContainer container) {
        return container.plan().orElseGet(() -> {
            ContainerPlan plan = ContainerLaunch.planAgain(node.host(), launchRequest(container));
            container.plan(plan);
            return plan;
        });
    }

    /** What the records say of it. */
    ContainerRecord record(LiveContainer container) {
        return node.database()
                .container(container.id())
                .orElseThrow(() -> CriException.notFound("container", container.id()));
    }

    // ---- at the server's start

    /** Takes a container over from the records. */
    LiveContainer adopt(ContainerRecord record, LivePod pod) {
        try {
            CreateContainerRequest request =
                    CreateContainerRequest.parseFrom(record.request().toByteArray());
            ContainerSources.Of sources = ContainerSources.Of.container(config, node.places(), record.id());
            ContainerSpec spec = ContainerSpec.of(
                    request,
                    pod.id(),
                    pod.spec(),
                    ImageConfig.parse(record.imageConfig().toByteArray()),
                    pod.files(),
                    sources.kept(),
                    (_, path, _) -> volumeLayers(record, path));
            if (record.updated().isPresent()) {
                spec = spec.withResources(
                        LinuxContainerResources.parseFrom(record.updated().get().toByteArray()));
            }
            ImageRecord layers = new ImageRecord(
                    record.imageId(),
                    List.of(),
                    List.of(),
                    record.imageConfig(),
                    record.layerIds(),
                    1,
                    Map.of(),
                    record.createdAtNanos());
            LiveContainer container =
                    new LiveContainer(record.id(), request, spec, node.images().layerPathsTopFirst(layers));
            if (record.state() == ContainerState.EXITED) {
                container.exited().complete(true);
            }
            containers.add(container);
            return container;
        } catch (InvalidProtocolBufferException e) {
            throw new IllegalStateException("the record of container " + record.id() + " is no request", e);
        }
    }

    private List<Path> volumeLayers(ContainerRecord record, String containerPath) {
        VolumeImage image = record.volumeImages().get(containerPath);
        if (image == null) {
            throw new IllegalStateException(
                    "the record of container " + record.id() + " has no image for " + containerPath);
        }
        return node.images().volumeLayersTopFirst(image.layerChain());
    }

    /**
     * Takes over the processes that an earlier server left: goes on with the log, watches the program or records its
     * end.
     */
    @SuppressWarnings("MustBeClosedChecker") // the container owns the monitor until its end
    void reopen(LiveContainer container, LaunchedContainer recorded) {
        Optional<Monitor> found = Monitor.reopen(recorded.monitor());
        if (found.isEmpty()) {
            end.finish(container, Optional.empty());
            return;
        }
        Monitor monitor = found.get();
        reopenLog(container, monitor);
        ContainerRecord record = record(container);
        LaunchedContainer launched = record.state() == ContainerState.STARTING
                // the program may be another process than the one that waited at the gate
                ? new LaunchedContainer(
                        recorded.monitor(),
                        monitor.program(() -> end.exit(container)).orElse(recorded.init()))
                : recorded;
        if (!launched.init().isAlive()) {
            end.finish(container, found);
            return;
        }
        try (ContainerLock.Held held = node.containerLock().hold(container.id())) {
            held.require(container.id());
            watch(container, monitor, launched);
            if (record.state() == ContainerState.STARTING) {
                node.database()
                        .note(new Change.PutContainer(
                                record.prepared(launched, node.bootId()).running(record.startedAtNanos())));
            }
        }
    }

    /** A log that cannot be opened does not lose the container: its output waits for the next server. */
    @SuppressWarnings("MustBeClosedChecker") // the container owns the log
    private void reopenLog(LiveContainer container, Monitor monitor) {
        try {
            container.log(Optional.of(openLog(container, monitor)));
        } catch (CriException e) {
            LOG.log(Level.WARNING, "log.lost container=" + container.name() + " cause=" + e.getMessage());
        }
    }

    /** Ends what an earlier server may have left of a container that does not run. */
    void release(LiveContainer container) {
        ContainerEnd.removeCgroup(node, container);
    }
}
