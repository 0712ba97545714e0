package io.portafilter.cgroup;

import java.lang.System.Logger.Level;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;

/** Limits as the files of cgroup version 2. */
final class LimitsV2 {
    private static final System.Logger LOG = System.getLogger(LimitsV2.class.getName());

    private static final long LEAST_SHARES = 2;
    private static final long MOST_SHARES = 262_144;
    private static final long MOST_WEIGHT = 10_000;
    private static final String MAX = "max";

    private final CgroupDirectory directory;
    private final CgroupLimits limits;
    private final Journal journal;

    LimitsV2(CgroupDirectory directory, CgroupLimits limits, Journal journal) {
        this.directory = directory;
        this.limits = limits;
        this.journal = journal;
    }

    /** The kernel would kill in the cgroup until it fits. */
    static void refuseBelowUse(CgroupDirectory directory, CgroupLimits limits) {
        long bytes = limits.memoryLimitBytes().orElse(-1);
        Optional<Long> used = directory.readIfPresent("memory.current").map(Long::valueOf);
        if (bytes >= 0 && used.isPresent() && used.get() > bytes) {
            throw CgroupRefusal.forNow(
                    "memory.max = " + bytes + ": the cgroup uses " + used.get() + " bytes now; set a limit above that");
        }
    }

    void write() {
        limits.cpuShares().ifPresent(shares -> write("cpu.weight", Long.toString(weight(shares))));
        writeQuota();
        writeMemory();
        limits.pidsLimit().ifPresent(pids -> write("pids.max", pids <= 0 ? MAX : Long.toString(pids)));
        if (!limits.cpusetMems().isEmpty()) {
            write("cpuset.mems", limits.cpusetMems());
        }
        if (!limits.cpusetCpus().isEmpty()) {
            write("cpuset.cpus", limits.cpusetCpus());
        }
        limits.hugepageLimitBytes().forEach(this::writeHugepages);
        // last: who names a file means what it says
        new TreeMap<>(limits.unified()).forEach(this::write);
    }

    /**
     * The weight that stands for v1 shares: a curve through 2 and 1, 1024 and 100, 262144 and 10000, so that the
     * default of the one is the default of the other (as in other OCI runtimes).
     */
    static long weight(long shares) {
        if (shares <= LEAST_SHARES) {
            return 1;
        }
        if (shares >= MOST_SHARES) {
            return MOST_WEIGHT;
        }
        double log = Math.log((double) shares) / Math.log(2);
        double exponent = (log * log + 125 * log) / 612 - 7.0 / 34;
        // a hair below an integer is that integer: 1024 must be 100 exactly
        return (long) Math.ceil(Math.pow(10, exponent) - 1e-9);
    }

    private void writeQuota() {
        OptionalLong quota = limits.cpuQuotaMicros();
        OptionalLong period = limits.cpuPeriodMicros();
        if (quota.isEmpty() && period.isEmpty()) {
            return;
        }
        String asked = quota.isPresent()
                ? (quota.getAsLong() > 0 ? Long.toString(quota.getAsLong()) : MAX)
                : journal.before(directory, "cpu.max")
                        .map(value -> value.split(" ", 2)[0])
                        .orElse(MAX);
        // without a period the kernel keeps the one before
        write("cpu.max", period.isPresent() ? asked + " " + period.getAsLong() : asked);
    }

    private void writeMemory() {
        OptionalLong memory = limits.memoryLimitBytes();
        memory.ifPresent(bytes -> write("memory.max", bytes < 0 ? MAX : Long.toString(bytes)));
        if (limits.memorySwapLimitBytes().isPresent()) {
            writeSwap(limits.memorySwapLimitBytes().getAsLong());
        } else {
            memory.ifPresent(this::writeSwap);
        }
    }

    /** Version 2 counts swap alone, the request counts it together with memory. */
    private void writeSwap(long memoryAndSwapBytes) {
        String swap = swap(memoryAndSwapBytes);
        if (directory.exists("memory.swap.max")) {
            journal.write(directory, "memory.swap.max", swap);
        } else if (!swap.equals("0") && !swap.equals(MAX)) {
            throw missing("memory.swap.max", swap);
        }
    }

    private String swap(long memoryAndSwapBytes) {
        if (memoryAndSwapBytes < 0) {
            return MAX;
        }
        long memory = limits.memoryLimitBytes().isPresent()
                ? limits.memoryLimitBytes().getAsLong()
                : memoryInForce(memoryAndSwapBytes);
        if (memory < 0 || memoryAndSwapBytes < memory) {
            throw new CgroupRefusal("memory and swap limit " + memoryAndSwapBytes + ": it must not be below the memory"
                    + " limit, which is " + (memory < 0 ? "unlimited" : Long.toString(memory)));
        }
        return Long.toString(memoryAndSwapBytes - memory);
    }

    private long memoryInForce(long memoryAndSwapBytes) {
        String value = directory
                .readIfPresent("memory.max")
                .orElseThrow(() -> missing("memory.swap.max", Long.toString(memoryAndSwapBytes)));
        return value.equals(MAX) ? -1 : Long.parseLong(value);
    }

    private void writeHugepages(String size, long bytes) {
        for (String file : new String[] {"hugetlb." + size + ".max", "hugetlb." + size + ".rsvd.max"}) {
            if (directory.exists(file)) {
                journal.write(directory, file, bytes < 0 ? MAX : Long.toString(bytes));
            } else {
                // kubelet sends 0 for every page size that it can think of: that is no news
                LOG.log(
                        bytes == 0 || file.contains("rsvd") ? Level.DEBUG : Level.WARNING,
                        "cgroup.limit.skipped cgroup={0} file={1} value={2,number,#}"
                                + " reason=\"no such controller or page size\"",
                        directory,
                        file,
                        bytes);
            }
        }
    }

    private void write(String file, String value) {
        if (!directory.exists(file)) {
            throw missing(file, value);
        }
        journal.write(directory, file, value);
    }

    private CgroupRefusal missing(String file, String value) {
        return new CgroupRefusal(file + " = " + value + ": " + directory + " has no such file; the controller is not"
                + " enabled on this host, or the kernel does not know the file");
    }
}
