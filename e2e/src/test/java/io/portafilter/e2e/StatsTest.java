package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.Status;
import io.portafilter.cri.v1.ContainerStats;
import io.portafilter.cri.v1.ContainerStatsFilter;
import io.portafilter.cri.v1.ContainerStatsRequest;
import io.portafilter.cri.v1.ImageFsInfoRequest;
import io.portafilter.cri.v1.ListContainerStatsRequest;
import io.portafilter.cri.v1.ListPodSandboxStatsRequest;
import io.portafilter.cri.v1.NetworkInterfaceUsage;
import io.portafilter.cri.v1.NetworkUsage;
import io.portafilter.cri.v1.PodSandboxStats;
import io.portafilter.cri.v1.PodSandboxStatsFilter;
import io.portafilter.cri.v1.PodSandboxStatsRequest;
import io.portafilter.cri.v1.StreamContainerStatsRequest;
import io.portafilter.cri.v1.StreamPodSandboxStatsRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What statistics say of a known load, next to what the kernel's own files say. */
class StatsTest {
    @RegisterExtension
    static final Live live = Live.server();

    private static final Duration PATIENCE = Duration.ofSeconds(90);
    private static final long MIB = 1 << 20;

    private static ContainerStats stats(Container container) {
        return live.cri()
                .runtime()
                .containerStats(ContainerStatsRequest.newBuilder()
                        .setContainerId(container.id())
                        .build())
                .getStats();
    }

    private static PodSandboxStats stats(Pod pod) {
        return live.cri()
                .runtime()
                .podSandboxStats(PodSandboxStatsRequest.newBuilder()
                        .setPodSandboxId(pod.id())
                        .build())
                .getStats();
    }

    private static List<ContainerStats> listed(ContainerStatsFilter filter) {
        return live.cri()
                .runtime()
                .listContainerStats(
                        ListContainerStatsRequest.newBuilder().setFilter(filter).build())
                .getStatsList();
    }

    private static List<PodSandboxStats> listed(PodSandboxStatsFilter filter) {
        return live.cri()
                .runtime()
                .listPodSandboxStats(ListPodSandboxStatsRequest.newBuilder()
                        .setFilter(filter)
                        .build())
                .getStatsList();
    }

    private static Path cgroup(Container container, String controller) {
        return container.process().cgroup(controller).orElseThrow();
    }

    /** Nanoseconds, as the kernel counts them now. */
    private static long processorTime(Path cgroup) throws IOException {
        Path v1 = cgroup.resolve("cpuacct.usage");
        return Files.exists(v1)
                ? Long.parseLong(Files.readString(v1).strip())
                : number(keyed(cgroup.resolve("cpu.stat")), "usage_usec") * 1000;
    }

    private static Map<String, Long> keyed(Path file) throws IOException {
        return Files.readAllLines(file).stream()
                .map(line -> line.split(" "))
                .collect(Collectors.toMap(words -> words[0], words -> Long.valueOf(words[1])));
    }

    private static long number(Map<String, Long> values, String key) {
        return Optional.ofNullable(values.get(key)).orElseThrow(() -> new AssertionError("no " + key));
    }

    private static Path above(Path cgroup) {
        return cgroup.resolve("..").normalize();
    }

    private static void awaitFile(Container container, String path) {
        Await.until(
                path + " is there",
                PATIENCE,
                () -> container.exec("test", "-e", path).exitCode() == 0);
    }

    @Test
    void processorTimeIsWhatTheKernelCounts() throws IOException {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .shell("while :; do :; done")
                .start();
        Path cgroup = cgroup(container, "cpuacct");
        Await.until("half a second is burnt", PATIENCE, () -> processorTime(cgroup) > 500_000_000);
        long before = processorTime(cgroup);
        ContainerStats first = stats(container);
        long after = processorTime(cgroup);
        assertThat(first.getCpu().getUsageCoreNanoSeconds().getValue()).isBetween(before, after);
        assertThat(first.getCpu().getTimestamp()).isPositive();
        assertThat(first.getCpu().hasUsageNanoCores()).isFalse();
        Await.until("there is a rate", PATIENCE, () -> stats(container).getCpu().hasUsageNanoCores());
        ContainerStats second = stats(container);
        double elapsed = second.getCpu().getTimestamp() - first.getCpu().getTimestamp();
        long used = second.getCpu().getUsageCoreNanoSeconds().getValue()
                - first.getCpu().getUsageCoreNanoSeconds().getValue();
        assertThat(second.getCpu().getUsageNanoCores().getValue() / 1e9).isCloseTo(used / elapsed, within(0.5));
    }

