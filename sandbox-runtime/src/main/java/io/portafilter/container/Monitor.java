package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.O_NONBLOCK;
import static io.portafilter.linux.LinuxConstants.POLLIN;
import static io.portafilter.linux.LinuxConstants.P_PID;
import static io.portafilter.linux.LinuxConstants.P_PIDFD;
import static io.portafilter.linux.LinuxConstants.SIGKILL;
import static io.portafilter.linux.LinuxConstants.WEXITED;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.launch.LaunchException;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.ProcFile;
import io.portafilter.linux.ProcessRef;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * A live monitor: the process that is parent of a container's, exec's or pod's first process, keeps what the server
 * needs again after a restart, and writes how that process ended. Owns a pidfd of it.
 */
public final class Monitor implements AutoCloseable {

    /** Between two looks for a child that must be there. */
    private static final Duration AGAIN = Duration.ofMillis(1);

    private final ProcessRef process;
    private final Fd pidfd;

    private Monitor(ProcessRef process, Fd pidfd) {
        this.process = process;
        this.pidfd = pidfd;
    }

    /** A monitor that was just started, a child of this process. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // closed with the monitor
    static Monitor started(int pid) {
        try {
            Fd pidfd = Kernel.pidfdOpen(pid);
            try {
                return new Monitor(ProcessRef.of(pid), pidfd);
            } catch (KernelException e) {
                pidfd.close();
                throw e;
            }
        } catch (KernelException e) {
            // Nobody else would: it is our child, so its number is still its own.
            Kernel.kill(pid, SIGKILL);
            var _ = Kernel.waitid(P_PID, pid, WEXITED);
            throw e;
        }
    }

    /** A monitor that was started earlier, perhaps by an earlier server; empty if it has ended. The caller closes it. */
    @SuppressWarnings("MustBeClosedChecker") // closed with the monitor
    public static Optional<Monitor> reopen(ProcessRef process) {
        return process.open().map(pidfd -> new Monitor(process, pidfd));
    }

    /** The process. */
    public ProcessRef process() {
        return process;
    }

    /** Becomes readable when the monitor has ended, and its exit file is written. Stays this object's. */
    public Fd pidfd() {
        return pidfd;
    }

    /**
     * Read end of the pipe behind the program's stdout; the caller closes it.
     *
     * @throws LaunchException if the monitor has ended
     */
    @MustBeClosed
    public Fd stdout() {
        return kept(Slot.Role.STDOUT_READ);
    }

    /** As {@link #stdout}, behind its stderr. */
    @MustBeClosed
    public Fd stderr() {
        return kept(Slot.Role.STDERR_READ);
    }

    /** Write end of the pipe of {@link #stdout}, for the server: a terminal's output goes into it. The caller closes it. */
    @MustBeClosed
    public Fd stdoutWrite() {
        return kept(Slot.Role.STDOUT_WRITE);
    }

    /** The null device of the container, stdin of what takes none; the caller closes it. */
    @MustBeClosed
    Fd nullDevice() {
        return kept(Slot.Role.STDIN);
    }

    /**
     * The root of the container's devpts, as it was when the container started; the caller closes it.
     *
     * @throws LaunchException if the monitor is of a server that kept none
     */
    @MustBeClosed
    Fd terminals() {
        try {
            return kept(ContainerProgram.TERMINALS);
        } catch (KernelException e) {
            if (e.is(Errno.EBADF)) {
                throw LaunchException.because("the container was started by a server that kept no terminals for"
                        + " programs beside the first one: start it again, or run this without a terminal");
            }
            throw e;
        }
    }

    /**
     * Where the program's input is written to, of a container that takes any: the write end of its pipe, or the master of
     * its terminal, from which its output is read as well. Non-blocking; the caller closes it. Empty if it has been
     * closed for good.
     */
    @SuppressWarnings("MustBeClosedChecker") // closed on failure, else the caller's
    public Optional<Fd> input() {
        Fd input;
        try {
            input = kept(ContainerProgram.INPUT);
        } catch (KernelException e) {
            if (e.is(Errno.EBADF)) {
                return Optional.empty();
            }
            throw e;
        }
        try {
            Kernel.setFlags(input, Kernel.getFlags(input) | O_NONBLOCK);
            return Optional.of(input);
        } catch (RuntimeException e) {
            input.close();
            throw e;
        }
    }

