package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ContainerStatus;
import io.portafilter.cri.v1.LinuxContainerResources;
import io.portafilter.cri.v1.UpdatePodSandboxResourcesRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Containers as scopes of the host's systemd, as {@code systemctl} and the cgroup file system show them. */
@Tag("vm")
class SystemdDriverTest {
    @RegisterExtension
    static final Live live = Live.server(PortafilterServer.SYSTEMD_DRIVER, SystemdDriverTest::missing);

    private static final Path ROOT = Path.of("/sys/fs/cgroup");
    private static final Duration SOON = Duration.ofSeconds(20);
    private static final List<String> FILES = List.of(
            "cpu.max",
            "cpu.weight",
            "cpuset.cpus",
            "io.weight",
            "memory.high",
            "memory.low",
            "memory.max",
            "memory.oom.group",
            "memory.swap.max",
            "pids.max");

    private static String missing() {
        if (!Files.isDirectory(Path.of("/run/systemd/system"))) {
            return "systemd does not run this host";
        }
        return Files.exists(ROOT.resolve("cgroup.controllers")) ? "" : "cgroup version 2 is needed";
    }

    @BeforeAll
    static void nothingIsThereBefore() {
        assertThat(units()).isEmpty();
    }

    /** As kubelet names the slice of a pod. */
    private static PodFixture pod(String uid) {
        String top = live.portafilter().cgroupParent();
        String parent = top + top.replace(".slice", "-pod" + uid + ".slice");
        return live.pod().configure(config -> config.getLinuxBuilder().setCgroupParent(parent));
    }

    private static Path slice(String uid) {
        String top = live.portafilter().cgroupParent().substring(1);
        return ROOT.resolve(top).resolve(top.replace(".slice", "-pod" + uid + ".slice"));
    }

    private static String scope(String id) {
        return "portafilter-" + id + ".scope";
    }

    private static Path cgroup(Proc process) {
        return ROOT.resolve(process.read("cgroup").strip().substring("0::/".length()));
    }

    private static List<String> units() {
        return Commands.run("systemctl", "list-units", "--all", "--no-legend", "--plain", "portafilter-*.scope")
                .orFail()
                .lines()
                .toList();
    }

    private static Map<String, String> shown(String unit, String... properties) {
        Map<String, String> shown = new LinkedHashMap<>();
        Commands.run("systemctl", "show", "--property=" + String.join(",", properties), unit)
                .orFail()
                .lines()
                .forEach(line -> shown.put(line.split("=", 2)[0], line.split("=", 2)[1]));
        return shown;
    }

    private static Map<String, String> files(Path cgroup) {
        Map<String, String> values = new LinkedHashMap<>();
        for (String file : FILES) {
            values.put(file, file(cgroup, file));
        }
        return values;
    }

    /** What outlives a reload: before 253 systemd has no OOMPolicy of scopes, and writes memory.oom.group as it thinks. */
    private static Map<String, String> kept(Map<String, String> files) {
        Map<String, String> kept = new LinkedHashMap<>(files);
        String version = Commands.run("systemctl", "--version").orFail().split(" ")[1];
        if (Integer.parseInt(version) < 253) {
            kept.remove("memory.oom.group");
        }
        return kept;
    }

