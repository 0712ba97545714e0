package io.portafilter.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

/** Usage and counters from texts as the kernel writes them. */
class CgroupUsageTest {
    private static final Map<String, String> V1 = Map.ofEntries(
            Map.entry("cpuacct.usage", "1500000000"),
            Map.entry("cpuacct.stat", "user 120\nsystem 30"),
            Map.entry("cpu.stat", "nr_periods 10\nnr_throttled 3\nthrottled_time 250000000\nnr_bursts 0\nburst_time 0"),
            Map.entry("memory.usage_in_bytes", "20971520"),
            Map.entry("memory.limit_in_bytes", "67108864"),
            Map.entry("memory.max_usage_in_bytes", "33554432"),
            Map.entry("memory.failcnt", "7"),
            Map.entry("memory.kmem.usage_in_bytes", "4096"),
            Map.entry("memory.memsw.limit_in_bytes", "67108864"),
            Map.entry("memory.memsw.usage_in_bytes", "20975616"),
            Map.entry("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2"),
            Map.entry("memory.stat", """
                    cache 1
                    rss 2
                    pgfault 3
                    hierarchical_memory_limit 67108864
                    total_cache 8388608
                    total_rss 10485760
                    total_mapped_file 65536
                    total_swap 4096
                    total_pgfault 1234
                    total_pgmajfault 5
                    total_inactive_file 6291456
                    total_active_file 2097152"""),
            Map.entry("pids.current", "4"),
            Map.entry("pids.max", "100"),
            Map.entry("hugetlb.2MB.usage_in_bytes", "2097152"),
            Map.entry("hugetlb.2MB.max_usage_in_bytes", "4194304"),
            Map.entry(
                    "blkio.throttle.io_service_bytes_recursive",
                    "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 4096\n8:0 Total 12288\nTotal 12288"),
            Map.entry("blkio.throttle.io_serviced_recursive", "8:0 Read 1\n8:0 Write 2\n8:0 Total 3\nTotal 3"));

    private static final Map<String, String> V2 = Map.ofEntries(
            Map.entry("cpu.stat", """
                    usage_usec 1500000
                    user_usec 1200000
                    system_usec 300000
                    core_sched.force_idle_usec 0
                    nr_periods 10
                    nr_throttled 3
                    throttled_usec 250000"""),
            Map.entry("memory.current", "20971520"),
            Map.entry("memory.max", "67108864"),
            Map.entry("memory.peak", "33554432"),
            Map.entry("memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 2\noom_group_kill 0"),
            Map.entry("memory.swap.current", "4096"),
            Map.entry("memory.swap.max", "1048576"),
            Map.entry("memory.stat", """
                    anon 10485760
                    file 8388608
                    kernel 4096
                    kernel_stack 2048
                    file_mapped 65536
                    inactive_file 6291456
                    active_file 2097152
                    pgfault 1234
                    pgmajfault 5"""),
            Map.entry("cpu.pressure", """
                    some avg10=1.50 avg60=0.75 avg300=0.10 total=123456
                    full avg10=0.50 avg60=0.25 avg300=0.05 total=23456"""),
            Map.entry("io.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=9"),
            Map.entry("pids.current", "4"),
            Map.entry("pids.max", "max"),
            Map.entry("hugetlb.2MB.current", "2097152"),
            Map.entry("io.stat", "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n259:1 \nbroken rbytes=x"));

    private static UsageFiles files(Map<String, String> texts) {
        return file -> Optional.ofNullable(texts.get(file));
    }

    private static UsageFiles without(Map<String, String> texts, String beginning) {
        return file -> Optional.ofNullable(texts.get(file)).filter(_ -> !file.startsWith(beginning));
    }

    private static UsageFiles with(Map<String, String> texts, String file, String text) {
        Map<String, String> changed = new HashMap<>(texts);
        changed.put(file, text);
        return files(changed);
    }

    @Test
    void bothVersionsOfTheSameUseSayTheSame() {
        CgroupUsage v1 = CgroupUsage.ofV1(files(V1));
        CgroupUsage v2 = CgroupUsage.ofV2(files(V2));
        assertThat(v1.cpuNanos()).isEqualTo(v2.cpuNanos()).hasValue(1_500_000_000L);
        assertThat(v1.memory())
                .isEqualTo(v2.memory())
                .contains(new CgroupUsage.Memory(
                        20 << 20,
                        14 << 20, // without the pages of files that were not used lately
                        OptionalLong.of((64 << 20) - (14 << 20)),
                        10 << 20,
                        8 << 20,
                        65536,
                        new CgroupUsage.Faults(1234, 5)));
        assertThat(v2.swap()).contains(new CgroupUsage.Swap(4096, OptionalLong.of(1048576 - 4096)));
        assertThat(v1.swap()).contains(new CgroupUsage.Swap(4096, OptionalLong.of(67108864 - 20975616)));
    }

