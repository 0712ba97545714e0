package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.SECCOMP_MODE_DISABLED;
import static io.portafilter.linux.LinuxConstants.SECCOMP_MODE_FILTER;

import io.portafilter.cgroup.Cgroup;
import io.portafilter.launch.LaunchException;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.MountInfo;
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

    private final ContainerPlan plan;
    private final List<String> differences = new ArrayList<>();

    private LaunchCheck(ContainerPlan plan) {
        this.plan = plan;
    }

    /** Compares a prepared container; throws with every difference. */
    static void compare(ContainerPlan plan, Cgroup cgroup, NamespaceInodes pod, Monitor monitor, int pid) {
        LaunchCheck check = new LaunchCheck(plan);
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
            check.mounts(process.mounts());
            check.same("cgroups", cgroup.expectedProcLines(), lines(process.read("cgroup"), cgroup));
            check.same("working directory", normalized(plan.workingDirectory()), process.link("cwd"));
        }
        check.finish();
    }

    /** Compares what can only be seen after {@code execve(2)}; a program that has ended already has nothing to compare. */
    static void compareRunning(ContainerPlan plan, ProcessRef init) {
        LaunchCheck check = new LaunchCheck(plan);
        try (ProcDirectory process = ProcDirectory.open(init.pid())) {
            ProcStatus status = process.status();
            if (status.isZombie() || !init.isAlive()) {
                return;
            }
            int mode = plan.security().seccomp().isPresent() ? SECCOMP_MODE_FILTER : SECCOMP_MODE_DISABLED;
            if (status.seccompMode() < mode) {
                check.same("seccomp mode", mode, status.seccompMode());
            }
            if (!plan.security().capabilities().bounding().containsAll(status.bounding())) {
                check.same("bounding set", plan.security().capabilities().bounding(), status.bounding());
            }
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) || e.is(Errno.ESRCH)) {
                return;
            }
            throw e;
        }
        check.finish();
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
            case POD -> same("pid namespace", pod.of("pid"), process.namespaceInode("pid_for_children"));
            case NODE -> same("pid namespace", hostNamespace("pid"), process.namespaceInode("pid"));
            case CONTAINER -> {
                differ("pid namespace", pod.of("pid"), process.namespaceInode("pid"));
                differ("pid namespace", hostNamespace("pid"), process.namespaceInode("pid"));
            }
            case TARGET -> differ("pid namespace", hostNamespace("pid"), process.namespaceInode("pid_for_children"));
        }
        differ("mount namespace", hostNamespace("mnt"), process.namespaceInode("mnt"));
        if (plan.cgroupNamespace()) {
            differ("cgroup namespace", hostNamespace("cgroup"), process.namespaceInode("cgroup"));
        }
    }

    private static long hostNamespace(String kind) {
        try (ProcDirectory self = ProcDirectory.open(Kernel.getpid())) {
            return self.namespaceInode(kind);
        }
    }

    /** Each planned mount stands exactly where it was planned, on top, with the flags that were planned. */
    private void mounts(List<MountInfo> mounts) {
        Map<String, MountInfo> top = new HashMap<>();
        mounts.forEach(mount -> top.put(mount.mountPoint(), mount));
        MountInfo root = top.get("/");
        same("type of /", "overlay", root == null ? "nothing" : root.type());
        same("read-only /", plan.security().readOnlyRootfs(), root != null && root.isReadOnly());
        for (MountPlan planned : plan.mounts()) {
            switch (planned) {
                case MountPlan.FileSystem fileSystem ->
                    mount(top, fileSystem.target(), fileSystem.type(), (fileSystem.attributes() & 1) != 0);
                case MountPlan.Devices(String target) -> mount(top, target, "tmpfs", false);
                case MountPlan.OfPause(String target, String path) ->
                    mount(top, target, path.equals("/proc") ? "proc" : "tmpfs", false);
                case MountPlan.Prepared(String target, int index) -> {
                    MountInfo found = top.get(normalized(target));
                    if (found != null) {
                        boolean readOnly = plan.prepared().get(index).readOnly();
                        same("read-only " + target, readOnly || found.isReadOnly(), found.isReadOnly());
                    } else if (ProgramWriter.mayFollowLinks(target)) {
                        same(
                                "number of mounts",
                                true,
                                mounts.size() >= plan.mounts().size());
                    } else {
                        same("mount on " + target, "a mount", "nothing");
                    }
                }
            }
        }
        for (String path : plan.security().maskedPaths()) {
            MountInfo found = top.get(normalized(path));
            if (found != null
                    && !plan.prepared().stream().anyMatch(p -> p.containerPath().equals(path))) {
                boolean hidden = found.type().equals("tmpfs")
                        && (found.root().equals("/null") || found.root().equals(PausePlan.EMPTY));
                same("mask of " + path, true, hidden);
            }
        }
        for (String path : plan.security().readOnlyPaths()) {
            MountInfo found = top.get(normalized(path));
            if (found != null) {
                same("read-only " + path, true, found.isReadOnly());
            }
        }
    }

    private void mount(Map<String, MountInfo> top, String target, String type, boolean readOnly) {
        MountInfo found = top.get(target);
        same("type of " + target, type, found == null ? "nothing" : found.type());
        if (found != null && readOnly) {
            same("read-only " + target, true, found.isReadOnly());
        }
    }

    private static Map<String, String> lines(String text, Cgroup cgroup) {
        Map<String, String> found = new HashMap<>();
        for (String line : text.lines().toList()) {
            String[] fields = line.split(":", 3);
            if (fields.length == 3 && cgroup.expectedProcLines().containsKey(fields[1])) {
                found.put(fields[1], fields[2]);
            }
        }
        return found;
    }

    private static String normalized(String path) {
        return java.nio.file.Path.of("/").resolve(path).normalize().toString();
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
