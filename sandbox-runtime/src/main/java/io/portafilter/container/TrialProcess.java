package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.O_CLOEXEC;
import static io.portafilter.linux.LinuxConstants.P_PID;
import static io.portafilter.linux.LinuxConstants.SIGKILL;
import static io.portafilter.linux.LinuxConstants.WEXITED;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.launch.ElfImage;
import io.portafilter.launch.LaunchStatus;
import io.portafilter.launch.Launcher;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.Pipe;
import java.time.Duration;

/** The process of a {@link TrialProgram}. Closing kills and reaps it. */
final class TrialProcess implements AutoCloseable {
    private static final Duration LIMIT = Duration.ofSeconds(5);

    private final int pid;
    private final LaunchStatus status;
    private final Fd gate;

    private TrialProcess(int pid, LaunchStatus status, Fd gate) {
        this.pid = pid;
        this.status = status;
        this.gate = gate;
    }

    /**
     * Starts it.
     *
     * @param descriptors those that the program takes beside status and gate; taken over
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the result owns them, or the rollback has closed them
    static TrialProcess start(Launcher launcher, TrialProgram trial, Descriptors descriptors) {
        try (descriptors;
                Rollback undo = new Rollback()) {
            ElfImage image = ElfImage.of(trial.program());
            Pipe status = Kernel.pipe2(O_CLOEXEC);
            undo.add(status.read()::close);
            descriptors.give(Slot.Role.STATUS, status.write());
            Pipe gate = Kernel.pipe2(O_CLOEXEC);
            undo.add(gate.write()::close);
            descriptors.give(Slot.Role.GATE, gate.read());
            Fd progress = PreparedLaunch.progressMemory(); // not shared with a trial, but a status wants one
            undo.add(progress::close);
            int pid = launcher.start(image, "portafilter-trial", descriptors.inOrder(trial.slots()));
            undo.forget();
            return new TrialProcess(
                    pid, new LaunchStatus(trial.program(), image, status.read(), progress, LIMIT), gate.write());
        }
    }

    /** Runs a program that needs nothing to where it reports that all worked; LaunchException names what did not. */
    static void run(Launcher launcher, TrialProgram trial) {
        try (TrialProcess process = start(launcher, trial, new Descriptors())) {
            process.awaitWorked();
        }
    }

    /** Returns when everything that it tries has worked; LaunchException names what did not. */
    void awaitWorked() {
        status.awaitReady();
    }

    int pid() {
        return pid;
    }

    @Override
    public void close() {
        gate.close();
        Kernel.kill(pid, SIGKILL);
        var _ = Kernel.waitid(P_PID, pid, WEXITED);
        status.close();
    }
}
