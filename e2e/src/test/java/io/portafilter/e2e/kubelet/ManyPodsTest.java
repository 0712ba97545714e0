package io.portafilter.e2e.kubelet;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.e2e.Await;
import io.portafilter.e2e.Host;
import io.portafilter.e2e.Live;
import java.time.Duration;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** As many pods as kubelet runs on a node unless it is told otherwise. */
class ManyPodsTest {
    private static final int PODS = 110;

    @Order(1)
    @RegisterExtension
    static final Live live = Live.server("", Node::missing);

    @Order(2)
    @RegisterExtension
    static final Node node = Node.of(live);

    @Test
    void aNodeFullOfPodsRuns() {
        String _ = node.image();
        node.kubelet().stop();
        for (int i = 0; i < PODS; i++) {
            node.place("pod-" + i, Node.IDLE);
        }
        long begin = System.nanoTime();
        Duration healthy = node.kubelet().start();
        Await.until("all pods run", Duration.ofMinutes(8), () -> {
            java.util.concurrent.locks.LockSupport.parkNanos(
                    Duration.ofMillis(200).toNanos());
            return node.kubelet().pods().values().stream()
                            .filter(pod -> pod.phase().equals("Running") && pod.is("Ready"))
                            .count()
                    == PODS;
        });
        Duration all = Duration.ofNanos(System.nanoTime() - begin);
        assertThat(live.cri().pods()).hasSize(PODS);
        assertThat(live.cri().containers()).hasSize(PODS);
        System.out.println("%d static pods: %d ms from kubelet's start to all of them ready (%d ms until it was well); "
                        .formatted(PODS, all.toMillis(), healthy.toMillis())
                + "PSS of the server "
                + Host.memoryKiB(live.portafilter().pid()).get("Pss") + " KiB");
    }
}
