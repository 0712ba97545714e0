package io.portafilter.launch;

import static io.portafilter.linux.LinuxConstants.POLLIN;

import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.SystemCall;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * Follows a launch: reads what its processes tell, and at the end decides from the progress page whether the program
 * was executed. Owns both descriptors.
 *
 * <p>What arrives is written by processes that a hostile container may drive: it is believed only as far as it concerns
 * that container's own launch.
 */
public final class LaunchStatus implements AutoCloseable {

    private static final int RECORD = 8;

    // A process of the container may hold the pipe and write to it without end; a launch has less to tell than this.
    private static final int SPARE_RECORDS = 16;

    private static final Duration CAUSE_LIMIT = Duration.ofSeconds(1);

    private final LaunchProgram program;
    private final ElfImage image;
    private final Fd pipe;
    private final Fd progress;
    private long deadline;
    private final List<LaunchException> failures = new ArrayList<>();
    private final List<Integer> started = new ArrayList<>();
    private boolean ready;
    private int records;

    /** Takes both descriptors over. All waiting ends at the deadline, which {@code timeLimit} from now sets. */
    public LaunchStatus(LaunchProgram program, ElfImage image, Fd pipe, Fd progress, Duration timeLimit) {
        this.program = program;
        this.image = image;
        this.pipe = pipe;
        this.progress = progress;
        this.deadline = System.nanoTime() + timeLimit.toNanos();
    }

    /** Makes the progress page, if it is a file of the host, tell by itself whether the program was executed. */
    public void noteExecutions() {
        List<Integer> executions = new ArrayList<>();
        for (int i = 0; i < program.operations().size(); i++) {
            if (program.operations().get(i).call() == SystemCall.EXECVE) {
                executions.add(image.addressOf(i));
            }
        }
        ProgressFile.note(progress, executions);
    }

    /** Waits until the n-th process was started, and returns its pid; throws if the launch ends before. */
    public int awaitStarted(int n) {
        while (started.size() < n) {
            step(deadline);
        }
        return started.get(n - 1);
    }

    /** Puts the deadline off by the time for which the launch stood at a gate because we had something else to do. */
    public void waited(Duration time) {
        deadline += time.toNanos();
    }

    /** Waits until the launch stands at its gate; throws if it ends before. */
    public void awaitReady() {
        while (!ready) {
            step(deadline);
        }
    }

    /**
     * Waits until the pipe is closed, and throws unless the program was executed. The pause program, which executes
     * nothing, counts as executed when it pauses.
     */
    public void awaitExecuted(Duration timeLimit) {
        long end = System.nanoTime() + timeLimit.toNanos();
        while (!(next(end) instanceof StatusRecord.Closed)) {
            // records are kept by next
        }
        ProgressPage page =
                ProgressPage.read(progress).orElseThrow(() -> LaunchException.ended(program, Operation.NONE));
        int failed = image.operationAt(Integer.toUnsignedLong(page.failed()));
        int running = image.operationAt(Integer.toUnsignedLong(page.running()));
        if (running != Operation.NONE && page.runningHasNotFailed() && isLast(running)) {
            return;
        }
        throw worst().orElseGet(() -> failed == Operation.NONE
                ? LaunchException.ended(program, running)
                : LaunchException.failed(program, failed, Errno.of(page.errno())));
    }

    /**
     * The failure that a launch which has ended told of, which says more than what its end was noticed by.
     *
     * @param noticed what to say if it told of none
     */
    public LaunchException causeOf(LaunchException noticed) {
        long end = System.nanoTime() + CAUSE_LIMIT.toNanos();
        try {
            while (!(next(end) instanceof StatusRecord.Closed)) {
                // records are kept by next
            }
        } catch (LaunchException e) {
            noticed.addSuppressed(e);
        }
        return worst().orElse(noticed);
    }

    /** The processes that the launch told of, in this order; whoever holds the pipe may have made them up. */
    public List<Integer> started() {
        return List.copyOf(started);
    }

    /** The pipe's end is seen once it is closed, which may be just before the pause program pauses. */
    private boolean isLast(int index) {
        Operation operation = program.operations().get(index);
        return operation.call() == SystemCall.EXECVE
                || (operation.next() != Operation.NONE
                        && program.operations().get(operation.next()).call() == SystemCall.PPOLL);
    }

    private void step(long end) {
        switch (next(end)) {
            case StatusRecord.Ready _, StatusRecord.Started _, StatusRecord.Failed _ -> {}
            case StatusRecord.Ending _, StatusRecord.Closed _ ->
                throw worst().orElseGet(() -> LaunchException.because(
                        "the launch was cancelled: a process of it ended before it was prepared"));
        }
    }

    /** Of several candidates that could not be executed, one that exists says more than those that do not. */
    private Optional<LaunchException> worst() {
        Optional<LaunchException> worst =
                failures.stream().max(Comparator.comparingInt(failure -> isMissing(failure) ? 0 : 1));
        List<String> candidates = candidates();
        return candidates.size() > 1
                ? worst.map(failure -> isMissing(failure) ? LaunchException.notFound(candidates, failure) : failure)
                : worst;
    }

    private static boolean isMissing(LaunchException failure) {
        return failure.isExecveError(Errno.ENOENT) || failure.isExecveError(Errno.ENOTDIR);
    }

    /** The paths that the program tries to execute, in this order. */
    private List<String> candidates() {
        List<String> paths = new ArrayList<>();
        for (Operation operation : program.operations()) {
            if (operation.call() == SystemCall.EXECVE
                    && operation.arguments().getFirst() instanceof Operand.Text(String path)) {
                paths.add(path);
            }
        }
        return paths;
    }

    private StatusRecord next(long end) {
        byte[] bytes = new byte[RECORD];
        int have = 0;
        while (have < RECORD) {
            long left = end - System.nanoTime();
            if (left <= 0 || Kernel.poll(pipe, POLLIN, Duration.ofNanos(left)) == 0) {
                throw LaunchException.because("the launch does not answer: no word from its process in time");
            }
            int count = Kernel.read(pipe, bytes, have, RECORD - have);
            if (count == 0) {
                return new StatusRecord.Closed();
            }
            have += count;
        }
        if (++records > program.operations().size() + SPARE_RECORDS) {
            throw LaunchException.because("the launch tells more than its program has operations");
        }
        ByteBuffer words = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int value = words.getInt();
        int errno = words.getInt();
        if (value == -1) {
            return new StatusRecord.Ending();
        }
        if (errno == 0) {
            return value == 0 ? becameReady() : started(value);
        }
        int index = image.operationAt(Integer.toUnsignedLong(value));
        LaunchException failure = index == Operation.NONE
                ? LaunchException.because("the launch tells of a failure that is not in its program")
                : LaunchException.failed(program, index, Errno.of(errno));
        failures.add(failure);
        return new StatusRecord.Failed(failure);
    }

    private StatusRecord becameReady() {
        ready = true;
        return new StatusRecord.Ready();
    }

    private StatusRecord started(int process) {
        started.add(process);
        return new StatusRecord.Started(process);
    }

    @Override
    public void close() {
        pipe.close();
        progress.close();
    }
}
