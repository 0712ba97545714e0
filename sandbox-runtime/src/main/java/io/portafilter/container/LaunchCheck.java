package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.O_CLOEXEC;
import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_PATH;
import static io.portafilter.linux.LinuxConstants.RLIMIT_NOFILE;
import static io.portafilter.linux.LinuxConstants.SECCOMP_MODE_FILTER;

import io.portafilter.cgroup.Cgroup;
import io.portafilter.launch.LaunchException;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.ProcDirectory;
import io.portafilter.linux.ProcStatus;
import io.portafilter.linux.ProcessRef;
import io.portafilter.security.CapabilitySets;
import io.portafilter.security.Credentials;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * Gate 2: compares what the kernel says of a process that waits there with what its plan says. Any difference ends the
 * launch.
 */
final class LaunchCheck {

    /** A server that is itself filtered hands its filters down. */
    private static final int OWN_FILTERS = ProcStatus.ownSeccompFilters();

    /** A filter has killed the process, and it is ending: the kernel's own mode, {@code kernel/seccomp.c}. */
    private static final int SECCOMP_MODE_DEAD = SECCOMP_MODE_FILTER + 1;

    private final ContainerPlan plan;
    private final long userNamespace;
    private final List<String> differences = new ArrayList<>();

    private LaunchCheck(ContainerPlan plan, long userNamespace) {
        this.plan = plan;
        this.userNamespace = userNamespace;
    }

    /** Compares a prepared container; throws with every difference. */
    static void compare(
            ContainerPlan plan, Cgroup cgroup, NamespaceInodes pod, PreparedMounts mounts, Monitor monitor, int pid) {
        LaunchCheck check = new LaunchCheck(plan, plan.ids().isPresent() ? pod.of("user") : hostNamespace("user"));
        try (ProcDirectory process = ProcDirectory.open(pid)) {
            ProcStatus status = process.status();
            check.same("parent process", monitor.process().pid(), status.parentPid());
            check.credentials(status);
            check.capabilities(status, ContainerProgram.untilFilter(plan.security()));
            check.same("no_new_privs", plan.security().noNewPrivileges(), status.noNewPrivileges());
            // Root's, for a process that is not dumpable; the directory itself always shows the user.
            check.same(
                    "owner of /proc/PID/stat",
                    0,
                    Kernel.statx(process.descriptor(), "stat", 0).uid());
            check.namespaces(process, pod);
            check.differences.addAll(
                    MountCheck.compare(plan, mounts, cgroup.expectedProcLines().getOrDefault("", "/"), process));
            if (plan.pidMode() == PidMode.TARGET && check.differences.isEmpty()) {
                check.procOfTarget(process, pod);
            }
            check.inherited(process, status);
            check.cgroups(cgroup.expectedProcLines(), process.read("cgroup"));
            check.same("working directory", MountCheck.normalized(plan.workingDirectory()), process.link("cwd"));
        }
        check.finish();
    }

