package io.portafilter.e2e;

import static io.portafilter.cri.v1.ContainerState.CONTAINER_CREATED;
import static io.portafilter.cri.v1.ContainerState.CONTAINER_EXITED;
import static io.portafilter.cri.v1.ContainerState.CONTAINER_RUNNING;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.Context;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.portafilter.cri.v1.ContainerFilter;
import io.portafilter.cri.v1.ContainerStatus;
import io.portafilter.cri.v1.CreateContainerRequest;
import io.portafilter.cri.v1.ListContainersRequest;
import io.portafilter.cri.v1.ListPodSandboxRequest;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.PodSandboxFilter;
import io.portafilter.cri.v1.PodSandboxState;
import io.portafilter.cri.v1.ReopenContainerLogRequest;
import io.portafilter.cri.v1.RunPodSandboxRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Calls that meet: several about one pod or container at once, callers that go, processes that stand still. */
class LifecycleTest {
    @RegisterExtension
    static final Live live = Live.server();

    private static final Duration SOON = Duration.ofSeconds(20);
    private static final String STUBBORN =
            "trap 'echo asked' TERM; echo ready; while true; do sleep 1000 & wait $!; done";

    /** Makes a call so many times at once. */
    private static <T> List<T> atOnce(int times, Callable<T> call) {
        try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
            List<CompletableFuture<T>> all = IntStream.range(0, times)
                    .mapToObj(i -> later(executor, call))
                    .toList();
            return all.stream().map(CompletableFuture::join).toList();
        }
    }

    private static <T> CompletableFuture<T> later(ExecutorService executor, Callable<T> call) {
        return CompletableFuture.supplyAsync(
                () -> {
                    try {
                        return call.call();
                    } catch (RuntimeException e) {
                        throw e;
                    } catch (Exception e) {
                        throw new IllegalStateException(e);
                    }
                },
                executor);
    }

    private static boolean done(Runnable call) {
        call.run();
        return true;
    }

    private static Container running(Pod pod, String script) {
        Container container = pod.container(live.busybox()).shell(script).start();
        Await.until("it is ready", SOON, () -> container.logged("stdout").startsWith("ready"));
        return container;
    }

    // ---- the same call several times

    @Test
    void theSamePodAndContainerAskedForManyTimesAtOnceAreOne() {
        PodFixture fixture = live.pod();
        PodSandboxConfig config = fixture.build();
        Set<String> pods = new HashSet<>(atOnce(
                12,
                () -> live.cri()
                        .runtime()
                        .runPodSandbox(RunPodSandboxRequest.newBuilder()
                                .setConfig(config)
                                .build())
                        .getPodSandboxId()));
        assertThat(pods).hasSize(1);
        Pod pod = fixture.run();
        assertThat(pods).containsExactly(pod.id());
        CreateContainerRequest request = pod.container(live.busybox()).idle().request();
        Set<String> containers = new HashSet<>(
                atOnce(12, () -> live.cri().runtime().createContainer(request).getContainerId()));
        assertThat(containers).hasSize(1);
        Container container =
                new Container(live.portafilter(), containers.iterator().next(), Path.of("/nonexistent"));
        // who joins gets the answer of the one start; who comes after it hears that it runs
        List<Optional<Status.Code>> starts = atOnce(6, () -> failure(container::start));
        assertThat(starts).contains(Optional.empty());
        assertThat(starts).isSubsetOf(List.of(Optional.empty(), Optional.of(Status.Code.FAILED_PRECONDITION)));
        assertThat(container.status().getState()).isEqualTo(CONTAINER_RUNNING);
    }

    private static Optional<Status.Code> failure(Runnable call) {
        try {
            call.run();
            return Optional.empty();
        } catch (StatusRuntimeException e) {
            return Optional.of(e.getStatus().getCode());
        }
    }

    @Test
    void twoDifferentPodsOfOneIdentityAtOnceAreNotBothMade() {
        PodFixture fixture = live.pod();
        PodSandboxConfig one = fixture.build();
        PodSandboxConfig other = one.toBuilder().putLabels("other", "request").build();
        List<CompletableFuture<Optional<Status.Code>>> all = new ArrayList<>();
        try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
            for (PodSandboxConfig config : List.of(one, other)) {
                all.add(later(
                        executor,
                        () -> failure(() -> live.cri()
                                .runtime()
                                .runPodSandbox(RunPodSandboxRequest.newBuilder()
                                        .setConfig(config)
                                        .build()))));
            }
        }
        assertThat(all.stream().map(CompletableFuture::join))
                .containsExactlyInAnyOrder(Optional.empty(), Optional.of(Status.Code.ALREADY_EXISTS));
        assertThat(live.cri().pods()).hasSize(1);
    }

    // ---- callers that go away

    @Test
    void aCallerThatGoesAwayCanComeAgainAtOnceWithTheSameAttempt() {
        for (int micros = 100; micros < 20_000; micros += 700) {
            PodSandboxConfig config = live.pod().build();
            RunPodSandboxRequest request =
                    RunPodSandboxRequest.newBuilder().setConfig(config).build();
            cancelledAfter(micros, () -> live.cri().runtime().runPodSandbox(request));
            String id = live.cri().runtime().runPodSandbox(request).getPodSandboxId();
            Pod pod = new Pod(live.portafilter(), id, config);
            CreateContainerRequest create = pod.container(live.busybox()).idle().request();
            cancelledAfter(micros, () -> live.cri().runtime().createContainer(create));
            String container = live.cri().runtime().createContainer(create).getContainerId();
            assertThat(live.cri().containers()).hasSize(1);
            assertThat(live.cri().pods()).hasSize(1);
            new Container(live.portafilter(), container, Path.of("/nonexistent")).start();
            pod.remove();
        }
    }

    private static void cancelledAfter(int micros, Runnable call) {
        try (Context.CancellableContext context = Context.current().withCancellation()) {
            Thread clock = Thread.ofVirtual().start(() -> {
                LockSupport.parkNanos(micros * 1000L);
                context.cancel(null);
            });
            try {
                context.run(call);
            } catch (StatusRuntimeException e) {
                assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.CANCELLED);
            }
            clock.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    // ---- the start

    @Test
    void aContainerThatEndsBeforeItsStartIsAnsweredIsCompleted() {
        Pod pod = live.pod().run();
        for (int i = 0; i < 20; i++) {
            Container container =
                    pod.container(live.busybox()).command("/bin/true").start();
            ContainerStatus status = container.awaitExit();
            assertThat(status.getExitCode()).isZero();
            assertThat(status.getReason()).isEqualTo("Completed");
            assertThat(status.getStartedAt()).isGreaterThanOrEqualTo(status.getCreatedAt());
            assertThat(status.getFinishedAt()).isGreaterThanOrEqualTo(status.getStartedAt());
        }
    }

    /** The process of a container that waits for its start, stopped: the start stands still until it goes on. */
    private static long stoppedAtItsGate(Pod pod, Set<Long> before) {
        List<Long> waiting = new ArrayList<>();
        for (Host.Left left : Host.processesOf(live.portafilter())) {
            if (!before.contains(left.pid())) {
                waiting.add(left.pid());
            }
        }
        // the monitor is the parent of the one that waits
        long program = waiting.stream()
                .filter(pid -> waiting.contains(new Proc(pid).parent()))
                .findFirst()
                .orElseThrow(() -> new AssertionError("no process waits in " + pod.id() + ": " + waiting));
        Commands.run("kill", "-STOP", Long.toString(program)).orFail();
        return program;
    }

    private static Set<Long> processes() {
        Set<Long> pids = new HashSet<>();
        Host.processesOf(live.portafilter()).forEach(left -> pids.add(left.pid()));
        return pids;
    }

    /** What the server holds when it has had a container already. */
    private static Host warm() {
        Pod pod = live.pod().run();
        var _ = pod.container(live.busybox()).command("/bin/true").runToEnd();
        pod.remove();
        Await.until("the server is quiet", SOON, () -> {
            Host one = live.host();
            LockSupport.parkNanos(Duration.ofMillis(100).toNanos());
            return live.host().differencesFrom(one).isEmpty();
        });
        return live.host();
    }

    @Test
    void aContainerIsNotRemovedWhileItIsBeingStarted() {
        Pod pod = live.pod().run();
        Set<Long> before = processes();
        Container container = pod.container(live.busybox()).shell("sleep 1000").create();
        long program = stoppedAtItsGate(pod, before);
        try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
            CompletableFuture<Boolean> start = later(executor, () -> done(container::start));
            Await.until("removal is refused", SOON, () -> {
                assertThat(start).isNotDone();
                Optional<Status.Code> refused = failure(container::remove);
                return refused.equals(Optional.of(Status.Code.FAILED_PRECONDITION));
            });
            assertThat(container.status().getState()).isEqualTo(CONTAINER_CREATED);
            CompletableFuture<Optional<Status.Code>> joined = later(executor, () -> failure(container::start));
            CompletableFuture<Boolean> stop = later(executor, () -> done(() -> container.stop(Duration.ZERO)));
            Commands.run("kill", "-CONT", Long.toString(program)).orFail();
            assertThat(start.join()).isTrue();
            assertThat(joined.join()).isIn(Optional.empty(), Optional.of(Status.Code.FAILED_PRECONDITION));
            assertThat(stop.join()).isTrue();
        }
        assertThat(container.status().getState()).isEqualTo(CONTAINER_EXITED);
        container.remove();
        assertThat(failure(container::status)).contains(Status.Code.NOT_FOUND);
    }

    @Test
    void aPodIsStoppedWhileOneOfItsContainersIsBeingStarted() {
        Host clean = warm();
        Pod pod = live.pod().run();
        Set<Long> before = processes();
        Container container = pod.container(live.busybox()).shell("sleep 1000").create();
        long program = stoppedAtItsGate(pod, before);
        try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
            CompletableFuture<Optional<Status.Code>> start = later(executor, () -> failure(container::start));
            CompletableFuture<Boolean> stop = later(executor, () -> done(pod::stop));
            CompletableFuture<Boolean> again = later(executor, () -> done(pod::stop));
            Await.until(
                    "the pod is not ready", SOON, () -> pod.status().getState() == PodSandboxState.SANDBOX_NOTREADY);
            Commands.run("kill", "-CONT", Long.toString(program));
            assertThat(stop.join()).isTrue();
            assertThat(again.join()).isTrue();
            assertThat(start.join()).isIn(Optional.empty(), Optional.of(Status.Code.FAILED_PRECONDITION));
        }
        assertThat(container.status().getState()).isIn(CONTAINER_CREATED, CONTAINER_EXITED);
        assertThat(Proc.isAlive(program)).isFalse();
        pod.remove();
        live.awaitAsBefore(clean);
    }

    @Test
    void aProcessThatNobodyLetsGoOnFailsItsStartAndLeavesNothing() {
        Host clean = warm();
        Pod pod = live.pod().run();
        Set<Long> before = processes();
        Container container = pod.container(live.busybox()).shell("sleep 1000").create();
        long program = stoppedAtItsGate(pod, before);
        // its caller does not wait for the end of it
        cancelledAfter(500_000, container::start);
        ContainerStatus status = container.awaitExit();
        assertThat(status.getExitCode()).isEqualTo(128);
        assertThat(status.getReason()).isEqualTo("StartError");
        assertThat(status.getMessage()).isNotEmpty();
        assertThat(Proc.isAlive(program)).isFalse();
        container.remove();
        pod.remove();
        live.awaitAsBefore(clean);
    }

    // ---- the stop

    @Test
    void manyStopsSendOneSignalAndTheShortestTimeEndsThemAll() {
        Container container = running(live.pod().run(), STUBBORN);
        long begin = System.nanoTime();
        try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
            List<CompletableFuture<Boolean>> patient = IntStream.range(0, 6)
                    .mapToObj(i -> later(executor, () -> done(() -> container.stop(Duration.ofSeconds(50)))))
                    .toList();
            Await.until("it was asked", SOON, () -> container.logged("stdout").contains("asked"));
            assertThat(patient).noneMatch(CompletableFuture::isDone);
            container.stop(Duration.ofSeconds(1));
            assertThat(patient).allSatisfy(stop -> assertThat(stop.join()).isTrue());
        }
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(40));
        assertThat(container.logged("stdout")).isEqualTo("ready\nasked\n");
        assertThat(container.status().getExitCode()).isEqualTo(137);
    }

    @Test
    void aCallerThatLeavesAStopEndsItsOwnWaitAlone() {
        Container container = running(live.pod().run(), STUBBORN);
        cancelledAfter(300_000, () -> container.stop(Duration.ofSeconds(2)));
        assertThat(container.status().getState()).isEqualTo(CONTAINER_RUNNING);
        // nobody asks again: the grace period ends all the same
        assertThat(container.awaitExit().getExitCode()).isEqualTo(137);
    }

    @Test
    void aPodStoppedByManyAtOnceEndsWhateverRunsInIt() {
        Pod pod = live.pod().pid(NamespaceMode.POD).run();
        List<Container> all = List.of(
                running(pod, STUBBORN),
                running(pod, STUBBORN),
                pod.container(live.busybox())
                        .shell("(setsid sleep 900 &); (setsid sleep 901 &); sleep 902")
                        .start());
        Container created = pod.container(live.busybox()).idle().create();
        Set<Long> processes = processes();
        assertThat(atOnce(8, () -> done(pod::stop))).containsOnly(true);
        assertThat(processes).noneMatch(Proc::isAlive);
        for (Container container : all) {
            assertThat(container.status().getState()).isEqualTo(CONTAINER_EXITED);
            assertThat(container.status().getExitCode()).isEqualTo(137);
        }
        assertThat(failure(created::start)).contains(Status.Code.FAILED_PRECONDITION);
        assertThat(atOnce(8, () -> done(pod::remove))).containsOnly(true);
        assertThat(failure(pod::status)).contains(Status.Code.NOT_FOUND);
    }

    @Test
    void aFrozenContainerEndsWithItsPodAndByItsRemoval() throws IOException {
        for (boolean wholePod : List.of(true, false)) {
            Pod pod = live.pod().run();
            Container container = running(pod, STUBBORN);
            freeze(container.process());
            long begin = System.nanoTime();
            if (wholePod) {
                pod.stop();
                assertThat(container.status().getExitCode()).isEqualTo(137);
            } else {
                container.remove();
            }
            assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(10));
            pod.remove();
        }
    }

    private static void freeze(Proc process) throws IOException {
        Optional<Path> group = process.cgroup("freezer");
        assumeTrue(group.isPresent(), "the freezer of cgroups is missing");
        Path v1 = group.orElseThrow().resolve("freezer.state");
        if (Files.exists(v1)) {
            Files.writeString(v1, "FROZEN");
        } else {
            Files.writeString(group.orElseThrow().resolve("cgroup.freeze"), "1");
        }
    }

    @Test
    void theLogIsReopenedWhileTheContainerIsBeingStopped() throws IOException {
        Container container = running(live.pod().run(), STUBBORN);
        try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
            CompletableFuture<Boolean> stop = later(executor, () -> done(() -> container.stop(Duration.ofSeconds(50))));
            Await.until("it was asked", SOON, () -> container.logged("stdout").contains("asked"));
            Files.move(container.log(), Path.of(container.log() + ".1"));
            reopen(container);
            assertThat(container.log()).exists();
            container.stop(Duration.ZERO);
            assertThat(stop.join()).isTrue();
        }
        Files.delete(container.log());
        assertThat(failure(() -> reopen(container))).contains(Status.Code.FAILED_PRECONDITION);
        assertThat(container.log()).doesNotExist();
    }

    private static void reopen(Container container) {
        var _ = live.cri()
                .runtime()
                .reopenContainerLog(ReopenContainerLogRequest.newBuilder()
                        .setContainerId(container.id())
                        .build());
    }

    @Test
    void aContainerThatClosesItsOutputInTheMiddleOfALineGoesOnAndLosesNothing() {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .shell("echo whole; printf 'no end'; exec >&- 2>&-; exec sleep 1000")
                .start();
        Await.until("a line came", SOON, () -> !container.logLines().isEmpty());
        assertThat(container.shell("echo still here")).isEqualTo("still here");
        assertThat(container.status().getState()).isEqualTo(CONTAINER_RUNNING);
        container.stop(Duration.ZERO);
        assertThat(container.logLines().stream().map(line -> line.stream() + " " + line.tag() + " " + line.text()))
                .containsExactly("stdout F whole", "stdout P no end");
    }

    // ---- zombies

    @Test
    void orphansInASharedPidNamespaceLeaveNoZombies() {
        Pod pod = live.pod().pid(NamespaceMode.POD).run();
        Container container = running(
                pod, "for i in 1 2 3 4 5 6 7 8 9; do (sleep 0.05 &); done; echo ready; while true; do sleep 1; done");
        Await.untilEquals(
                "zombies",
                SOON,
                "0",
                () -> container.shell("grep -l 'State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l"));
        assertThat(container.shell("cat /proc/1/comm")).isNotEqualTo("sh");
    }

    // ---- filters

    @Test
    void anIdInAFilterMayBeShortButNotAmbiguousAndAnUnknownOneIsNoError() {
        List<Pod> pods = new ArrayList<>();
        // the first character of one of 17 ids is that of another one, too
        for (int i = 0; i < 17; i++) {
            pods.add(live.pod().run());
        }
        String twice = pods.stream()
                .map(pod -> pod.id().substring(0, 1))
                .filter(first ->
                        pods.stream().filter(pod -> pod.id().startsWith(first)).count() > 1)
                .findFirst()
                .orElseThrow();
        Pod pod = pods.getFirst();
        Container container = pod.container(live.busybox()).idle().create();
        assertThat(failure(() -> listed(PodSandboxFilter.newBuilder().setId(twice))))
                .contains(Status.Code.INVALID_ARGUMENT);
        assertThat(failure(() -> listed(ContainerFilter.newBuilder().setPodSandboxId(twice))))
                .contains(Status.Code.INVALID_ARGUMENT);
        assertThat(listed(PodSandboxFilter.newBuilder().setId(pod.id().substring(0, 20))))
                .containsExactly(pod.id());
        assertThat(listed(ContainerFilter.newBuilder()
                        .setId(container.id().substring(0, 20))
                        .setPodSandboxId(pod.id().substring(0, 20))))
                .containsExactly(container.id());
        assertThat(listed(ContainerFilter.newBuilder()
                        .setId(container.id())
                        .setPodSandboxId(pods.getLast().id())))
                .isEmpty();
        assertThat(listed(ContainerFilter.newBuilder().setPodSandboxId("no such pod")))
                .isEmpty();
        assertThat(listed(PodSandboxFilter.newBuilder().setId("f".repeat(64)))).isEmpty();
    }

    private static List<String> listed(PodSandboxFilter.Builder filter) {
        return live
                .cri()
                .runtime()
                .listPodSandbox(
                        ListPodSandboxRequest.newBuilder().setFilter(filter).build())
                .getItemsList()
                .stream()
                .map(pod -> pod.getId())
                .toList();
    }

    private static List<String> listed(ContainerFilter.Builder filter) {
        return live
                .cri()
                .runtime()
                .listContainers(
                        ListContainersRequest.newBuilder().setFilter(filter).build())
                .getContainersList()
                .stream()
                .map(found -> found.getId())
                .toList();
    }
}
