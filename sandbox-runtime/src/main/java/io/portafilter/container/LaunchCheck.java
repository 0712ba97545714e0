package io.portafilter.container;

import static io.portafilter.container.NamespaceInodes.OWN;
import static io.portafilter.linux.LinuxConstants.O_CLOEXEC;
import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_PATH;
import static io.portafilter.linux.LinuxConstants.SECCOMP_MODE_FILTER;

import io.portafilter.launch.LaunchException;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.linux.Device;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.ProcDirectory;
import io.portafilter.linux.ProcStatus;
import io.portafilter.linux.ProcessRef;
import io.portafilter.lsm.AppArmor;
import io.portafilter.lsm.Selinux;
import io.portafilter.security.CapabilitySets;
import io.portafilter.security.Credentials;
import io.portafilter.security.Labels;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.UnaryOperator;

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
        if (userNamespace == 0) {
            throw new IllegalArgumentException("no inode of the user namespace");
        }
        this.userNamespace = userNamespace;
    }

    /**
     * What was made for a container besides its plan.
     *
     * @param cgroups the lines of {@code /proc/PID/cgroup} by hierarchy
     * @param pod the namespaces that it joins
     * @param mounts those that the server made
     * @param streams what its descriptors 0, 1 and 2 are to be open on
     * @param monitor the process number of its monitor
     */
    record Asked(
            Map<String, String> cgroups,
            NamespaceInodes pod,
            PreparedMounts mounts,
            List<OpenFile> streams,
            int monitor) {
        Asked {
            streams = List.copyOf(streams);
        }
    }

    /**
     * Compares a prepared container; throws with every difference.
     *
     * @param kernel for tests: changes what the kernel has said
     */
    static void compare(ContainerPlan plan, Asked asked, int pid, UnaryOperator<HeldProcess> kernel) {
        LaunchCheck check =
                new LaunchCheck(plan, plan.ids().isPresent() ? asked.pod().user() : OWN.user());
        try (ProcDirectory process = ProcDirectory.open(pid)) {
            HeldProcess held = kernel.apply(HeldProcess.read(process));
            ProcStatus status = held.status();
            check.same("parent process", asked.monitor(), status.parentPid());
            check.credentials(status);
            check.capabilities(status, ContainerProgram.untilFilter(plan.security()));
            check.same("no_new_privs", plan.security().noNewPrivileges(), status.noNewPrivileges());
            // Root's, for a process that is not dumpable; the directory itself always shows the user.
            check.same("owner of /proc/PID/stat", 0L, held.statOwner());
            check.namespaces(held.namespaces(), asked.pod());
            check.differences.addAll(MountCheck.compare(
                    plan, asked.mounts(), asked.cgroups().getOrDefault("", "/"), held.mounts(), process));
            if (plan.pidMode() == PidMode.TARGET && check.differences.isEmpty()) {
                check.procOfTarget(process, asked.pod());
            }
            check.streams(asked.streams(), held);
            check.inherited(held);
            check.mappings(held.idMaps());
            check.cgroups(asked.cgroups(), held.cgroups());
            check.same("working directory", MountCheck.normalized(plan.workingDirectory()), held.workingDirectory());
            plan.security()
                    .labels()
                    .selinux()
                    .ifPresent(label ->
                            check.same("SELinux label to come", label, Selinux.text(process.read("attr/exec"))));
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
            check.labels(process);
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) || e.is(Errno.ESRCH)) {
                return;
            }
            throw e;
        }
        check.finish();
    }

    /** AppArmor tells nobody of the label that a process has asked for, so it is only seen when the program has it. */
    private void labels(ProcDirectory process) {
        Labels labels = plan.security().labels();
        String appArmor = labels.appArmor().isPresent() ? AppArmor.labelOf(process) : "";
        // One that has ended meanwhile has none: then this throws ENOENT, or it is a zombie.
        if (!labels.areKeptToBy(appArmor) && !process.status().isZombie()) {
            same("AppArmor label", labels.appArmor().orElse(""), appArmor.isEmpty() ? "none" : appArmor);
        }
        labels.selinux().ifPresent(label -> same("SELinux label", label, Selinux.text(process.read("attr/current"))));
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

    private static final List<String> STREAMS = List.of("stdin", "stdout", "stderr");

    /** The first terminal of a devpts: UNIX98_PTY_SLAVE_MAJOR of {@code linux/major.h}. */
    private static final Device FIRST_TERMINAL = new Device(136, 0);

    private static final Device NO_TERMINAL = new Device(0, 0);

    /** What a process that is seen by others has only once it is the program's: a controlling terminal. */
    private void streams(List<OpenFile> asked, HeldProcess held) {
        for (int i = 0; i < STREAMS.size(); i++) {
            same(STREAMS.get(i), asked.get(i), held.streams().get(i));
        }
        boolean controls = plan.streams().terminal() && plan.pidMode() == PidMode.CONTAINER;
        same("controlling terminal", controls ? FIRST_TERMINAL : NO_TERMINAL, held.terminal());
    }

    /** What would be the server's own if it were not set. */
    private void inherited(HeldProcess held) {
        same("umask", 0022, held.status().umask());
        same(
                "oom_score_adj",
                Integer.toString(plan.oomScoreAdj()),
                held.oomScoreAdj().strip());
        for (ProcessLimit limit : plan.limits()) {
            List<String> asked = List.of(limitText(limit.soft()), limitText(limit.hard()));
            List<String> kernel = limitsIn(held.limits(), limit);
            if (!asked.equals(kernel)) {
                same("limit of " + limit.line(), asked, kernel);
            }
        }
    }

    private static List<String> limitsIn(String limits, ProcessLimit limit) {
        String name = "Max " + limit.line() + " ";
        int begin = limits.indexOf(name);
        int end = limits.indexOf('\n', begin);
        return begin < 0 || end < 0
                ? List.of()
                : words(limits.substring(begin + name.length(), end)).subList(0, 2);
    }

    private static String limitText(long value) {
        return value == -1 ? "unlimited" : Long.toString(value);
    }

    private void mappings(Optional<HeldProcess.IdMaps> kernel) {
        // In the server's own user namespace there is nothing to compare: which it is has been compared.
        plan.ids().ifPresent(ids -> {
            HeldProcess.IdMaps maps = kernel.orElse(new HeldProcess.IdMaps("", "", ""));
            same("uid mapping", words(ids.uidMapText()), words(maps.uidMap()));
            same("gid mapping", words(ids.gidMapText()), words(maps.gidMap()));
            same("setgroups", "allow", maps.setgroups().strip());
        });
    }

    /** What is between blanks, tabs and newlines. */
    private static List<String> words(String text) {
        List<String> words = new ArrayList<>();
        int begin = 0;
        for (int i = 0; i <= text.length(); i++) {
            if (i == text.length() || text.charAt(i) <= ' ') {
                if (i > begin) {
                    words.add(text.substring(begin, i));
                }
                begin = i + 1;
            }
        }
        return words;
    }

    private void credentials(ProcStatus status) {
        Credentials user = plan.security().user();
        long uid = plan.ids().map(ids -> ids.hostUid(user.uid())).orElse(user.uid());
        long gid = plan.ids().map(ids -> ids.hostGid(user.gid())).orElse(user.gid());
        if (!status.uids().areAll((int) uid)) {
            same("user ids", four((int) uid), four(status.uids()));
        }
        if (!status.gids().areAll((int) gid)) {
            same("group ids", four((int) gid), four(status.gids()));
        }
        Set<Integer> groups = new TreeSet<>();
        for (long group : user.groups()) {
            groups.add((int) (plan.ids().isPresent() ? plan.ids().get().hostGid(group) : group));
        }
        same("supplementary groups", groups, new TreeSet<>(status.groups()));
    }

    private static String four(int id) {
        return four(new ProcStatus.Ids(id, id, id, id));
    }

    /** In the order of {@code /proc/PID/status}. */
    private static String four(ProcStatus.Ids ids) {
        return "real " + Integer.toUnsignedString(ids.real()) + ", effective "
                + Integer.toUnsignedString(ids.effective()) + ", saved " + Integer.toUnsignedString(ids.saved())
                + ", file system " + Integer.toUnsignedString(ids.fileSystem());
    }

    private void capabilities(ProcStatus status, CapabilitySet untilFilter) {
        CapabilitySets sets = plan.security().capabilities();
        same("bounding set", sets.bounding(), status.bounding());
        same("permitted set", sets.permitted().plus(untilFilter), status.permitted());
        same("effective set", sets.effective().plus(untilFilter), status.effective());
        same("inheritable set", sets.inheritable(), status.inheritable());
        same("ambient set", sets.ambient(), status.ambient());
    }

    private void namespaces(NamespaceInodes kernel, NamespaceInodes pod) {
        NamespaceInodes network = plan.hostNetwork() ? OWN : pod;
        same("net namespace", network.net(), kernel.net());
        same("uts namespace", network.uts(), kernel.uts());
        same("ipc namespace", (plan.hostIpc() ? OWN : pod).ipc(), kernel.ipc());
        same("user namespace", (plan.ids().isPresent() ? pod : OWN).user(), kernel.user());
        long children = kernel.pidForChildren();
        switch (plan.pidMode()) {
            case POD, TARGET -> {
                same("pid namespace", pod.pid(), children);
                // Others in it do not see a process that has not entered it.
                same("pid namespace of the waiting process", OWN.pid(), kernel.pid());
            }
            case NODE -> {
                same("pid namespace", OWN.pid(), kernel.pid());
                same("pid namespace of its children", OWN.pid(), children);
            }
            case CONTAINER -> {
                own("pid", kernel, pod);
                same("pid namespace of its children", kernel.pid(), children);
            }
        }
        own("mnt", kernel, pod);
        if (plan.cgroupNamespace()) {
            own("cgroup", kernel, pod);
        } else {
            same("cgroup namespace", OWN.cgroup(), kernel.cgroup());
        }
    }

    /** Neither the server's nor the pod's. */
    private void own(String kind, NamespaceInodes kernel, NamespaceInodes pod) {
        long inode = kernel.of(kind);
        if (inode == OWN.of(kind)) {
            differences.add(kind + " namespace differs: asked one of its own, kernel the host's, " + inode);
        } else if (inode == pod.of(kind)) {
            differences.add(kind + " namespace differs: asked one of its own, kernel the pod's, " + inode);
        }
    }

    /** A target can put another proc in the place of its own; what shows as process 1 there is in its namespace. */
    private void procOfTarget(ProcDirectory process, NamespaceInodes joined) {
        try (Fd root = Kernel.openat(process.descriptor(), "root", O_PATH | O_DIRECTORY | O_CLOEXEC)) {
            same("PID namespace of /proc", "pid:[" + joined.pid() + "]", Kernel.readlinkat(root, "proc/1/ns/pid"));
        }
    }

    private void cgroups(Map<String, String> asked, String text) {
        Map<String, String> found = new HashMap<>();
        int begin = 0;
        while (begin < text.length()) {
            int newline = text.indexOf('\n', begin);
            int end = newline < 0 ? text.length() : newline;
            // the hierarchy's number, its controllers, the path
            int first = text.indexOf(':', begin);
            int second = first < 0 ? -1 : text.indexOf(':', first + 1);
            if (second >= 0 && second < end) {
                String controllers = text.substring(first + 1, second);
                if (asked.containsKey(controllers)) {
                    found.put(controllers, text.substring(second + 1, end));
                }
            }
            begin = end + 1;
        }
        same("cgroups", asked, found);
    }

    private void same(String what, Object asked, Object kernel) {
        if (!asked.equals(kernel)) {
            differences.add(what + " differs: asked " + asked + ", kernel " + kernel);
        }
    }

    private void finish() {
        if (!differences.isEmpty()) {
            throw LaunchException.because(
                    "the prepared process is not what was asked for: " + String.join("; ", differences));
        }
    }
}
