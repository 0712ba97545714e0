package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.AT_FDCWD;
import static io.portafilter.linux.LinuxConstants.OPEN_TREE_CLOEXEC;
import static io.portafilter.linux.LinuxConstants.OPEN_TREE_CLONE;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.cgroup.CgroupHierarchy;
import io.portafilter.launch.LaunchException;
import io.portafilter.launch.LaunchProgram;
import io.portafilter.launch.Operand;
import io.portafilter.launch.Operation;
import io.portafilter.linux.Fd;
import io.portafilter.linux.SystemCall;
import io.portafilter.security.SecurityRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Gate 2 against programs that leave a step out: each is run with one step replaced by a call that does nothing, and
 * nothing but the comparison stands between it and the program.
 */
class LaunchCheckTest {

    private LiveSandbox sandbox;

    @BeforeEach
    void begin() throws IOException {
        sandbox = LiveSandbox.open();
        sandbox.pod(false);
    }

    @AfterEach
    void end() {
        sandbox.close();
    }

    /** The program with every step of this kind turned into {@code getpid()}. */
    private static LaunchProgram without(LaunchProgram program, Predicate<Operation> step) {
        List<Operation> operations = new ArrayList<>(program.operations());
        assertThat(operations).anyMatch(step);
        operations.replaceAll(operation -> step.test(operation)
                ? new Operation(
                        SystemCall.GETPID,
                        List.of(),
                        operation.purpose(),
                        operation.tolerated(),
                        operation.next(),
                        operation.onZero(),
                        operation.onError())
                : operation);
        return new LaunchProgram(program.name(), operations, program.first(), program.labels());
    }

    private void assertFound(ContainerRequest request, Predicate<Operation> step, String difference) {
        Host host = sandbox.host.changing(program -> without(program, step));
        try (ContainerLaunch launch = ContainerLaunch.prepare(host, request, sandbox.pod())) {
            assertThatThrownBy(launch::check)
                    .isInstanceOf(LaunchException.class)
                    .hasMessageContaining("the prepared process is not what was asked for")
                    .hasMessageContaining(difference);
        }
    }

    private static Predicate<Operation> call(SystemCall call, String purpose) {
        return operation -> operation.call() == call && operation.purpose().startsWith(purpose);
    }

    private static Predicate<Operation> prctl(long option) {
        return operation -> operation.call() == SystemCall.PRCTL
                && operation.arguments().getFirst().equals(new Operand.Literal(option));
    }

    @ParameterizedTest(name = "{0}")
    @CsvSource({
        "PRCTL, drop capabilities, bounding set differs",
        "CAPSET, set capabilities, permitted set differs",
        "MOVE_MOUNT, mask /proc/keys, mount on /proc/keys differs",
        "MOUNT_SETATTR, make /proc/sys read-only, read-only /proc/sys differs",
        "MOVE_MOUNT, mount mqueue, mount on /dev/mqueue differs",
        "PRLIMIT64, set umask, limit of open files differs",
        "SETNS, join the pod's, net namespace differs",
        "WRITE, join the cgroups, cgroups differs",
        "DUP3, 'set stdin, stdout', stdin differs",
        "DUP3, 'set stdin, stdout', stderr differs",
    })
    void namesAStepThatWasLeftOut(SystemCall call, String purpose, String difference) throws IOException {
        assertFound(request(), call(call, purpose), difference);
    }

    @Test
    void namesACgroupThatIsNotMounted() throws IOException {
        assumeTrue(sandbox.host.cgroups() instanceof CgroupHierarchy.V1, "needs cgroup version 1");
        String place = "/sys/fs/cgroup/memory";
        assertFound(request(), call(SystemCall.MOVE_MOUNT, "mount on " + place), "mount on " + place + " differs");
    }

    private ContainerRequest request() throws IOException {
        return sandbox.request(PidMode.CONTAINER, sandbox.securityRequest(), "true");
    }

    @Test
    void namesAMissingNoNewPrivileges() throws IOException {
        ContainerRequest request = sandbox.request(
                PidMode.CONTAINER, LiveSandbox.noNewPrivileges(sandbox.securityRequest(), 1000), "true");
        assertFound(request, prctl(38), "no_new_privs differs: asked true, kernel false");
    }

    @Test
    void namesAUserThatWasNotTaken() throws IOException {
        ContainerRequest request = sandbox.request(
                PidMode.CONTAINER, LiveSandbox.noNewPrivileges(sandbox.securityRequest(), 1000), "true");
        assertFound(request, call(SystemCall.SETRESUID, "become user"), "user ids differs");
    }

    @Test
    void namesAGroupThatWasNotTaken() throws IOException {
        assertFound(
                sandbox.request(
                        PidMode.CONTAINER, LiveSandbox.noNewPrivileges(sandbox.securityRequest(), 1000), "true"),
                call(SystemCall.SETGROUPS, "become user"),
                "supplementary groups differs");
    }

    @Test
    void namesAWorkingDirectoryThatWasNotEntered() throws IOException {
        assertFound(
                LiveSandbox.in(request(), "/tmp"),
                call(SystemCall.FCHDIR, "enter the working directory"),
                "working directory differs: asked /tmp, kernel /");
    }

