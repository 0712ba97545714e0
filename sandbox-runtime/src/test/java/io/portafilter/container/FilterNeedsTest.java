package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.TIOCNXCL;
import static io.portafilter.linux.LinuxConstants.TIOCSCTTY;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.linux.Architecture;
import io.portafilter.linux.SystemCall;
import io.portafilter.security.SeccompProgram;
import io.portafilter.security.SecurityRefusal;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class FilterNeedsTest {

    private static final ExecRequest TRUE = new ExecRequest("e", List.of("true"), ExecRequest.LONGEST_START);
    private static final int ALLOW = 0x7fff0000;

    /** Lets everything through but one call: {@code ld nr; jeq call; ret action; ret ALLOW}. */
    static SeccompProgram answering(SystemCall call, int action) {
        ByteBuffer code = ByteBuffer.allocate(32).order(ByteOrder.nativeOrder());
        instruction(code, 0x20, 0, 0, 0);
        instruction(code, 0x15, 0, 1, call.number(Architecture.X86_64));
        instruction(code, 0x06, 0, 0, action);
        instruction(code, 0x06, 0, 0, ALLOW);
        return new SeccompProgram(code.array(), 0, "no-" + call.callName());
    }

    private static void instruction(ByteBuffer code, int operation, int yes, int no, int k) {
        code.putShort((short) operation).put((byte) yes).put((byte) no).putInt(k);
    }

    @ParameterizedTest
    @EnumSource(names = {"CAPSET", "CLONE", "MMAP", "CLOSE", "PRCTL", "SETSID", "EXECVE"})
    void namesTheCallThatAnExecCouldNotMake(SystemCall call) {
        ContainerPlan plan =
                PlanFixture.plan().filter(answering(call, 0x00050001)).container();
        assertThatThrownBy(() -> ExecProgram.of(plan, plan.facts().cgroupTasksFiles(), TRUE))
                .isInstanceOf(SecurityRefusal.class)
                .hasMessageContaining(
                        "profile no-" + call.callName() + " answers " + call.callName() + " with ERRNO(EPERM)");
    }

    @ParameterizedTest
    @EnumSource(names = {"CLONE", "EXECVE"})
    void refusesAStartInASharedPidNamespaceLikewise(SystemCall call) {
        ContainerPlan plan = PlanFixture.plan()
                .pids(PidMode.POD)
                .filter(answering(call, 0x80000000))
                .container();
        assertThatThrownBy(() -> ContainerProgram.of(plan))
                .isInstanceOf(SecurityRefusal.class)
                .hasMessageContaining("KILL_PROCESS");
    }

    /** {@code ld request; jeq it; ret ERRNO(EPERM); ret ALLOW}, for ioctl alone. */
    private static SeccompProgram refusing(int request) {
        ByteBuffer code = ByteBuffer.allocate(48).order(ByteOrder.nativeOrder());
        instruction(code, 0x20, 0, 0, 0);
        instruction(code, 0x15, 0, 3, SystemCall.IOCTL.number(Architecture.X86_64));
        instruction(code, 0x20, 0, 0, 24);
        instruction(code, 0x15, 0, 1, request);
        instruction(code, 0x06, 0, 0, 0x00050001);
        instruction(code, 0x06, 0, 0, ALLOW);
        return new SeccompProgram(code.array(), 0, "no-request");
    }

    @ParameterizedTest
    @ValueSource(ints = {TIOCSCTTY, TIOCNXCL})
    void namesTheRequestThatATerminalTakes(int request) {
        ContainerPlan plan = PlanFixture.plan().filter(refusing(request)).container();
        ExecRequest terminal = new ExecRequest("e", List.of("true"), ExecRequest.LONGEST_START, true, true);
        assertThatThrownBy(() -> ExecProgram.of(plan, plan.facts().cgroupTasksFiles(), terminal))
                .isInstanceOf(SecurityRefusal.class)
                .hasMessageContaining("answers ioctl with ERRNO(EPERM)");
    }

    @Test
    void aTerminalTakesOneCallMore() {
        ContainerPlan plan = PlanFixture.plan()
                .filter(answering(SystemCall.IOCTL, 0x00050001))
                .container();
        ExecRequest terminal = new ExecRequest("e", List.of("true"), ExecRequest.LONGEST_START, true, true);
        assertThatThrownBy(() -> ExecProgram.of(plan, plan.facts().cgroupTasksFiles(), terminal))
                .isInstanceOf(SecurityRefusal.class)
                .hasMessageContaining("answers ioctl with ERRNO(EPERM)");
        assertThatCode(() -> ExecProgram.of(plan, plan.facts().cgroupTasksFiles(), TRUE))
                .doesNotThrowAnyException();
    }

    @Test
    void aFilterThatIsInstalledLastMayRefuseThem() {
        ContainerPlan plan = PlanFixture.plan()
                .filter(answering(SystemCall.SETSID, 0x00050001))
                .container();
        assertThatCode(() -> ContainerProgram.of(plan)).doesNotThrowAnyException();
    }

    @Test
    void withNoNewPrivilegesNothingIsGivenUpAfterTheFilter() {
        ContainerPlan plan = PlanFixture.plan()
                .noNewPrivileges()
                .filter(answering(SystemCall.CAPSET, 0x00050001))
                .container();
        assertThat(ExecProgram.of(plan, plan.facts().cgroupTasksFiles(), TRUE)
                        .program()
                        .operations())
                .isNotEmpty();
    }
}
