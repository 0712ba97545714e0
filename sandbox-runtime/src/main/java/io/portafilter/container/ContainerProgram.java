package io.portafilter.container;

import static io.portafilter.container.ProgramWriter.at;
import static io.portafilter.container.ProgramWriter.number;
import static io.portafilter.container.ProgramWriter.text;
import static io.portafilter.launch.Operand.ZERO;
import static io.portafilter.linux.LinuxConstants.*;

import io.portafilter.container.Slot.Role;
import io.portafilter.launch.Block;
import io.portafilter.launch.Label;
import io.portafilter.launch.LaunchProgram;
import io.portafilter.launch.Operand;
import io.portafilter.linux.Architecture;
import io.portafilter.linux.Capability;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.linux.Errno;
import io.portafilter.linux.SystemCall;
import io.portafilter.security.SecurityPlan;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/**
 * The launch program of a container, made from its plan alone.
 *
 * <p>Three processes: the monitor M stays on the host; A, its child, is in the host's PID namespace and joins what the
 * container is part of; B, M's child too, runs the program. Where B is process 1 of a PID namespace of its own, no
 * process of the container sees it being prepared, and it prepares itself. Where it would be seen, A does everything
 * and B is born harmless.
 */
record ContainerProgram(LaunchProgram program, Slots slots) {

    /** How many descriptors the monitor keeps, the socket included. */
    static final int KEPT = 8;

    /** Those, so that they can be found again in a monitor of an earlier server. */
    static final Slots KEPT_SLOTS = new Slots.Builder()
            .add(
                    Role.EXIT_FILE,
                    Role.STDOUT_READ,
                    Role.STDOUT_WRITE,
                    Role.STDERR_READ,
                    Role.STDERR_WRITE,
                    Role.STDIN,
                    Role.STAY,
                    Role.MONITOR_SOCKET)
            .build();

    /** The first of the descriptors that the monitor is sent. */
    static final int FIRST_NAMESPACE = Slots.FIRST + KEPT;

    /** Behind the namespaces: the root of the container's devpts. */
    static final int TERMINALS = FIRST_NAMESPACE + ProgramWriter.KEPT_NAMESPACES.size();

    /** Behind that, if the container takes input: the write end of the pipe, or the master of its terminal. */
    static final int INPUT = TERMINALS + 1;

    /** Behind that, if such a pipe is closed on demand: the event counter that tells the monitor to. */
    static final int INPUT_END = INPUT + 1;

    static final CapabilitySet NO_CAPABILITIES = new CapabilitySet(0);
    static final CapabilitySet SYS_ADMIN = CapabilitySet.of(Capability.CAP_SYS_ADMIN);

    static ContainerProgram of(ContainerPlan plan) {
        Slots slots = slots(plan);
        ProgramWriter writer = new ProgramWriter("container " + plan.name(), slots);
        Label first = new Label("monitor");
        new Body(plan, writer).write(first);
        return new ContainerProgram(writer.finish(first), slots);
    }

    private static Slots slots(ContainerPlan plan) {
        return new Slots.Builder()
                .addAll(KEPT_SLOTS)
                .add(Role.STATUS, Role.GATE, Role.PROGRESS, Role.ROOT, Role.DEVICES, Role.NULL_DEVICE)
                .addMany(Role.MOUNT, plan.prepared().size())
                .addIf(plan.mountsCgroups(), Role.CGROUP_TREE)
                .addMany(Role.CGROUP_VIEW, plan.mountsCgroups() ? plan.facts().cgroupTasksFiles() : 0)
                .addMany(Role.SCRATCH, 2)
                .add(Role.TERMINALS)
                .addIf(plan.streams().terminal(), Role.TERMINAL)
                .addIf(plan.streams().inputPipe(), Role.INPUT)
                .addMany(Role.TASKS, plan.facts().cgroupTasksFiles())
                .addIf(plan.facts().bornInCgroup(), Role.CGROUP)
                .addIf(!plan.hostNetwork(), Role.NETWORK_NAMESPACE)
                .addIf(!plan.hostNetwork(), Role.UTS_NAMESPACE)
                .addIf(!plan.hostIpc(), Role.IPC_NAMESPACE)
                .addIf(plan.security().ids().isPresent(), Role.USER_NAMESPACE)
                .addIf(joinsPids(plan), Role.PID_NAMESPACE)
                .addIf(
                        plan.pidMode() == PidMode.TARGET && !plan.facts().host().procPidnsOption(),
                        Role.TARGET_MOUNT_NAMESPACE)
                .add(Role.MOUNT_NAMESPACE, Role.HOST_MOUNT_NAMESPACE)
                .addIf(plan.security().labels().areForPrograms(), Role.PROC)
                .build();
    }

