package io.portafilter.cgroup;

import static io.portafilter.cgroup.CgroupFixture.SOON;
import static io.portafilter.cgroup.CgroupFixture.await;
import static io.portafilter.cgroup.CgroupFixture.cpuset;
import static io.portafilter.cgroup.CgroupFixture.join;
import static io.portafilter.cgroup.CgroupFixture.limits;
import static io.portafilter.cgroup.CgroupFixture.output;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.linux.Fd;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class CgroupV1Test {
    @TempDir
    Path directory;

    private CgroupHierarchy.V1 hierarchy;
    private String parent;
    private String path;

    @BeforeEach
    void detect() {
        hierarchy = CgroupFixture.version1();
        parent = CgroupFixture.parent();
        path = parent + "/pod/container";
    }

    @AfterEach
    void nothingIsLeft() {
        Cgroup all = Cgroup.at(hierarchy, parent);
        all.kill(SOON);
        all.remove(SOON);
        for (CgroupHierarchy.Mount mount : hierarchy.mounts()) {
            assertThat(Path.of(mount.directory() + parent)).doesNotExist();
        }
    }

    private String read(String controller, String file) throws IOException {
        CgroupHierarchy.Mount mount = hierarchy.of(controller).orElseThrow();
        return Files.readString(Path.of(mount.directory() + path, file)).strip();
    }

    private void needs(String controller) {
        assumeTrue(hierarchy.of(controller).isPresent(), "needs the v1 controller " + controller);
    }

    private Cgroup create(Map<String, Long> numbers) {
        return Cgroup.create(hierarchy, path, limits(numbers));
    }

    @Test
    void writesLimitsWhereTheKernelReadsThem() throws IOException {
        Cgroup cgroup = create(Map.of(
                "shares", 512L, "quota", 50_000L, "period", 100_000L, "memory", 64L << 20, "swap", 96L << 20, "pids",
                42L));

        assertThat(read("cpu", "cpu.shares")).isEqualTo("512");
        assertThat(read("cpu", "cpu.cfs_quota_us")).isEqualTo("50000");
        assertThat(read("cpu", "cpu.cfs_period_us")).isEqualTo("100000");
        assertThat(read("memory", "memory.limit_in_bytes")).isEqualTo(Long.toString(64L << 20));
        assertThat(read("memory", "memory.memsw.limit_in_bytes")).isEqualTo(Long.toString(96L << 20));
        assertThat(read("pids", "pids.max")).isEqualTo("42");
        assertThat(cgroup.exists()).isTrue();
    }

    @Test
    void allowsNoSwapUnlessAsked() throws IOException {
        create(Map.of("memory", 64L << 20));

        assertThat(read("memory", "memory.memsw.limit_in_bytes")).isEqualTo(Long.toString(64L << 20));
    }

    @Test
    void changesMemoryUpAndDownInAnOrderThatTheKernelTakes() throws IOException {
        Cgroup cgroup = create(Map.of("memory", 64L << 20, "swap", 64L << 20));

        cgroup.apply(limits(Map.of("memory", 256L << 20, "swap", 256L << 20)));
        assertThat(read("memory", "memory.limit_in_bytes")).isEqualTo(Long.toString(256L << 20));
        cgroup.apply(limits(Map.of("memory", 32L << 20, "swap", 48L << 20)));
        assertThat(read("memory", "memory.limit_in_bytes")).isEqualTo(Long.toString(32L << 20));
        assertThat(read("memory", "memory.memsw.limit_in_bytes")).isEqualTo(Long.toString(48L << 20));
        cgroup.apply(limits(Map.of("memory", -1L)));
        assertThat(Long.parseLong(read("memory", "memory.memsw.limit_in_bytes")))
                .isGreaterThan(1L << 62);
    }

    @Test
    void takesAllLimitsOfAnUpdateOrNone() throws IOException {
        Cgroup cgroup = create(Map.of("shares", 512L, "quota", 50_000L, "period", 100_000L, "memory", 64L << 20));

        assertThatThrownBy(() -> cgroup.apply(limits(Map.of("shares", 100L, "quota", 1L, "memory", 128L << 20))))
                .isInstanceOf(CgroupRefusal.class)
                .hasMessageContaining("cpu.cfs_quota_us")
                .hasMessageContaining("\"1\"")
                .hasMessageContaining("EINVAL");

        assertThat(read("cpu", "cpu.shares")).isEqualTo("512");
        assertThat(read("cpu", "cpu.cfs_quota_us")).isEqualTo("50000");
        assertThat(read("memory", "memory.limit_in_bytes")).isEqualTo(Long.toString(64L << 20));
    }

    @Test
    void refusesAMemoryLimitBelowTheUse() throws IOException {
        Cgroup cgroup = create(Map.of("memory", 256L << 20));
        Process process = join(
                cgroup,
                "exec python3 -c 'import time; x = bytearray(40 << 20); print(1, flush=True);" + " time.sleep(600)'");
        assumeTrue(process.inputReader().readLine() != null, "needs python3 to use memory");

        assertThatThrownBy(() -> cgroup.apply(limits(Map.of("memory", 8L << 20))))
                .isInstanceOf(CgroupRefusal.class)
                .hasMessageContaining("uses")
                .hasMessageContaining("memory.limit_in_bytes = 8388608");
        assertThat(read("memory", "memory.limit_in_bytes")).isEqualTo(Long.toString(256L << 20));
    }

    @Test
    void aFailureRemovesWhatWasMade() {
        assertThatThrownBy(() -> create(Map.of("quota", 1L))).isInstanceOf(CgroupRefusal.class);

        assertThat(Cgroup.at(hierarchy, parent).exists()).isFalse();
    }

    @Test
    void aLimitOfVersion2IsRefusedWithItsName() {
        CgroupLimits none = CgroupLimits.NONE;
        CgroupLimits unified = new CgroupLimits(
                none.cpuShares(),
                none.cpuQuotaMicros(),
                none.cpuPeriodMicros(),
                none.memoryLimitBytes(),
                none.memorySwapLimitBytes(),
                none.pidsLimit(),
                "",
                "",
                Map.of(),
                Map.of("memory.high", "1000000"),
                List.of());

        assertThatThrownBy(() -> Cgroup.create(hierarchy, path, unified)).hasMessageContaining("memory.high");
    }

    @Test
    void aMissingControllerIsNamedWithTheValue() {
        CgroupHierarchy.V1 small = new CgroupHierarchy.V1(hierarchy.mounts().stream()
                .filter(mount -> !mount.controllers().contains("pids"))
                .toList());

        assertThatThrownBy(() -> Cgroup.create(small, path, limits(Map.of("pids", 10L))))
                .isInstanceOf(CgroupRefusal.class)
                .hasMessageContaining("pids.max = 10")
                .hasMessageContaining("not mounted");
    }

    @Test
    void withoutADevicesControllerNoContainerIsMade() {
        CgroupHierarchy.V1 small = new CgroupHierarchy.V1(hierarchy.mounts().stream()
                .filter(mount -> !mount.controllers().contains("devices"))
                .toList());

        assertThatThrownBy(() -> Cgroup.create(small, path, limits(Map.of())))
                .isInstanceOf(CgroupRefusal.class)
                .hasMessageContaining("devices");
    }

    @Test
    void aProcessJoinsThroughTheDescriptorsAndIsSeenWhereExpected() throws IOException {
        Cgroup cgroup = create(Map.of());
        List<Fd> opened = cgroup.openForJoin();
        opened.forEach(Fd::close);

        String lines = output(cgroup, "cat /proc/self/cgroup");

        cgroup.expectedProcLines()
                .forEach((controllers, where) -> assertThat(lines).contains(":" + controllers + ":" + where + "\n"));
        assertThat(cgroup.expectedProcLines()).hasSameSizeAs(opened).containsKey("memory");
    }

    @Test
    void devicesBeyondTheRulesDoNotOpen() throws IOException {
        needs("devices");
        Cgroup cgroup = create(Map.of());
        String script =
                "cd %s; mknod disk b 254 0 && mknod mem c 1 1 && mknod mynull c 1 3 && echo made;".formatted(directory)
                        + " head -c1 disk 2>&1; head -c1 mem 2>&1; echo x > mynull && echo wrote; head -c1 /dev/zero | wc -c";

        String printed = output(cgroup, script);

        assertThat(printed).contains("made").contains("wrote").contains("1\n");
        assertThat(printed).contains("'disk'").contains("'mem'");
        assertThat(printed.lines().filter(line -> line.endsWith("Operation not permitted")))
                .hasSize(2);
    }

    @Test
    void rulesAddDevicesAndAnEmptyListHasNone() throws IOException {
        needs("devices");
        Cgroup cgroup = Cgroup.create(hierarchy, path, limits(Map.of(), List.of(new DeviceRule('c', 1, 5, "r"))));
        assertThat(read("devices", "devices.list")).isEqualTo("c 1:5 r");
        assertThat(output(cgroup, "head -c1 /dev/zero | wc -c; (echo x > /dev/zero) 2>&1 || echo refused"))
                .contains("1\n")
                .contains("refused");
        cgroup.remove(SOON);

        Cgroup none = Cgroup.create(hierarchy, path, CgroupLimits.NONE);
        assertThat(output(none, "head -c1 /dev/zero 2>&1")).contains("Operation not permitted");
        none.remove(SOON);

        Cgroup.create(hierarchy, path, CgroupLimits.devicesOnly(List.of(DeviceRule.ALL)));
        assertThat(read("devices", "devices.list")).isEqualTo("a *:* rwm");
    }

    @Test
    void aFrozenProcessStandsStillAndDiesAllTheSame() throws IOException {
        needs("freezer");
        Cgroup cgroup = create(Map.of());
        Process process = join(cgroup, "echo running; exec sleep 600");
        assertThat(process.inputReader().readLine()).isEqualTo("running");

        cgroup.freeze();
        assertThat(read("freezer", "freezer.state")).isEqualTo("FROZEN");
        cgroup.kill(SOON);

        await("the process ended", () -> !process.isAlive());
        assertThat(process.exitValue()).isEqualTo(128 + 9);
        assertThat(cgroup.processes()).isEmpty();
    }

    @Test
    void aThawedProcessGoesOn() throws IOException {
        needs("freezer");
        Cgroup cgroup = create(Map.of());
        Process process = join(cgroup, "read line; echo got $line");
        await("the process joined", () -> cgroup.processes().contains((int) process.pid()));
        cgroup.freeze();
        process.outputWriter().append("input\n").flush();
        cgroup.thaw();

        assertThat(process.inputReader().readLine()).isEqualTo("got input");
        await("the process ended", () -> !process.isAlive());
    }

    @Test
    void aForkBombIsBoundedAndDies() throws IOException {
        Cgroup cgroup = create(Map.of("pids", 60L, "quota", 50_000L));
        Process bomb = join(cgroup, "bomb() { bomb | bomb & }; bomb; exec sleep 600");
        await("the bomb filled its cgroup", () -> count() >= 50);
        assertThat(count()).isLessThanOrEqualTo(60);

        cgroup.kill(Duration.ofSeconds(20));

        assertThat(cgroup.processes()).isEmpty();
        await("the shell ended", () -> !bomb.isAlive());
        cgroup.remove(SOON);
        assertThat(cgroup.exists()).isFalse();
    }

    private int count() {
        try {
            return Integer.parseInt(read("pids", "pids.current"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void aNameThatIsNoTextHidesNoProcess() throws IOException {
        Cgroup cgroup = create(Map.of());
        StringBuilder script = new StringBuilder("n=$(printf 'x\\377')");
        for (CgroupView view : cgroup.views()) {
            script.append(" && mkdir \"%1$s/$n\" && echo 0 > \"%1$s/$n/tasks\"".formatted(view.directory()));
        }
        Process process = join(cgroup, script + " && echo in; exec sleep 600");
        assertThat(process.inputReader().readLine()).isEqualTo("in");

        assertThat(cgroup.processes()).containsExactly((int) process.pid());
        assertThat(CgroupUsage.processes(hierarchy, path)).containsExactly((int) process.pid());
        cgroup.kill(SOON);
        cgroup.remove(SOON);

        await("the process ended", () -> !process.isAlive());
        assertThat(cgroup.exists()).isFalse();
    }

    @Test
    void processesInCgroupsThatTheContainerMadeDieToo() throws IOException {
        Cgroup cgroup = create(Map.of());
        String memory = hierarchy.of("memory").orElseThrow().directory() + path;
        String freezer = hierarchy.of("freezer").orElseThrow().directory() + path;
        Process process = join(
                cgroup,
                "mkdir %s/own %s/own && echo 0 > %s/own/tasks && echo 0 > %s/own/tasks && echo in; exec sleep 600"
                        .formatted(memory, freezer, memory, freezer));
        assertThat(process.inputReader().readLine()).isEqualTo("in");
        Files.writeString(Path.of(freezer, "own/freezer.state"), "FROZEN");

        cgroup.kill(SOON);
        cgroup.remove(SOON);

        await("the process ended", () -> !process.isAlive());
        assertThat(Path.of(memory)).doesNotExist();
    }

    @Test
    void countsProcessesKilledForWantOfMemory() throws IOException {
        Cgroup cgroup = create(Map.of("memory", 16L << 20));
        assertThat(cgroup.oomKills()).isZero();

        Process process = join(cgroup, "exec dd if=/dev/zero of=/dev/null bs=64M count=1");
        await("the process ended", () -> !process.isAlive());

        assertThat(process.exitValue()).isEqualTo(128 + 9);
        assertThat(cgroup.oomKills()).isEqualTo(1);
    }

    @Test
    void aBusyCgroupIsNeitherMadeAgainNorRemoved() throws IOException {
        Cgroup cgroup = create(Map.of("pids", 20L));
        Process process = join(cgroup, "echo running; exec sleep 600");
        assertThat(process.inputReader().readLine()).isEqualTo("running");

        assertThatThrownBy(() -> create(Map.of()))
                .isInstanceOf(CgroupRefusal.class)
                .hasMessageContaining("process " + process.pid());
        assertThatThrownBy(() -> cgroup.remove(Duration.ofMillis(50)))
                .isInstanceOf(CgroupRefusal.class)
                .hasMessageContaining("process " + process.pid());
        assertThat(read("pids", "pids.max")).isEqualTo("20");
    }

    @Test
    void anEmptyOneThatWasLeftBehindIsReplaced() throws IOException {
        create(Map.of("memory", 64L << 20, "pids", 20L));

        create(Map.of("pids", 30L));

        assertThat(read("pids", "pids.max")).isEqualTo("30");
        assertThat(Long.parseLong(read("memory", "memory.limit_in_bytes"))).isGreaterThan(1L << 62);
    }

    @Test
    void removingWhatIsNotThereSucceeds() {
        Cgroup cgroup = Cgroup.at(hierarchy, path);

        cgroup.thaw();
        cgroup.kill(SOON);
        cgroup.remove(SOON);
        assertThat(cgroup.processes()).isEmpty();
        assertThat(cgroup.oomKills()).isZero();
    }

    @Test
    void limitsOfWhatIsNotThereAreRefused() {
        assertThatThrownBy(() -> Cgroup.at(hierarchy, path).apply(limits(Map.of("pids", 10L))))
                .isInstanceOf(CgroupRefusal.class)
                .hasMessageContaining("does not exist");
        assertThat(Cgroup.at(hierarchy, parent).exists()).isFalse();
    }

    @Test
    void aCpusetIsMadeWhenALimitAsksAndProcessesMoveIn() throws IOException {
        needs("cpuset");
        Cgroup cgroup = create(Map.of());
        assertThat(cgroup.expectedProcLines()).doesNotContainKey("cpuset");
        Process process = join(cgroup, "echo running; exec sleep 600");
        assertThat(process.inputReader().readLine()).isEqualTo("running");

        cgroup.apply(cpuset("0"));

        assertThat(read("cpuset", "cpuset.cpus")).isEqualTo("0");
        assertThat(read("cpuset", "cpuset.mems")).isNotEmpty();
        assertThat(Files.readString(Path.of("/proc/" + process.pid() + "/status")))
                .contains("Cpus_allowed_list:\t0\n");
        assertThat(cgroup.expectedProcLines()).containsKey("cpuset");
        assertThatThrownBy(() -> cgroup.apply(cpuset("4000")))
                .isInstanceOf(CgroupRefusal.class)
                .hasMessageContaining("cpuset.cpus")
                .hasMessageContaining("give some of 0")
                .hasMessageContaining("4000");
        assertThat(read("cpuset", "cpuset.cpus")).isEqualTo("0");
    }

    @Test
    void whoForksAndEndsAllTheTimeIsMovedAllTheSame() throws IOException {
        needs("cpuset");
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/perl")), "needs perl");
        Cgroup cgroup = create(Map.of());
        for (int i = 0; i < 4; i++) {
            Process _ = join(cgroup, "exec perl -e 'while (1) { exit if fork }'");
        }
        await("they run", () -> !cgroup.processes().isEmpty());

        assertTimeoutPreemptively(Duration.ofSeconds(20), () -> cgroup.apply(CgroupFixture.cpuset("0")));

        String cpuset = hierarchy.of("cpuset").orElseThrow().directory() + path;
        assertThat(Files.readString(Path.of(cpuset, "cpuset.cpus")).strip()).isEqualTo("0");
        await("they are in it", () -> !new CgroupDirectory(cpuset).processes().isEmpty());
        cgroup.kill(SOON);
        cgroup.remove(SOON);
    }

    @Test
    void takesACgroupOfTheRuntimeAsItIs() throws IOException {
        Cgroup first = Cgroup.ensure(hierarchy, path);
        Process process = join(first, "echo running; exec sleep 600");
        assertThat(process.inputReader().readLine()).isEqualTo("running");

        Cgroup second = Cgroup.ensure(hierarchy, path);

        assertThat(second.processes()).containsExactly((int) process.pid());
        assertThat(read("devices", "devices.list")).isEqualTo("a *:* rwm");
    }
}
