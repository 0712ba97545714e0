package io.portafilter.e2e;

import static io.portafilter.cri.v1.ContainerEventType.CONTAINER_CREATED_EVENT;
import static io.portafilter.cri.v1.ContainerEventType.CONTAINER_DELETED_EVENT;
import static io.portafilter.cri.v1.ContainerEventType.CONTAINER_STARTED_EVENT;
import static io.portafilter.cri.v1.ContainerEventType.CONTAINER_STOPPED_EVENT;
import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import io.portafilter.cri.v1.ContainerEventResponse;
import io.portafilter.cri.v1.ContainerEventType;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ContainerStatus;
import io.portafilter.cri.v1.GetEventsRequest;
import io.portafilter.cri.v1.PodSandboxState;
import io.portafilter.cri.v1.RuntimeServiceGrpc;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** GetContainerEvents, as kubelet listens to it. */
class EventsTest {
    @RegisterExtension
    static final Live live = Live.server();

    private static final Duration PATIENCE = Duration.ofSeconds(60);

    /** All that was told since it was made. */
    private static final class Listener implements StreamObserver<ContainerEventResponse> {
        private final List<ContainerEventResponse> events = new CopyOnWriteArrayList<>();
        private final CompletableFuture<Status> end = new CompletableFuture<>();

        /** Returns when events arrive: before that, one could be missed. */
        static Listener connected() {
            Listener listener = new Listener();
            RuntimeServiceGrpc.newStub(live.cri().channel())
                    .getContainerEvents(GetEventsRequest.getDefaultInstance(), listener);
            Await.until("events arrive", PATIENCE, () -> {
                live.pod().run().remove();
                return !listener.events.isEmpty();
            });
            Await.until(
                    "all of them",
                    PATIENCE,
                    () -> listener.events.getLast().getContainerEventType() == CONTAINER_DELETED_EVENT);
            listener.events.clear();
            return listener;
        }

        @Override
        public void onNext(ContainerEventResponse event) {
            events.add(event);
        }

        @Override
        public void onError(Throwable error) {
            end.complete(Status.fromThrowable(error));
        }

        @Override
        public void onCompleted() {
            end.complete(Status.OK);
        }

        List<ContainerEventType> of(String id) {
            return events.stream()
                    .filter(event -> event.getContainerId().equals(id))
                    .map(ContainerEventResponse::getContainerEventType)
                    .toList();
        }

        void await(String id, ContainerEventType type) {
            Await.until(type + " of " + id, PATIENCE, () -> of(id).contains(type));
        }

        ContainerEventResponse event(String id, ContainerEventType type) {
            return events.stream()
                    .filter(event -> event.getContainerId().equals(id) && event.getContainerEventType() == type)
                    .findFirst()
                    .orElseThrow();
        }
    }

    private static ContainerStatus only(ContainerEventResponse event) {
        assertThat(event.getContainersStatusesList()).hasSize(1);
        return event.getContainersStatuses(0);
    }

    @Test
    void theLifeOfAPodIsToldWithItsStateAtEachStep() {
        Listener listener = Listener.connected();
        Pod pod = live.pod().configure(p -> p.putLabels("app", "web")).run();
        Container container = pod.container(live.busybox()).shell("exit 7").runToEnd();
        container.remove();
        pod.stop();
        pod.remove();
        listener.await(pod.id(), CONTAINER_DELETED_EVENT);
        assertThat(listener.events)
                .extracting(event -> event.getContainerId() + " " + event.getContainerEventType())
                .containsExactly(
                        pod.id() + " " + CONTAINER_CREATED_EVENT,
                        pod.id() + " " + CONTAINER_STARTED_EVENT,
                        container.id() + " " + CONTAINER_CREATED_EVENT,
                        container.id() + " " + CONTAINER_STARTED_EVENT,
                        container.id() + " " + CONTAINER_STOPPED_EVENT,
                        container.id() + " " + CONTAINER_DELETED_EVENT,
                        pod.id() + " " + CONTAINER_STOPPED_EVENT,
                        pod.id() + " " + CONTAINER_DELETED_EVENT);
        assertThat(listener.events).allSatisfy(event -> {
            // kubelet drops what has no pod
            assertThat(event.getPodSandboxStatus().getMetadata())
                    .isEqualTo(pod.config().getMetadata());
            assertThat(event.getPodSandboxStatus().getId()).isEqualTo(pod.id());
            assertThat(event.getPodSandboxStatus().getLabelsMap()).containsEntry("app", "web");
        });
        assertThat(listener.events)
                .extracting(ContainerEventResponse::getCreatedAt)
                .isSorted()
                .doesNotHaveDuplicates();
        assertThat(only(listener.event(container.id(), CONTAINER_CREATED_EVENT)).getState())
                .isEqualTo(ContainerState.CONTAINER_CREATED);
        assertThat(only(listener.event(container.id(), CONTAINER_STARTED_EVENT)))
                .satisfies(status -> assertThat(status.getState()).isEqualTo(ContainerState.CONTAINER_RUNNING))
                .satisfies(status -> assertThat(status.getStartedAt()).isPositive())
                .satisfies(status -> assertThat(status.getImage()).isEqualTo(Cri.image(live.busybox())));
        assertThat(only(listener.event(container.id(), CONTAINER_STOPPED_EVENT)))
                .satisfies(status -> assertThat(status.getState()).isEqualTo(ContainerState.CONTAINER_EXITED))
                .satisfies(status -> assertThat(status.getExitCode()).isEqualTo(7))
                .satisfies(status -> assertThat(status.getFinishedAt()).isPositive());
        assertThat(listener.event(container.id(), CONTAINER_DELETED_EVENT).getContainersStatusesList())
                .isEmpty();
        assertThat(listener.event(pod.id(), CONTAINER_STARTED_EVENT)
                        .getPodSandboxStatus()
                        .getState())
                .isEqualTo(PodSandboxState.SANDBOX_READY);
        for (ContainerEventType type : List.of(CONTAINER_STOPPED_EVENT, CONTAINER_DELETED_EVENT)) {
            assertThat(listener.event(pod.id(), type).getPodSandboxStatus().getState())
                    .isEqualTo(PodSandboxState.SANDBOX_NOTREADY);
        }
    }

