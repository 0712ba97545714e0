package io.portafilter.cri;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.portafilter.container.ContainerPlan;
import io.portafilter.cri.v1.ContainerEventResponse;
import io.portafilter.cri.v1.ContainerEventType;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.PodRecord;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;

/**
 * Tells whoever listens what became of pods and containers, so that kubelet need not ask (KEP-3386). An event is told
 * when its state is committed, with the state of the whole pod at that moment; all listeners get the same events in the
 * same order, and a later one never shows an earlier state. Nobody waits for a listener.
 */
final class ContainerEvents implements AutoCloseable {

    private final Listing listing;
    private final Set<EventStream> streams = ConcurrentHashMap.newKeySet();

    @GuardedBy("this")
    private long lastAt;

    @GuardedBy("this")
    private boolean closed;

    ContainerEvents(Listing listing) {
        this.listing = listing;
    }

    /**
     * What happened, and how the pod was then; the message is made when it is sent.
     *
     * @param id of the container, or of the pod sandbox
     */
    record Event(
            ContainerEventType type,
            String id,
            long atNanos,
            Listing.Entry<LivePod, PodRecord> pod,
            List<Listing.Entry<LiveContainer, ContainerRecord>> containers) {

        ContainerEventResponse message(Function<LiveContainer, Optional<ContainerPlan>> plan) {
            return ContainerEventResponse.newBuilder()
                    .setContainerId(id)
                    .setContainerEventType(type)
                    .setCreatedAt(atNanos)
                    .setPodSandboxStatus(CriAnswers.status(pod.live(), pod.record()))
                    .addAllContainersStatuses(containers.stream()
                            .map(entry -> CriAnswers.status(entry.live(), entry.record(), plan.apply(entry.live())))
                            .toList())
                    .build();
        }
    }

    /**
     * Sends every event from now on, until the caller goes or does not keep up.
     *
     * @param plan what was decided for a container, for its status
     */
    synchronized void listen(
            ServerCallStreamObserver<ContainerEventResponse> to,
            Function<LiveContainer, Optional<ContainerPlan>> plan) {
        if (closed) {
            throw ending();
        }
        EventStream stream = new EventStream(to, event -> event.message(plan), streams::remove);
        stream.begin();
        streams.add(stream);
    }

    /** Something happened to a container, and its record says so, or is gone. */
    synchronized void container(ContainerEventType type, LiveContainer container) {
        listing.pod(container.podId()).ifPresent(pod -> tell(type, container.id(), pod));
    }

    /** Something happened to a pod sandbox, and its record says so. */
    synchronized void pod(ContainerEventType type, LivePod pod) {
        listing.pod(pod.id()).ifPresent(found -> tell(type, pod.id(), found));
    }

    /** A pod sandbox was removed; this was its last record. */
    synchronized void podDeleted(LivePod pod, PodRecord last) {
        tell(ContainerEventType.CONTAINER_DELETED_EVENT, pod.id(), new Listing.Entry<>(pod, last));
    }

    @GuardedBy("this")
    private void tell(ContainerEventType type, String id, Listing.Entry<LivePod, PodRecord> pod) {
        if (streams.isEmpty()) {
            return;
        }
        lastAt = Math.max(Node.now(), lastAt + 1);
        Event event = new Event(type, id, lastAt, pod, listing.ofPod(pod.live().id()));
        streams.forEach(stream -> stream.offer(event));
    }

    private static CriException ending() {
        return new CriException(
                Status.Code.UNAVAILABLE, "GetContainerEvents", "the server ends", "listen to the next one");
    }

    /** Ends all streams; who comes later is refused. */
    @Override
    public synchronized void close() {
        closed = true;
        streams.forEach(stream -> stream.end(ending()));
    }
}
