package io.portafilter.launch;

import static io.portafilter.linux.LinuxConstants.*;
import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.linux.Architecture;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.Pipe;
import io.portafilter.linux.SystemCall;
import io.portafilter.linux.WaitStatus;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Programs that run; each is judged by how its process ends and by what it writes to descriptor 3. */
class InterpreterTest {

    private static final Duration LIMIT = Duration.ofSeconds(10);

    @TempDir
    private Path directory;

    private final Assembler assembler = new Assembler("test");

    private record Outcome(WaitStatus end, ByteBuffer written) {}

    @BeforeEach
    void hasAnInterpreter() {
        assumeTrue(Architecture.current() == Architecture.X86_64, "needs x86-64");
    }

    private Outcome run(Label first) {
        return run(ElfImage.of(assembler.assemble(first)));
    }

    private Outcome run(ElfImage image) {
        try (Pipe pipe = Kernel.pipe2(O_CLOEXEC)) {
            Fd read = pipe.read();
            Fd write = pipe.write();
            int pid = new Launcher(directory).start(image, "test", List.of(write));
            write.close();
            byte[] bytes = new byte[4096];
            int have = 0;
            while (true) {
                assertThat(Kernel.poll(read, POLLIN, LIMIT))
                        .as("the program ends")
                        .isNotZero();
                int count = Kernel.read(read, bytes, have, bytes.length - have);
                if (count == 0) {
                    return new Outcome(
                            Kernel.waitid(P_PID, pid, WEXITED).orElseThrow(),
                            ByteBuffer.wrap(bytes, 0, have).slice());
                }
                have += count;
            }
        }
    }

    private Label exit(int status) {
        Label label = assembler.call(SystemCall.EXIT_GROUP, status);
        assembler.neverReturns();
        return label;
    }

    private static void assertExited(Outcome outcome, int status) {
        assertThat(outcome.end().exited()).as("exited").isTrue();
        assertThat(outcome.end().status()).isEqualTo(status);
    }

    private static void assertDiedOfNothingness(Outcome outcome) {
        assertThat(outcome.end().killed()).as("killed").isTrue();
        assertThat(outcome.end().status()).as("SIGSEGV").isEqualTo(11);
    }

    @Test
    void exitsWithTheStatusItWasTold() {
        assertExited(run(exit(7)), 7);
    }

    @Test
    void aToleratedErrorIsFollowedByTheNextOperation() {
        Label failed = new Label("failed");
        assembler.failTo(failed);
        Label first = assembler.call(SystemCall.CLOSE, 99);
        assembler.tolerate(Errno.EBADF, "nothing is open there");
        exit(3);
        assembler.place(failed);
        exit(4);
        assertExited(run(first), 3);
    }

    @Test
    void anErrorThatIsNotToleratedLeadsToTheFailurePath() {
        Label failed = new Label("failed");
        assembler.failTo(failed);
        Label first = assembler.call(SystemCall.CLOSE, 99);
        assembler.tolerate(Errno.ENOENT, "another error than the one that comes");
        exit(3);
        assembler.place(failed);
        exit(4);
        assertExited(run(first), 4);
    }

    @Test
    void anErrorWithoutAFailurePathKillsTheProcess() {
        Label first = assembler.call(SystemCall.CLOSE, 99);
        exit(3);
        assertDiedOfNothingness(run(first));
    }

    @Test
    void anEndThatReturnsAllTheSameKillsTheProcess() {
        Label first = assembler.call(SystemCall.GETPID, 0);
        assembler.neverReturns();
        exit(3);
        assertDiedOfNothingness(run(first));
    }