    @Test
    void memoryIsWhatTheKernelCounts() throws IOException {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .memoryLimit(400 * MIB)
                .shell("x=$(head -c 52428800 /dev/zero | tr '\\0' x); : > /ready; while :; do sleep 1000; done")
                .start();
        awaitFile(container, "/ready");
        Path memory = cgroup(container, "memory");
        ContainerStats stats = stats(container);
        boolean v1 = Files.exists(memory.resolve("memory.usage_in_bytes"));
        Map<String, Long> counted = keyed(memory.resolve("memory.stat"));
        long usage = Long.parseLong(Files.readString(memory.resolve(v1 ? "memory.usage_in_bytes" : "memory.current"))
                .strip());
        long inactive = number(counted, v1 ? "total_inactive_file" : "inactive_file");
        long tolerated = 2 * MIB;
        assertThat(stats.getMemory().getTimestamp()).isPositive();
        assertThat(stats.getMemory().getRssBytes().getValue())
                .isGreaterThan(50 * MIB)
                .isCloseTo(number(counted, v1 ? "total_rss" : "anon"), within(tolerated));
        assertThat(stats.getMemory().getUsageBytes().getValue()).isCloseTo(usage, within(tolerated));
        long workingSet = stats.getMemory().getWorkingSetBytes().getValue();
        assertThat(workingSet).isCloseTo(usage - inactive, within(tolerated));
        assertThat(stats.getMemory().getAvailableBytes().getValue()).isEqualTo(400 * MIB - workingSet);
        assertThat(stats.getMemory().getPageFaults().getValue()).isPositive();
        // pressure is counted in version 2 alone
        assertThat(stats.getMemory().hasPsi()).isEqualTo(Files.exists(memory.resolve("memory.pressure")));
        assertThat(stats.hasIo()).isEqualTo(Files.exists(memory.resolve("io.pressure")));
    }

    @Test
    void withoutALimitNothingIsSaidOfWhatIsLeft() {
        Container container = live.pod().run().container(live.busybox()).idle().start();
        assertThat(stats(container).getMemory().hasUsageBytes()).isTrue();
        assertThat(stats(container).getMemory().hasAvailableBytes()).isFalse();
    }

    @Test
    void whatAContainerWritesIntoItsFileSystemIsCounted() {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .shell("dd if=/dev/zero of=/large bs=1M count=10; mkdir /d; : > /d/a; : > /d/b; : > /ready; sleep 1000")
                .start();
        awaitFile(container, "/ready");
        ContainerStats stats = stats(container);
        assertThat(stats.getWritableLayer().getUsedBytes().getValue()).isBetween(10 * MIB, 11 * MIB);
        assertThat(stats.getWritableLayer().getInodesUsed().getValue()).isBetween(6L, 30L);
        assertThat(stats.getWritableLayer().getTimestamp()).isPositive();
        assertThat(stats.getWritableLayer().getFsId())
                .isEqualTo(live.cri()
                        .images()
                        .imageFsInfo(ImageFsInfoRequest.getDefaultInstance())
                        .getContainerFilesystems(0)
                        .getFsId());
        // it is counted again after a while
        var _ = container.shell("dd if=/dev/zero of=/more bs=1M count=10 2> /dev/null");
        Await.until(
                "20 MiB are told",
                PATIENCE,
                () -> stats(container).getWritableLayer().getUsedBytes().getValue() > 20 * MIB);
    }

    @Test
    void aLayerOfManyFilesIsCountedWhileNobodyWaits() {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .shell("mkdir /m && cd /m; i=0; while [ $i -lt 5000 ]; do : > $i; ln -s / l$i; i=$((i+1)); done;"
                        + " cd /; i=0; while [ $i -lt 500 ]; do mkdir d && cd d; i=$((i+1)); done;"
                        + " : > /ready; sleep 1000")
                .start();
        awaitFile(container, "/ready");
        ContainerStats first = stats(container);
        assertThat(first.getCpu().getTimestamp()).isPositive();
        assertThat(first.hasWritableLayer()).isFalse();
        Await.until("it is counted", PATIENCE, () -> stats(container).hasWritableLayer());
        assertThat(stats(container).getWritableLayer().getInodesUsed().getValue())
                .isBetween(10_502L, 10_540L);
    }

