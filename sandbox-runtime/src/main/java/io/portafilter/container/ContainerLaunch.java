package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.*;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.cgroup.Cgroup;
import io.portafilter.cgroup.CgroupLimits;
import io.portafilter.cgroup.CgroupRefusal;
import io.portafilter.cgroup.CgroupView;
import io.portafilter.launch.LaunchException;
import io.portafilter.launch.ProgressFile;
import io.portafilter.linux.Device;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.Pipe;
import io.portafilter.linux.ProcDirectory;
import io.portafilter.linux.ProcFile;
import io.portafilter.linux.ProcessRef;
import io.portafilter.linux.ReceivedMessage;
import io.portafilter.rootfs.CgroupTree;
import io.portafilter.rootfs.DetachedMount;
import io.portafilter.rootfs.DeviceNode;
import io.portafilter.rootfs.DeviceTree;
import io.portafilter.rootfs.Interpreter;
import io.portafilter.rootfs.LayerStack;
import io.portafilter.rootfs.MountPoints;
import io.portafilter.rootfs.RootPath;
import io.portafilter.rootfs.VolumeMount;
import io.portafilter.security.IdMappings;
import io.portafilter.security.ImageAccounts;
import io.portafilter.security.Labels;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/**
 * A container that is prepared: everything that can be wrong with its request has been tried, and its process waits at
 * the gate. {@link #check} compares it with the plan, {@link #execute} lets its program run; closing it before undoes
 * everything.
 */
public final class ContainerLaunch implements AutoCloseable {

    /** Room for log lines while the server is away; a writer that fills it waits. */
    static final int LOG_PIPE_BYTES = 1 << 20;

    /** Its file in the container's state directory. */
    private static final String LABELS = "labels";

    private static final Duration EXECUTE_LIMIT = Duration.ofSeconds(20);

    private final Host host;
    private final ContainerPlan plan;
    private final PreparedLaunch launch;

    /** What is written here makes the monitor stay after its program's end, until it is killed. */
    private final Fd stay;

    private final Cgroup cgroup;
    private final Path exitFile;
    private final LaunchedContainer prepared;
    private final NamespaceInodes pod;
    private final PreparedMounts mounts;
    private final List<OpenFile> streams;
    private final MountPoints points;
    private final Rollback undo;

    private ContainerLaunch(
            Host host,
            ContainerRequest asked,
            PreparedLaunch launch,
            Groundwork groundwork,
            Terminals terminals,
            LaunchedContainer prepared,
            Rollback undo) {
        this.host = host;
        this.plan = groundwork.plan();
        this.exitFile = PreparedLaunch.exitPath(asked.stateDirectory());
        this.launch = launch;
        this.stay = groundwork.stay();
        this.cgroup = groundwork.made().cgroup();
        this.prepared = prepared;
        this.pod = groundwork.pod();
        this.mounts = groundwork.mounts().with(terminals.device());
        this.streams =
                terminals.ofProgram().map(file -> List.of(file, file, file)).orElse(groundwork.streams());
        this.points = groundwork.points();
        this.undo = undo;
    }

    /**
     * Prepares a container in a pod sandbox.
     *
     * @throws LaunchException if the launch program fails, or the pod is not running
     */
    @MustBeClosed
    public static ContainerLaunch prepare(Host host, ContainerRequest asked, LaunchedPod pod) {
        return prepare(host, asked, new Neighbours(pod));
    }

    /** As the other, for a container that may share another one's PID namespace. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the result owns them, or the rollback has closed them
    public static ContainerLaunch prepare(Host host, ContainerRequest asked, Neighbours neighbours) {
        try (Groundwork groundwork = layGroundwork(host, asked, neighbours)) {
            return start(host, asked, groundwork);
        }
    }

    /**
     * Whose namespaces a container joins.
     *
     * @param pod its pod sandbox
     * @param target the container whose PID namespace it shares; present with {@link PidMode#TARGET}, else unused
     */
    public record Neighbours(LaunchedPod pod, Optional<LaunchedContainer> target) {
        /** A pod alone. */
        public Neighbours(LaunchedPod pod) {
            this(pod, Optional.empty());
        }
    }

