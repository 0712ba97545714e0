package io.portafilter.cgroup;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What the processes of a cgroup, and of those below it, use. What is not counted here, for want of a controller or of a
 * kernel that counts it, is absent.
 *
 * @param cpuNanos processor time that was used since the cgroup was made
 * @param cpuPressure waiting for the processor; version 2 alone, as the other two
 */
public record CgroupUsage(
        OptionalLong cpuNanos,
        Optional<Memory> memory,
        Optional<Swap> swap,
        Optional<Pressure> cpuPressure,
        Optional<Pressure> memoryPressure,
        Optional<Pressure> ioPressure) {

    private static final long NANOS_OF_A_MICROSECOND = 1000;

    /** Of version 1: every container is in the hierarchy of one of them, if the host has it. */
    private static final List<String> COUNTING = List.of("pids", "memory", "cpuacct", "freezer");

    /**
     * Memory in bytes.
     *
     * @param usageBytes all that is charged, the page cache included
     * @param workingSetBytes without what the kernel could give back at once, pages of files that were not used lately
     * @param availableBytes what is left of the limit; absent without a limit
     * @param rssBytes anonymous memory
     * @param cacheBytes pages of files
     * @param mappedBytes pages of files that are mapped
     * @param faults page faults
     */
    public record Memory(
            long usageBytes,
            long workingSetBytes,
            OptionalLong availableBytes,
            long rssBytes,
            long cacheBytes,
            long mappedBytes,
            Faults faults) {}

    /**
     * Page faults since the cgroup was made.
     *
     * @param minorAndMajor all of them
     * @param major those for which the disk was read
     */
    public record Faults(long minorAndMajor, long major) {}

    /**
     * Memory that lies on the disk.
     *
     * @param usageBytes what lies there
     * @param availableBytes what is left of the limit; absent without a limit
     */
    public record Swap(long usageBytes, OptionalLong availableBytes) {}

    /** Reads it. A cgroup that is gone uses nothing that could be told: all is absent. */
    public static CgroupUsage of(CgroupHierarchy hierarchy, String path) {
        UsageFiles files = UsageFiles.of(hierarchy, path);
        return switch (hierarchy) {
            case CgroupHierarchy.V1 _ -> ofV1(files);
            case CgroupHierarchy.V2 _ -> ofV2(files);
        };
    }

    /** How many tasks, which are threads, are in a cgroup and those below it. */
    public static OptionalLong tasks(CgroupHierarchy hierarchy, String path) {
        return UsageFiles.of(hierarchy, path).number("pids.current");
    }

    /**
     * The processes in a cgroup and those below it, in ascending order, for who counts them: in version 1 by one hierarchy
     * alone. Who stops them asks {@link Cgroup#processes}, which no process hides from in another.
     */
    public static List<Integer> processes(CgroupHierarchy hierarchy, String path) {
        CgroupPath checked = new CgroupPath(path);
        return switch (hierarchy) {
            case CgroupHierarchy.V2 v2 ->
                List.copyOf(new CgroupDirectory(v2.directory() + checked.value()).processes());
            case CgroupHierarchy.V1 v1 ->
                COUNTING.stream()
                        .flatMap(controller -> v1.of(controller).stream())
                        .findFirst()
                        .map(mount -> List.copyOf(new CgroupDirectory(mount.directory() + checked.value()).processes()))
                        .orElse(List.of());
        };
    }

    /** Version 1: {@code Documentation/admin-guide/cgroup-v1}. It counts no pressure. */
    static CgroupUsage ofV1(UsageFiles files) {
        // once: it costs more than all others, as the kernel sums up over the processors
        Optional<Map<String, Long>> stat = files.text("memory.stat").map(KeyedValues::parse);
        return new CgroupUsage(
                files.number("cpuacct.usage"),
                stat.flatMap(counted -> memoryV1(files, counted)),
                stat.flatMap(counted -> swapV1(files, counted)),
                Optional.empty(),
                Optional.empty(),
                Optional.empty());
    }

    /** Version 2: {@code Documentation/admin-guide/cgroup-v2.rst}. */
    static CgroupUsage ofV2(UsageFiles files) {
        return new CgroupUsage(
                files.text("cpu.stat")
                        .map(text -> OptionalLong.of(KeyedValues.get(text, "usage_usec") * NANOS_OF_A_MICROSECOND))
                        .orElse(OptionalLong.empty()),
                memoryV2(files),
                swapV2(files),
                files.pressure("cpu.pressure"),
                files.pressure("memory.pressure"),
                files.pressure("io.pressure"));
    }

    private static Optional<Memory> memoryV1(UsageFiles files, Map<String, Long> counted) {
        OptionalLong usage = files.number("memory.usage_in_bytes");
        if (usage.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(memory(
                usage.getAsLong(),
                files.limit("memory.limit_in_bytes"),
                value(counted, "total_inactive_file"),
                value(counted, "total_rss"),
                value(counted, "total_cache"),
                value(counted, "total_mapped_file"),
                new Faults(value(counted, "total_pgfault"), value(counted, "total_pgmajfault"))));
    }

    private static Optional<Memory> memoryV2(UsageFiles files) {
        OptionalLong usage = files.number("memory.current");
        Optional<Map<String, Long>> stat = files.text("memory.stat").map(KeyedValues::parse);
        if (usage.isEmpty() || stat.isEmpty()) {
            return Optional.empty();
        }
        Map<String, Long> counted = stat.get();
        return Optional.of(memory(
                usage.getAsLong(),
                files.limit("memory.max"),
                value(counted, "inactive_file"),
                value(counted, "anon"),
                value(counted, "file"),
                value(counted, "file_mapped"),
                new Faults(value(counted, "pgfault"), value(counted, "pgmajfault"))));
    }

    private static Memory memory(
            long usage, OptionalLong limit, long inactiveFile, long rss, long cache, long mapped, Faults faults) {
        long workingSet = Math.max(usage - inactiveFile, 0);
        OptionalLong available =
                limit.isEmpty() ? OptionalLong.empty() : OptionalLong.of(Math.max(limit.getAsLong() - workingSet, 0));
        return new Memory(usage, workingSet, available, rss, cache, mapped, faults);
    }

    /** Version 1 counts memory and swap together; what of it is swap, the statistics say. */
    private static Optional<Swap> swapV1(UsageFiles files, Map<String, Long> counted) {
        Long swapped = counted.get("total_swap");
        if (swapped == null) {
            return Optional.empty(); // the kernel does not count it
        }
        OptionalLong limit = files.limit("memory.memsw.limit_in_bytes");
        OptionalLong usage = files.number("memory.memsw.usage_in_bytes");
        OptionalLong available = limit.isEmpty() || usage.isEmpty()
                ? OptionalLong.empty()
                : OptionalLong.of(Math.max(limit.getAsLong() - usage.getAsLong(), 0));
        return Optional.of(new Swap(swapped, available));
    }

    private static Optional<Swap> swapV2(UsageFiles files) {
        OptionalLong usage = files.number("memory.swap.current");
        if (usage.isEmpty()) {
            return Optional.empty();
        }
        OptionalLong limit = files.limit("memory.swap.max");
        OptionalLong available = limit.isEmpty()
                ? OptionalLong.empty()
                : OptionalLong.of(Math.max(limit.getAsLong() - usage.getAsLong(), 0));
        return Optional.of(new Swap(usage.getAsLong(), available));
    }

    private static long value(Map<String, Long> counted, String key) {
        return counted.getOrDefault(key, 0L);
    }
}
