package io.portafilter.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.systemd.Property;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class ScopePropertiesTest {

    @Test
    void saysWhatIsWrittenToTheFiles() {
        CgroupLimits limits = CgroupFixture.limits(
                Map.of("shares", 1024L, "quota", 20_000L, "period", 50_000L, "memory", 64L << 20, "pids", 17L));
        assertThat(ScopeProperties.of(limits))
                .containsExactlyInAnyOrder(
                        Property.of("CPUWeight", 100),
                        Property.of("CPUQuotaPeriodUSec", 50_000),
                        Property.of("CPUQuotaPerSecUSec", 400_000),
                        Property.of("MemoryMax", 64 << 20),
                        Property.of("MemorySwapMax", 0),
                        Property.of("TasksMax", 17));
        assertThat(ScopeProperties.of(CgroupFixture.cpuset("0-1")))
                .containsExactly(Property.ofList("AllowedCPUs", "0-1"));
    }

    @Test
    void noLimitIsInfinity() {
        CgroupLimits limits = CgroupFixture.limits(Map.of("quota", -1L, "memory", -1L, "pids", -1L));
        assertThat(ScopeProperties.of(limits))
                .containsExactlyInAnyOrder(
                        Property.of("CPUQuotaPerSecUSec", Property.INFINITY),
                        Property.of("MemoryMax", Property.INFINITY),
                        Property.of("MemorySwapMax", Property.INFINITY),
                        Property.of("TasksMax", Property.INFINITY));
        assertThat(ScopeProperties.of(CgroupLimits.devicesOnly(List.of()))).isEmpty();
    }
}
