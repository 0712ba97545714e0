package io.portafilter.cgroup;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What else the kernel counts of a cgroup, for who collects metrics; see {@link CgroupUsage} for what is absent.
 *
 * @param oomKills processes that were killed for want of memory
 * @param tasks threads
 * @param taskLimit how many there may be; absent without a limit
 * @param hugePages by the name of the page's size, such as {@code 2MB}
 * @param devices block devices that were read from or written to
 */
public record CgroupCounters(
        Optional<CpuTime> cpu,
        Optional<MemoryEvents> memory,
        OptionalLong oomKills,
        OptionalLong tasks,
        OptionalLong taskLimit,
        Map<String, HugePages> hugePages,
        List<BlockDevice> devices) {

    /** {@code USER_HZ}: what times are counted in for programs, on every architecture that we know. */
    private static final long NANOS_OF_A_TICK = 10_000_000;

    private static final long NANOS_OF_A_MICROSECOND = 1000;

    /** Of x86-64 and of AArch64. */
    private static final List<String> HUGE_PAGES = List.of("2MB", "1GB", "64KB", "32MB");

    public CgroupCounters {
        hugePages = Map.copyOf(hugePages);
        devices = List.copyOf(devices);
    }

    /**
     * Processor time, and how often the quota was used up.
     *
     * @param periods of the quota that have passed
     * @param throttledPeriods those in which the cgroup was stopped
     */
    public record CpuTime(long userNanos, long systemNanos, long periods, long throttledPeriods, long throttledNanos) {}

    /**
     * Memory.
     *
     * @param maximumBytes the most that was ever used; absent before Linux 5.19 in version 2
     * @param limitHits how often the limit was met
     * @param kernelBytes what the kernel uses for it
     */
    public record MemoryEvents(OptionalLong maximumBytes, long limitHits, long kernelBytes) {}

    /**
     * Huge pages of one size.
     *
     * @param maximumBytes the most that was ever used; version 1 alone
     */
    public record HugePages(long usageBytes, OptionalLong maximumBytes) {}

    /** What went to and came from a block device. */
    public record BlockDevice(int major, int minor, long readBytes, long writtenBytes, long reads, long writes) {}

    /** Reads them. */
    public static CgroupCounters of(CgroupHierarchy hierarchy, String path) {
        UsageFiles files = UsageFiles.of(hierarchy, path);
        return switch (hierarchy) {
            case CgroupHierarchy.V1 _ -> ofV1(files);
            case CgroupHierarchy.V2 _ -> ofV2(files);
        };
    }

    static CgroupCounters ofV1(UsageFiles files) {
        Optional<Map<String, Long>> ticks = files.text("cpuacct.stat").map(KeyedValues::parse);
        Map<String, Long> quota = files.text("cpu.stat").map(KeyedValues::parse).orElse(Map.of());
        return new CgroupCounters(
                ticks.map(counted -> new CpuTime(
                        value(counted, "user") * NANOS_OF_A_TICK,
                        value(counted, "system") * NANOS_OF_A_TICK,
                        value(quota, "nr_periods"),
                        value(quota, "nr_throttled"),
                        value(quota, "throttled_time"))),
                memoryV1(files),
                files.text("memory.oom_control")
                        .map(text -> OptionalLong.of(KeyedValues.get(text, "oom_kill")))
                        .orElse(OptionalLong.empty()),
                files.number("pids.current"),
                files.limit("pids.max"),
                hugePages(files, ".usage_in_bytes"),
                devicesV1(files));
    }

    static CgroupCounters ofV2(UsageFiles files) {
        Optional<Map<String, Long>> cpu = files.text("cpu.stat").map(KeyedValues::parse);
        return new CgroupCounters(
                cpu.map(counted -> new CpuTime(
                        value(counted, "user_usec") * NANOS_OF_A_MICROSECOND,
                        value(counted, "system_usec") * NANOS_OF_A_MICROSECOND,
                        value(counted, "nr_periods"),
                        value(counted, "nr_throttled"),
                        value(counted, "throttled_usec") * NANOS_OF_A_MICROSECOND)),
                memoryV2(files),
                files.text("memory.events")
                        .map(text -> OptionalLong.of(KeyedValues.get(text, "oom_kill")))
                        .orElse(OptionalLong.empty()),
                files.number("pids.current"),
                files.limit("pids.max"),
                hugePages(files, ".current"),
                devicesV2(files));
    }

    private static Optional<MemoryEvents> memoryV1(UsageFiles files) {
        OptionalLong hits = files.number("memory.failcnt");
        return hits.isEmpty()
                ? Optional.empty()
                : Optional.of(new MemoryEvents(
                        files.number("memory.max_usage_in_bytes"),
                        hits.getAsLong(),
                        files.number("memory.kmem.usage_in_bytes").orElse(0)));
    }

    private static Optional<MemoryEvents> memoryV2(UsageFiles files) {
        return files.text("memory.events").map(KeyedValues::parse).map(events -> {
            Map<String, Long> stat =
                    files.text("memory.stat").map(KeyedValues::parse).orElse(Map.of());
            return new MemoryEvents(files.number("memory.peak"), value(events, "max"), kernelBytes(stat));
        });
    }

    /** Linux 5.18 says it; those before say what it is made up of. */
    private static long kernelBytes(Map<String, Long> stat) {
        Long told = stat.get("kernel");
        return told != null
                ? told
                : value(stat, "kernel_stack") + value(stat, "pagetables") + value(stat, "percpu") + value(stat, "slab");
    }

    private static Map<String, HugePages> hugePages(UsageFiles files, String ending) {
        Map<String, HugePages> found = new LinkedHashMap<>();
        for (String size : HUGE_PAGES) {
            OptionalLong usage = files.number("hugetlb." + size + ending);
            if (usage.isEmpty() && found.isEmpty()) {
                break; // no controller
            }
            usage.ifPresent(bytes ->
                    found.put(size, new HugePages(bytes, files.number("hugetlb." + size + ".max_usage_in_bytes"))));
        }
        return found;
    }

    /** Lines such as {@code 8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0}. */
    private static List<BlockDevice> devicesV2(UsageFiles files) {
        List<BlockDevice> devices = new ArrayList<>();
        for (String line : files.text("io.stat").orElse("").lines().toList()) {
            String[] words = line.split(" ");
            Map<String, Long> counted = new LinkedHashMap<>();
            for (String word : words) {
                int sign = word.indexOf('=');
                if (sign > 0 && word.substring(sign + 1).matches("\\d{1,19}")) {
                    counted.put(word.substring(0, sign), Long.parseLong(word.substring(sign + 1)));
                }
            }
            device(words[0], counted, List.of("rbytes", "wbytes", "rios", "wios"))
                    .ifPresent(devices::add);
        }
        return devices;
    }

    /** Lines such as {@code 8:0 Read 1}, in a file for bytes and one for how often. */
    private static List<BlockDevice> devicesV1(UsageFiles files) {
        Map<String, Map<String, Long>> byDevice = new LinkedHashMap<>();
        collectV1(files.text("blkio.throttle.io_service_bytes_recursive"), "bytes", byDevice);
        collectV1(files.text("blkio.throttle.io_serviced_recursive"), "times", byDevice);
        List<BlockDevice> devices = new ArrayList<>();
        byDevice.forEach((device, counted) -> device(
                        device, counted, List.of("bytes Read", "bytes Write", "times Read", "times Write"))
                .ifPresent(devices::add));
        return devices;
    }

    private static void collectV1(Optional<String> text, String what, Map<String, Map<String, Long>> byDevice) {
        text.orElse("")
                .lines()
                .map(line -> line.split(" "))
                .filter(words -> words.length == 3)
                .forEach(words -> byDevice.computeIfAbsent(words[0], _ -> new LinkedHashMap<>())
                        .put(what + " " + words[1], Long.parseLong(words[2])));
    }

    private static Optional<BlockDevice> device(String number, Map<String, Long> counted, List<String> keys) {
        if (!number.matches("\\d{1,9}:\\d{1,9}") || counted.isEmpty()) {
            return Optional.empty();
        }
        String[] parts = number.split(":");
        return Optional.of(new BlockDevice(
                Integer.parseInt(parts[0]),
                Integer.parseInt(parts[1]),
                value(counted, keys.get(0)),
                value(counted, keys.get(1)),
                value(counted, keys.get(2)),
                value(counted, keys.get(3))));
    }

    private static long value(Map<String, Long> counted, String key) {
        return counted.getOrDefault(key, 0L);
    }
}