    /**
     * Everything that the launch program is handed, made by the server: cgroup, mounts, pipes, files.
     *
     * @param streams what the program's three are open on, if it has no terminal
     * @param input what the monitor keeps of the program's input, if that is a pipe
     * @param undo removes it again; taken over by the launch
     */
    record Groundwork(
            ContainerPlan plan,
            Host.MadeCgroup made,
            NamespaceInodes pod,
            PreparedMounts mounts,
            MountPoints points,
            Fd stay,
            List<OpenFile> streams,
            List<Fd> input,
            Descriptors descriptors,
            Rollback undo)
            implements AutoCloseable {

        Groundwork {
            streams = List.copyOf(streams);
            input = List.copyOf(input);
        }

        @Override
        public void close() {
            try (undo) {
                descriptors.close();
            }
        }
    }

    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the result owns them, or the rollback has closed them
    static Groundwork layGroundwork(Host host, ContainerRequest asked, Neighbours neighbours) {
        try (Rollback undo = new Rollback();
                Monitor podMonitor = Monitor.reopen(neighbours.pod().monitor())
                        .orElseThrow(() -> LaunchException.because(
                                "pod sandbox " + asked.podId() + " is not running: its namespaces are gone"))) {
            Descriptors descriptors = new Descriptors();
            undo.add(descriptors::close);
            host.lendProc(descriptors);
            Optional<IdMappings> ids = asked.security().ids();
            long rootUid = ids.map(map -> map.hostUid(0)).orElse(0L);
            long rootGid = ids.map(map -> map.hostGid(0)).orElse(0L);
            joinPod(host, asked, podMonitor, descriptors);
            NamespaceInodes namespaces = NamespaceInodes.of(podMonitor);
            if (asked.pidMode() == PidMode.TARGET) {
                namespaces = namespaces.with("pid", joinTarget(host, neighbours, descriptors));
            }

            Host.MadeCgroup made = host.makeCgroup(asked.cgroupPath(), asked.limits(), undo);
            int _ = PodLaunch.joinDescriptors(host, made.cgroup().openForJoin(), descriptors);

            Labels labels = Labels.of(asked.security(), host.facts().host());
            Fd root = root(asked, labels, podMonitor, rootUid, rootGid);
            descriptors.give(Slot.Role.ROOT, root);
            ImageAccounts accounts = accounts(root);
            save(labels, asked.stateDirectory());
            save(accounts, asked.stateDirectory());
            ContainerRequest settled =
                    asked.with(DeclaredVolumes.settle(asked.mounts(), path -> MountPoints.resolve(root, path)));
            ContainerPlan decided =
                    ContainerPlan.of(settled, accounts, host.facts().joining(made.cgroup()));
            if (decided.mountsCgroups()) {
                mountCgroups(decided, made.cgroup(), rootUid, rootGid, descriptors);
            }
            List<DeviceNode> nodes = asked.devices().stream()
                    .map(device -> device.node(decided.security().user(), ids))
                    .toList();
            Fd devices = DeviceTree.create(nodes, rootUid, rootGid, labels.selinuxMounts());
            descriptors.give(Slot.Role.DEVICES, devices);
            nullDevice(devices, descriptors);
            DeviceTree.makeElsewhere(root, nodes, rootUid, rootGid);
            MountPoints points = new MountPoints(root, rootUid, rootGid);
            undo.add(points::close);
            undo.add(points::removeMade);
            VolumeSite site = new VolumeSite(
                    host,
                    root,
                    ids,
                    podMonitor,
                    asked.writableDirectory(),
                    rootUid,
                    rootGid,
                    labels.selinuxVolumes(asked.security().privileged()));
            ContainerPlan plan = decided.withTargets(prepareMounts(decided, points, site, devices, descriptors, undo));
            points.ensureDirectory(plan.workingDirectory());
            if (plan.security().readOnlyRootfs()) {
                DetachedMount.setReadOnly(root);
            }
            logPipe(Slot.Role.STDOUT_READ, Slot.Role.STDOUT_WRITE, plan, descriptors);
            if (plan.streams().terminal()) {
                noStderr(descriptors);
            } else {
                logPipe(Slot.Role.STDERR_READ, Slot.Role.STDERR_WRITE, plan, descriptors);
            }
            List<Fd> input = input(plan, descriptors, undo);
            descriptors.give(Slot.Role.EXIT_FILE, PreparedLaunch.exitFile(asked.stateDirectory()));
            Pipe stay = Kernel.pipe2(O_CLOEXEC | O_NONBLOCK);
            undo.add(stay.write()::close);
            descriptors.give(Slot.Role.STAY, stay.read());
            return new Groundwork(
                    plan,
                    made,
                    namespaces,
                    numbers(plan, root, devices, descriptors, neighbours.pod()),
                    points,
                    stay.write(),
                    streams(plan, descriptors),
                    input,
                    descriptors,
                    undo.transfer());
        }
    }