    @Test
    void theFailureNamesTheOperationAndTheError() {
        Label failed = new Label("failed");
        assembler.failTo(failed);
        Label first = assembler.call(SystemCall.GETPID, 0);
        assembler.call(SystemCall.CLOSE, 99);
        exit(3);
        assembler.place(failed);
        assembler.call(SystemCall.WRITE, new Operand.Literal(3), new Operand.LastFailure(), new Operand.Literal(8));
        assembler.call(SystemCall.WRITE, new Operand.Literal(3), new Operand.EndRecord(), new Operand.Literal(8));
        exit(4);
        ElfImage image = ElfImage.of(assembler.assemble(first));
        Outcome outcome = run(image);
        ByteBuffer words = outcome.written().order(ByteOrder.LITTLE_ENDIAN);
        assertThat(image.operationAt(words.getInt())).isEqualTo(1);
        assertThat(words.getInt()).isEqualTo(Errno.EBADF.number());
        assertThat(words.getLong()).as("the end record").isEqualTo(-1);
        assertExited(outcome, 4);
    }

    @Test
    void aChildTakesThePathOfZeroAndItsParentSeesHowItEnded() {
        Label child = new Label("child");
        Label first = assembler.call(SystemCall.CLONE, SIGCHLD, 0, 0, 0, 0);
        assembler.onZero(child);
        Block info = Block.buffer("siginfo", 128);
        assembler.call(
                SystemCall.WAITID,
                new Operand.Literal(P_PID),
                new Operand.ResultOf(first),
                new Operand.AddressOf(info),
                new Operand.Literal(WEXITED),
                Operand.ZERO);
        assembler.call(SystemCall.WRITE, new Operand.Literal(3), new Operand.AddressOf(info), new Operand.Literal(128));
        assembler.call(
                SystemCall.WRITE, new Operand.Literal(3), new Operand.AddressOfResult(first), new Operand.Literal(8));
        exit(0);
        assembler.place(child);
        exit(9);
        Outcome outcome = run(first);
        ByteBuffer siginfo = outcome.written().order(ByteOrder.LITTLE_ENDIAN);
        assertThat(siginfo.getInt(8)).isEqualTo(CLD_EXITED);
        assertThat(siginfo.getInt(24)).as("the child's status").isEqualTo(9);
        assertThat(siginfo.getLong(128)).as("the child's pid").isEqualTo(siginfo.getInt(16));
        assertExited(outcome, 0);
    }

    @Test
    void aResultBecomesTheArgumentThatNamesIt() {
        Label duplicate = assembler.call(SystemCall.DUP3, 3, 60, 0);
        assembler.call(
                SystemCall.WRITE,
                new Operand.ResultOf(duplicate),
                new Operand.Text("through the copy"),
                new Operand.Literal(16));
        exit(0);
        assertThat(US_ASCII.decode(run(duplicate).written()).toString()).isEqualTo("through the copy");
    }

    @Test
    void theResultOfAToleratedErrorIsNoDescriptor() {
        Label failed = new Label("failed");
        assembler.failTo(failed);
        Label missing = assembler.call(SystemCall.DUP3, 99, 60, 0);
        assembler.tolerate(Errno.EBADF, "nothing is open there");
        assembler.call(SystemCall.CLOSE, new Operand.ResultOf(missing));
        assembler.tolerate(Errno.EBADF, "it was not opened");
        exit(3);
        assembler.place(failed);
        exit(4);
        assertExited(run(missing), 3);
    }

    @Test
    void inheritsNothingButWhatItIsGiven() {
        Label other = new Label("nothing more is open");
        Label first = assembler.call(SystemCall.FCNTL, 4, 1, 0);
        assembler.onError(other);
        exit(5);
        assembler.place(other);
        exit(0);
        assertExited(run(first), 0);
    }

    @Test
    void aProgramCannotBeChangedThroughItsExecutable() {
        Label failed = new Label("failed");
        Label refused = new Label("refused");
        assembler.failTo(failed);
        Label first = assembler.call(
                SystemCall.OPENAT,
                new Operand.Literal(AT_FDCWD),
                new Operand.Text("/proc/self/exe"),
                new Operand.Literal(O_RDWR),
                Operand.ZERO);
        assembler.onError(refused);
        exit(5);
        assembler.place(refused);
        exit(0);
        assembler.place(failed);
        exit(4);
        assertExited(run(first), 0);
    }
}
