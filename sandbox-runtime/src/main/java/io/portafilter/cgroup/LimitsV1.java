package io.portafilter.cgroup;

import io.portafilter.linux.Errno;
import io.portafilter.linux.KernelException;
import java.lang.System.Logger.Level;
import java.util.Optional;
import java.util.OptionalLong;

/** Limits as the files of cgroup version 1, in an order that the kernel accepts. */
final class LimitsV1 {
    private static final System.Logger LOG = System.getLogger(LimitsV1.class.getName());

    private static final String MEMORY = "memory.limit_in_bytes";
    private static final String MEMORY_AND_SWAP = "memory.memsw.limit_in_bytes";
    private static final String QUOTA = "cpu.cfs_quota_us";
    private static final String PERIOD = "cpu.cfs_period_us";
    private static final long UNLIMITED = -1;

    private final CgroupV1 cgroup;
    private final CgroupLimits limits;
    private final Journal journal;

    LimitsV1(CgroupV1 cgroup, CgroupLimits limits, Journal journal) {
        this.cgroup = cgroup;
        this.limits = limits;
        this.journal = journal;
    }

    /** The kernel would first take from the processes what it can, and kill or refuse only then. */
    static void refuseBelowUse(CgroupV1 cgroup, CgroupLimits limits) {
        long bytes = limits.memoryLimitBytes().orElse(UNLIMITED);
        Optional<Long> used = cgroup.directory("memory")
                .flatMap(directory -> directory.readIfPresent("memory.usage_in_bytes"))
                .map(Long::valueOf);
        if (bytes >= 0 && used.isPresent() && used.get() > bytes) {
            throw CgroupRefusal.forNow(
                    MEMORY + " = " + bytes + ": the cgroup uses " + used.get() + " bytes now; set a limit above that");
        }
    }

    void write() {
        if (!limits.unified().isEmpty()) {
            throw new CgroupRefusal(
                    "unified " + limits.unified() + ": this host uses cgroup v1, which has no such files");
        }
        limits.cpuShares().ifPresent(shares -> write("cpu", "cpu.shares", shares));
        writeQuota();
        writeMemory();
        limits.pidsLimit().ifPresent(pids -> write("pids", "pids.max", pids <= 0 ? "max" : Long.toString(pids)));
        if (!limits.cpusetMems().isEmpty()) {
            write("cpuset", "cpuset.mems", limits.cpusetMems());
        }
        if (!limits.cpusetCpus().isEmpty()) {
            write("cpuset", "cpuset.cpus", limits.cpusetCpus());
        }
        limits.hugepageLimitBytes().forEach(this::writeHugepages);
    }

    /** The kernel refuses either value alone when, with the other's old value, it would exceed the parent's share. */
    private void writeQuota() {
        OptionalLong period = limits.cpuPeriodMicros();
        OptionalLong quota = limits.cpuQuotaMicros();
        if (period.isPresent()) {
            try {
                write("cpu", PERIOD, period.getAsLong());
            } catch (CgroupRefusal e) {
                boolean mayBeTheOrder = e.getCause() instanceof KernelException cause && cause.is(Errno.EINVAL);
                if (quota.isEmpty() || !mayBeTheOrder) {
                    throw e;
                }
                write("cpu", QUOTA, unlimitedUnlessPositive(quota.getAsLong()));
                write("cpu", PERIOD, period.getAsLong());
                return;
            }
        }
        quota.ifPresent(micros -> write("cpu", QUOTA, unlimitedUnlessPositive(micros)));
    }

    private static long unlimitedUnlessPositive(long micros) {
        return micros > 0 ? micros : UNLIMITED;
    }

    /** The limit of memory and swap together must never be the lower of the two. */
    private void writeMemory() {
        OptionalLong memory = limits.memoryLimitBytes();
        OptionalLong both = limits.memorySwapLimitBytes().isPresent() ? limits.memorySwapLimitBytes() : memory;
        if (memory.isEmpty() && both.isEmpty()) {
            return;
        }
        if (both.isPresent() && raisesBoth(both.getAsLong())) {
            writeMemoryAndSwap(both.getAsLong(), memory);
            memory.ifPresent(bytes -> write("memory", MEMORY, bytes));
            return;
        }
        memory.ifPresent(bytes -> write("memory", MEMORY, bytes));
        both.ifPresent(bytes -> writeMemoryAndSwap(bytes, memory));
    }

    private boolean raisesBoth(long bytes) {
        Optional<Long> before = journal.before(require("memory", MEMORY_AND_SWAP, bytes), MEMORY_AND_SWAP)
                .map(Long::valueOf);
        return before.isPresent() && (bytes < 0 || bytes > before.get());
    }

    private void writeMemoryAndSwap(long bytes, OptionalLong memory) {
        CgroupDirectory directory = require("memory", MEMORY_AND_SWAP, bytes);
        if (directory.exists(MEMORY_AND_SWAP)) {
            journal.write(directory, MEMORY_AND_SWAP, Long.toString(bytes));
            return;
        }
        boolean asksForSwap = bytes >= 0 && (memory.isEmpty() || memory.getAsLong() != bytes);
        if (asksForSwap) {
            throw new CgroupRefusal(MEMORY_AND_SWAP + " = " + bytes
                    + ": this kernel does not count swap; boot it with swapaccount=1, or set no swap limit");
        }
        // without swap accounting the kernel cannot keep a container from the swap, as with other runtimes
    }

    private void writeHugepages(String size, long bytes) {
        String file = "hugetlb." + size + ".limit_in_bytes";
        Optional<CgroupDirectory> directory = cgroup.directory("hugetlb").filter(found -> found.exists(file));
        if (directory.isPresent()) {
            journal.write(directory.get(), file, Long.toString(bytes));
            return;
        }
        // kubelet sends 0 for every page size that it can think of: that is no news
        LOG.log(
                bytes == 0 ? Level.DEBUG : Level.WARNING,
                "cgroup.limit.skipped cgroup={0} file={1} value={2,number,#} reason=\"no such controller or page size\"",
                cgroup.path(),
                file,
                bytes);
    }

    private void write(String controller, String file, long value) {
        write(controller, file, Long.toString(value));
    }

    private void write(String controller, String file, String value) {
        journal.write(require(controller, file, value), file, value);
    }

    private CgroupDirectory require(String controller, String file, Object value) {
        return cgroup.directory(controller)
                .orElseThrow(() -> new CgroupRefusal(file + " = " + value + ": the controller " + controller
                        + " is not mounted on this host; mount it or leave the limit out"));
    }
}
