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
import java.util.stream.Stream;

/**
 * A program that runs in a container beside its first process. Closing it kills what is left of it and reaps its
 * monitor.
 */
public final class ExecLaunch implements ProcessEnds {

    /** A program that has ended before it was looked for: no process has this start time. */
    private static final ProcessRef ENDED = new ProcessRef(Integer.MAX_VALUE, 0);

    private static final Duration END_LIMIT = Duration.ofSeconds(5);

    private final Monitor monitor;
    private final ProcessRef process;
    private final Fd exitFile;
    private final Ends ends;

    private ExecLaunch(Monitor monitor, ProcessRef process, Fd exitFile, Ends ends) {
        this.monitor = monitor;
        this.process = process;
        this.exitFile = exitFile;
        this.ends = ends;
    }

    /** The server's ends of the program's streams; with a terminal the first two are its master, too. */
    private record Ends(Optional<Fd> stdin, Optional<Fd> stdout, Optional<Fd> stderr, Optional<Fd> master) {
        void close() {
            Stream.of(stdin, stdout, stderr, master).flatMap(Optional::stream).forEach(Fd::close);
        }
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
            ExecPrograms.Written program = host.execPrograms().of(plan, tasks, exec);
            joinContainer(program.slots(), kept, descriptors);
            host.lendProc(descriptors);
            try (Rollback undo = new Rollback()) {
                Ends ends = exec.terminal()
                        ? terminal(plan, exec, kept, descriptors, undo)
                        : pipes(plan, exec, kept, descriptors, undo);
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
                return new ExecLaunch(launch.finish(), process, exitFile, ends);
            } catch (LaunchException e) {
                if (withoutFirstProcess(e)) {
                    throw LaunchException.because("the container is not running");
                }
                throw withoutTerminal(e)
                        ? e.saying("the program's terminal has been taken by a process of the container, which has"
                                + " CAP_SYS_ADMIN of the host or the rights to take descriptors of others: run the"
                                + " program without a terminal, or end that process")
                        : e;
            }
        }
    }

    @SuppressWarnings("MustBeClosedChecker") // the descriptors own the program's ends, the rollback ours
    private static Ends pipes(
            ContainerPlan plan, ExecRequest exec, Monitor kept, Descriptors descriptors, Rollback undo) {
        Optional<Fd> input = Optional.empty();
        if (exec.stdin()) {
            Pipe stdin = ContainerLaunch.inputPipe(plan);
            undo.add(stdin.write()::close);
            descriptors.give(Slot.Role.STDIN, stdin.read());
            input = Optional.of(stdin.write());
        } else {
            descriptors.give(Slot.Role.STDIN, kept.nullDevice());
        }
        return new Ends(
                input,
                Optional.of(output(plan, Slot.Role.STDOUT_WRITE, descriptors, undo)),
                Optional.of(output(plan, Slot.Role.STDERR_WRITE, descriptors, undo)),
                Optional.empty());
    }

    @SuppressWarnings("MustBeClosedChecker") // as above
    private static Fd output(ContainerPlan plan, Slot.Role role, Descriptors descriptors, Rollback undo) {
        Pipe pipe = ContainerLaunch.logPipe(plan);
        undo.add(pipe.read()::close);
        descriptors.give(role, pipe.write());
        Kernel.setFlags(pipe.read(), O_NONBLOCK);
        return pipe.read();
    }

    @SuppressWarnings("MustBeClosedChecker") // as above
    private static Ends terminal(
            ContainerPlan plan, ExecRequest exec, Monitor kept, Descriptors descriptors, Rollback undo) {
        try (Fd terminals = kept.terminals()) {
            PseudoTerminal terminal = PseudoTerminal.open(terminals, plan.hostUid(), plan.terminalGroup());
            undo.add(terminal.master()::close);
            Fd peer = descriptors.give(Slot.Role.STDIN, terminal.peer());
            descriptors.lend(Slot.of(Slot.Role.STDOUT_WRITE), peer);
            descriptors.lend(Slot.of(Slot.Role.STDERR_WRITE), peer);
            Fd output = terminal.master().duplicate();
            undo.add(output::close);
            Optional<Fd> input = Optional.empty();
            if (exec.stdin()) {
                Fd typed = terminal.master().duplicate();
                undo.add(typed::close);
                input = Optional.of(typed);
            }
            return new Ends(input, Optional.of(output), Optional.empty(), Optional.of(terminal.master()));
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

    /** What a session's leader is answered when another session has the terminal ({@code tty_ioctl(4)}), or has hung it up. */
    private static boolean withoutTerminal(LaunchException e) {
        return e.failure()
                .filter(failure -> failure.call() == SystemCall.IOCTL
                        && (failure.errno().equals(Errno.EPERM)
                                || failure.errno().equals(Errno.EIO)))
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
                        INPUT,
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
                        TERMINALS,
                        TERMINAL,
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

    @Override
    public Optional<Fd> stdin() {
        return ends.stdin();
    }

    @Override
    public Optional<Fd> stdout() {
        return ends.stdout();
    }

    @Override
    public Optional<Fd> stderr() {
        return ends.stderr();
    }

    @Override
    public void endInput() {
        if (ends.master().isEmpty()) {
            ends.stdin().ifPresent(Fd::close);
        }
    }

    /** Never while the master is closed, whose number would be another file's. */
    @Override
    public void resize(int columns, int rows) {
        synchronized (ends) {
            ends.master().ifPresent(master -> PseudoTerminal.resize(master, columns, rows));
        }
    }

    @Override
    public Fd end() {
        return monitor.pidfd();
    }

    /** Its monitor: the pidfd is readable when the program has ended. */
    public Monitor monitor() {
        return monitor;
    }

    /** The program's process. */
    public ProcessRef process() {
        return process;
    }

    @Override
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
                exitFile) {
            if (!monitor.awaitEnd(Duration.ZERO)) {
                killTree();
                if (!monitor.awaitEnd(END_LIMIT)) {
                    monitor.kill();
                    boolean _ = monitor.awaitEnd(END_LIMIT);
                }
            }
        } finally {
            synchronized (ends) {
                ends.close();
            }
        }
    }
}
