package io.portafilter.systemd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.linux.Kernel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Scopes on a host that systemd runs, as {@code systemctl} and the cgroups show them. */
@Tag("vm")
class RealSystemdTest {
    private static final Duration LIMIT = Duration.ofMinutes(2);
    private static final String SLICE =
            "portafiltertest-pod" + ProcessHandle.current().pid() + ".slice";
    private static final String UNIT = "portafilter-" + "5e".repeat(32) + ".scope";
    private static final Path CGROUP = Path.of("/sys/fs/cgroup/portafiltertest.slice", SLICE, UNIT);

    private final List<Process> processes = new ArrayList<>();

    @BeforeEach
    void begin() throws IOException {
        assumeTrue(Files.isDirectory(Path.of("/run/systemd/system")), "systemd does not run this host");
        assumeTrue(Files.exists(Path.of("/sys/fs/cgroup/cgroup.controllers")), "needs cgroup v2");
        assumeTrue(Kernel.geteuid() == 0, "needs root: starts units");
    }

    @AfterEach
    void end() throws IOException {
        for (Process process : processes) {
            var _ = process.destroyForcibly().onExit().join();
        }
        if (!processes.isEmpty()) {
            awaitGone();
            var _ = systemctl("stop", "portafiltertest.slice");
        }
    }

    private Process process() throws IOException {
        Process process = new ProcessBuilder("sleep", "1000").start();
        processes.add(process);
        return process;
    }

    @Test
    void aScopeIsBelowItsSliceWithItsProcessAndLimitsThatOutliveAReload() throws IOException {
        Systemd systemd = Systemd.connect(Systemd.SYSTEM_BUS, LIMIT);
        assertThat(systemd.version()).isGreaterThanOrEqualTo(252);
        Process process = process();
        systemd.startScope(
                UNIT,
                new Slice(SLICE),
                (int) process.pid(),
                false,
                List.of(
                        Property.of("MemoryMax", 64 << 20),
                        Property.of("TasksMax", 42),
                        Property.of("CPUWeight", 59),
                        Property.ofList("AllowedCPUs", "0")));

        assertThat(Files.readString(Path.of("/proc/" + process.pid() + "/cgroup")))
                .isEqualTo("0::/portafiltertest.slice/" + SLICE + "/" + UNIT + "\n");
        assertThat(CGROUP.resolve("memory.max")).hasContent("" + (64 << 20));
        assertThat(CGROUP.resolve("pids.max")).hasContent("42");
        assertThat(CGROUP.resolve("cpu.weight")).hasContent("59");
        assertThat(CGROUP.resolve("cpuset.cpus")).hasContent("0");
        assertThat(systemctl("show", "--property=Slice,ActiveState,Delegate,OOMPolicy", UNIT))
                .contains("Slice=" + SLICE, "ActiveState=active", "Delegate=yes");
        assertThat(systemctl("list-units", "--no-legend", "--plain", "--type=scope"))
                .contains(UNIT);

        List<Property> told = List.of(
                Property.of("MemoryMax", 96 << 20),
                Property.of("MemoryHigh", 48 << 20),
                Property.of("CPUQuotaPerSecUSec", 130_000),
                Property.of("IOWeight", 50));
        List<Property> before = systemd.properties(UNIT, told);
        assertThat(before)
                .containsExactly(
                        Property.of("MemoryMax", 64 << 20),
                        Property.of("MemoryHigh", Property.INFINITY),
                        Property.of("CPUQuotaPerSecUSec", Property.INFINITY),
                        Property.of("IOWeight", Property.INFINITY));
        systemd.setProperties(UNIT, told);
        assertThat(systemd.properties(UNIT, before)).isEqualTo(told);
        // at once: whoever writes to the files after systemd finds that it has written
        assertThat(CGROUP.resolve("memory.max")).hasContent("" + (96 << 20));
        assertThat(CGROUP.resolve("cpu.max")).hasContent("13000 100000");

        var _ = systemctl("daemon-reload");
        Process other = process();
        systemd.startScope(
                UNIT.replace("5e", "5f"),
                new Slice(SLICE),
                (int) other.pid(),
                false,
                List.of(Property.of("MemoryMax", 32 << 20)));
        assertThat(CGROUP.resolve("memory.max")).hasContent("" + (96 << 20));
        assertThat(CGROUP.resolve("memory.high")).hasContent("" + (48 << 20));
        assertThat(CGROUP.resolve("cpu.max")).hasContent("13000 100000");
        assertThat(CGROUP.resolve("io.weight")).hasContent("default 50");

        systemd.setProperties(UNIT, before);
        assertThat(CGROUP.resolve("memory.max")).hasContent("" + (64 << 20));
        assertThat(CGROUP.resolve("cpu.max")).hasContent("max 100000");
        assertThat(systemd.properties(UNIT, before)).isEqualTo(before);
    }

    @Test
    void aScopeOfANameThatWasUsedBeforeIsStartedAgain() throws IOException {
        Systemd systemd = Systemd.connect(Systemd.SYSTEM_BUS, LIMIT);
        Process process = process();
        systemd.startScope(UNIT, new Slice(SLICE), (int) process.pid(), true, List.of());
        var _ = process.destroyForcibly().onExit().join();
        awaitGone();
        systemd.startScope(UNIT, new Slice(SLICE), (int) process().pid(), true, List.of());
        assertThat(systemctl("show", "--property=ActiveState", UNIT)).contains("ActiveState=active");
    }

    private void awaitGone() {
        long end = System.nanoTime() + LIMIT.toNanos();
        while (Files.exists(CGROUP)) {
            assertThat(System.nanoTime())
                    .as("the scope of a dead process is gone")
                    .isLessThan(end);
            LockSupport.parkNanos(5_000_000);
        }
    }

    private static String systemctl(String... arguments) throws IOException {
        String[] command = new String[arguments.length + 1];
        command[0] = "systemctl";
        System.arraycopy(arguments, 0, command, 1, arguments.length);
        Process systemctl =
                new ProcessBuilder(command).redirectErrorStream(true).start();
        String text = new String(systemctl.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(systemctl.onExit().join().exitValue())
                .as(String.join(" ", command) + ": " + text)
                .isZero();
        return text;
    }
}
