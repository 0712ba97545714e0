package io.portafilter.cgroup;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.systemd.Property;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ScopePropertiesTest {
    private static final int BOOKWORM = 252;
    private static final int TRIXIE = 257;

    private static CgroupLimits unified(Map<String, String> files) {
        OptionalLong unset = OptionalLong.empty();
        return new CgroupLimits(
                OptionalLong.of(1024),
                unset,
                unset,
                OptionalLong.of(64 << 20),
                unset,
                unset,
                "",
                "",
                Map.of(),
                files,
                List.of());
    }

    @Test
    void saysWhatIsWrittenToTheFiles() {
        CgroupLimits limits = CgroupFixture.limits(
                Map.of("shares", 1024L, "quota", 20_000L, "period", 50_000L, "memory", 64L << 20, "pids", 17L));
        assertThat(ScopeProperties.of(limits, BOOKWORM))
                .containsExactlyInAnyOrder(
                        Property.of("CPUWeight", 100),
                        Property.of("CPUQuotaPeriodUSec", 50_000),
                        Property.of("CPUQuotaPerSecUSec", 400_000),
                        Property.of("MemoryMax", 64 << 20),
                        Property.of("MemorySwapMax", 0),
                        Property.of("TasksMax", 17));
        assertThat(ScopeProperties.of(CgroupFixture.cpuset("0-1"), BOOKWORM))
                .containsExactly(Property.ofList("AllowedCPUs", "0-1"));
    }

    @Test
    void noLimitIsInfinity() {
        CgroupLimits limits = CgroupFixture.limits(Map.of("quota", -1L, "memory", -1L, "pids", -1L));
        assertThat(ScopeProperties.of(limits, BOOKWORM))
                .containsExactlyInAnyOrder(
                        Property.of("CPUQuotaPerSecUSec", Property.INFINITY),
                        Property.of("MemoryMax", Property.INFINITY),
                        Property.of("MemorySwapMax", Property.INFINITY),
                        Property.of("TasksMax", Property.INFINITY));
        assertThat(ScopeProperties.of(CgroupLimits.devicesOnly(List.of()), BOOKWORM))
                .isEmpty();
    }

    /** 252 notes down whole percents of a processor, 257 hundredths, and both cut off the rest. */
    @Test
    void aQuotaIsRoundedUpToWhatSystemdKeeps() {
        CgroupLimits eighth = CgroupFixture.limits(Map.of("quota", 12_345L, "period", 100_000L));
        assertThat(ScopeProperties.of(eighth, BOOKWORM)).contains(Property.of("CPUQuotaPerSecUSec", 130_000));
        assertThat(ScopeProperties.of(eighth, TRIXIE)).contains(Property.of("CPUQuotaPerSecUSec", 123_500));
        CgroupLimits least = CgroupFixture.limits(Map.of("quota", 1_000L, "period", 1_000_000L));
        assertThat(ScopeProperties.of(least, BOOKWORM)).contains(Property.of("CPUQuotaPerSecUSec", 10_000));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '=',
            value = {
                "cpu.weight = 77 = CPUWeight = 77",
                "cpu.idle = 1 = CPUWeight = 0",
                "cpu.max = max 50000 = CPUQuotaPerSecUSec = -1",
                "cpu.max = 5000 = CPUQuotaPerSecUSec = 50000",
                "io.weight = default 50 = IOWeight = 50",
                "io.weight = 60 = IOWeight = 60",
                "memory.min = 1 = MemoryMin = 1",
                "memory.low = 2M = MemoryLow = 2097152",
                "memory.high = 0 = MemoryHigh = 1",
                "memory.max = 1g = MemoryMax = 1073741824",
                "memory.max = max = MemoryMax = -1",
                "memory.swap.max = 0 = MemorySwapMax = 0",
                "pids.max = max = TasksMax = -1",
                "pids.max = 0 = TasksMax = 1",
            })
    void whatIsUnifiedIsToldInPlaceOfOtherLimits(String file, String text, String name, long value) {
        assertThat(ScopeProperties.of(unified(Map.of(file, text)), BOOKWORM))
                .contains(Property.of(name, value))
                .extracting(Property::name)
                .doesNotHaveDuplicates();
    }

    @Test
    void listsOfProcessorsAndWhatSystemdDoesNotKnow() {
        assertThat(ScopeProperties.of(unified(Map.of("cpuset.cpus", "0,2 ", "cpuset.mems", "0")), BOOKWORM))
                .contains(Property.ofList("AllowedCPUs", "0,2"), Property.ofList("AllowedMemoryNodes", "0"));
        List<Property> without = ScopeProperties.of(unified(Map.of()), BOOKWORM);
        assertThat(ScopeProperties.of(
                        unified(Map.of("io.weight", "8:0 50", "hugetlb.2MB.max", "0", "io.max", "8:0 rbps=1")),
                        BOOKWORM))
                .isEqualTo(without);
        // an idle cgroup keeps no weight
        assertThat(ScopeProperties.of(unified(Map.of("cpu.idle", "1", "cpu.weight", "5")), BOOKWORM))
                .contains(Property.of("CPUWeight", 0));
        assertThat(ScopeProperties.of(unified(Map.of("cpu.idle", "1")), BOOKWORM - 1))
                .isEqualTo(without);
    }

    @ParameterizedTest
    @CsvSource({
        "cpu.weight,0",
        "cpu.weight,10001",
        "cpu.max,fast",
        "cpu.max,9999999999999",
        "cpuset.cpus,''",
        "cpuset.cpus,0-x",
        "memory.high,-1",
        "memory.high,many",
        "memory.max,9000000000000000000E",
        "pids.max,-1",
        "pids.max,1 2"
    })
    void aValueThatTheFileWouldNotTakeIsRefused(String file, String value) {
        assertThatThrownBy(() -> ScopeProperties.of(unified(Map.of(file, value)), BOOKWORM))
                .isInstanceOf(CgroupRefusal.class)
                .hasMessageContaining(file);
    }

    @Test
    void whoShallDieTogetherIsSaidOnlyByOne() {
        assertThat(ScopeProperties.killTogether(unified(Map.of("memory.oom.group", "1\n"))))
                .isTrue();
        assertThat(ScopeProperties.killTogether(unified(Map.of("memory.oom.group", "0"))))
                .isFalse();
        assertThat(ScopeProperties.killTogether(unified(Map.of()))).isFalse();
    }
}
