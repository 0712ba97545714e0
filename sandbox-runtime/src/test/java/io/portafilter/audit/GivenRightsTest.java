package io.portafilter.audit;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.linux.CapabilitySet;
import io.portafilter.security.CapabilitySets;
import io.portafilter.security.Labels;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GivenRightsTest {
    private static final String ID = "3f2a";

    private static GivenRights in(Map<String, String> cgroups) {
        CapabilitySet none = CapabilitySet.EMPTY;
        return new GivenRights(
                Optional.empty(),
                0,
                0,
                List.of(0L),
                new CapabilitySets(none, none, none, none, none),
                0,
                false,
                cgroups,
                Labels.NONE);
    }

    private static final GivenRights V2 = in(Map.of("", "/pods/p1/" + ID));

    @ParameterizedTest
    @ValueSource(strings = {"0::/pods/p1/3f2a", "0::/pods/p1/3f2a/inner", "3:cpu:/elsewhere\n0::/pods/p1/3f2a/a/b\n"})
    void aProcessIsInTheCgroupOrBelowIt(String cgroup) {
        assertThat(V2.isInCgroups(cgroup)).isTrue();
        assertThat(V2.isInOneCgroup(cgroup)).isTrue();
    }

    /** A process with the right to can make a cgroup of any name, that of its container too. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "0::/",
                "0::/3f2a",
                "0::/elsewhere/pods/p1/3f2a",
                "0::/pods/p1/3f2a-and-more",
                "0::/pods/p1",
                "4:name=3f2a:/pods/p1/3f2a",
                ""
            })
    void aNameThatLooksLikeItIsNotIt(String cgroup) {
        assertThat(V2.isInCgroups(cgroup)).isFalse();
        assertThat(V2.isInOneCgroup(cgroup)).isFalse();
    }

    @Test
    void whoLeftOneHierarchyIsOutsideOfItsLimits() {
        GivenRights v1 = in(Map.of("memory", "/pods/p1/" + ID, "cpu,cpuacct", "/pods/p1/" + ID));
        String both = "5:memory:/pods/p1/3f2a\n4:cpu,cpuacct:/pods/p1/3f2a\n1:name=systemd:/\n";
        String one = "5:memory:/\n4:cpu,cpuacct:/pods/p1/3f2a\n";
        assertThat(v1.isInCgroups(both)).isTrue();
        assertThat(v1.isInCgroups(one)).isFalse();
        assertThat(v1.isInOneCgroup(one)).isTrue();
    }

    @Test
    void whereNoCgroupIsKnownNobodyIsInside() {
        assertThat(in(Map.of()).isInOneCgroup("0::/")).isFalse();
    }
}
