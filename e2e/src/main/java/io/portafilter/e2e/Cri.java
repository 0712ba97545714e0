package io.portafilter.e2e;

import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.unix.DomainSocketAddress;
import io.portafilter.cri.v1.Image;
import io.portafilter.cri.v1.ImageServiceGrpc;
import io.portafilter.cri.v1.ImageServiceGrpc.ImageServiceBlockingStub;
import io.portafilter.cri.v1.ImageSpec;
import io.portafilter.cri.v1.ImageStatusRequest;
import io.portafilter.cri.v1.ListContainersRequest;
import io.portafilter.cri.v1.ListPodSandboxRequest;
import io.portafilter.cri.v1.PodSandbox;
import io.portafilter.cri.v1.PullImageRequest;
import io.portafilter.cri.v1.RemoveImageRequest;
import io.portafilter.cri.v1.RemovePodSandboxRequest;
import io.portafilter.cri.v1.RuntimeServiceGrpc;
import io.portafilter.cri.v1.RuntimeServiceGrpc.RuntimeServiceBlockingStub;
import io.portafilter.cri.v1.StopPodSandboxRequest;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.logging.Level;
import java.util.logging.Logger;

/** A CRI client on a unix socket, as kubelet and crictl are: the generated stubs, a deadline on every call. */
public final class Cri implements AutoCloseable {
    private static final int LARGEST_ANSWER = 16 << 20;
    private static final Duration DEADLINE = Duration.ofSeconds(60);
    // Kept here: a logger that nobody holds loses its level.
    private static final Logger BOOTSTRAP = Logger.getLogger("io.netty.bootstrap");

    static {
        // gRPC asks for SO_KEEPALIVE, which a unix socket has not.
        BOOTSTRAP.setLevel(Level.SEVERE);
    }

    private final MultiThreadIoEventLoopGroup loop;
    private final ManagedChannel channel;

    public Cri(Path socket) {
        loop = new MultiThreadIoEventLoopGroup(1, EpollIoHandler.newFactory());
        channel = NettyChannelBuilder.forAddress(new DomainSocketAddress(socket.toFile()))
                .eventLoopGroup(loop)
                .channelType(EpollDomainSocketChannel.class, DomainSocketAddress.class)
                .overrideAuthority("localhost")
                .maxInboundMessageSize(LARGEST_ANSWER)
                .usePlaintext()
                .build();
    }

    public ManagedChannel channel() {
        return channel;
    }

    public RuntimeServiceBlockingStub runtime() {
        return runtime(DEADLINE);
    }

    public RuntimeServiceBlockingStub runtime(Duration deadline) {
        return RuntimeServiceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(Await.patient(deadline).toMillis(), TimeUnit.MILLISECONDS);
    }

    /** What ImageStatus says of an image: the default message if there is none. */
    public Image imageStatus(String reference) {
        return images().imageStatus(ImageStatusRequest.newBuilder()
                        .setImage(image(reference))
                        .build())
                .getImage();
    }

    /** RemoveImage, which succeeds for what is not there. */
    public void removeImage(String reference) {
        var _ = images().removeImage(RemoveImageRequest.newBuilder()
                .setImage(image(reference))
                .build());
    }

    public ImageServiceBlockingStub images() {
        return images(DEADLINE);
    }

    public ImageServiceBlockingStub images(Duration deadline) {
        return ImageServiceGrpc.newBlockingStub(channel)
                .withDeadlineAfter(Await.patient(deadline).toMillis(), TimeUnit.MILLISECONDS);
    }

    public static ImageSpec image(String reference) {
        return ImageSpec.newBuilder().setImage(reference).build();
    }

    /** Pulls without credentials and answers the image reference that the server gave. */
    public String pull(String reference) {
        return images().pullImage(
                        PullImageRequest.newBuilder().setImage(image(reference)).build())
                .getImageRef();
    }

    public List<PodSandbox> pods() {
        return runtime()
                .listPodSandbox(ListPodSandboxRequest.getDefaultInstance())
                .getItemsList();
    }

    public List<io.portafilter.cri.v1.Container> containers() {
        return runtime()
                .listContainers(ListContainersRequest.getDefaultInstance())
                .getContainersList();
    }

    public void removePod(String id) {
        var _ = runtime()
                .stopPodSandbox(
                        StopPodSandboxRequest.newBuilder().setPodSandboxId(id).build());
        var _ = runtime()
                .removePodSandbox(
                        RemovePodSandboxRequest.newBuilder().setPodSandboxId(id).build());
    }

    @Override
    public void close() {
        var _ = channel.shutdownNow();
        try {
            if (!channel.awaitTermination(5, TimeUnit.SECONDS)) {
                throw new IllegalStateException("the gRPC channel does not end");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        var _ = loop.shutdownGracefully(0, 2, TimeUnit.SECONDS);
    }
}
