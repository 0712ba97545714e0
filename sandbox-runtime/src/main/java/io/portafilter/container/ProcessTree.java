package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.SIGKILL;
import static io.portafilter.linux.LinuxConstants.SIGSTOP;

import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.ProcFile;
import io.portafilter.linux.ProcStat;
import io.portafilter.linux.ProcessRef;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Collection;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.LockSupport;

/** A process and its descendants. */
final class ProcessTree {

    private static final int MOST_PROCESSES = 16 * 1024;

    /** How often all that was found is looked at again. */
    private static final int MOST_LOOKS = 64;

    /** How long signalled processes may take in all until they stop; one that sleeps in the kernel does nothing anyhow. */
    private static final Duration STOP_LIMIT = Duration.ofSeconds(1);

    private static final Duration AGAIN = Duration.ofMillis(1);

    private final Set<ProcessRef> found = new LinkedHashSet<>();
    private final long deadlineNanos = System.nanoTime() + STOP_LIMIT.toNanos();

    private ProcessTree() {}

    /**
     * Kills a process and its descendants. Each is stopped before its children are looked for, so that none is born
     * unseen; a descendant whose parent ended before belongs to another process by then and is left alone.
     *
     * <p>One look is not enough: a child that is not stopped yet may make a sibling ({@code CLONE_PARENT}), or end, and
     * while it is reaped the kernel's list leaves the next one out ({@code proc_pid_task(5)}). So all lists are read
     * again until they hold nobody who is new and nobody who has just gone.
     */
    static void kill(ProcessRef root) {
        if (!root.isAlive()) {
            return;
        }
        ProcessTree tree = new ProcessTree();
        tree.stop(List.of(root));
        for (int look = 0; tree.lookAgain() && look < MOST_LOOKS; look++) {
            // there may be more
        }
        tree.found.forEach(process -> signal(process, SIGKILL));
    }

    /** Stops those that were not known, and their descendants. */
    private void stop(Collection<ProcessRef> processes) {
        Deque<ProcessRef> open = new ArrayDeque<>(processes);
        while (!open.isEmpty() && found.size() < MOST_PROCESSES) {
            ProcessRef process = open.remove();
            if (found.add(process)) {
                signal(process, SIGSTOP);
                awaitStopped(process);
                open.addAll(children(process).there());
            }
        }
    }

    /** Whether anything was different from what was known. */
    private boolean lookAgain() {
        int known = found.size();
        boolean gone = false;
        for (ProcessRef process : List.copyOf(found)) {
            Children children = children(process);
            stop(children.there());
            gone |= children.gone();
        }
        return gone || found.size() > known;
    }

    private void awaitStopped(ProcessRef process) {
        while (runs(process) && System.nanoTime() < deadlineNanos) {
            LockSupport.parkNanos(AGAIN.toNanos());
        }
    }

    /** Whether any of its threads is on a processor, or waits for one. */
    private static boolean runs(ProcessRef process) {
        return threads(process).stream()
                .map(thread -> read("/proc/" + process.pid() + "/task/" + thread + "/stat"))
                .flatMap(Optional::stream)
                .anyMatch(stat -> ProcStat.parse(stat).state() == 'R');
    }

    /**
     * The children of a process.
     *
     * @param gone whether one was listed that is not there any more
     */
    private record Children(Set<ProcessRef> there, boolean gone) {}

    /** A child is listed with the thread that started it. */
    private static Children children(ProcessRef parent) {
        Set<ProcessRef> there = new LinkedHashSet<>();
        boolean gone = false;
        for (String thread : threads(parent)) {
            String listed = read("/proc/" + parent.pid() + "/task/" + thread + "/children")
                    .orElse("")
                    .strip();
            for (String pid : listed.isEmpty() ? new String[0] : listed.split(" ")) {
                Optional<ProcessRef> child = read("/proc/" + pid + "/stat")
                        .map(ProcStat::parse)
                        .filter(stat -> stat.parentPid() == parent.pid())
                        .map(stat -> new ProcessRef(stat.pid(), stat.startTimeTicks()));
                child.ifPresent(there::add);
                gone |= child.isEmpty();
            }
        }
        // Its number may be another's by now, whose children are not ours to kill; what it had is no more its own.
        return parent.isAlive() ? new Children(there, gone) : new Children(Set.of(), false);
    }

    private static List<String> threads(ProcessRef process) {
        try (Fd tasks = Kernel.open("/proc/" + process.pid() + "/task", O_RDONLY | O_DIRECTORY)) {
            return Kernel.list(tasks);
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) || e.is(Errno.ESRCH)) {
                return List.of();
            }
            throw e;
        }
    }

    private static Optional<String> read(String path) {
        try {
            return Optional.of(ProcFile.read(path));
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) || e.is(Errno.ESRCH)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    private static void signal(ProcessRef process, int number) {
        Optional<Fd> pidfd = process.open();
        if (pidfd.isEmpty()) {
            return;
        }
        try (Fd target = pidfd.get()) {
            Kernel.pidfdSendSignal(target, number);
        } catch (KernelException e) {
            // EACCES: its AppArmor profile takes no signals from us. Its monitor's end is its own, and so is its
            // cgroup's
            if (!e.is(Errno.ESRCH) && !e.is(Errno.EACCES)) {
                throw e;
            }
        }
    }
}
