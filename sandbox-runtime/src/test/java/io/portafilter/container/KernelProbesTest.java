package io.portafilter.container;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.linux.Kernel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The probes run against this kernel; what they say is compared with what the kernel shows by other ways. */
class KernelProbesTest {
    private static final long FIRST_HOST_ID = 1L << 30;

    @TempDir
    private Path directory;

    @BeforeEach
    void isRoot() {
        assumeTrue(Kernel.geteuid() == 0, "needs root");
    }

    private List<Finding> findings() {
        return KernelProbes.all(directory, directory, FIRST_HOST_ID).stream()
                .map(Probe::run)
                .toList();
    }

    private Map<String, Finding> byFeature() {
        return findings().stream().collect(Collectors.toMap(Finding::feature, finding -> finding));
    }

    @Test
    void leaveNothingBehind() throws IOException {
        var _ = findings(); // classes and libraries are loaded once
        String group = "/portafilter-trial-" + ProcessHandle.current().pid();
        Residue before = Residue.now(group);
        var _ = findings();
        before.assertNothingMore(group, "all probes");
        try (Stream<Path> left = Files.find(
                Path.of("/sys/fs/cgroup"), 2, (path, _) -> path.toString().endsWith(group))) {
            assertThat(left).isEmpty();
        }
        try (Stream<Path> left = Files.list(directory)) {
            assertThat(left).isEmpty();
        }
    }

    @Test
    void everythingThatOurOwnTestsNeedIsFoundToWork() {
        assertThat(findings())
                .filteredOn(finding -> finding.need() == Probe.Need.REQUIRED)
                .allMatch(Finding::isGood);
    }

    @Test
    void aFeatureHasOneRowAndSaysWhatIsLostAndWhatToDo() {
        assertThat(findings()).extracting(Finding::feature).doesNotHaveDuplicates();
        assertThat(findings()).allSatisfy(finding -> {
            assertThat(finding.lost()).isNotBlank();
            assertThat(finding.cure()).isNotBlank();
        });
    }

    @Test
    void aMissingCapabilityIsTold() {
        boolean has = Kernel.isInBoundingSet(io.portafilter.linux.Capability.CAP_SYS_RESOURCE.number());
        assertThat(byFeature().get("CAP_SYS_RESOURCE"))
                .satisfies(finding -> assertThat(finding.isGood()).isEqualTo(has));
    }

    @Test
    void aFileSystemThatHoldsNoLayersHasNoFeatures() {
        HostFeatures features = HostFeatures.tried(Path.of("/proc/sys"), directory, FIRST_HOST_ID);
        assertThat(features.hasUserNamespaces()).isFalse();
        assertThat(features.idMappedLayers()).isInstanceOf(Outcome.Missing.class);
    }

    @Test
    void idsThatCannotBeMappedAreNoUserNamespaces() {
        HostFeatures features = HostFeatures.tried(directory, directory, (1L << 32) - 100);
        assertThat(features.hasUserNamespaces()).isFalse();
    }

    @Test
    void aDeviceThatIsNotAllowedWasRefused() {
        assertThat(byFeature().get("device filter"))
                .satisfies(finding -> assertThat(finding.outcome()).isInstanceOf(Outcome.Works.class));
    }
}
