package io.portafilter.container;

import static io.portafilter.container.ProgramWriter.at;
import static io.portafilter.container.ProgramWriter.number;
import static io.portafilter.container.ProgramWriter.text;
import static io.portafilter.launch.Operand.ZERO;
import static io.portafilter.linux.LinuxConstants.AT_FDCWD;
import static io.portafilter.linux.LinuxConstants.O_CLOEXEC;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.P_PID;
import static io.portafilter.linux.LinuxConstants.SIGCHLD;
import static io.portafilter.linux.LinuxConstants.WEXITED;

import io.portafilter.launch.Block;
import io.portafilter.launch.Label;
import io.portafilter.launch.LaunchProgram;
import io.portafilter.launch.Operand;
import io.portafilter.linux.SystemCall;
import io.portafilter.security.SeccompProgram;
import java.util.Optional;
import java.util.function.Function;

/**
 * A program that tries one thing in a process of its own, reports that it worked, and waits at its gate until it may end.
 * The process takes everything that was changed along.
 */
record TrialProgram(LaunchProgram program, Slots slots) {

    /**
     * The program around some steps.
     *
     * @param steps writes them and returns the first one
     */
    private static TrialProgram of(String name, Slots slots, Function<ProgramWriter, Label> steps) {
        ProgramWriter writer = new ProgramWriter(name, slots);
        Label first = steps.apply(writer);
        writer.gate();
        writer.exit(0);
        return new TrialProgram(writer.finish(first), slots);
    }

    private static Slots.Builder bare() {
        return new Slots.Builder().add(Slot.Role.STATUS, Slot.Role.GATE);
    }

    /** Does nothing: that it runs is the proof. */
    static TrialProgram nothing() {
        return of("run a launch program", bare().build(), writer -> {
            writer.assembler().step("ask for the process number");
            return writer.call(SystemCall.GETPID);
        });
    }

    /** Makes a namespace and enters it. */
    static TrialProgram unshare(String namespace, long flag) {
        return of("make a namespace", bare().build(), writer -> {
            writer.assembler().step("make a " + namespace + " namespace");
            return writer.call(SystemCall.UNSHARE, number(flag));
        });
    }

    /** A child in new namespaces, which ends at once. */
    static TrialProgram child(String namespace, long flag) {
        return of("make a child in a namespace", bare().build(), writer -> {
            Label child = new Label("child");
            Label parent = new Label("parent");
            writer.assembler().step("make a child in a " + namespace + " namespace");
            Label pid = writer.cloneInto(flag, SIGCHLD, false, child);
            writer.assembler().continueAt(parent);
            writer.assembler().place(child);
            writer.exit(0);
            writer.assembler().place(parent);
            awaitChild(writer, pid);
            return pid;
        });
    }

    private static void awaitChild(ProgramWriter writer, Label pid) {
        Block end = Block.buffer("siginfo", 128);
        writer.call(SystemCall.WAITID, number(P_PID), new Operand.ResultOf(pid), at(end), number(WEXITED), ZERO);
    }

    /** Attaches a seccomp filter to itself, unprivileged as it may be. */
    static TrialProgram filter(SeccompProgram filter) {
        return of("attach a seccomp filter", bare().build(), writer -> {
            writer.assembler().step("set no_new_privs");
            Label first = writer.call(SystemCall.GETPID);
            writer.noNewPrivileges();
            writer.filter(filter);
            return first;
        });
    }

    /**
     * A process in a cgroup, joined as containers join theirs.
     *
     * @param tasks how many v1 hierarchies it joins; 0: it is born in the v2 cgroup by {@code CLONE_INTO_CGROUP}
     * @param device what it tries to open there
     */
    static TrialProgram inCgroup(int tasks, Optional<String> device) {
        Slots slots = bare().addMany(Slot.Role.TASKS, tasks)
                .addIf(tasks == 0, Slot.Role.CGROUP)
                .build();
        return of("run in a cgroup", slots, writer -> {
            writer.assembler().step("join a cgroup");
            Label first;
            if (tasks > 0) {
                first = writer.call(SystemCall.GETPID);
                writer.joinCgroups();
            } else {
                Label child = new Label("child");
                first = writer.cloneInto(0, SIGCHLD, true, child);
                awaitChild(writer, first);
                writer.exit(0);
                writer.assembler().place(child);
                writer.call(SystemCall.GETPID);
            }
            device.ifPresent(path -> {
                writer.assembler().step("open " + path);
                writer.call(SystemCall.OPENAT, number(AT_FDCWD), text(path), number(O_RDONLY | O_CLOEXEC), ZERO);
            });
            return first;
        });
    }
}
