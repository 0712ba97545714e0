package io.portafilter.cri;

import io.portafilter.cgroup.Cgroup;
import io.portafilter.container.ContainerLaunch;
import io.portafilter.container.ExitRecord;
import io.portafilter.container.Monitor;
import io.portafilter.cri.v1.ContainerEventType;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.LinuxConstants;
import io.portafilter.state.Change;
import io.portafilter.state.ContainerLock;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.ContainerState;
import io.portafilter.state.Recovery;
import io.portafilter.streaming.ContainerLog;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * What is done when a container's first process has ended: the exit is read, what is left of the container is killed,
 * the log is drained, the end is recorded, the cgroup goes.
 */
final class ContainerEnd {

    private static final Logger LOG = System.getLogger(ContainerEnd.class.getName());
    private static final Duration KILL_LIMIT = Duration.ofSeconds(10);

    /** How long the monitor may take from the end of the first process to what it writes. */
    private static final Duration WRITE_LIMIT = Duration.ofSeconds(5);

    private static final long STEP_NANOS = TimeUnit.MICROSECONDS.toNanos(100);
    private static final int SIGKILL = 9;

    /** Exit status of a start that failed, as CRI's clients know it. */
    static final int START_ERROR = 128;

    /** Exit status of a launch program that was called off. */
    private static final int LAUNCH_FAILED = 124;

    private final Node node;
    private final ContainerEvents events;

    ContainerEnd(Node node, ContainerEvents events) {
        this.node = node;
        this.events = events;
    }

    static String cgroupPath(Node node, LiveContainer container) {
        String asked = container.spec().cgroupParent();
        String parent = asked.isEmpty() ? container.spec().pod().cgroupParent() : asked;
        return node.places().cgroup(parent, container.podId(), container.id());
    }

    /** Kills what is in the container's cgroup and removes it; nothing happens when it is gone. */
    static void removeCgroup(Node node, LiveContainer container) {
        Cgroup cgroup = Cgroup.at(node.host().cgroups(), cgroupPath(node, container));
        if (cgroup.exists()) {
            cgroup.kill(KILL_LIMIT);
            cgroup.remove(KILL_LIMIT);
        }
    }

    /**
     * Records the end of a container that was started.
     *
     * @param unwatched its monitor when nothing watches the container; closed here
     */
    void finish(LiveContainer container, Optional<Monitor> unwatched) {
        try (ContainerLock.Held held = node.containerLock().hold(container.id())) {
            held.require(container.id());
            Optional<LiveContainer.Running> running = container.running();
            Optional<Monitor> monitor = unwatched.or(() -> running.map(LiveContainer.Running::monitor));
            try {
                record(container, monitor);
            } finally {
                container.running(Optional.empty());
                running.ifPresent(processes -> {
                    processes.registration().cancel();
                    processes.init().close();
                });
                container.oom(Optional.empty());
                monitor.ifPresent(ContainerEnd::end);
            }
            removeCgroup(node, container);
        } catch (RuntimeException e) {
            LOG.log(
                    Level.ERROR,
                    "container.end container=" + container.name() + " id=" + Places.shortId(container.id()),
                    e);
        } finally {
            container.exited().complete(true);
        }
    }

    private void record(LiveContainer container, Optional<Monitor> monitor) {
        Optional<ContainerRecord> found = node.database().container(container.id());
        if (found.isEmpty() || found.get().state() == ContainerState.EXITED) {
            return;
        }
        Path exitFile = exitFile(container);
        Optional<ExitRecord> exit = awaitExit(exitFile, monitor);
        Cgroup cgroup = Cgroup.at(node.host().cgroups(), cgroupPath(node, container));
        killLeftovers(container, cgroup);
        boolean oomKilled = exit.filter(end -> end.signal() == SIGKILL).isPresent()
                && oomKills(container, cgroup) > container.oomKillsBeforeOurs();
        // the last lines are on the disk before anybody sees the end
        container.log().ifPresent(ContainerLog::finish);
        container.log(Optional.empty());
        boolean executed = found.get().state() != ContainerState.STARTING
                || ContainerLaunch.wasExecuted(node.places().containerState(container.id()));
        ContainerRecord ended = ended(found.get(), exit, executed, oomKilled, finishedAt(exitFile));
        node.database().note(new Change.PutContainer(ended));
        events.container(ContainerEventType.CONTAINER_STOPPED_EVENT, container);
        LOG.log(
                Level.INFO,
                "container.exited container=" + container.name() + " id=" + Places.shortId(container.id()) + " code="
                        + ended.exitCode() + " reason=" + ended.reason());
    }