    private static boolean joinsPids(ContainerPlan plan) {
        return plan.pidMode() == PidMode.POD || plan.pidMode() == PidMode.TARGET;
    }

    private record Body(ContainerPlan plan, ProgramWriter writer, Map<String, Label> clones) {

        Body(ContainerPlan plan, ProgramWriter writer) {
            this(plan, writer, new HashMap<>());
        }

        void write(Label first) {
            writer.assembler().place(first);
            writer.monitorBegins(plan.name());
            Label joining = new Label("joining process");
            writer.assembler().step("start the process that joins");
            Label child = writer.cloneInto(0, SIGCHLD, plan.facts().bornInCgroup(), joining);
            if (plan.pidMode() != PidMode.CONTAINER) {
                writer.tell(child);
            }
            writer.monitorWaits(child, kept());

            writer.assembler().place(joining);
            writer.dieWithParent();
            writer.label(plan.security().labels());
            writer.dropInheritance(plan.oomScoreAdj(), plan.limitsOfLaunch());
            writer.joinCgroups();
            cloneFromTarget();
            cloneFromPause();
            joinNamespaces();
            if (plan.pidMode() == PidMode.CONTAINER) {
                preparesItself();
            } else {
                isBornPrepared();
            }
        }

        /** In the order in which the server sends it: {@link #TERMINALS} and what follows. */
        private ProgramWriter.Kept kept() {
            StandardStreams streams = plan.streams();
            int received = TERMINALS + 1 - FIRST_NAMESPACE;
            if (streams.terminal() || streams.inputPipe()) {
                received++;
            }
            if (!streams.inputEnds()) {
                return new ProgramWriter.Kept(KEPT, received);
            }
            return new ProgramWriter.Kept(KEPT, received + 1, Optional.of(new ProgramWriter.Input(INPUT, INPUT_END)));
        }

        /** The proc of mode TARGET; a mount can be cloned only from within its own namespace. */
        private void cloneFromTarget() {
            for (MountPlan mount : plan.mounts()) {
                if (mount instanceof MountPlan.OfTarget(String target)) {
                    writer.assembler().step("clone the proc of the container whose PID namespace is joined");
                    writer.join(Role.TARGET_MOUNT_NAMESPACE, CLONE_NEWNS);
                    clones.put(target, cloneTree(target));
                }
            }
        }

        /** Mounts of the pause process's namespace, from which it returns to the host's. */
        private void cloneFromPause() {
            writer.assembler().step("clone the pod's shared mounts");
            writer.join(Role.MOUNT_NAMESPACE, CLONE_NEWNS);
            for (MountPlan mount : plan.mounts()) {
                if (mount instanceof MountPlan.OfPause(String target, String path)) {
                    clones.put(target, cloneTree(path));
                }
            }
            if (!plan.security().maskedPaths().isEmpty()) {
                clones.put(PausePlan.EMPTY, cloneTree(PausePlan.EMPTY));
            }
            writer.join(Role.HOST_MOUNT_NAMESPACE, CLONE_NEWNS);
        }

        private Label cloneFor(String target) {
            return Objects.requireNonNull(clones.get(target), target);
        }

        private Label cloneTree(String path) {
            return writer.call(
                    SystemCall.OPEN_TREE,
                    number(AT_FDCWD),
                    text(path),
                    number(OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW));
        }

        private void joinNamespaces() {
            writer.assembler().step("join the pod's namespaces");
            writer.join(Role.NETWORK_NAMESPACE, CLONE_NEWNET);
            writer.join(Role.IPC_NAMESPACE, CLONE_NEWIPC);
            writer.join(Role.UTS_NAMESPACE, CLONE_NEWUTS);
            if (plan.security().ids().isPresent()) {
                writer.join(Role.USER_NAMESPACE, CLONE_NEWUSER);
                writer.becomeRoot();
            }
            // After the user namespace, or the cgroup file systems would be foreign to it.
            if (plan.cgroupNamespace()) {
                writer.call(SystemCall.UNSHARE, number(CLONE_NEWCGROUP));
            }
        }

