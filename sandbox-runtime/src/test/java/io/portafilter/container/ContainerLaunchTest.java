package io.portafilter.container;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.launch.LaunchException;
import io.portafilter.security.HostFacts;
import io.portafilter.security.SeccompRequest;
import java.io.IOException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Real pods and containers, judged by /proc and by what they print. */
class ContainerLaunchTest {

    private LiveSandbox sandbox;

    @BeforeEach
    void begin() throws IOException {
        sandbox = LiveSandbox.open();
    }

    @AfterEach
    void end() {
        sandbox.close();
    }

    enum Shape {
        HOST_USERS_OWN_PIDS(false, PidMode.CONTAINER),
        HOST_USERS_SHARED_PIDS(false, PidMode.POD),
        MAPPED_USERS_OWN_PIDS(true, PidMode.CONTAINER),
        MAPPED_USERS_SHARED_PIDS(true, PidMode.POD);

        final boolean mapped;
        final PidMode pids;

        Shape(boolean mapped, PidMode pids) {
            this.mapped = mapped;
            this.pids = pids;
        }
    }

    @ParameterizedTest
    @EnumSource
    void runsAProgramAndTellsHowItEnded(Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        Running container = sandbox.container(shape.pids, "sh", "-c", "echo hello; echo oops >&2; exit 3");
        assertThat(container.stdout()).isEqualTo("hello\n");
        assertThat(container.stderr()).isEqualTo("oops\n");
        assertThat(container.exit()).contains(new ExitRecord(3, 0));
    }

    @ParameterizedTest
    @EnumSource
    void execsBesideTheFirstProcess(Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        Running container = sandbox.container(shape.pids, "sleep", "1000");
        assertThat(container.exec("sh", "-c", "echo in; cat /proc/1/comm; exit 5"))
                .isEqualTo(new Running.Output(
                        "in\n" + (shape.pids == PidMode.POD ? "pod-pod" : "sleep") + "\n", "", new ExitRecord(5, 0)));
        container.kill();
        assertThat(container.exit()).contains(new ExitRecord(137, 9));
    }

    /** For a server that was killed between the two: 124 is the launch program's own status too. */
    @ParameterizedTest
    @EnumSource
    void theStateDirectoryTellsAProgramThatExitsWith124FromALaunchThatFailed(Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        Running program = sandbox.container(shape.pids, "sh", "-c", "exit 124");
        assertThat(program.exit()).contains(new ExitRecord(124, 0));
        assertThat(ContainerLaunch.wasExecuted(program.request().stateDirectory()))
                .isTrue();

        ContainerRequest missing = sandbox.request(shape.pids, sandbox.securityRequest(), "no-such-command");
        try (ContainerLaunch launch = ContainerLaunch.prepare(sandbox.host, missing, sandbox.pod())) {
            assertThatThrownBy(launch::execute).isInstanceOf(LaunchException.class);
        }
        assertThat(ContainerLaunch.wasExecuted(missing.stateDirectory())).isFalse();

        ContainerRequest cancelled = sandbox.request(shape.pids, sandbox.securityRequest(), "true");
        try (ContainerLaunch launch = ContainerLaunch.prepare(sandbox.host, cancelled, sandbox.pod())) {
            launch.check();
        }
        assertThat(ContainerLaunch.wasExecuted(cancelled.stateDirectory())).isFalse();
    }

    @ParameterizedTest
    @CsvSource({"true,true", "true,false", "false,true", "false,false"})
    void sharesThePidsOfATarget(boolean mapped, boolean procPidnsOption) throws IOException {
        sandbox.pod(mapped);
        Host host = sandbox.host.taken(facts -> procPidnsOption ? facts : withoutProcPidnsOption(facts));
        Running target = sandbox.container(PidMode.CONTAINER, "sleep", "1000");
        try (Running beside = sandbox.beside(host, target, "sleep", "1000")) {
            assertThat(beside.exec("cat", "/proc/1/comm").stdout()).isEqualTo("sleep\n");
            assertThat(beside.exec("ps", "-o", "comm").stdout()).doesNotContain("java");
            target.kill();
            assertThat(beside.exit()).contains(new ExitRecord(137, 9));
        }
    }

    /** A target with CAP_SYS_ADMIN may mount what it likes on its own /proc, the pod's or the host's among it. */
    @Test
    void refusesTheProcOfATargetThatIsNotItsOwn() throws IOException {
        sandbox.pod(false);
        Host host = sandbox.host.taken(ContainerLaunchTest::withoutProcPidnsOption);
        Running target = sandbox.container(
                PidMode.CONTAINER,
                asked -> LiveSandbox.filteredBy(
                        LiveSandbox.adding(asked, "SYS_ADMIN"), new SeccompRequest.Unconfined(), false),
                "sh",
                "-c",
                "unshare -p -f sh -c 'mount -t proc -o nosuid,nodev,noexec proc /proc; echo mounted; sleep 1000'");
        assertThat(target.stdout()).isEqualTo("mounted\n");
        assertThatThrownBy(() -> sandbox.beside(host, target, "sleep", "1000").close())
                .isInstanceOf(LaunchException.class)
                .hasMessageContaining("PID namespace of /proc differs");
    }

    private static HostFacts withoutProcPidnsOption(HostFacts facts) {
        return new HostFacts(
                facts.ownCapabilities(),
                facts.lastCapability(),
                facts.kernel(),
                facts.architecture(),
                facts.cgroupV2(),
                false,
                facts.lowerdirPlus(),
                facts.modules());
    }

    /** An exec may meet the end of its container at any step. */
    @Test
    void aMonitorThatHasEndedSaysSoInsteadOfWhatItKept() throws IOException {
        sandbox.pod(false);
        Running container = sandbox.container(PidMode.CONTAINER, "sleep", "1000");
        container.monitor().kill();
        assertThat(container.monitor().awaitEnd(LiveSandbox.LIMIT)).isTrue();
        assertThatThrownBy(container::stdout)
                .isInstanceOf(LaunchException.class)
                .hasMessageContaining("has ended");
    }
}
