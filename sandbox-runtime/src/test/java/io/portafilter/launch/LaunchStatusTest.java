package io.portafilter.launch;

import static io.portafilter.linux.LinuxConstants.MFD_CLOEXEC;
import static io.portafilter.linux.LinuxConstants.O_CLOEXEC;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.Pipe;
import io.portafilter.linux.SystemCall;
import java.time.Duration;
import org.junit.jupiter.api.Test;

class LaunchStatusTest {
    private static final byte[] READY = new byte[8];

    @SuppressWarnings("MustBeClosedChecker") // closed by the status
    private static void await(Duration waited) {
        Assembler assembler = new Assembler("test");
        Label exit = assembler.call(SystemCall.EXIT_GROUP, 0);
        assembler.neverReturns();
        LaunchProgram program = assembler.assemble(exit);
        Pipe pipe = Kernel.pipe2(O_CLOEXEC);
        try (Fd write = pipe.write();
                LaunchStatus status = new LaunchStatus(
                        program,
                        ElfImage.of(program),
                        pipe.read(),
                        Kernel.memfdCreate("progress", MFD_CLOEXEC),
                        Duration.ZERO)) {
            Kernel.writeFully(write, READY);
            status.waited(waited);
            status.awaitReady();
        }
    }

    @Test
    void aLaunchHasItsTimeAndNoMore() {
        assertThatThrownBy(() -> await(Duration.ZERO))
                .isInstanceOf(LaunchException.class)
                .hasMessageContaining("does not answer");
    }

    @Test
    void whatTheServerLetItWaitDoesNotCount() {
        assertThatCode(() -> await(Duration.ofMinutes(1))).doesNotThrowAnyException();
    }
}
