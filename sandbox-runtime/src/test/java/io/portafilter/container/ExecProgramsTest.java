package io.portafilter.container;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.launch.ElfImage;
import io.portafilter.launch.ProgramText;
import io.portafilter.linux.SystemCall;
import io.portafilter.security.SecurityRefusal;
import java.util.List;
import org.junit.jupiter.api.Test;

class ExecProgramsTest {

    private static final ContainerPlan PLAN = PlanFixture.plan().container();
    private static final int TASKS = PLAN.facts().cgroupTasksFiles();

    private final ExecPrograms programs = new ExecPrograms();

    private static ExecRequest command(boolean terminal, String... arguments) {
        return new ExecRequest("e", List.of(arguments), ExecRequest.LONGEST_START, terminal, terminal);
    }

    private ExecPrograms.Written of(ContainerPlan plan, int tasks, ExecRequest exec) {
        ExecPrograms.Written written = programs.of(plan, tasks, exec);
        ExecProgram fresh = ExecProgram.of(plan, tasks, exec);
        // labels are compared by identity, so the text and the file are
        assertThat(ProgramText.of(written.program().program())).isEqualTo(ProgramText.of(fresh.program()));
        assertThat(written.program().image().bytes())
                .isEqualTo(ElfImage.of(fresh.program()).bytes());
        assertThat(written.slots().order()).isEqualTo(fresh.slots().order());
        return written;
    }

    @Test
    void theSameCommandInTheSameContainerIsWrittenOnce() {
        ExecPrograms.Written first = of(PLAN, TASKS, command(false, "test", "-e", "/ready"));
        assertThat(of(PLAN, TASKS, command(false, "test", "-e", "/ready"))).isSameAs(first);
    }

    @Test
    void whateverAProgramDependsOnMakesAnother() {
        ExecPrograms.Written first = of(PLAN, TASKS, command(false, "sh"));
        assertThat(of(PLAN, TASKS, command(false, "sh", ""))).isNotSameAs(first);
        assertThat(of(PLAN, TASKS, command(true, "sh"))).isNotSameAs(first);
        assertThat(of(PLAN, TASKS - 1, command(false, "sh"))).isNotSameAs(first);
        assertThat(of(PlanFixture.plan().runAsUser(1000).container(), TASKS, command(false, "sh")))
                .isNotSameAs(first);
        assertThat(of(PlanFixture.plan().noNewPrivileges().container(), TASKS, command(false, "sh")))
                .isNotSameAs(first);
    }

    @Test
    void ofAContainerOfTheSameNameAnotherFilterIsNotForgotten() {
        var _ = of(PLAN, TASKS, command(false, "sh"));
        ContainerPlan refusing = PlanFixture.plan()
                .filter(FilterNeedsTest.answering(SystemCall.CLONE, 0x00050001))
                .container();
        assertThatThrownBy(() -> programs.of(refusing, TASKS, command(false, "sh")))
                .isInstanceOf(SecurityRefusal.class);
    }

    @Test
    void aCommandThatIsLargeIsNotKept() {
        var _ = of(PLAN, TASKS, command(false, "sh", "x".repeat(64 * 1024)));
        assertThat(programs.size()).isZero();
    }

    @Test
    void noMoreThanTheLastOnesAreKept() {
        ExecRequest kept = command(false, "probe");
        ExecPrograms.Written first = of(PLAN, TASKS, kept);
        for (int i = 0; i < 100; i++) {
            var _ = programs.of(PLAN, TASKS, command(false, "other", Integer.toString(i)));
            assertThat(programs.of(PLAN, TASKS, kept)).isSameAs(first);
        }
        assertThat(programs.size()).isEqualTo(32);
    }
}
