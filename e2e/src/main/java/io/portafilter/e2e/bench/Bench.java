package io.portafilter.e2e.bench;

import io.portafilter.cri.v1.ListImagesRequest;
import io.portafilter.cri.v1.VersionRequest;
import io.portafilter.e2e.Container;
import io.portafilter.e2e.ContainerFixture;
import io.portafilter.e2e.Containerd;
import io.portafilter.e2e.Host;
import io.portafilter.e2e.Pod;
import io.portafilter.e2e.PodFixture;
import io.portafilter.e2e.PortafilterServer;
import io.portafilter.e2e.Proc;
import io.portafilter.e2e.TarWriter;
import io.portafilter.e2e.TestImages;
import io.portafilter.e2e.TestRegistry;
import io.portafilter.e2e.Tree;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.regex.Pattern;

/**
 * The benchmarks that look at a live server from outside. {@code e2e/bench} starts it.
 *
 * <p>Ours and a peer's are measured in alternating blocks of one run, so that what else the machine does falls on both.
 */
public final class Bench {
    private static final Duration QUIET = Duration.ofMillis(300);
    private static final int BLOCKS = 5;
    private static final int BLOCK = 20;
    private static final int ISOLATED_BLOCK = 8;
    private static final Pattern PLUGINS_TOOK = Pattern.compile("pod\\.ready .* plugins_micros=(\\d+)");

    /** Before each measurement: until then the server's methods are interpreted, at twice the time. */
    private static final int WARM_UP = 300;

    /** Before execs: one launch is less of the server's code than a container, and the figure is that of a server at work. */
    private static final int EXEC_WARM_UP = 1000;

    /** containerd is compiled: only its pages are to be touched once. */
    private static final int PEER_WARM_UP = 10;

    private static final int PEER_EXEC_WARM_UP = 100;

    /** Ends at once, and so does {@link #EMPTY}, without a C library's beginning. */
    private static final String TRUE = "/bin/true";

    private static final String EMPTY = "/bin/empty";

    private static final int PODS_BEFORE_MEMORY = 1000;
    private static final int DENSITY = 100;
    private static final Duration REST = Duration.ofMinutes(1);
    private static final int LOG_LINES = 2_000_000;
    private static final List<String> PROGRAM = List.of("/bin/sleep", "1000");

    /** What containerd runs as a pod's first process. */
    private static final String PAUSE = "\"Entrypoint\":[\"/bin/sleep\",\"1000000\"]";

    private final boolean json;
    private final String image;
    private final String pauseImage;

    private Bench(boolean json, String image, String pauseImage) {
        this.json = json;
        this.image = image;
        this.pauseImage = pauseImage;
    }

    /** Arguments: {@code --json} and names; without names, all that this class knows. */
    public static void main(String[] arguments) throws IOException {
        List<String> names = new ArrayList<>(List.of(arguments));
        boolean json = names.remove("--json");
        Map<String, Consumer<Bench>> all = new LinkedHashMap<>();
        all.put("start-container", b -> b.starts("start-container", Duration.ZERO, BLOCK));
        all.put("start-isolated", b -> b.starts("start-isolated", QUIET, ISOLATED_BLOCK));
        all.put("exec-sync", b -> b.execs("exec-sync", Duration.ZERO, BLOCK));
        all.put("exec-isolated", b -> b.execs("exec-isolated", QUIET, ISOLATED_BLOCK));
        all.put("exec-cpu", Bench::execCpu);
        all.put("sandbox", Bench::sandbox);
        all.put("sandbox-cni", Bench::sandboxInNetwork);
        all.put("create", b -> b.calls("create", CriCalls::create));
        all.put("stop", b -> b.calls("stop", CriCalls::stop));
        all.put("remove", b -> b.calls("remove", CriCalls::remove));
        all.put("list", b -> b.calls("list", CriCalls::list));
        all.put("status", b -> b.calls("status", CriCalls::status));
        all.put("logs", Bench::logs);
        all.put("density", Bench::density);
        all.put("server-start", Bench::serverStart);
        all.put("idle-memory", Bench::idleMemory);
        if (Tree.busybox().isEmpty() || Tree.dockerRegistry().isEmpty()) {
            throw new IllegalStateException("busybox-static or docker-registry is missing: start e2e/bench");
        }
        try (TestRegistry registry = TestRegistry.start()) {
            Bench bench = new Bench(
                    json,
                    registry.push(
                            "bench/busybox",
                            "v1",
                            TestImages.busyboxWith(new TarWriter().program(EMPTY.substring(1), EmptyProgram.file()))),
                    registry.push("bench/pause", "v1", TestImages.busybox().withConfig(PAUSE)));
            for (String name : names.isEmpty() ? List.copyOf(all.keySet()) : names) {
                Optional.ofNullable(all.get(name))
                        .orElseThrow(() -> new IllegalArgumentException("no benchmark " + name + ": " + all.keySet()))
                        .accept(bench);
            }
        }
    }

