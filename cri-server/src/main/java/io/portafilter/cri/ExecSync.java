package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.precondition;
import static io.portafilter.linux.LinuxConstants.EPOLLET;
import static io.portafilter.linux.LinuxConstants.EPOLLIN;
import static io.portafilter.linux.LinuxConstants.EPOLLONESHOT;
import static io.portafilter.linux.LinuxConstants.POLLIN;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import com.google.protobuf.ByteString;
import io.grpc.Context;
import io.grpc.Status;
import io.portafilter.container.ContainerPlan;
import io.portafilter.container.ExecLaunch;
import io.portafilter.container.ExecRequest;
import io.portafilter.container.ExitRecord;
import io.portafilter.container.LaunchedContainer;
import io.portafilter.cri.v1.ExecSyncRequest;
import io.portafilter.cri.v1.ExecSyncResponse;
import io.portafilter.launch.LaunchException;
import io.portafilter.linux.Errno;
import io.portafilter.linux.EventLoop;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.ContainerState;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;

/** Runs a command in a container to its end, and answers with what it wrote and its exit code. */
final class ExecSync {

    /** The answer must fit into a message of this size, which is what clients accept. */
    private static final int MAX_ANSWER_BYTES = 16 << 20;

    /** What an answer holds beside the two outputs. */
    private static final int ANSWER_MARGIN_BYTES = 1024;

    private static final int NOT_FOUND = 127;
    private static final int NOT_EXECUTABLE = 126;
    private static final int CHUNK_BYTES = 64 * 1024;

    /** Most commands write less than this, and many nothing. */
    private static final int FIRST_CHUNK_BYTES = 4 * 1024;

    /**
     * So long a command's end is waited for on the call's own thread, whose carrier that holds: most probes are through by
     * then, and need neither the event loop nor its three registrations. The pipes hold meanwhile what they write.
     */
    private static final Duration SOON = Duration.ofMillis(5);

    /**
     * What all commands under way may have kept together: one whole answer. Containers decide how much comes, and the
     * server's heap is small; what does not fit is dropped as what is beyond 16 MiB is.
     */
    private static final int MAX_KEPT_BYTES = MAX_ANSWER_BYTES;

    private final Node node;
    private final LiveTable<LiveContainer> containers;
    private final ContainerLifecycle lifecycle;
    private final Semaphore keepable = new Semaphore(MAX_KEPT_BYTES);

    ExecSync(Node node, LiveTable<LiveContainer> containers, ContainerLifecycle lifecycle) {
        this.node = node;
        this.containers = containers;
        this.lifecycle = lifecycle;
    }

    /**
     * Runs the command.
     *
     * @param reply gets the answer; its memory counts until this returns
     */
    void run(ExecSyncRequest request, Consumer<ExecSyncResponse> reply) {
        LiveContainer container = containers.require(request.getContainerId());
        String asked = "ExecSync in " + container.id();
        requireCommand(request.getCmdList());
        if (request.getTimeout() < 0) {
            throw invalid("timeout", request.getTimeout() + " is negative", "give seconds, 0 for no limit");
        }
        ContainerRecord record = lifecycle.record(container);
        requireRunning(record, asked);
        ContainerPlan plan = lifecycle.planToJoin(container);
        LaunchedContainer launched = record.launched().orElseThrow();
        Duration timeout = Duration.ofSeconds(request.getTimeout());
        boolean limited = timeout.isPositive() && timeout.compareTo(ExecRequest.LONGEST_START) < 0;
        ExecRequest exec =
                new ExecRequest(Places.newId(), request.getCmdList(), limited ? timeout : ExecRequest.LONGEST_START);
        String cgroup = ContainerEnd.cgroupPath(node, container);
        long begin = System.nanoTime();
        try (ExecLaunch launch = ExecLaunch.start(node.host(), plan, cgroup, launched, exec)) {
            await(launch, request.getTimeout(), asked, reply);
        } catch (LaunchException e) {
            if (limited && System.nanoTime() - begin >= timeout.toNanos()) {
                throw timedOut(asked, request.getTimeout());
            }
            if (e.isExecveError()) {
                reply.accept(notExecuted(e));
                return;
            }
            // its end may not be recorded yet
            boolean ended =
                    !launched.init().isAlive() || lifecycle.record(container).state() != ContainerState.RUNNING;
            if (ended) {
                throw new CriException(Status.Code.FAILED_PRECONDITION, asked, "the container ended meanwhile", "", e);
            }
            throw e;
        }
    }