    private static String file(Path cgroup, String name) {
        try {
            return Files.readString(cgroup.resolve(name)).strip();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** systemd writes what it knows anew when it has reloaded its configuration and something changes in the slice. */
    private static void reloadAndStartAnother(Pod pod) {
        var _ = Commands.run("systemctl", "daemon-reload").orFail();
        var _ = pod.container(live.busybox()).idle().start();
    }

    private static ContainerFixture limited(Pod pod) {
        return pod.container(live.busybox())
                .idle()
                .memoryLimit(64 << 20)
                .resources(r -> r.setCpuShares(512)
                        .setCpuQuota(20_000)
                        .setCpuPeriod(50_000)
                        .setCpusetCpus("0")
                        .putUnified("memory.high", "48M")
                        .putUnified("memory.low", "8388608")
                        .putUnified("memory.oom.group", "1")
                        .putUnified("io.weight", "default 50")
                        .putUnified("pids.max", "77"));
    }

    @Test
    void aContainerIsAScopeInTheSliceOfItsPodWhoseLimitsSystemdKnows() {
        Pod pod = pod("1").run();
        Container container = limited(pod).start();
        Path cgroup = slice("1").resolve(scope(container.id()));
        assertThat(cgroup(container.process())).isEqualTo(cgroup);
        assertThat(cgroup(pod.pause())).isEqualTo(slice("1").resolve(scope(pod.id())));
        // nothing of ours is left in it that it was begun with
        assertThat(file(cgroup, "cgroup.procs").lines().map(pid -> new Proc(Long.parseLong(pid)).read("cmdline")))
                .isNotEmpty()
                .noneMatch(name -> name.startsWith("portafilter"));
        assertThat(cgroup(new Proc(container.process().parent()))).doesNotMatch(path -> path.startsWith(slice("1")));
        assertThat(units()).hasSize(2).allMatch(line -> line.contains(" active running "));
        assertThat(shown(
                        scope(container.id()),
                        "Slice",
                        "Delegate",
                        "OOMPolicy",
                        "MemoryMax",
                        "MemoryHigh",
                        "MemoryLow",
                        "MemorySwapMax",
                        "CPUWeight",
                        "CPUQuotaPerSecUSec",
                        "CPUQuotaPeriodUSec",
                        "IOWeight",
                        "TasksMax",
                        "AllowedCPUs"))
                .containsEntry("Slice", slice("1").getFileName().toString())
                .containsEntry("Delegate", "yes")
                .containsEntry("MemoryMax", "" + (64 << 20))
                .containsEntry("MemoryHigh", "" + (48 << 20))
                .containsEntry("MemoryLow", "" + (8 << 20))
                .containsEntry("MemorySwapMax", "0")
                .containsEntry("CPUWeight", "59")
                .containsEntry("CPUQuotaPerSecUSec", "400ms")
                .containsEntry("CPUQuotaPeriodUSec", "50ms")
                .containsEntry("IOWeight", "50")
                .containsEntry("TasksMax", "77")
                .containsEntry("AllowedCPUs", "0");
        assertThat(container.shell("cat /sys/fs/cgroup/memory.max /proc/self/cgroup"))
                .isEqualTo((64 << 20) + "\n0::/");
    }

    /** Other runtimes let annotations set properties of the unit, and annotations are written by whoever makes a pod. */
    @Test
    void annotationsSetNoPropertiesOfTheScope() {
        Map<String, String> properties = Map.of(
                "MemoryMax", "uint64 1234567",
                "TasksMax", "uint64 3",
                "CPUWeight", "uint64 10000",
                "Description", "'of an annotation'",
                "DevicePolicy", "'auto'",
                "CollectMode", "'inactive'",
                "RuntimeMaxUSec", "uint64 1000000",
                "OOMPolicy", "'continue'");
        String[] names = properties.keySet().stream().sorted().toArray(String[]::new);
        Pod pod = pod("annotated")
                .configure(config -> properties.forEach(
                        (name, value) -> config.putAnnotations("org.systemd.property." + name, value)))
                .run();
        Container annotated = limited(pod)
                .configure(config -> properties.forEach(
                        (name, value) -> config.putAnnotations("org.systemd.property." + name, value)))
                .start();
        Container plain = limited(pod("plain").run()).start();
        Map<String, String> seen = shown(scope(annotated.id()), names);
        assertThat(seen).hasSize(names.length).doesNotContainValue("of an annotation");
        seen.remove("Description");
        Map<String, String> expected = shown(scope(plain.id()), names);
        expected.remove("Description");
        assertThat(seen).isEqualTo(expected);
        assertThat(files(cgroup(annotated.process()))).isEqualTo(files(cgroup(plain.process())));
    }

    @Test
    void limitsAndDeviceRulesOutliveAReloadAndTheStartOfAnotherContainer() {
        Pod pod = pod("2").run();
        Container container = limited(pod).start();
        Path cgroup = cgroup(container.process());
        Map<String, String> before = files(cgroup);
        assertThat(before)
                .containsEntry("cpu.max", "20000 50000")
                .containsEntry("cpu.weight", "59")
                .containsEntry("cpuset.cpus", "0")
                .containsEntry("io.weight", "default 50")
                .containsEntry("memory.high", "" + (48 << 20))
                .containsEntry("memory.low", "" + (8 << 20))
                .containsEntry("memory.max", "" + (64 << 20))
                .containsEntry("memory.oom.group", "1")
                .containsEntry("memory.swap.max", "0")
                .containsEntry("pids.max", "77");
        String tryDevices = "test -e /tmp/kmsg || mknod /tmp/kmsg c 1 11; (head -c 1 /tmp/kmsg 2>&1 || true);"
                + " head -c 3 /dev/zero | wc -c";
        assertThat(container.shell(tryDevices))
                .contains("Operation not permitted")
                .endsWith("3");

        reloadAndStartAnother(pod);
        assertThat(kept(files(cgroup))).isEqualTo(kept(before));
        assertThat(container.shell(tryDevices))
                .contains("Operation not permitted")
                .endsWith("3");

        var _ = Commands.run("systemctl", "daemon-reexec").orFail();
        reloadAndStartAnother(pod);
        assertThat(kept(files(cgroup))).isEqualTo(kept(before));
        assertThat(container.shell(tryDevices))
                .contains("Operation not permitted")
                .endsWith("3");
    }

    /** systemd keeps quotas to a hundredth of a percent of a processor at best. */
    @Test
    void aQuotaOfAFractionIsExactUntilAReloadAndNeverLess() {
        Pod pod = pod("3").run();
        Container container = pod.container(live.busybox())
                .idle()
                .resources(r -> r.setCpuQuota(12_345).setCpuPeriod(100_000))
                .start();
        Path cgroup = cgroup(container.process());
        assertThat(file(cgroup, "cpu.max")).isEqualTo("12345 100000");
        reloadAndStartAnother(pod);
        assertThat(Long.parseLong(file(cgroup, "cpu.max").split(" ")[0])).isBetween(12_345L, 13_000L);
        container.update(r -> r.setCpuShares(512));
        container.update(r -> r.setCpuQuota(23_456));
        assertThat(file(cgroup, "cpu.max")).isEqualTo("23456 100000");
        assertThat(file(cgroup, "cpu.weight")).isEqualTo("59");
    }

    @Test
    void systemdIsToldWhatIsUpdated() {
        Pod pod = pod("4").run();
        Container container = limited(pod).start();
        Path cgroup = cgroup(container.process());
        Map<String, String> expected = files(cgroup);

        var _ = Commands.run("systemctl", "daemon-reload").orFail();
        container.update(r -> r.setMemoryLimitInBytes(96 << 20)
                .setCpuShares(1024)
                .setCpuQuota(-1)
                .putUnified("memory.high", "max"));
        expected.put("memory.max", "" + (96 << 20));
        expected.put("memory.high", "max");
        expected.put("cpu.weight", "100");
        expected.put("cpu.max", "max 50000");
        assertThat(kept(files(cgroup))).isEqualTo(kept(expected));
        assertThat(shown(scope(container.id()), "MemoryMax", "MemoryHigh", "CPUWeight", "CPUQuotaPerSecUSec"))
                .containsEntry("MemoryMax", "" + (96 << 20))
                .containsEntry("MemoryHigh", "infinity")
                .containsEntry("CPUWeight", "100")
                .containsEntry("CPUQuotaPerSecUSec", "infinity");
        reloadAndStartAnother(pod);
        expected.put("cpu.max", "max 100000"); // for systemd no quota has no period
        assertThat(kept(files(cgroup))).isEqualTo(kept(expected));

        // a file that systemd has no property for, and that is not there
        assertThat(Refusal.of(() -> container.update(
                                r -> r.setMemoryLimitInBytes(128 << 20).putUnified("hugetlb.9MB.max", "1")))
                        .code())
                .isIn(Status.Code.INVALID_ARGUMENT, Status.Code.FAILED_PRECONDITION);
        assertThat(Refusal.of(() -> container.update(r -> r.setCpuShares(2).putUnified("memory.high", "many")))
                        .message())
                .contains("memory.high");
        assertThat(kept(files(cgroup))).isEqualTo(kept(expected));
        assertThat(shown(scope(container.id()), "MemoryMax", "CPUWeight"))
                .containsEntry("MemoryMax", "" + (96 << 20))
                .containsEntry("CPUWeight", "100");

        // the pod's slice is kubelet's: what a pod may use is recorded
        var _ = live.cri()
                .runtime()
                .updatePodSandboxResources(UpdatePodSandboxResourcesRequest.newBuilder()
                        .setPodSandboxId(pod.id())
                        .setResources(LinuxContainerResources.newBuilder().setCpuShares(512))
                        .build());
        assertThat(kept(files(cgroup))).isEqualTo(kept(expected));
    }

    @Test
    void whoWasKilledForMemoryIsToldThoughSystemdRemovesTheScopeAtOnce() {
        Pod pod = pod("5").run();
        List<String> reasons = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            ContainerStatus killed = pod.container(live.busybox())
                    .command("dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1")
                    .memoryLimit(15 << 20)
                    .runToEnd()
                    .status();
            assertThat(killed.getExitCode()).isEqualTo(137);
            reasons.add(killed.getReason());
        }
        assertThat(reasons).containsOnly("OOMKilled");
        ContainerStatus other = pod.container(live.busybox())
                .shell("kill -9 $$")
                .pid(io.portafilter.cri.v1.NamespaceMode.POD)
                .runToEnd()
                .status();
        assertThat(other.getExitCode()).isEqualTo(137);
        assertThat(other.getReason()).isEqualTo("Error");
    }

    @Test
    void nothingIsLeftOfContainersHoweverTheyEnd() {
        Pod pod = pod("6").run();
        Container exited = pod.container(live.busybox()).shell("exit 3").runToEnd();
        Container stopped =
                pod.container(live.busybox()).shell("sleep 1000 & sleep 1000").start();
        Container frozen =
                pod.container(live.busybox()).shell("sleep 1000 & sleep 1000").start();
        var _ = pod.container(live.busybox()).idle().create();
        stopped.stop(Duration.ZERO);
        assertThat(exited.status().getExitCode()).isEqualTo(3);
        try {
            Files.writeString(cgroup(frozen.process()).resolve("cgroup.freeze"), "1");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        frozen.stop(Duration.ofSeconds(1));
        pod.remove();
        Await.until("no scope is left", SOON, () -> units().isEmpty());
        assertThat(Host.cgroupDirectories(live.portafilter().cgroupParent()))
                .allSatisfy(left -> assertThat(left.toString()).endsWith(".slice"));
        assertThat(Commands.run("systemctl", "list-units", "--failed", "--no-legend", "--plain")
                        .orFail())
                .doesNotContain("portafilter");
    }

    @Test
    void containersOutliveTheServerAndSystemdItself() {
        Pod pod = pod("7").run();
        Container container = limited(pod).start();
        Container ending = pod.container(live.busybox())
                .shell("trap 'exit 9' TERM; while true; do sleep 0.1; done")
                .start();
        Proc process = container.process();
        Proc other = ending.process();
        live.portafilter().kill();
        var _ = Commands.run("systemctl", "daemon-reexec").orFail();
        // ends while nobody watches: systemd removes its scope
        var _ = Commands.run("kill", "-TERM", Long.toString(other.pid())).orFail();
        Await.until("its scope is gone", SOON, () -> !Files.exists(slice("7").resolve(scope(ending.id()))));
        var _ = live.portafilter().start();
        live.portafilter().awaitRecovery();
        assertThat(container.process()).isEqualTo(process);
        assertThat(ending.status().getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
        assertThat(ending.status().getExitCode()).isEqualTo(9);
        assertThat(container.shell("cat /sys/fs/cgroup/pids.max")).isEqualTo("77");
        container.update(r -> r.setMemoryLimitInBytes(72 << 20));
        assertThat(shown(scope(container.id()), "MemoryMax")).containsEntry("MemoryMax", "" + (72 << 20));
        assertThat(pod.container(live.busybox()).shell("echo new").runToEnd().output())
                .isEqualTo("new\n");
        container.stop(Duration.ZERO);
        assertThat(container.status().getExitCode()).isEqualTo(137);
    }

    /** As a systemd inside would do: it moves itself below its cgroup and gives controllers to cgroups of its own. */
    @Test
    void cgroupsThatAContainerMakesAreItsOwn() {
        Pod pod = pod("8").privileged().run();
        Container container = pod.container(live.busybox())
                .privileged()
                .shell("own=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup); mkdir $own/init $own/work"
                        + " && echo 1 > $own/init/cgroup.procs && echo '+memory +pids' > $own/cgroup.subtree_control"
                        + " && echo 12 > $own/work/pids.max && echo moved; sleep 1000")
                .start();
        Await.until("it has moved", SOON, () -> container.logged("stdout").equals("moved\n"));
        Path own = slice("8").resolve(scope(container.id()));
        reloadAndStartAnother(pod);
        assertThat(file(own.resolve("work"), "pids.max")).isEqualTo("12");
        assertThat(cgroup(container.process())).isEqualTo(own.resolve("init"));
        assertThat(container.shell("cat /proc/self/cgroup")).endsWith("/init");
        container.stop(Duration.ZERO);
        container.remove();
        Await.until("the scope is gone", SOON, () -> !Files.exists(own));
    }

    @Test
    void aPodWithoutACgroupParentIsInTheServersOwnSlice() {
        Pod pod = live.pod().run();
        Container container = pod.container(live.busybox()).idle().start();
        assertThat(cgroup(container.process()))
                .isEqualTo(ROOT.resolve(live.portafilter().cgroupParent().substring(1))
                        .resolve(scope(container.id())));
        assertThat(Refusal.of(() -> live.pod()
                                .configure(config -> config.getLinuxBuilder().setCgroupParent("/kubepods/pod1"))
                                .run())
                        .code())
                .isEqualTo(Status.Code.INVALID_ARGUMENT);
    }
}
