package io.portafilter.launch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.linux.SystemCall;
import org.junit.jupiter.api.Test;

class AssemblerTest {

    private final Assembler assembler = new Assembler("test");

    @Test
    void refusesAProgramThatRunsOverItsEnd() {
        Label first = assembler.call(SystemCall.GETPID, 0);
        assertThatThrownBy(() -> assembler.assemble(first))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("runs over its end at getpid");
    }

    @Test
    void refusesALabelThatIsNowhere() {
        Label first = assembler.call(SystemCall.GETPID, 0);
        assembler.continueAt(new Label("elsewhere"));
        assertThatThrownBy(() -> assembler.assemble(first)).hasMessageContaining("elsewhere is not placed");
    }

    @Test
    void refusesALabelThatIsPlacedTwice() {
        Label label = new Label("twice");
        assembler.place(label);
        assertThatThrownBy(() -> assembler.place(label)).hasMessageContaining("twice is placed twice");
    }

    @Test
    void refusesToChangeAnOperationBeforeThereIsOne() {
        assertThatThrownBy(assembler::neverReturns).hasMessageContaining("no operation yet");
    }

    @Test
    void refusesMoreArgumentsThanTheKernelTakes() {
        Label first = assembler.call(SystemCall.GETPID, 1, 2, 3, 4, 5, 6, 7);
        assembler.neverReturns();
        assertThatThrownBy(() -> assembler.assemble(first)).hasMessageContaining("getpid with 7 arguments");
    }

    @Test
    void refusesTextThatTheKernelWouldSeeCutShort() {
        assertThatThrownBy(() -> new Operand.Text("a\0b")).hasMessageContaining("NUL byte: \"a\\0b\"");
    }

    @Test
    void anOperationThatNeverReturnsHasNoSuccessorAtAll() {
        assembler.failTo(new Label("nowhere"));
        Label first = assembler.call(SystemCall.EXIT_GROUP, 0);
        assembler.neverReturns();
        Operation exit = assembler.assemble(first).operations().getFirst();
        assertThat(exit.next()).isEqualTo(Operation.NONE);
        assertThat(exit.onZero()).isEqualTo(Operation.NONE);
        assertThat(exit.onError()).isEqualTo(Operation.NONE);
    }

    @Test
    void anExecveThatReturnsFailsWhateverItReturns() {
        Label failed = new Label("failed");
        Label first = assembler.call(SystemCall.EXECVE, 0, 0, 0);
        assembler.returnsOnlyOnError(failed);
        assembler.call(SystemCall.GETPID, 0);
        assembler.neverReturns();
        assembler.place(failed);
        assembler.call(SystemCall.EXIT_GROUP, 1);
        assembler.neverReturns();
        Operation execve = assembler.assemble(first).operations().getFirst();
        assertThat(execve.next()).isEqualTo(2);
        assertThat(execve.onZero()).isEqualTo(2);
        assertThat(execve.onError()).isEqualTo(2);
    }

    @Test
    void namesAnOperandThatNoOperationProduces() {
        Label first = assembler.call(SystemCall.CLOSE, new Operand.ResultOf(new Label("socket")));
        assembler.neverReturns();
        LaunchProgram program = assembler.assemble(first);
        assertThatThrownBy(() -> ElfImage.of(program, new Encoder.X8664()))
                .hasMessageContaining("label socket is not placed in program test");
    }
}
