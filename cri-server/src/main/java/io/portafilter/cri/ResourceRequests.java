package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.shown;

import io.portafilter.cgroup.CgroupLimits;
import io.portafilter.cgroup.CgroupRefusal;
import io.portafilter.cgroup.DeviceRule;
import io.portafilter.container.ContainerPlan;
import io.portafilter.cri.v1.HugepageLimit;
import io.portafilter.cri.v1.LinuxContainerResources;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;

/** LinuxContainerResources to {@link CgroupLimits}; 0 and the empty text mean "leave as it is". */
final class ResourceRequests {

    /** The kernel's bounds of a CPU period (sched/core.c). */
    private static final long MIN_PERIOD_MICROS = 1_000;

    private static final long MAX_PERIOD_MICROS = 1_000_000;
    private static final long MIN_QUOTA_MICROS = 1_000;

    /** Half of the kernel's; what systemd counts it in, microseconds of a second, ends there. */
    private static final long MAX_QUOTA_MICROS = 1L << 43;

    private static final long MIN_SHARES = 2;
    private static final long MAX_SHARES = 262_144;

    private static final String PIDS_MAX = "pids.max";

    private ResourceRequests() {}

    static CgroupLimits limits(String field, LinuxContainerResources asked, boolean privileged) {
        Map<String, String> unified = new HashMap<>(asked.getUnifiedMap());
        OptionalLong pids = pids(field, unified);
        OptionalLong memory = sizeOrUnlimited(field + ".memory_limit_in_bytes", asked.getMemoryLimitInBytes());
        OptionalLong swap = sizeOrUnlimited(field + ".memory_swap_limit_in_bytes", asked.getMemorySwapLimitInBytes());
        requireSwapAboveMemory(field, memory, swap);
        try {
            return new CgroupLimits(
                    shares(field + ".cpu_shares", asked.getCpuShares()),
                    quota(field + ".cpu_quota", asked.getCpuQuota()),
                    period(field + ".cpu_period", asked.getCpuPeriod()),
                    memory,
                    swap,
                    pids,
                    asked.getCpusetCpus(),
                    asked.getCpusetMems(),
                    hugepages(field + ".hugepage_limits", asked.getHugepageLimitsList()),
                    unified,
                    privileged ? List.of(DeviceRule.ALL) : DeviceRule.DEFAULTS);
        } catch (CgroupRefusal e) {
            throw invalid(field, String.valueOf(e.getMessage()), "");
        }
    }

    /**
     * What holds after an update: 0 and the empty text leave a value as it was, maps and page sizes are merged by key, and
     * the score of the OOM killer is not updated. Who was kept from swapping stays so under another limit of memory.
     */
    static LinuxContainerResources updated(LinuxContainerResources before, LinuxContainerResources update) {
        Map<String, HugepageLimit> hugepages = new TreeMap<>();
        before.getHugepageLimitsList().forEach(limit -> hugepages.put(limit.getPageSize(), limit));
        update.getHugepageLimitsList().forEach(limit -> hugepages.put(limit.getPageSize(), limit));
        LinuxContainerResources.Builder after = before.toBuilder()
                .mergeFrom(update)
                .setOomScoreAdj(before.getOomScoreAdj())
                .clearHugepageLimits()
                .addAllHugepageLimits(hugepages.values());
        boolean noSwap = before.getMemoryLimitInBytes() > 0
                && before.getMemorySwapLimitInBytes() == before.getMemoryLimitInBytes();
        if (noSwap && update.getMemorySwapLimitInBytes() == 0) {
            after.setMemorySwapLimitInBytes(after.getMemoryLimitInBytes());
        }
        return after.build();
    }

    /**
     * What an update writes: its own values, and with one of them what it depends on: both limits of memory, and the
     * quota together with its period, for systemd takes the one as a share of the other.
     */
    static LinuxContainerResources written(LinuxContainerResources update, LinuxContainerResources after) {
        LinuxContainerResources.Builder written = update.toBuilder();
        if (update.getMemoryLimitInBytes() != 0 || update.getMemorySwapLimitInBytes() != 0) {
            written.setMemoryLimitInBytes(after.getMemoryLimitInBytes())
                    .setMemorySwapLimitInBytes(after.getMemorySwapLimitInBytes());
        }
        if (update.getCpuQuota() != 0 || update.getCpuPeriod() != 0) {
            written.setCpuQuota(after.getCpuQuota()).setCpuPeriod(after.getCpuPeriod());
        }
        return written.build();
    }

