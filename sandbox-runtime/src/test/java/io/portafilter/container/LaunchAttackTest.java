package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NODEV;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NOEXEC;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NOSUID;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_RDONLY;
import static io.portafilter.linux.LinuxConstants.SIGKILL;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.launch.Block;
import io.portafilter.launch.LaunchException;
import io.portafilter.launch.LaunchProgram;
import io.portafilter.launch.Operand;
import io.portafilter.launch.Operation;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.ProcFile;
import io.portafilter.linux.ProcStatus;
import io.portafilter.linux.ProcessRef;
import io.portafilter.linux.SystemCall;
import io.portafilter.security.SeccompRequest;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The rules of the launch, each tried from where an attacker would stand. */
class LaunchAttackTest {

    private LiveSandbox sandbox;

    @BeforeEach
    void begin() throws IOException {
        sandbox = LiveSandbox.open();
    }

    @AfterEach
    void end() {
        sandbox.close();
    }

    // ---- descriptors and the working directory

    @ParameterizedTest
    @EnumSource
    void aProgramHasItsThreeStreamsAndNothingElseOpen(ContainerLaunchTest.Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        Running container = sandbox.container(shape.pids, "sh", "-c", "ls /proc/self/fd; exec sleep 1000");
        // the fourth is the directory that ls reads
        assertThat(container.stdout()).isEqualTo("0\n1\n2\n3\n");
        assertThat(container.exec("ls", "/proc/self/fd").stdout()).isEqualTo("0\n1\n2\n3\n");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void noWorkingDirectoryLeadsThroughADescriptor(boolean mapped) throws IOException {
        sandbox.pod(mapped);
        Running container = sandbox.container(PidMode.CONTAINER, "sleep", "1000");
        for (int number = 3; number < 64; number++) {
            String directory = "/proc/self/fd/" + number;
            ContainerRequest request =
                    LiveSandbox.in(sandbox.request(PidMode.CONTAINER, sandbox.securityRequest(), "true"), directory);
            assertThatThrownBy(() -> sandbox.start(request))
                    .as("start in " + directory)
                    .isInstanceOf(RuntimeException.class);
            Running elsewhere = new Running(
                    sandbox.host,
                    in(container.plan(), directory),
                    container.request(),
                    container.launched(),
                    container.monitor());
            assertThatThrownBy(() -> elsewhere.exec("true"))
                    .as("exec in " + directory)
                    .isInstanceOf(LaunchException.class)
                    .hasMessageContaining("enter the working directory");
        }
    }

    /** Links that lead where no path does: out of the root for who is still outside of it. */
    @ParameterizedTest
    @EnumSource
    void noWorkingDirectoryLeadsThroughAMagicLink(ContainerLaunchTest.Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        Running container = sandbox.container(shape.pids, "sleep", "1000");
        for (String directory : List.of("/proc/1/root", "/proc/1/cwd", "/proc/1/root/proc")) {
            ContainerRequest request =
                    LiveSandbox.in(sandbox.request(shape.pids, sandbox.securityRequest(), "true"), directory);
            assertThatThrownBy(() -> sandbox.start(request))
                    .as("start in " + directory)
                    .isInstanceOf(RuntimeException.class);
            Running elsewhere = new Running(
                    sandbox.host,
                    in(container.plan(), directory),
                    container.request(),
                    container.launched(),
                    container.monitor());
            assertThatThrownBy(() -> elsewhere.exec("true"))
                    .as("exec in " + directory)
                    .isInstanceOf(LaunchException.class)
                    .hasMessageContaining("enter the working directory");
        }
    }

    private static ContainerPlan in(ContainerPlan plan, String workingDirectory) {
        return new ContainerPlan(
                plan.name(),
                plan.candidates(),
                plan.arguments(),
                plan.environment(),
                workingDirectory,
                plan.security(),
                plan.pidMode(),
                plan.hostNetwork(),
                plan.hostIpc(),
                plan.cgroupNamespace(),
                plan.streams(),
                plan.terminals(),
                plan.mounts(),
                plan.prepared(),
                plan.oomScoreAdj(),
                plan.limits(),
                plan.facts());
    }

    @Test
    void aUserMayOpenItsOutputAgain() throws IOException {
        sandbox.pod(true);
        Running container = sandbox.container(
                PidMode.CONTAINER,
                security -> LiveSandbox.noNewPrivileges(security, 1000),
                "sh",
                "-c",
                "echo again > /dev/stdout");
        assertThat(container.stdout()).isEqualTo("again\n");
    }

    // ---- exec joins what was recorded

    @Test
    void anExecDoesNotFollowTheFirstProcessIntoNamespacesOfItsOwn() throws IOException {
        sandbox.pod(false);
        Running container = sandbox.container(
                PidMode.CONTAINER,
                security -> LiveSandbox.filteredBy(
                        LiveSandbox.noNewPrivileges(security, 1000), new SeccompRequest.Unconfined(), false),
                "sh",
                "-c",
                "echo forged > /tmp/passwd;"
                        + " exec unshare -U -r -m sh -c 'mount -o bind /tmp /etc && echo bound; exec sleep 1000'");
        assertThat(container.stdout()).as("the attack works so far").isEqualTo("bound\n");
        assertThat(container.exec("cat", "/etc/passwd").stdout())
                .startsWith("root:")
                .doesNotContain("forged");
    }

    // ---- file systems of the pod's namespaces

    /** A cgroup namespace belongs to the user namespace that it was made in, and only that one may mount it. */
    @ParameterizedTest
    @EnumSource
    @SuppressWarnings("MustBeClosedChecker") // closed with the container
    void aCgroupFileSystemIsMountedAlsoInAUserNamespace(ContainerLaunchTest.Shape shape) throws IOException {
        assumeTrue(
                ProcFile.read("/proc/self/mountinfo").contains(" - cgroup2 "),
                "needs a mount of cgroup v2, be it without controllers");
        sandbox.pod(shape.mapped);
        ContainerRequest request = sandbox.request(
                shape.pids, sandbox.securityRequest(), "grep", "-o", "/sys/fs/cgroup cgroup2 r.", "/proc/mounts");
        try (ContainerLaunch.Groundwork groundwork = ContainerLaunch.layGroundwork(
                        sandbox.host, request, new ContainerLaunch.Neighbours(sandbox.pod()));
                ContainerLaunch launch =
                        ContainerLaunch.start(sandbox.host, request, withCgroupNamespace(groundwork))) {
            launch.check();
            LaunchedContainer launched = launch.execute();
            Running container = new Running(sandbox.host, launch.plan(), request, launched, launch.release());
            try {
                assertThat(container.stdout()).isEqualTo("/sys/fs/cgroup cgroup2 ro\n");
            } finally {
                container.remove();
            }
        }
    }

    /** As where cgroups are v2: a host with v1 makes no cgroup namespaces. */
    private static ContainerLaunch.Groundwork withCgroupNamespace(ContainerLaunch.Groundwork groundwork) {
        ContainerPlan plan = groundwork.plan();
        List<MountPlan> mounts = new ArrayList<>(plan.mounts());
        mounts.removeIf(mount -> mount instanceof MountPlan.CgroupTree || mount instanceof MountPlan.CgroupView);
        if (!plan.cgroupNamespace()) {
            int sysfs = mounts.indexOf(mounts.stream()
                    .filter(mount -> mount.target().equals("/sys"))
                    .findFirst()
                    .orElseThrow());
            mounts.add(
                    sysfs + 1,
                    new MountPlan.FileSystem(
                            "cgroup2",
                            "/sys/fs/cgroup",
                            List.of(),
                            MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
                            false));
        }
        return new ContainerLaunch.Groundwork(
                new ContainerPlan(
                        plan.name(),
                        plan.candidates(),
                        plan.arguments(),
                        plan.environment(),
                        plan.workingDirectory(),
                        plan.security(),
                        plan.pidMode(),
                        plan.hostNetwork(),
                        plan.hostIpc(),
                        true,
                        plan.streams(),
                        plan.terminals(),
                        mounts,
                        plan.prepared(),
                        plan.oomScoreAdj(),
                        plan.limits(),
                        plan.facts()),
                groundwork.made(),
                groundwork.pod(),
                groundwork.mounts(),
                groundwork.points(),
                groundwork.stay(),
                groundwork.streams(),
                groundwork.input(),
                groundwork.descriptors(),
                groundwork.undo());
    }

    // ---- filters on the last calls

    @ParameterizedTest
    @CsvSource({
        "execve,SCMP_ACT_ERRNO,1",
        "execve,SCMP_ACT_ERRNO,0",
        "execve,SCMP_ACT_TRACE,1",
        "'execve\",\"exit_group',SCMP_ACT_ERRNO,1",
        "'execve\",\"exit_group',SCMP_ACT_ERRNO,0",
        "'execve\",\"write',SCMP_ACT_ERRNO,1",
        "'execve\",\"write\",\"exit_group',SCMP_ACT_ERRNO,1",
        "'execve\",\"write\",\"exit_group',SCMP_ACT_ERRNO,0",
    })
    void aFilterThatRefusesTheLastCallsEndsTheLaunch(String names, String action, int errno) throws IOException {
        sandbox.pod(false);
        SeccompRequest filter = new SeccompRequest.Localhost(
                "test.json",
                "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"" + names + "\"],\"action\":\""
                        + action + "\",\"errnoRet\":" + errno + "}]}");
        ContainerRequest request = sandbox.request(
                PidMode.CONTAINER, LiveSandbox.filteredBy(sandbox.securityRequest(), filter, false), "true");
        Residue before = Residue.now(sandbox.group());
        long begin = System.nanoTime();
        assertThatThrownBy(() -> sandbox.start(request)).isInstanceOf(RuntimeException.class);
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(LiveSandbox.LIMIT);
        before.assertNothingMore(sandbox.group(), "a launch under a filter on " + names);
    }

    /** It cannot be told from a program that is killed at its first call. */
    @Test
    void aFilterThatKillsExecveLooksLikeAProgramThatDiedOfIt() throws IOException {
        sandbox.pod(false);
        SeccompRequest filter = new SeccompRequest.Localhost(
                "test.json",
                "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"execve\"],"
                        + "\"action\":\"SCMP_ACT_KILL_PROCESS\"}]}");
        Running container = sandbox.container(
                PidMode.CONTAINER, security -> LiveSandbox.filteredBy(security, filter, false), "true");
        assertThat(container.exit()).contains(new ExitRecord(128 + 31, 31));
    }

    // ---- killed while it waits

    @ParameterizedTest
    @EnumSource
    void aProcessThatIsKilledAtTheGateIsAFailedLaunch(ContainerLaunchTest.Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        killAtTheGate(shape, launch -> launch.launched().init());
    }

    @ParameterizedTest
    @EnumSource
    void aMonitorThatIsKilledAtTheGateTakesTheProcessAlong(ContainerLaunchTest.Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        killAtTheGate(shape, launch -> launch.launched().monitor());
    }

    private void killAtTheGate(ContainerLaunchTest.Shape shape, Function<ContainerLaunch, ProcessRef> victim)
            throws IOException {
        ContainerRequest request = sandbox.request(shape.pids, sandbox.securityRequest(), "true");
        Residue before = Residue.now(sandbox.group());
        try (ContainerLaunch launch = ContainerLaunch.prepare(sandbox.host, request, sandbox.pod())) {
            launch.check();
            Kernel.kill(victim.apply(launch).pid(), SIGKILL);
            assertThat(launch.monitor().awaitEnd(LiveSandbox.LIMIT)).isTrue();
            assertThatThrownBy(launch::execute).isInstanceOf(LaunchException.class);
        }
        before.assertNothingMore(sandbox.group(), "a kill at the gate");
    }

    @Test
    void theProgressPageCannotBeTakenFromUnderTheProcess() {
        try (Fd page = PreparedLaunch.progressMemory()) {
            assertThatThrownBy(() -> Kernel.ftruncate(page, 0))
                    .isInstanceOf(KernelException.class)
                    .hasMessageContaining("EPERM");
        }
    }

    // ---- what a hostile process may tell

    /** The program with the operand of each report of a process replaced. */
    private static LaunchProgram telling(LaunchProgram program, int pid) {
        List<Operation> operations = new ArrayList<>(program.operations());
        operations.replaceAll(operation ->
                operation.call() == SystemCall.WRITE && operation.purpose().equals("start the program's process")
                        ? new Operation(
                                operation.call(),
                                List.of(
                                        operation.arguments().getFirst(),
                                        new Operand.AddressOf(Block.words("forged", pid)),
                                        operation.arguments().getLast()),
                                operation.purpose(),
                                operation.tolerated(),
                                operation.next(),
                                operation.onZero(),
                                operation.onError())
                        : operation);
        return new LaunchProgram(program.name(), operations, program.first(), program.labels());
    }

    @ParameterizedTest
    @EnumSource
    void aProcessOfTheHostDoesNotBecomeTheContainersBecauseALaunchSaysSo(ContainerLaunchTest.Shape shape)
            throws IOException {
        sandbox.pod(shape.mapped);
        Running container = sandbox.container(shape.pids, "sleep", "1000");
        Process victim = new ProcessBuilder("sleep", "1000").start();
        try {
            int pid = (int) victim.pid();
            Host forging = sandbox.host.changing(program -> telling(program, pid));
            try (ExecLaunch exec = container.startExec(forging, "sleep", "1000")) {
                assertThat(parentOf(exec.process()))
                        .isEqualTo(exec.monitor().process().pid());
                exec.killTree();
                assertThat(exec.monitor().awaitEnd(LiveSandbox.LIMIT)).isTrue();
            }
            if (shape.pids == PidMode.POD) {
                Running started = sandbox.containerOn(forging, shape.pids, "sleep", "1000");
                assertThat(parentOf(started.launched().init()))
                        .isEqualTo(started.monitor().process().pid());
                started.remove();
            } else {
                assertThatThrownBy(() -> sandbox.containerOn(forging, shape.pids, "sleep", "1000"))
                        .isInstanceOf(LaunchException.class)
                        .hasMessageContaining("is not its monitor's child");
            }
            assertThat(victim.isAlive()).as("the host's process lives").isTrue();
        } finally {
            victim.destroyForcibly();
        }
    }

    private static int parentOf(ProcessRef process) {
        return ProcStatus.parse(ProcFile.read("/proc/" + process.pid() + "/status"))
                .parentPid();
    }

    @Test
    void aLaunchThatTellsWithoutEndIsCutShort() throws IOException {
        sandbox.pod(false);
        Host flooding = sandbox.host.changing(program -> {
            List<Operation> operations = new ArrayList<>(program.operations());
            for (int i = 0; i < operations.size(); i++) {
                Operation operation = operations.get(i);
                if (operation.purpose().equals("execute sleep") || operation.call() == SystemCall.EXECVE) {
                    // in place of execve: tell of a failure, again and again
                    operations.set(
                            i,
                            new Operation(
                                    SystemCall.WRITE,
                                    List.of(
                                            new Operand.Literal(11),
                                            new Operand.AddressOf(Block.words("forged", 1L << 32 | 0x402000)),
                                            new Operand.Literal(8)),
                                    operation.purpose(),
                                    operation.tolerated(),
                                    i,
                                    i,
                                    operation.onError()));
                }
            }
            return new LaunchProgram(program.name(), operations, program.first(), program.labels());
        });
        long begin = System.nanoTime();
        assertThatThrownBy(() -> sandbox.containerOn(flooding, PidMode.CONTAINER, "sleep", "1000"))
                .isInstanceOf(LaunchException.class)
                .hasMessageContaining("tells more than its program has operations");
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(LiveSandbox.LIMIT);
    }
}
