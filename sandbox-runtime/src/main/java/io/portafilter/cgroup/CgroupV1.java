package io.portafilter.cgroup;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.KernelException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * A cgroup of version 1: a directory in each of several hierarchies.
 *
 * <p>Each directory costs about 0.1 ms to make and remove, and each hierarchy a write when a process joins. So it is
 * made only where every container needs it, and in {@code cpuset} and {@code hugetlb} once a limit asks for it.
 */
final class CgroupV1 implements Cgroup {
    /** Limits, usage, device rules and stopping. Those that are missing on this host are left out. */
    private static final List<String> ALWAYS_JOINED = List.of("cpu", "cpuacct", "memory", "pids", "devices", "freezer");

    private static final Duration FREEZE_DEADLINE = Duration.ofSeconds(2);
    private static final int ROUNDS_WITHOUT_FREEZING = 2;
    private static final int PROCESSES_NAMED = 5;

    private final CgroupHierarchy.V1 hierarchy;
    private final CgroupPath path;

    /** The hierarchies that it has a directory in; null: nobody has asked yet. */
    private volatile @Nullable List<CgroupHierarchy.Mount> joined;

    private CgroupV1(CgroupHierarchy.V1 hierarchy, CgroupPath path, @Nullable List<CgroupHierarchy.Mount> joined) {
        this.hierarchy = hierarchy;
        this.path = path;
        this.joined = joined;
    }

    static CgroupV1 at(CgroupHierarchy.V1 hierarchy, CgroupPath path) {
        return new CgroupV1(hierarchy, path, null);
    }

    private List<CgroupHierarchy.Mount> joined() {
        List<CgroupHierarchy.Mount> known = joined;
        return known == null ? lookAgain() : known;
    }

    @CanIgnoreReturnValue
    private List<CgroupHierarchy.Mount> lookAgain() {
        List<CgroupHierarchy.Mount> found =
                hierarchy.mounts().stream().filter(mount -> in(mount).exists()).toList();
        joined = found;
        return found;
    }

    static CgroupV1 create(CgroupHierarchy.V1 hierarchy, CgroupPath path, CgroupLimits limits) {
        CgroupV1 cgroup = new CgroupV1(hierarchy, path, mountsFor(hierarchy, limits));
        CreatedDirectories created = new CreatedDirectories();
        try {
            for (CgroupHierarchy.Mount mount : hierarchy.mounts()) {
                if (cgroup.joined().contains(mount)) {
                    cgroup.makeLeaf(mount, created);
                } else {
                    cgroup.in(mount).remove(); // from a cgroup of this path that was left behind
                }
            }
            new LimitsV1(cgroup, limits, Journal.ofNewCgroup()).write();
            cgroup.restrictDevices(limits);
        } catch (RuntimeException e) {
            created.undo(e);
            throw e;
        }
        return cgroup;
    }

    static CgroupV1 ensure(CgroupHierarchy.V1 hierarchy, CgroupPath path) {
        CgroupV1 cgroup = new CgroupV1(hierarchy, path, mountsFor(hierarchy, CgroupLimits.NONE));
        CreatedDirectories created = new CreatedDirectories();
        try {
            for (CgroupHierarchy.Mount mount : cgroup.joined()) {
                created.make(mount.directory(), path, directory -> prepare(mount, directory));
            }
        } catch (RuntimeException e) {
            created.undo(e);
            throw e;
        }
        return cgroup;
    }

    private void makeLeaf(CgroupHierarchy.Mount mount, CreatedDirectories created) {
        CgroupDirectory leaf = in(mount);
        if (created.make(mount.directory(), path, directory -> prepare(mount, directory))) {
            return;
        }
        Set<Integer> members = leaf.processes();
        if (!members.isEmpty()) {
            throw new CgroupRefusal("cgroup " + path + " exists and holds " + named(members) + " (" + leaf
                    + "): stop what runs there first");
        }
        leaf.remove();
        if (!created.make(mount.directory(), path, directory -> prepare(mount, directory))) {
            throw new CgroupRefusal("cgroup " + path + " is being made by another process as well (" + leaf + ")");
        }
    }

    /**
     * A new cpuset has no processor and no memory node, and takes no process before it has (cgroup-v1/cpusets). It gets
     * those of its parent.
     */
    private static void prepare(CgroupHierarchy.Mount mount, CgroupDirectory directory) {
        if (!mount.controllers().contains("cpuset")) {
            return;
        }
        CgroupDirectory parent = new CgroupDirectory(
                directory.path().substring(0, directory.path().lastIndexOf('/')));
        for (String file : List.of("cpuset.cpus", "cpuset.mems")) {
            if (directory.read(file).isEmpty()) {
                directory.write(file, parent.read(file));
            }
        }
    }

