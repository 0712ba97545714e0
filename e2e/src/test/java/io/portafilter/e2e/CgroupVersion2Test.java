package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ContainerStatus;
import io.portafilter.cri.v1.NamespaceMode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What differs where all controllers are in the one hierarchy of cgroup version 2. */
@Tag("vm")
class CgroupVersion2Test {
    @RegisterExtension
    static final Live live = Live.server();

    private static final Path ROOT = Path.of("/sys/fs/cgroup");
    private static final int FIRST_HOST_ID = 2_621_440;
    private static final Duration SOON = Duration.ofSeconds(10);

    @BeforeAll
    static void hasControllers() throws IOException {
        Path controllers = ROOT.resolve("cgroup.controllers");
        assumeTrue(
                Files.exists(controllers)
                        && Set.of(Files.readString(controllers).strip().split(" "))
                                .containsAll(Set.of("cpu", "cpuset", "memory", "pids")),
                "cgroup version 2 with the controllers cpu, cpuset, memory and pids is needed at /sys/fs/cgroup");
    }

    private static Path cgroup(Proc process) {
        String line = process.read("cgroup").strip();
        assertThat(line).startsWith("0::/").doesNotContain("\n");
        return ROOT.resolve(line.substring("0::/".length()));
    }

    private static long event(Path file, String name) throws IOException {
        return Files.readString(file)
                .lines()
                .filter(line -> line.startsWith(name + " "))
                .mapToLong(line -> Long.parseLong(line.substring(name.length() + 1)))
                .findFirst()
                .orElseThrow(() -> new AssertionError("no " + name + " in " + file));
    }

    @Test
    void limitsAreThoseOfTheRequest() throws IOException {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .idle()
                .memoryLimit(48 << 20)
                .resources(r -> r.setCpuShares(512)
                        .setCpuQuota(20_000)
                        .setCpuPeriod(50_000)
                        .setCpusetCpus("0")
                        .setCpusetMems("0")
                        .putUnified("pids.max", "77")
                        .putUnified("memory.high", "40000000"))
                .start();
        Path cgroup = cgroup(container.process());
        assertThat(cgroup.resolve("memory.max")).hasContent("" + (48 << 20));
        assertThat(cgroup.resolve("memory.swap.max")).hasContent("0");
        assertThat(cgroup.resolve("cpu.max")).hasContent("20000 50000");
        // between 1 for 2 shares and 100, the default of version 2, for 1024, that of version 1
        assertThat(cgroup.resolve("cpu.weight")).hasContent("59");
        assertThat(cgroup.resolve("cpuset.cpus")).hasContent("0");
        assertThat(cgroup.resolve("cpuset.mems")).hasContent("0");
        assertThat(cgroup.resolve("pids.max")).hasContent("77");
        assertThat(Long.parseLong(
                        Files.readString(cgroup.resolve("memory.high")).strip()))
                .isBetween(40_000_000L - 4096, 40_000_000L);
        assertThat(container.process().status()).containsEntry("Cpus_allowed_list", "0");
        assertThat(container.shell("grep Cpus_allowed_list /proc/self/status")).endsWith("\t0");
        // the container reads them where its programs look for them
        assertThat(container.shell("cd /sys/fs/cgroup && cat memory.max cpu.max pids.max"))
                .isEqualTo((48 << 20) + "\n20000 50000\n77");
    }

    @Test
    void processesAreBornInTheContainersCgroupAndMonitorsElsewhere() {
        Pod pod = live.pod().run();
        Container container = pod.container(live.busybox()).idle().start();
        String parent = live.portafilter().cgroupParent() + "/pod" + pod.id();

        Path own = ROOT.resolve((parent + "/" + container.id()).substring(1));
        assertThat(cgroup(container.process())).isEqualTo(own);
        assertThat(cgroup(pod.pause())).isEqualTo(ROOT.resolve((parent + "/" + pod.id()).substring(1)));
        assertThat(cgroup(new Proc(container.process().parent()))).doesNotMatch(path -> path.startsWith(own));
        assertThat(container.shell("sleep 5151 >/dev/null 2>&1 & echo started")).isEqualTo("started");
        Await.until(
                "the exec's child is in the container's cgroup",
                SOON,
                () -> Host.processesOf(live.portafilter()).stream()
                        .filter(process -> process.name().endsWith("sleep 5151"))
                        .map(process -> cgroup(new Proc(process.pid())))
                        .toList()
                        .equals(List.of(own)));
    }