    @Test
    void anEndNobodyAskedForIsToldWithItsReason() {
        Listener listener = Listener.connected();
        Pod pod = live.pod().run();
        Container started = pod.container(live.busybox())
                .memoryLimit(16 << 20)
                .shell("x=$(head -c 100000000 /dev/zero | tr '\\0' x)")
                .start();
        listener.await(started.id(), CONTAINER_STOPPED_EVENT);
        assertThat(only(listener.event(started.id(), CONTAINER_STOPPED_EVENT)))
                .satisfies(status -> assertThat(status.getReason()).isEqualTo("OOMKilled"))
                .satisfies(status -> assertThat(status.getExitCode()).isEqualTo(137));
        Container failed = pod.container(live.busybox()).command("/etc/passwd").create();
        assertThat(Refusal.of(failed::start).message()).contains("/etc/passwd");
        listener.await(failed.id(), CONTAINER_STOPPED_EVENT);
        assertThat(listener.event(failed.id(), CONTAINER_STOPPED_EVENT).getContainersStatusesList())
                .filteredOn(status -> status.getId().equals(failed.id()))
                .singleElement()
                .satisfies(status -> assertThat(status.getReason()).isEqualTo("StartError"));
        assertThat(listener.of(failed.id())).containsExactly(CONTAINER_CREATED_EVENT, CONTAINER_STOPPED_EVENT);
    }

    @Test
    void aPauseProcessThatIsKilledIsTold() {
        Listener listener = Listener.connected();
        Pod pod = live.pod().run();
        assertThat(Commands.run("kill", "-9", Long.toString(pod.pause().pid())).status())
                .isZero();
        listener.await(pod.id(), CONTAINER_STOPPED_EVENT);
        assertThat(listener.event(pod.id(), CONTAINER_STOPPED_EVENT)
                        .getPodSandboxStatus()
                        .getState())
                .isEqualTo(PodSandboxState.SANDBOX_NOTREADY);
    }

    @Test
    void nothingIsLostOrToldOutOfOrderWhenManyClientsAreAtWork()
            throws ExecutionException, InterruptedException, TimeoutException {
        Listener one = Listener.connected();
        Listener other = Listener.connected();
        one.events.clear(); // those by which the other saw that it was connected
        List<String> pods = new CopyOnWriteArrayList<>();
        List<String> containers = new CopyOnWriteArrayList<>();
        String image = live.busybox();
        try (ExecutorService clients = Executors.newFixedThreadPool(5)) {
            List<Future<?>> work = new ArrayList<>();
            for (int client = 0; client < 5; client++) {
                work.add(clients.submit(() -> {
                    for (int i = 0; i < 10; i++) {
                        Pod pod = live.pod().run();
                        Container container =
                                pod.container(image).command("/bin/true").start();
                        pods.add(pod.id());
                        containers.add(container.id());
                        pod.stop();
                        pod.remove();
                    }
                }));
            }
            for (Future<?> each : work) {
                var _ = each.get(300, TimeUnit.SECONDS);
            }
        }
        assertThat(pods).hasSize(50);
        pods.forEach(pod -> {
            one.await(pod, CONTAINER_DELETED_EVENT);
            other.await(pod, CONTAINER_DELETED_EVENT);
        });
        List<ContainerEventType> whole = List.of(
                CONTAINER_CREATED_EVENT, CONTAINER_STARTED_EVENT, CONTAINER_STOPPED_EVENT, CONTAINER_DELETED_EVENT);
        assertThat(pods).allSatisfy(pod -> assertThat(one.of(pod)).isEqualTo(whole));
        assertThat(containers)
                .allSatisfy(container -> assertThat(one.of(container)).isEqualTo(whole));
        assertThat(one.events)
                .extracting(ContainerEventResponse::getCreatedAt)
                .isSorted()
                .doesNotHaveDuplicates();
        // every listener gets the same
        assertThat(other.events).isEqualTo(one.events);
        assertThat(one.events).hasSize(400);
    }

    @Test
    void aServerThatEndsInOrderHangsUpAtOnceAndTheNextOneTellsWhatComesThen()
            throws ExecutionException, InterruptedException, TimeoutException {
        Pod pod = live.pod().run();
        Container container = pod.container(live.busybox()).shell("sleep 1000").start();
        Listener listener = Listener.connected();
        long start = System.nanoTime();
        assertThat(live.portafilter().terminate()).isZero();
        // a call that never ends would hold it up for ten seconds
        assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(9));
        assertThat(listener.end.get(30, TimeUnit.SECONDS).getCode()).isEqualTo(Status.Code.UNAVAILABLE);
        var _ = live.portafilter().start();
        Listener next = Listener.connected();
        container.stop(Duration.ZERO);
        next.await(container.id(), CONTAINER_STOPPED_EVENT);
        assertThat(only(next.event(container.id(), CONTAINER_STOPPED_EVENT)).getExitCode())
                .isEqualTo(137);
        live.portafilter().killAndStart();
        assertThat(next.end.get(30, TimeUnit.SECONDS).getCode()).isEqualTo(Status.Code.UNAVAILABLE);
    }
}
