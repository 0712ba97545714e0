package io.portafilter.audit;

import io.portafilter.audit.Difference.Kind;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.LinuxConstants;
import io.portafilter.linux.ProcDirectory;
import io.portafilter.linux.ProcStatus;
import io.portafilter.lsm.AppArmor;
import io.portafilter.security.Labels;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Every process of every container, by looking at every process of the host: one that left its container's cgroup is
 * found by its ancestors, or by the namespaces that it is in.
 */
public final class Audit {

    /** How often a process must be seen with more than was given: one that an exec starts gives it up at once. */
    private static final int LOOKS = 3;

    private static final long BETWEEN_MILLIS = 100;

    private final List<AuditedContainer> containers;

    private Audit(List<AuditedContainer> containers) {
        this.containers = List.copyOf(containers);
    }

    /**
     * The processes of these containers, ordered as these are and by number. One that has more than it was given is
     * told when it still has after some tenths of a second; before, it may be one that is being started.
     *
     * @throws KernelException when {@code /proc} cannot be read
     */
    public static List<AuditedProcess> of(List<AuditedContainer> containers) throws InterruptedException {
        Audit audit = new Audit(containers);
        List<AuditedProcess> seen = audit.look();
        Set<Integer> suspects = suspects(seen);
        for (int look = 1; look < LOOKS && !suspects.isEmpty(); look++) {
            Thread.sleep(BETWEEN_MILLIS);
            seen = audit.look();
            suspects.retainAll(suspects(seen));
        }
        return seen.stream()
                .filter(process -> !process.hasMore() || suspects.contains(process.pid()))
                .toList();
    }

    private static Set<Integer> suspects(List<AuditedProcess> seen) {
        return seen.stream()
                .filter(AuditedProcess::hasMore)
                .map(AuditedProcess::pid)
                .collect(Collectors.toCollection(HashSet::new));
    }

    /** By their inodes on nsfs; 0 for those of a process with rights that this one has not, which stay hidden. */
    private record Namespaces(long user, long mount, long pid) {

        static final Namespaces HIDDEN = new Namespaces(0, 0, 0);

        static Namespaces of(ProcDirectory process) {
            try {
                return new Namespaces(
                        process.namespaceInode("user"), process.namespaceInode("mnt"), process.namespaceInode("pid"));
            } catch (KernelException e) {
                if (e.is(Errno.EACCES)) {
                    return HIDDEN;
                }
                throw e;
            }
        }
    }

    /** What one look found out about a process of the host. */
    private record Seen(
            int pid,
            ProcStatus status,
            String uidMap,
            String gidMap,
            String cgroups,
            String label,
            String appArmor,
            Namespaces namespaces) {

        /** Whether the cgroup of this container, or one below it, holds the process. */
        boolean isInCgroupOf(AuditedContainer container) {
            return container.given().isInOneCgroup(cgroups);
        }
    }

    private List<AuditedProcess> look() {
        Map<Integer, Seen> all = new TreeMap<>();
        for (int pid : pids()) {
            see(pid).ifPresent(seen -> all.put(pid, seen));
        }
        Map<Integer, AuditedContainer> owners = owners(all);
        List<AuditedProcess> found = new ArrayList<>();
        for (AuditedContainer container : containers) {
            // a pod without a pause process has just ended
            Seen starter = all.get(container.given().ids().isPresent() ? container.pause() : Kernel.getpid());
            if (starter != null) {
                all.values().stream()
                        .filter(seen -> container.equals(owners.get(seen.pid())))
                        .map(seen ->
                                audited(container, seen, starter.namespaces().user()))
                        .forEach(found::add);
            }
        }
        return found;
    }

    private static AuditedProcess audited(AuditedContainer container, Seen seen, long userNamespace) {
        List<Difference> differences = new ArrayList<>(Comparison.of(
                container.given(),
                seen.status(),
                seen.uidMap(),
                seen.gidMap(),
                seen.namespaces().user() != userNamespace));
        label(container.given().labels(), seen).ifPresent(differences::add);
        if (seen.namespaces().equals(Namespaces.HIDDEN)) {
            differences.add(
                    new Difference(Kind.MORE, "it has rights that the auditor has not: its namespaces are hidden"));
        }
        if (!container.given().isInCgroups(seen.cgroups())) {
            differences.add(new Difference(Kind.MORE, "it is outside of its container's cgroup and limits"));
        }
        return new AuditedProcess(
                container, seen.pid(), seen.status(), seen.uidMap().strip(), seen.label(), differences);
    }