    /**
     * What a request comes to, for ContainerStatus: without a limit of swap there is none, and the score of the OOM killer
     * is what the server could set.
     */
    static LinuxContainerResources effective(LinuxContainerResources asked, Optional<ContainerPlan> plan) {
        LinuxContainerResources.Builder effective = asked.toBuilder();
        if (asked.getMemorySwapLimitInBytes() == 0) {
            effective.setMemorySwapLimitInBytes(asked.getMemoryLimitInBytes());
        }
        plan.ifPresent(known -> effective.setOomScoreAdj(known.oomScoreAdj()));
        return effective.build();
    }

    private static OptionalLong shares(String field, long shares) {
        return shares == 0
                ? OptionalLong.empty()
                : OptionalLong.of(Fields.inRange(field, shares, MIN_SHARES, MAX_SHARES));
    }

    private static OptionalLong quota(String field, long quota) {
        if (quota == 0) {
            return OptionalLong.empty();
        }
        if (quota != -1 && (quota < MIN_QUOTA_MICROS || quota > MAX_QUOTA_MICROS)) {
            throw invalid(
                    field,
                    quota + " is out of range",
                    "give " + MIN_QUOTA_MICROS + " to " + MAX_QUOTA_MICROS + " microseconds, or -1 for no quota");
        }
        return OptionalLong.of(quota);
    }

    private static OptionalLong period(String field, long period) {
        return period == 0
                ? OptionalLong.empty()
                : OptionalLong.of(Fields.inRange(field, period, MIN_PERIOD_MICROS, MAX_PERIOD_MICROS));
    }

    private static OptionalLong sizeOrUnlimited(String field, long bytes) {
        if (bytes < -1) {
            throw invalid(field, bytes + " is out of range", "give a size in bytes, or -1 for no limit");
        }
        return bytes == 0 ? OptionalLong.empty() : OptionalLong.of(bytes);
    }

    private static void requireSwapAboveMemory(String field, OptionalLong memory, OptionalLong swap) {
        if (swap.isEmpty() || swap.getAsLong() == -1) {
            return;
        }
        if (memory.isEmpty() || memory.getAsLong() == -1) {
            throw invalid(
                    field + ".memory_swap_limit_in_bytes",
                    swap.getAsLong() + " without a limit of memory",
                    "give memory_limit_in_bytes too: the one counts memory and swap together");
        }
        if (swap.getAsLong() < memory.getAsLong()) {
            throw invalid(
                    field + ".memory_swap_limit_in_bytes",
                    swap.getAsLong() + " is less than memory_limit_in_bytes " + memory.getAsLong(),
                    "give at least that: it counts memory and swap together");
        }
    }

    /** CRI has no field for it; version 2's file name is understood on both versions. */
    private static OptionalLong pids(String field, Map<String, String> unified) {
        String limit = unified.remove(PIDS_MAX);
        if (limit == null) {
            return OptionalLong.empty();
        }
        if (limit.equals("max")) {
            return OptionalLong.of(-1);
        }
        if (!limit.matches("\\d{1,9}") || Long.parseLong(limit) == 0) {
            throw invalid(
                    field + ".unified[" + PIDS_MAX + "]",
                    shown(limit) + " is no number of processes",
                    "give one, or max");
        }
        return OptionalLong.of(Long.parseLong(limit));
    }

    private static Map<String, Long> hugepages(String field, List<HugepageLimit> asked) {
        Map<String, Long> limits = new HashMap<>();
        for (HugepageLimit limit : asked) {
            if (limit.getLimit() < 0) {
                throw invalid(
                        field, Long.toUnsignedString(limit.getLimit()) + " is out of range", "give a size in bytes");
            }
            if (limits.put(limit.getPageSize(), limit.getLimit()) != null) {
                throw invalid(field, "page size " + shown(limit.getPageSize()) + " is given twice", "give it once");
            }
        }
        return limits;
    }
}
