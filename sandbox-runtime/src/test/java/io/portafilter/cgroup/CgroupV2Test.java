package io.portafilter.cgroup;

import static io.portafilter.cgroup.CgroupFixture.SOON;
import static io.portafilter.cgroup.CgroupFixture.await;
import static io.portafilter.cgroup.CgroupFixture.join;
import static io.portafilter.cgroup.CgroupFixture.limits;
import static io.portafilter.cgroup.CgroupFixture.output;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.linux.Fd;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(180)
@Tag("vm")
class CgroupV2Test {
    @TempDir
    Path directory;

    private CgroupHierarchy.V2 hierarchy;
    private String parent;
    private String path;

    @BeforeEach
    void detect() {
        hierarchy = CgroupFixture.version2();
        parent = CgroupFixture.parent();
        path = parent + "/pod/container";
    }

    @AfterEach
    void nothingIsLeft() {
        Cgroup all = Cgroup.at(hierarchy, parent);
        all.kill(SOON);
        all.remove(SOON);
        assertThat(Path.of(hierarchy.directory() + parent)).doesNotExist();
    }

    private String read(String file) throws IOException {
        return Files.readString(Path.of(hierarchy.directory() + path, file)).strip();
    }

    private boolean hasController(String name) throws IOException {
        return List.of(Files.readString(Path.of(hierarchy.directory(), "cgroup.controllers"))
                        .strip()
                        .split(" "))
                .contains(name);
    }

    @Test
    void writesLimitsWhereTheKernelReadsThem() throws IOException {
        assumeTrue(
                hasController("cpu") && hasController("memory") && hasController("pids"),
                "needs cgroup v2 with the controllers cpu, memory and pids");

        Cgroup cgroup = Cgroup.create(
                hierarchy,
                path,
                limits(Map.of(
                        "shares", 1024L, "quota", 50_000L, "period", 100_000L, "memory", 64L << 20, "pids", 42L)));

        assertThat(read("cpu.weight")).isEqualTo("100");
        assertThat(read("cpu.max")).isEqualTo("50000 100000");
        assertThat(read("memory.max")).isEqualTo(Long.toString(64L << 20));
        assertThat(read("pids.max")).isEqualTo("42");
        assertThat(cgroup.exists()).isTrue();
    }

    @Test
    void aMissingControllerIsNamedWithTheValueAndNothingIsLeft() throws IOException {
        assumeFalse(hasController("memory"), "needs a cgroup2 mount without the memory controller");

        assertThatThrownBy(() -> Cgroup.create(hierarchy, path, limits(Map.of("memory", 1L << 20))))
                .isInstanceOf(CgroupRefusal.class)
                .hasMessageContaining("memory.max = 1048576");

        assertThat(Cgroup.at(hierarchy, parent).exists()).isFalse();
    }

    @Test
    void opensItsDirectoryForABirthInside() {
        Cgroup cgroup = Cgroup.create(hierarchy, path, limits(Map.of()));
        List<Fd> opened = cgroup.openForJoin();

        assertThat(opened).hasSize(1);
        assertThat(Path.of(opened.getFirst().path())).isDirectory();
        opened.forEach(Fd::close);
    }

    /** What a program does that manages cgroups itself: a cgroup with controllers for those below it takes no process. */
    @Test
    void whoJoinsAProcessThatMovedBelowJoinsItThere() throws IOException {
        assumeTrue(hasController("pids"), "needs cgroup v2 with the controller pids");
        Cgroup cgroup = Cgroup.create(hierarchy, path, limits(Map.of()));
        String own = hierarchy.directory() + path;
        Process process = join(
                cgroup,
                "mkdir %1$s/init && echo 0 > %1$s/init/cgroup.procs && echo +pids > %1$s/cgroup.subtree_control && echo moved; exec sleep 600"
                        .formatted(own));
        assertThat(process.inputReader().readLine()).isEqualTo("moved");

        List<Fd> opened = cgroup.openForJoin((int) process.pid());

        assertThat(opened).hasSize(1);
        assertThat(Files.readSymbolicLink(Path.of(opened.getFirst().path()))).isEqualTo(Path.of(own, "init"));
        opened.forEach(Fd::close);
        int outside = (int) ProcessHandle.current().pid();
        assertThatThrownBy(() -> cgroup.openForJoin(outside)).hasMessageContaining("process " + outside);
    }

    @Test
    void aProcessIsSeenWhereExpected() throws IOException {
        Cgroup cgroup = Cgroup.create(hierarchy, path, limits(Map.of()));

        assertThat(output(cgroup, "cat /proc/self/cgroup")).contains("0::" + path + "\n");
        assertThat(cgroup.expectedProcLines()).containsEntry("", path);
    }

