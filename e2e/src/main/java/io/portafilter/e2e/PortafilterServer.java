package io.portafilter.e2e;

import io.portafilter.cri.v1.VersionRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

/**
 * A server of its own: root, state, socket, configuration and log below one temporary directory, cgroups below one
 * parent, so that several live side by side and all that belongs to one can be told.
 *
 * <p>Not safe for several threads: start, kill and restart are called by one.
 */
public final class PortafilterServer implements CriServer {
    private static final Duration START = Duration.ofSeconds(30);
    private static final Duration END = Duration.ofSeconds(15);
    private static final AtomicInteger NUMBER = new AtomicInteger();

    /** What /run is on a host with systemd; the bare directory stands in where it is none. */
    private static final Path TMPFS = Path.of("/dev/shm");

    /** A line of the configuration; cgroups of such a server are systemd's, in a slice of its own. */
    public static final String SYSTEMD_DRIVER = "cgroup_driver = \"systemd\"\n";

    private static final String SLICE = ".slice";

    private final Path base;
    private final Path state;
    private final String cgroupParent;
    private Optional<Process> process = Optional.empty();
    private Optional<Cri> cri = Optional.empty();

    private PortafilterServer(Path base, Path state, String cgroupParent) {
        this.base = base;
        this.state = state;
        this.cgroupParent = cgroupParent;
    }

    /** A configured server that does not run yet. */
    public static PortafilterServer configured() {
        return configured("");
    }

