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
import io.portafilter.linux.SystemCall;
import io.portafilter.security.CapabilitySets;
import io.portafilter.security.Credentials;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * The launch program of a pod sandbox: a process that holds the pod's namespaces, reaps orphans where the PID namespace
 * is shared, and does nothing else. It has a root of its own and no rights before anything else joins the pod.
 */
record PauseProgram(LaunchProgram program, Slots slots) {

    /** How many descriptors the monitor keeps, the socket included. */
    static final int KEPT = 2;

    /** The first of the descriptors that the monitor is sent. */
    static final int FIRST_NAMESPACE = Slots.FIRST + KEPT;

    private static final long NOBODY = 65535;

    static PauseProgram of(PausePlan plan) {
        Slots slots = new Slots.Builder()
                .add(Role.EXIT_FILE, Role.MONITOR_SOCKET)
                .add(Role.STATUS, Role.GATE, Role.PROGRESS, Role.ROOT)
                .addMany(Role.MOUNT, 1)
                .add(Role.SCRATCH)
                .addMany(Role.TASKS, plan.facts().cgroupTasksFiles())
                .addIf(plan.facts().bornInCgroup(), Role.CGROUP)
                .addIf(plan.joinsNetwork(), Role.NETWORK_NAMESPACE)
                .build();
        ProgramWriter writer = new ProgramWriter("pause " + plan.name(), slots);
        Label first = new Label("monitor");
        write(plan, writer, first);
        return new PauseProgram(writer.finish(first), slots);
    }

    private static void write(PausePlan plan, ProgramWriter writer, Label first) {
        writer.assembler().place(first);
        writer.monitorBegins(plan.name());
        Label joining = new Label("joining process");
        writer.assembler().step("start the process that joins");
        Label child = writer.cloneInto(0, SIGCHLD, plan.facts().bornInCgroup(), joining);
        writer.monitorWaits(child, new ProgramWriter.Kept(KEPT, ProgramWriter.KEPT_NAMESPACES.size()));

        writer.assembler().place(joining);
        writer.dieWithParent();
        writer.call(SystemCall.CLOSE, writer.slot(Role.MONITOR_SOCKET));
        writer.dropInheritance(plan.oomScoreAdj(), plan.limits());
        writer.joinCgroups();
        Label pause = new Label("pause");
        if (plan.joinsNetwork()) {
            writer.assembler().step("join the pod's network");
            writer.join(Role.NETWORK_NAMESPACE, CLONE_NEWNET);
        }
        writer.assembler().step("make the pod's namespaces");
        Label pid = writer.cloneInto(namespaces(plan) | CLONE_PARENT, 0, false, pause);
        writer.tell(pid);
        writer.exit(0);

        writer.assembler().place(pause);
        writer.shareProgress();
        writer.dieWithParent();
        if (plan.ids().isPresent()) {
            writer.assembler().step("wait for the user mapping");
            writer.awaitGate();
            writer.becomeRoot();
            writer.dieWithParent();
            // Not with the others: the directory of its message queues belongs to whoever makes it.
            writer.assembler().step("make the pod's IPC namespace");
            writer.call(SystemCall.UNSHARE, number(CLONE_NEWIPC));
        }
        root(plan, writer);
        powerless(plan, writer);
        writer.gate();
        writer.assembler().step("reap orphans");
        writer.call(
                SystemCall.RT_SIGACTION,
                number(SIGCHLD),
                at(Block.words("{SIG_IGN}", SIG_IGN, 0, 0, 0)),
                ZERO,
                number(8));
        writer.defaultSignals();
        writer.assembler().step("close everything and pause");
        writer.call(SystemCall.CLOSE_RANGE, number(Slots.FIRST), number(0xffffffffL), ZERO);
        Label pausing = new Label("pausing");
        writer.assembler().place(pausing);
        writer.call(SystemCall.PPOLL, ZERO, ZERO, ZERO, ZERO, ZERO);
        writer.assembler().continueAt(pausing);
        writer.assembler().onError(pausing);
    }

    private static long namespaces(PausePlan plan) {
        return CLONE_NEWNS
                | (plan.ids().isPresent() ? CLONE_NEWUSER : 0)
                | (plan.hostPid() ? 0 : CLONE_NEWPID)
                | (plan.hostIpc() || plan.ids().isPresent() ? 0 : CLONE_NEWIPC)
                | (plan.hostNetwork() ? 0 : CLONE_NEWUTS)
                | (plan.hostNetwork() || plan.joinsNetwork() ? 0 : CLONE_NEWNET);
    }

