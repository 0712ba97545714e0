package io.portafilter.container;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.launch.ElfImage;
import io.portafilter.launch.LaunchProgram;
import io.portafilter.launch.ProgramText;
import io.portafilter.security.SecurityModules;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The programs as text; {@code -Dgolden=update} writes them anew, and the difference is for review. */
class ProgramGoldenTest {
    private static final StandardStreams TERMINAL = new StandardStreams(true, true, false);

    private static final SecurityModules APPARMOR = new SecurityModules(new SecurityModules.AppArmor.On(), false);
    private static final SecurityModules SELINUX = new SecurityModules(new SecurityModules.AppArmor.Off(), true);

    static Stream<Arguments> programs() {
        return Stream.of(
                Arguments.of("container-own-pids", container(PlanFixture.plan())),
                Arguments.of(
                        "container-shared-pids", container(PlanFixture.plan().pids(PidMode.POD))),
                Arguments.of("container-mapped", container(PlanFixture.plan().mapped())),
                Arguments.of(
                        "container-mapped-shared-pids",
                        container(PlanFixture.plan().mapped().pids(PidMode.POD))),
                Arguments.of("container-cgroup-v2", container(PlanFixture.plan().cgroupV2())),
                Arguments.of(
                        "container-restricted",
                        container(PlanFixture.plan().noNewPrivileges().runAsUser(1000))),
                Arguments.of("pause", pause(PlanFixture.plan())),
                Arguments.of(
                        "pause-mapped-cgroup-v2",
                        pause(PlanFixture.plan().mapped().cgroupV2())),
                Arguments.of(
                        "container-apparmor",
                        container(PlanFixture.plan().cgroupV2().on(APPARMOR))),
                Arguments.of(
                        "container-apparmor-shared-pids",
                        container(PlanFixture.plan().mapped().pids(PidMode.POD).on(APPARMOR))),
                Arguments.of("exec-apparmor", exec(PlanFixture.plan().on(APPARMOR))),
                Arguments.of(
                        "container-selinux",
                        container(PlanFixture.plan().cgroupV2().on(SELINUX))),
                Arguments.of("exec-selinux", exec(PlanFixture.plan().on(SELINUX))),
                Arguments.of("container-terminal", container(PlanFixture.plan().streams(TERMINAL))),
                Arguments.of(
                        "container-terminal-shared-pids",
                        container(PlanFixture.plan().mapped().pids(PidMode.POD).streams(TERMINAL))),
                Arguments.of(
                        "container-stdin-once",
                        container(PlanFixture.plan().streams(new StandardStreams(false, true, true)))),
                Arguments.of("exec-terminal", exec(PlanFixture.plan(), true)),
                Arguments.of("exec", exec(PlanFixture.plan())),
                Arguments.of(
                        "exec-mapped-cgroup-v2",
                        exec(PlanFixture.plan().mapped().cgroupV2())),
                Arguments.of(
                        "exec-restricted",
                        exec(PlanFixture.plan().noNewPrivileges().runAsUser(1000))));
    }

    private static LaunchProgram container(PlanFixture plan) {
        return ContainerProgram.of(plan.container()).program();
    }

    private static LaunchProgram pause(PlanFixture plan) {
        return PauseProgram.of(plan.pause()).program();
    }

    private static LaunchProgram exec(PlanFixture plan) {
        return exec(plan, false);
    }

    private static LaunchProgram exec(PlanFixture plan, boolean terminal) {
        return ExecProgram.of(
                        plan.container(),
                        plan.container().facts().cgroupTasksFiles(),
                        new ExecRequest("e", List.of("sh", "-c", "id"), ExecRequest.LONGEST_START, terminal, terminal))
                .program();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("programs")
    void isTheProgramThatWasReviewed(String name, LaunchProgram program) throws IOException {
        Path golden = Path.of("src/test/golden", "program-" + name + ".txt");
        String text = ProgramText.of(program);
        if ("update".equals(System.getProperty("golden"))) {
            Files.createDirectories(golden.getParent());
            Files.writeString(golden, text);
        }
        assertThat(text).isEqualTo(Files.readString(golden));
        assertThat(ElfImage.of(program)).isNotNull();
    }

    @Test
    void theEnvironmentIsCountedAndNotShown() {
        assertThat(ProgramText.of(container(PlanFixture.plan())))
                .contains("3 vars")
                .doesNotContain("SECRET");
    }
}