    /** @param moreToml lines that the configuration file has besides those that keep servers apart */
    public static PortafilterServer configured(String moreToml) {
        try {
            Path base = Files.createTempDirectory("pf-e2e-");
            Path state = Files.isWritable(TMPFS) ? TMPFS.resolve(base.getFileName()) : base.resolve("state");
            String name = ProcessHandle.current().pid() + "-" + NUMBER.incrementAndGet();
            // a dash in a slice's name would put it into another
            String parent =
                    moreToml.contains(SYSTEMD_DRIVER) ? "/pfe2e" + name.replace('-', '_') + SLICE : "/pf-e2e-" + name;
            Files.createDirectories(base.resolve("certs.d"));
            Files.createDirectories(base.resolve("logs"));
            Files.writeString(
                    base.resolve("config.toml"),
                    """
                    root = "%1$s/root"
                    state = "%3$s"
                    listen = "unix://%3$s/portafilter.sock"
                    cgroup_parent = "%2$s"
                    registry_config_path = ["%1$s/certs.d"]
                    stream_address = "127.0.0.1:0"
                    cni_conf_dir = "%1$s/net.d"
                    cni_cache_dir = "%1$s/cni"
                    netns_dir = "%3$s/netns"
                    """.formatted(base, parent.endsWith(SLICE) ? parent.substring(1) : parent, state) + moreToml);
            return new PortafilterServer(base, state, parent);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static PortafilterServer started() {
        PortafilterServer server = configured();
        server.start();
        return server;
    }

    @Override
    public Path base() {
        return base;
    }

    public Path root() {
        return base.resolve("root");
    }

    @Override
    public Path state() {
        return state;
    }

    public Path socket() {
        return state().resolve("portafilter.sock");
    }

    public Path registryConfig() {
        return base.resolve("certs.d");
    }

    public Path log() {
        return base.resolve("server.log");
    }

    public Path configFile() {
        return base.resolve("config.toml");
    }

    @Override
    public String cgroupParent() {
        return cgroupParent;
    }

    @Override
    public Cri cri() {
        return cri.orElseThrow(() -> new IllegalStateException("the server is not started"));
    }

    public long pid() {
        return process.orElseThrow(() -> new IllegalStateException("the server is not started"))
                .pid();
    }

    /** Spawns the server and waits for its first answer to Version. Answers the time from one to the other. */
    public Duration start() {
        return start(List.of());
    }

    /** @param before a command that starts the launcher, such as {@code unshare -m sh -c '...; exec "$@"' sh} */
    public Duration start(List<String> before) {
        if (isRunning()) {
            throw new IllegalStateException("the server runs already");
        }
        List<String> command = new ArrayList<>(before);
        command.addAll(List.of(
                Tree.launcher().toString(), "serve", "--config", configFile().toString()));
        try {
            long spawn = System.nanoTime();
            Process started = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.appendTo(log().toFile()))
                    .start();
            process = Optional.of(started);
            Await.until("the server listens on " + socket(), START, () -> !started.isAlive() || accepts());
            if (!started.isAlive()) {
                process = Optional.empty();
                throw new AssertionError("the server ended at once: exit status " + started.exitValue());
            }
            cri = Optional.of(new Cri(socket()));
            var _ = cri().runtime(START).withWaitForReady().version(VersionRequest.getDefaultInstance());
            return Duration.ofNanos(System.nanoTime() - spawn);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (AssertionError e) {
            throw new AssertionError(e.getMessage() + "\nserver log:\n" + logTail(), e);
        }
    }

    private boolean accepts() {
        if (!Files.exists(socket())) {
            return false;
        }
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            return channel.connect(UnixDomainSocketAddress.of(socket()));
        } catch (IOException e) {
            return false; // a socket file of a server that was killed
        }
    }

    /** Waits until recovery is over: the first answer to a call that waits for it. */
    public void awaitRecovery() {
        var _ = cri().pods();
    }

    /** SIGKILL. Containers live on. */
    public void kill() {
        end(true);
    }

    /** A crash and what follows it: SIGKILL, another server of the same directories, its recovery. */
    public void killAndStart() {
        kill();
        var _ = start();
        awaitRecovery();
    }

    /** SIGTERM, and waits for the end. Answers the exit status. */
    public int terminate() {
        return end(false);
    }

    private int end(boolean forcibly) {
        Process running = process.orElseThrow(() -> new IllegalStateException("the server is not started"));
        cri.ifPresent(Cri::close);
        cri = Optional.empty();
        process = Optional.empty();
        if (forcibly) {
            var _ = running.destroyForcibly();
        } else {
            running.destroy();
        }
        try {
            if (!running.waitFor(Await.patient(END).toMillis(), TimeUnit.MILLISECONDS)) {
                var _ = running.destroyForcibly();
                throw new AssertionError("the server does not end at SIGTERM\n" + logTail());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return -1;
        }
        return running.exitValue();
    }

    public boolean isRunning() {
        return process.map(Process::isAlive).orElse(false);
    }

    public String logText() {
        try {
            return Files.exists(log()) ? Files.readString(log()) : "";
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public String logTail() {
        List<String> lines = logText().lines().toList();
        return String.join("\n", lines.subList(Math.max(0, lines.size() - 40), lines.size()));
    }

    /** Removes all pods, ends the server, removes what the temporary directory and the cgroup parent hold. */
    @Override
    public void close() {
        try {
            if (isRunning()) {
                cri().pods().forEach(pod -> cri().removePod(pod.getId()));
                var _ = terminate();
            }
        } finally {
            if (process.isPresent()) {
                kill();
            }
            endWhatIsLeft();
        }
    }

    /** Ends processes, cgroups and files that still belong to this server, which does not run any more. */
    private void endWhatIsLeft() {
        takeAsARebootDoes();
        deleteTree(base);
    }

    /** Ends what does not outlive a reboot, of a server that does not run: processes, cgroups, state directory. */
    public void takeAsARebootDoes() {
        Host.processesOf(this)
                .forEach(left -> ProcessHandle.of(left.pid()).ifPresent(p -> {
                    var _ = p.destroyForcibly();
                }));
        Await.until(
                "processes of " + base + " end",
                Duration.ofSeconds(10),
                () -> Host.processesOf(this).isEmpty());
        if (cgroupParent.endsWith(SLICE)) {
            // with all that is in it
            var _ = Commands.run("systemctl", "stop", cgroupParent.substring(1));
        }
        for (Path cgroup : Host.cgroupDirectories(cgroupParent).reversed()) {
            Await.until("cgroup " + cgroup + " is empty", Duration.ofSeconds(5), () -> {
                var _ = Files.deleteIfExists(cgroup);
                return true;
            });
        }
        deleteTree(state());
    }

    static void deleteTree(Path top) {
        try {
            if (!Files.exists(top)) {
                return;
            }
            Path _ = Files.walkFileTree(top, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                    Files.delete(file);
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult postVisitDirectory(
                        Path directory, @org.jspecify.annotations.Nullable IOException e) throws IOException {
                    try (Stream<Path> rest = Files.list(directory)) {
                        if (rest.findAny().isEmpty()) {
                            Files.delete(directory);
                        }
                    }
                    return FileVisitResult.CONTINUE;
                }
            });
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