    @Test
    void outOfMemoryIsToldOfTheFirstProcessAlone() throws IOException {
        ContainerStatus killed = live.pod()
                .run()
                .container(live.busybox())
                .command("dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1")
                .memoryLimit(15 << 20)
                .runToEnd()
                .status();
        assertThat(killed.getExitCode()).isEqualTo(137);
        assertThat(killed.getReason()).isEqualTo("OOMKilled");

        Container survivor = live.pod()
                .run()
                .container(live.busybox())
                .shell("dd if=/dev/zero of=/dev/null bs=64M count=1; echo $?; read x < /tmp/never 2>/dev/null; exit 7")
                .memoryLimit(15 << 20)
                .runToEnd();
        assertThat(survivor.output()).isEqualTo("137\n");
        assertThat(survivor.status().getExitCode()).isEqualTo(7);
        assertThat(survivor.status().getReason()).isEqualTo("Error");
    }

    @Test
    void allOfAContainerEndsTogetherWhereItsCgroupSaysSo() throws IOException {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .shell("dd if=/dev/zero of=/dev/null bs=64M count=1; echo survived; sleep 1000")
                .memoryLimit(15 << 20)
                .resources(r -> r.putUnified("memory.oom.group", "1"))
                .runToEnd();
        assertThat(container.output()).isEmpty();
        assertThat(container.status().getExitCode()).isEqualTo(137);
        assertThat(container.status().getReason()).isEqualTo("OOMKilled");
    }

    @Test
    void theQuotaThrottles() throws IOException {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .shell("while :; do :; done")
                .resources(r -> r.setCpuQuota(5_000).setCpuPeriod(100_000))
                .start();
        Path cgroup = cgroup(container.process());
        Await.until("the container was throttled", SOON, () -> event(cgroup.resolve("cpu.stat"), "nr_throttled") > 3);
    }

    @Test
    void noMoreProcessesThanTheLimitAllows() throws IOException {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .shell("sh -c 'for i in $(seq 40); do sleep 1000 & done'; exec sleep 1000")
                .resources(r -> r.putUnified("pids.max", "12"))
                .start();
        Path cgroup = cgroup(container.process());
        Await.until("a fork failed", SOON, () -> event(cgroup.resolve("pids.events"), "max") > 0);
        assertThat(Files.readString(cgroup.resolve("cgroup.procs")).lines().count())
                .isLessThanOrEqualTo(12);
    }

    @Test
    void aContainerSeesItsOwnCgroupAsTheRootAndCannotWriteIt() {
        for (PodFixture fixture : List.of(live.pod(), live.pod().userNamespace(FIRST_HOST_ID))) {
            Container container = fixture.run().container(live.busybox()).idle().start();
            assertThat(container.shell("cat /proc/1/cgroup /proc/self/cgroup")).isEqualTo("0::/\n0::/");
            assertThat(container.shell("grep ' /sys/fs/cgroup ' /proc/self/mountinfo"))
                    .contains(" / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime ")
                    .contains(" - cgroup2 ")
                    .doesNotContain(live.portafilter().cgroupParent());
            assertThat(container.shell("cat /sys/fs/cgroup/cgroup.procs")).startsWith("1\n");
            assertThat(container.shell("mkdir /sys/fs/cgroup/more 2>&1 || true"))
                    .contains("Read-only file system");
            assertThat(container.shell("echo max 2>&1 > /sys/fs/cgroup/pids.max || true"))
                    .doesNotContain("max\n");
            assertThat(container.process().namespace("cgroup"))
                    .isNotEqualTo(Proc.self().namespace("cgroup"));
        }
    }

    /** LAUNCH rule: a mount of the hierarchy from within shows the part of the container and nothing above it. */
    @Test
    void rootOfAContainerThatMayMountFindsNothingAboveItsCgroupAndKeepsItsLimits() throws IOException {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .idle()
                .add("SYS_ADMIN")
                .memoryLimit(48 << 20)
                .start();
        assertThat(container.shell("mkdir /tmp/all && mount -t cgroup2 none /tmp/all && cat /tmp/all/cgroup.procs"))
                .startsWith("1\n");
        assertThat(container.shell("ls -d /tmp/all/*/ 2>/dev/null | wc -l")).isEqualTo("0");
        assertThat(container.shell("grep ' /tmp/all ' /proc/self/mountinfo")).contains(" / /tmp/all ");
        assumeTrue(options().contains("nsdelegate"), "the host's cgroup2 is mounted without nsdelegate");
        assertThat(container.shell("(echo max > /tmp/all/memory.max) 2>&1 || echo refused; cat /tmp/all/memory.max"))
                .endsWith("refused\n" + (48 << 20));
    }

