package io.portafilter.container;

import static io.portafilter.container.LiveSandbox.LIMIT;
import static io.portafilter.linux.LinuxConstants.AT_FDCWD;
import static io.portafilter.linux.LinuxConstants.O_NONBLOCK;
import static io.portafilter.linux.LinuxConstants.O_RDWR;
import static io.portafilter.linux.LinuxConstants.POLLIN;
import static io.portafilter.linux.LinuxConstants.SIG_SETMASK;
import static io.portafilter.linux.LinuxConstants.TIOCSCTTY;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.launch.Assembler;
import io.portafilter.launch.Block;
import io.portafilter.launch.ElfImage;
import io.portafilter.launch.Label;
import io.portafilter.launch.LaunchException;
import io.portafilter.launch.LaunchProgram;
import io.portafilter.launch.Operand;
import io.portafilter.launch.Operation;
import io.portafilter.linux.Architecture;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.ProcFile;
import io.portafilter.linux.SystemCall;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Programs with a terminal or with input, in containers of every shape. */
class TerminalLaunchTest {

    private static final StandardStreams TERMINAL = new StandardStreams(true, true, false);
    private static final StandardStreams INPUT = new StandardStreams(false, true, false);
    private static final StandardStreams INPUT_ONCE = new StandardStreams(false, true, true);

    /** What a program can say of its terminal: where it is, whose, that its session has it, what it is open as. */
    private static final String TELL = "tty; stat -c %u:%g:%a \"$(tty)\"; stat -c %t:%T /dev/tty < /dev/tty;"
            + " for n in 0 1 2; do readlink /proc/$$/fd/$n; done; echo on stderr >&2";

    private static final String TOLD =
            lines("/dev/pts/0", "0:5:620", "5:0", "/dev/pts/0", "/dev/pts/0", "/dev/pts/0", "on stderr");

    private static String lines(String... texts) {
        return String.join("\r\n", texts) + "\r\n";
    }

    private LiveSandbox sandbox;

    @BeforeEach
    void begin() throws IOException {
        sandbox = LiveSandbox.open();
    }

    @AfterEach
    void end() {
        sandbox.close();
    }

    private Running start(ContainerLaunchTest.Shape shape, StandardStreams streams, String... arguments)
            throws IOException {
        sandbox.pod(shape.mapped);
        return sandbox.start(
                LiveSandbox.with(sandbox.request(shape.pids, sandbox.securityRequest(), arguments), streams));
    }

    /** All that comes until a text is among it; fails when that does not come. */
    static String until(Fd descriptor, String text) {
        StringBuilder read = new StringBuilder();
        byte[] bytes = new byte[4096];
        long deadline = System.nanoTime() + LIMIT.toNanos();
        while (read.indexOf(text) < 0 && System.nanoTime() < deadline) {
            if (Kernel.poll(descriptor, POLLIN, LIMIT) == 0) {
                break;
            }
            try {
                int count = Kernel.read(descriptor, bytes, 0, bytes.length);
                if (count == 0) {
                    break;
                }
                read.append(new String(bytes, 0, count, StandardCharsets.UTF_8));
            } catch (KernelException e) {
                if (e.is(Errno.EIO)) {
                    break;
                }
                if (!e.is(Errno.EAGAIN)) {
                    throw e;
                }
            }
        }
        assertThat(read.toString()).contains(text);
        return read.toString();
    }

    /** To its end: 0 bytes of a pipe, EIO of a terminal. */
    static String toEnd(Fd descriptor) {
        StringBuilder read = new StringBuilder();
        byte[] bytes = new byte[4096];
        while (Kernel.poll(descriptor, POLLIN, LIMIT) != 0) {
            try {
                int count = Kernel.read(descriptor, bytes, 0, bytes.length);
                if (count == 0) {
                    return read.toString();
                }
                read.append(new String(bytes, 0, count, StandardCharsets.UTF_8));
            } catch (KernelException e) {
                if (e.is(Errno.EIO)) {
                    return read.toString();
                }
                throw e;
            }
        }
        throw new AssertionError("it does not end after: " + read);
    }

