package io.portafilter.e2e.bench;

import io.portafilter.cri.v1.ContainerStatusRequest;
import io.portafilter.cri.v1.ExecSyncRequest;
import io.portafilter.cri.v1.ListContainersRequest;
import io.portafilter.cri.v1.RemoveContainerRequest;
import io.portafilter.cri.v1.StartContainerRequest;
import io.portafilter.cri.v1.StopContainerRequest;
import io.portafilter.e2e.Container;
import io.portafilter.e2e.CriServer;
import io.portafilter.e2e.Pod;
import io.portafilter.e2e.PodFixture;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Calls of one server, timed in milliseconds at the client. What they need before and leave behind is not timed. */
final class CriCalls {
    private static final int LISTED = 500;
    private static final int EXECS = 100;

    private final CriServer server;
    private final String image;
    private final Pod pod;
    private Optional<Container> running = Optional.empty();
    private int listed;

    /** @param image that the server has */
    CriCalls(CriServer server, String image) {
        this.server = server;
        this.image = image;
        this.pod = PodFixture.pod(server).run();
    }

    /** Where its containers are. */
    Pod pod() {
        return pod;
    }

    private interface Timed {
        double once();
    }

    private static List<Double> times(int n, Timed timed) {
        List<Double> all = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            all.add(timed.once());
        }
        return all;
    }

    /** RunPodSandbox. */
    List<Double> runSandbox(int n) {
        return times(n, () -> {
            PodFixture fixture = PodFixture.pod(server);
            long begin = System.nanoTime();
            Pod ran = fixture.run();
            double took = (System.nanoTime() - begin) / 1e6;
            server.cri().removePod(ran.id());
            return took;
        });
    }

    /**
     * CreateContainer and StartContainer.
     *
     * @param quiet before each
     */
    List<Double> createAndStart(int n, Duration quiet) {
        return times(n, () -> {
            var request = Bench.fixture(pod, image).request();
            var runtime = server.cri().runtime();
            Bench.quiet(quiet);
            long begin = System.nanoTime();
            String id = runtime.createContainer(request).getContainerId();
            var _ = runtime.startContainer(
                    StartContainerRequest.newBuilder().setContainerId(id).build());
            double took = (System.nanoTime() - begin) / 1e6;
            var _ = runtime.removeContainer(
                    RemoveContainerRequest.newBuilder().setContainerId(id).build());
            return took;
        });
    }

    private Container running() {
        Container container = running.orElseGet(() -> Bench.fixture(pod, image).start());
        running = Optional.of(container);
        return container;
    }

    /**
     * ExecSync of a program that ends at once.
     *
     * @param quiet before each
     */
    List<Double> exec(String program, int n, Duration quiet) {
        var request = ExecSyncRequest.newBuilder()
                .setContainerId(running().id())
                .addCmd(program)
                .build();
        return times(n, () -> {
            Bench.quiet(quiet);
            return Bench.millis(() -> {
                int code = server.cri().runtime().execSync(request).getExitCode();
                if (code != 0) {
                    throw new IllegalStateException("exec of " + program + ": exit code " + code);
                }
            });
        });
    }

    /** What {@value #EXECS} execs in a row cost in processor time of everybody involved but the client, for each of them. */
    double execCpu(String program) {
        var _ = running();
        RuntimeProcesses processes = RuntimeProcesses.of(server);
        double before = processes.cpuMillis();
        var _ = exec(program, EXECS, Duration.ZERO);
        return (processes.cpuMillis() - before) / EXECS;
    }

    /**
     * From the start of a container that copies a file to its standard output until its log holds all of it.
     *
     * @param lines of the file that ends with the last line
     */
    double log(Path lines, String last) {
        Container container = pod.container(image)
                .command("/bin/cat", "/lines")
                .readOnlyMount(lines, "/lines")
                .create();
        double took = Bench.millis(() -> {
            container.start();
            while (!endsWith(container.log(), last)) {
                Bench.quiet(Duration.ofMillis(2));
            }
        });
        // or containerd is asked to end what is ending, and may fail at it
        var _ = container.awaitExit();
        container.remove();
        try {
            var _ = Files.deleteIfExists(container.log());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return took;
    }

    private static boolean endsWith(Path log, String last) {
        try (RandomAccessFile file = new RandomAccessFile(log.toFile(), "r")) {
            byte[] end = new byte[last.length() + 1];
            if (file.length() < end.length) {
                return false;
            }
            file.seek(file.length() - end.length);
            file.readFully(end);
            return new String(end, StandardCharsets.ISO_8859_1).equals(last + "\n");
        } catch (IOException e) {
            return false; // not there yet
        }
    }

    /** Pods of one container each that does nothing; they stay. */
    void fill(int pods) {
        for (int i = 0; i < pods; i++) {
            var _ = Bench.fixture(PodFixture.pod(server).run(), image).start();
        }
    }

    /** The server's own processes. */
    RuntimeProcesses processes() {
        return RuntimeProcesses.of(server);
    }

    /** CreateContainer. */
    List<Double> create(int n) {
        return times(n, () -> {
            var fixture = Bench.fixture(pod, image);
            long begin = System.nanoTime();
            Container container = fixture.create();
            double took = (System.nanoTime() - begin) / 1e6;
            container.remove();
            return took;
        });
    }

    /** StopContainer of a running one, at once. */
    List<Double> stop(int n) {
        return times(n, () -> {
            Container container = Bench.fixture(pod, image).start();
            var request = StopContainerRequest.newBuilder()
                    .setContainerId(container.id())
                    .build();
            double took = Bench.millis(() -> {
                var _ = server.cri().runtime().stopContainer(request);
            });
            container.remove();
            return took;
        });
    }

    /** RemoveContainer of one that ran. */
    List<Double> remove(int n) {
        return times(n, () -> {
            Container container = Bench.fixture(pod, image).start();
            container.stop(Duration.ZERO);
            var request = RemoveContainerRequest.newBuilder()
                    .setContainerId(container.id())
                    .build();
            return Bench.millis(() -> {
                var _ = server.cri().runtime().removeContainer(request);
            });
        });
    }

    /** ListContainers without a filter, of {@value #LISTED} that are created and not started. */
    List<Double> list(int n) {
        for (; listed < LISTED; listed++) {
            var _ = Bench.fixture(pod, image).create();
        }
        return times(
                n,
                () -> Bench.millis(() -> {
                    int found = server.cri()
                            .runtime()
                            .listContainers(ListContainersRequest.getDefaultInstance())
                            .getContainersCount();
                    if (found != LISTED) {
                        throw new IllegalStateException(found + " containers listed instead of " + LISTED);
                    }
                }));
    }

    /** ContainerStatus of a running one, not verbose. */
    List<Double> status(int n) {
        var request = ContainerStatusRequest.newBuilder()
                .setContainerId(running().id())
                .build();
        return times(
                n,
                () -> Bench.millis(() -> {
                    var _ = server.cri().runtime().containerStatus(request);
                }));
    }
}