    private void print(Series series) {
        System.out.println(json ? series.json() : series.text());
    }

    private static void say(String line) {
        System.err.println("bench: " + line);
    }

    private PortafilterServer server() {
        PortafilterServer server = PortafilterServer.started();
        var _ = server.cri().pull(image);
        return server;
    }

    static double millis(Runnable measured) {
        long begin = System.nanoTime();
        measured.run();
        return (System.nanoTime() - begin) / 1e6;
    }

    static void quiet(Duration quiet) {
        if (!quiet.isZero()) {
            LockSupport.parkNanos(quiet.toNanos());
        }
    }

    /** Both series, in alternating blocks: ours, then each peer. */
    private void alternate(String name, int block, Measured ours, Map<String, Measured> peers) {
        alternate(name, "ms", block, ours, peers);
    }

    private void alternate(String name, String unit, int block, Measured ours, Map<String, Measured> peers) {
        List<Double> mine = new ArrayList<>();
        Map<String, List<Double>> others = new LinkedHashMap<>();
        peers.keySet().forEach(peer -> others.put(peer, new ArrayList<>()));
        for (int i = 0; i < BLOCKS; i++) {
            mine.addAll(ours.times(block));
            peers.forEach((peer, measured) ->
                    Optional.ofNullable(others.get(peer)).orElseThrow().addAll(measured.times(block)));
        }
        if (others.isEmpty()) {
            print(Series.alone(name, unit, mine));
        }
        others.forEach(
                (peer, measured) -> print(new Series(name, unit, mine, Optional.of(new Series.Peer(peer, measured)))));
    }

    @FunctionalInterface
    private interface Measured {
        List<Double> times(int n);
    }

    static ContainerFixture fixture(Pod pod, String image) {
        return pod.container(image)
                .command(PROGRAM.toArray(new String[0]))
                .memoryLimit(64 << 20)
                .resources(r -> r.setCpuShares(512));
    }

    /** CreateContainer and StartContainer at the client, against {@code run --detach} of runc and crun, and containerd. */
    private void starts(String name, Duration quiet, int block) {
        try (PortafilterServer server = server()) {
            CriCalls ours = new CriCalls(server, image);
            var _ = ours.createAndStart(WARM_UP, Duration.ZERO);
            List<OciPeer> peers = peers(server, ours.pod(), List.of("runc", "crun"));
            try {
                Map<String, Measured> measured = new LinkedHashMap<>();
                peers.forEach(peer -> measured.put(peer.name(), n -> peer.run(n, quiet)));
                withContainerd(containerd -> {
                    containerd.ifPresent(peer -> measured.put("containerd", n -> peer.createAndStart(n, quiet)));
                    alternate(name, block, n -> ours.createAndStart(n, quiet), measured);
                });
            } finally {
                peers.forEach(OciPeer::close);
            }
        }
    }

