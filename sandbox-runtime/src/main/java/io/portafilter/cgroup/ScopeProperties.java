package io.portafilter.cgroup;

import io.portafilter.systemd.Property;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Limits as properties of a scope (systemd.resource-control(5)). After systemd has reloaded its configuration it writes
 * all that it knows to a scope's files with the next change in the scope's slice, such as the start of another scope:
 * limits that it was not told would be lost then. What it has no property for (huge pages, limits of single block
 * devices) it leaves alone.
 */
public final class ScopeProperties {
    private static final long MICROS = 1_000_000;
    private static final long USUAL_PERIOD_MICROS = 100_000;
    private static final String MAX = "max";

    /** {@code CPUWeight=0} means {@code cpu.idle} from here on. */
    private static final int IDLE_SINCE = 252;

    /** Remembers quotas to a hundredth of a percent, in microseconds of each second; before, whole percents. */
    private static final int FINE_QUOTA_SINCE = 257;

    private static final long FINE_QUOTA_STEP = 100;
    private static final long COARSE_QUOTA_STEP = 10_000;

    /** A number of bytes as the kernel reads it (memparse() in lib/cmdline.c), but for octal and hexadecimal ones. */
    private static final Pattern BYTES = Pattern.compile("(0|[1-9]\\d{0,18})([kKmMgGtTpPeE]?)");

    private static final String SUFFIXES = "kmgtpe";
    private static final Pattern NUMBER = Pattern.compile("0|[1-9]\\d{0,18}");
    private static final Pattern CPU_MAX = Pattern.compile("(max|[1-9]\\d{0,11})(\\s+([1-9]\\d{0,12}))?");
    private static final Pattern WEIGHT = Pattern.compile("[1-9]\\d{0,3}|10000");
    private static final Pattern DEFAULT_WEIGHT = Pattern.compile("(?:default\\s+)?(" + WEIGHT + ")");

    private final int systemd;
    private final Map<String, Property> properties = new TreeMap<>();

    private ScopeProperties(int systemd) {
        this.systemd = systemd;
    }

    /**
     * Those that are set, a name once.
     *
     * @param systemd the number of its release
     * @throws CgroupRefusal if a value of {@code unified} that systemd has to know is none that the file takes
     */
    public static List<Property> of(CgroupLimits limits, int systemd) {
        ScopeProperties properties = new ScopeProperties(systemd);
        limits.cpuShares().ifPresent(shares -> properties.put("CPUWeight", LimitsV2.weight(shares)));
        properties.quota(limits.cpuQuotaMicros(), limits.cpuPeriodMicros());
        properties.memory(limits);
        limits.pidsLimit().ifPresent(pids -> properties.put("TasksMax", orInfinity(pids > 0, pids)));
        properties.list("AllowedCPUs", limits.cpusetCpus());
        properties.list("AllowedMemoryNodes", limits.cpusetMems());
        // last: who names a file means what it says; in this order, for an idle cgroup has no weight
        new TreeMap<>(limits.unified()).descendingMap().forEach(properties::unified);
        return List.copyOf(properties.properties.values());
    }

    /** Whether the kernel shall kill all processes together when one lacks memory. */
    public static boolean killTogether(CgroupLimits limits) {
        return "1".equals(limits.unified().getOrDefault("memory.oom.group", "").strip());
    }

    private void put(String name, long value) {
        properties.put(name, Property.of(name, value));
    }

    private void list(String name, String list) {
        if (!list.isEmpty()) {
            properties.put(name, Property.ofList(name, list));
        }
    }

    private void quota(OptionalLong quota, OptionalLong period) {
        period.ifPresent(micros -> put("CPUQuotaPeriodUSec", micros));
        if (quota.isPresent()) {
            put("CPUQuotaPerSecUSec", perSecond(quota.getAsLong(), period.orElse(USUAL_PERIOD_MICROS)));
        }
    }

    /** Rounded up to what systemd does not cut off when it reads its own notes again. */
    private long perSecond(long quotaMicros, long periodMicros) {
        if (quotaMicros <= 0) {
            return Property.INFINITY;
        }
        long step = systemd >= FINE_QUOTA_SINCE ? FINE_QUOTA_STEP : COARSE_QUOTA_STEP;
        long steps = Math.ceilDiv(Math.multiplyExact(quotaMicros, MICROS), Math.multiplyExact(periodMicros, step));
        return steps * step;
    }

