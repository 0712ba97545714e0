package io.portafilter.e2e.bench;

import io.portafilter.e2e.Containerd;
import io.portafilter.e2e.CriServer;
import io.portafilter.e2e.Host;
import io.portafilter.e2e.PortafilterServer;
import io.portafilter.e2e.UnitServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What a runtime itself consists of: ours of server, monitors and pause processes, containerd of itself and its shims (its
 * pause process is left out: it is whatever image it was given). Not what runs in containers.
 */
record RuntimeProcesses(List<Long> pids) {

    /** Those that there are now. */
    static RuntimeProcesses of(CriServer server) {
        return switch (server) {
            case PortafilterServer ours -> {
                List<Long> pids = new ArrayList<>(List.of(ours.pid()));
                Host.processesOf(ours).stream()
                        .map(Host.Left::pid)
                        .filter(RuntimeProcesses::isLaunchProgram)
                        .forEach(pids::add);
                yield new RuntimeProcesses(pids);
            }
            case Containerd containerd -> new RuntimeProcesses(containerd.runtimeProcesses());
            case UnitServer unit -> throw new IllegalArgumentException("not measured: " + unit);
        };
    }

    /** Such a process has executed no program yet, and never will. */
    private static boolean isLaunchProgram(long pid) {
        try {
            return Files.readSymbolicLink(Path.of("/proc/" + pid + "/exe"))
                    .toString()
                    .startsWith("/memfd:");
        } catch (IOException e) {
            return false; // ended meanwhile
        }
    }

    /**
     * User and system time so far, and that of all descendants that have ended and were waited for: of a runtime whose
     * processes wait for what they start, the work of programs that have ended is in it. The kernel counts in ticks, and
     * scales them to what the scheduler has measured.
     */
    double cpuMillis() {
        return pids.stream().mapToDouble(RuntimeProcesses::cpuMillis).sum();
    }

    private static double cpuMillis(long pid) {
        try {
            String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
            String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
            long ticks = 0;
            for (int field = 14; field <= 17; field++) { // utime, stime, cutime, cstime: proc_pid_stat(5)
                ticks += Long.parseLong(fields[field - 3]);
            }
            return ticks * 10.0; // USER_HZ is 100 on every architecture that we run on
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Their memory; a page that several share is counted once, in parts. */
    double pssKib() {
        return pids.stream()
                .mapToDouble(pid -> Optional.ofNullable(Host.memoryKiB(pid).get("Pss"))
                        .orElseThrow(() -> new IllegalStateException("no Pss of " + pid)))
                .sum();
    }
}