    /** Of busybox's true, whose own start is in it, then of a program that has none. */
    private void execs(String name, Duration quiet, int block) {
        try (PortafilterServer server = server()) {
            CriCalls ours = new CriCalls(server, image);
            var _ = ours.exec(TRUE, EXEC_WARM_UP, Duration.ZERO);
            List<OciPeer> peers = peers(server, ours.pod(), List.of("runc"));
            try {
                Map<String, Measured> measured = new LinkedHashMap<>();
                peers.forEach(peer -> {
                    peer.keep();
                    measured.put(peer.name(), n -> peer.exec(n, quiet));
                });
                withContainerd(containerd -> {
                    containerd.ifPresent(peer -> {
                        var _ = peer.exec(TRUE, PEER_EXEC_WARM_UP, Duration.ZERO);
                        measured.put("containerd", n -> peer.exec(TRUE, n, quiet));
                    });
                    alternate(name, block, n -> ours.exec(TRUE, n, quiet), measured);
                    alternate(
                            name + "-empty",
                            block,
                            n -> ours.exec(EMPTY, n, quiet),
                            containerd
                                    .map(p -> Map.<String, Measured>of("containerd", n -> p.exec(EMPTY, n, quiet)))
                                    .orElse(Map.of()));
                });
            } finally {
                peers.forEach(OciPeer::close);
            }
        }
    }

    /**
     * Processor time of an exec, a value for each block of them: first with busybox's true, whose own start is in it, then
     * with a program that has none.
     */
    private void execCpu() {
        try (PortafilterServer server = server()) {
            CriCalls ours = new CriCalls(server, image);
            var _ = ours.exec(TRUE, EXEC_WARM_UP, Duration.ZERO);
            withContainerd(peer -> {
                peer.ifPresent(p -> {
                    var _ = p.exec(TRUE, PEER_EXEC_WARM_UP, Duration.ZERO);
                });
                execCpu("exec-cpu", TRUE, ours, peer);
                execCpu("exec-cpu-empty", EMPTY, ours, peer);
            });
        }
    }

    private void execCpu(String name, String program, CriCalls ours, Optional<CriCalls> peer) {
        alternate(
                name,
                1,
                n -> List.of(ours.execCpu(program)),
                peer.map(p -> Map.<String, Measured>of("containerd", n -> List.of(p.execCpu(program))))
                        .orElse(Map.of()));
    }

    /** 200 MB of 100-byte lines through a container's log. */
    private void logs() {
        try (PortafilterServer server = server()) {
            CriCalls ours = new CriCalls(server, image);
            String last = "z".repeat(99);
            Path lines = server.base().resolve("lines");
            writeLines(lines, last);
            double _ = ours.log(lines, last);
            withContainerd(peer -> alternate(
                    "logs",
                    1,
                    n -> List.of(ours.log(lines, last)),
                    peer.map(p -> Map.<String, Measured>of("containerd", n -> List.of(p.log(lines, last))))
                            .orElse(Map.of())));
        }
    }

