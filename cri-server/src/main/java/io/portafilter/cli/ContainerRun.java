package io.portafilter.cli;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ContainerStatus;
import io.portafilter.cri.v1.ContainerStatusRequest;
import io.portafilter.cri.v1.CreateContainerRequest;
import io.portafilter.cri.v1.RemoveContainerRequest;
import io.portafilter.cri.v1.StartContainerRequest;
import io.portafilter.cri.v1.StopContainerRequest;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;

/**
 * One container of a run: created, started, its output copied until it ends, and started again where its restart policy
 * says so. A virtual thread of its own does it.
 */
final class ContainerRun {
    private static final Duration LOG_POLL = Duration.ofMillis(20);
    private static final Duration FIRST_BACKOFF = Duration.ofSeconds(10);
    private static final Duration LONGEST_BACKOFF = Duration.ofMinutes(5);
    /** After a run that long the backoff begins anew. */
    private static final Duration STEADY = Duration.ofMinutes(10);

    /** What the containers of a run have in common. */
    record Surroundings(
            Connection connection,
            PodTranslation translation,
            PodSandbox sandbox,
            PodVolumes volumes,
            Map<String, RunFacts.Image> images,
            ContainerOutput output,
            PrintStream progress,
            Person person) {}

    /**
     * Who sits at the container of a pod that has one.
     *
     * @param types whether what is read here goes there
     * @param terminal whether it gets a terminal, as this process has one
     */
    record Person(boolean types, boolean terminal) {
        static final Person NOBODY = new Person(false, false);

        boolean isThere() {
            return types || terminal;
        }
    }

    /** The sandbox that runs. */
    record PodSandbox(String id, io.portafilter.cri.v1.PodSandboxConfig config) {}

    private final Surroundings around;
    private final Pod.Container container;
    private final Pod.RestartPolicy policy;
    private final LogFollower.Sink sink;
    private final CountDownLatch started = new CountDownLatch(1);
    private final CountDownLatch ending = new CountDownLatch(1);
    private final CompletableFuture<Integer> end = new CompletableFuture<>();
    /** The attempt that runs; empty between attempts. */
    private volatile String id = "";

    private ContainerRun(Surroundings around, Pod.Container container, Pod.RestartPolicy policy) {
        this.around = around;
        this.container = container;
        this.policy = policy;
        boolean several = around.translation.pod().allContainers().size() > 1;
        this.sink = several ? around.output.named(container.name()) : around.output.plain();
    }

    /** Starts the container; returns when it runs, or will not. */
    static ContainerRun start(Surroundings around, Pod.Container container, Pod.RestartPolicy policy)
            throws InterruptedException {
        ContainerRun run = new ContainerRun(around, container, policy);
        Thread _ = Thread.ofVirtual().name("container " + container.name()).start(run::run);
        run.started.await();
        return run;
    }

    String name() {
        return container.name();
    }

    /** Does something when the container could not be made. */
    void whenFailed(Runnable action) {
        CompletableFuture<Integer> _ = end.whenComplete((_, failure) -> {
            if (failure != null) {
                action.run();
            }
        });
    }

    /** Waits until all that the container wrote is copied. */
    void awaitOutput() throws InterruptedException {
        try {
            int _ = end.get();
        } catch (ExecutionException told) {
            // await() tells it
            started.countDown();
        }
    }