    static List<CgroupHierarchy.Mount> mountsFor(CgroupHierarchy.V1 hierarchy, CgroupLimits limits) {
        List<String> controllers = new ArrayList<>(ALWAYS_JOINED);
        if (!limits.cpusetCpus().isEmpty() || !limits.cpusetMems().isEmpty()) {
            controllers.add("cpuset");
        }
        if (limits.hugepageLimitBytes().values().stream().anyMatch(limit -> limit >= 0)) {
            controllers.add("hugetlb");
        }
        return hierarchy.mounts().stream()
                .filter(mount -> mount.controllers().stream().anyMatch(controllers::contains))
                .toList();
    }

    /** Everything is denied, then the rules allow; a cgroup that may use all keeps what its parent may use. */
    private void restrictDevices(CgroupLimits limits) {
        if (limits.allowsAllDevices()) {
            return;
        }
        CgroupDirectory devices = directory("devices")
                .orElseThrow(() -> new CgroupRefusal("cgroup " + path + ": no hierarchy with the devices controller is"
                        + " mounted, so that access to devices cannot be restricted; mount it, or use cgroup v2"));
        devices.write("devices.deny", "a");
        devices.writeEach(
                "devices.allow",
                limits.devices().stream().map(DeviceRule::toString).toList());
    }

    @Override
    public String path() {
        return path.value();
    }

    @Override
    public boolean exists() {
        return !joined().isEmpty();
    }

    @Override
    public void apply(CgroupLimits limits, Runnable commit) {
        if (!exists()) {
            throw CgroupRefusal.forNow("cgroup " + path + " does not exist: its limits cannot be changed");
        }
        CreatedDirectories created = new CreatedDirectories();
        Journal journal = Journal.ofUpdate();
        try {
            LimitsV1.refuseBelowUse(this, limits);
            for (CgroupHierarchy.Mount mount : mountsFor(hierarchy, limits)) {
                join(mount, created);
            }
            new LimitsV1(this, limits, journal).write();
            commit.run();
        } catch (RuntimeException e) {
            journal.undo(e);
            created.undo(e);
            throw e;
        } finally {
            lookAgain();
        }
    }

    /**
     * A hierarchy that was not needed until now: its directory is made, and the processes move in. Should a limit fail
     * afterwards they stay, for a cpuset like its parent's limits nothing.
     */
    private void join(CgroupHierarchy.Mount mount, CreatedDirectories created) {
        if (!created.make(mount.directory(), path, directory -> prepare(mount, directory))) {
            return;
        }
        CgroupDirectory directory = in(mount);
        for (int round = 1; !moveIn(directory); round++) {
            if (round > ROUNDS_WITHOUT_FREEZING) {
                moveFrozen(directory);
                return;
            }
        }
    }

    /** Who forks and ends faster than we move is nowhere when we come: for him all stand still. */
    private void moveFrozen(CgroupDirectory directory) {
        freeze();
        try {
            if (!moveIn(directory)) {
                throw CgroupRefusal.forNow("cgroup " + path + ": processes of it do not move to " + directory);
            }
        } finally {
            thaw();
        }
    }

    /** Moves all that are elsewhere; false if there are more then: children that were born before their parent moved. */
    private boolean moveIn(CgroupDirectory directory) {
        outside(directory).forEach(pid -> move(pid, directory));
        return outside(directory).isEmpty();
    }

    private Set<Integer> outside(CgroupDirectory directory) {
        Set<Integer> outside = allProcesses();
        outside.removeAll(directory.processes());
        return outside;
    }

    private static void move(int pid, CgroupDirectory directory) {
        try {
            directory.write("cgroup.procs", Integer.toString(pid));
        } catch (CgroupRefusal e) {
            if (!(e.getCause() instanceof KernelException cause && cause.is(Errno.ESRCH))) {
                throw e;
            }
        }
    }

    @Override
    @SuppressWarnings("MustBeClosedChecker") // handed over in the list
    public List<Fd> openForJoin() {
        List<Fd> tasks = new ArrayList<>();
        List<CgroupHierarchy.Mount> known = joined;
        List<CgroupHierarchy.Mount> found = new ArrayList<>();
        try {
            // Whoever has not looked yet finds out by opening.
            for (CgroupHierarchy.Mount mount : known == null ? hierarchy.mounts() : known) {
                try {
                    tasks.add(in(mount).openForWriting("tasks"));
                    found.add(mount);
                } catch (KernelException e) {
                    if (known != null || !CgroupDirectory.isAbsence(e)) {
                        throw e;
                    }
                }
            }
        } catch (RuntimeException e) {
            tasks.forEach(Fd::close);
            throw e;
        }
        joined = List.copyOf(found);
        if (tasks.isEmpty()) {
            throw new CgroupRefusal("cgroup " + path + " does not exist");
        }
        return tasks;
    }

    /** A cgroup of version 1 takes processes whatever is below it. */
    @Override
    public List<Fd> openForJoin(int member) {
        return openForJoin();
    }

    @Override
    public List<CgroupView> views() {
        return joined().stream()
                .map(mount -> new CgroupView(mount.name(), in(mount).path()))
                .toList();
    }

    @Override
    public List<Integer> processes() {
        return List.copyOf(allProcesses());
    }

