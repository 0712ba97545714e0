package io.portafilter.container;

import static io.portafilter.container.LiveSandbox.LIMIT;
import static io.portafilter.linux.LinuxConstants.O_NONBLOCK;
import static io.portafilter.linux.LinuxConstants.POLLIN;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.cgroup.Cgroup;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;

/** A container that was started. */
record Running(Host host, ContainerPlan plan, ContainerRequest request, LaunchedContainer launched, Monitor monitor)
        implements AutoCloseable {

    record Output(String stdout, String stderr, ExitRecord exit) {}

    /** How it ended; waits until its monitor has written that. */
    Optional<ExitRecord> exit() {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (System.nanoTime() < deadline) {
            Optional<ExitRecord> exit = ExitRecord.read(PreparedLaunch.exitPath(request.stateDirectory()));
            if (exit.isPresent()) {
                return exit;
            }
            Thread.onSpinWait();
        }
        return Optional.empty();
    }

    String stdout() {
        try (Fd pipe = monitor.stdout()) {
            return untilQuiet(pipe);
        }
    }

    String stderr() {
        try (Fd pipe = monitor.stderr()) {
            return untilQuiet(pipe);
        }
    }

    private static String untilQuiet(Fd pipe) {
        int _ = Kernel.poll(pipe, POLLIN, LIMIT);
        return drain(pipe);
    }

    private static String drain(Fd pipe) {
        Kernel.setFlags(pipe, O_NONBLOCK);
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        byte[] bytes = new byte[65536];
        try {
            for (int count = Kernel.read(pipe, bytes, 0, bytes.length);
                    count > 0;
                    count = Kernel.read(pipe, bytes, 0, bytes.length)) {
                text.write(bytes, 0, count);
            }
        } catch (KernelException e) {
            if (!e.is(Errno.EAGAIN)) {
                throw e;
            }
        }
        return text.toString(StandardCharsets.UTF_8);
    }

    @MustBeClosed
    ExecLaunch startExec(Host on, String... arguments) {
        return ExecLaunch.start(
                on,
                plan,
                request.cgroupPath(),
                launched,
                new ExecRequest("e", List.of(arguments), ExecRequest.LONGEST_START));
    }

    /** With a terminal, or input; the caller closes it. */
    @MustBeClosed
    ExecLaunch startExec(boolean terminal, String... arguments) {
        return startExec(host, terminal, arguments);
    }

    @MustBeClosed
    ExecLaunch startExec(Host on, boolean terminal, String... arguments) {
        return ExecLaunch.start(
                on,
                plan,
                request.cgroupPath(),
                launched,
                new ExecRequest("e", List.of(arguments), ExecRequest.LONGEST_START, terminal, true));
    }

    Output exec(String... arguments) {
        try (ExecLaunch exec = startExec(host, arguments)) {
            if (!exec.monitor().awaitEnd(LIMIT)) {
                throw new AssertionError("the exec does not end");
            }
            return new Output(
                    drain(exec.stdout().orElseThrow()),
                    drain(exec.stderr().orElseThrow()),
                    exec.exit().orElseThrow());
        }
    }

    void kill() {
        Cgroup.at(host.cgroups(), request.cgroupPath()).kill(LIMIT);
    }

    /** Ends it and takes its cgroup away. */
    void remove() {
        close();
        Cgroup.at(host.cgroups(), request.cgroupPath()).remove(LIMIT);
    }

    @Override
    public void close() {
        kill();
        monitor.kill();
        if (!monitor.awaitEnd(LIMIT)) {
            throw new AssertionError("the monitor does not end");
        }
        monitor.close();
    }
}
