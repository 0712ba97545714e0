package io.portafilter.container;

import static io.portafilter.container.LiveSandbox.LIMIT;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.cgroup.Cgroup;
import io.portafilter.launch.LaunchException;
import io.portafilter.launch.LaunchProgram;
import io.portafilter.launch.Operand;
import io.portafilter.launch.Operation;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.ProcFile;
import io.portafilter.linux.ProcStatus;
import io.portafilter.linux.SystemCall;
import io.portafilter.security.SecurityRequest;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Launches that are held at one of their operations, so that what a process of the container could take from them there
 * can be read at leisure: what it finds only by luck otherwise is found each time.
 */
class HeldLaunchTest {

    private static final Path SUID_DUMPABLE = Path.of("/proc/sys/fs/suid_dumpable");
    private static final int STATUS_IN_EXEC = 4;

    private LiveSandbox sandbox;

    @BeforeEach
    void begin() throws IOException {
        sandbox = LiveSandbox.open();
    }

    @AfterEach
    void end() {
        sandbox.close();
    }

    // ---- holding

    /** The program that waits for ever where {@code step} would be. */
    private static LaunchProgram holding(LaunchProgram program, Predicate<Operation> step) {
        List<Operation> operations = new ArrayList<>(program.operations());
        assertThat(operations).anyMatch(step);
        for (int i = 0; i < operations.size(); i++) {
            Operation operation = operations.get(i);
            if (step.test(operation)) {
                operations.set(
                        i,
                        new Operation(
                                SystemCall.PPOLL,
                                List.of(Operand.ZERO, Operand.ZERO, Operand.ZERO, Operand.ZERO, Operand.ZERO),
                                operation.purpose(),
                                Optional.empty(),
                                i,
                                i,
                                i));
            }
        }
        return new LaunchProgram(program.name(), operations, program.first(), program.labels());
    }

    private static boolean isExecve(Operation operation) {
        return operation.call() == SystemCall.EXECVE;
    }

    private static boolean entersWorkingDirectory(Operation operation) {
        return operation.purpose().startsWith("enter the working directory")
                && (operation.call() == SystemCall.OPENAT2 || operation.call() == SystemCall.CHDIR);
    }

    /** What is read of a process that is held. */
    private interface Look {
        void at(int pid) throws IOException;
    }

    private void whileHeld(String cgroup, Runnable launch, Look look) throws IOException {
        AtomicReference<String> ended = new AtomicReference<>("");
        Thread launching = Thread.ofPlatform().start(() -> {
            try {
                launch.run();
            } catch (LaunchException | KernelException e) {
                ended.set(e.toString());
            }
        });
        try {
            look.at(held(cgroup, ended));
        } finally {
            killAllOf(cgroup, launching);
        }
    }

    private int held(String cgroup, AtomicReference<String> ended) {
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (System.nanoTime() < deadline && ended.get().isEmpty()) {
            Optional<Integer> found = processes(cgroup).stream()
                    .filter(pid -> !isStatus(pid, "sleep") && waits(pid))
                    .findFirst();
            if (found.isPresent()) {
                return found.get();
            }
            Thread.onSpinWait();
        }
        throw new AssertionError("no process is held: " + ended.get());
    }

    private List<Integer> processes(String cgroup) {
        Cgroup group = Cgroup.at(sandbox.host.cgroups(), cgroup);
        return group.exists() ? group.processes() : List.of();
    }

    private static boolean waits(int pid) {
        return readIfThere(pid, "syscall").startsWith("271 ");
    }

    private static boolean isStatus(int pid, String name) {
        return readIfThere(pid, "comm").strip().equals(name);
    }

    private static String readIfThere(int pid, String file) {
        try {
            return ProcFile.read("/proc/" + pid + "/" + file);
        } catch (KernelException gone) {
            return "";
        }
    }