    private void memory(CgroupLimits limits) {
        OptionalLong memory = limits.memoryLimitBytes();
        if (memory.isEmpty()) {
            return;
        }
        long max = memory.getAsLong();
        put("MemoryMax", orInfinity(max >= 0, max));
        long both = limits.memorySwapLimitBytes().orElse(max);
        put("MemorySwapMax", orInfinity(max >= 0 && both >= 0, both - max));
    }

    private void unified(String file, String text) {
        String value = text.strip();
        switch (file) {
            // 0 would mean an idle cgroup
            case "cpu.weight" -> put("CPUWeight", Long.parseLong(matching(WEIGHT, file, value, "1 to 10000")));
            case "cpu.idle" -> {
                if (value.equals("1") && systemd >= IDLE_SINCE) {
                    put("CPUWeight", 0);
                }
            }
            case "cpu.max" -> cpuMax(file, value);
            case "cpuset.cpus" -> list("AllowedCPUs", checked(file, value, "a list such as 0-2,7"));
            case "cpuset.mems" -> list("AllowedMemoryNodes", checked(file, value, "a list such as 0-1"));
            case "io.weight" -> defaultWeight(value);
            case "memory.min" -> put("MemoryMin", bytes(file, value));
            case "memory.low" -> put("MemoryLow", bytes(file, value));
            // systemd refuses 0; the kernel rounds down to whole pages
            case "memory.high" -> put("MemoryHigh", atLeastOne(bytes(file, value)));
            case "memory.max" -> put("MemoryMax", atLeastOne(bytes(file, value)));
            case "memory.swap.max" -> put("MemorySwapMax", bytes(file, value));
            // it refuses 0 here too; the first process counts, so that both keep it from another
            case "pids.max" ->
                put(
                        "TasksMax",
                        value.equals(MAX)
                                ? Property.INFINITY
                                : Math.max(1, Long.parseLong(matching(NUMBER, file, value, "a number or max"))));
            default -> {}
        }
    }

    private void cpuMax(String file, String value) {
        Matcher parts = CPU_MAX.matcher(value);
        if (!parts.matches()) {
            throw refused(file, value, "a quota, or max, and a period");
        }
        long quota = parts.group(1).equals(MAX) ? 0 : Long.parseLong(parts.group(1));
        Optional<String> period = Optional.ofNullable(parts.group(3));
        quota(
                OptionalLong.of(quota),
                period.map(micros -> OptionalLong.of(Long.parseLong(micros))).orElse(OptionalLong.empty()));
    }

    /** Weights of single devices are none that systemd would write. */
    private void defaultWeight(String value) {
        Matcher weight = DEFAULT_WEIGHT.matcher(value);
        if (weight.matches()) {
            put("IOWeight", Long.parseLong(weight.group(1)));
        }
    }

    private static long bytes(String file, String value) {
        if (value.equals(MAX)) {
            return Property.INFINITY;
        }
        Matcher parts = BYTES.matcher(value);
        if (!parts.matches()) {
            throw refused(file, value, "a number of bytes or max");
        }
        int power = parts.group(2).isEmpty()
                ? 0
                : 1 + SUFFIXES.indexOf(Character.toLowerCase(parts.group(2).charAt(0)));
        long number = Long.parseLong(parts.group(1));
        if (number > Long.MAX_VALUE >> (10 * power)) {
            throw refused(file, value, "a number of bytes or max");
        }
        return number << (10 * power);
    }

    private static long atLeastOne(long bytes) {
        return bytes == 0 ? 1 : bytes;
    }

    private static String checked(String file, String list, String expected) {
        if (list.isEmpty()) {
            throw refused(file, list, expected);
        }
        CgroupLimits.requireList(list, "unified " + file, expected);
        return list;
    }

    private static String matching(Pattern format, String file, String value, String expected) {
        if (!format.matcher(value).matches()) {
            throw refused(file, value, expected);
        }
        return value;
    }

    private static CgroupRefusal refused(String file, String value, String expected) {
        return new CgroupRefusal("unified " + file + " = \"" + value + "\": " + expected + " was expected");
    }

    private static long orInfinity(boolean limited, long value) {
        return limited ? value : Property.INFINITY;
    }
}
