package io.portafilter.container;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.cgroup.CgroupHierarchy;
import io.portafilter.cgroup.CgroupLimits;
import io.portafilter.cgroup.DeviceRule;
import io.portafilter.linux.Kernel;
import io.portafilter.systemd.BusFixture;
import io.portafilter.systemd.SystemdException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Cgroups that somebody else makes: a service on a real bus that does with them what systemd does. */
@Tag("vm")
class SystemdScopesTest {
    private static final CgroupLimits LIMITS = CgroupLimits.devicesOnly(DeviceRule.DEFAULTS);

    private final String slice = "pftest" + ProcessHandle.current().pid() + ".slice";
    private final String path = "/" + slice + "/portafilter-" + "0c".repeat(32) + ".scope";

    @TempDir
    Path directory;

    private Path mount = Path.of("/");

    @BeforeEach
    void findVersion2() {
        assumeTrue(Kernel.geteuid() == 0, "needs root: makes cgroups");
        mount = List.of("/sys/fs/cgroup", "/sys/fs/cgroup/unified").stream()
                .map(Path::of)
                .filter(root -> Files.exists(root.resolve("cgroup.controllers")))
                .findFirst()
                .orElse(Path.of("/"));
        assumeTrue(mount.getNameCount() > 0, "needs a cgroup2 mount at /sys/fs/cgroup or /sys/fs/cgroup/unified");
    }

    @AfterEach
    void nothingIsLeft() throws IOException {
        if (mount.getNameCount() > 0) {
            assertThat(below(path)).doesNotExist();
            Files.deleteIfExists(below("/" + slice));
        }
    }

    private Path below(String cgroup) {
        return Path.of(mount + cgroup);
    }

    private Host host(BusFixture bus) {
        return Host.open(directory).withSystemd(bus.socket(), new CgroupHierarchy.V2(mount.toString(), "/"));
    }

    private String asSystemdDoes(BusFixture.Started unit) {
        try {
            Path cgroup = below("/" + unit.properties().get("Slice") + "/" + unit.unit());
            Files.createDirectories(cgroup);
            Files.writeString(
                    cgroup.resolve("cgroup.procs"),
                    String.valueOf(unit.properties().get("PIDs")));
            return "done";
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private List<String> processes() {
        try {
            return Files.readAllLines(below(path).resolve("cgroup.procs"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void aPlaceholderKeepsTheScopeUntilAnotherProcessIsInIt() throws Exception {
        try (BusFixture bus = BusFixture.start(directory, (_, unit) -> asSystemdDoes(unit));
                Host host = host(bus);
                Rollback undo = new Rollback()) {
            Host.MadeCgroup made = host.makeCgroup(path, LIMITS, undo);
            assertThat(processes()).hasSize(1);
            assertThat(Files.readString(Path.of("/proc", processes().getFirst(), "cmdline")))
                    .startsWith("portafilter-placeholder");
            Process other = new ProcessBuilder(
                            "sh", "-c", "echo 0 > " + below(path) + "/cgroup.procs && exec sleep 1000")
                    .start();
            long end = System.nanoTime() + Duration.ofSeconds(10).toNanos();
            while (processes().size() < 2 && System.nanoTime() < end) {
                Thread.onSpinWait();
            }
            made.letGo();
            assertThat(processes()).containsExactly(Long.toString(other.pid()));
            assertThat(made.cgroup().processes()).containsExactly((int) other.pid());
        }
    }

    @Test
    void devicesAreRestrictedInAScopeToo() throws Exception {
        assumeTrue(Files.exists(Path.of("/dev/kmsg")), "no /dev/kmsg on this host");
        try (BusFixture bus = BusFixture.start(directory, (_, unit) -> asSystemdDoes(unit));
                Host host = host(bus);
                Rollback undo = new Rollback()) {
            var _ = host.makeCgroup(path, LIMITS, undo);
            Process inside = new ProcessBuilder(
                            "sh",
                            "-c",
                            "echo 0 > " + below(path) + "/cgroup.procs;"
                                    + " head -c 1 /dev/zero | wc -c; head -c 1 /dev/kmsg 2>&1")
                    .redirectErrorStream(true)
                    .start();
            assertThat(new String(inside.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8))
                    .contains("1\n")
                    .contains("Operation not permitted");
        }
    }

    @Test
    void systemdIsToldTheLimitsBeforeWhenNewOnesDoNotHold() throws Exception {
        try (BusFixture bus = BusFixture.start(directory, (_, unit) -> asSystemdDoes(unit));
                Host host = host(bus);
                Rollback undo = new Rollback()) {
            assumeTrue(
                    Files.exists(Path.of(mount + "/cgroup.controllers"))
                            && Files.readString(mount.resolve("cgroup.controllers"))
                                    .contains("cpu"),
                    "needs cgroup v2 with the controllers cpu and memory");
            var _ = host.makeCgroup(path, weight("50"), undo);
            host.limit(path, weight("60"), () -> {});
            assertThat(below(path).resolve("cpu.weight")).hasContent("60");
            assertThatThrownBy(() -> host.limit(path, weight("70"), () -> {
                        throw new IllegalStateException("not recorded");
                    }))
                    .hasMessage("not recorded")
                    .hasNoSuppressedExceptions();
            assertThat(below(path).resolve("cpu.weight")).hasContent("60");
            String unit = path.substring(path.lastIndexOf('/') + 1);
            assertThat(bus.calls())
                    .containsExactly(
                            "SetUnitProperties " + unit + " true {CPUWeight=60}",
                            "SetUnitProperties " + unit + " true {CPUWeight=70}",
                            "SetUnitProperties " + unit + " true {CPUWeight=60}");
        }
    }

    private static CgroupLimits weight(String weight) {
        OptionalLong unset = OptionalLong.empty();
        return new CgroupLimits(
                unset,
                unset,
                unset,
                unset,
                unset,
                unset,
                "",
                "",
                Map.of(),
                Map.of("cpu.weight", weight),
                DeviceRule.DEFAULTS);
    }

    @Test
    void aRefusedStartLeavesNoProcess() throws IOException {
        try (BusFixture bus = BusFixture.start(directory, (_, _) -> "failed");
                Host host = host(bus);
                Rollback undo = new Rollback()) {
            assertThatThrownBy(() -> host.makeCgroup(path, LIMITS, undo)).isInstanceOf(SystemdException.class);
            String pid = String.valueOf(bus.started().getFirst().properties().get("PIDs"));
            assertThat(Path.of("/proc", pid)).doesNotExist();
        }
    }

    @Test
    void aScopeElsewhereThanAskedIsRefused() throws IOException {
        try (BusFixture bus = BusFixture.start(directory, (_, _) -> "done"); // and moves nothing
                Host host = host(bus);
                Rollback undo = new Rollback()) {
            assertThatThrownBy(() -> host.makeCgroup(path, LIMITS, undo))
                    .hasMessageContaining("was expected")
                    .hasMessageContaining(path);
        }
    }

    @Test
    void version1IsRefused() throws IOException {
        try (BusFixture bus = BusFixture.start(directory, (_, _) -> "done");
                Host host = Host.open(directory)) {
            assertThatThrownBy(() -> host.withSystemd(bus.socket(), new CgroupHierarchy.V1(List.of())))
                    .hasMessageContaining("needs cgroup v2");
        }
    }
}
