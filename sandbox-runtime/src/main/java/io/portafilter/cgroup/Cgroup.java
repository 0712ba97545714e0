package io.portafilter.cgroup;

import io.portafilter.linux.Fd;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * A control group: the processes of one container, what they may use and what they used.
 *
 * <p>Its path means the same cgroup in every hierarchy that it has a part in. Objects hold nothing open; several may
 * stand for the same cgroup, but one may not know of what another has changed since: ask for a new one. Errors are
 * {@link CgroupRefusal} and {@link io.portafilter.linux.KernelException}.
 */
public sealed interface Cgroup permits CgroupV1, CgroupV2 {
    /**
     * Makes a cgroup and sets its limits and device rules. Missing parents are made without limits. When something
     * fails, everything that was made is removed again. A cgroup of that path that was left behind empty is replaced;
     * one that holds processes is refused.
     *
     * @param path absolute, below the root of the hierarchy
     */
    static Cgroup create(CgroupHierarchy hierarchy, String path, CgroupLimits limits) {
        CgroupPath checked = new CgroupPath(path);
        return switch (hierarchy) {
            case CgroupHierarchy.V1 v1 -> CgroupV1.create(v1, checked, limits);
            case CgroupHierarchy.V2 v2 -> CgroupV2.create(v2, checked, limits);
        };
    }

    /**
     * Sets limits and device rules of a cgroup that systemd has made and delegated. It stays systemd's: nothing is
     * removed when something fails.
     */
    static Cgroup adopt(CgroupHierarchy.V2 hierarchy, String path, CgroupLimits limits) {
        return CgroupV2.adopt(hierarchy, new CgroupPath(path), limits);
    }

    /** Takes a cgroup without limits as it is, or makes it: for the runtime's own processes. */
    static Cgroup ensure(CgroupHierarchy hierarchy, String path) {
        CgroupPath checked = new CgroupPath(path);
        return switch (hierarchy) {
            case CgroupHierarchy.V1 v1 -> CgroupV1.ensure(v1, checked);
            case CgroupHierarchy.V2 v2 -> CgroupV2.ensure(v2, checked);
        };
    }

    /** A cgroup that was made earlier, whether or not it is still there. */
    static Cgroup at(CgroupHierarchy hierarchy, String path) {
        CgroupPath checked = new CgroupPath(path);
        return switch (hierarchy) {
            case CgroupHierarchy.V1 v1 -> CgroupV1.at(v1, checked);
            case CgroupHierarchy.V2 v2 -> new CgroupV2(v2, checked);
        };
    }

    /** Its path below the root of the hierarchy. */
    String path();

    /** Whether it is there, in one hierarchy at least. */
    boolean exists();

    /**
     * Changes limits, all or none: when one cannot be set, those before it get their old values back. Device rules are
     * left as they were made. A memory limit below the present use is refused before anything is written.
     *
     * @param commit what has to succeed as well: when it throws, the limits are taken back too
     */
    void apply(CgroupLimits limits, Runnable commit);

    /** {@link #apply(CgroupLimits, Runnable)} with nothing else to succeed. */
    default void apply(CgroupLimits limits) {
        apply(limits, () -> {});
    }

    /**
     * What a process needs to get in; the caller closes each. Version 1: the {@code tasks} file of each hierarchy, to
     * which a single-threaded process writes "0". Version 2: the directory, for {@code CLONE_INTO_CGROUP} of clone3(2).
     */
    List<Fd> openForJoin();

    /**
     * The same for a process that is to join one that runs there, which may have moved to a cgroup of its own below
     * this one: in version 2 a cgroup that gives its controllers to those below it takes no process itself (EBUSY).
     *
     * @param member number of a process of this cgroup, as this process sees it
     */
    List<Fd> openForJoin(int member);

    /** The hierarchies of version 1 that it is in, in the order of {@link #openForJoin}; empty for version 2. */
    List<CgroupView> views();

    /** The processes in it and in cgroups below it, in ascending order. */
    List<Integer> processes();

    /** How many of its processes the kernel killed for want of memory; 0 without a memory controller. */
    long oomKills();

    /** Stops all its processes where they are, and returns when they have stopped. */
    void freeze();

    /** Lets frozen processes go on, those of cgroups below it too. Does nothing when it is not frozen or gone. */
    void thaw();

    /**
     * Kills all processes in it and below it, frozen or not, and returns when none is left. Refuses when some are
     * still there at the deadline.
     */
    void kill(Duration deadline);

    /**
     * Removes it with all cgroups below it, trying again while the kernel still counts a dead process in. Refuses when
     * it is busy at the deadline. Parents stay. Does nothing when it is gone.
     */
    void remove(Duration deadline);

    /**
     * What {@code /proc/PID/cgroup} shows of its processes, seen from the server's own cgroup namespace: controllers
     * (version 2: the empty text) to path.
     */
    Map<String, String> expectedProcLines();
}
