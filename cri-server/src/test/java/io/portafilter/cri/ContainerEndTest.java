package io.portafilter.cri;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.container.ExitRecord;
import io.portafilter.state.Bytes;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.ContainerState;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

class ContainerEndTest {

    private static ContainerRecord record(ContainerState state) {
        return new ContainerRecord(
                "c".repeat(64),
                RequestFixture.POD_ID,
                "app",
                0,
                Bytes.EMPTY,
                "sha256:1",
                "sha256:1",
                Bytes.EMPTY,
                List.of(),
                Map.of(),
                "",
                100,
                200,
                0,
                state,
                0,
                "",
                "",
                Optional.empty(),
                "boot",
                Optional.empty());
    }

    private static ContainerRecord ended(ContainerState state, int code, int signal, boolean oomKilled) {
        return ContainerEnd.ended(record(state), Optional.of(new ExitRecord(code, signal)), true, oomKilled, 300);
    }

    @Test
    void anExitOf0IsCompletedAndOthersAreErrors() {
        assertThat(ended(ContainerState.RUNNING, 0, 0, false))
                .returns("Completed", ContainerRecord::reason)
                .returns(0, ContainerRecord::exitCode)
                .returns(300L, ContainerRecord::finishedAtNanos)
                .returns(ContainerState.EXITED, ContainerRecord::state);
        assertThat(ended(ContainerState.RUNNING, 3, 0, false)).returns("Error", ContainerRecord::reason);
        assertThat(ended(ContainerState.RUNNING, 143, 15, false))
                .returns("Error", ContainerRecord::reason)
                .returns(143, ContainerRecord::exitCode);
        assertThat(ended(ContainerState.RUNNING, 137, 9, true)).returns("OOMKilled", ContainerRecord::reason);
    }

    @Test
    void withoutAnExitItIsUnknown() {
        assertThat(ContainerEnd.ended(record(ContainerState.RUNNING), Optional.empty(), true, false, 300))
                .returns(255, ContainerRecord::exitCode)
                .returns("Unknown", ContainerRecord::reason);
    }

    @Test
    void aGateThatNeverOpenedIsAStartErrorAndAProgramsOwn124IsNot() {
        assertThat(ContainerEnd.ended(
                        record(ContainerState.STARTING), Optional.of(new ExitRecord(124, 0)), false, false, 300))
                .returns(128, ContainerRecord::exitCode)
                .returns("StartError", ContainerRecord::reason);
        assertThat(ended(ContainerState.STARTING, 124, 0, false))
                .returns(124, ContainerRecord::exitCode)
                .returns("Error", ContainerRecord::reason);
    }

    @Test
    void theEndIsNeverBeforeTheStart() {
        assertThat(ContainerEnd.ended(record(ContainerState.RUNNING), Optional.of(new ExitRecord(0, 0)), true, false, 5)
                        .finishedAtNanos())
                .isEqualTo(200);
    }
}
