package io.portafilter.e2e.bench;

import io.portafilter.cri.v1.ContainerStatusRequest;
import io.portafilter.cri.v1.ListContainersRequest;
import io.portafilter.cri.v1.RemoveContainerRequest;
import io.portafilter.cri.v1.StartContainerRequest;
import io.portafilter.cri.v1.StopContainerRequest;
import io.portafilter.e2e.Container;
import io.portafilter.e2e.CriServer;
import io.portafilter.e2e.Pod;
import io.portafilter.e2e.PodFixture;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Calls of one server, timed in milliseconds at the client. What they need before and leave behind is not timed. */
final class CriCalls {
    private static final int LISTED = 500;

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
        Container container = running.orElseGet(() -> Bench.fixture(pod, image).start());
        running = Optional.of(container);
        var request = ContainerStatusRequest.newBuilder()
                .setContainerId(container.id())
                .build();
        return times(
                n,
                () -> Bench.millis(() -> {
                    var _ = server.cri().runtime().containerStatus(request);
                }));
    }
}
