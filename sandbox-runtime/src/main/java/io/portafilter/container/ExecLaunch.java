package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.*;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.cgroup.Cgroup;
import io.portafilter.launch.LaunchException;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.Pipe;
import io.portafilter.linux.ProcessRef;
import io.portafilter.linux.SystemCall;
import java.time.Duration;
import java.util.Optional;

/**
 * A program that runs in a container beside its first process. Closing it kills what is left of it and reaps its
 * monitor.
 */
public final class ExecLaunch implements AutoCloseable {

    /** A program that has ended before it was looked for: no process has this start time. */
    private static final ProcessRef ENDED = new ProcessRef(Integer.MAX_VALUE, 0);

    private static final Duration END_LIMIT = Duration.ofSeconds(5);

    private final Monitor monitor;
    private final ProcessRef process;
    private final Fd exitFile;
    private final Fd stdout;
    private final Fd stderr;

    private ExecLaunch(Monitor monitor, ProcessRef process, Fd exitFile, Fd stdout, Fd stderr) {
        this.monitor = monitor;
        this.process = process;
        this.exitFile = exitFile;
        this.stdout = stdout;
        this.stderr = stderr;
    }

    /**
     * Runs a program in a running container, in the namespaces that the container was started with.
     *
     * @param plan the container's own ({@link ContainerLaunch#plan}, or {@link ContainerLaunch#planAgain})
     * @param cgroupPath the container's
     * @throws LaunchException if the program cannot be executed ({@link LaunchException#isExecveError}) or the
     *     container is not running
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the result owns them
    public static ExecLaunch start(
            Host host, ContainerPlan plan, String cgroupPath, LaunchedContainer container, ExecRequest exec) {
        try (Descriptors descriptors = new Descriptors();
                Monitor kept = Monitor.reopen(container.monitor())
                        .orElseThrow(() -> LaunchException.because("the container is not running"))) {
            Cgroup cgroup = Cgroup.at(host.cgroups(), cgroupPath);
            int tasks = PodLaunch.joinDescriptors(
                    host, cgroup.openForJoin(container.init().pid()), descriptors);
            long userNamespace = userNamespace(kept);
            ExecProgram program = ExecProgram.of(plan, tasks, exec.arguments());
            joinContainer(program.slots(), kept, descriptors);
            host.lendProc(descriptors);
            descriptors.give(Slot.Role.STDIN, kept.stdin());
            try (Rollback undo = new Rollback()) {
                Pipe stdout = ContainerLaunch.logPipe(plan);
                undo.add(stdout.read()::close);
                descriptors.give(Slot.Role.STDOUT_WRITE, stdout.write());
                Pipe stderr = ContainerLaunch.logPipe(plan);
                undo.add(stderr.read()::close);
                descriptors.give(Slot.Role.STDERR_WRITE, stderr.write());
                Fd exitFile = PreparedLaunch.exitMemory();
                undo.add(exitFile::close);
                descriptors.lend(Slot.of(Slot.Role.EXIT_FILE), exitFile);
                PreparedLaunch launch = PreparedLaunch.start(
                        host,
                        program.program(),
                        program.slots(),
                        "portafilter-exec " + exec.id(),
                        descriptors,
                        PreparedLaunch.progressMemory());
                undo.add(() -> killOrphans(launch, cgroup));
                undo.add(launch::close);
                launch.status().awaitExecuted(exec.startLimit());
                // Not by the number on the status pipe: a process of the container may have written that.
                ProcessRef process = launch.monitor()
                        .program(() -> ExitRecord.read(exitFile))
                        .orElse(ENDED);
                if (process.equals(ENDED)) {
                    killOrphans(launch, cgroup);
                    if (ExitRecord.read(exitFile).isEmpty()
                            && !launch.monitor().process().isAlive()) {
                        throw launch.status().causeOf(LaunchException.because("the exec's monitor was killed"));
                    }
                }
                LaunchCheck.compareRunning(plan, userNamespace, process);
                undo.forget();
                return new ExecLaunch(launch.finish(), process, exitFile, stdout.read(), stderr.read());
            } catch (LaunchException e) {
                throw withoutFirstProcess(e) ? LaunchException.because("the container is not running") : e;
            }
        }
    }

    /**
     * A program whose monitor was killed before it could ask for its own death lives on. Its number may have been made
     * up by another process of the container, which can only be meant for one of the container's: others are left alone.
     */
    private static void killOrphans(PreparedLaunch launch, Cgroup cgroup) {
        launch.status().started().stream()
                .map(ExecLaunch::processOf)
                .flatMap(Optional::stream)
                .filter(ProcessRef::isAlive)
                .filter(process -> cgroup.processes().contains(process.pid()))
                .forEach(ProcessTree::kill);
    }

