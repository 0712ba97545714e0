package io.portafilter.state;

import static io.portafilter.state.StateFixture.BOOT;
import static io.portafilter.state.StateFixture.POD_PROCESSES;
import static io.portafilter.state.StateFixture.PROCESSES;
import static io.portafilter.state.StateFixture.container;
import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.state.Recovery.ContainerFate;
import io.portafilter.state.Recovery.Found;
import io.portafilter.state.Recovery.PodFate;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class RecoveryTest {
    private static final String NEXT_BOOT = "22222222-2222-2222-2222-222222222222";

    private static PodFate pod(PodRecord record, String boot) {
        return Recovery.of(List.of(record), List.of(), boot, 9000).pods().getFirst();
    }

    private static ContainerFate fate(ContainerRecord record, String boot) {
        return Recovery.of(List.of(), List.of(record), boot, 9000).containers().getFirst();
    }

    @Test
    void aReadyPodIsLookedForOnTheSameBoot() {
        assertThat(pod(StateFixture.pod("p"), BOOT))
                .isEqualTo(new PodFate.Reopen(StateFixture.pod("p"), POD_PROCESSES));
    }

    @Test
    void afterARebootAPodIsNotReady() {
        PodFate fate = pod(StateFixture.pod("p"), NEXT_BOOT);
        assertThat(fate).isInstanceOf(PodFate.Became.class);
        assertThat(fate.pod().state()).isEqualTo(PodState.NOTREADY);
        assertThat(fate.pod().launched()).isEmpty();
    }

    @Test
    void aPodWhoseLaunchWasNotRecordedIsNotReady() {
        PodRecord stopped = StateFixture.pod("p").notReady();
        assertThat(pod(stopped, BOOT)).isEqualTo(new PodFate.Kept(stopped));
        assertThat(pod(stopped, NEXT_BOOT)).isEqualTo(new PodFate.Kept(stopped));
    }

    @Test
    void aPodWithoutItsFirstProcessIsNotReady() {
        PodRecord record = StateFixture.pod("p");
        assertThat(Recovery.afterReopen(record, true)).isEqualTo(record);
        assertThat(Recovery.afterReopen(record, false).state()).isEqualTo(PodState.NOTREADY);
    }

    @ParameterizedTest
    @EnumSource(names = {"CREATED", "STARTING", "RUNNING"})
    void afterARebootAContainerExitedWithReasonUnknown(ContainerState state) {
        ContainerFate fate = fate(container("c", state), NEXT_BOOT);
        assertThat(fate).isInstanceOf(ContainerFate.Became.class);
        ContainerRecord record = fate.container();
        assertThat(record.state()).isEqualTo(ContainerState.EXITED);
        assertThat(record.exitCode()).isEqualTo(255);
        assertThat(record.reason()).isEqualTo("Unknown");
        assertThat(record.finishedAtNanos()).isEqualTo(9000);
        assertThat(record.launched()).isEmpty();
    }

    @Test
    void aPreparedContainerIsToBePreparedAgain() {
        ContainerFate fate = fate(container("c", ContainerState.CREATED), BOOT);
        assertThat(fate).isInstanceOf(ContainerFate.Became.class);
        assertThat(fate.container().state()).isEqualTo(ContainerState.CREATED);
        assertThat(fate.container().launched()).isEmpty();
    }

    @ParameterizedTest
    @EnumSource(names = {"STARTING", "RUNNING"})
    void aStartedContainerIsLookedForOnTheSameBoot(ContainerState state) {
        assertThat(fate(container("c", state), BOOT))
                .isEqualTo(new ContainerFate.Reopen(container("c", state), PROCESSES));
    }

    @Test
    void anEndedContainerStaysAsItIs() {
        ContainerRecord ended = container("c", ContainerState.RUNNING).exited(3000, 3, "Error", "");
        assertThat(fate(ended, BOOT)).isEqualTo(new ContainerFate.Kept(ended));
        assertThat(fate(ended, NEXT_BOOT)).isEqualTo(new ContainerFate.Kept(ended));
    }

    @Test
    void aProgramThatRunsIsRunningSinceItsStart() {
        ContainerRecord record =
                Recovery.afterReopen(container("c", ContainerState.STARTING), new Found.Running(), 9000);
        assertThat(record.state()).isEqualTo(ContainerState.RUNNING);
        assertThat(record.startedAtNanos()).isEqualTo(2000);
    }

    @Test
    void theExitFileTellsHowItEnded() {
        ContainerRecord record =
                Recovery.afterReopen(container("c", ContainerState.RUNNING), new Found.Ended(137, true, 4000), 9000);
        assertThat(record.state()).isEqualTo(ContainerState.EXITED);
        assertThat(record.exitCode()).isEqualTo(137);
        assertThat(record.reason()).isEqualTo("OOMKilled");
        assertThat(record.finishedAtNanos()).isEqualTo(4000);
    }

    @Test
    void aRunningContainerWithoutATraceIsLost() {
        ContainerRecord record = Recovery.afterReopen(container("c", ContainerState.RUNNING), new Found.Lost(), 9000);
        assertThat(record.exitCode()).isEqualTo(255);
        assertThat(record.reason()).isEqualTo("Unknown");
    }

    @Test
    void aLaunchWhoseGateNeverOpenedIsAFailedStart() {
        ContainerRecord record = Recovery.afterReopen(container("c", ContainerState.STARTING), new Found.Lost(), 9000);
        assertThat(record.exitCode()).isEqualTo(128);
        assertThat(record.reason()).isEqualTo("StartError");
    }

    @Test
    void noContainerEndsBeforeItsStart() {
        assertThat(container("c", ContainerState.RUNNING)
                        .exited(1, 0, "Completed", "")
                        .finishedAtNanos())
                .isEqualTo(2000);
    }

    @Test
    void directoriesWithoutARecordAreOrphans() {
        assertThat(Recovery.orphans(Set.of("c", "a", "b"), List.of("b"))).containsExactly("a", "c");
    }
}
