package io.portafilter.cgroup;

import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.ProcFile;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A cgroup of version 2: one directory in the one hierarchy. */
final class CgroupV2 implements Cgroup {
    private static final String SUBTREE_CONTROL = "cgroup.subtree_control";
    private static final Duration FREEZE_DEADLINE = Duration.ofSeconds(2);

    /** For limits and usage; the kernel has others, which no request names. */
    private static final List<String> USED_CONTROLLERS = List.of("cpu", "cpuset", "io", "memory", "hugetlb", "pids");

    private final CgroupHierarchy.V2 hierarchy;
    private final CgroupPath path;
    private final CgroupDirectory directory;

    CgroupV2(CgroupHierarchy.V2 hierarchy, CgroupPath path) {
        this.hierarchy = hierarchy;
        this.path = path;
        this.directory = new CgroupDirectory(hierarchy.directory() + path.value());
    }

    static CgroupV2 create(CgroupHierarchy.V2 hierarchy, CgroupPath path, CgroupLimits limits) {
        CgroupV2 cgroup = new CgroupV2(hierarchy, path);
        CreatedDirectories created = new CreatedDirectories();
        try {
            cgroup.makeLeaf(created);
            new LimitsV2(cgroup.directory, limits, Journal.ofNewCgroup()).write();
            cgroup.restrictDevices(limits);
        } catch (RuntimeException e) {
            created.undo(e);
            throw e;
        }
        return cgroup;
    }

    static CgroupV2 adopt(CgroupHierarchy.V2 hierarchy, CgroupPath path, CgroupLimits limits) {
        CgroupV2 cgroup = new CgroupV2(hierarchy, path);
        // what systemd has no property for is set in its file, and so may need its controller
        cgroup.enableControllers(cgroup.directory);
        new LimitsV2(cgroup.directory, limits, Journal.ofNewCgroup()).write();
        cgroup.restrictDevices(limits);
        return cgroup;
    }

    static CgroupV2 ensure(CgroupHierarchy.V2 hierarchy, CgroupPath path) {
        CgroupV2 cgroup = new CgroupV2(hierarchy, path);
        CreatedDirectories created = new CreatedDirectories();
        try {
            created.make(hierarchy.directory(), path, cgroup::enableControllers);
        } catch (RuntimeException e) {
            created.undo(e);
            throw e;
        }
        return cgroup;
    }

    private void makeLeaf(CreatedDirectories created) {
        if (created.make(hierarchy.directory(), path, this::enableControllers)) {
            return;
        }
        Set<Integer> members = directory.processes();
        if (!members.isEmpty()) {
            throw new CgroupRefusal("cgroup " + path + " exists and holds " + CgroupV1.named(members) + " (" + directory
                    + "): stop what runs there first");
        }
        directory.remove();
        if (!created.make(hierarchy.directory(), path, this::enableControllers)) {
            throw new CgroupRefusal("cgroup " + path + " is being made by another process as well");
        }
    }

    /**
     * A cgroup has the files of the controllers that its parent's {@code cgroup.subtree_control} names. Called for
     * each directory from the top down, this enables them in its parent.
     */
    private void enableControllers(CgroupDirectory made) {
        CgroupDirectory parent =
                new CgroupDirectory(made.path().substring(0, made.path().lastIndexOf('/')));
        Set<String> missing = words(parent.read("cgroup.controllers"));
        missing.retainAll(USED_CONTROLLERS);
        missing.removeAll(words(parent.read(SUBTREE_CONTROL)));
        if (missing.isEmpty()) {
            return;
        }
        String change = String.join(
                " ",
                missing.stream().sorted().map(controller -> "+" + controller).toList());
        try {
            parent.write(SUBTREE_CONTROL, change);
        } catch (CgroupRefusal e) {
            if (e.getCause() instanceof KernelException cause && cause.is(Errno.EBUSY)) {
                throw new CgroupRefusal(
                        e.getMessage() + ": a cgroup that holds processes itself cannot give controllers to those below"
                                + " it (here " + CgroupV1.named(members(parent)) + "); move them to one of its own",
                        e);
            }
            throw e;
        }
    }

    private static Set<Integer> members(CgroupDirectory cgroup) {
        Set<Integer> members = new HashSet<>();
        cgroup.readIfPresent("cgroup.procs")
                .ifPresent(text -> text.lines().map(Integer::valueOf).forEach(members::add));
        return members;
    }

    private static Set<String> words(String text) {
        Set<String> words = new HashSet<>(Arrays.asList(text.split("\\s+")));
        words.remove("");
        return words;
    }

    private void restrictDevices(CgroupLimits limits) {
        if (limits.allowsAllDevices()) {
            return;
        }
        try (Fd cgroup = directory.open()) {
            DeviceFilter.of(limits.devices()).attach(cgroup);
        } catch (KernelException e) {
            throw new CgroupRefusal(
                    "cgroup " + path + ": access to devices cannot be restricted: " + e.getMessage()
                            + "; the kernel needs CONFIG_CGROUP_BPF and the server CAP_BPF or CAP_SYS_ADMIN",
                    e);
        }
    }

