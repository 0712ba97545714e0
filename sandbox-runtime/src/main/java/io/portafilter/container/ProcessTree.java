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
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** A process and its descendants. */
final class ProcessTree {

    private static final int ROUNDS = 16;

    private ProcessTree() {}

    /**
     * Kills a process and its descendants. Each is stopped before its children are looked for, so that none is born
     * unseen; a descendant whose parent ended before belongs to another process by then and is left alone.
     */
    static void kill(ProcessRef root) {
        if (!root.isAlive()) {
            return;
        }
        Set<ProcessRef> found = new LinkedHashSet<>();
        Deque<ProcessRef> open = new ArrayDeque<>();
        open.add(root);
        for (int round = 0; !open.isEmpty() && round < ROUNDS * 1024; round++) {
            ProcessRef process = open.remove();
            if (found.add(process)) {
                signal(process, SIGSTOP);
                children(process).forEach(open::add);
            }
        }
        found.forEach(process -> signal(process, SIGKILL));
    }

    /** A child is listed with the thread that started it. */
    private static Set<ProcessRef> children(ProcessRef parent) {
        Set<ProcessRef> children = new LinkedHashSet<>();
        for (String thread : threads(parent)) {
            read("/proc/" + parent.pid() + "/task/" + thread + "/children").ifPresent(text -> {
                for (String pid : text.strip().split(" ")) {
                    if (!pid.isEmpty()) {
                        read("/proc/" + pid + "/stat")
                                .map(ProcStat::parse)
                                .filter(stat -> stat.parentPid() == parent.pid())
                                .ifPresent(stat -> children.add(new ProcessRef(stat.pid(), stat.startTimeTicks())));
                    }
                }
            });
        }
        return children;
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
