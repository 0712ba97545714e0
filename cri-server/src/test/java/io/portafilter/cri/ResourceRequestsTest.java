package io.portafilter.cri;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.cri.v1.HugepageLimit;
import io.portafilter.cri.v1.LinuxContainerResources;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class ResourceRequestsTest {

    private static LinuxContainerResources.Builder resources() {
        return LinuxContainerResources.newBuilder();
    }

    private static HugepageLimit.Builder hugepages(String size, long bytes) {
        return HugepageLimit.newBuilder().setPageSize(size).setLimit(bytes);
    }

    @Test
    void anUpdateLeavesWhatItDoesNotName() {
        LinuxContainerResources before = resources()
                .setCpuShares(512)
                .setCpuQuota(20_000)
                .setCpuPeriod(100_000)
                .setMemoryLimitInBytes(64 << 20)
                .setCpusetCpus("0")
                .setOomScoreAdj(900)
                .putUnified("memory.high", "1000")
                .addHugepageLimits(hugepages("2MB", 0))
                .addHugepageLimits(hugepages("1GB", 7))
                .build();
        LinuxContainerResources after = ResourceRequests.updated(
                before,
                resources()
                        .setCpuShares(1024)
                        .setOomScoreAdj(-5)
                        .putUnified("memory.min", "10")
                        .addHugepageLimits(hugepages("2MB", 4 << 20))
                        .build());
        assertThat(after)
                .isEqualTo(before.toBuilder()
                        .setCpuShares(1024)
                        .putUnified("memory.min", "10")
                        .clearHugepageLimits()
                        .addHugepageLimits(hugepages("1GB", 7))
                        .addHugepageLimits(hugepages("2MB", 4 << 20))
                        .build());
    }

    @Test
    void whoWasKeptFromSwappingStaysSoUnderAnotherLimit() {
        LinuxContainerResources before = resources()
                .setMemoryLimitInBytes(64 << 20)
                .setMemorySwapLimitInBytes(64 << 20)
                .build();
        LinuxContainerResources update =
                resources().setMemoryLimitInBytes(128 << 20).build();
        LinuxContainerResources after = ResourceRequests.updated(before, update);
        assertThat(after.getMemorySwapLimitInBytes()).isEqualTo(128 << 20);
    }

    @Test
    void bothLimitsOfMemoryAreWrittenTogether() {
        LinuxContainerResources before = resources()
                .setCpuShares(100)
                .setMemoryLimitInBytes(64 << 20)
                .setMemorySwapLimitInBytes(96 << 20)
                .build();
        LinuxContainerResources update =
                resources().setMemorySwapLimitInBytes(80 << 20).build();
        LinuxContainerResources written = ResourceRequests.written(update, ResourceRequests.updated(before, update));
        assertThat(written.getMemoryLimitInBytes()).isEqualTo(64 << 20);
        assertThat(written.getMemorySwapLimitInBytes()).isEqualTo(80 << 20);
        assertThat(written.getCpuShares()).isZero();
        assertThat(ResourceRequests.limits("linux", written, false).memorySwapLimitBytes())
                .isEqualTo(OptionalLong.of(80 << 20));
    }

    @Test
    void quotaAndPeriodAreWrittenTogether() {
        LinuxContainerResources before =
                resources().setCpuQuota(20_000).setCpuPeriod(50_000).build();
        LinuxContainerResources quota = resources().setCpuQuota(30_000).build();
        LinuxContainerResources written = ResourceRequests.written(quota, ResourceRequests.updated(before, quota));
        assertThat(written.getCpuQuota()).isEqualTo(30_000);
        assertThat(written.getCpuPeriod()).isEqualTo(50_000);
        LinuxContainerResources shares = resources().setCpuShares(512).build();
        assertThat(ResourceRequests.written(shares, ResourceRequests.updated(before, shares)))
                .isEqualTo(shares);
    }

    @Test
    void withoutALimitOfSwapThereIsNone() {
        LinuxContainerResources shown = ResourceRequests.effective(
                resources().setMemoryLimitInBytes(64 << 20).build(), Optional.empty());
        assertThat(shown.getMemorySwapLimitInBytes()).isEqualTo(64 << 20);
    }

    @Test
    void whoMaySwapWithoutLimitMayDoSoUnderALimitOfMemory() {
        LinuxContainerResources before = resources()
                .setMemoryLimitInBytes(-1)
                .setMemorySwapLimitInBytes(-1)
                .build();
        LinuxContainerResources update =
                resources().setMemoryLimitInBytes(128 << 20).build();
        LinuxContainerResources written = ResourceRequests.written(update, ResourceRequests.updated(before, update));
        assertThat(written.getMemorySwapLimitInBytes()).isEqualTo(-1);
        assertThat(ResourceRequests.limits("linux", written, false).memoryLimitBytes())
                .isEqualTo(OptionalLong.of(128 << 20));
    }

    @Test
    void aQuotaIsWrittenTogetherWithItsPeriod() {
        LinuxContainerResources before =
                resources().setCpuQuota(10_000).setCpuPeriod(50_000).build();
        LinuxContainerResources quota = resources().setCpuQuota(25_000).build();
        assertThat(ResourceRequests.written(quota, ResourceRequests.updated(before, quota)))
                .isEqualTo(quota.toBuilder().setCpuPeriod(50_000).build());
        LinuxContainerResources period = resources().setCpuPeriod(20_000).build();
        assertThat(ResourceRequests.written(period, ResourceRequests.updated(before, period)))
                .isEqualTo(period.toBuilder().setCpuQuota(10_000).build());
    }

    @Test
    void refusesAQuotaThatWouldOverflow() {
        assertThatThrownBy(() -> ResourceRequests.limits(
                        "linux", resources().setCpuQuota(Long.MAX_VALUE / 1000).build(), false))
                .isInstanceOf(CriException.class)
                .hasMessageContaining("linux.cpu_quota");
    }
}
