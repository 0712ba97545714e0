package io.portafilter.cgroup;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.linux.Kernel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;

/** Cgroups of names of our own, and processes in them. */
final class CgroupFixture {
    static final Duration SOON = Duration.ofSeconds(5);

    private static final AtomicInteger COUNTER = new AtomicInteger();

    private CgroupFixture() {}

    static CgroupHierarchy.V1 version1() {
        assumeTrue(Kernel.geteuid() == 0, "needs root: makes cgroups");
        CgroupHierarchy detected = CgroupHierarchy.detect();
        assumeTrue(detected instanceof CgroupHierarchy.V1, "needs a host with cgroup v1");
        return (CgroupHierarchy.V1) detected;
    }

    /** The version 2 hierarchy, on a hybrid host the one without controllers. */
    static CgroupHierarchy.V2 version2() {
        assumeTrue(Kernel.geteuid() == 0, "needs root: makes cgroups");
        for (String root : List.of("/sys/fs/cgroup", "/sys/fs/cgroup/unified")) {
            if (Files.exists(Path.of(root, "cgroup.controllers"))) {
                return new CgroupHierarchy.V2(root, "/");
            }
        }
        assumeTrue(false, "needs a cgroup2 mount at /sys/fs/cgroup or /sys/fs/cgroup/unified");
        throw new AssertionError();
    }

    static String parent() {
        return "/portafilter-test-" + ProcessHandle.current().pid() + "-" + COUNTER.incrementAndGet();
    }

    static CgroupLimits limits(Map<String, Long> numbers) {
        return limits(numbers, DeviceRule.DEFAULTS);
    }

    static CgroupLimits limits(Map<String, Long> numbers, List<DeviceRule> devices) {
        return new CgroupLimits(
                number(numbers, "shares"),
                number(numbers, "quota"),
                number(numbers, "period"),
                number(numbers, "memory"),
                number(numbers, "swap"),
                number(numbers, "pids"),
                "",
                "",
                Map.of(),
                Map.of(),
                devices);
    }

    static CgroupLimits cpuset(String cpus) {
        OptionalLong unset = OptionalLong.empty();
        return new CgroupLimits(
                unset, unset, unset, unset, unset, unset, cpus, "", Map.of(), Map.of(), DeviceRule.DEFAULTS);
    }

    private static OptionalLong number(Map<String, Long> numbers, String name) {
        return numbers.containsKey(name) ? OptionalLong.of(numbers.getOrDefault(name, 0L)) : OptionalLong.empty();
    }

    /** A shell that joins through the descriptors' files and then runs the script. */
    static Process join(Cgroup cgroup, String script) throws IOException {
        String joining =
                tasksFiles(cgroup).stream().map(file -> "echo 0 > " + file).collect(Collectors.joining(" && "));
        return new ProcessBuilder("sh", "-c", joining + " && " + script)
                .redirectErrorStream(true)
                .start();
    }

    private static List<String> tasksFiles(Cgroup cgroup) {
        var opened = cgroup.openForJoin();
        try {
            return opened.stream()
                    .map(descriptor -> Path.of(descriptor.path()))
                    .map(CgroupFixture::target)
                    .map(path -> Files.isDirectory(Path.of(path)) ? path + "/cgroup.procs" : path)
                    .toList();
        } finally {
            opened.forEach(io.portafilter.linux.Fd::close);
        }
    }

    private static String target(Path link) {
        try {
            return Files.readSymbolicLink(link).toString();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    /** What a joined script prints, once it has ended. */
    static String output(Cgroup cgroup, String script) throws IOException {
        Process process = join(cgroup, script);
        try (var output = process.getInputStream()) {
            String text = new String(output.readAllBytes(), StandardCharsets.UTF_8);
            int _ = process.onExit().join().exitValue();
            return text;
        }
    }

    static void await(String what, BooleanSupplier condition) {
        long end = System.nanoTime() + Duration.ofSeconds(10).toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("not within 10 s: " + what);
            }
            Thread.onSpinWait();
        }
    }
}
