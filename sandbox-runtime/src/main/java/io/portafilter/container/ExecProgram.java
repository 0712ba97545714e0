package io.portafilter.container;

import static io.portafilter.container.ProgramWriter.number;
import static io.portafilter.launch.Operand.ZERO;
import static io.portafilter.linux.LinuxConstants.*;

import io.portafilter.container.Slot.Role;
import io.portafilter.launch.Label;
import io.portafilter.launch.LaunchProgram;
import io.portafilter.linux.SystemCall;
import io.portafilter.security.SecurityPlan;
import java.util.List;

/**
 * The launch program of an exec. It joins the namespaces that were recorded when the container started, not those that
 * its first process has now, and becomes visible inside only when it has no more rights than the container.
 */
record ExecProgram(LaunchProgram program, Slots slots) {

    /** How many descriptors the monitor keeps. */
    static final int KEPT = 1;

    /**
     * The program.
     *
     * @param tasksFiles how many v1 hierarchies the container is in now: an update may have made it part of more
     */
    static ExecProgram of(ContainerPlan plan, int tasksFiles, ExecRequest exec) {
        ContainerPlan.requireExecutable(exec.arguments(), plan.environmentOf(exec));
        Slots slots = new Slots.Builder()
                .add(Role.EXIT_FILE, Role.STATUS, Role.PROGRESS, Role.STDIN, Role.STDOUT_WRITE, Role.STDERR_WRITE)
                .addMany(Role.TASKS, tasksFiles)
                .addIf(plan.facts().bornInCgroup(), Role.CGROUP)
                .add(Role.MOUNT_NAMESPACE)
                .addIf(!plan.hostNetwork(), Role.NETWORK_NAMESPACE)
                .addIf(!plan.hostIpc(), Role.IPC_NAMESPACE)
                .addIf(!plan.hostNetwork(), Role.UTS_NAMESPACE)
                .addIf(plan.cgroupNamespace(), Role.CGROUP_NAMESPACE)
                .addIf(plan.security().ids().isPresent(), Role.USER_NAMESPACE)
                .addIf(plan.pidMode() != PidMode.NODE, Role.PID_NAMESPACE)
                .addIf(plan.security().labels().areForPrograms(), Role.PROC)
                .build();
        ProgramWriter writer = new ProgramWriter("exec " + plan.name(), slots);
        Label first = new Label("monitor");
        write(plan, exec, writer, first);
        return new ExecProgram(writer.finish(first), slots);
    }

    private static void write(ContainerPlan plan, ExecRequest exec, ProgramWriter writer, Label first) {
        SecurityPlan security = plan.security();
        writer.assembler().place(first);
        writer.monitorBegins(plan.name());
        Label joining = new Label("joining process");
        writer.assembler().step("start the process that joins");
        Label child = writer.cloneInto(0, SIGCHLD, plan.facts().bornInCgroup(), joining);
        writer.monitorWaits(child, new ProgramWriter.Kept(KEPT, 0));

        writer.assembler().place(joining);
        writer.dieWithParent();
        writer.label(security.labels());
        writer.dropInheritance(plan.oomScoreAdj(), plan.limits());
        writer.joinCgroups();
        writer.assembler().step("join the container's namespaces");
        writer.join(Role.MOUNT_NAMESPACE, CLONE_NEWNS);
        writer.join(Role.NETWORK_NAMESPACE, CLONE_NEWNET);
        writer.join(Role.IPC_NAMESPACE, CLONE_NEWIPC);
        writer.join(Role.UTS_NAMESPACE, CLONE_NEWUTS);
        writer.join(Role.CGROUP_NAMESPACE, CLONE_NEWCGROUP);
        writer.join(Role.USER_NAMESPACE, CLONE_NEWUSER);
        writer.join(Role.PID_NAMESPACE, CLONE_NEWPID);
        if (security.ids().isPresent()) {
            writer.becomeRoot();
        }
        writer.standardStreams();
        writer.assembler().step("close what is not needed");
        int status = writer.slots().number(Role.STATUS);
        writer.call(
                SystemCall.CLOSE_RANGE, number(writer.slots().number(Role.PROGRESS) + 1L), number(0xffffffffL), ZERO);
        writer.workingDirectory(plan.workingDirectory());
        writer.credentials(
                security.user(),
                security.capabilities(),
                plan.facts().host().lastCapability(),
                ContainerProgram.untilFilter(security));
        writer.assembler().step("become unreadable to others");
        writer.dieWithParent();
        writer.notDumpable();
        if (security.noNewPrivileges()) {
            writer.noNewPrivileges();
        }
        writer.closeAllBut(status, 2);
        writer.call(SystemCall.CLOSE_RANGE, number(status), number(status), number(CLOSE_RANGE_CLOEXEC));
        writer.defaultSignals();
        List<Integer> session = exec.terminal() ? ProgramWriter.KEPT_TERMINAL : ProgramWriter.NO_TERMINAL;
        ContainerProgram.lastSteps(writer, security, plan.facts().host().architecture(), session);
        Label program = new Label("program");
        writer.assembler().step("start the program's process");
        Label pid = writer.cloneSibling(program);
        writer.tell(pid);
        writer.exit(0);
        writer.assembler().place(program);
        ContainerProgram.becomesProgram(writer, session);
        List<String> arguments = exec.arguments();
        List<String> environment = plan.environmentOf(exec);
        writer.execute(ContainerPlan.candidates(arguments.getFirst(), environment), arguments, environment);
    }
}
