package io.portafilter.cri;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.config.CgroupDriver;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class PlacesTest {
    private static final String ID = "c0".repeat(32);

    private static Places places(CgroupDriver driver, String parent) {
        return new Places(Path.of("/root"), Path.of("/state"), driver, parent);
    }

    @Test
    void aContainersCgroupLiesBelowItsPods() {
        Places places = places(CgroupDriver.CGROUPFS, "/portafilter");
        assertThat(places.cgroup("/kubepods/burstable/pod1", "p", ID)).isEqualTo("/kubepods/burstable/pod1/" + ID);
        assertThat(places.cgroup("", "p", ID)).isEqualTo("/portafilter/podp/" + ID);
        assertThat(places.ownPodCgroup("p")).contains("/portafilter/podp");
    }

    @Test
    void aContainersScopeLiesInTheSliceOfItsPod() {
        Places places = places(CgroupDriver.SYSTEMD, "portafilter.slice");
        String whole = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice";
        assertThat(places.cgroup(whole, "p", ID)).isEqualTo(whole + "/portafilter-" + ID + ".scope");
        assertThat(places.cgroup("kubepods-burstable-pod1_2.slice", "p", ID))
                .isEqualTo(whole + "/portafilter-" + ID + ".scope");
        assertThat(places.cgroup("", "p", ID)).isEqualTo("/portafilter.slice/portafilter-" + ID + ".scope");
        assertThat(places.ownPodCgroup("p")).isEmpty();
    }

    @Test
    void theSpellingOfTheOtherDriverIsRefused() {
        assertThatThrownBy(() -> places(CgroupDriver.CGROUPFS, "/portafilter").requireFits("/kubepods.slice"))
                .isInstanceOf(CriException.class)
                .hasMessageContaining("cgroupfs");
        Places systemd = places(CgroupDriver.SYSTEMD, "portafilter.slice");
        assertThatThrownBy(() -> systemd.requireFits("/kubepods/burstable/pod1"))
                .isInstanceOf(CriException.class)
                .hasMessageContaining("systemd");
        assertThatThrownBy(() -> systemd.requireFits("/other.slice/kubepods-pod1.slice"))
                .isInstanceOf(CriException.class);
        systemd.requireFits("/test.slice");
        systemd.requireFits("");
    }
}