    /** Refuses what no program can be run with. */
    static void requireCommand(List<String> command) {
        if (command.isEmpty() || command.getFirst().isEmpty()) {
            throw invalid("cmd", "is empty", "give a command");
        }
        if (command.stream().anyMatch(argument -> argument.indexOf('\0') >= 0)) {
            throw invalid("cmd", "holds a NUL character", "leave it out: no program can receive it");
        }
    }

    static void requireRunning(ContainerRecord record, String asked) {
        if (record.state() != ContainerState.RUNNING) {
            throw precondition(
                    asked,
                    "the container is " + record.state(),
                    record.state() == ContainerState.CREATED ? "start it first" : "only a running one serves for this");
        }
    }

    /** As a shell has it for a program that cannot be executed. */
    static int exitCode(LaunchException failure) {
        boolean missing = failure.isExecveError(Errno.ENOENT) || failure.isExecveError(Errno.ENOTDIR);
        return missing ? NOT_FOUND : NOT_EXECUTABLE;
    }

    private static CriException timedOut(String asked, long timeoutSeconds) {
        return new CriException(
                Status.Code.DEADLINE_EXCEEDED,
                asked,
                "command timed out after " + timeoutSeconds + " s",
                "it was killed with its children");
    }

    /** As a shell answers for a command that it cannot run. */
    private static ExecSyncResponse notExecuted(LaunchException failure) {
        return ExecSyncResponse.newBuilder()
                .setStderr(ByteString.copyFromUtf8(failure.getMessage() + "\n"))
                .setExitCode(exitCode(failure))
                .build();
    }

    private void await(ExecLaunch launch, long timeoutSeconds, String asked, Consumer<ExecSyncResponse> reply) {
        Output stdout = new Output(launch.stdout().orElseThrow(), keepable);
        Output stderr = new Output(launch.stderr().orElseThrow(), keepable);
        try {
            try {
                if (Kernel.poll(launch.end(), POLLIN, SOON) == 0) {
                    awaitLonger(launch, stdout, stderr, timeoutSeconds, asked);
                }
            } finally {
                // what a child in the background still writes is not waited for
                stdout.finish();
                stderr.finish();
            }
            reply.accept(answer(launch.exit(), stdout.bytes(), stderr.bytes(), asked));
        } finally {
            stdout.forget();
            stderr.forget();
        }
    }

    private void awaitLonger(ExecLaunch launch, Output stdout, Output stderr, long timeoutSeconds, String asked) {
        CompletableFuture<Boolean> ended = new CompletableFuture<>();
        Context caller = Context.current();
        Context.CancellationListener onCancel = _ -> ended.complete(false);
        EventLoop.Registration end =
                node.events().watch(launch.end(), EPOLLIN | EPOLLONESHOT, _ -> ended.complete(true));
        caller.addListener(onCancel, Runnable::run);
        try {
            stdout.watch(node.events());
            stderr.watch(node.events());
            awaitEnd(launch, ended, timeoutSeconds, asked);
        } finally {
            caller.removeListener(onCancel);
            end.cancel();
        }
    }

    private static void awaitEnd(
            ExecLaunch launch, CompletableFuture<Boolean> ended, long timeoutSeconds, String asked) {
        if (!awaitEnd(ended, timeoutSeconds)) {
            launch.killTree();
            throw timedOut(asked, timeoutSeconds);
        }
        if (Context.current().isCancelled() && launch.exit().isEmpty()) {
            launch.killTree();
            throw new CriException(Status.Code.CANCELLED, asked, "the caller has gone", "the command was killed");
        }
    }

