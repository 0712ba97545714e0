package io.portafilter.cri;

import io.grpc.Server;
import io.grpc.netty.NettyServerBuilder;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.netty.channel.unix.DomainSocketAddress;
import io.portafilter.config.Config;
import io.portafilter.container.ContainerLaunch;
import io.portafilter.container.Host;
import io.portafilter.container.Rollback;
import io.portafilter.image.ImageStore;
import io.portafilter.image.RegistryOptions;
import io.portafilter.linux.EventLoop;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.lsm.AppArmorException;
import io.portafilter.network.PodNetwork;
import io.portafilter.security.SecurityModules;
import io.portafilter.state.ContainerLock;
import io.portafilter.state.Database;
import io.portafilter.state.PodLock;
import io.portafilter.state.Recovery;
import io.portafilter.state.ServerLock;
import io.portafilter.state.StateException;
import io.portafilter.streaming.ContainerLog;
import io.portafilter.streaming.LogLoop;
import io.portafilter.streaming.StreamServer;
import io.portafilter.systemd.Systemd;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * The server: a gRPC server on a unix socket that root alone may use, and behind it the services, as soon as they have
 * taken over what an earlier server left. Closing it ends calls under way in order; pods and containers live on.
 */
public final class CriServer implements AutoCloseable {

    private static final Logger LOG = System.getLogger(CriServer.class.getName());

    /** What kubelet's and crictl's client accept in the other direction. */
    private static final int MAX_MESSAGE_BYTES = 16 << 20;

    private static final int EXITS_AT_ONCE = 4;
    private static final long CALLS_END_SECONDS = 10;
    private static final long HANGING_UP_MILLIS = 100;

    /** Held, or its level would be forgotten: gRPC sets SO_KEEPALIVE, which netty warns that unix sockets do not have. */
    private static final java.util.logging.Logger NETTY_OPTIONS =
            java.util.logging.Logger.getLogger("io.netty.bootstrap");

    private final Config config;
    private final Rollback parts;
    private final Recovered recovered;
    private final Clients clients;
    private final Server server;
    private final Thread takeOver;

    private CriServer(
            Config config, Rollback parts, Recovered recovered, Clients clients, Server server, Thread takeOver) {
        this.config = config;
        this.parts = parts;
        this.recovered = recovered;
        this.clients = clients;
        this.server = server;
        this.takeOver = takeOver;
    }

    /**
     * Listens, and begins to take over what is recorded; calls but the first ones wait for that.
     *
     * @throws io.portafilter.state.StateException when another server uses root, state directory or socket
     * @throws UncheckedIOException when the socket cannot be made
     */
    @SuppressWarnings("MustBeClosedChecker") // closed with the server
    public static CriServer start(Config config) {
        NETTY_OPTIONS.setLevel(java.util.logging.Level.SEVERE);
        Rollback parts = new Rollback();
        try {
            ServerLock lock = ServerLock.take(config.root(), config.state(), config.listen());
            parts.add(lock::close);
            restrict(config.root());
            restrict(config.state());
            Recovered recovered = new Recovered();
            Clients clients = new Clients();
            Server server = listen(config, recovered, clients, parts);
            Thread takeOver = Thread.ofPlatform().name("take-over").start(() -> takeOver(config, recovered, parts));
            return new CriServer(config, parts, recovered, clients, server, takeOver);
        } catch (RuntimeException e) {
            closeAfter(parts, e);
            throw e;
        }
    }

    private static void closeAfter(Rollback parts, RuntimeException cause) {
        try {
            parts.close();
        } catch (RuntimeException e) {
            cause.addSuppressed(e);
        }
    }

