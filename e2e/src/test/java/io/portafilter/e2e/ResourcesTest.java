package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.Status;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.CreateContainerRequest;
import io.portafilter.cri.v1.LinuxContainerResources;
import io.portafilter.cri.v1.PodSandboxStatusRequest;
import io.portafilter.cri.v1.UpdatePodSandboxResourcesRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.function.Supplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What pods and containers may use, and how it is changed while they live. The judge is the cgroup file system. */
@Tag("vm")
class ResourcesTest {
    @RegisterExtension
    static final Live live = Live.server();

    private static final long MIB = 1 << 20;

    private static LinuxContainerResources shown(Container container) {
        return container.status().getResources().getLinux();
    }

    private static boolean version2() {
        return Files.exists(Path.of("/sys/fs/cgroup/cgroup.controllers"));
    }

    /** The file of a running container's cgroup that has this name on this host's version. */
    private static String limit(Container container, String controller, String version1, String version2) {
        try {
            Path cgroup = container.process().cgroup(controller).orElseThrow();
            return Files.readString(cgroup.resolve(version2() ? version2 : version1))
                    .strip();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String memory(Container container) {
        return limit(container, "memory", "memory.limit_in_bytes", "memory.max");
    }

    private static String shares(Container container) {
        return limit(container, "cpu", "cpu.shares", "cpu.weight");
    }

    private static String quota(Container container) {
        return limit(container, "cpu", "cpu.cfs_quota_us", "cpu.max");
    }

    private static String pids(Container container) {
        return limit(container, "pids", "pids.max", "pids.max");
    }

    @Test
    void theLimitsOfARunningContainerChangeAndItsStatusShowsThem() {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .idle()
                .memoryLimit(48 * MIB)
                .resources(r -> r.setCpuShares(512).setCpuQuota(20_000).setCpuPeriod(100_000))
                .start();
        container.update(r -> r.setMemoryLimitInBytes(96 * MIB).setCpuShares(1024));
        assertThat(memory(container)).isEqualTo("" + 96 * MIB);
        assertThat(shares(container)).isEqualTo(version2() ? "100" : "1024");
        assertThat(quota(container)).isEqualTo(version2() ? "20000 100000" : "20000");
        assertThat(shown(container).getMemoryLimitInBytes()).isEqualTo(96 * MIB);
        assertThat(shown(container).getMemorySwapLimitInBytes()).isEqualTo(96 * MIB);
        assertThat(shown(container).getCpuShares()).isEqualTo(1024);
        assertThat(shown(container).getCpuQuota()).isEqualTo(20_000);

        container.update(r -> r.setCpuQuota(-1).putUnified("pids.max", "77"));
        assertThat(quota(container)).isEqualTo(version2() ? "max 100000" : "-1");
        assertThat(pids(container)).isEqualTo("77");
        assertThat(shown(container).getUnifiedMap()).containsEntry("pids.max", "77");

        live.portafilter().killAndStart();

        assertThat(shown(container).getMemoryLimitInBytes()).isEqualTo(96 * MIB);
        container.update(r -> r.setMemoryLimitInBytes(64 * MIB));
        assertThat(memory(container)).isEqualTo("" + 64 * MIB);
        assertThat(shown(container).getCpuShares()).isEqualTo(1024);
        assertThat(shown(container).getUnifiedMap()).containsEntry("pids.max", "77");
        assertThat(container.shell("echo alive")).isEqualTo("alive");
    }

    @Test
    void aRunningContainerMovesToOtherProcessorsWithAllItsProcesses() throws IOException {
        assumeTrue(Runtime.getRuntime().availableProcessors() > 1, "needs two processors");
        Container container = live.pod().run().container(live.busybox()).idle().start();
        container.update(r -> r.setCpusetCpus("1"));
        assertThat(container.process().read("status")).contains("Cpus_allowed_list:\t1\n");
        assertThat(container.shell("grep Cpus_allowed_list /proc/self/status")).isEqualTo("Cpus_allowed_list:\t1");
        assertThat(container.shell("cat /proc/self/cgroup"))
                .as("an exec is in every cgroup of its container")
                .isEqualTo(container.shell("cat /proc/1/cgroup"));
        container.update(r -> r.setCpusetCpus("0-1"));
        assertThat(container.process().read("status")).contains("Cpus_allowed_list:\t0-1\n");
        container.stop(Duration.ofSeconds(10));
        assertThat(container.status().getExitCode()).isEqualTo(143);
        container.remove();
    }

    @Test
    void aCreatedContainerStartsWithWhatItsUpdateSaid() {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .idle()
                .memoryLimit(48 * MIB)
                .create();
        container.update(r -> r.setMemoryLimitInBytes(96 * MIB).setCpusetCpus("0"));
        assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_CREATED);
        assertThat(shown(container).getCpusetCpus()).isEqualTo("0");
        container.start();
        assertThat(memory(container)).isEqualTo("" + 96 * MIB);
        assertThat(container.shell("grep Cpus_allowed_list /proc/self/status")).isEqualTo("Cpus_allowed_list:\t0");
    }

    @Test
    void anUpdateOfACreatedContainerOutlivesTheServer() {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .idle()
                .memoryLimit(48 * MIB)
                .create();
        container.update(r -> r.setMemoryLimitInBytes(96 * MIB));
        live.portafilter().killAndStart();
        container.update(r -> r.setCpuShares(300));
        container.start();
        assertThat(memory(container)).isEqualTo("" + 96 * MIB);
        assertThat(shown(container).getCpuShares()).isEqualTo(300);
        assertThat(shares(container)).isEqualTo(version2() ? "39" : "300");
    }

    @Test
    void aMemoryLimitBelowTheUseIsRefusedAndNothingChanges() {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .idle()
                .memoryLimit(64 * MIB)
                .resources(r -> r.setCpuShares(512))
                .start();
        String before = shares(container);
        assertThat(container.shell("dd if=/dev/zero of=/dev/shm/filled bs=1M count=24 2>/dev/null; ls /dev/shm"))
                .isEqualTo("filled");
        Refusal refusal = Refusal.of(
                () -> container.update(r -> r.setMemoryLimitInBytes(8 * MIB).setCpuShares(900)));
        assertThat(refusal.code()).isEqualTo(Status.Code.FAILED_PRECONDITION);
        assertThat(refusal.message()).contains("bytes now");
        assertThat(memory(container)).isEqualTo("" + 64 * MIB);
        assertThat(shares(container)).isEqualTo(before);
        assertThat(shown(container).getMemoryLimitInBytes()).isEqualTo(64 * MIB);
        assertThat(container.shell("echo alive")).isEqualTo("alive");
    }

    @Test
    void aMemoryLimitTooSmallToStartWithIsTheRequestsFault() {
        Pod pod = live.pod().run();
        Refusal refusal = Refusal.of(
                () -> pod.container(live.busybox()).memoryLimit(64 << 10).idle().create());
        assertThat(refusal.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusal.message()).contains("memory_limit_in_bytes 65536", "too small");
        assertThat(live.cri().containers())
                .noneMatch(left -> left.getPodSandboxId().equals(pod.id()));
    }

    @Test
    void anUpdateThatFailsOnItsWayTakesBackWhatItDid() {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .idle()
                .memoryLimit(64 * MIB)
                .resources(r -> r.setCpuShares(512).setCpuQuota(50_000).setCpuPeriod(100_000))
                .start();
        String before = shares(container) + quota(container) + memory(container);
        Refusal refusal = Refusal.of(() -> container.update(r -> r.setCpuShares(900)
                .setCpuQuota(70_000)
                .setMemoryLimitInBytes(96 * MIB)
                .setCpusetCpus("4000")));
        assertThat(refusal.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusal.message()).contains("4000");
        assertThat(shares(container) + quota(container) + memory(container)).isEqualTo(before);
        assertThat(shown(container).getCpuShares()).isEqualTo(512);
        assertThat(shown(container).getCpusetCpus()).isEmpty();
    }

    @Test
    void onlyWhatLivesIsUpdated() {
        Container ended =
                live.pod().run().container(live.busybox()).shell("exit 0").runToEnd();
        assertThat(Refusal.of(() -> ended.update(r -> r.setCpuShares(100))).code())
                .isEqualTo(Status.Code.FAILED_PRECONDITION);
        ended.remove();
        assertThat(Refusal.of(() -> ended.update(r -> r.setCpuShares(100))).code())
                .isEqualTo(Status.Code.NOT_FOUND);
        assertThat(Refusal.of(() -> live.pod()
                                .run()
                                .container(live.busybox())
                                .idle()
                                .start()
                                .update(r -> r.setCpuShares(-4)))
                        .code())
                .isEqualTo(Status.Code.INVALID_ARGUMENT);
    }

    @Test
    void everyStatusHasResources() {
        Container container = live.pod().run().container(live.busybox()).idle().create();
        assertThat(container.status().getResources().hasLinux()).isTrue();
        Container limited = live.pod()
                .run()
                .container(live.busybox())
                .idle()
                .resources(r -> r.setMemoryLimitInBytes(64 * MIB).setOomScoreAdj(300))
                .create();
        assertThat(shown(limited).getMemorySwapLimitInBytes()).isEqualTo(64 * MIB);
        assertThat(shown(limited).getOomScoreAdj()).isEqualTo(300);
    }

    @Test
    void theResourcesOfAPodAreShownAndItsCgroupIsKubelets() throws IOException {
        String parent = live.portafilter().cgroupParent() + "/kubepods/pod" + UUID.randomUUID();
        Pod pod = live.pod()
                .configure(p -> p.getLinuxBuilder()
                        .setCgroupParent(parent)
                        .setOverhead(LinuxContainerResources.newBuilder().setCpuShares(20)))
                .run();
        Container container = pod.container(live.busybox()).idle().start();
        Path cgroup = container.process().cgroup("cpu").orElseThrow().resolve("..");
        String before = Files.readString(cgroup.resolve(version2() ? "cpu.weight" : "cpu.shares"));
        var _ = live.cri()
                .runtime()
                .updatePodSandboxResources(UpdatePodSandboxResourcesRequest.newBuilder()
                        .setPodSandboxId(pod.id())
                        .setResources(LinuxContainerResources.newBuilder()
                                .setCpuShares(333)
                                .setMemoryLimitInBytes(512 * MIB))
                        .build());
        live.portafilter().killAndStart();
        String info = live.cri()
                .runtime()
                .podSandboxStatus(PodSandboxStatusRequest.newBuilder()
                        .setPodSandboxId(pod.id())
                        .setVerbose(true)
                        .build())
                .getInfoOrThrow("info");
        assertThat(info)
                .contains("\"overhead\":{\"cpu_shares\":20}")
                .contains("\"resources\":{\"cpu_shares\":333,\"memory_limit_in_bytes\":" + 512 * MIB + "}");
        assertThat(Files.readString(cgroup.resolve(version2() ? "cpu.weight" : "cpu.shares")))
                .isEqualTo(before);
        assertThat(Refusal.of(() -> live.cri()
                                .runtime()
                                .updatePodSandboxResources(UpdatePodSandboxResourcesRequest.newBuilder()
                                        .setPodSandboxId("0".repeat(64))
                                        .build()))
                        .code())
                .isEqualTo(Status.Code.NOT_FOUND);
    }

    @Test
    void theSameRequestFindsWhatWasUpdatedAlsoAfterARestart() {
        PodFixture fixture = live.pod();
        Pod pod = fixture.run();
        CreateContainerRequest request = pod.container(live.busybox())
                .idle()
                .resources(resources -> resources.setCpuShares(512))
                .request();
        Supplier<String> create =
                () -> live.cri().runtime().createContainer(request).getContainerId();
        Container container = new Container(live.portafilter(), create.get(), Path.of("/nonexistent"));
        container.update(resources -> resources.setCpuShares(700));
        var _ = live.cri()
                .runtime()
                .updatePodSandboxResources(UpdatePodSandboxResourcesRequest.newBuilder()
                        .setPodSandboxId(pod.id())
                        .setResources(LinuxContainerResources.newBuilder().setCpuShares(900))
                        .build());
        for (boolean restarted : List.of(false, true)) {
            if (restarted) {
                live.portafilter().killAndStart();
            }
            assertThat(create.get()).isEqualTo(container.id());
            assertThat(fixture.run().id()).isEqualTo(pod.id());
            assertThat(shown(container).getCpuShares()).isEqualTo(700);
            // what differs from what was asked first is another request, also when it asks for what there is now
            assertThat(Refusal.of(() -> {
                                CreateContainerRequest.Builder other = request.toBuilder();
                                other.getConfigBuilder()
                                        .getLinuxBuilder()
                                        .getResourcesBuilder()
                                        .setCpuShares(700);
                                var _ = live.cri().runtime().createContainer(other.build());
                            })
                            .code())
                    .isEqualTo(Status.Code.ALREADY_EXISTS);
        }
        container.start();
        assertThat(shares(container)).isEqualTo(version2() ? "75" : "700");
    }
}