    @Test
    void namesAMountThatWasNotPlanned() throws IOException {
        Host host = sandbox.host.changing(program -> {
            // the second move of a mask goes onto /tmp instead
            List<Operation> operations = new ArrayList<>(program.operations());
            for (int i = 0; i < operations.size(); i++) {
                Operation operation = operations.get(i);
                if (operation.purpose().equals("mask /proc/keys") && operation.call() == SystemCall.OPENAT2) {
                    List<Operand> arguments = new ArrayList<>(operation.arguments());
                    arguments.set(1, new Operand.Text("bin/busybox"));
                    operations.set(
                            i,
                            new Operation(
                                    operation.call(),
                                    arguments,
                                    operation.purpose(),
                                    operation.tolerated(),
                                    operation.next(),
                                    operation.onZero(),
                                    operation.onError()));
                }
            }
            return new LaunchProgram(program.name(), operations, program.first(), program.labels());
        });
        try (ContainerLaunch launch = ContainerLaunch.prepare(host, request(), sandbox.pod())) {
            assertThatThrownBy(launch::check)
                    .hasMessageContaining("mount on /bin/busybox differs: asked no more than was planned");
        }
    }

    private static final StandardStreams TERMINAL = new StandardStreams(true, true, false);

    @ParameterizedTest(name = "{0}")
    @CsvSource({
        "DUP3, set stdout and stderr, stdout differs",
        "DUP3, set stdout and stderr, stderr differs",
        "IOCTL, begin a session, 'controlling terminal differs: asked 136:0, kernel 0:0'",
    })
    void namesAStepOfATerminalThatWasLeftOut(SystemCall call, String purpose, String difference) throws IOException {
        assertFound(LiveSandbox.with(request(), TERMINAL), call(call, purpose), difference);
    }

    /** Programs run beside the first one would have terminals of the host. */
    @Test
    void namesTerminalsOfTheHostAlsoBehindAVolume() throws IOException {
        Path volume = Files.createDirectory(sandbox.directory.resolve("volume"));
        Host host = sandbox.host.changing(program -> {
            List<Operation> operations = new ArrayList<>(program.operations());
            operations.replaceAll(operation ->
                    call(SystemCall.FSMOUNT, "make the container's devpts").test(operation)
                            ? new Operation(
                                    SystemCall.OPEN_TREE,
                                    List.of(
                                            new Operand.Literal(AT_FDCWD),
                                            new Operand.Text("/dev/pts"),
                                            new Operand.Literal(OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)),
                                    operation.purpose(),
                                    operation.tolerated(),
                                    operation.next(),
                                    operation.onZero(),
                                    operation.onError())
                            : operation);
            return new LaunchProgram(program.name(), operations, program.first(), program.labels());
        });
        ContainerRequest request = LiveSandbox.with(
                request(),
                new MountRequest("/dev/pts", volume, true, false, io.portafilter.rootfs.Propagation.PRIVATE));
        try (ContainerLaunch launch = ContainerLaunch.prepare(host, request, sandbox.pod())) {
            assertThatThrownBy(launch::check).hasMessageContaining("asked a devpts of its own, kernel the host's");
        }
    }

    @Test
    void theConsoleMayBeMasked() throws IOException {
        SecurityRequest usual = sandbox.securityRequest();
        SecurityRequest masked = new SecurityRequest(
                usual.privileged(),
                usual.podPrivileged(),
                usual.capabilities(),
                usual.user(),
                usual.noNewPrivileges(),
                usual.readOnlyRootfs(),
                List.of("/proc/keys", "/dev/console"),
                usual.readOnlyPaths(),
                usual.seccomp(),
                usual.ids(),
                usual.labels());
        ContainerRequest request = LiveSandbox.with(
                sandbox.request(PidMode.CONTAINER, masked, "sh", "-c", "[ -t 0 ] && echo hidden > /dev/console"),
                TERMINAL);
        Running container = sandbox.start(request);
        try (Fd master = container.monitor().input().orElseThrow()) {
            assertThat(container.exit().orElseThrow().code()).isZero();
            assertThat(TerminalLaunchTest.toEnd(master)).isEmpty();
        }
    }

    @Test
    void namesAVolumeThatIsNotTheOneThatWasPrepared() throws IOException {
        Path volume = Files.createDirectory(sandbox.directory.resolve("volume"));
        assertFound(
                LiveSandbox.with(
                        request(),
                        new MountRequest("/tmp", volume, true, false, io.portafilter.rootfs.Propagation.PRIVATE)),
                call(SystemCall.MOVE_MOUNT, "mount on /tmp"),
                "mount on /tmp differs: asked the mount that was prepared");
    }

    @ParameterizedTest
    @EnumSource
    void findsNothingWhereNothingDiffers(ContainerLaunchTest.Shape shape) throws IOException {
        sandbox.close();
        sandbox = LiveSandbox.open();
        sandbox.pod(shape.mapped);
        Path volume = Files.createDirectory(sandbox.directory.resolve("volume"));
        Files.createDirectories(volume.resolve("a b"));
        ContainerRequest request = LiveSandbox.with(
                sandbox.request(shape.pids, sandbox.securityRequest(), "true"),
                new MountRequest("/data/a b", volume, true, true, io.portafilter.rootfs.Propagation.PRIVATE));
        assertThat(sandbox.start(request).exit()).contains(new ExitRecord(0, 0));
    }
}
