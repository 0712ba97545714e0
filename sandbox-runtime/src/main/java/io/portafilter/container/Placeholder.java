package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.O_CLOEXEC;
import static io.portafilter.linux.LinuxConstants.P_PID;
import static io.portafilter.linux.LinuxConstants.WEXITED;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.launch.Assembler;
import io.portafilter.launch.Block;
import io.portafilter.launch.ElfImage;
import io.portafilter.launch.Label;
import io.portafilter.launch.Launcher;
import io.portafilter.launch.Operand;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.Pipe;
import io.portafilter.linux.SystemCall;
import java.util.List;

/**
 * A process that only waits: systemd starts no scope without one, and the container's own is born when the scope's
 * cgroup is there. It ends when it is closed, or with the server.
 */
final class Placeholder implements AutoCloseable {
    private static final ElfImage IMAGE = image();

    private final int pid;
    private final Fd alive;
    private boolean ended;

    private Placeholder(int pid, Fd alive) {
        this.pid = pid;
        this.alive = alive;
    }

    private static ElfImage image() {
        Assembler assembler = new Assembler("placeholder");
        assembler.step("wait for the container's process");
        Label end = new Label("end");
        Label first = assembler.call(
                SystemCall.READ,
                new Operand.Literal(Slots.FIRST),
                new Operand.AddressOf(Block.buffer("one byte", Long.BYTES)),
                new Operand.Literal(1));
        assembler.onError(end);
        assembler.place(end);
        Label _ = assembler.call(SystemCall.EXIT_GROUP, new Operand.Literal(0));
        assembler.neverReturns();
        return ElfImage.of(assembler.assemble(first));
    }

    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the result owns it
    static Placeholder start(Launcher launcher) {
        Pipe pipe = Kernel.pipe2(O_CLOEXEC);
        try (Fd read = pipe.read()) {
            return new Placeholder(launcher.start(IMAGE, "portafilter-placeholder", List.of(read)), pipe.write());
        } catch (RuntimeException e) {
            pipe.write().close();
            throw e;
        }
    }

    int pid() {
        return pid;
    }

    @Override
    public void close() {
        if (!ended) {
            ended = true;
            alive.close();
            var _ = Kernel.waitid(P_PID, pid, WEXITED);
        }
    }
}
