package io.portafilter.cgroup;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * What a cgroup's processes may use. An absent or empty component leaves the kernel's value as it is.
 *
 * @param cpuShares relative weight in the units of cgroup v1, 1024 is one default share
 * @param cpuQuotaMicros run time in each period; 0 or less means no quota
 * @param cpuPeriodMicros length of a period
 * @param memoryLimitBytes memory, -1 for no limit
 * @param memorySwapLimitBytes memory and swap together, as cgroup v1 counts; -1 for no limit. Absent together with a
 *     memory limit means that limit: no swap
 * @param pidsLimit processes and threads; 0 or less means no limit
 * @param cpusetCpus processors in the kernel's list format, such as {@code 0-2,7}
 * @param cpusetMems memory nodes in the same format
 * @param hugepageLimitBytes limit for each page size as the kernel names it, such as {@code 2MB}
 * @param unified values for files of cgroup v2 by their names
 * @param devices what may be used; everything else is denied, so an empty list denies all. Set when a cgroup is
 *     created and never changed later
 */
public record CgroupLimits(
        OptionalLong cpuShares,
        OptionalLong cpuQuotaMicros,
        OptionalLong cpuPeriodMicros,
        OptionalLong memoryLimitBytes,
        OptionalLong memorySwapLimitBytes,
        OptionalLong pidsLimit,
        String cpusetCpus,
        String cpusetMems,
        Map<String, Long> hugepageLimitBytes,
        Map<String, String> unified,
        List<DeviceRule> devices) {
    private static final Pattern CPU_RANGE = Pattern.compile("(\\d{1,4})(-(\\d{1,4}))?");

    /** The largest number of a processor that Linux can have (NR_CPUS), and so the most that a list can name. */
    private static final int MOST_CPUS = 8192;

    private static final int SHOWN_CHARACTERS = 64;
    private static final Pattern PAGE_SIZE = Pattern.compile("[1-9]\\d*[KMG]B");
    private static final Pattern FILE_NAME = Pattern.compile("[a-z][a-z0-9_]*(\\.[A-Za-z0-9_]+)+");

    /** No limit and no device. */
    public static final CgroupLimits NONE = devicesOnly(List.of());

    public CgroupLimits {
        hugepageLimitBytes = Map.copyOf(hugepageLimitBytes);
        unified = Map.copyOf(unified);
        devices = List.copyOf(devices);
        requireList(cpusetCpus, "cpuset_cpus", "a list such as 0-2,7");
        requireList(cpusetMems, "cpuset_mems", "a list such as 0-1");
        for (String size : hugepageLimitBytes.keySet()) {
            require(size, PAGE_SIZE, "hugepage_limits", "a page size such as 2MB");
        }
        for (Map.Entry<String, String> entry : unified.entrySet()) {
            require(entry.getKey(), FILE_NAME, "unified", "the name of a cgroup v2 file such as memory.high");
            if (entry.getKey().startsWith("cgroup.")) {
                throw new CgroupRefusal(
                        "unified \"" + entry.getKey() + "\": files that steer the cgroup itself may not be set");
            }
        }
    }

    /** Device rules and nothing else. */
    public static CgroupLimits devicesOnly(List<DeviceRule> devices) {
        OptionalLong unset = OptionalLong.empty();
        return new CgroupLimits(unset, unset, unset, unset, unset, unset, "", "", Map.of(), Map.of(), devices);
    }

    /** The same, with more devices allowed. */
    public CgroupLimits allowing(List<DeviceRule> more) {
        if (more.isEmpty() || allowsAllDevices()) {
            return this;
        }
        return new CgroupLimits(
                cpuShares,
                cpuQuotaMicros,
                cpuPeriodMicros,
                memoryLimitBytes,
                memorySwapLimitBytes,
                pidsLimit,
                cpusetCpus,
                cpusetMems,
                hugepageLimitBytes,
                unified,
                Stream.concat(devices.stream(), more.stream()).distinct().toList());
    }

    /** Whether every device may be used. */
    boolean allowsAllDevices() {
        return devices.contains(DeviceRule.ALL);
    }

    /** Range by range: a pattern of the whole list would need a stack as deep as it is long. */
    static void requireList(String value, String field, String expected) {
        if (value.isEmpty()) {
            return;
        }
        String[] ranges = value.split(",", MOST_CPUS + 1);
        if (ranges.length > MOST_CPUS || !Arrays.stream(ranges).allMatch(CgroupLimits::isRange)) {
            throw refused(field, value, expected);
        }
    }

    private static boolean isRange(String text) {
        Matcher range = CPU_RANGE.matcher(text);
        if (!range.matches()) {
            return false;
        }
        int first = Integer.parseInt(range.group(1));
        int last = range.group(3) == null ? first : Integer.parseInt(range.group(3));
        return first <= last && last < MOST_CPUS;
    }

    private static void require(String value, Pattern format, String field, String expected) {
        if (!format.matcher(value).matches()) {
            throw refused(field, value, expected);
        }
    }

    private static CgroupRefusal refused(String field, String value, String expected) {
        String shown = value.length() > SHOWN_CHARACTERS ? value.substring(0, SHOWN_CHARACTERS) + "..." : value;
        return new CgroupRefusal(field + " \"" + shown + "\": " + expected + " was expected");
    }
}