    @Test
    void anEndedContainerHasNothingButWhatItIsAndWrote() {
        Pod pod = live.pod().run();
        Container created = pod.container(live.busybox()).idle().create();
        Container ended = pod.container(live.busybox())
                .configure(c -> c.putLabels("app", "web").putAnnotations("note", "kept"))
                .shell("dd if=/dev/zero of=/large bs=1M count=3")
                .runToEnd();
        for (Container container : List.of(created, ended)) {
            ContainerStats stats = stats(container);
            assertThat(stats.getAttributes().getId()).isEqualTo(container.id());
            assertThat(stats.hasCpu()).isFalse();
            assertThat(stats.hasMemory()).isFalse();
            assertThat(stats.hasSwap()).isFalse();
        }
        ContainerStats stats = stats(ended);
        assertThat(stats.getAttributes().getMetadata().getName())
                .isEqualTo(ended.status().getMetadata().getName());
        assertThat(stats.getAttributes().getLabelsMap()).containsEntry("app", "web");
        assertThat(stats.getAttributes().getAnnotationsMap()).containsEntry("note", "kept");
        assertThat(stats.getWritableLayer().getUsedBytes().getValue()).isGreaterThan(3 * MIB);
    }

    @Test
    void aPodsNumbersAreThoseOfItsCgroup() throws IOException {
        Pod pod = live.pod()
                .configure(p -> p.putLabels("app", "web").putAnnotations("note", "kept"))
                .run();
        Container busy = pod.container(live.busybox())
                .shell("sleep 1000 & while :; do :; done")
                .start();
        Container idle = pod.container(live.busybox()).idle().start();
        Path ofPod = above(cgroup(busy, "cpuacct"));
        Await.until("half a second is burnt", PATIENCE, () -> processorTime(ofPod) > 500_000_000);
        long before = processorTime(ofPod);
        PodSandboxStats stats = stats(pod);
        assertThat(stats.getLinux().getCpu().getUsageCoreNanoSeconds().getValue())
                .isBetween(before, processorTime(ofPod));
        assertThat(stats.getAttributes().getId()).isEqualTo(pod.id());
        assertThat(stats.getAttributes().getMetadata()).isEqualTo(pod.config().getMetadata());
        assertThat(stats.getAttributes().getLabelsMap()).containsEntry("app", "web");
        assertThat(stats.getAttributes().getAnnotationsMap()).containsEntry("note", "kept");
        assertThat(stats.getLinux().getContainersList())
                .extracting(container -> container.getAttributes().getId())
                .containsExactlyInAnyOrder(busy.id(), idle.id());
        assertThat(stats.getLinux().getContainersList()).allSatisfy(container -> {
            assertThat(container.getCpu().getUsageCoreNanoSeconds().getValue())
                    .isLessThanOrEqualTo(stats(pod)
                            .getLinux()
                            .getCpu()
                            .getUsageCoreNanoSeconds()
                            .getValue());
            assertThat(container.getMemory().getUsageBytes().getValue()).isPositive();
        });
        assertThat(stats.getLinux().getMemory().getWorkingSetBytes().getValue()).isPositive();
        long tasks = Long.parseLong(Files.readString(above(cgroup(busy, "pids")).resolve("pids.current"))
                .strip());
        // two shells with a sleep each, and the pause process
        assertThat(stats.getLinux().getProcess().getProcessCount().getValue())
                .isEqualTo(tasks)
                .isGreaterThanOrEqualTo(5);
    }

    @Test
    void onlyAPodWithAnInterfaceOfItsOwnHasANetwork() {
        assertThat(stats(live.pod().hostNetwork().run()).getLinux().hasNetwork())
                .isFalse();
        Pod pod = live.pod().run();
        boolean hasInterface = interfaces(pod.pause()).contains("eth0:");
        assertThat(stats(pod).getLinux().hasNetwork()).isEqualTo(hasInterface);
    }

    @Test
    void trafficIsCountedForEachInterface() {
        assumeTrue(Files.isExecutable(Path.of("/usr/sbin/ip")), "ip of iproute2 is missing");
        Pod pod = live.pod().run();
        Proc pause = pod.pause();
        assumeTrue(!interfaces(pause).contains("eth0:"), "the pod has an eth0 already");
        // a name that no text has, as an administrator of the namespace may give
        String script = "ip link add \"$(printf 'b\\377d')\" type veth peer name eth0 && ip link set eth0 up"
                + " && ip link set \"$(printf 'b\\377d')\" up && ip addr add 10.99.0.1/24 dev eth0";
        Commands.Outcome made = Commands.run("nsenter", "--net=/proc/" + pause.pid() + "/ns/net", "sh", "-c", script);
        assumeTrue(made.status() == 0, "no veth can be made: " + made);
        // finding neighbours and routers by itself, IPv6 sends
        Await.until("something was sent", PATIENCE, () -> sent(pause, "eth0") > 0);
        NetworkUsage network = stats(pod).getLinux().getNetwork();
        long after = sent(pause, "eth0");
        assertThat(network.getTimestamp()).isPositive();
        assertThat(network.getDefaultInterface().getName()).isEqualTo("eth0");
        assertThat(network.getDefaultInterface().getTxBytes().getValue()).isBetween(1L, after);
        assertThat(network.getDefaultInterface().hasRxErrors()).isTrue();
        assertThat(network.getDefaultInterface().hasTxErrors()).isTrue();
        assertThat(network.getInterfacesList())
                .extracting(NetworkInterfaceUsage::getName)
                .containsExactly("b?d");
        assertThat(network.getInterfaces(0).getRxBytes().getValue()).isPositive();
        assertThat(listed(PodSandboxStatsFilter.getDefaultInstance())).isNotEmpty();
    }

