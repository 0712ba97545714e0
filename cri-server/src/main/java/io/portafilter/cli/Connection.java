package io.portafilter.cli;

import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.unix.DomainSocketAddress;
import io.portafilter.config.Config;
import io.portafilter.cri.CriServer;
import io.portafilter.cri.v1.ImageServiceGrpc;
import io.portafilter.cri.v1.RuntimeServiceGrpc;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * A client of the server that listens; if none does, of one that serves in this process until this is closed and no
 * other command uses it any more.
 */
final class Connection implements AutoCloseable {
    private static final int MAXIMUM_ANSWER_BYTES = 16 << 20;

    private final EventLoopGroup events;
    private final ManagedChannel channel;
    private final Optional<CriServer> server;

    private Connection(Path socket, Optional<CriServer> server) {
        this.server = server;
        events = new MultiThreadIoEventLoopGroup(1, EpollIoHandler.newFactory());
        channel = NettyChannelBuilder.forAddress(new DomainSocketAddress(socket.toString()))
                .eventLoopGroup(events)
                .channelType(EpollDomainSocketChannel.class)
                .usePlaintext()
                .overrideAuthority("localhost")
                .maxInboundMessageSize(MAXIMUM_ANSWER_BYTES)
                .build();
    }

    /** Connects, or serves. */
    static Connection open(Config config) throws CommandException {
        // What a server in this process would say at INFO is no news to who typed a command.
        LogLines.install(
                config.logLevel().compareTo(System.Logger.Level.INFO) < 0
                        ? config.logLevel()
                        : System.Logger.Level.WARNING);
        if (listens(config.listen())) {
            return new Connection(config.listen(), Optional.empty());
        }
        if (!isRoot()) {
            throw new CommandException(
                    ExitStatus.FAILED,
                    "no server listens on " + config.listen() + ", and serving in this process needs root");
        }
        CriServer server = ServeCommand.start(config);
        try {
            return new Connection(config.listen(), Optional.of(server));
        } catch (RuntimeException e) {
            server.close();
            throw e;
        }
    }

    private static boolean isRoot() {
        return io.portafilter.linux.Kernel.geteuid() == 0;
    }

    static boolean listens(Path socket) throws CommandException {
        if (!Files.exists(socket)) {
            return false;
        }
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            return channel.connect(UnixDomainSocketAddress.of(socket));
        } catch (IOException e) {
            if (String.valueOf(e.getMessage()).contains("Permission denied")) {
                throw new CommandException(ExitStatus.FAILED, "the server on " + socket + " answers root alone");
            }
            return false;
        }
    }

    RuntimeServiceGrpc.RuntimeServiceBlockingStub runtime() {
        return RuntimeServiceGrpc.newBlockingStub(channel);
    }

    ImageServiceGrpc.ImageServiceBlockingStub images() {
        return ImageServiceGrpc.newBlockingStub(channel);
    }

    ManagedChannel channel() {
        return channel;
    }

    /** What a person is told of a call's failure. */
    static String sentence(Status status) {
        String description = status.getDescription();
        return switch (status.getCode()) {
            case UNAVAILABLE -> "the server does not answer" + (description == null ? "" : ": " + description);
            default -> description == null ? "the server answered " + status.getCode() : description;
        };
    }

    /** Whether the failure says that what was asked about does not exist. */
    static boolean isNotFound(StatusRuntimeException failure) {
        return failure.getStatus().getCode() == Status.Code.NOT_FOUND;
    }

    @Override
    public void close() {
        channel.shutdownNow();
        boolean interrupted = false;
        try {
            boolean _ = channel.awaitTermination(2, TimeUnit.SECONDS);
            if (server.isPresent()) {
                server.get()
                        .awaitNoClients(() -> System.err.println("portafilter: other commands use the server of this"
                                + " one, which ends with the last of them; Ctrl-C ends it now"));
            }
        } catch (InterruptedException e) {
            interrupted = true;
        }
        events.shutdownGracefully(0, 100, TimeUnit.MILLISECONDS).awaitUninterruptibly(1, TimeUnit.SECONDS);
        server.ifPresent(CriServer::close);
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
