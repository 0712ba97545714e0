package io.portafilter.container;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.linux.Errno;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.ProcFile;
import io.portafilter.linux.ProcStat;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * What launches may leave behind, counted on this host: this process's descriptors and children, mounts, and cgroups
 * below one.
 */
record Residue(Map<String, Integer> descriptors, TreeSet<Integer> children, long mounts, TreeSet<String> cgroups) {

    private static final Duration LIMIT = Duration.ofSeconds(10);

    static Residue now(String group) {
        return new Residue(descriptorKinds(), childProcesses(), hostMounts(), cgroupsBelow(group));
    }

    /** Waits until all is as it was, for a bounded time. */
    void assertNothingMore(String group, String after) {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        Residue now = now(group);
        while (!now.equals(this) && System.nanoTime() < deadline) {
            Thread.onSpinWait();
            now = now(group);
        }
        assertThat(now).as("what is there after " + after).isEqualTo(this);
    }

    /** By kind, since numbers change; the JVM's own files come and go when classes are loaded. */
    private static Map<String, Integer> descriptorKinds() {
        Map<String, Integer> kinds = new TreeMap<>();
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
            for (Path descriptor : descriptors.toList()) {
                String kind = kind(descriptor);
                if (!kind.endsWith(".jar") && !kind.equals("/proc/<pid>/fd") && !kind.isEmpty()) {
                    kinds.merge(kind, 1, Integer::sum);
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return kinds;
    }

    private static String kind(Path descriptor) {
        try {
            return Files.readSymbolicLink(descriptor).toString().replaceAll("[0-9]+", "<pid>");
        } catch (IOException e) {
            return ""; // the one that listed them
        }
    }

    private static TreeSet<Integer> childProcesses() {
        TreeSet<Integer> children = new TreeSet<>();
        int self = (int) ProcessHandle.current().pid();
        try (Stream<Path> processes = Files.list(Path.of("/proc"))) {
            for (Path process : processes.toList()) {
                if (process.getFileName().toString().matches("[0-9]+")) {
                    try {
                        ProcStat stat = ProcStat.parse(ProcFile.read(process + "/stat"));
                        if (stat.parentPid() == self) {
                            children.add(stat.pid());
                        }
                    } catch (KernelException e) {
                        if (!e.is(Errno.ENOENT) && !e.is(Errno.ESRCH)) {
                            throw e;
                        }
                    }
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return children;
    }

    private static long hostMounts() {
        return ProcFile.read("/proc/self/mountinfo").lines().count();
    }

    private static TreeSet<String> cgroupsBelow(String group) {
        TreeSet<String> found = new TreeSet<>();
        for (String hierarchy : new String[] {"pids", "memory", "devices", "freezer", "cpu", "unified", "."}) {
            Path root = Path.of("/sys/fs/cgroup", hierarchy + group);
            if (!Files.isDirectory(root)) {
                continue;
            }
            try (Stream<Path> directories = Files.list(root)) {
                for (Path path : directories.filter(Files::isDirectory).toList()) {
                    found.add(path + " with processes "
                            + ProcFile.read(path + "/cgroup.procs").strip().replace('\n', ' '));
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return found;
    }
}