    /** What its monitor has written of its end so far. */
    Optional<ExitRecord> exit(LiveContainer container) {
        return read(exitFile(container));
    }

    private Path exitFile(LiveContainer container) {
        return node.places().containerState(container.id()).resolve("exit");
    }

    /** The cgroup may be gone; then it is what was seen before. Where we killed, another's kill must not count as its own. */
    private static long oomKills(LiveContainer container, Cgroup cgroup) {
        long seen = container
                .oom()
                .map(count -> container.killedByUs() ? count.kills() : count.killsOrAbove())
                .orElse(0L);
        return Math.max(seen, cgroup.oomKills());
    }

    /**
     * The record of a container that ended so; without an exit its monitor was lost. If the start was not seen to its
     * end, for the server was killed in between, the launch program's own status means that it failed, unless its
     * progress says that it executed the program.
     */
    static ContainerRecord ended(
            ContainerRecord record, Optional<ExitRecord> exit, boolean executed, boolean oomKilled, long atNanos) {
        if (exit.isEmpty()) {
            return record.exited(
                    atNanos, Recovery.LOST, Recovery.UNKNOWN, "its monitor was lost: nobody saw how it ended");
        }
        int code = exit.get().code();
        if (code == LAUNCH_FAILED && !executed) {
            return record.exited(
                    atNanos, START_ERROR, "StartError", "the server ended while the container was started");
        }
        return record.exited(atNanos, code, Recovery.reason(code, oomKilled), "");
    }

    /** The monitor writes a moment after the end of the first process; a lost one never does. */
    private static Optional<ExitRecord> awaitExit(Path exitFile, Optional<Monitor> monitor) {
        long deadline = System.nanoTime() + WRITE_LIMIT.toNanos();
        while (true) {
            boolean over = System.nanoTime() > deadline
                    || monitor.isEmpty()
                    || !monitor.get().process().isAlive();
            Optional<ExitRecord> exit = read(exitFile);
            if (exit.isPresent() || over) {
                return exit;
            }
            LockSupport.parkNanos(STEP_NANOS);
        }
    }

    private static Optional<ExitRecord> read(Path exitFile) {
        try {
            return ExitRecord.read(exitFile);
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /** In a shared PID namespace the first process leaves its children behind; a lost one may have outlived its monitor. */
    private static void killLeftovers(LiveContainer container, Cgroup cgroup) {
        if (cgroup.exists() && !cgroup.processes().isEmpty()) {
            container.killing(cgroup.oomKills());
            cgroup.kill(KILL_LIMIT);
        }
    }

    /** When the monitor wrote: right also for an end that came while no server ran. */
    private static long finishedAt(Path exitFile) {
        try (Fd file = Kernel.open(exitFile.toString(), LinuxConstants.O_RDONLY)) {
            long modified = Node.nanos(Kernel.fstat(file).modified());
            return Math.min(modified, Node.now());
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT)) {
                return Node.now();
            }
            throw e;
        }
    }

    /** It stays until it is told to go, so that what it keeps could be read. */
    private static void end(Monitor monitor) {
        monitor.kill();
        boolean ended = monitor.awaitEnd(KILL_LIMIT);
        monitor.close();
        if (!ended) {
            LOG.log(Level.WARNING, "monitor.stuck pid=" + monitor.process().pid());
        }
    }
}