    static void type(Fd descriptor, String text) {
        Kernel.writeFully(descriptor, text.getBytes(StandardCharsets.UTF_8));
    }

    // ---- exec

    @ParameterizedTest
    @EnumSource
    void anExecHasATerminalOfItsOwn(ContainerLaunchTest.Shape shape) throws IOException {
        Running container = start(shape, StandardStreams.OUTPUT, "sleep", "1000");
        try (ExecLaunch exec = container.startExec(true, "sh", "-c", TELL + "; echo $TERM; exit 7")) {
            assertThat(exec.stderr()).isEmpty();
            assertThat(toEnd(exec.stdout().orElseThrow())).isEqualTo(TOLD + "xterm\r\n");
            assertThat(exec.monitor().awaitEnd(LIMIT)).isTrue();
            assertThat(exec.exit().orElseThrow().code()).isEqualTo(7);
        }
    }

    @Test
    void whoSitsAtItTypesAndResizesAndInterrupts() throws IOException {
        Running container =
                start(ContainerLaunchTest.Shape.MAPPED_USERS_OWN_PIDS, StandardStreams.OUTPUT, "sleep", "1000");
        try (ExecLaunch exec = container.startExec(true, "sh")) {
            Fd master = exec.stdin().orElseThrow();
            Fd output = exec.stdout().orElseThrow();
            String _ = until(output, "# ");
            exec.resize(132, 43);
            type(master, "stty size\n");
            assertThat(until(output, "43 132\r\n")).contains("stty size\r\n");
            exec.resize(0, 50);
            type(master, "stty size; sh -c 'echo rea''dy; exec sleep 1000'\n");
            assertThat(until(output, "ready\r\n")).contains("43 132\r\n");
            type(master, "\u0003");
            String _ = until(output, "# ");
            exec.endInput();
            type(master, "exit 3\n");
            String _ = toEnd(output);
            assertThat(exec.monitor().awaitEnd(LIMIT)).isTrue();
            assertThat(exec.exit().orElseThrow().code()).isEqualTo(3);
        }
    }

    /** A client that only looks types nothing. */
    @Test
    void aTerminalTakesNoInputFromWhoAskedForNone() throws IOException {
        Running container =
                start(ContainerLaunchTest.Shape.MAPPED_USERS_OWN_PIDS, StandardStreams.OUTPUT, "sleep", "1000");
        ExecRequest looking = new ExecRequest("e", List.of("tty"), ExecRequest.LONGEST_START, true, false);
        try (ExecLaunch exec = ExecLaunch.start(
                sandbox.host, container.plan(), container.request().cgroupPath(), container.launched(), looking)) {
            assertThat(exec.stdin()).isEmpty();
            assertThat(toEnd(exec.stdout().orElseThrow())).isEqualTo("/dev/pts/0\r\n");
            exec.resize(80, 24);
        }
    }

    @Test
    @SuppressWarnings("MustBeClosedChecker") // closed at once
    void aClosedExecIsNotResized() throws IOException {
        Running container =
                start(ContainerLaunchTest.Shape.MAPPED_USERS_OWN_PIDS, StandardStreams.OUTPUT, "sleep", "1000");
        ExecLaunch ended = container.startExec(true, "true");
        ended.close();
        try (ExecLaunch other = container.startExec(true, "sh")) {
            ended.resize(97, 31);
            type(other.stdin().orElseThrow(), "stty size; echo a''sked; exit\n");
            assertThat(toEnd(other.stdout().orElseThrow()))
                    .contains("asked\r\n")
                    .doesNotContain("31 97");
        }
    }

    /** Such as one of a server before there were terminals; the pod's keeps none either. */
    @Test
    void aMonitorWithoutTerminalsIsToldInASentence() throws IOException {
        sandbox.pod(false);
        try (Monitor old = Monitor.reopen(sandbox.pod().monitor()).orElseThrow()) {
            assertThatThrownBy(old::terminals)
                    .isInstanceOf(LaunchException.class)
                    .hasMessageContaining("start it again");
        }
    }

