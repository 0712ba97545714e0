package io.portafilter.e2e.kubelet;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.gson.JsonObject;
import io.portafilter.e2e.Await;
import io.portafilter.e2e.Live;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What the node tells of its pods' use, to whoever scrapes it. */
class NodeStatsTest {
    private static final Duration LIMIT = Duration.ofMinutes(3);

    @Order(1)
    @RegisterExtension
    static final Live live = Live.server("", Node::missing);

    @Order(2)
    @RegisterExtension
    static final Node node = Node.of(live);

    private static StaticPod busy() {
        return node.run("busy", """
                containers:
                - name: main
                  image: IMAGE
                  command: [sh, -c, "dd if=/dev/zero of=/written bs=1M count=3; while :; do for i in 1 2 3 4 5 6 7 8 9; do :; done; sleep 0.01; done"]
                  resources: {limits: {memory: 64Mi}}
                """);
    }

    private static Optional<JsonObject> summaryOfMain(StaticPod pod) {
        return node.kubelet()
                .summary(pod)
                .flatMap(it -> Kubelet.find(
                        it.get("containers"), c -> c.get("name").getAsString().equals("main")));
    }

    @Test
    void theSummaryHasWhatAPodAndItsContainersUse() {
        StaticPod pod = busy();
        Await.until(
                "the pod's use is in the summary",
                LIMIT,
                () -> summaryOfMain(pod)
                        .filter(it -> it.has("cpu") && it.getAsJsonObject("cpu").has("usageNanoCores"))
                        .isPresent());
        JsonObject all = node.kubelet().summary(pod).orElseThrow();
        JsonObject main = summaryOfMain(pod).orElseThrow();
        assertThat(main.getAsJsonObject("cpu").get("usageCoreNanoSeconds").getAsLong())
                .isPositive();
        assertThat(main.getAsJsonObject("memory").get("workingSetBytes").getAsLong())
                .isBetween(1L << 12, 64L << 20);
        Await.until(
                "what it wrote is counted",
                LIMIT,
                () -> summaryOfMain(pod)
                        .filter(it ->
                                it.getAsJsonObject("rootfs").get("usedBytes").getAsLong() >= 3 << 20)
                        .isPresent());
        assertThat(all.getAsJsonObject("memory").get("workingSetBytes").getAsLong())
                .isPositive();
        assertThat(all.getAsJsonObject("process_stats").get("process_count").getAsLong())
                .isPositive();
    }

    @Test
    void metricsOfContainersHaveTheLabelsOfTheirPods() {
        StaticPod pod = busy();
        String labels = "container=\"main\",.*namespace=\"default\",pod=\"" + pod.name() + "\"";
        for (String metric : List.of(
                "container_cpu_usage_seconds_total",
                "container_memory_working_set_bytes",
                "container_memory_rss",
                "container_fs_usage_bytes",
                "container_processes",
                "container_start_time_seconds",
                "container_spec_memory_limit_bytes")) {
            Await.until(
                    metric + " is there with " + labels,
                    LIMIT,
                    () -> node.kubelet()
                            .metric("/metrics/cadvisor", metric, labels)
                            .isPresent());
        }
    }
}