    /** Waits for the end and returns the exit status of the last attempt. */
    int await() throws CommandException, InterruptedException {
        try {
            return end.get();
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case CommandException failure -> throw failure;
                case StatusRuntimeException failure ->
                    throw new CommandException(
                            ExitStatus.RUN_FAILED,
                            "container " + name() + ": " + Connection.sentence(failure.getStatus()));
                case IOException failure ->
                    throw new CommandException(
                            ExitStatus.RUN_FAILED, "container " + name() + ": its output: " + failure.getMessage());
                case null, default -> throw new IllegalStateException("container " + name(), e);
            }
        }
    }

    /** Ends the container with its grace period, and for good; returns when it has ended. */
    void stop(long graceSeconds) {
        ending.countDown();
        stopAttempt(graceSeconds);
    }

    private void stopAttempt(long graceSeconds) {
        String now = id;
        if (!now.isEmpty()) {
            around.connection
                    .runtime()
                    .stopContainer(StopContainerRequest.newBuilder()
                            .setContainerId(now)
                            .setTimeout(graceSeconds)
                            .build());
        }
    }

    private boolean isEnding() {
        return ending.getCount() == 0;
    }

    private void run() {
        try {
            end.complete(attempts());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            end.completeExceptionally(e);
        } catch (CommandException | IOException | RuntimeException e) {
            end.completeExceptionally(e);
        } finally {
            started.countDown();
        }
    }

    private int attempts() throws CommandException, IOException, InterruptedException {
        Duration backoff = FIRST_BACKOFF;
        Optional<String> previous = Optional.empty();
        for (int attempt = 0; ; attempt++) {
            long begun = System.nanoTime();
            String created = create(attempt);
            previous.ifPresent(this::remove);
            previous = Optional.of(created);
            int status = attempt(created, attempt);
            if (isEnding() || !ExitRule.restarts(policy, status)) {
                return status;
            }
            if (System.nanoTime() - begun > STEADY.toNanos()) {
                backoff = FIRST_BACKOFF;
            }
            say("ended with status " + status + ", starts again in " + backoff.toSeconds() + " s");
            if (ending.await(backoff.toMillis(), TimeUnit.MILLISECONDS)) {
                return status;
            }
            backoff =
                    backoff.multipliedBy(2).compareTo(LONGEST_BACKOFF) > 0 ? LONGEST_BACKOFF : backoff.multipliedBy(2);
        }
    }

    /** Init containers have their output copied as always. */
    private boolean hasPerson() {
        return around.person.isThere() && around.translation.pod().containers().contains(container);
    }

    private void say(String sentence) {
        around.progress.println("portafilter: container " + name() + " " + sentence);
    }

    private String create(int attempt) throws CommandException {
        Map<String, String> env = around.translation.env(container);
        ContainerConfig config;
        try {
            config = around.translation.container(
                    container, attempt, Optional.ofNullable(around.images.get(name())), mount -> {
                        try {
                            return around.volumes.hostPath(mount, env);
                        } catch (CommandException e) {
                            throw new Refused(e);
                        }
                    });
        } catch (Refused e) {
            throw e.refusal;
        }
        if (hasPerson()) {
            Person person = around.person;
            config = config.toBuilder()
                    .setStdin(config.getStdin() || person.types)
                    .setStdinOnce(config.getStdinOnce() || person.types)
                    .setTty(config.getTty() || person.terminal)
                    .build();
        }
        return around.connection
                .runtime()
                .createContainer(CreateContainerRequest.newBuilder()
                        .setPodSandboxId(around.sandbox.id)
                        .setSandboxConfig(around.sandbox.config)
                        .setConfig(config)
                        .build())
                .getContainerId();
    }

    /** Carries a refusal out of a function that may throw none. */
    private static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1;
        private final transient CommandException refusal;

        private Refused(CommandException refusal) {
            super(refusal);
            this.refusal = refusal;
        }
    }

    private void remove(String attempt) {
        around.connection
                .runtime()
                .removeContainer(RemoveContainerRequest.newBuilder()
                        .setContainerId(attempt)
                        .build());
    }

    private int attempt(String created, int attempt) throws CommandException, IOException, InterruptedException {
        try {
            around.connection
                    .runtime()
                    .startContainer(StartContainerRequest.newBuilder()
                            .setContainerId(created)
                            .build());
        } catch (StatusRuntimeException e) {
            String sentence = Connection.sentence(e.getStatus());
            int status = ExitRule.ofFailedStart(sentence);
            if (status == ExitStatus.RUN_FAILED) {
                throw new CommandException(status, "container " + name() + ": " + sentence);
            }
            say("does not start: " + sentence);
            return status;
        }
        id = created;
        started.countDown();
        if (isEnding()) {
            // stop() came while there was nothing to stop
            stopAttempt(around.translation.pod().gracePeriodSeconds());
        }
        try {
            return hasPerson() ? connected(created, attempt) : follow(created, attempt);
        } finally {
            id = "";
        }
    }

    /** What it wrote before that is in its log; a program that has ended by then has written all of it there. */
    private int connected(String created, int attempt) throws CommandException, IOException, InterruptedException {
        AttachedContainer attached = AttachedContainer.of(around.connection, created);
        try {
            return attached.run(around.person.types, false);
        } catch (StatusRuntimeException e) {
            if (e.getStatus().getCode() == Status.Code.FAILED_PRECONDITION) {
                return follow(created, attempt);
            }
            throw e;
        }
    }

    private int follow(String created, int attempt) throws IOException, InterruptedException {
        Path log = Path.of(around.sandbox.config.getLogDirectory())
                .resolve(PodTranslation.logPath(container.name(), attempt));
        try (LogFollower reader = new LogFollower(log)) {
            while (true) {
                // Asked before reading: what was written before the end is read after it.
                ContainerStatus status = around.connection
                        .runtime()
                        .containerStatus(ContainerStatusRequest.newBuilder()
                                .setContainerId(created)
                                .build())
                        .getStatus();
                reader.poll(sink);
                around.output.flush();
                if (status.getState() == ContainerState.CONTAINER_EXITED) {
                    sink.end();
                    around.output.flush();
                    if (status.getReason().equals("OOMKilled")) {
                        say("was killed by the kernel: it used more memory than its limit");
                    }
                    return status.getExitCode();
                }
                Thread.sleep(LOG_POLL);
            }
        }
    }
}
