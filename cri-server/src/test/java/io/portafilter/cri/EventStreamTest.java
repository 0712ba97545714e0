package io.portafilter.cri;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.portafilter.cri.v1.ContainerEventResponse;
import io.portafilter.cri.v1.ContainerEventType;
import io.portafilter.cri.v1.GetEventsRequest;
import io.portafilter.cri.v1.RuntimeServiceGrpc;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Events over a real connection: all of them in order, and nobody waits for who does not read. */
class EventStreamTest {
    private static final int LARGE = 100_000;

    private final CompletableFuture<EventStream> opened = new CompletableFuture<>();
    private final CountDownLatch ended = new CountDownLatch(1);
    private int messageBytes;
    private Server server;
    private ManagedChannel channel;

    /** A listener that reads when it is told to. */
    private static final class Listener implements ClientResponseObserver<GetEventsRequest, ContainerEventResponse> {
        private final List<Long> read = new CopyOnWriteArrayList<>();
        private final CompletableFuture<Status> status = new CompletableFuture<>();
        private final CompletableFuture<ClientCallStreamObserver<GetEventsRequest>> call = new CompletableFuture<>();
        private final int first;

        Listener(int first) {
            this.first = first;
        }

        @Override
        public void beforeStart(ClientCallStreamObserver<GetEventsRequest> stream) {
            stream.disableAutoRequestWithInitial(first);
            call.complete(stream);
        }

        @Override
        public void onNext(ContainerEventResponse event) {
            read.add(event.getCreatedAt());
            if (first > 1) {
                call.join().request(1);
            }
        }

        @Override
        public void onError(Throwable error) {
            status.complete(Status.fromThrowable(error));
        }

        @Override
        public void onCompleted() {
            status.complete(Status.OK);
        }
    }

    @BeforeEach
    void listen() throws IOException {
        server = NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                .intercept(new StatusInterceptor())
                .addService(new RuntimeServiceGrpc.RuntimeServiceImplBase() {
                    @Override
                    public void getContainerEvents(
                            GetEventsRequest request, StreamObserver<ContainerEventResponse> answer) {
                        EventStream stream = new EventStream(
                                (ServerCallStreamObserver<ContainerEventResponse>) answer,
                                EventStreamTest.this::message,
                                _ -> ended.countDown());
                        stream.begin();
                        opened.complete(stream);
                    }
                })
                .build()
                .start();
        channel = NettyChannelBuilder.forAddress("localhost", server.getPort())
                .usePlaintext()
                .build();
    }

    @AfterEach
    void end() throws InterruptedException {
        assertThat(channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS)).isTrue();
        assertThat(server.shutdownNow().awaitTermination(5, TimeUnit.SECONDS)).isTrue();
    }

    private ContainerEventResponse message(ContainerEvents.Event event) {
        return ContainerEventResponse.newBuilder()
                .setContainerId("x".repeat(messageBytes))
                .setContainerEventType(event.type())
                .setCreatedAt(event.atNanos())
                .build();
    }

    /** Of no pod: the message of this test needs none. */
    @SuppressWarnings("NullAway")
    private static ContainerEvents.Event event(long at) {
        return new ContainerEvents.Event(ContainerEventType.CONTAINER_STARTED_EVENT, "id", at, null, List.of());
    }

    private Listener connect(int first) {
        Listener listener = new Listener(first);
        RuntimeServiceGrpc.newStub(channel).getContainerEvents(GetEventsRequest.getDefaultInstance(), listener);
        return listener;
    }

    @Test
    void whoReadsGetsEveryEventInItsOrder() throws ExecutionException, InterruptedException, TimeoutException {
        Listener listener = connect(10);
        EventStream stream = opened.get(30, TimeUnit.SECONDS);
        long last = 5000;
        for (long at = 1; at <= last; at++) {
            stream.offer(event(at));
            long wanted = at - EventStream.MOST_WAITING / 2;
            while (listener.read.size() < wanted && !listener.status.isDone()) {
                LockSupport.parkNanos(200_000);
            }
        }
        stream.end(new CriException(Status.Code.UNAVAILABLE, "events", "the test ends", ""));
        assertThat(listener.status.get(60, TimeUnit.SECONDS).getCode()).isEqualTo(Status.Code.UNAVAILABLE);
        assertThat(listener.read)
                .containsExactlyElementsOf(
                        LongStream.rangeClosed(1, last).boxed().toList().subList(0, listener.read.size()));
        assertThat(listener.read.size()).isGreaterThan((int) last - EventStream.MOST_WAITING);
    }

    @Test
    void whoDoesNotReadIsHungUpOnAndNobodyWaitsForIt()
            throws ExecutionException, InterruptedException, TimeoutException {
        messageBytes = LARGE;
        Listener listener = connect(1);
        EventStream stream = opened.get(30, TimeUnit.SECONDS);
        for (long at = 1; ended.getCount() > 0; at++) {
            stream.offer(event(at));
            // beyond what waits, the connection alone holds some
            assertThat(at).isLessThan(EventStream.MOST_WAITING + 1000L);
        }
        // what comes then is nobody's
        stream.offer(event(Long.MAX_VALUE));
        listener.call.join().request(EventStream.MOST_WAITING * 2);
        Status status = listener.status.get(60, TimeUnit.SECONDS);
        assertThat(status.getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
        assertThat(status.getDescription()).contains("listen again");
        assertThat(listener.read)
                .hasSizeLessThan(1000)
                .doesNotContain(Long.MAX_VALUE)
                .isSorted();
    }

    @Test
    void whoGoesAwayIsForgotten() throws ExecutionException, InterruptedException, TimeoutException {
        Listener listener = connect(1);
        EventStream stream = opened.get(30, TimeUnit.SECONDS);
        listener.call.join().cancel("gone", null);
        assertThat(ended.await(30, TimeUnit.SECONDS)).isTrue();
        for (long at = 1; at < 3L * EventStream.MOST_WAITING; at++) {
            stream.offer(event(at));
        }
        assertThat(listener.status.get(30, TimeUnit.SECONDS).getCode()).isEqualTo(Status.Code.CANCELLED);
    }
}
