package io.portafilter.security;

import static io.portafilter.security.SecurityFixture.container;
import static io.portafilter.security.SecurityFixture.host;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.security.SecurityModules.AppArmor;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LabelsTest {

    private static final AppArmor ON = new AppArmor.On();
    private static final AppArmor LACKING = new AppArmor.WithoutDefault("there is no parser", "install it");

    private static final AppArmorRequest UNSPECIFIED = new AppArmorRequest.Unspecified();
    private static final AppArmorRequest DEFAULT = new AppArmorRequest.RuntimeDefault();
    private static final AppArmorRequest MINE = new AppArmorRequest.Localhost("mine");

    private static SecurityFixture asking(AppArmorRequest profile) {
        return container().labels(new LabelRequest(profile, SelinuxOptions.NONE, false));
    }

    private static HostFacts with(AppArmor appArmor) {
        return host().with(new SecurityModules(appArmor, false));
    }

    private static Optional<String> profile(SecurityFixture asked, AppArmor appArmor) {
        return asked.on(with(appArmor)).plan().labels().appArmor();
    }

    @Test
    void aContainerThatAsksForNothingHasTheDefaultProfile() {
        assertThat(profile(asking(UNSPECIFIED), ON)).contains("portafilter-default");
        assertThat(profile(asking(DEFAULT), ON)).contains("portafilter-default");
        assertThat(profile(asking(new AppArmorRequest.Unconfined()), ON)).isEmpty();
        assertThat(profile(asking(MINE), ON)).contains("mine");
    }

    @Test
    void aPrivilegedContainerHasTheProfileThatItNamesAndNoOther() {
        assertThat(profile(asking(UNSPECIFIED).privileged(), ON)).isEmpty();
        assertThat(profile(asking(DEFAULT).privileged(), ON)).isEmpty();
        assertThat(profile(asking(MINE).privileged(), ON)).contains("mine");
    }

    @Test
    void withoutAppArmorANamedProfileIsAnErrorAndRuntimeDefaultIsNot() {
        AppArmor off = new AppArmor.Off();
        assertThat(profile(asking(UNSPECIFIED), off)).isEmpty();
        assertThat(profile(asking(DEFAULT), off)).isEmpty();
        assertThatThrownBy(() -> profile(asking(MINE), off))
                .isInstanceOf(SecurityRefusal.class)
                .hasMessageContaining("apparmor")
                .hasMessageContaining("\"mine\"")
                .hasMessageContaining("off");
        assertThatThrownBy(() -> profile(asking(MINE).privileged(), off)).isInstanceOf(SecurityRefusal.class);
    }

    @Test
    void aDefaultThatCannotBeLoadedIsRefusedToWhoAsksForItAndToldToWhoDoesNot() {
        assertThatThrownBy(() -> profile(asking(DEFAULT), LACKING))
                .isInstanceOf(SecurityRefusal.class)
                .hasMessageContaining("there is no parser")
                .hasMessageContaining("install it");
        SecurityPlan plan = asking(UNSPECIFIED).on(with(LACKING)).plan();
        assertThat(plan.labels().appArmor()).isEmpty();
        assertThat(plan.notes()).anyMatch(note -> note.contains("no profile confines the container"));
        assertThat(profile(asking(MINE), LACKING)).contains("mine");
        assertThat(profile(asking(DEFAULT).privileged(), LACKING)).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({
        "mine, mine (enforce), true",
        "mine, mine (complain), true",
        "mine, mine//child (enforce), true",
        "mine, mine2 (enforce), false",
        "mine, unconfined, false",
        "mine, '', false",
        "portafilter-default, portafilter-default (enforce), true",
        "portafilter-default, portafilter-default (complain), false",
        "portafilter-default, unconfined, false",
        "portafilter-default, portafilter-default//x (enforce), false",
    })
    void aLabelAgreesOnlyWithItsProfile(String given, String label, boolean agrees) {
        Labels labels = new Labels(Optional.of(given), Optional.empty(), Optional.empty());
        assertThat(labels.agreeWithAppArmor(label)).isEqualTo(agrees);
    }

    // ---- SELinux

    private static Labels selinux(SelinuxOptions options, boolean privileged, boolean sharesHostProcesses) {
        SecurityFixture asked = container()
                .labels(new LabelRequest(UNSPECIFIED, options, sharesHostProcesses))
                .on(host().with(new SecurityModules(new AppArmor.Off(), true)));
        return (privileged ? asked.privileged() : asked).plan().labels();
    }

    private static SelinuxOptions level(String level) {
        return new SelinuxOptions(Optional.empty(), Optional.empty(), Optional.empty(), Optional.of(level));
    }

    @Test
    void whatIsNotSaidOfALabelIsAContainers() {
        assertThat(selinux(SelinuxOptions.NONE, false, false))
                .isEqualTo(new Labels(
                        Optional.empty(),
                        Optional.of("system_u:system_r:container_t:s0"),
                        Optional.of("system_u:object_r:container_file_t:s0")));
        assertThat(selinux(level("s0:c4,c5"), false, false))
                .isEqualTo(new Labels(
                        Optional.empty(),
                        Optional.of("system_u:system_r:container_t:s0:c4,c5"),
                        Optional.of("system_u:object_r:container_file_t:s0:c4,c5")));
    }

    @Test
    void eachPartOfALabelCanBeSaid() {
        SelinuxOptions all = new SelinuxOptions(
                Optional.of("u_u"), Optional.of("r_r"), Optional.of("t_t"), Optional.of("s0-s1:c1.c3"));
        assertThat(selinux(all, false, false))
                .isEqualTo(new Labels(
                        Optional.empty(),
                        Optional.of("u_u:r_r:t_t:s0-s1:c1.c3"),
                        Optional.of("u_u:object_r:container_file_t:s0-s1:c1.c3")));
    }

    @Test
    void whatAContainerLeavesOpenItsPodSays() {
        SelinuxOptions own =
                new SelinuxOptions(Optional.empty(), Optional.empty(), Optional.of("mine_t"), Optional.empty());
        SelinuxOptions pods =
                new SelinuxOptions(Optional.of("u_u"), Optional.empty(), Optional.of("theirs_t"), Optional.of("s0:c7"));
        assertThat(selinux(own.or(pods), false, false).selinux()).contains("u_u:system_r:mine_t:s0:c7");
    }

    @Test
    void aPrivilegedContainersProgramIsSpcAndItsFilesAreAContainers() {
        assertThat(selinux(level("s0:c4,c5"), true, false))
                .isEqualTo(new Labels(
                        Optional.empty(),
                        Optional.of("system_u:system_r:spc_t:s0"),
                        Optional.of("system_u:object_r:container_file_t:s0:c4,c5")));
    }

    @Test
    void aPodWithTheHostsProcessesIsNotKeptFromThem() {
        assertThat(selinux(level("s0:c4,c5"), false, true))
                .isEqualTo(new Labels(Optional.empty(), Optional.of("system_u:system_r:spc_t:s0"), Optional.empty()));
    }

    @Test
    void withoutSelinuxNothingIsLabelled() {
        assertThat(container()
                        .labels(new LabelRequest(UNSPECIFIED, level("s0:c1"), false))
                        .plan()
                        .labels())
                .isEqualTo(Labels.NONE);
    }

    @Test
    void whatAContainerWasGivenIsReadAsItWasSaved() {
        for (Labels labels : new Labels[] {
            Labels.NONE,
            new Labels(Optional.of("a profile // of two"), Optional.empty(), Optional.empty()),
            new Labels(Optional.of(Labels.DEFAULT_PROFILE), Optional.of("u:r:t:s0:c1,c2"), Optional.of("u:o:t:s0")),
        }) {
            assertThat(labels.saved()).doesNotContain("\0");
            assertThat(Labels.parseSaved(labels.saved())).isEqualTo(labels);
        }
    }

    @Test
    void aProfileOfTheNodesMayPassAProgramOnButNotLetItGo() {
        Labels nodes = new Labels(Optional.of("mine"), Optional.empty(), Optional.empty());
        for (String label : new String[] {"mine (enforce)", "mine//child (enforce)", "other (complain)"}) {
            assertThat(nodes.areKeptToBy(label)).as(label).isTrue();
        }
        assertThat(nodes.areKeptToBy("unconfined")).isFalse();
        assertThat(nodes.areKeptToBy("")).isFalse();
        Labels ours = new Labels(Optional.of(Labels.DEFAULT_PROFILE), Optional.empty(), Optional.empty());
        assertThat(ours.areKeptToBy("portafilter-default (enforce)")).isTrue();
        assertThat(ours.areKeptToBy("portafilter-default (complain)")).isFalse();
        assertThat(ours.areKeptToBy("other (enforce)")).isFalse();
        assertThat(Labels.NONE.areKeptToBy("other (enforce)")).isTrue();
    }

    @Test
    void aTextThatWasNotSavedDoesNotStandForNoLabels() {
        for (String text : new String[] {"", "\n\n", "portafilter-default", "\n\n\nx", "\n\n\n\n"}) {
            assertThatThrownBy(() -> Labels.parseSaved(text)).isInstanceOf(IllegalArgumentException.class);
        }
    }

    @Test
    void aProgramThatRunsBesideOthersHasTheirLabelsWhateverTheHostHasNow() {
        Labels given = new Labels(Optional.of(Labels.DEFAULT_PROFILE), Optional.empty(), Optional.empty());
        SecurityPlan plan = container().on(with(LACKING)).planAgain(given);
        assertThat(plan.labels()).isEqualTo(given);
    }
}
