package io.portafilter.cri;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.grpc.stub.StreamObserver;
import io.portafilter.cri.v1.Image;
import io.portafilter.cri.v1.ImageServiceGrpc;
import io.portafilter.cri.v1.StreamImagesRequest;
import io.portafilter.cri.v1.StreamImagesResponse;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Lists as streams, over a real connection: every item once, in small messages, made no earlier than they are read. */
class ListStreamTest {

    private static final int MANY = 2000;

    private final AtomicInteger made = new AtomicInteger();
    private Supplier<Stream<Image>> list = Stream::empty;
    private Server server;
    private ManagedChannel channel;

    @BeforeEach
    void listen() throws IOException {
        server = NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                .intercept(new StatusInterceptor())
                .addService(new ImageServiceGrpc.ImageServiceImplBase() {
                    @Override
                    public void streamImages(StreamImagesRequest request, StreamObserver<StreamImagesResponse> answer) {
                        ListStream.send(
                                answer,
                                list.get().map(Image::toByteString),
                                StreamImagesResponse.IMAGES_FIELD_NUMBER,
                                images -> StreamImagesResponse.newBuilder()
                                        .setUnknownFields(images)
                                        .build());
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

    /** Images of so many bytes, counted when they are made. */
    private Stream<Image> images(int count, int bytes) {
        return IntStream.range(0, count).mapToObj(number -> {
            int _ = made.incrementAndGet();
            return Image.newBuilder()
                    .setId("image-" + number)
                    .setUsername("x".repeat(bytes))
                    .build();
        });
    }

    private List<StreamImagesResponse> answers() {
        Iterator<StreamImagesResponse> all = ImageServiceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(30, TimeUnit.SECONDS)
                .streamImages(StreamImagesRequest.getDefaultInstance());
        List<StreamImagesResponse> answers = new ArrayList<>();
        all.forEachRemaining(answers::add);
        return answers;
    }

    private static List<String> ids(List<StreamImagesResponse> answers) {
        return answers.stream()
                .flatMap(answer -> answer.getImagesList().stream())
                .map(Image::getId)
                .toList();
    }

    private static List<String> names(int count) {
        return IntStream.range(0, count).mapToObj(number -> "image-" + number).toList();
    }

    @Test
    void withoutItemsThereIsNoMessage() {
        assertThat(answers()).isEmpty();
    }

    @Test
    void everyItemComesOnceInMessagesBelowTheLimit() {
        list = () -> images(MANY, 1000);
        List<StreamImagesResponse> answers = answers();
        assertThat(ids(answers)).isEqualTo(names(MANY));
        assertThat(answers).hasSizeGreaterThan(5);
        assertThat(answers).allMatch(answer -> answer.getSerializedSize() <= ListStream.MESSAGE_BYTES);
    }

    @Test
    void anItemLargerThanAMessageComesAlone() {
        list = () -> Stream.concat(images(3, 10), images(2, 2 * ListStream.MESSAGE_BYTES));
        assertThat(answers().stream().map(StreamImagesResponse::getImagesCount)).containsExactly(3, 1, 1);
    }

    @Test
    void whatTheCallerDoesNotReadIsNotMade() throws InterruptedException {
        list = () -> images(MANY, 10_000);
        AtomicReference<ClientCallStreamObserver<StreamImagesRequest>> call = new AtomicReference<>();
        List<StreamImagesResponse> answers = new ArrayList<>();
        CountDownLatch first = new CountDownLatch(1);
        CountDownLatch ended = new CountDownLatch(1);
        ImageServiceGrpc.newStub(channel)
                .streamImages(
                        StreamImagesRequest.getDefaultInstance(),
                        new ClientResponseObserver<StreamImagesRequest, StreamImagesResponse>() {
                            @Override
                            public void beforeStart(ClientCallStreamObserver<StreamImagesRequest> observer) {
                                observer.disableAutoRequestWithInitial(1);
                                call.set(observer);
                            }

                            @Override
                            public void onNext(StreamImagesResponse answer) {
                                answers.add(answer);
                                first.countDown();
                                if (answers.size() > 1) {
                                    call.get().request(1);
                                }
                            }

                            @Override
                            public void onError(Throwable error) {
                                ended.countDown();
                            }

                            @Override
                            public void onCompleted() {
                                ended.countDown();
                            }
                        });
        assertThat(first.await(10, TimeUnit.SECONDS)).isTrue();
        // the windows of the connection take some 64 KiB to a few MiB, then the server has to wait
        assertThat(steady(made)).isLessThan(MANY / 2);
        call.get().request(1);
        assertThat(ended.await(20, TimeUnit.SECONDS)).isTrue();
        assertThat(ids(answers)).isEqualTo(names(MANY));
    }

    /** The value that it stays at. */
    private static int steady(AtomicInteger number) throws InterruptedException {
        CountDownLatch never = new CountDownLatch(1);
        int last = -1;
        while (last != number.get()) {
            last = number.get();
            assertThat(never.await(300, TimeUnit.MILLISECONDS)).isFalse();
        }
        return last;
    }

    @Test
    void anErrorInTheMiddleReachesTheCaller() {
        list = () -> images(MANY, 1000).peek(image -> {
            if (image.getId().equals("image-1500")) {
                throw CriException.precondition("StreamImages", "the list ends here", "");
            }
        });
        try {
            throw new AssertionError("answered " + answers().size());
        } catch (StatusRuntimeException e) {
            assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.FAILED_PRECONDITION);
        }
    }
}