    @Test
    void theHostsOptionsOfTheHierarchyOutliveAPrivilegedContainer() throws IOException {
        String before = options();
        assumeTrue(before.contains("nsdelegate"), "the host's cgroup2 is mounted without nsdelegate");
        Container container = live.pod()
                .privileged()
                .run()
                .container(live.busybox())
                .privileged()
                .idle()
                .start();
        assertThat(container.shell("grep ' /sys/fs/cgroup ' /proc/self/mountinfo"))
                .contains(" / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime ");
        assertThat(container.shell("test -d /sys/fs/cgroup" + live.portafilter().cgroupParent() + " && echo the host"))
                .isEqualTo("the host");
        assertThat(options()).isEqualTo(before);
    }

    private static String options() throws IOException {
        return Files.readString(Path.of("/proc/self/mountinfo"))
                .lines()
                .filter(line -> line.contains(" - cgroup2 "))
                .map(line -> line.substring(line.lastIndexOf(' ') + 1))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void aPrivilegedContainerMayMoveIntoACgroupOfItsOwnAndIsStillServed() throws IOException {
        Container container = live.pod()
                .privileged()
                .run()
                .container(live.busybox())
                .privileged()
                .shell(
                        "own=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup); mkdir $own/init && echo 1 > $own/init/cgroup.procs"
                                + " && echo +memory > $own/cgroup.subtree_control && echo moved; sleep 1000")
                .start();
        Await.until("it has moved", SOON, () -> container.logged("stdout").equals("moved\n"));
        // the cgroup itself takes no process any more: EBUSY
        assertThat(container.shell("cat /proc/self/cgroup")).endsWith("/" + container.id() + "/init");
        Path cgroup = cgroup(container.process()).getParent();
        container.stop(Duration.ZERO);
        assertThat(container.status().getExitCode()).isEqualTo(137);
        container.remove();
        Await.until("the cgroup is gone", SOON, () -> !Files.exists(cgroup));
    }

    @Test
    void devicesBeyondTheRulesCannotBeOpened() {
        Container container = live.pod().run().container(live.busybox()).idle().start();
        assertThat(container.shell("mknod /tmp/kmsg c 1 11 && (head -c 1 /tmp/kmsg 2>&1 || true)"))
                .contains("Operation not permitted");
        assertThat(container.shell("mknod /tmp/disk b 254 0 && (head -c 1 /tmp/disk 2>&1 || true)"))
                .contains("Operation not permitted");
        assertThat(container.shell("mknod /tmp/zero c 1 5 && head -c 4 /tmp/zero | wc -c"))
                .isEqualTo("4");
        live.portafilter().killAndStart();
        assertThat(container.shell("head -c 1 /tmp/kmsg 2>&1 || true")).contains("Operation not permitted");

        Container privileged = live.pod()
                .privileged()
                .run()
                .container(live.busybox())
                .privileged()
                .idle()
                .start();
        assertThat(privileged.shell("mknod /tmp/kmsg c 1 11 && head -c 1 /tmp/kmsg | wc -c"))
                .isEqualTo("1");
    }

    @Test
    void aFrozenContainerCanBeStopped() throws IOException {
        Pod pod = live.pod().pid(NamespaceMode.POD).run();
        Container container =
                pod.container(live.busybox()).shell("sleep 1000 & sleep 1000").start();
        Path cgroup = cgroup(container.process());
        Files.writeString(cgroup.resolve("cgroup.freeze"), "1");
        Await.until("it is frozen", SOON, () -> event(cgroup.resolve("cgroup.events"), "frozen") == 1);
        container.stop(Duration.ofSeconds(1));
        assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
        Await.until(
                "nothing of it is left",
                SOON,
                () -> !Files.exists(cgroup) || event(cgroup.resolve("cgroup.events"), "populated") == 0);
    }

    @Test
    void aStoppedPodLeavesNoCgroup() {
        Host before = live.host();
        Pod pod = live.pod().run();
        var _ = pod.container(live.busybox()).shell("sleep 1000 & sleep 1000").start();
        var _ = pod.container(live.busybox()).shell("exit 0").runToEnd();
        pod.remove();
        live.awaitAsBefore(before);
    }

    @Test
    void scoresBelowAndLimitsAboveTheServersOwnAreSet() throws IOException {
        assumeTrue(Proc.self().capabilities("CapEff").contains("SYS_RESOURCE"), "CAP_SYS_RESOURCE is missing");
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .idle()
                .runAsUser(1000)
                .resources(r -> r.setOomScoreAdj(-700))
                .start();
        assertThat(container.process().read("oom_score_adj").strip()).isEqualTo("-700");
        assertThat(container.shell("cat /proc/self/oom_score_adj")).isEqualTo("-700");
        assertThat(container.process().read("limits").lines())
                .filteredOn(line -> line.startsWith("Max open files"))
                .singleElement()
                .satisfies(line -> assertThat(line.split(" {2,}")).contains("1048576"));
    }
}
