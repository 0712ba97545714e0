package io.portafilter.cgroup;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.linux.MountInfo;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What can be decided without a kernel. */
class CgroupRulesTest {
    @ParameterizedTest
    @ValueSource(
            strings = {"", "/", "relative", "/a/../b", "/..", "/a/./b", "/a//b", "/a/", "//a", "/a\n/b", "../a", "/a/.."
            })
    void refusesAPathThatIsNotPlainlyBelowTheRoot(String path) {
        assertThatThrownBy(() -> new CgroupPath(path))
                .isInstanceOf(CgroupRefusal.class)
                .hasMessageContaining("cgroup path");
    }

    @Test
    void refusesComponentsThatAreTooLong() {
        assertThatThrownBy(() -> new CgroupPath("/" + "x".repeat(256))).hasMessageContaining("255");
        assertThat(new CgroupPath("/a/..b/c...").fromTheTop()).containsExactly("/a", "/a/..b", "/a/..b/c...");
    }

    @ParameterizedTest
    @CsvSource({
        "0,1",
        "2,1",
        "3,2",
        "100,17",
        "512,59",
        "1024,100",
        "2048,174",
        "10240,639",
        "262143,10000",
        "262144,10000",
        "9999999,10000"
    })
    void convertsSharesToAWeight(long shares, long weight) {
        assertThat(LimitsV2.weight(shares)).isEqualTo(weight);
    }

    @Test
    void refusesRulesThatTheKernelDoesNotKnow() {
        assertThatThrownBy(() -> new DeviceRule('d', 1, 1, "r")).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new DeviceRule('c', 1, 1, "x")).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new DeviceRule('c', 1, 1, "rr")).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new DeviceRule('c', 1, 1, "")).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new DeviceRule('c', -2, 1, "r")).isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> new DeviceRule('a', 1, 1, "rwm")).isInstanceOf(IllegalArgumentException.class);
        assertThat(new DeviceRule('c', 136, DeviceRule.ANY, "rw")).hasToString("c 136:* rw");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"../memory.max", "memory.max/../x", "/x", "cgroup.procs", "cgroup.subtree_control", "tasks", ""})
    void refusesUnifiedFilesThatAreNoLimits(String file) {
        OptionalLong unset = OptionalLong.empty();

        assertThatThrownBy(() -> new CgroupLimits(
                        unset, unset, unset, unset, unset, unset, "", "", Map.of(), Map.of(file, "1"), List.of()))
                .isInstanceOf(CgroupRefusal.class)
                .hasMessageContaining("unified");
    }

    @Test
    void refusesAProcessorListThatIsNone() {
        assertThatThrownBy(() -> CgroupFixture.cpuset("0\n1")).isInstanceOf(CgroupRefusal.class);
        assertThatThrownBy(() -> CgroupFixture.cpuset("all")).isInstanceOf(CgroupRefusal.class);
        for (String list :
                List.of("2-1", "0-", "-1", "0,,1", "0,", "8192", "0-99999999999", "0" + ",1".repeat(200_000))) {
            assertThatThrownBy(() -> CgroupFixture.cpuset(list))
                    .isInstanceOf(CgroupRefusal.class)
                    .hasMessageContaining("cpuset_cpus")
                    .message()
                    .hasSizeLessThan(200);
        }
        assertThat(CgroupFixture.cpuset("0-2,7").cpusetCpus()).isEqualTo("0-2,7");
        assertThat(CgroupFixture.cpuset("0-8191").cpusetCpus()).isEqualTo("0-8191");
    }

    @Test
    void aHybridHostCountsAsVersion1() {
        List<MountInfo> mounts = MountInfo.parse("""
                30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755
                31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate
                32 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd
                33 30 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
                34 30 0:30 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
                """);
        String self = """
                4:memory:/docker/x
                3:cpu,cpuacct:/
                2:name=systemd:/
                0::/
                """;

        CgroupHierarchy.V1 found = (CgroupHierarchy.V1) CgroupHierarchy.of(mounts, self);

        assertThat(found.of("cpuacct").orElseThrow().directory()).isEqualTo("/sys/fs/cgroup/cpu,cpuacct");
        assertThat(found.of("memory").orElseThrow().shownPath("/a")).isEqualTo("/docker/x/a");
        assertThat(found.of("pids")).isEmpty();
    }

    @Test
    void aUnifiedHostCountsAsVersion2() {
        List<MountInfo> mounts = MountInfo.parse(
                "31 30 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n");

        assertThat(CgroupHierarchy.of(mounts, "0::/init.scope\n"))
                .isEqualTo(new CgroupHierarchy.V2("/sys/fs/cgroup", "/"));
    }

    @Test
    void aHostWithoutCgroupsIsToldSo() {
        assertThatThrownBy(() -> CgroupHierarchy.of(List.of(), "")).hasMessageContaining("no cgroup file system");
    }
}
