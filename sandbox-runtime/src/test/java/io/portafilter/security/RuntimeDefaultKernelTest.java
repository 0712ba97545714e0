package io.portafilter.security;

import static io.portafilter.security.BpfEvaluator.AUDIT_ARCH_X86_64;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.launch.Assembler;
import io.portafilter.launch.Block;
import io.portafilter.launch.ElfImage;
import io.portafilter.launch.Label;
import io.portafilter.launch.Launcher;
import io.portafilter.launch.Operand;
import io.portafilter.launch.Operand.AddressOf;
import io.portafilter.launch.Operand.Literal;
import io.portafilter.linux.Architecture;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.Libseccomp;
import io.portafilter.linux.LinuxConstants;
import io.portafilter.linux.Pipe;
import io.portafilter.linux.SystemCall;
import io.portafilter.linux.WaitStatus;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The compiled filter under the kernel itself, in a process of its own that makes one system call. No root needed. */
class RuntimeDefaultKernelTest {

    private static final int AF_VSOCK = 40;
    private static final int SOCK_STREAM = 1;
    private static final long UPPER = 1L << 32;

    private SeccompProgram filter;

    @BeforeEach
    void needsTheLibrary() {
        assumeTrue(Libseccomp.installed().isPresent(), "libseccomp.so.2 is not installed");
        assumeTrue(Architecture.current() == Architecture.X86_64, "the numbers here are those of x86-64");
        filter = SeccompCompiler.runtimeDefault(CapabilitySets.DEFAULT, SecurityFixture.host())
                .program();
    }

    @ParameterizedTest
    @CsvSource({
        "SOCKET, 1, 1, 0",
        "SOCKET, 40, 1, 0",
        "SOCKET, 38, 5, 0",
        "SOCKET, 4294967336, 1, 0",
        "SOCKET, 4294967334, 5, 0",
        "SOCKET, 4294967297, 1, 0",
        "UNSHARE, 67108864, 0, 0",
        "CLONE, 67108881, 0, 0",
        "CLONE3, 0, 0, 0",
        "MOUNT, 0, 0, 0",
        "KEYCTL, 0, 0, 0",
        "BPF, 0, 0, 0",
        "OPEN_TREE, -100, 0, 0",
        "GETPID, 0, 0, 0",
        "PRCTL, 3, 0, 0"
    })
    void answersAsTheEvaluatorSays(SystemCall call, long first, long second, long third) {
        int action = BpfEvaluator.evaluate(
                filter, AUDIT_ARCH_X86_64, call.number(Architecture.X86_64), first, second, third);
        Optional<Errno> kernel = errorOf(Optional.of(filter), call, first, second, third);
        if (SeccompAction.allows(action)) {
            assertThat(kernel).isEqualTo(errorOf(Optional.empty(), call, first, second, third));
        } else {
            assertThat(SeccompAction.text(action))
                    .isEqualTo("ERRNO(" + kernel.orElseThrow().name() + ")");
        }
    }

    /** What is asked before libseccomp's questions: without that the kernel opens what the filter forbids. */
    @Test
    void keepsAForbiddenAddressFamilyShutThatHidesInTheUpperHalf() {
        assumeTrue(
                errorOf(Optional.empty(), SystemCall.SOCKET, AF_VSOCK, SOCK_STREAM, 0)
                        .isEmpty(),
                "needs AF_VSOCK");
        Libseccomp library = Libseccomp.installed().orElseThrow();
        SeccompProgram control = new SeccompProgram(
                library.compile(
                        SeccompAction.SECCOMP_RET_ALLOW,
                        List.of(SeccompModes.own(Architecture.current())),
                        List.of(new Libseccomp.Rule(
                                SeccompAction.SECCOMP_RET_ERRNO | Errno.EPERM.number(),
                                library.number("socket").orElseThrow(),
                                List.of(new Libseccomp.Comparison(
                                        0, Libseccomp.Operator.LESS_OR_EQUAL, AF_VSOCK, 0))))),
                0,
                "without the prologue");

        assertThat(errorOf(Optional.of(control), SystemCall.SOCKET, AF_VSOCK, SOCK_STREAM, 0))
                .contains(Errno.EPERM);
        assertThat(errorOf(Optional.of(control), SystemCall.SOCKET, UPPER | AF_VSOCK, SOCK_STREAM, 0))
                .as("the control lets it through")
                .isEmpty();
        assertThat(errorOf(Optional.of(filter), SystemCall.SOCKET, UPPER | AF_VSOCK, SOCK_STREAM, 0))
                .contains(Errno.EPERM);
    }

    /** Makes the call in a new process under the filter; its error, or nothing when it succeeded. */
    private static Optional<Errno> errorOf(Optional<SeccompProgram> filter, SystemCall call, long... arguments) {
        Assembler program = new Assembler("one call");
        Label failed = new Label("failed");
        Label broken = new Label("broken");
        program.failTo(broken);
        Label first = program.call(SystemCall.PRCTL, LinuxConstants.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        filter.ifPresent(bpf -> {
            Block instructions = Block.of("filter", bpf.bpf());
            byte[] header = new byte[16];
            ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN).putShort(0, (short) bpf.instructions());
            Block filterProgram =
                    Block.withPointers("header", header, new Block.Pointer(8, new AddressOf(instructions)));
            program.call(SystemCall.SECCOMP, new Literal(1), Operand.ZERO, new AddressOf(filterProgram));
        });
        program.call(call, arguments);
        program.onError(failed);
        program.call(SystemCall.EXIT_GROUP, 0);
        program.neverReturns();
        program.place(failed);
        program.call(SystemCall.WRITE, new Literal(3), new Operand.LastFailure(), new Literal(8));
        program.call(SystemCall.EXIT_GROUP, 0);
        program.neverReturns();
        program.place(broken);
        program.call(SystemCall.EXIT_GROUP, 1);
        program.neverReturns();

        ElfImage image = ElfImage.of(program.assemble(first));
        byte[] record = new byte[8];
        try (Pipe pipe = Kernel.pipe2(LinuxConstants.O_CLOEXEC)) {
            int pid = new Launcher(Path.of("/tmp")).start(image, "one call", List.of(pipe.write()));
            pipe.write().close();
            int length = Kernel.read(pipe.read(), record, 0, record.length);
            WaitStatus end = Kernel.waitid(LinuxConstants.P_PID, pid, LinuxConstants.WEXITED)
                    .orElseThrow();
            assertThat(end.exited() && end.status() == 0)
                    .as("the process could load the filter: %s", end)
                    .isTrue();
            return length == 0
                    ? Optional.empty()
                    : Optional.of(Errno.of(ByteBuffer.wrap(record)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .getInt(4)));
        }
    }
}
