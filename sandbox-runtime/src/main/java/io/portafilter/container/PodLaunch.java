package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.*;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.cgroup.Cgroup;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.OwnThread;
import io.portafilter.linux.ProcDirectory;
import io.portafilter.linux.ProcessRef;
import io.portafilter.rootfs.DetachedMount;
import io.portafilter.security.IdMappings;
import io.portafilter.security.Labels;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * A pod sandbox that is prepared: its namespaces exist and its pause process waits. {@link #execute} lets it be; closing
 * it before undoes everything.
 */
public final class PodLaunch implements AutoCloseable {

    static final Duration REMOVE_LIMIT = Duration.ofSeconds(5);
    private static final Duration EXECUTE_LIMIT = Duration.ofSeconds(5);

    private final PreparedLaunch launch;
    private final LaunchedPod launched;
    private final Rollback undo;

    private PodLaunch(PreparedLaunch launch, LaunchedPod launched, Rollback undo) {
        this.launch = launch;
        this.launched = launched;
        this.undo = undo;
    }

    /**
     * Makes the pod's cgroup, namespaces and pause process, and the network namespace too.
     *
     * @throws io.portafilter.launch.LaunchException if the launch program fails
     */
    @MustBeClosed
    public static PodLaunch prepare(Host host, PodRequest asked) {
        if (!takesNetwork(asked)) {
            return prepare(host, asked, _ -> {});
        }
        try (Fd network = OwnThread.newNetworkNamespace()) {
            return prepare(host, asked, network);
        }
    }

    /** Whether it can be given a network namespace: one that a user namespace shall own is made by the launch. */
    public static boolean takesNetwork(PodRequest asked) {
        return !asked.hostNetwork() && asked.ids().isEmpty();
    }

    /**
     * As the other, for a request that {@linkplain #takesNetwork takes} a network namespace.
     *
     * @param network in which loopback is up; it stays the caller's
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the launch closes what it is given
    public static PodLaunch prepare(Host host, PodRequest asked, Fd network) {
        Descriptors descriptors = new Descriptors();
        descriptors.give(Slot.Role.NETWORK_NAMESPACE, network.duplicate());
        return prepareIn(host, asked, descriptors, _ -> {});
    }

    /**
     * As the other, for a request that takes no network namespace.
     *
     * @param made is shown the network namespace that the pod's own user namespace owns, if there is one, as soon as it is
     *     made; the pod goes on when that returns, with its sysctls for one. It stays the launch's
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the launch closes what it is given
    public static PodLaunch prepare(Host host, PodRequest asked, Consumer<Fd> made) {
        return prepareIn(host, asked, new Descriptors(), made);
    }

    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the result owns them, or the rollback has closed them
    private static PodLaunch prepareIn(Host host, PodRequest asked, Descriptors given, Consumer<Fd> networkMade) {
        try (Rollback undo = new Rollback();
                Descriptors descriptors = given) {
            Host.MadeCgroup made = host.makeCgroup(asked.cgroupPath(), asked.limits(), undo);
            int _ = joinDescriptors(host, made.cgroup().openForJoin(), descriptors);
            PausePlan plan = PausePlan.of(asked, host.facts().joining(made.cgroup()));
            PauseProgram program = PauseProgram.of(plan);
            descriptors.give(Slot.Role.EXIT_FILE, PreparedLaunch.exitFile(asked.directory()));
            Optional<String> label = Labels.ofPod(
                            asked.selinux(),
                            asked.hostPid() || asked.hostIpc(),
                            host.facts().host())
                    .selinuxMounts();
            descriptors.give(Slot.Role.ROOT, root(label));
            descriptors.give(Slot.of(Slot.Role.MOUNT, 0), sharedMemory(asked, label));
            PreparedLaunch launch = PreparedLaunch.start(
                    host,
                    PreparedLaunch.Encoded.of(program.program()),
                    program.slots(),
                    "portafilter-pod " + asked.id(),
                    descriptors,
                    PreparedLaunch.progressFile(asked.directory()));
            undo.add(launch::close);
            int pid = launch.status().awaitStarted(1);
            ProcessRef pause;
            try (ProcDirectory process = launch.open(pid)) {
                pause = new ProcessRef(pid, process.stat().startTimeTicks());
                if (plan.ids().isPresent()) {
                    map(process, plan.ids().get());
                    if (!plan.hostNetwork()) {
                        show(process, networkMade, launch);
                    }
                    launch.openGate();
                }
                launch.status().awaitReady();
                launch.keepNamespaces(process, "pid");
            }
            made.letGo();
            return new PodLaunch(launch, new LaunchedPod(launch.monitor().process(), pause), undo.transfer());
        }
    }

    private static void show(ProcDirectory process, Consumer<Fd> networkMade, PreparedLaunch launch) {
        try (Fd network = network(process, launch)) {
            long begin = System.nanoTime();
            networkMade.accept(network);
            launch.status().waited(Duration.ofNanos(System.nanoTime() - begin));
        }
    }

    @MustBeClosed
    private static Fd network(ProcDirectory process, PreparedLaunch launch) {
        try {
            return process.openNamespace("net");
        } catch (KernelException e) {
            throw launch.ended(e);
        }
    }

    static void removeCgroup(Cgroup cgroup) {
        cgroup.kill(REMOVE_LIMIT);
        cgroup.remove(REMOVE_LIMIT);
    }

    /** Puts what a process needs to join a cgroup into its slots, and returns how many v1 hierarchies it joins. */
    static int joinDescriptors(Host host, List<Fd> opened, Descriptors descriptors) {
        if (host.facts().host().cgroupV2()) {
            descriptors.give(Slot.Role.CGROUP, opened.getFirst());
            return 0;
        }
        for (int i = 0; i < opened.size(); i++) {
            descriptors.give(Slot.of(Slot.Role.TASKS, i), opened.get(i));
        }
        return opened.size();
    }

    /** A process that has joined a new user namespace cannot map more than itself; the server does it. */
    private static void map(ProcDirectory process, IdMappings ids) {
        write(process, "uid_map", ids.uidMapText());
        write(process, "gid_map", ids.gidMapText());
    }

    private static void write(ProcDirectory process, String file, String text) {
        try (Fd opened = Kernel.openat(process.descriptor(), file, O_WRONLY | O_CLOEXEC)) {
            Kernel.writeText(opened, text);
        }
    }

    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    private static Fd root(Optional<String> label) {
        Fd root = DetachedMount.tmpfs(
                MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, label, "mode=755", "size=64k");
        try {
            for (String directory :
                    List.of("proc", PausePlan.SHARED_MEMORY.substring(1), PausePlan.EMPTY.substring(1))) {
                Kernel.mkdirat(root, directory, 0755);
            }
            DetachedMount.setReadOnly(root);
            return root;
        } catch (RuntimeException e) {
            root.close();
            throw e;
        }
    }

    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    private static Fd sharedMemory(PodRequest asked, Optional<String> label) {
        Optional<IdMappings> ids = asked.ids();
        return DetachedMount.tmpfs(
                MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
                label,
                "mode=1777",
                "size=" + asked.sharedMemoryBytes(),
                "uid=" + ids.map(map -> map.hostUid(0)).orElse(0L),
                "gid=" + ids.map(map -> map.hostGid(0)).orElse(0L));
    }

    /** The processes, to be recorded before {@link #execute}. */
    public LaunchedPod launched() {
        return launched;
    }

    /** Lets the pause process be. The caller closes the monitor. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    public Monitor execute() {
        launch.openGate();
        launch.status().awaitExecuted(EXECUTE_LIMIT);
        Monitor monitor = launch.finish();
        undo.forget();
        return monitor;
    }

    @Override
    public void close() {
        undo.close();
    }
}
