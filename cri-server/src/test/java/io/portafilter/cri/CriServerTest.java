package io.portafilter.cri;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.ClientCalls;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.unix.DomainSocketAddress;
import io.portafilter.config.Config;
import io.portafilter.cri.v1.ImageServiceGrpc;
import io.portafilter.cri.v1.RuntimeServiceGrpc;
import io.portafilter.cri.v1.VersionRequest;
import io.portafilter.linux.Kernel;
import io.portafilter.state.StateException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The server without pods: its socket, who may use it, what it answers, its end. */
class CriServerTest {

    private static final String PEER = "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die;"
            + " $s->sysread(my $b, 1); print length($b) ? 'talks' : 'closed'";

    @TempDir
    Path directory;

    private Config config;
    private CriServer server;
    private EventLoopGroup events;
    private ManagedChannel channel;

    @BeforeEach
    void start() {
        assumeTrue(Kernel.geteuid() == 0, "root is missing: a server protects its directories and looks at cgroups");
        config = Config.defaults()
                .at(directory.resolve("root"), directory.resolve("state"), directory.resolve("state/server.sock"));
        server = CriServer.start(config);
        events = new MultiThreadIoEventLoopGroup(1, EpollIoHandler.newFactory());
        channel = NettyChannelBuilder.forAddress(
                        new DomainSocketAddress(config.listen().toString()))
                .eventLoopGroup(events)
                .channelType(EpollDomainSocketChannel.class)
                .usePlaintext()
                .overrideAuthority("localhost")
                .build();
    }

    @AfterEach
    void end() throws InterruptedException {
        if (channel != null) {
            assertThat(channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS))
                    .isTrue();
            assertThat(events.shutdownGracefully(0, 1, TimeUnit.SECONDS).await(5, TimeUnit.SECONDS))
                    .isTrue();
            server.close();
        }
    }

    private static String mode(Path path) throws IOException {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
    }

    private static String run(String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(20, TimeUnit.SECONDS)).isTrue();
        return output;
    }

    @Test
    void theSocketAndWhatLiesBesideItAreForRootAlone() throws IOException {
        server.awaitReady();
        assertThat(mode(config.listen())).isEqualTo("rw-------");
        try (Stream<Path> all = Files.walk(directory)) {
            List<Path> open = new ArrayList<>();
            // what is in a layer has the modes that containers see; its directory lets nobody in
            List<Path> layers = Stream.of("mount-points/fs", "empty/upper", "empty/lower")
                    .map(config.root()::resolve)
                    .toList();
            for (Path path : all.filter(
                            path -> !path.equals(directory) && layers.stream().noneMatch(path::startsWith))
                    .toList()) {
                if (!mode(path).endsWith("------")) {
                    open.add(path);
                }
            }
            assertThat(open).isEmpty();
        }
    }

    /** An administrator made them, or an older version: nobody else may enter them from now on (CVE-2021-41103). */
    @Test
    void directoriesThatAreOpenToOthersAreClosed() throws IOException {
        server.awaitReady();
        server.close();
        for (Path path : List.of(config.root(), config.state())) {
            Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rwxr-xr-x"));
        }
        server = CriServer.start(config);
        assertThat(mode(config.root())).isEqualTo("rwx------");
        assertThat(mode(config.state())).isEqualTo("rwx------");
    }

    @Test
    void anotherUserIsTurnedAwayEvenWhereTheModesLetItIn() throws IOException, InterruptedException {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/setpriv")), "setpriv of util-linux is missing");
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/perl")), "perl is missing");
        for (Path path : List.of(directory, config.state(), config.listen())) {
            Files.setPosixFilePermissions(path, PosixFilePermissions.fromString("rwxrwxrwx"));
        }
        String socket = config.listen().toString();
        assertThat(run("/usr/bin/perl", "-e", PEER, socket)).isEqualTo("talks");
        assertThat(run("/usr/bin/setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/perl", "-e", PEER, socket))
                .isEqualTo("closed");
    }

    @Test
    void versionAnswersWithFourTexts() {
        var version = RuntimeServiceGrpc.newBlockingStub(channel).version(VersionRequest.getDefaultInstance());
        assertThat(version.getVersion()).isEqualTo("0.1.0");
        assertThat(version.getRuntimeName()).isEqualTo("portafilter");
        assertThat(version.getRuntimeVersion()).isNotEmpty();
        assertThat(version.getRuntimeApiVersion()).isEqualTo("v1");
    }

    /** Which ones those are is told by docs/cri.md, to which {@link CriTableTest} holds the code. */
    @Test
    void everyCallThatIsNotOfferedSaysSoByItsName() {
        for (MethodDescriptor<?, ?> method : Stream.of(
                        RuntimeServiceGrpc.getServiceDescriptor(), ImageServiceGrpc.getServiceDescriptor())
                .flatMap(service -> service.getMethods().stream())
                .toList()) {
            Status status = call(method);
            assertThat(status.getDescription()).as(method.getFullMethodName()).doesNotContain("Method not found");
            if (status.getCode() == Status.Code.UNIMPLEMENTED) {
                assertThat(status.getDescription()).startsWith(method.getBareMethodName() + ": ");
            }
        }
    }

    /** Calls with an empty request. */
    private <Q, A> Status call(MethodDescriptor<Q, A> method) {
        Q request = method.parseRequest(new java.io.ByteArrayInputStream(new byte[0]));
        try {
            var answers = ClientCalls.blockingServerStreamingCall(
                    channel, method, io.grpc.CallOptions.DEFAULT.withDeadlineAfter(10, TimeUnit.SECONDS), request);
            while (answers.hasNext()) {
                assertThat(answers.next()).isNotNull();
            }
            return Status.OK.withDescription("");
        } catch (StatusRuntimeException e) {
            return e.getStatus();
        }
    }

    @Test
    void aSecondServerIsRefusedNamingTheFirst() {
        assertThatThrownBy(() -> CriServer.start(config))
                .isInstanceOf(StateException.class)
                .hasMessageContaining(Long.toString(ProcessHandle.current().pid()));
    }

    @Test
    void atItsEndTheSocketIsGoneAndAnotherServerStarts() {
        server.awaitReady();
        server.close();
        assertThat(config.listen()).doesNotExist();
        server = CriServer.start(config);
        server.awaitReady();
        assertThat(config.listen()).exists();
    }
}