    @Override
    public String path() {
        return path.value();
    }

    @Override
    public boolean exists() {
        return directory.exists();
    }

    @Override
    public void apply(CgroupLimits limits, Runnable commit) {
        if (!exists()) {
            throw CgroupRefusal.forNow("cgroup " + path + " does not exist: its limits cannot be changed");
        }
        LimitsV2.refuseBelowUse(directory, limits);
        Journal journal = Journal.ofUpdate();
        try {
            new LimitsV2(directory, limits, journal).write();
            commit.run();
        } catch (RuntimeException e) {
            journal.undo(e);
            throw e;
        }
    }

    @Override
    @SuppressWarnings("MustBeClosedChecker") // handed over in the list
    public List<Fd> openForJoin() {
        return List.of(directory.open());
    }

    @Override
    @SuppressWarnings("MustBeClosedChecker") // handed over in the list
    public List<Fd> openForJoin(int member) {
        if (directory
                .readIfPresent(SUBTREE_CONTROL)
                .filter(given -> !given.isEmpty())
                .isEmpty()) {
            return openForJoin();
        }
        String shown = ProcFile.read("/proc/" + member + "/cgroup")
                .lines()
                .filter(line -> line.startsWith("0::"))
                .map(line -> line.substring("0::".length()))
                .findFirst()
                .orElse("");
        String own = hierarchy.shownPath(path.value());
        if (!shown.startsWith(own + "/")) {
            throw new CgroupRefusal("cgroup " + path + " takes no more processes, as it gives its controllers to those"
                    + " below it, and process " + member + " is in " + shown);
        }
        return List.of(new CgroupDirectory(directory.path() + shown.substring(own.length())).open());
    }

    @Override
    public List<CgroupView> views() {
        return List.of();
    }

    @Override
    public List<Integer> processes() {
        return List.copyOf(directory.processes());
    }

    @Override
    public long oomKills() {
        return directory
                .readIfPresent("memory.events")
                .map(text -> KeyedValues.get(text, "oom_kill"))
                .orElse(0L);
    }

    @Override
    public void freeze() {
        directory.write("cgroup.freeze", "1");
        Deadline deadline = new Deadline(FREEZE_DEADLINE);
        while (KeyedValues.get(directory.read("cgroup.events"), "frozen") == 0) {
            if (deadline.isOver()) {
                directory.write("cgroup.freeze", "0");
                throw new CgroupRefusal("cgroup " + path + " did not freeze within " + FREEZE_DEADLINE.toSeconds()
                        + " s: a process of it waits uninterruptibly in the kernel");
            }
            deadline.pause();
        }
    }

    @Override
    public void thaw() {
        for (CgroupDirectory each : directory.withDescendants()) {
            if (each.readIfPresent("cgroup.freeze").filter("1"::equals).isPresent()) {
                each.write("cgroup.freeze", "0");
            }
        }
    }

    @Override
    public void kill(Duration deadline) {
        Deadline end = new Deadline(deadline);
        while (isPopulated()) {
            if (end.isOver()) {
                throw CgroupRefusal.forNow("cgroup " + path + ": " + CgroupV1.named(directory.processes())
                        + " did not end within " + deadline.toMillis() + " ms of SIGKILL");
            }
            killOnce();
            end.pause();
        }
    }

    /** A frozen process of version 2 dies when it is killed. */
    private void killOnce() {
        if (directory.exists("cgroup.kill")) {
            directory.writeIfPresent("cgroup.kill", "1");
            return;
        }
        if (!exists()) {
            return; // systemd removes a scope as soon as nothing runs in it
        }
        // before Linux 5.14: whoever forks faster than we kill is stopped first
        directory.write("cgroup.freeze", "1");
        try {
            Sweep.kill(directory.processes(), directory::processes);
        } finally {
            directory.write("cgroup.freeze", "0");
        }
    }

    private boolean isPopulated() {
        return directory
                .readIfPresent("cgroup.events")
                .map(text -> KeyedValues.get(text, "populated") != 0)
                .orElse(false);
    }

    @Override
    public void remove(Duration deadline) {
        Deadline end = new Deadline(deadline);
        while (true) {
            try {
                directory.remove();
                return;
            } catch (KernelException e) {
                // systemd may have removed the rest of a scope meanwhile
                if (!e.is(Errno.EBUSY) && !e.is(Errno.ENOENT) || end.isOver()) {
                    throw new CgroupRefusal(
                            "cgroup " + path + " cannot be removed: " + CgroupV1.named(directory.processes())
                                    + " in it",
                            e);
                }
            }
            end.pause();
        }
    }

    @Override
    public Map<String, String> expectedProcLines() {
        return Map.of("", hierarchy.shownPath(path.value()));
    }
}