    /** A profile of the node's may send programs under another one, as it says: that is told, and is not more. */
    private static Optional<Difference> label(Labels given, Seen seen) {
        String label = seen.label().isEmpty() ? "none" : seen.label();
        if (given.appArmor().isPresent() && !given.agreeWithAppArmor(seen.appArmor())) {
            return Optional.of(new Difference(
                    given.areKeptToBy(seen.appArmor()) ? Kind.ELSEWHERE : Kind.MORE,
                    "its AppArmor label is " + (seen.appArmor().isEmpty() ? "none" : seen.appArmor()) + ", given "
                            + given.appArmor().get()));
        }
        return given.selinux()
                .filter(asked -> !asked.equals(seen.label()))
                .map(asked -> new Difference(Kind.MORE, "its SELinux label is " + label + ", given " + asked));
    }

    /** Whose each process is; absent for those that belong to no container. */
    private Map<Integer, AuditedContainer> owners(Map<Integer, Seen> all) {
        Map<Integer, AuditedContainer> owners = new HashMap<>();
        Map<Long, AuditedContainer> namespaces = namespaces(all);
        for (Seen seen : all.values()) {
            owner(seen, all, namespaces).ifPresent(container -> owners.put(seen.pid(), container));
        }
        return owners;
    }

    private Optional<AuditedContainer> owner(
            Seen seen, Map<Integer, Seen> all, Map<Long, AuditedContainer> namespaces) {
        Set<Integer> passed = new HashSet<>();
        Seen ancestor = seen;
        while (ancestor != null && passed.add(ancestor.pid())) {
            for (AuditedContainer container : containers) {
                if (ancestor.pid() == container.init() || ancestor.isInCgroupOf(container)) {
                    return Optional.of(container);
                }
            }
            ancestor = all.get(ancestor.status().parentPid());
        }
        AuditedContainer byMounts = namespaces.get(seen.namespaces().mount());
        return Optional.ofNullable(
                byMounts == null ? namespaces.get(seen.namespaces().pid()) : byMounts);
    }

    /** The mount and PID namespaces that belong to one container alone: not the host's, nor those of its pod. */
    private Map<Long, AuditedContainer> namespaces(Map<Integer, Seen> all) {
        Map<Long, AuditedContainer> own = new HashMap<>();
        for (AuditedContainer container : containers) {
            Seen init = all.get(container.init());
            if (init != null) {
                own.put(init.namespaces().mount(), container);
                own.put(init.namespaces().pid(), container);
            }
        }
        all.values().stream()
                .filter(seen -> seen.pid() == Kernel.getpid()
                        || containers.stream().anyMatch(container -> container.pause() == seen.pid()))
                .forEach(seen -> {
                    own.remove(seen.namespaces().mount());
                    own.remove(seen.namespaces().pid());
                });
        own.remove(0L);
        return own;
    }

    private static List<Integer> pids() {
        try (Fd proc = Kernel.open("/proc", LinuxConstants.O_RDONLY | LinuxConstants.O_DIRECTORY)) {
            return Kernel.list(proc).stream()
                    .filter(name -> name.chars().allMatch(c -> c >= '0' && c <= '9'))
                    .map(Integer::valueOf)
                    .sorted()
                    .toList();
        }
    }

    /** Absent for a process that ended, and for the kernel's own. */
    private static Optional<Seen> see(int pid) {
        try (ProcDirectory process = ProcDirectory.open(pid)) {
            ProcStatus status = process.status();
            if (status.isZombie()) {
                return Optional.empty();
            }
            return Optional.of(new Seen(
                    pid,
                    status,
                    process.read("uid_map"),
                    process.read("gid_map"),
                    process.read("cgroup"),
                    label(process),
                    AppArmor.labelOf(process),
                    Namespaces.of(process)));
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) || e.is(Errno.ESRCH)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /** Without an LSM the file is there and answers EINVAL. */
    private static String label(ProcDirectory process) {
        try {
            return process.read("attr/current").strip().replace("\0", "");
        } catch (KernelException e) {
            if (e.is(Errno.EINVAL) || e.is(Errno.ENOENT)) {
                return "";
            }
            throw e;
        }
    }
}