    /** What lies there is nobody else's business (CVE-2021-41103). */
    private static void restrict(Path directory) {
        try {
            Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwx------"));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot protect " + directory + ": " + e, e);
        }
    }

    private static Server listen(Config config, Recovered recovered, Clients clients, Rollback parts) {
        EventLoopGroup group = new MultiThreadIoEventLoopGroup(1, EpollIoHandler.newFactory());
        parts.add(() -> group.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(2, TimeUnit.SECONDS));
        ExecutorService calls = Executors.newVirtualThreadPerTaskExecutor();
        parts.add(calls::shutdown);
        PeerCheck peers = new PeerCheck(Kernel.geteuid());
        Path socket = config.listen();
        Path hidden = socket.resolveSibling(
                "." + socket.getFileName() + "." + ProcessHandle.current().pid());
        Path made = hidden.resolve("socket");
        try {
            Files.createDirectory(
                    hidden, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            parts.add(() -> Directories.remove(hidden));
            Server server = NettyServerBuilder.forAddress(new DomainSocketAddress(made.toString()))
                    .bossEventLoopGroup(group)
                    .workerEventLoopGroup(group)
                    .channelFactory(() -> {
                        EpollServerDomainSocketChannel channel = new EpollServerDomainSocketChannel();
                        channel.pipeline().addLast(peers);
                        return channel;
                    })
                    .executor(new CallThreads(group.next(), calls))
                    .maxInboundMessageSize(MAX_MESSAGE_BYTES)
                    .addTransportFilter(clients)
                    .intercept(new Explaining())
                    .intercept(new StatusInterceptor())
                    .addService(new RuntimeRpc(recovered))
                    .addService(new ImageRpc(config, recovered))
                    .addService(new ImportRpc(() -> recovered.services().node().images()))
                    .build()
                    .start();
            parts.add(() -> {
                var _ = server.shutdownNow();
            });
            // made where nobody else can come, then put into its place as a whole
            Files.setPosixFilePermissions(made, PosixFilePermissions.fromString("rw-------"));
            Files.move(made, socket, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            Directories.remove(hidden);
            return server;
        } catch (IOException e) {
            throw new UncheckedIOException("cannot listen on " + socket + ": " + e.getMessage(), e);
        }
    }

    @SuppressWarnings("MustBeClosedChecker") // closed with the server
    private static void takeOver(Config config, Recovered recovered, Rollback parts) {
        try {
            Database database = Database.open(config.root().resolve("portafilter.db"));
            parts.add(database::close);
            Host opened = Host.open(config.state());
            parts.add(opened::close);
            Host host = switch (config.cgroupDriver()) {
                case CGROUPFS -> opened;
                case SYSTEMD -> opened.withSystemd(Systemd.SYSTEM_BUS);
            };
            host.shortcomings().forEach(each -> LOG.log(Level.WARNING, "host.shortcoming what=\"" + each + "\""));
            loadDefaultProfile(host);
            ImageStore images = ImageStore.open(
                    config.root(), database, RegistryOptions.of(config.registryConfigPath(), System.getenv()));
            parts.add(images::close);
            EventLoop writing = EventLoop.start("logs");
            LogLoop logs = LogLoop.on(writing);
            parts.add(logs::close);
            parts.add(writing::close);
            EventLoop ends = EventLoop.start("ends");
            ThreadPoolExecutor exits = new ThreadPoolExecutor(
                    EXITS_AT_ONCE,
                    EXITS_AT_ONCE,
                    10,
                    TimeUnit.SECONDS,
                    new LinkedBlockingQueue<>(),
                    Thread.ofPlatform().name("exits-", 0).daemon().factory());
            exits.allowCoreThreadTimeOut(true);
            Places places = new Places(config.root(), config.state(), config.cgroupDriver(), config.cgroupParent());
            Directories.makeSpread(places.allContainerFiles());
            StreamServer streams = StreamServer.listen(config.streamAddress());
            parts.add(streams::close);
            PodNetwork network = new PodNetwork(config);
            parts.add(network::close);
            Services services = Services.of(
                    config,
                    new Node(
                            host,
                            database,
                            images,
                            ends,
                            logs,
                            exits,
                            places,
                            new PodLock(),
                            new ContainerLock(),
                            new InFlight(),
                            Recovery.currentBootId()),
                    streams,
                    network);
            // closed in reverse: no more ends are seen, those seen are recorded, then the logs are let go
            parts.add(() -> services.containerTable().all().forEach(CriServer::letGo));
            parts.add(() -> awaitAll(exits));
            parts.add(ends::close);
            parts.add(services.layers()::close);
            LOG.log(
                    Level.INFO,
                    "host.features userNamespaces="
                            + services.features().hasUserNamespaces() + " recursiveReadOnlyMounts="
                            + services.features().hasRecursiveReadOnly());
            TakeOver takeOver = new TakeOver(services);
            parts.add(takeOver::close);
            takeOver.run();
            recovered.complete(services);
        } catch (StateException e) {
            recovered.fail(e);
        } catch (RuntimeException | Error e) {
            LOG.log(Level.ERROR, "server.failed", e);
            recovered.fail(e);
        }
    }

    /** Before the first container wants it. What fails here fails again then, and is told to who asked. */
    private static void loadDefaultProfile(Host host) {
        if (host.facts().host().modules().appArmor() instanceof SecurityModules.AppArmor.On) {
            try {
                host.appArmor().loadDefault();
            } catch (AppArmorException | KernelException e) {
                LOG.log(Level.WARNING, "apparmor.failed cause=" + e.getMessage());
            }
        }
    }

    private static void awaitAll(ThreadPoolExecutor exits) {
        exits.shutdown();
        try {
            if (!exits.awaitTermination(CALLS_END_SECONDS, TimeUnit.SECONDS)) {
                LOG.log(
                        Level.WARNING,
                        "server.closing unfinished=" + exits.getQueue().size());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * Returns when everything recorded has been taken over.
     *
     * @throws CriException when that failed, with a sentence that says why
     */
    public void awaitReady() {
        var _ = recovered.services();
    }

    /**
     * Returns when nobody is connected any more: for a server that lives as long as a command.
     *
     * @param ifOthers called once, if there is something to wait for
     */
    public void awaitNoClients(Runnable ifOthers) throws InterruptedException {
        if (!clients.areGoneWithin(HANGING_UP_MILLIS)) {
            ifOthers.run();
            clients.awaitNone();
        }
    }

    /** The directories, locks and the socket are given up; calls under way have ended, or were ended after a while. */
    @Override
    public void close() {
        try {
            var _ = server.shutdown();
            // who listens to events would do so for ever
            recovered.now().ifPresent(services -> services.events().close());
            if (!server.awaitTermination(CALLS_END_SECONDS, TimeUnit.SECONDS)) {
                var _ = server.shutdownNow();
            }
            takeOver.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        removeSocket();
        parts.close();
    }

    /** The log's pipes are left as they are; a prepared process ends with the gate that only this server can open. */
    private static void letGo(LiveContainer container) {
        container.log().ifPresent(ContainerLog::close);
        container.prepared().ifPresent(ContainerLaunch::close);
    }

    private void removeSocket() {
        try {
            Files.deleteIfExists(config.listen());
        } catch (IOException e) {
            LOG.log(Level.WARNING, "server.socket path=" + config.listen() + " cause=" + e);
        }
    }
}