    @Test
    void aFrozenProcessStandsStillAndDiesAllTheSame() throws IOException {
        Cgroup cgroup = Cgroup.create(hierarchy, path, limits(Map.of()));
        Process process = join(cgroup, "echo running; exec sleep 600");
        assertThat(process.inputReader().readLine()).isEqualTo("running");

        cgroup.freeze();
        assertThat(read("cgroup.events")).contains("frozen 1");
        cgroup.kill(SOON);

        await("the process ended", () -> !process.isAlive());
        assertThat(process.exitValue()).isEqualTo(128 + 9);
        cgroup.thaw();
        assertThat(read("cgroup.freeze")).isEqualTo("0");
    }

    @Test
    void processesBelowDieTooAndAllIsRemoved() throws IOException {
        Cgroup cgroup = Cgroup.create(hierarchy, path, limits(Map.of()));
        String own = hierarchy.directory() + path + "/own";
        Process process = join(
                cgroup, "mkdir %s && echo 0 > %s/cgroup.procs && echo in; sleep 600 & sleep 600".formatted(own, own));
        assertThat(process.inputReader().readLine()).isEqualTo("in");
        await("its child was born", () -> cgroup.processes().size() >= 3);

        cgroup.kill(SOON);
        cgroup.remove(SOON);

        assertThat(cgroup.exists()).isFalse();
        await("the process ended", () -> !process.isAlive());
    }

    @Test
    void threadsOfACgroupBelowHideNoProcess() throws IOException {
        Cgroup cgroup = Cgroup.create(hierarchy, path, limits(Map.of()));
        String own = hierarchy.directory() + path + "/own";
        Process process = join(
                cgroup,
                "mkdir %1$s && echo threaded > %1$s/cgroup.type && echo 0 > %1$s/cgroup.procs && echo in; exec sleep 600"
                        .formatted(own));
        assertThat(process.inputReader().readLine()).isEqualTo("in");

        assertThat(cgroup.processes()).containsExactly((int) process.pid());
        assertThat(CgroupUsage.processes(hierarchy, path)).containsExactly((int) process.pid());
        cgroup.kill(SOON);
        cgroup.remove(SOON);

        await("the process ended", () -> !process.isAlive());
        assertThat(cgroup.exists()).isFalse();
    }

    @Test
    void devicesBeyondTheRulesDoNotOpen() throws IOException {
        Cgroup cgroup = Cgroup.create(hierarchy, path, limits(Map.of()));
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
    void aRuleAllowsItsAccessAndNoMore() throws IOException {
        Cgroup cgroup = Cgroup.create(
                hierarchy,
                path,
                limits(Map.of(), List.of(new DeviceRule('c', 1, 5, "r"), new DeviceRule('b', DeviceRule.ANY, 7, "m"))));

        assertThat(output(
                        cgroup,
                        "head -c1 /dev/zero | wc -c; (echo x > /dev/zero) 2>&1 || echo refused;"
                                + " head -c1 /dev/full 2>&1 || echo refused;"
                                + " cd %s; mknod b7 b 99 7 && echo made; mknod b8 b 99 8; mknod c7 c 99 7"
                                        .formatted(directory)))
                .startsWith("1\n")
                .contains("made")
                .contains("b8: Operation not permitted")
                .contains("c7: Operation not permitted")
                .contains("refused");
    }

    @Test
    void withoutRulesNoDeviceOpens() throws IOException {
        Cgroup cgroup = Cgroup.create(hierarchy, path, CgroupLimits.NONE);

        assertThat(output(cgroup, "head -c1 /dev/zero 2>&1")).contains("Operation not permitted");
    }

    @Test
    void aPrivilegedCgroupOpensAll() throws IOException {
        Cgroup cgroup = Cgroup.create(hierarchy, path, CgroupLimits.devicesOnly(List.of(DeviceRule.ALL)));

        assertThat(output(cgroup, ": < /dev/kmsg && echo opened")).contains("opened");
    }

    @Test
    void aBusyCgroupIsNeitherMadeAgainNorRemoved() throws IOException {
        Cgroup cgroup = Cgroup.create(hierarchy, path, limits(Map.of()));
        Process process = join(cgroup, "echo running; exec sleep 600");
        assertThat(process.inputReader().readLine()).isEqualTo("running");

        assertThatThrownBy(() -> Cgroup.create(hierarchy, path, limits(Map.of())))
                .hasMessageContaining("process " + process.pid());
        assertThatThrownBy(() -> cgroup.remove(Duration.ofMillis(50))).hasMessageContaining("process " + process.pid());
    }
}