    // ---- against processes of the container

    private static final int TIOCSTI = 0x5412; // asm-generic/ioctls.h

    /**
     * A program that tries without end to have the next terminal for its own before its program has it, and to type at
     * it: in a session of its own, deaf to the hang-up.
     */
    private void putThief() throws IOException {
        assumeTrue(Architecture.current() == Architecture.X86_64, "needs x86-64");
        Assembler thief = new Assembler("thief");
        Label first = new Label("first");
        Label again = new Label("again");
        thief.place(first);
        thief.failTo(again);
        thief.call(
                SystemCall.RT_SIGPROCMASK,
                new Operand.Literal(SIG_SETMASK),
                new Operand.AddressOf(Block.words("~[]", -1)),
                Operand.ZERO,
                new Operand.Literal(8));
        thief.call(SystemCall.SETSID, new Operand[0]);
        thief.place(again);
        for (String terminal : List.of("/dev/pts/0", "/dev/pts/1")) {
            Label next = new Label("next");
            Label typed = new Label("type");
            Label close = new Label("close");
            // without O_NOCTTY: to open it is to ask for it; it gets the first number that is free
            thief.call(
                    SystemCall.OPENAT,
                    new Operand.Literal(AT_FDCWD),
                    new Operand.Text(terminal),
                    new Operand.Literal(O_RDWR | O_NONBLOCK),
                    Operand.ZERO);
            thief.onError(next);
            thief.call(SystemCall.IOCTL, 3, TIOCSCTTY, 0);
            thief.onError(typed);
            thief.place(typed);
            thief.call(
                    SystemCall.IOCTL,
                    new Operand.Literal(3),
                    new Operand.Literal(TIOCSTI),
                    new Operand.AddressOf(Block.words("!", '!')));
            thief.onError(close);
            thief.place(close);
            thief.call(SystemCall.CLOSE, 3);
            thief.onError(next);
            thief.place(next);
        }
        thief.call(SystemCall.GETPID, new Operand[0]);
        thief.continueAt(again);
        thief.onError(again);
        Path file = sandbox.directory.resolve("layer/bin/thief");
        Files.write(file, ElfImage.of(thief.assemble(first)).bytes());
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    @ParameterizedTest
    @EnumSource
    void noProcessOfTheContainerTakesTheTerminalOfAnExec(ContainerLaunchTest.Shape shape) throws IOException {
        putThief();
        Running container = start(shape, StandardStreams.OUTPUT, "sh", "-c", "thief & echo begun; exec sleep 1000");
        assertThat(container.stdout()).isEqualTo("begun\n");
        for (int i = 0; i < 25; i++) {
            try (ExecLaunch exec = container.startExec(
                    true, "sh", "-c", "tty; echo its own > /dev/tty; stty -icanon min 0 time 2; head -c 3; echo end")) {
                // When it has ended its terminal is anybody's; what is typed then reaches no program.
                String seen = until(exec.stdout().orElseThrow(), "end\r\n").replaceFirst("end\r\n!*$", "end\r\n");
                assertThat(seen).as("exec " + i).matches("/dev/pts/[01]\r\nits own\r\nend\r\n");
            }
        }
        assertThat(container.exec("ps", "-o", "args").stdout()).contains("thief");
    }

    /** Who has the host's CAP_SYS_ADMIN opens it all the same: then the exec has its terminal, or is refused. */
    @Test
    void whoMayTakeItAllTheSameKeepsAnExecFromRunningAtMost() throws IOException {
        putThief();
        sandbox.pod(false);
        Running container = sandbox.container(
                PidMode.CONTAINER,
                asked -> LiveSandbox.adding(asked, "SYS_ADMIN"),
                "sh",
                "-c",
                "thief & echo begun; exec sleep 1000");
        assertThat(container.stdout()).isEqualTo("begun\n");
        for (int i = 0; i < 25; i++) {
            try (ExecLaunch exec = container.startExec(true, "sh", "-c", "echo its own > /dev/tty && exit 4")) {
                assertThat(exec.monitor().awaitEnd(LIMIT)).isTrue();
                assertThat(exec.exit().orElseThrow().code()).isEqualTo(4);
            } catch (LaunchException e) {
                assertThat(e).hasMessageContaining("has been taken by a process of the container");
            }
        }
        assertThat(container.exec("echo", "without one").stdout()).isEqualTo("without one\n");
    }

    @Test
    @SuppressWarnings("MustBeClosedChecker") // none is made
    void aContainerThatTakesAllItsTerminalsLeavesOthersTheirs() throws IOException {
        sandbox.pod(false);
        Running greedy = sandbox.container(
                PidMode.CONTAINER,
                "sh",
                "-c",
                "for i in $(seq 80); do { sh -c 'echo opened; exec sleep 1000' < /dev/ptmx || echo refused; } & done;"
                        + " wait");
        Running neighbour = sandbox.container(PidMode.CONTAINER, "sleep", "1000");
        StringBuilder said = new StringBuilder();
        try (Fd output = greedy.monitor().stdout()) {
            while (said.toString().lines().count() < 80) {
                said.append(until(output, "\n"));
            }
        }
        assertThat(said.toString().lines().filter("opened"::equals)).hasSize(64);
        assertThatThrownBy(() -> greedy.startExec(true, "tty"))
                .isInstanceOf(LaunchException.class)
                .hasMessageContaining("no terminal is free");
        try (ExecLaunch exec = neighbour.startExec(true, "tty")) {
            assertThat(toEnd(exec.stdout().orElseThrow())).isEqualTo("/dev/pts/0\r\n");
        }
    }

    @Test
    void anExecReadsWhatItIsGivenUntilThatEnds() throws IOException {
        Running container =
                start(ContainerLaunchTest.Shape.HOST_USERS_OWN_PIDS, StandardStreams.OUTPUT, "sleep", "1000");
        try (ExecLaunch exec = container.startExec(false, "sh", "-c", "cat /dev/stdin; echo end >&2")) {
            type(exec.stdin().orElseThrow(), "some text\n");
            assertThat(until(exec.stdout().orElseThrow(), "\n")).isEqualTo("some text\n");
            exec.endInput();
            exec.endInput();
            assertThat(toEnd(exec.stderr().orElseThrow())).isEqualTo("end\n");
            assertThat(exec.monitor().awaitEnd(LIMIT)).isTrue();
        }
    }

    // ---- the first process

    @ParameterizedTest
    @EnumSource
    void aContainerHasATerminalThatIsItsConsole(ContainerLaunchTest.Shape shape) throws IOException {
        Running container = start(
                shape,
                TERMINAL,
                "sh",
                "-c",
                TELL + "; echo to console > /dev/console; grep -c ' /dev/console devpts' /proc/mounts; read line;"
                        + " echo got $line");
        try (Fd master = container.monitor().input().orElseThrow()) {
            assertThat(until(master, "\n1\r\n")).isEqualTo(TOLD + "to console\r\n1\r\n");
            type(master, "words\n");
            assertThat(toEnd(master)).isEqualTo("words\r\ngot words\r\n");
        }
        assertThat(container.exit().orElseThrow().code()).isZero();
    }

    @Test
    void anExecGetsTheNextTerminal() throws IOException {
        Running container = start(ContainerLaunchTest.Shape.MAPPED_USERS_OWN_PIDS, TERMINAL, "sleep", "1000");
        try (ExecLaunch exec = container.startExec(true, "tty")) {
            assertThat(toEnd(exec.stdout().orElseThrow())).isEqualTo("/dev/pts/1\r\n");
        }
    }

    @ParameterizedTest
    @EnumSource
    void inputStaysOpenWhoeverAttached(ContainerLaunchTest.Shape shape) throws IOException {
        Running container = start(shape, INPUT, "sh", "-c", "while read line; do echo got $line; done; echo end");
        try (Fd output = container.monitor().stdout()) {
            for (String text : new String[] {"one", "two"}) {
                try (Fd input = container.monitor().input().orElseThrow()) {
                    type(input, text + "\n");
                }
                assertThat(until(output, "\n")).isEqualTo("got " + text + "\n");
            }
        }
        assertThat(container.launched().init().isAlive()).isTrue();
    }

    @ParameterizedTest
    @EnumSource
    void inputForOneEndsWithIt(ContainerLaunchTest.Shape shape) throws IOException {
        Running container =
                start(shape, INPUT_ONCE, "sh", "-c", "while read line; do echo got $line; done; echo end; exit 5");
        try (Fd output = container.monitor().stdout()) {
            try (Fd input = container.monitor().input().orElseThrow()) {
                type(input, "one\n");
                String _ = until(output, "got one\n");
                assertThat(container.launched().init().isAlive()).isTrue();
                try (Fd order = container.monitor().inputOrder()) {
                    Kernel.eventfdAdd(order, 1);
                }
            }
            String _ = until(output, "end\n");
        }
        assertThat(container.exit().orElseThrow().code()).isEqualTo(5);
        assertThat(container.monitor().input()).isEmpty();
    }

    /** Whatever keeps the order from its monitor: it waits for the end then, and for nothing else. */
    @Test
    void aMonitorWithoutTheOrderDoesNotSpin() throws IOException {
        sandbox.pod(false);
        Host deaf = sandbox.host.changing(program -> {
            List<Operation> operations = new ArrayList<>(program.operations());
            // One step more, behind the close of the socket that it was sent over.
            for (int i = 0; i < program.operations().size(); i++) {
                Operation socket = program.operations().get(i);
                if (socket.call() == SystemCall.CLOSE && socket.purpose().equals("take the namespaces to keep")) {
                    int more = operations.size();
                    operations.set(i, leadingTo(more, socket, socket.call(), socket.arguments()));
                    List<Operand> order = List.of(new Operand.Literal(ContainerProgram.INPUT_END));
                    operations.add(leadingTo(socket.next(), socket, SystemCall.CLOSE, order));
                }
            }
            return new LaunchProgram(program.name(), operations, program.first(), program.labels());
        });
        Running container = sandbox.start(
                deaf,
                LiveSandbox.with(
                        sandbox.request(PidMode.CONTAINER, sandbox.securityRequest(), "sh", "-c", "sleep 1000"),
                        INPUT_ONCE));
        try (container) {
            long before = ticks(container.monitor());
            assertThat(container.monitor().awaitEnd(Duration.ofSeconds(2))).isFalse();
            assertThat(ticks(container.monitor()) - before)
                    .as("its processor time, of 200 ticks")
                    .isLessThan(10);
            container.kill();
            assertThat(container.exit().orElseThrow().code()).isEqualTo(137);
        }
    }

    private static Operation leadingTo(int next, Operation like, SystemCall call, List<Operand> arguments) {
        return new Operation(call, arguments, like.purpose(), like.tolerated(), next, next, like.onError());
    }

    /** utime and stime of {@code proc_pid_stat(5)}. */
    private static long ticks(Monitor monitor) {
        String stat = ProcFile.read("/proc/" + monitor.process().pid() + "/stat");
        String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
        return Long.parseLong(fields[11]) + Long.parseLong(fields[12]);
    }

    /** Its monitor waits for either then: the end must be seen without any order, whenever it comes. */
    @ParameterizedTest
    @EnumSource
    void theEndOfAProgramThatWaitsForInputIsSeen(ContainerLaunchTest.Shape shape) throws IOException {
        sandbox.pod(shape.mapped);
        for (int i = 0; i < 20; i++) {
            Running container = sandbox.start(LiveSandbox.with(
                    sandbox.request(shape.pids, sandbox.securityRequest(), "sh", "-c", "exit 9"), INPUT_ONCE));
            assertThat(container.exit().orElseThrow().code()).isEqualTo(9);
        }
        Running killed = sandbox.start(
                LiveSandbox.with(sandbox.request(shape.pids, sandbox.securityRequest(), "cat"), INPUT_ONCE));
        killed.kill();
        assertThat(killed.exit().orElseThrow().code()).isEqualTo(137);
    }
}