    /** Whether the program of a container whose end was not followed was ever executed; false if nothing is known. */
    public static boolean wasExecuted(Path stateDirectory) {
        try (Fd file = Kernel.open(PreparedLaunch.progressPath(stateDirectory).toString(), O_RDONLY | O_NOFOLLOW)) {
            return ProgressFile.tellsOfExecution(file);
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT)) {
                return false;
            }
            throw e;
        }
    }

    /** Runs the launch program up to its gate. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the result owns them, or the rollback has closed them
    static ContainerLaunch start(Host host, ContainerRequest asked, Groundwork groundwork) {
        ContainerPlan plan = groundwork.plan();
        ContainerProgram program = ContainerProgram.of(plan);
        PreparedLaunch launch = PreparedLaunch.start(
                host,
                PreparedLaunch.Encoded.of(program.program()),
                program.slots(),
                "portafilter-container " + asked.id(),
                groundwork.descriptors(),
                PreparedLaunch.progressFile(asked.stateDirectory()));
        groundwork.undo().add(launch::close);
        launch.status().noteExecutions();
        int pid = awaitReady(launch, groundwork.made().cgroup(), asked);
        LaunchedContainer prepared;
        Terminals terminals;
        try (ProcDirectory process = launch.open(pid);
                ReceivedMessage sent = launch.receive()) {
            prepared = new LaunchedContainer(
                    launch.monitor().process(),
                    new ProcessRef(pid, process.stat().startTimeTicks()));
            terminals = terminals(sent.descriptors(), plan.streams());
            List<Fd> kept = new ArrayList<>(sent.descriptors());
            kept.addAll(groundwork.input());
            launch.keepNamespaces(process, plan.pidMode() == PidMode.CONTAINER ? "pid" : "pid_for_children", kept);
        }
        if (plan.streams().terminal()) {
            launch.awaitKept(); // its log is opened from there
        }
        groundwork.input().forEach(Fd::close);
        groundwork.made().letGo();
        return new ContainerLaunch(
                host,
                asked,
                launch,
                groundwork,
                terminals,
                prepared,
                groundwork.undo().transfer());
    }

    /**
     * What the prepared process has made.
     *
     * @param device the file system of its devpts
     * @param ofProgram the program's terminal, if it has one
     */
    private record Terminals(Device device, Optional<OpenFile> ofProgram) {}

    /** Looks at that: the devpts, and the master of the program's terminal if it has one. */
    private static Terminals terminals(List<Fd> sent, StandardStreams streams) {
        if (sent.size() != (streams.terminal() ? 2 : 1)) {
            throw LaunchException.because("the prepared process hands over " + sent.size() + " descriptors");
        }
        Fd terminals = sent.getFirst();
        PseudoTerminal.requireDevpts(terminals);
        Optional<OpenFile> ofProgram = Optional.empty();
        if (streams.terminal()) {
            PseudoTerminal.requireMaster(sent.getLast(), terminals);
            ofProgram = Optional.of(OpenFile.in(terminals, "0"));
        }
        return new Terminals(Kernel.fstat(terminals).device(), ofProgram);
    }

    /** Returns the pid of the process that waits at its gate; tells an end for want of memory from others. */
    private static int awaitReady(PreparedLaunch launch, Cgroup cgroup, ContainerRequest asked) {
        try {
            int pid = launch.status().awaitStarted(1);
            launch.status().awaitReady();
            return pid;
        } catch (LaunchException e) {
            OptionalLong limit = asked.limits().memoryLimitBytes();
            if (limit.isPresent() && cgroup.oomKills() > 0) {
                throw new CgroupRefusal("memory_limit_in_bytes " + limit.getAsLong()
                        + ": it is too small to start with: the kernel killed the container's process for want of"
                        + " memory while it was prepared; give more");
            }
            throw e;
        }
    }

    @SuppressWarnings("MustBeClosedChecker") // the descriptors own them
    private static void joinPod(Host host, ContainerRequest asked, Monitor pod, Descriptors descriptors) {
        if (!asked.hostNetwork()) {
            descriptors.give(Slot.Role.NETWORK_NAMESPACE, pod.podNamespace("net"));
            descriptors.give(Slot.Role.UTS_NAMESPACE, pod.podNamespace("uts"));
        }
        if (!asked.hostIpc()) {
            descriptors.give(Slot.Role.IPC_NAMESPACE, pod.podNamespace("ipc"));
        }
        if (asked.security().ids().isPresent()) {
            descriptors.give(Slot.Role.USER_NAMESPACE, pod.podNamespace("user"));
        }
        if (asked.pidMode() == PidMode.POD) {
            descriptors.give(Slot.Role.PID_NAMESPACE, pod.podNamespace("pid"));
        }
        descriptors.give(Slot.Role.MOUNT_NAMESPACE, pod.podNamespace("mnt"));
        descriptors.lend(Slot.of(Slot.Role.HOST_MOUNT_NAMESPACE), host.mountNamespace());
    }

    /** The namespaces as they were when the target was started, and the inode number of the one for PIDs. */
    @SuppressWarnings("MustBeClosedChecker") // the descriptors own them
    private static long joinTarget(Host host, Neighbours neighbours, Descriptors descriptors) {
        Optional<Monitor> found = neighbours.target().flatMap(target -> Monitor.reopen(target.monitor()));
        try (Monitor target = found.orElseThrow(
                () -> LaunchException.because("the container whose PID namespace is asked for is not running"))) {
            if (!host.facts().host().procPidnsOption()) {
                descriptors.give(Slot.Role.TARGET_MOUNT_NAMESPACE, target.containerNamespace("mnt"));
            }
            return Kernel.fstat(descriptors.give(Slot.Role.PID_NAMESPACE, target.containerNamespace("pid")))
                    .inode();
        }
    }

    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    private static Fd root(ContainerRequest asked, Labels labels, Monitor pod, long rootUid, long rootGid) {
        LayerStack layers = LayerStack.create(asked.lowerLayersTopFirst(), asked.writableDirectory(), rootUid, rootGid)
                .with(labels.selinuxMounts());
        if (asked.security().ids().isEmpty()) {
            return DetachedMount.overlay(layers, Optional.empty());
        }
        try (Fd userNamespace = pod.podNamespace("user")) {
            return DetachedMount.overlay(layers, Optional.of(userNamespace));
        }
    }

    /** Kept as they were, so that an exec sees the accounts that the container was started with. */
    private static void save(ImageAccounts accounts, Path stateDirectory) {
        PreparedLaunch.saveText(stateDirectory.resolve("passwd"), accounts.passwd());
        PreparedLaunch.saveText(stateDirectory.resolve("group"), accounts.group());
    }

    /**
     * The accounts of the image as they were when the container was prepared.
     *
     * @throws KernelException ENOENT when nothing is left of that
     */
    public static ImageAccounts savedAccounts(Path stateDirectory) {
        return new ImageAccounts(
                ProcFile.read(stateDirectory.resolve("passwd").toString()),
                ProcFile.read(stateDirectory.resolve("group").toString()));
    }

    /** Kept as they were, so that an exec is confined as the container is, whatever has become of the host meanwhile. */
    private static void save(Labels labels, Path stateDirectory) {
        PreparedLaunch.saveText(stateDirectory.resolve(LABELS), labels.saved());
    }

    /** The servers that kept no labels gave none. */
    private static Labels savedLabels(Path stateDirectory) {
        try {
            return Labels.parseSaved(
                    ProcFile.read(stateDirectory.resolve(LABELS).toString()));
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT)) {
                return Labels.NONE;
            }
            throw e;
        }
    }

    /**
     * Decides again what was decided for a container that has been prepared, for a server that did not do it itself. Its
     * labels are those that it was given then.
     */
    public static ContainerPlan planAgain(Host host, ContainerRequest asked) {
        ImageAccounts accounts = savedAccounts(asked.stateDirectory());
        Cgroup cgroup = Cgroup.at(host.cgroups(), asked.cgroupPath());
        return ContainerPlan.again(
                asked,
                accounts,
                savedLabels(asked.stateDirectory()),
                host.facts().joining(cgroup));
    }

    private static ImageAccounts accounts(Fd root) {
        return new ImageAccounts(text(root, "/etc/passwd"), text(root, "/etc/group"));
    }

    private static String text(Fd root, String path) {
        return RootPath.readRegular(root, path, ImageAccounts.LIMIT_BYTES + 1)
                .map(bytes -> new String(bytes, StandardCharsets.UTF_8))
                .orElse("");
    }

    @SuppressWarnings("MustBeClosedChecker") // the descriptors own them
    private static void mountCgroups(
            ContainerPlan plan, Cgroup cgroup, long rootUid, long rootGid, Descriptors descriptors) {
        boolean writable = plan.security().privileged();
        List<CgroupView> views = cgroup.views();
        List<String> names = views.stream().map(CgroupView::hierarchy).toList();
        descriptors.give(
                Slot.Role.CGROUP_TREE,
                CgroupTree.create(
                        names,
                        writable,
                        rootUid,
                        rootGid,
                        plan.security().labels().selinuxMounts()));
        for (int i = 0; i < views.size(); i++) {
            descriptors.give(
                    Slot.of(Slot.Role.CGROUP_VIEW, i),
                    CgroupTree.view(views.get(i).directory(), writable));
        }
    }

    /** What files are masked with, and stdin: our own node, looked at before any volume could take its place. */
    @SuppressWarnings("MustBeClosedChecker") // the descriptors own them
    private static void nullDevice(Fd devices, Descriptors descriptors) {
        Fd node = descriptors.give(
                Slot.Role.NULL_DEVICE, Kernel.openat(devices, "null", O_PATH | O_NOFOLLOW | O_CLOEXEC));
        FileStatus status = Kernel.fstat(node);
        if (!status.isCharacterDevice()
                || status.special().major() != 1
                || status.special().minor() != 3) {
            throw LaunchException.because("/dev/null of the container is not the null device: " + status);
        }
        descriptors.give(Slot.Role.STDIN, Kernel.openat(devices, "null", O_RDWR | O_NOFOLLOW | O_CLOEXEC));
    }

    /** Opens what is to be mounted and finds the places for it, before anything is attached. */
    @SuppressWarnings("MustBeClosedChecker") // the descriptors own them
    private static List<String> prepareMounts(
            ContainerPlan plan,
            MountPoints points,
            VolumeSite site,
            Fd devices,
            Descriptors descriptors,
            Rollback undo) {
        List<String> targets = new ArrayList<>();
        for (MountPlan mount : plan.mounts()) {
            targets.add(
                    switch (mount) {
                        case MountPlan.Devices(String target) -> points.addTree(target, devices);
                        case MountPlan.FileSystem fileSystem -> own(points, fileSystem.target());
                        case MountPlan.Terminals(String target) -> own(points, target);
                        case MountPlan.Console(String target) -> points.addOwnFile(target);
                        case MountPlan.OfPause(String target, String _) -> own(points, target);
                        case MountPlan.OfTarget(String target) -> own(points, target);
                        case MountPlan.CgroupTree(String target) ->
                            points.addTree(target, descriptors.at(Slot.of(Slot.Role.CGROUP_TREE)));
                        case MountPlan.CgroupView(String target, int index) ->
                            points.addTree(target, descriptors.at(Slot.of(Slot.Role.CGROUP_VIEW, index)));
                        case MountPlan.Prepared(String target, int index) -> {
                            VolumeMount volume = site.open(plan.prepared().get(index));
                            undo.add(volume::removeCreated);
                            descriptors.give(Slot.of(Slot.Role.MOUNT, index), volume.mount());
                            yield points.addVolume(target, volume);
                        }
                    });
        }
        return targets;
    }

    private static PreparedMounts numbers(
            ContainerPlan plan, Fd root, Fd devices, Descriptors descriptors, LaunchedPod pod) {
        List<Long> volumes = new ArrayList<>();
        for (int i = 0; i < plan.prepared().size(); i++) {
            volumes.add(
                    Kernel.fstat(descriptors.at(Slot.of(Slot.Role.MOUNT, i))).mountId());
        }
        List<Long> cgroups = new ArrayList<>();
        if (plan.mountsCgroups()) {
            cgroups.add(
                    Kernel.fstat(descriptors.at(Slot.of(Slot.Role.CGROUP_TREE))).mountId());
            for (int i = 0; i < plan.facts().cgroupTasksFiles(); i++) {
                cgroups.add(Kernel.fstat(descriptors.at(Slot.of(Slot.Role.CGROUP_VIEW, i)))
                        .mountId());
            }
        }
        FileStatus ours = Kernel.fstat(devices);
        return new PreparedMounts(
                Kernel.fstat(root).mountId(),
                ours.mountId(),
                ours.device(),
                volumes,
                cgroups,
                PreparedMounts.NO_TERMINALS,
                PauseMounts.of(pod.pause()));
    }

    private static String own(MountPoints points, String target) {
        return target.equals("/proc") ? target : points.addOwn(target);
    }

    /** The program's own, so that it may open /dev/stdout again ({@code pipe(7)}). */
    @SuppressWarnings("MustBeClosedChecker") // the descriptors own them
    private static void logPipe(Slot.Role read, Slot.Role write, ContainerPlan plan, Descriptors descriptors) {
        Pipe pipe = logPipe(plan);
        descriptors.give(read, pipe.read());
        descriptors.give(write, pipe.write());
    }

    /** With a terminal stderr is no other stream than stdout. */
    private static void noStderr(Descriptors descriptors) {
        Fd nothing = descriptors.at(Slot.of(Slot.Role.STDIN));
        descriptors.lend(Slot.of(Slot.Role.STDERR_READ), nothing);
        descriptors.lend(Slot.of(Slot.Role.STDERR_WRITE), nothing);
    }

    /** What descriptors 0, 1 and 2 of a program without a terminal are to be. */
    private static List<OpenFile> streams(ContainerPlan plan, Descriptors descriptors) {
        Slot.Role input = plan.streams().inputPipe() ? Slot.Role.INPUT : Slot.Role.STDIN;
        return Stream.of(input, Slot.Role.STDOUT_WRITE, Slot.Role.STDERR_WRITE)
                .map(role -> OpenFile.of(descriptors.at(Slot.of(role))))
                .toList();
    }

    /** What the monitor keeps of it, to be closed here once it does. */
    @SuppressWarnings("MustBeClosedChecker") // the descriptors own one, the rollback the others
    private static List<Fd> input(ContainerPlan plan, Descriptors descriptors, Rollback undo) {
        if (!plan.streams().inputPipe()) {
            return List.of();
        }
        Pipe pipe = inputPipe(plan);
        undo.add(pipe.write()::close);
        descriptors.give(Slot.Role.INPUT, pipe.read());
        if (!plan.streams().inputEnds()) {
            return List.of(pipe.write());
        }
        Fd order = Kernel.eventfd(EFD_NONBLOCK);
        undo.add(order::close);
        return List.of(pipe.write(), order);
    }

    @MustBeClosed
    static Pipe logPipe(ContainerPlan plan) {
        return pipe(plan, pipe -> {
            int _ = Kernel.setPipeSize(pipe.write(), LOG_PIPE_BYTES);
        });
    }

    /** One whose write end does not block: the server's. */
    @MustBeClosed
    static Pipe inputPipe(ContainerPlan plan) {
        return pipe(plan, pipe -> Kernel.setFlags(pipe.write(), O_NONBLOCK));
    }

    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    private static Pipe pipe(ContainerPlan plan, Consumer<Pipe> settings) {
        Pipe pipe = Kernel.pipe2(O_CLOEXEC);
        try {
            settings.accept(pipe);
            Kernel.fchown(pipe.write(), plan.hostUid(), plan.hostGid());
            return pipe;
        } catch (RuntimeException e) {
            pipe.close();
            throw e;
        }
    }

    private long userNamespace() {
        return plan.ids().isPresent() ? pod.of("user") : NamespaceInodes.OWN.of("user");
    }

    /** The processes at the gate, to be recorded before {@link #execute}. */
    public LaunchedContainer launched() {
        return prepared;
    }

    /** What was decided. */
    public ContainerPlan plan() {
        return plan;
    }

    /** The monitor, for the log pipes; it stays this object's until {@link #execute}. */
    public Monitor monitor() {
        return launch.monitor();
    }

    /** {@link Cgroup#apply(CgroupLimits, Runnable)} on its cgroup. */
    public void limit(CgroupLimits limits, Runnable commit) {
        host.limit(cgroup, limits, commit);
    }

    /** Compares what the kernel says of the waiting process with the plan; throws with the exact difference. */
    public void check() {
        check(UnaryOperator.identity());
    }

    /** The same if the kernel said something else. */
    void check(UnaryOperator<HeldProcess> kernel) {
        try {
            LaunchCheck.compare(
                    plan,
                    new LaunchCheck.Asked(
                            cgroup.expectedProcLines(),
                            pod,
                            mounts,
                            streams,
                            launch.monitor().process().pid()),
                    prepared.init().pid(),
                    kernel);
        } catch (KernelException e) {
            throw launch.ended(e);
        }
    }

    /**
     * Opens the gate and returns once the program runs. From now on the monitor stays when the program has ended: who
     * has read its log pipes and its exit file kills it.
     *
     * @throws LaunchException if it cannot be executed; the container has then ended
     */
    public LaunchedContainer execute() {
        try (ProcDirectory process = launch.open(prepared.init().pid());
                Fd root = Kernel.openat(process.descriptor(), "root", O_PATH | O_DIRECTORY)) {
            Kernel.writeFully(stay, new byte[] {1});
            launch.openGate();
            awaitExecuted(root);
            // In a shared PID namespace others can write to the status pipe by then: the kernel is asked for the
            // process.
            ProcessRef init = plan.pidMode() == PidMode.CONTAINER
                    ? prepared.init()
                    : launch.monitor().program(() -> ExitRecord.read(exitFile)).orElse(prepared.init());
            LaunchCheck.compareRunning(plan, userNamespace(), init);
            return new LaunchedContainer(prepared.monitor(), init);
        } catch (KernelException e) {
            launch.monitor().kill(); // it would stay
            throw launch.ended(e);
        } catch (LaunchException e) {
            launch.monitor().kill();
            throw e;
        }
    }

    /** {@code execve(2)} answers ENOENT for a program that is there as well, when its interpreter is not. */
    private void awaitExecuted(Fd root) {
        try {
            launch.status().awaitExecuted(EXECUTE_LIMIT);
        } catch (LaunchException e) {
            if (!e.isExecveError(Errno.ENOENT)) {
                throw e;
            }
            for (String candidate : plan.candidates()) {
                String path = candidate.startsWith("/") ? candidate : plan.workingDirectory() + "/" + candidate;
                Optional<String> missing = Interpreter.missing(root, path);
                if (missing.isPresent()) {
                    throw e.saying(
                            "execute " + candidate + ": No such file or directory (ENOENT): the container has the"
                                    + " file, but not the interpreter that it names, " + missing.get());
                }
            }
            throw e;
        }
    }

    /** Commits: from now on only the monitor's own end ends the container. The caller closes the monitor. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    public Monitor release() {
        Monitor monitor = launch.finish();
        undo.forget();
        points.close();
        stay.close();
        return monitor;
    }

    @Override
    public void close() {
        undo.close();
    }
}
