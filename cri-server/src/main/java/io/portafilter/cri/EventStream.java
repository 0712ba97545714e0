package io.portafilter.cri;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.portafilter.cri.v1.ContainerEventResponse;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayDeque;
import java.util.Optional;
import java.util.Queue;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * The events for one listener. They wait in a queue of bounded length until the connection takes them; who lets it fill up
 * is told so and hung up on, and can ask for the whole state and listen again, as kubelet does.
 */
final class EventStream {

    private static final Logger LOG = System.getLogger(EventStream.class.getName());

    /** As many as kubelet holds itself. */
    static final int MOST_WAITING = 1000;

    private final ServerCallStreamObserver<ContainerEventResponse> to;
    private final Function<ContainerEvents.Event, ContainerEventResponse> message;
    private final Consumer<EventStream> onEnd;

    @GuardedBy("this")
    private final Queue<ContainerEvents.Event> waiting = new ArrayDeque<>();

    @GuardedBy("this")
    private Optional<CriException> failure = Optional.empty();

    @GuardedBy("this")
    private boolean sending;

    @GuardedBy("this")
    private boolean over;

    /**
     * A stream that has not begun.
     *
     * @param message makes the message of an event
     * @param onEnd called when the stream takes no more events
     */
    EventStream(
            ServerCallStreamObserver<ContainerEventResponse> to,
            Function<ContainerEvents.Event, ContainerEventResponse> message,
            Consumer<EventStream> onEnd) {
        this.to = to;
        this.message = message;
        this.onEnd = onEnd;
    }

    /** From the call that opens it. */
    void begin() {
        to.setOnReadyHandler(this::wake);
        to.setOnCancelHandler(this::leave);
    }

    /** Takes an event, and returns at once. */
    void offer(ContainerEvents.Event event) {
        synchronized (this) {
            if (over || failure.isPresent()) {
                return;
            }
            if (waiting.size() < MOST_WAITING) {
                waiting.add(event);
            } else {
                LOG.log(Level.WARNING, "events.slow waiting=" + MOST_WAITING + " cause=a listener does not read");
                fail(new CriException(
                        Status.Code.RESOURCE_EXHAUSTED,
                        "GetContainerEvents",
                        MOST_WAITING + " events wait to be read",
                        "read faster, ask for the state and listen again"));
            }
        }
        wake();
    }

    /** Ends it with an error, after what waits. */
    void end(CriException cause) {
        synchronized (this) {
            if (failure.isEmpty()) {
                failure = Optional.of(cause);
            }
        }
        wake();
    }

    @GuardedBy("this")
    private void fail(CriException cause) {
        failure = Optional.of(cause);
        waiting.clear();
        onEnd.accept(this);
    }

    private void leave() {
        synchronized (this) {
            over = true;
            waiting.clear();
        }
        onEnd.accept(this);
    }

    /** Has somebody send what waits, unless somebody does. */
    private synchronized void wake() {
        if (!sending && !over) {
            sending = true;
            var _ = Thread.ofVirtual().name("events").start(this::send);
        }
    }

    private void send() {
        try {
            Optional<ContainerEvents.Event> next = next();
            while (next.isPresent()) {
                to.onNext(message.apply(next.get()));
                next = next();
            }
        } catch (RuntimeException e) {
            // the caller has gone, or a message could not be made: without it the stream would be no true account
            LOG.log(Level.DEBUG, "events.ended", e);
            leave();
            if (!to.isCancelled()) {
                to.onError(StatusInterceptor.status(e, "GetContainerEvents").asRuntimeException());
            }
        }
    }

    /** Empty when there is none, the connection takes none, or it is over; then the next {@link #wake} begins again. */
    private Optional<ContainerEvents.Event> next() {
        Optional<CriException> ends = Optional.empty();
        synchronized (this) {
            boolean ready = to.isReady();
            if (!over && !waiting.isEmpty() && ready) {
                return Optional.of(waiting.remove());
            }
            if (!over && failure.isPresent() && (waiting.isEmpty() || !ready)) {
                over = true;
                waiting.clear();
                ends = failure;
            }
            sending = false;
        }
        ends.ifPresent(cause -> {
            onEnd.accept(this);
            to.onError(StatusInterceptor.status(cause, "GetContainerEvents").asRuntimeException());
        });
        return Optional.empty();
    }
}