    /** Byte for byte: a name need not be text. */
    private static String interfaces(Proc process) {
        try {
            return Files.readString(process.path("net/dev"), StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static long sent(Proc pause, String name) {
        return interfaces(pause)
                .lines()
                .map(String::strip)
                .filter(line -> line.startsWith(name + ":"))
                .map(line -> line.substring(name.length() + 1).strip().split(" +"))
                .mapToLong(numbers -> Long.parseLong(numbers[8]))
                .findFirst()
                .orElse(0);
    }

    @Test
    void unknownOnesAreNotFoundAndAStoppedPodHasNone() {
        assertThat(Refusal.of(() -> stats(new Container(live.portafilter(), "f".repeat(64), Path.of("/nonexistent"))))
                        .code())
                .isEqualTo(Status.Code.NOT_FOUND);
        Pod pod = live.pod().run();
        assertThat(Refusal.of(() -> stats(new Pod(live.portafilter(), "f".repeat(64), pod.config())))
                        .code())
                .isEqualTo(Status.Code.NOT_FOUND);
        assertThat(listed(PodSandboxStatsFilter.newBuilder().setId(pod.id()).build()))
                .hasSize(1);
        pod.stop();
        assertThat(Refusal.of(() -> stats(pod)).code()).isEqualTo(Status.Code.FAILED_PRECONDITION);
        assertThat(listed(PodSandboxStatsFilter.newBuilder().setId(pod.id()).build()))
                .isEmpty();
    }

    @Test
    void listsAndStreamsTellOfThoseForWhichTheFilterHolds() {
        Pod pod = live.pod().configure(p -> p.putLabels("app", "web")).run();
        Pod other = live.pod().run();
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            int number = i;
            ids.add((i < 4 ? pod : other)
                    .container(live.busybox())
                    .idle()
                    .configure(c -> c.putLabels("number", Integer.toString(number % 2)))
                    .start()
                    .id());
        }
        Map<ContainerStatsFilter, List<String>> expected = Map.of(
                ContainerStatsFilter.getDefaultInstance(),
                ids,
                ContainerStatsFilter.newBuilder().setPodSandboxId(pod.id()).build(),
                ids.subList(0, 4),
                ContainerStatsFilter.newBuilder().setId(ids.get(1)).build(),
                ids.subList(1, 2),
                ContainerStatsFilter.newBuilder()
                        .setPodSandboxId(other.id())
                        .putLabelSelector("number", "1")
                        .build(),
                ids.subList(5, 6),
                ContainerStatsFilter.newBuilder().setId("f".repeat(64)).build(),
                List.of());
        expected.forEach((filter, wanted) -> {
            assertThat(listed(filter))
                    .extracting(stats -> stats.getAttributes().getId())
                    .containsExactlyInAnyOrderElementsOf(wanted);
            List<ContainerStats> streamed = new ArrayList<>();
            live.cri()
                    .runtime()
                    .streamContainerStats(StreamContainerStatsRequest.newBuilder()
                            .setFilter(filter)
                            .build())
                    .forEachRemaining(message -> streamed.addAll(message.getContainerStatsList()));
            assertThat(streamed)
                    .extracting(stats -> stats.getAttributes().getId())
                    .containsExactlyInAnyOrderElementsOf(wanted);
            assertThat(streamed).allMatch(stats -> stats.hasCpu() && stats.hasMemory());
        });
        PodSandboxStatsFilter web = PodSandboxStatsFilter.newBuilder()
                .putLabelSelector("app", "web")
                .build();
        List<PodSandboxStats> streamed = new ArrayList<>();
        live.cri()
                .runtime()
                .streamPodSandboxStats(
                        StreamPodSandboxStatsRequest.newBuilder().setFilter(web).build())
                .forEachRemaining(message -> streamed.addAll(message.getPodSandboxStatsList()));
        for (List<PodSandboxStats> found : List.of(listed(web), streamed)) {
            assertThat(found).singleElement().satisfies(stats -> {
                assertThat(stats.getAttributes().getId()).isEqualTo(pod.id());
                assertThat(stats.getLinux().getContainersList()).hasSize(4);
            });
        }
    }
}
