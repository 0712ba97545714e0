package io.portafilter.cgroup;

import static io.portafilter.linux.LinuxConstants.SIGKILL;

import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;

/** Kills the processes of a cgroup one by one, where the kernel has no call that kills them together. */
final class Sweep {
    /** How many processes are held by a descriptor at a time. */
    private static final int BATCH = 128;

    private record Held(int pid, Fd process) {}

    private Sweep() {}

    /**
     * Sends SIGKILL to each process listed. A number may have passed to a process outside between listing and opening:
     * only who is still a member while held by a descriptor is killed.
     *
     * @param members lists them anew
     */
    static void kill(Set<Integer> listed, Supplier<Set<Integer>> members) {
        List<Integer> pids = List.copyOf(listed);
        for (int from = 0; from < pids.size(); from += BATCH) {
            killBatch(pids.subList(from, Math.min(from + BATCH, pids.size())), members);
        }
    }

    private static void killBatch(List<Integer> pids, Supplier<Set<Integer>> members) {
        List<Held> held = new ArrayList<>();
        try {
            for (int pid : pids) {
                hold(pid, held);
            }
            Set<Integer> present = members.get();
            for (Held one : held) {
                if (present.contains(one.pid)) {
                    kill(one.process);
                }
            }
        } finally {
            held.forEach(one -> one.process.close());
        }
    }

    @SuppressWarnings("MustBeClosedChecker") // closed with the batch
    private static void hold(int pid, List<Held> held) {
        try {
            held.add(new Held(pid, Kernel.pidfdOpen(pid)));
        } catch (KernelException e) {
            // ESRCH: ended since it was listed. EINVAL: a thread alone was listed, its leader is in another cgroup
            if (!e.is(Errno.ESRCH) && !e.is(Errno.EINVAL)) {
                throw e;
            }
        }
    }

    private static void kill(Fd process) {
        try {
            Kernel.pidfdSendSignal(process, SIGKILL);
        } catch (KernelException e) {
            if (e.is(Errno.EACCES)) {
                throw CgroupRefusal.forNow("an AppArmor profile takes no signals from the server, which cannot end its"
                        + " processes: load it with the rule signal (receive) peer=unconfined");
            }
            if (!e.is(Errno.ESRCH)) {
                throw e;
            }
        }
    }
}