    @Test
    void withoutALimitNothingIsSaidOfWhatIsLeft() {
        assertThat(CgroupUsage.ofV1(with(V1, "memory.limit_in_bytes", "9223372036854771712"))
                        .memory()
                        .orElseThrow()
                        .availableBytes())
                .isEmpty();
        assertThat(CgroupUsage.ofV2(with(V2, "memory.max", "max"))
                        .memory()
                        .orElseThrow()
                        .availableBytes())
                .isEmpty();
        assertThat(CgroupUsage.ofV2(with(V2, "memory.swap.max", "max"))
                        .swap()
                        .orElseThrow()
                        .availableBytes())
                .isEmpty();
    }

    @Test
    void theWorkingSetIsNeverBelowNothing() {
        assertThat(CgroupUsage.ofV2(with(V2, "memory.current", "4096"))
                        .memory()
                        .orElseThrow()
                        .workingSetBytes())
                .isZero();
    }

    @Test
    void whatHasNoControllerIsAbsentAndNotZero() {
        CgroupUsage none = CgroupUsage.ofV1(_ -> Optional.empty());
        assertThat(none.cpuNanos()).isEmpty();
        assertThat(none.memory()).isEmpty();
        assertThat(none.swap()).isEmpty();
        assertThat(CgroupUsage.ofV2(_ -> Optional.empty())).isEqualTo(none);
        assertThat(CgroupUsage.ofV2(without(V2, "memory.")).memory()).isEmpty();
        assertThat(CgroupUsage.ofV2(without(V2, "memory.swap")).swap()).isEmpty();
        CgroupCounters counters = CgroupCounters.ofV2(_ -> Optional.empty());
        assertThat(counters.cpu()).isEmpty();
        assertThat(counters.memory()).isEmpty();
        assertThat(counters.oomKills()).isEmpty();
        assertThat(counters.tasks()).isEmpty();
        assertThat(counters.hugePages()).isEmpty();
        assertThat(counters.devices()).isEmpty();
    }

    @Test
    void pressureIsCountedInNanosecondsWhereTheKernelCountsIt() {
        CgroupUsage usage = CgroupUsage.ofV2(files(V2));
        assertThat(usage.cpuPressure())
                .contains(new Pressure(
                        new Pressure.Stall(1.5, 0.75, 0.1, 123_456_000L),
                        Optional.of(new Pressure.Stall(0.5, 0.25, 0.05, 23_456_000L))));
        // an older kernel has no full pressure of the processor
        assertThat(usage.ioPressure().orElseThrow().full()).isEmpty();
        assertThat(usage.memoryPressure()).isEmpty();
        assertThat(CgroupUsage.ofV1(files(V1)).cpuPressure()).isEmpty();
        assertThat(Pressure.parse("")).isEmpty();
    }

    @Test
    void bothVersionsCountTheSame() {
        CgroupCounters v1 = CgroupCounters.ofV1(files(V1));
        CgroupCounters v2 = CgroupCounters.ofV2(files(V2));
        assertThat(v1.cpu())
                .isEqualTo(v2.cpu())
                .contains(new CgroupCounters.CpuTime(1_200_000_000L, 300_000_000L, 10, 3, 250_000_000L));
        assertThat(v1.memory())
                .isEqualTo(v2.memory())
                .contains(new CgroupCounters.MemoryEvents(OptionalLong.of(33554432), 7, 4096));
        assertThat(v1.oomKills()).isEqualTo(v2.oomKills()).hasValue(2);
        assertThat(v1.tasks()).isEqualTo(v2.tasks()).hasValue(4);
        assertThat(v1.taskLimit()).hasValue(100);
        assertThat(v2.taskLimit()).isEmpty();
        assertThat(v1.hugePages())
                .isEqualTo(Map.of("2MB", new CgroupCounters.HugePages(2097152, OptionalLong.of(4194304))));
        assertThat(v2.hugePages())
                .isEqualTo(Map.of("2MB", new CgroupCounters.HugePages(2097152, OptionalLong.empty())));
        assertThat(v1.devices())
                .isEqualTo(v2.devices())
                .isEqualTo(List.of(new CgroupCounters.BlockDevice(8, 0, 4096, 8192, 1, 2)));
    }

    @Test
    void anOldKernelsOwnMemoryIsTheSumOfItsParts() {
        assertThat(CgroupCounters.ofV2(with(
                                V2, "memory.stat", "kernel_stack 1000\npagetables 200\npercpu 30\nslab 4\nsock 100000"))
                        .memory()
                        .orElseThrow()
                        .kernelBytes())
                .isEqualTo(1234);
    }
}