    private Set<Integer> allProcesses() {
        Set<Integer> processes = new TreeSet<>();
        directories().forEach(directory -> processes.addAll(directory.processes()));
        return processes;
    }

    @Override
    public long oomKills() {
        return directory("memory")
                .flatMap(directory -> directory.readIfPresent("memory.oom_control"))
                .map(text -> KeyedValues.get(text, "oom_kill"))
                .orElse(0L);
    }

    @Override
    public void freeze() {
        CgroupDirectory freezer = directory("freezer")
                .orElseThrow(() -> new CgroupRefusal(
                        "cgroup " + path + " cannot be frozen: it is in no hierarchy with the freezer controller"));
        freezer.write("freezer.state", "FROZEN");
        Deadline deadline = new Deadline(FREEZE_DEADLINE);
        while (!freezer.read("freezer.state").equals("FROZEN")) {
            if (deadline.isOver()) {
                freezer.write("freezer.state", "THAWED");
                throw new CgroupRefusal("cgroup " + path + " did not freeze within " + FREEZE_DEADLINE.toSeconds()
                        + " s: a process of it waits uninterruptibly in the kernel");
            }
            deadline.pause();
        }
    }

    @Override
    public void thaw() {
        directory("freezer").ifPresent(freezer -> {
            for (CgroupDirectory each : freezer.withDescendants()) {
                if (each.readIfPresent("freezer.state")
                        .filter(state -> !state.equals("THAWED"))
                        .isPresent()) {
                    each.write("freezer.state", "THAWED");
                }
            }
        });
    }

    /**
     * A frozen process of version 1 does not even die. Those that are killed while frozen die when they are thawed,
     * without another step of their own: so whoever forks faster than we kill is frozen first.
     */
    @Override
    public void kill(Duration deadline) {
        Deadline end = new Deadline(deadline);
        for (int round = 1; ; round++) {
            thaw();
            Set<Integer> left = allProcesses();
            if (left.isEmpty()) {
                return;
            }
            if (end.isOver()) {
                throw CgroupRefusal.forNow("cgroup " + path + ": " + named(left) + " did not end within "
                        + deadline.toMillis() + " ms of SIGKILL");
            }
            if (round > ROUNDS_WITHOUT_FREEZING) {
                killFrozen();
            } else {
                Sweep.kill(left, this::allProcesses);
            }
            awaitFewer(left, end);
        }
    }

    private void killFrozen() {
        Optional<CgroupDirectory> freezer = directory("freezer");
        try {
            freezer.filter(CgroupDirectory::exists).ifPresent(each -> each.write("freezer.state", "FROZEN"));
            Sweep.kill(allProcesses(), this::allProcesses);
        } finally {
            thaw();
        }
    }

    /** Until those that were killed are gone from the first hierarchy; the next round looks in all who came since. */
    private void awaitFewer(Set<Integer> killed, Deadline end) {
        end.hasten();
        Deadline patience = new Deadline(Duration.ofMillis(100));
        while (!end.isOver() && !patience.isOver()) {
            Set<Integer> left = directories().getFirst().processes();
            if (left.stream().noneMatch(killed::contains)) {
                return;
            }
            end.pause();
        }
    }

    @Override
    public void remove(Duration deadline) {
        Deadline end = new Deadline(deadline);
        // in all: another object may have made it part of more
        for (CgroupHierarchy.Mount mount : hierarchy.mounts()) {
            removeOne(in(mount), end);
        }
        joined = List.of();
    }

    private void removeOne(CgroupDirectory directory, Deadline end) {
        end.hasten();
        while (true) {
            try {
                directory.remove();
                return;
            } catch (KernelException e) {
                if (!e.is(Errno.EBUSY) || end.isOver()) {
                    throw new CgroupRefusal(
                            "cgroup " + path + " cannot be removed: " + named(directory.processes()) + " in "
                                    + directory,
                            e);
                }
            }
            end.pause();
        }
    }

    @Override
    public Map<String, String> expectedProcLines() {
        Map<String, String> lines = new LinkedHashMap<>();
        joined().forEach(mount -> lines.put(mount.line(), mount.shownPath(path.value())));
        return lines;
    }

    /** The directory that has this controller, whether or not it is there; empty when no hierarchy has it. */
    Optional<CgroupDirectory> directory(String controller) {
        return hierarchy.of(controller).map(this::in);
    }

    private CgroupDirectory in(CgroupHierarchy.Mount mount) {
        return new CgroupDirectory(mount.directory() + path.value());
    }

    private List<CgroupDirectory> directories() {
        return joined().stream().map(this::in).toList();
    }

    static String named(Set<Integer> pids) {
        if (pids.isEmpty()) {
            return "no process that we can see";
        }
        String listed = String.join(
                ", ", pids.stream().limit(PROCESSES_NAMED).map(String::valueOf).toList());
        String more = pids.size() > PROCESSES_NAMED ? " and " + (pids.size() - PROCESSES_NAMED) + " more" : "";
        return (pids.size() == 1 ? "process " : "processes ") + listed + more;
    }
}
