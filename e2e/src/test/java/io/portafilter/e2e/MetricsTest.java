package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.portafilter.cri.v1.ContainerMetrics;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ListMetricDescriptorsRequest;
import io.portafilter.cri.v1.ListPodSandboxMetricsRequest;
import io.portafilter.cri.v1.Metric;
import io.portafilter.cri.v1.MetricDescriptor;
import io.portafilter.cri.v1.MetricType;
import io.portafilter.cri.v1.PodSandboxMetrics;
import io.portafilter.cri.v1.StreamPodSandboxMetricsRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Metrics as kubelet passes them on, next to what the kernel says. */
class MetricsTest {
    @RegisterExtension
    static final Live live = Live.server();

    private static final Duration PATIENCE = Duration.ofSeconds(90);
    private static final long MIB = 1 << 20;

    /** What not every kernel, host or container has. */
    private static final List<String> MAY_LACK = List.of(
            "container_blkio_device_usage_total",
            "container_fs_reads_bytes_total",
            "container_fs_reads_total",
            "container_fs_writes_bytes_total",
            "container_fs_writes_total",
            "container_hugetlb_usage_bytes",
            "container_hugetlb_max_usage_bytes",
            "container_pressure_cpu_stalled_seconds_total",
            "container_pressure_cpu_waiting_seconds_total",
            "container_pressure_memory_stalled_seconds_total",
            "container_pressure_memory_waiting_seconds_total",
            "container_pressure_io_stalled_seconds_total",
            "container_pressure_io_waiting_seconds_total");

    private static Map<String, MetricDescriptor> descriptors() {
        return live
                .cri()
                .runtime()
                .listMetricDescriptors(ListMetricDescriptorsRequest.getDefaultInstance())
                .getDescriptorsList()
                .stream()
                .collect(Collectors.toMap(MetricDescriptor::getName, Function.identity()));
    }

    private static int labels(Map<String, MetricDescriptor> descriptors, Metric metric) {
        return Optional.ofNullable(descriptors.get(metric.getName()))
                .map(MetricDescriptor::getLabelKeysCount)
                .orElse(-1);
    }

    private static List<PodSandboxMetrics> listed() {
        return live.cri()
                .runtime()
                .listPodSandboxMetrics(ListPodSandboxMetricsRequest.getDefaultInstance())
                .getPodMetricsList();
    }

    private static PodSandboxMetrics of(Pod pod) {
        return listed().stream()
                .filter(each -> each.getPodSandboxId().equals(pod.id()))
                .findFirst()
                .orElseThrow();
    }

    private static List<Metric> of(Pod pod, Container container) {
        return of(pod).getContainerMetricsList().stream()
                .filter(each -> each.getContainerId().equals(container.id()))
                .map(ContainerMetrics::getMetricsList)
                .findFirst()
                .orElseThrow();
    }

    /** Of a metric that there is once, or of the one with this label beyond those that all have. */
    private static long value(List<Metric> metrics, String name, String... labels) {
        return metrics.stream()
                .filter(metric -> metric.getName().equals("container_" + name))
                .filter(metric -> metric.getLabelValuesList()
                        .subList(5, 5 + labels.length)
                        .equals(List.of(labels)))
                .mapToLong(metric -> metric.getValue().getValue())
                .findFirst()
                .orElseThrow(() -> new AssertionError("no " + name + " in " + metrics));
    }

    private static Pod podWithInterface() {
        Pod pod = live.pod().run();
        Proc pause = pod.pause();
        if (!pause.read("net/dev").contains("eth0:")) {
            var _ = Commands.run(
                    "nsenter",
                    "--net=/proc/" + pause.pid() + "/ns/net",
                    "sh",
                    "-c",
                    "ip link add eth0 type veth peer name peer0 && ip link set eth0 up && ip link set peer0 up");
        }
        return pod;
    }

    @Test
    void whatIsDescribedIsThereAndWhatIsThereIsDescribed() {
        Map<String, MetricDescriptor> descriptors = descriptors();
        Pod pod = podWithInterface();
        Container container = pod.container(live.busybox())
                .resources(r -> r.setCpuQuota(50_000).setCpuPeriod(100_000).setCpuShares(512))
                .shell("for i in 0 1 2 3 4 5 6 7 8 9; do echo x > /file$i; done; sleep 1000")
                .start();
        PodSandboxMetrics metrics = of(pod);
        List<Metric> all = Stream.concat(metrics.getMetricsList().stream(), of(pod, container).stream())
                .toList();
        assertThat(all).allSatisfy(metric -> {
            assertThat(descriptors).containsKey(metric.getName());
            assertThat(metric.getLabelValuesCount()).as(metric.getName()).isEqualTo(labels(descriptors, metric));
            assertThat(metric.hasValue()).isTrue();
            assertThat(metric.getMetricType() == MetricType.COUNTER)
                    .as(metric.getName())
                    .isEqualTo(!metric.getName().equals("container_fs_inodes_total")
                            && metric.getName().matches(".*_(total|failcnt)"));
        });
        assertThat(all)
                .extracting(metric -> metric.getName() + metric.getLabelValuesList())
                .doesNotHaveDuplicates();
        TreeSet<String> missing = new TreeSet<>(descriptors.keySet());
        all.forEach(metric -> missing.remove(metric.getName()));
        MAY_LACK.forEach(missing::remove);
        if (!pod.pause().read("net/dev").contains("eth0:")) {
            missing.removeIf(name -> name.startsWith("container_network_"));
        }
        assertThat(missing).isEmpty();
        assertThat(descriptors.values()).allSatisfy(descriptor -> {
            assertThat(descriptor.getHelp()).isNotEmpty();
            assertThat(descriptor.getLabelKeysList()).startsWith("pod", "namespace", "container", "id", "image");
        });
        String name = container.status().getMetadata().getName();
        assertThat(of(pod, container))
                .allSatisfy(metric -> assertThat(metric.getLabelValuesList())
                        .startsWith(pod.config().getMetadata().getName(), "e2e", name, container.id(), live.busybox()));
        assertThat(metrics.getMetricsList())
                .allSatisfy(metric -> assertThat(metric.getLabelValuesList())
                        .startsWith(pod.config().getMetadata().getName(), "e2e", "", pod.id(), ""));
    }

