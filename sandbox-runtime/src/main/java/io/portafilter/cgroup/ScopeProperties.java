package io.portafilter.cgroup;

import io.portafilter.systemd.Property;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;

/**
 * Limits as properties of a scope (systemd.resource-control(5)). systemd writes what it knows to the scope's files
 * whenever it reloads its configuration: limits that it did not know would be lost then. What it has no property for
 * (huge pages, most of {@code unified}) it leaves alone.
 */
public final class ScopeProperties {
    private static final long MICROS = 1_000_000;
    private static final long USUAL_PERIOD_MICROS = 100_000;

    private ScopeProperties() {}

    /** Those that are set, in no order that matters. */
    public static List<Property> of(CgroupLimits limits) {
        List<Property> properties = new ArrayList<>();
        limits.cpuShares().ifPresent(shares -> properties.add(Property.of("CPUWeight", LimitsV2.weight(shares))));
        quota(limits, properties);
        memory(limits, properties);
        limits.pidsLimit().ifPresent(pids -> properties.add(Property.of("TasksMax", orInfinity(pids > 0, pids))));
        if (!limits.cpusetCpus().isEmpty()) {
            properties.add(Property.ofList("AllowedCPUs", limits.cpusetCpus()));
        }
        if (!limits.cpusetMems().isEmpty()) {
            properties.add(Property.ofList("AllowedMemoryNodes", limits.cpusetMems()));
        }
        return List.copyOf(properties);
    }

    /** Whether the kernel shall kill all processes together when one lacks memory. */
    public static boolean killTogether(CgroupLimits limits) {
        return "1".equals(limits.unified().get("memory.oom.group"));
    }

    private static void quota(CgroupLimits limits, List<Property> properties) {
        OptionalLong quota = limits.cpuQuotaMicros();
        OptionalLong period = limits.cpuPeriodMicros();
        period.ifPresent(micros -> properties.add(Property.of("CPUQuotaPeriodUSec", micros)));
        if (quota.isPresent()) {
            long perSecond = quota.getAsLong() * MICROS / period.orElse(USUAL_PERIOD_MICROS);
            properties.add(Property.of("CPUQuotaPerSecUSec", orInfinity(quota.getAsLong() > 0, perSecond)));
        }
    }

    private static void memory(CgroupLimits limits, List<Property> properties) {
        OptionalLong memory = limits.memoryLimitBytes();
        if (memory.isEmpty()) {
            return;
        }
        long max = memory.getAsLong();
        properties.add(Property.of("MemoryMax", orInfinity(max >= 0, max)));
        if (limits.unified().containsKey("memory.swap.max")) {
            return; // the file means what it says, and is written last
        }
        long both = limits.memorySwapLimitBytes().orElse(max);
        properties.add(Property.of("MemorySwapMax", orInfinity(max >= 0 && both >= 0, both - max)));
    }

    private static long orInfinity(boolean limited, long value) {
        return limited ? value : Property.INFINITY;
    }
}