    private static void writeLines(Path file, String last) {
        try (BufferedWriter writer = Files.newBufferedWriter(file)) {
            for (int i = 1; i < LOG_LINES; i++) {
                writer.write("%099d\n".formatted(i));
            }
            writer.write(last + "\n");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Memory at {@value #DENSITY} pods of one container, and processor time of a minute in which nobody asks anything. */
    private void density() {
        try (PortafilterServer server = server()) {
            CriCalls ours = new CriCalls(server, image);
            ours.fill(DENSITY);
            withContainerd(peer -> {
                peer.ifPresent(p -> p.fill(DENSITY));
                // at rest: both runtimes give back memory of their own only after some time
                quiet(REST);
                RuntimeProcesses mine = ours.processes();
                Optional<RuntimeProcesses> others = peer.map(CriCalls::processes);
                alternate(
                        "density",
                        "KiB",
                        1,
                        n -> List.of(mine.pssKib()),
                        others.map(p -> Map.<String, Measured>of("containerd", n -> List.of(p.pssKib())))
                                .orElse(Map.of()));
                double before = mine.cpuMillis();
                Optional<Double> beforeOthers = others.map(RuntimeProcesses::cpuMillis);
                quiet(Duration.ofMinutes(1));
                List<Double> spent = List.of(mine.cpuMillis() - before);
                print(others.map(p -> new Series(
                                "density-cpu",
                                "ms",
                                spent,
                                Optional.of(new Series.Peer(
                                        "containerd", List.of(p.cpuMillis() - beforeOthers.orElseThrow())))))
                        .orElseGet(() -> Series.alone("density-cpu", "ms", spent)));
            });
        }
    }

    /** Those peers that run here; of the others it is said why not. */
    private static List<OciPeer> peers(PortafilterServer server, Pod pod, List<String> names) {
        List<OciPeer> peers = new ArrayList<>();
        for (String name : names) {
            Optional<Path> program = name.equals("runc") ? Tree.runc() : Tree.crun();
            if (program.isEmpty()) {
                say(name + " is not installed: no comparison with it");
                continue;
            }
            try {
                Path directory = Files.createTempDirectory(server.base(), name);
                Path rootfs = Files.createDirectories(directory.resolve("rootfs"));
                Files.createDirectories(rootfs.resolve("bin"));
                Path busybox = Tree.busybox().orElseThrow();
                Files.copy(busybox, rootfs.resolve("bin/busybox"));
                if (!rootfs.resolve("bin/busybox").toFile().setExecutable(true, false)) {
                    throw new IOException("chmod of the peer's busybox failed");
                }
                for (String applet : List.of("sleep", "true", "sh")) {
                    Files.createSymbolicLink(rootfs.resolve("bin/" + applet), Path.of("busybox"));
                }
                for (String mountPoint : List.of("proc", "dev", "sys")) {
                    Files.createDirectories(rootfs.resolve(mountPoint));
                }
                OciPeer peer = OciPeer.of(
                        name, program.get(), directory, server.state().resolve(name), rootfs, pod, PROGRAM);
                Optional<String> complaint = peer.complaint();
                if (complaint.isPresent()) {
                    say(name + " does not run here: " + complaint.get().strip());
                } else {
                    peers.add(peer);
                }
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        }
        return peers;
    }

    /** RunPodSandbox with namespaces of its own; no CNI, and at the peer plugins that do almost nothing. */
    private void sandbox() {
        calls("sandbox", CriCalls::runSandbox);
    }

    /**
     * With a bridge, beside the plugins that make it alone; and what is left of the call without its plugins. One after the
     * other instead of in blocks: what plugins take depends more on what the machine does else than on who starts them.
     */
    private void sandboxInNetwork() {
        if (!BridgeNetwork.isThere()) {
            say("no plugins in " + BridgeNetwork.PLUGINS + ": install containernetworking-plugins and iptables");
            return;
        }
        try (PortafilterServer server = server();
                BridgeNetwork network = new BridgeNetwork(server.base().resolve("leases"))) {
            Path directory = Files.createDirectories(server.base().resolve("net.d"));
            Files.writeString(directory.resolve("10-bench.conflist"), network.configuration());
            CriCalls ours = new CriCalls(server, image);
            var _ = ours.runSandbox(BLOCK);
            var _ = network.add();
            List<Double> mine = new ArrayList<>();
            List<Double> rest = new ArrayList<>();
            List<Double> plugins = new ArrayList<>();
            for (int i = 0; i < BLOCKS * ISOLATED_BLOCK; i++) {
                double took = ours.runSandbox(1).getFirst();
                mine.add(took);
                rest.add(took - lastPluginMillis(server));
                plugins.add(network.add());
            }
            print(new Series("sandbox-cni", "ms", mine, Optional.of(new Series.Peer("plugins", plugins))));
            print(Series.alone("sandbox-cni-rest", "ms", rest));
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    /** What the plugins of the last pod took, as the server noted it. */
    private static double lastPluginMillis(PortafilterServer server) {
        return PLUGINS_TOOK
                .matcher(server.logText())
                .results()
                .mapToDouble(found -> Long.parseLong(found.group(1)) / 1e3)
                .reduce((_, last) -> last)
                .orElseThrow();
    }

    /** What is timed at the client of both servers. */
    private void calls(String name, BiFunction<CriCalls, Integer, List<Double>> timed) {
        try (PortafilterServer server = server()) {
            CriCalls ours = new CriCalls(server, image);
            var _ = timed.apply(ours, WARM_UP);
            withContainerd(peer -> alternate(
                    name,
                    BLOCK,
                    n -> timed.apply(ours, n),
                    peer.map(p -> Map.<String, Measured>of("containerd", n -> timed.apply(p, n)))
                            .orElse(Map.of())));
        }
    }

    /** Runs with Debian's containerd, or without when that does not run here. */
    private void withContainerd(Consumer<Optional<CriCalls>> measure) {
        if (Tree.containerd().isEmpty() || Tree.runc().isEmpty()) {
            say("containerd or runc is not installed: no comparison with it");
            measure.accept(Optional.empty());
            return;
        }
        Containerd begun;
        try {
            begun = Containerd.started(pauseImage);
        } catch (AssertionError e) {
            say("no comparison with containerd, which does not run here: " + e.getMessage());
            measure.accept(Optional.empty());
            return;
        }
        try (Containerd containerd = begun) {
            var _ = containerd.cri().pull(image);
            CriCalls peer = new CriCalls(containerd, image);
            var _ = peer.createAndStart(PEER_WARM_UP, Duration.ZERO);
            measure.accept(Optional.of(peer));
        }
    }

    /** From the spawn of the launcher to the first answer to Version, on a root that has an image and ended pods. */
    private void serverStart() {
        List<Double> all = new ArrayList<>();
        try (PortafilterServer server = server()) {
            var _ = PodFixture.pod(server).run();
            for (int i = 0; i < 11; i++) {
                var _ = server.terminate();
                double took = server.start().toNanos() / 1e6;
                if (i > 0) {
                    all.add(took);
                }
            }
        }
        print(Series.alone("server-start", "ms", all));
    }

    private void idleMemory() {
        try (PortafilterServer server = server()) {
            rest(server);
            print(memory("idle-memory-server-fresh", List.of(server.pid())));
            Pod pod = PodFixture.pod(server).run();
            Container container = fixture(pod, image).start();
            long pause = pod.pause().pid();
            long monitor = container.process().parent();
            List<Long> monitors = new ArrayList<>(List.of(monitor));
            long above = new Proc(pause).parent();
            if (above != server.pid() && above > 1) {
                monitors.add(above);
            }
            say("a pod of one container has " + monitors.size() + " monitors; idle-memory-monitor is their sum");
            print(memory("idle-memory-monitor", monitors));
            print(memory("idle-memory-pause", List.of(pause)));
            for (int i = 0; i < PODS_BEFORE_MEMORY; i++) {
                Pod passing = PodFixture.pod(server).run();
                Container ended = passing.container(image).command("/bin/true").start();
                ended.remove();
                server.cri().removePod(passing.id());
                if (i % 200 == 199) {
                    say((i + 1) + " of " + PODS_BEFORE_MEMORY + " pods run and removed");
                }
            }
            rest(server);
            print(memory("idle-memory-server", List.of(server.pid())));
        }
    }

    private static void rest(PortafilterServer server) {
        var _ = server.cri().runtime().version(VersionRequest.getDefaultInstance());
        var _ = server.cri().images().listImages(ListImagesRequest.getDefaultInstance());
        quiet(Duration.ofSeconds(2));
    }

    private static Series memory(String name, List<Long> pids) {
        List<Double> samples = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            samples.add(pids.stream()
                    .mapToDouble(pid -> Optional.ofNullable(Host.memoryKiB(pid).get("Pss"))
                            .orElseThrow(() -> new IllegalStateException("no Pss of " + pid)))
                    .sum());
            quiet(Duration.ofMillis(200));
        }
        return Series.alone(name, "KiB", samples);
    }
}