    @Test
    void valuesAreWhatTheKernelSays() throws IOException {
        Pod pod = live.pod().run();
        Container container = pod.container(live.busybox())
                .memoryLimit(200 * MIB)
                .resources(r -> r.setCpuQuota(50_000).setCpuPeriod(100_000).setCpuShares(512))
                .shell("dd if=/dev/zero of=/large bs=1M count=10; x=$(head -c 31457280 /dev/zero | tr '\\0' x);"
                        + " sleep 1000 & exec 5< /etc/passwd; : > /ready; while :; do :; done")
                .start();
        Await.until(
                "it is ready",
                PATIENCE,
                () -> container.exec("test", "-e", "/ready").exitCode() == 0);
        Await.until("a second is burnt", PATIENCE, () -> value(of(pod, container), "cpu_usage_seconds_total") >= 1);
        List<Metric> metrics = of(pod, container);
        Proc process = container.process();
        assertThat(value(metrics, "processes")).isEqualTo(2);
        assertThat(value(metrics, "threads")).isEqualTo(2);
        assertThat(value(metrics, "sockets")).isZero();
        long descriptors;
        try (Stream<Path> open = Files.list(process.path("fd"))) {
            descriptors = open.count();
        }
        assertThat(value(metrics, "file_descriptors")).isBetween(descriptors + 1, 2 * descriptors + 2);
        assertThat(value(metrics, "ulimits_soft", "max_open_files"))
                .isEqualTo(process.read("limits")
                        .lines()
                        .filter(line -> line.startsWith("Max open files"))
                        .map(line -> line.split(" {2,}")[1])
                        .mapToLong(Long::parseLong)
                        .findFirst()
                        .orElseThrow());
        assertThat(value(metrics, "spec_memory_limit_bytes")).isEqualTo(200 * MIB);
        assertThat(value(metrics, "spec_cpu_quota")).isEqualTo(50_000);
        assertThat(value(metrics, "spec_cpu_period")).isEqualTo(100_000);
        assertThat(value(metrics, "spec_cpu_shares")).isEqualTo(512);
        assertThat(value(metrics, "memory_rss")).isBetween(30 * MIB, 100 * MIB);
        assertThat(value(metrics, "memory_max_usage_bytes"))
                .isGreaterThanOrEqualTo(value(metrics, "memory_usage_bytes") - MIB);
        assertThat(value(metrics, "memory_failures_total", "pgfault", "container"))
                .isPositive();
        assertThat(value(metrics, "cpu_cfs_periods_total")).isPositive();
        assertThat(metrics)
                .filteredOn(metric -> metric.getName().equals("container_fs_usage_bytes"))
                .singleElement()
                .satisfies(metric -> assertThat(metric.getValue().getValue()).isBetween(10 * MIB, 12 * MIB));
        assertThat(metrics)
                .filteredOn(metric -> metric.getName().equals("container_fs_limit_bytes"))
                .singleElement()
                .satisfies(metric -> assertThat(metric.getValue().getValue())
                        .isCloseTo(Files.getFileStore(live.portafilter().root()).getTotalSpace(), within(MIB)));
        assertThat(value(metrics, "start_time_seconds"))
                .isEqualTo(container.status().getStartedAt() / 1_000_000_000L);
        assertThat(value(metrics, "last_seen")).isCloseTo(System.currentTimeMillis() / 1000, within(120L));
    }

    @Test
    void whatWasKilledForWantOfMemoryIsCounted() {
        Pod pod = live.pod().run();
        Container container = pod.container(live.busybox())
                .memoryLimit(24 * MIB)
                .shell("while :; do sh -c 'x=$(head -c 100000000 /dev/zero | tr \"\\0\" x)'; sleep 1; done")
                .start();
        Await.until("one is killed", PATIENCE, () -> value(of(pod, container), "oom_events_total") > 0);
        assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
    }

    @Test
    void aStreamSaysWhatTheListSaysAndOnlyWhatRunsIsTold() {
        Pod pod = live.pod().run();
        Container running = pod.container(live.busybox()).idle().start();
        var _ = pod.container(live.busybox()).idle().create();
        var _ = pod.container(live.busybox()).command("/bin/true").runToEnd();
        Pod stopped = live.pod().run();
        stopped.stop();
        List<PodSandboxMetrics> streamed = new ArrayList<>();
        live.cri()
                .runtime()
                .streamPodSandboxMetrics(StreamPodSandboxMetricsRequest.getDefaultInstance())
                .forEachRemaining(message -> streamed.addAll(message.getPodSandboxMetricsList()));
        for (List<PodSandboxMetrics> found : List.of(listed(), streamed)) {
            assertThat(found).singleElement().satisfies(metrics -> {
                assertThat(metrics.getPodSandboxId()).isEqualTo(pod.id());
                assertThat(metrics.getContainerMetricsList())
                        .extracting(ContainerMetrics::getContainerId)
                        .containsExactly(running.id());
            });
        }
    }
}