        /** B is process 1 of a new PID namespace. */
        private void preparesItself() {
            Label program = new Label("program");
            writer.assembler().step("start the program's process");
            Label pid = writer.cloneInto(CLONE_NEWNS | CLONE_NEWPID | CLONE_PARENT, 0, false, program);
            writer.tell(pid);
            writer.exit(0);

            writer.assembler().place(program);
            writer.shareProgress();
            writer.dieWithParent();
            makeRoot();
            standardStreams();
            writer.beginSession(session());
            writer.closeAllBut(writer.slots().number(Role.STATUS), 2);
            becomeUser();
            writer.gate();
            writer.defaultSignals();
            writer.keepStatusUntilExecve();
            plan.security().seccomp().ifPresent(writer::filter);
            writer.execute(plan.candidates(), plan.arguments(), plan.environment());
        }

        /** A does everything, and B, which others can see, is born with nothing left to take from it. */
        private void isBornPrepared() {
            writer.assembler().step("make a mount namespace");
            writer.call(SystemCall.UNSHARE, number(CLONE_NEWNS));
            makeRoot();
            standardStreams();
            writer.assembler().step("join the shared PID namespace");
            writer.join(Role.PID_NAMESPACE, CLONE_NEWPID);
            becomeUser();
            writer.gate();
            int status = writer.slots().number(Role.STATUS);
            writer.call(SystemCall.CLOSE_RANGE, number(Slots.FIRST), number(status - 1), ZERO);
            int progress = writer.slots().number(Role.PROGRESS);
            writer.call(SystemCall.CLOSE, writer.slot(Role.GATE));
            writer.call(SystemCall.CLOSE_RANGE, number(progress + 1), number(0xffffffffL), ZERO);
            writer.call(SystemCall.CLOSE_RANGE, number(status), number(status), number(CLOSE_RANGE_CLOEXEC));
            writer.defaultSignals();
            lastSteps(writer, plan.security(), plan.facts().host().architecture(), session());
            Label program = new Label("program");
            writer.assembler().step("start the program's process");
            Label pid = writer.cloneSibling(program);
            writer.tell(pid);
            writer.exit(0);
            writer.assembler().place(program);
            becomesProgram(writer, session());
            writer.execute(plan.candidates(), plan.arguments(), plan.environment());
        }

        private void becomeUser() {
            writer.workingDirectory(plan.workingDirectory());
            SecurityPlan security = plan.security();
            writer.credentials(
                    security.user(),
                    security.capabilities(),
                    plan.facts().host().lastCapability(),
                    untilFilter(security));
            writer.assembler().step("become unreadable to others");
            writer.dieWithParent();
            writer.notDumpable();
            if (security.noNewPrivileges()) {
                writer.noNewPrivileges();
            }
        }

        private void makeRoot() {
            writer.assembler().step("make all mounts private");
            writer.call(SystemCall.MOUNT, ZERO, text("/"), ZERO, number(MS_REC | MS_PRIVATE), ZERO);
            writer.assembler().step("attach the root filesystem");
            writer.call(
                    SystemCall.MOVE_MOUNT,
                    writer.slot(Role.ROOT),
                    text(""),
                    number(AT_FDCWD),
                    text("/"),
                    number(MOVE_MOUNT_F_EMPTY_PATH));
            writer.call(SystemCall.FCHDIR, writer.slot(Role.ROOT));
            makeTerminals();
            plan.mounts().forEach(this::mount);
            if (plan.streams().terminal() && !plan.has(MountPlan.Console.class)) {
                writer.openTerminal(plan.security().user());
            }
            handOverTerminals();
            maskPaths();
            plan.security().readOnlyPaths().forEach(this::makeReadOnly);
            writer.assembler().step("enter the root filesystem");
            writer.call(SystemCall.PIVOT_ROOT, text("."), text("."));
            writer.call(SystemCall.UMOUNT2, text("."), number(MNT_DETACH));
            writer.call(SystemCall.CHDIR, text("/"));
            if (!plan.limitsOfLaunch().equals(plan.limits())) {
                writer.assembler().step("set the program's limits");
                writer.limit(plan.limits());
            }
        }

        /** Nobody else sees the terminals before the program runs. */
        private List<Integer> session() {
            return plan.streams().terminal() ? ProgramWriter.TERMINAL : ProgramWriter.NO_TERMINAL;
        }

