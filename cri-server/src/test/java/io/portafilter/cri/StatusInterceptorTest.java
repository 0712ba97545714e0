package io.portafilter.cri;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.portafilter.launch.LaunchException;
import org.junit.jupiter.api.Test;

class StatusInterceptorTest {

    private static Status of(String message) {
        return StatusInterceptor.readable(StatusInterceptor.status(LaunchException.because(message), "StartContainer"));
    }

    @Test
    void anErrorStaysReadableWhateverTheImageNamedItsProgram() {
        assertThat(of("execute /" + "x".repeat(100_000)).getDescription())
                .startsWith("execute /xxx")
                .endsWith("...")
                .hasSize(2048);
        assertThat(of("execute /\u001b[2J\u0007x: no such file").getDescription())
                .isEqualTo("execute /?[2J?x: no such file");
        assertThat(of("bounding set differs\n\tasked CHOWN").getDescription())
                .isEqualTo("bounding set differs\n\tasked CHOWN");
        assertThat(of("x").getCode()).isEqualTo(Status.Code.INTERNAL);
    }
}
