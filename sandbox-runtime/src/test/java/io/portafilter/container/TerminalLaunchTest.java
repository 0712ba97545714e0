package io.portafilter.container;

import static io.portafilter.container.LiveSandbox.LIMIT;
import static io.portafilter.linux.LinuxConstants.POLLIN;
import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
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