    /** False when the time is over first. */
    private static boolean awaitEnd(CompletableFuture<Boolean> ended, long timeoutSeconds) {
        try {
            if (timeoutSeconds == 0) {
                var _ = ended.get();
            } else {
                var _ = ended.get(timeoutSeconds, TimeUnit.SECONDS);
            }
            return true;
        } catch (TimeoutException e) {
            return false;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CriException(Status.Code.UNAVAILABLE, "ExecSync", "the server is ending", "try again", e);
        } catch (ExecutionException e) {
            throw new IllegalStateException("nobody completes it so", e);
        }
    }

    private static ExecSyncResponse answer(
            Optional<ExitRecord> exit, ByteString stdout, ByteString stderr, String asked) {
        ExitRecord end = exit.orElseThrow(
                () -> precondition(asked, "the command was killed together with its monitor", "look at the container"));
        int room = MAX_ANSWER_BYTES - ANSWER_MARGIN_BYTES;
        ByteString errors = stderr.substring(0, Math.min(stderr.size(), room / 2));
        ByteString output = stdout.substring(0, Math.min(stdout.size(), room - errors.size()));
        errors = stderr.substring(0, Math.min(stderr.size(), room - output.size()));
        return ExecSyncResponse.newBuilder()
                .setStdout(output)
                .setStderr(errors)
                .setExitCode(end.code())
                .build();
    }

    /** One stream of the command: the first 16 MiB are kept, the rest is read and dropped. */
    private static final class Output {
        private final Fd pipe;
        private Optional<EventLoop.Registration> registration = Optional.empty();

        private final Semaphore keepable;

        @GuardedBy("this")
        private byte[] chunk = new byte[FIRST_CHUNK_BYTES];

        @GuardedBy("this")
        private final List<ByteString> kept = new ArrayList<>();

        @GuardedBy("this")
        private int keptBytes;

        @GuardedBy("this")
        private boolean full;

        @GuardedBy("this")
        private boolean closed;

        Output(Fd pipe, Semaphore keepable) {
            this.pipe = pipe;
            this.keepable = keepable;
        }

        void watch(EventLoop events) {
            registration = Optional.of(events.watch(pipe, EPOLLIN | EPOLLET, _ -> read(events)));
        }

        /** Takes a chunk; asks for another turn when there may be more. */
        private synchronized void read(EventLoop events) {
            if (!closed && take() >= FIRST_CHUNK_BYTES) {
                events.execute(() -> read(events));
            }
        }

        private synchronized int take() {
            int count;
            try {
                count = Kernel.read(pipe, chunk, 0, chunk.length);
            } catch (KernelException e) {
                if (e.is(Errno.EAGAIN)) {
                    return 0;
                }
                throw e;
            }
            keep(Math.min(count, MAX_ANSWER_BYTES - keptBytes));
            if (count == FIRST_CHUNK_BYTES && chunk.length == FIRST_CHUNK_BYTES) {
                chunk = new byte[CHUNK_BYTES];
            }
            return count;
        }

        /** Without a hole: once something is dropped, so is all that follows. */
        @GuardedBy("this")
        private void keep(int count) {
            if (count == 0 || full) {
                return;
            }
            if (!keepable.tryAcquire(count)) {
                full = true;
                return;
            }
            kept.add(ByteString.copyFrom(chunk, 0, count));
            keptBytes += count;
        }

        /** Takes what is there now, no more than a pipe holds, and stops. */
        synchronized void finish() {
            registration.ifPresent(EventLoop.Registration::cancel);
            long most = Kernel.pipeSize(pipe);
            for (long taken = 0; taken <= most; ) {
                int count = take();
                if (count == 0) {
                    break;
                }
                taken += count;
            }
            closed = true;
        }

        synchronized ByteString bytes() {
            return ByteString.copyFrom(kept);
        }

        /** Gives back what it had of the memory for all. */
        synchronized void forget() {
            kept.clear();
            keepable.release(keptBytes);
            keptBytes = 0;
        }
    }
}