    private void killAllOf(String cgroup, Thread launching) {
        long deadline = System.nanoTime() + LIMIT.multipliedBy(3).toNanos();
        while (launching.isAlive() && System.nanoTime() < deadline) {
            processes(cgroup).stream()
                    .filter(HeldLaunchTest::waits)
                    .forEach(pid -> ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly));
            Thread.onSpinWait();
        }
        assertThat(launching.isAlive()).as("the launch ends").isFalse();
    }

    /** Holds a container's start, then an exec in another container of the same kind. */
    private void whileHeld(
            ContainerLaunchTest.Shape shape,
            Predicate<Operation> step,
            SecurityRequest security,
            Look atStart,
            Look atExec)
            throws IOException {
        Host holding = sandbox.host.changing(program -> holding(program, step));
        ContainerRequest request = sandbox.request(shape.pids, security, "sleep", "1000");
        whileHeld(request.cgroupPath(), () -> startOn(holding, request), atStart);
        Running container = sandbox.start(sandbox.request(shape.pids, security, "sleep", "1000"));
        whileHeld(container.request().cgroupPath(), () -> execOn(holding, container), atExec);
    }

    private void startOn(Host host, ContainerRequest request) {
        try (ContainerLaunch launch = ContainerLaunch.prepare(host, request, sandbox.pod())) {
            launch.check();
            var _ = launch.execute();
        }
    }

    private static void execOn(Host host, Running container) {
        try (ExecLaunch exec = container.startExec(host, "sleep", "1000")) {
            exec.killTree();
        }
    }

    private static Set<Integer> descriptors(int pid) throws IOException {
        try (Stream<Path> entries = Files.list(Path.of("/proc/" + pid + "/fd"))) {
            return entries.map(entry -> Integer.valueOf(entry.getFileName().toString()))
                    .collect(Collectors.toCollection(TreeSet::new));
        }
    }

    private static Set<String> targets(int pid) throws IOException {
        Set<String> targets = new TreeSet<>();
        for (int number : descriptors(pid)) {
            targets.add(Files.readSymbolicLink(Path.of("/proc/" + pid + "/fd/" + number))
                    .toString()
                    .replaceFirst("\\[.*", ""));
        }
        return targets;
    }

    // ---- what is there to be taken

    /** Close-on-exec would be too late: before it closes anything, the new memory belongs to the container. */
    @ParameterizedTest
    @EnumSource
    void beforeExecveNothingIsOpenButTheStreamsAndTheStatus(ContainerLaunchTest.Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        Look look = pid -> {
            assertThat(descriptors(pid)).hasSize(4).contains(0, 1, 2);
            assertThat(targets(pid)).containsExactlyInAnyOrder("/dev/null", "pipe:");
        };
        whileHeld(shape, HeldLaunchTest::isExecve, sandbox.securityRequest(), look, look);
    }

    /** The master above all: who had it would read and type for the program. */
    @ParameterizedTest
    @EnumSource
    void beforeExecveNothingIsOpenButTheTerminalAndTheStatus(ContainerLaunchTest.Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        Host holding = sandbox.host.changing(program -> holding(program, HeldLaunchTest::isExecve));
        Look look = pid -> {
            assertThat(descriptors(pid)).hasSize(4).contains(0, 1, 2);
            assertThat(targets(pid)).containsExactlyInAnyOrder("/dev/pts/0", "pipe:");
        };
        ContainerRequest request = LiveSandbox.with(
                sandbox.request(shape.pids, sandbox.securityRequest(), "sleep", "1000"), LiveSandbox.TERMINAL);
        whileHeld(request.cgroupPath(), () -> startOn(holding, request), look);
        Running container = sandbox.container(shape.pids, "sleep", "1000");
        whileHeld(
                container.request().cgroupPath(),
                () -> {
                    try (ExecLaunch exec = container.startExec(holding, true, "sleep", "1000")) {
                        exec.killTree();
                    }
                },
                look);
    }

    /** Where the process could reach itself through the container's /proc, nothing else is open any more. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void noDirectoryIsOpenWhenTheWorkingDirectoryIsEntered(boolean mapped) throws IOException {
        sandbox.pod(mapped);
        ContainerLaunchTest.Shape shape = mapped
                ? ContainerLaunchTest.Shape.MAPPED_USERS_OWN_PIDS
                : ContainerLaunchTest.Shape.HOST_USERS_OWN_PIDS;
        whileHeld(
                shape,
                HeldLaunchTest::entersWorkingDirectory,
                sandbox.securityRequest(),
                pid -> assertThat(targets(pid)).containsExactlyInAnyOrder("/dev/null", "pipe:"),
                pid -> assertThat(descriptors(pid)).allMatch(number -> number <= STATUS_IN_EXEC + 1));
    }

    @ParameterizedTest
    @EnumSource
    void beforeExecveAProcessThatOthersSeeHasTheProgramsRightsAndFilter(ContainerLaunchTest.Shape shape)
            throws IOException {
        sandbox.pod(shape.mapped);
        Path marker = Files.createFile(sandbox.directory.resolve("only-on-the-host"));
        Look look = pid -> {
            ProcStatus status = ProcStatus.parse(ProcFile.read("/proc/" + pid + "/status"));
            CapabilitySet most = status.bounding();
            assertThat(most.containsAll(status.permitted())).as("permitted").isTrue();
            assertThat(most.containsAll(ContainerProgram.SYS_ADMIN))
                    .as("bounding")
                    .isFalse();
            assertThat(status.seccompMode()).isEqualTo(2);
            assertThat(Path.of("/proc/" + pid + "/root" + marker)).doesNotExist();
            assertThat(Files.readSymbolicLink(Path.of("/proc/" + pid + "/cwd"))).isEqualTo(Path.of("/"));
        };
        // Process 1 of a PID namespace of its own is seen by nobody: it takes its filter, and loses what that took,
        // last.
        Look start = shape.pids == PidMode.CONTAINER ? _ -> {} : look;
        whileHeld(shape, HeldLaunchTest::isExecve, sandbox.securityRequest(), start, look);
    }

    /** {@code setresuid(2)} makes a process dumpable again where the sysctl is not 0. */
    @ParameterizedTest
    @EnumSource
    void beforeExecveAProcessIsUnreadableWhateverTheSysctlSays(ContainerLaunchTest.Shape shape) throws IOException {
        assumeTrue(Files.isWritable(SUID_DUMPABLE), "fs.suid_dumpable cannot be set");
        sandbox.pod(shape.mapped);
        String before = sysctl();
        Files.writeString(SUID_DUMPABLE, "1");
        try {
            Look look = pid -> {
                Path file = Path.of("/proc/" + pid + "/environ");
                assertThat(Files.getAttribute(file, "unix:uid"))
                        .as("owner of " + file)
                        .isEqualTo(0);
            };
            SecurityRequest security = LiveSandbox.noNewPrivileges(sandbox.securityRequest(), 1000);
            whileHeld(shape, HeldLaunchTest::isExecve, security, look, look);
        } finally {
            Files.writeString(SUID_DUMPABLE, before);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void thePauseProcessIsUnreadableWhateverTheSysctlSays(boolean mapped) throws IOException {
        assumeTrue(Files.isWritable(SUID_DUMPABLE), "fs.suid_dumpable cannot be set");
        String before = sysctl();
        Files.writeString(SUID_DUMPABLE, "1");
        try {
            sandbox.pod(mapped);
            Path file = Path.of("/proc/" + sandbox.pod().pause().pid() + "/environ");
            assertThat(Files.getAttribute(file, "unix:uid"))
                    .as("owner of " + file)
                    .isEqualTo(0);
        } finally {
            Files.writeString(SUID_DUMPABLE, before);
        }
    }

    /** A file of /proc/sys tells its size only to who reads it. */
    private static String sysctl() throws IOException {
        try (InputStream in = new FileInputStream(SUID_DUMPABLE.toFile())) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8).strip();
        }
    }
}