        private void standardStreams() {
            if (plan.streams().terminal()) {
                writer.terminalStreams();
            } else {
                writer.standardStreams();
            }
        }

        /** Whether or not it is attached: programs that are run beside the first one have their terminals there as well. */
        private void makeTerminals() {
            writer.assembler().step("make the container's " + plan.terminals().type());
            Label made = writer.makeFileSystem(plan.terminals());
            writer.call(SystemCall.DUP3, new Operand.ResultOf(made), writer.slot(Role.TERMINALS), number(O_CLOEXEC));
        }

        /** The server gives them to the monitor, which has been waiting outside for long. */
        private void handOverTerminals() {
            writer.assembler().step("hand over the terminals");
            int terminals = writer.slots().number(Role.TERMINALS);
            if (plan.streams().terminal()) {
                writer.sendToServer(terminals, writer.slots().number(Role.TERMINAL));
            } else {
                writer.sendToServer(terminals);
            }
            writer.call(SystemCall.CLOSE, writer.slot(Role.MONITOR_SOCKET));
        }

        /**
         * The terminal is bound by its descriptor: no path of it is looked up in the container (CVE-2025-52565). A mount
         * is cloned from one that is attached; where a volume lies in the place of the terminals they go out of the way
         * for that.
         */
        private void mountConsole(String target) {
            if (!plan.has(MountPlan.Terminals.class)) {
                writer.assembler().step("attach the terminals out of the way");
                writer.call(
                        SystemCall.MOVE_MOUNT,
                        writer.slot(Role.TERMINALS),
                        text(""),
                        number(AT_FDCWD),
                        text("/proc"),
                        number(MOVE_MOUNT_F_EMPTY_PATH));
            }
            writer.openTerminal(plan.security().user());
            writer.assembler().step("mount on " + target);
            Label clone = writer.call(
                    SystemCall.OPEN_TREE, ZERO, text(""), number(AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
            writer.attach(new Operand.ResultOf(clone), openInRoot(target, 0));
        }

        private void mount(MountPlan mount) {
            switch (mount) {
                case MountPlan.Terminals(String target) -> attach(writer.slot(Role.TERMINALS), target, O_DIRECTORY);
                case MountPlan.Console(String target) -> mountConsole(target);
                case MountPlan.FileSystem fileSystem -> {
                    writer.mountFileSystem(fileSystem);
                    if (fileSystem.type().equals("mqueue")) {
                        plan.security().labels().selinuxMounts().ifPresent(label -> label(fileSystem.target(), label));
                    }
                }
                case MountPlan.Devices(String target) -> attach(writer.slot(Role.DEVICES), target, O_DIRECTORY);
                case MountPlan.OfPause(String target, String _) ->
                    attach(new Operand.ResultOf(cloneFor(target)), target, O_DIRECTORY);
                case MountPlan.OfTarget(String target) ->
                    attach(new Operand.ResultOf(cloneFor(target)), target, O_DIRECTORY);
                case MountPlan.CgroupTree(String target) -> attach(writer.slot(Role.CGROUP_TREE), target, O_DIRECTORY);
                case MountPlan.CgroupView(String target, int index) ->
                    attach(number(writer.slots().number(Slot.of(Role.CGROUP_VIEW, index))), target, O_DIRECTORY);
                case MountPlan.Prepared(String target, int index) ->
                    attach(number(writer.slots().number(Slot.of(Role.MOUNT, index))), target, 0);
            }
        }

        /**
         * All mounts of an IPC namespace's queues are one file system, which takes no label as an option. Its mount point is
         * a directory of our own /dev.
         */
        private void label(String target, String label) {
            byte[] value = (label + "\0").getBytes(StandardCharsets.UTF_8);
            writer.call(
                    SystemCall.LSETXATTR,
                    text(ProgramWriter.relative(target)),
                    text("security.selinux"),
                    at(Block.of(label, value)),
                    number(value.length),
                    ZERO);
            writer.assembler().tolerate(Errno.EOPNOTSUPP, "in a user namespace it has no labels");
        }

        private void attach(Operand mount, String target, long flags) {
            writer.assembler().step("mount on " + target);
            writer.attach(mount, openInRoot(target, flags));
        }

        private Label openInRoot(String path, long flags) {
            return writer.openInRoot(writer.slot(Role.ROOT), path, flags, ProgramWriter.mayFollowLinks(path));
        }

        /**
         * Files are hidden below our own null device, directories below an empty one. Both sources are our own
         * descriptors: a volume cannot put another file in their place.
         */
        private void maskPaths() {
            List<String> paths = plan.security().maskedPaths();
            if (paths.isEmpty()) {
                return;
            }
            // A mount is cloned from one that is attached: the host's /proc is about to go from here anyway.
            writer.assembler().step("attach the empty directory out of the way");
            Label empty = cloneFor(PausePlan.EMPTY);
            int scratch = writer.slots().number(Slot.of(Role.SCRATCH, 1));
            writer.call(SystemCall.DUP3, new Operand.ResultOf(empty), number(scratch), number(O_CLOEXEC));
            writer.call(
                    SystemCall.MOUNT_SETATTR,
                    number(scratch),
                    text(""),
                    number(AT_EMPTY_PATH),
                    at(ProgramWriter.mountAttributes(
                            MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)),
                    number(32));
            writer.call(
                    SystemCall.MOVE_MOUNT,
                    number(scratch),
                    text(""),
                    number(AT_FDCWD),
                    text("/proc"),
                    number(MOVE_MOUNT_F_EMPTY_PATH));
            for (String path : paths) {
                writer.assembler().step("mask " + path);
                Label directory = new Label("mask a directory");
                Label done = new Label("masked");
                cover(writer.slot(Role.NULL_DEVICE), path);
                writer.assembler().onError(directory);
                writer.assembler().continueAt(done);
                writer.assembler().place(directory);
                cover(number(scratch), path);
                writer.assembler().place(done);
            }
        }

        private void cover(Operand source, String path) {
            Label clone = writer.call(
                    SystemCall.OPEN_TREE,
                    source,
                    text(""),
                    number(AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
            Label target = openInRoot(path, 0);
            writer.assembler().tolerate(Errno.ENOENT, "what is not there need not be hidden");
            writer.attach(new Operand.ResultOf(clone), target);
            writer.assembler().tolerate(Errno.EBADF, "the path is not there");
        }

        private void makeReadOnly(String path) {
            writer.assembler().step("make " + path + " read-only");
            Label source = openInRoot(path, 0);
            writer.assembler().tolerate(Errno.ENOENT, "what is not there need not be protected");
            Label clone = writer.call(
                    SystemCall.OPEN_TREE,
                    new Operand.ResultOf(source),
                    text(""),
                    number(AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
            writer.assembler().tolerate(Errno.EBADF, "the path is not there");
            Label target = openInRoot(path, 0);
            writer.assembler().tolerate(Errno.ENOENT, "the path is not there");
            writer.attach(new Operand.ResultOf(clone), target);
            writer.assembler().tolerate(Errno.EBADF, "the path is not there");
            Label attached = openInRoot(path, 0);
            writer.assembler().tolerate(Errno.ENOENT, "the path is not there");
            writer.call(
                    SystemCall.MOUNT_SETATTR,
                    new Operand.ResultOf(attached),
                    text(""),
                    number(AT_EMPTY_PATH | AT_RECURSIVE),
                    at(ProgramWriter.mountAttributes(MOUNT_ATTR_RDONLY)),
                    number(32));
            writer.assembler().tolerate(Errno.EBADF, "the path is not there");
        }
    }

    /** Installing a filter takes SYS_ADMIN unless no_new_privs is set; the bit never survives {@code execve(2)}. */
    static CapabilitySet untilFilter(SecurityPlan security) {
        return security.seccomp().isPresent() && !security.noNewPrivileges() ? SYS_ADMIN : NO_CAPABILITIES;
    }

    /** The filter, then the capability that it took is given up: from here on the process has the program's rights. */
    static void lastSteps(
            ProgramWriter writer, SecurityPlan security, Architecture architecture, List<Integer> session) {
        FilterNeeds.require(security, architecture, session);
        security.seccomp().ifPresent(filter -> {
            writer.filter(filter);
            if (!security.noNewPrivileges()) {
                writer.assembler().step("give up what the filter took");
                writer.setCapabilities(security.capabilities(), NO_CAPABILITIES);
            }
        });
    }

    /** What is left for a process that others can see. */
    static void becomesProgram(ProgramWriter writer, List<Integer> session) {
        writer.shareProgress();
        writer.dieWithParent();
        writer.beginSession(session);
    }
}