    private static void root(PausePlan plan, ProgramWriter writer) {
        writer.assembler().step("attach a root of its own");
        writer.call(SystemCall.MOUNT, ZERO, text("/"), ZERO, number(MS_REC | MS_PRIVATE), ZERO);
        writer.call(
                SystemCall.MOVE_MOUNT,
                writer.slot(Role.ROOT),
                text(""),
                number(AT_FDCWD),
                text("/"),
                number(MOVE_MOUNT_F_EMPTY_PATH));
        writer.call(SystemCall.FCHDIR, writer.slot(Role.ROOT));
        writer.mountFileSystem(new MountPlan.FileSystem(
                "proc", "/proc", List.of(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, false));
        writer.assembler().step("attach the pod's shared memory");
        writer.attach(
                number(writer.slots().number(Slot.of(Role.MOUNT, 0))),
                writer.openInRoot(writer.slot(Role.ROOT), PausePlan.SHARED_MEMORY, O_DIRECTORY, false));
        if (!plan.hostNetwork() && !plan.joinsNetwork()) {
            writer.assembler().step("bring the loopback interface up");
            Label socket = writer.call(SystemCall.SOCKET, number(AF_INET), number(SOCK_DGRAM | SOCK_CLOEXEC), ZERO);
            writer.call(SystemCall.IOCTL, new Operand.ResultOf(socket), number(SIOCSIFFLAGS), at(loopbackUp()));
        }
        if (!plan.hostNetwork()) {
            writer.assembler().step("set the host name");
            writer.call(
                    SystemCall.SETHOSTNAME, text(plan.hostname()), number(ProgramWriter.utf8Length(plan.hostname())));
        }
        plan.sysctls().forEach((name, value) -> sysctl(writer, name, value));
        writer.assembler().step("enter the root");
        writer.call(SystemCall.PIVOT_ROOT, text("."), text("."));
        writer.call(SystemCall.UMOUNT2, text("."), number(MNT_DETACH));
        writer.call(SystemCall.CHDIR, text("/"));
    }

    /** {@code struct ifreq} with a name and flags, {@code netdevice(7)}. */
    private static Block loopbackUp() {
        ByteBuffer request = ByteBuffer.allocate(40).order(ByteOrder.LITTLE_ENDIAN);
        request.put("lo".getBytes(StandardCharsets.US_ASCII)).putShort(16, (short) IFF_UP);
        return Block.of("{ifr_name=\"lo\", ifr_flags=IFF_UP}", request.array());
    }

    private static void sysctl(ProgramWriter writer, String name, String value) {
        writer.assembler().step("set sysctl " + name + " to " + value);
        Label file = writer.call(
                SystemCall.OPENAT2,
                writer.slot(Role.ROOT),
                text("proc/sys/" + name.replace('.', '/')),
                at(ProgramWriter.openHow(
                        O_WRONLY | O_CLOEXEC, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS)),
                number(24));
        writer.call(SystemCall.WRITE, new Operand.ResultOf(file), text(value), number(ProgramWriter.utf8Length(value)));
    }

    private static void powerless(PausePlan plan, ProgramWriter writer) {
        writer.assembler().step("leave the server's session");
        writer.call(SystemCall.SETSID);
        writer.closeAllBut(writer.slots().number(Role.STATUS), 2);
        CapabilitySets none = new CapabilitySets(
                ContainerProgram.NO_CAPABILITIES,
                ContainerProgram.NO_CAPABILITIES,
                ContainerProgram.NO_CAPABILITIES,
                ContainerProgram.NO_CAPABILITIES,
                ContainerProgram.NO_CAPABILITIES);
        long uid = plan.ids().map(ids -> ids.mapsUid(NOBODY)).orElse(true) ? NOBODY : 0;
        long gid = plan.ids().map(ids -> ids.mapsGid(NOBODY)).orElse(true) ? NOBODY : 0;
        writer.credentials(
                new Credentials(uid, gid, List.of(), "", "/"),
                none,
                plan.facts().host().lastCapability(),
                ContainerProgram.NO_CAPABILITIES);
        writer.dieWithParent();
        writer.notDumpable();
        writer.noNewPrivileges();
    }
}
