package io.portafilter.e2e.kubelet;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.e2e.Await;
import io.portafilter.e2e.Live;
import io.portafilter.e2e.Proc;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * A kubelet that learns from the server's events what became of its pods (KEP-3386, "evented PLEG") and asks for all of
 * them every five minutes alone.
 */
class EventsTest {
    private static final String CONNECTIONS = "kubelet_evented_pleg_connection_success_count";
    private static final String LATENCY = "kubelet_evented_pleg_connection_latency_seconds_count";

    /** Far less than the time between two lists. */
    private static final Duration LONG_BEFORE_A_LIST = Duration.ofMinutes(2);

    @Order(1)
    @RegisterExtension
    static final Live live = Live.server("", Node::missing);

    @Order(2)
    @RegisterExtension
    static final Node node = Node.of(live, "  EventedPLEG: true\n");

    /** A new one: a kubelet whose server was away lists once a second again, for its life. */
    @BeforeEach
    void startKubeletAnew() {
        node.kubelet().stop();
        var _ = node.kubelet().start();
        Await.until("kubelet is told events", LONG_BEFORE_A_LIST, () -> metric(CONNECTIONS) > 0);
    }

    private static double metric(String name) {
        return node.kubelet().metric("/metrics", name, "").orElse(0);
    }

    @Test
    void endsAndStartsAreLearntFromEvents() {
        double before = metric(LATENCY);
        node.place("ends", """
                containers:
                - {name: ends, image: IMAGE, command: [sh, -c, "sleep 1; exit 3"]}
                - {name: stays, image: IMAGE, command: [sleep, "10000"]}
                """);
        StaticPod ends = node.await(
                "ends",
                "was started again twice",
                LONG_BEFORE_A_LIST,
                it -> it.container("ends").restarts() >= 2
                        && it.container("stays").running());
        assertThat(ends.container("ends").exitCode()).isEqualTo(3);
        assertThat(ends.container("stays").restarts()).isZero();
        node.place("done", """
                restartPolicy: Never
                initContainers:
                - {name: first, image: IMAGE, command: ["true"]}
                containers:
                - {name: main, image: IMAGE, command: [sh, -c, "exit 0"]}
                """);
        StaticPod _ = node.await(
                "done", "has succeeded", LONG_BEFORE_A_LIST, it -> it.phase().equals("Succeeded"));

        // created, started, stopped of each of these containers at least
        assertThat(metric(LATENCY) - before).isGreaterThan(12);
    }

    @Test
    void whatIsKilledIsStartedAgain() {
        StaticPod pod = node.idle("killed");
        ProcessHandle.of(node.pid(pod.container("main"))).orElseThrow().destroyForcibly();
        StaticPod again = node.await(
                "killed",
                "runs again",
                LONG_BEFORE_A_LIST,
                it -> it.container("main").restarts() == 1
                        && it.container("main").running());
        assertThat(again.container("main").exitCode()).isEqualTo(137);
    }

    @Test
    void whenTheServerIsKilledContainersStayAndTheirEndsAreSeenAgain() {
        StaticPod pod = node.idle("survives");
        long pid = node.pid(pod.container("main"));
        live.portafilter().killAndStart();
        // Not a wait for a condition: what must not happen has the time of several looks to happen.
        LockSupport.parkNanos(Duration.ofSeconds(10).toNanos());
        assertThat(node.awaitReady("survives").container("main").restarts()).isZero();
        assertThat(Proc.isAlive(pid)).isTrue();

        ProcessHandle.of(pid).orElseThrow().destroyForcibly();
        StaticPod _ = node.await(
                "survives",
                "runs again",
                LONG_BEFORE_A_LIST,
                it -> it.container("main").restarts() == 1
                        && it.container("main").running());
    }
}