    private static Optional<ProcessRef> processOf(int pid) {
        try {
            return Optional.of(ProcessRef.of(pid));
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) || e.is(Errno.ESRCH)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    private static long userNamespace(Monitor kept) {
        try (Fd namespace = kept.containerNamespace("user")) {
            return Kernel.fstat(namespace).inode();
        }
    }

    /** A PID namespace whose first process has ended takes no more processes ({@code pid_namespaces(7)}). */
    private static boolean withoutFirstProcess(LaunchException e) {
        return e.failure()
                .filter(failure ->
                        failure.call() == SystemCall.CLONE && failure.errno().equals(Errno.ENOMEM))
                .isPresent();
    }

    @SuppressWarnings("MustBeClosedChecker") // the descriptors own them
    private static void joinContainer(Slots slots, Monitor kept, Descriptors descriptors) {
        for (Slot slot : slots.order()) {
            Optional<String> kind = switch (slot.role()) {
                case MOUNT_NAMESPACE -> Optional.of("mnt");
                case NETWORK_NAMESPACE -> Optional.of("net");
                case IPC_NAMESPACE -> Optional.of("ipc");
                case UTS_NAMESPACE -> Optional.of("uts");
                case CGROUP_NAMESPACE -> Optional.of("cgroup");
                case USER_NAMESPACE -> Optional.of("user");
                case PID_NAMESPACE -> Optional.of("pid");
                case EXIT_FILE,
                        STDOUT_READ,
                        STDOUT_WRITE,
                        STDERR_READ,
                        STDERR_WRITE,
                        STDIN,
                        STAY,
                        MONITOR_SOCKET,
                        STATUS,
                        GATE,
                        PROGRESS,
                        ROOT,
                        DEVICES,
                        NULL_DEVICE,
                        MOUNT,
                        SCRATCH,
                        TASKS,
                        CGROUP,
                        PROC,
                        TARGET_MOUNT_NAMESPACE,
                        CGROUP_TREE,
                        CGROUP_VIEW,
                        HOST_MOUNT_NAMESPACE -> Optional.empty();
            };
            if (kind.isPresent()) {
                descriptors.give(slot, kept.containerNamespace(kind.get()));
            }
        }
    }

    /** Read end of the pipe behind the program's stdout; stays this object's. */
    public Fd stdout() {
        return stdout;
    }

    /** Read end of the pipe behind the program's stderr; stays this object's. */
    public Fd stderr() {
        return stderr;
    }

    /** Its monitor: the pidfd is readable when the program has ended. */
    public Monitor monitor() {
        return monitor;
    }

    /** The program's process. */
    public ProcessRef process() {
        return process;
    }

    /** How the program ended; empty while it runs, or if its monitor was lost. */
    public Optional<ExitRecord> exit() {
        return ExitRecord.read(exitFile);
    }

    /** Kills the program and all its descendants. */
    public void killTree() {
        ProcessTree.kill(process);
    }

    @Override
    public void close() {
        try (monitor;
                exitFile;
                stdout;
                stderr) {
            if (!monitor.awaitEnd(Duration.ZERO)) {
                killTree();
                if (!monitor.awaitEnd(END_LIMIT)) {
                    monitor.kill();
                    boolean _ = monitor.awaitEnd(END_LIMIT);
                }
            }
        }
    }
}