    /** Compares what can only be seen after {@code execve(2)}; a program that has ended already has nothing to compare. */
    static void compareRunning(ContainerPlan plan, long userNamespace, ProcessRef init) {
        LaunchCheck check = new LaunchCheck(plan, userNamespace);
        try (ProcDirectory process = ProcDirectory.open(init.pid())) {
            ProcStatus status = process.status();
            if (status.isZombie() || status.seccompMode() == SECCOMP_MODE_DEAD || !init.isAlive()) {
                return;
            }
            if (plan.security().seccomp().isPresent()) {
                check.same("seccomp mode", SECCOMP_MODE_FILTER, status.seccompMode());
                if (status.seccompFilters() >= 0 && status.seccompFilters() <= OWN_FILTERS) {
                    check.same("number of seccomp filters", OWN_FILTERS + 1, status.seccompFilters());
                }
            }
            if (plan.security().noNewPrivileges()) {
                check.same("no_new_privs", true, status.noNewPrivileges());
            }
            check.atMost(process, status);
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) || e.is(Errno.ESRCH)) {
                return;
            }
            throw e;
        }
        check.finish();
    }

    /** A program may have given up rights by now, or have all of them in a user namespace that it made; but no more. */
    private void atMost(ProcDirectory process, ProcStatus status) {
        CapabilitySets sets = plan.security().capabilities();
        CapabilitySet most = sets.bounding().plus(sets.inheritable());
        Map<String, CapabilitySet> found = Map.of(
                "bounding set", status.bounding(),
                "permitted set", status.permitted(),
                "effective set", status.effective(),
                "inheritable set", status.inheritable(),
                "ambient set", status.ambient());
        found.forEach((set, capabilities) -> {
            if (!most.containsAll(capabilities) && isInPlannedUserNamespace(process)) {
                same(set, most, capabilities);
            }
        });
    }

    /** Nobody comes back from a user namespace: who is in the planned one now was in it when its sets were read. */
    private boolean isInPlannedUserNamespace(ProcDirectory process) {
        return userNamespace == process.namespaceInode("user");
    }

    /** What would be the server's own if it were not set. */
    private void inherited(ProcDirectory process, ProcStatus status) {
        same("umask", 0022, status.umask());
        same(
                "oom_score_adj",
                Integer.toString(plan.oomScoreAdj()),
                process.read("oom_score_adj").strip());
        String limits = process.read("limits");
        for (ProcessLimit limit : plan.limits()) {
            if (limit.resource() == RLIMIT_NOFILE) {
                same(
                        "limit of open files",
                        List.of(Long.toString(limit.soft()), Long.toString(limit.hard())),
                        limits.lines()
                                .filter(line -> line.startsWith("Max open files"))
                                .map(line -> List.of(line.substring("Max open files".length())
                                                .strip()
                                                .split("\\s+"))
                                        .subList(0, 2))
                                .findFirst()
                                .orElse(List.of()));
            }
        }
        plan.ids().ifPresent(ids -> {
            same("uid mapping", words(ids.uidMapText()), words(process.read("uid_map")));
            same("gid mapping", words(ids.gidMapText()), words(process.read("gid_map")));
        });
    }

    private static List<String> words(String text) {
        return List.of(text.strip().split("\\s+"));
    }

    private void credentials(ProcStatus status) {
        Credentials user = plan.security().user();
        long uid = plan.ids().map(ids -> ids.hostUid(user.uid())).orElse(user.uid());
        long gid = plan.ids().map(ids -> ids.hostGid(user.gid())).orElse(user.gid());
        same("user ids", true, status.uids().areAll((int) uid));
        same("group ids", true, status.gids().areAll((int) gid));
        Set<Integer> groups = user.groups().stream()
                .map(group ->
                        plan.ids().map(ids -> ids.hostGid(group)).orElse(group).intValue())
                .collect(Collectors.toCollection(TreeSet::new));
        same("supplementary groups", groups, new TreeSet<>(status.groups()));
    }

    private void capabilities(ProcStatus status, CapabilitySet untilFilter) {
        CapabilitySets sets = plan.security().capabilities();
        same("bounding set", sets.bounding(), status.bounding());
        same("permitted set", sets.permitted().plus(untilFilter), status.permitted());
        same("effective set", sets.effective().plus(untilFilter), status.effective());
        same("inheritable set", sets.inheritable(), status.inheritable());
        same("ambient set", sets.ambient(), status.ambient());
    }

    private void namespaces(ProcDirectory process, NamespaceInodes pod) {
        Map<String, Boolean> joined = new HashMap<>();
        joined.put("net", !plan.hostNetwork());
        joined.put("uts", !plan.hostNetwork());
        joined.put("ipc", !plan.hostIpc());
        joined.put("user", plan.ids().isPresent());
        joined.forEach((kind, ofPod) ->
                same(kind + " namespace", ofPod ? pod.of(kind) : hostNamespace(kind), process.namespaceInode(kind)));
        switch (plan.pidMode()) {
            case POD, TARGET -> same("pid namespace", pod.of("pid"), process.namespaceInode("pid_for_children"));
            case NODE -> same("pid namespace", hostNamespace("pid"), process.namespaceInode("pid"));
            case CONTAINER -> {
                differ("pid namespace", pod.of("pid"), process.namespaceInode("pid"));
                differ("pid namespace", hostNamespace("pid"), process.namespaceInode("pid"));
            }
        }
        differ("mount namespace", hostNamespace("mnt"), process.namespaceInode("mnt"));
        if (plan.cgroupNamespace()) {
            differ("cgroup namespace", hostNamespace("cgroup"), process.namespaceInode("cgroup"));
        }
    }

    /** A target can put another proc in the place of its own; what shows as process 1 there is in its namespace. */
    private void procOfTarget(ProcDirectory process, NamespaceInodes joined) {
        try (Fd root = Kernel.openat(process.descriptor(), "root", O_PATH | O_DIRECTORY | O_CLOEXEC)) {
            same("PID namespace of /proc", "pid:[" + joined.of("pid") + "]", Kernel.readlinkat(root, "proc/1/ns/pid"));
        }
    }

    static long hostNamespace(String kind) {
        try (ProcDirectory self = ProcDirectory.open(Kernel.getpid())) {
            return self.namespaceInode(kind);
        }
    }

    private void cgroups(Map<String, String> asked, String text) {
        Map<String, String> found = new HashMap<>();
        for (String line : text.lines().toList()) {
            String[] fields = line.split(":", 3);
            if (fields.length == 3 && asked.containsKey(fields[1])) {
                found.put(fields[1], fields[2]);
            }
        }
        same("cgroups", asked, found);
    }

    private void same(String what, Object asked, Object kernel) {
        if (!asked.equals(kernel)) {
            differences.add(what + " differs: asked " + asked + ", kernel " + kernel);
        }
    }

    private void differ(String what, Object other, Object kernel) {
        if (other.equals(kernel)) {
            differences.add(what + " is not one of its own");
        }
    }

    private void finish() {
        if (!differences.isEmpty()) {
            throw LaunchException.because(
                    "the prepared process is not what was asked for: " + String.join("; ", differences));
        }
    }
}