    /**
     * The event counter of a container made with {@link StandardStreams#stdinOnce}. Adding to it closes its input for good:
     * the monitor closes what it keeps of it, and the program sees the end once nobody else has it open. The caller closes
     * the counter.
     */
    @MustBeClosed
    public Fd inputOrder() {
        return kept(ContainerProgram.INPUT_END);
    }

    @MustBeClosed
    private Fd kept(Slot.Role role) {
        return kept(ContainerProgram.KEPT_SLOTS.number(role));
    }

    /** What a monitor keeps is there for as long as it lives, which may end at any moment. */
    @MustBeClosed
    private Fd kept(int number) {
        try {
            return Kernel.pidfdGetfd(pidfd, number);
        } catch (KernelException e) {
            if (e.is(Errno.ESRCH)) {
                throw LaunchException.because("monitor " + process.pid() + " has ended, and with it what it kept");
            }
            throw e;
        }
    }

    /** A namespace of the container, as it was when the container started. The caller closes it. */
    @MustBeClosed
    Fd containerNamespace(String kind) {
        return kept(ContainerProgram.FIRST_NAMESPACE + ProgramWriter.KEPT_NAMESPACES.indexOf(kind));
    }

    /** The network namespace of the pod sandbox, as it was when the sandbox started. The caller closes it. */
    @MustBeClosed
    public Fd podNetwork() {
        return podNamespace("net");
    }

    /** A namespace of the pod sandbox, as it was when the sandbox started. The caller closes it. */
    @MustBeClosed
    Fd podNamespace(String kind) {
        return kept(PauseProgram.FIRST_NAMESPACE + ProgramWriter.KEPT_NAMESPACES.indexOf(kind));
    }

    /**
     * The process it waits for, its newest child; empty if that has ended.
     *
     * @param exit what the monitor has written of that end. Only this, or the monitor's own end, shows one: a list of
     *     children may leave one out while the one before it is reaped ({@code proc_pid_task(5)})
     * @throws LaunchException if there is neither a child nor an end
     */
    public Optional<ProcessRef> program(Supplier<Optional<ExitRecord>> exit) {
        long deadline = System.nanoTime() + PreparedLaunch.TIME_LIMIT.toNanos();
        do {
            Optional<ProcessRef> child = newestChild();
            if (child.isPresent() || exit.get().isPresent()) {
                return child;
            }
        } while (Kernel.poll(pidfd, POLLIN, AGAIN) == 0 && System.nanoTime() < deadline);
        if (Kernel.poll(pidfd, POLLIN, Duration.ZERO) == 0) {
            throw LaunchException.because("the monitor has neither a program nor its exit status");
        }
        return Optional.empty();
    }

    private Optional<ProcessRef> newestChild() {
        try {
            String children = ProcFile.read("/proc/" + process.pid() + "/task/" + process.pid() + "/children")
                    .strip();
            // a monitor that has not ended has kept its number to itself until now
            if (children.isEmpty() || Kernel.poll(pidfd, POLLIN, Duration.ZERO) != 0) {
                return Optional.empty();
            }
            return Optional.of(ProcessRef.of(Integer.parseInt(children.substring(children.lastIndexOf(' ') + 1))));
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) || e.is(Errno.ESRCH)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /** Waits until the monitor has ended; false if the time is over first. Reaps it if it is this process's child. */
    public boolean awaitEnd(Duration timeLimit) {
        if (Kernel.poll(pidfd, POLLIN, timeLimit) == 0) {
            return false;
        }
        reap();
        return true;
    }

    /** Takes an ended monitor's zombie away. An earlier server's monitor is not our child: then its new parent does. */
    public void reap() {
        try {
            var _ = Kernel.waitid(P_PIDFD, pidfd.number(), WEXITED);
        } catch (KernelException e) {
            if (!e.is(Errno.ECHILD)) {
                throw e;
            }
        }
    }

    /** Kills the monitor, and with it the process that it is parent of; the exit file stays empty. */
    public void kill() {
        try {
            Kernel.pidfdSendSignal(pidfd, SIGKILL);
        } catch (KernelException e) {
            if (!e.is(Errno.ESRCH)) {
                throw e;
            }
        }
    }

    @Override
    public void close() {
        pidfd.close();
    }
}
