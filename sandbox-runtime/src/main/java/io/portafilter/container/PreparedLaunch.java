package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.*;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.launch.ElfImage;
import io.portafilter.launch.LaunchException;
import io.portafilter.launch.LaunchProgram;
import io.portafilter.launch.LaunchStatus;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.KernelText;
import io.portafilter.linux.Pipe;
import io.portafilter.linux.ProcDirectory;
import io.portafilter.linux.ReceivedMessage;
import io.portafilter.linux.SocketPair;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * A launch under way: its monitor, its status, its gate. Closing it before {@link #finish} cancels it, and nothing of it
 * stays.
 */
final class PreparedLaunch implements AutoCloseable {

    /** How long a launch may take to come to its gate; a hostile container may stop its process for ever. */
    static final Duration TIME_LIMIT = Duration.ofSeconds(20);

    private static final Duration CANCEL_LIMIT = Duration.ofSeconds(2);
    private static final byte[] GO = {1};

    /** Numbers that the program fills itself. */
    private static final Set<Slot.Role> OWN = Set.of(Slot.Role.SCRATCH, Slot.Role.TERMINALS, Slot.Role.TERMINAL);

    private final Monitor monitor;
    private final LaunchStatus status;
    private final Fd gate;
    private final Fd monitorSocket;

    private PreparedLaunch(Monitor monitor, LaunchStatus status, Fd gate, Fd monitorSocket) {
        this.monitor = monitor;
        this.status = status;
        this.gate = gate;
        this.monitorSocket = monitorSocket;
    }

    /**
     * A program that is encoded.
     *
     * @param image of that program and no other
     */
    record Encoded(LaunchProgram program, ElfImage image) {
        static Encoded of(LaunchProgram program) {
            return new Encoded(program, ElfImage.of(program));
        }
    }

    /**
     * Starts a program.
     *
     * @param descriptors all but those for status, progress, gate and the monitor's socket, which are added here
     * @param progress the file of the progress page; taken over
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the result owns them, or the rollback has closed them
    static PreparedLaunch start(
            Host host, Encoded asked, Slots slots, String name, Descriptors descriptors, Fd progress) {
        // The write ends are closed here above all: a pipe's end must be seen when the launch's processes close theirs.
        try (descriptors;
                Rollback undo = new Rollback()) {
            descriptors.give(Slot.Role.PROGRESS, progress);
            Encoded encoded = host.toRun(asked);
            LaunchProgram program = encoded.program();
            ElfImage image = encoded.image();
            Fd ownProgress = progress.duplicate();
            undo.add(ownProgress::close);
            for (Slot slot : slots.order()) {
                if (OWN.contains(slot.role())) {
                    descriptors.lend(slot, host.mountNamespace());
                }
            }
            Pipe status = Kernel.pipe2(O_CLOEXEC);
            undo.add(status.read()::close);
            descriptors.give(Slot.Role.STATUS, status.write());
            Pipe gate = Kernel.pipe2(O_CLOEXEC);
            undo.add(gate.write()::close);
            if (slots.has(Slot.Role.GATE)) {
                descriptors.give(Slot.Role.GATE, gate.read());
            } else {
                gate.read().close();
            }
            SocketPair socket = Kernel.socketpair(SOCK_SEQPACKET);
            undo.add(socket.first()::close);
            if (slots.has(Slot.Role.MONITOR_SOCKET)) {
                descriptors.give(Slot.Role.MONITOR_SOCKET, socket.second());
            } else {
                socket.close();
            }
            Monitor monitor = Monitor.started(host.launcher().start(image, name, descriptors.inOrder(slots)));
            undo.forget();
            return new PreparedLaunch(
                    monitor,
                    new LaunchStatus(program, image, status.read(), ownProgress, TIME_LIMIT),
                    gate.write(),
                    socket.first());
        }
    }

    /** A progress page that nobody can shorten under a process that has it mapped. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    static Fd progressMemory() {
        Fd memory = Kernel.memfdCreate("progress", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        fill(memory, ElfImage.PROGRESS_PAGE_SIZE);
        Kernel.addSeals(memory, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
        return memory;
    }

    /** A progress page that outlives the server, so that it can tell our end from the program's afterwards. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    static Fd progressFile(Path stateDirectory) {
        return fill(newFile(progressPath(stateDirectory)), ElfImage.PROGRESS_PAGE_SIZE);
    }

    /** An exit file; its room is taken beforehand, so that a full disk cannot lose an exit code. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    static Fd exitFile(Path stateDirectory) {
        return fill(newFile(exitPath(stateDirectory)), ExitRecord.SIZE);
    }

    /** The same for a program whose server keeps the exit file itself. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    static Fd exitMemory() {
        return fill(Kernel.memfdCreate("exit", MFD_CLOEXEC), ExitRecord.SIZE);
    }

    private static Fd fill(Fd file, int size) {
        try {
            Kernel.writeFully(file, new byte[size]);
            long _ = Kernel.lseek(file, 0, 0);
            return file;
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    static void saveText(Path path, String text) {
        try (Fd file = newFile(path)) {
            Kernel.writeFully(file, KernelText.bytes(text));
        }
    }

    static Path progressPath(Path stateDirectory) {
        return stateDirectory.resolve("progress");
    }

    static Path exitPath(Path stateDirectory) {
        return stateDirectory.resolve("exit");
    }

    @MustBeClosed
    private static Fd newFile(Path path) {
        return Kernel.openat(Fd.CWD, path.toString(), O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    }

    Monitor monitor() {
        return monitor;
    }

    LaunchStatus status() {
        return status;
    }

    /** Lets a process that waits at a gate go on; if it has ended, waiting for what it does next says so. */
    void openGate() {
        try {
            Kernel.writeFully(gate, GO);
        } catch (KernelException e) {
            if (!e.is(Errno.EPIPE)) {
                throw e;
            }
        }
    }

    /** A process that the launch told of, which must be its monitor's child: any other number is not its to tell. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // closed here or handed to the caller
    ProcDirectory open(int pid) {
        try {
            ProcDirectory process = ProcDirectory.open(pid);
            try {
                if (process.stat().parentPid() == monitor.process().pid()) {
                    return process;
                }
                throw status.causeOf(LaunchException.because(
                        "the launch tells of process " + pid + ", which is not its monitor's child"));
            } catch (RuntimeException e) {
                process.close();
                throw e;
            }
        } catch (KernelException e) {
            throw ended(e);
        }
    }

    /** Says of a process that is not there any more that its launch has ended; any other error stays. */
    RuntimeException ended(KernelException e) {
        return e.is(Errno.ENOENT) || e.is(Errno.ESRCH) || e.is(Errno.EPIPE)
                ? status.causeOf(LaunchException.because("the launch was ended from outside: its processes are gone"))
                : e;
    }

    /** What the prepared process has sent, as it reported that it is ready; the caller closes it. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    ReceivedMessage receive() {
        try {
            return Kernel.receiveDescriptors(monitorSocket, 1, MSG_DONTWAIT);
        } catch (KernelException e) {
            throw e.is(Errno.EAGAIN)
                    ? LaunchException.because("the prepared process has not handed over what it made")
                    : ended(e);
        }
    }

    /** As the other, with nothing more. */
    void keepNamespaces(ProcDirectory process, String pidNamespace) {
        keepNamespaces(process, pidNamespace, List.of());
    }

    /**
     * Gives the monitor the namespaces of a process, to keep.
     *
     * @param more what it shall keep as well, behind them; stays the caller's
     */
    @SuppressWarnings("MustBeClosedChecker") // closed at the end
    void keepNamespaces(ProcDirectory process, String pidNamespace, List<Fd> more) {
        List<Fd> opened = new ArrayList<>();
        try {
            for (String kind : ProgramWriter.KEPT_NAMESPACES) {
                opened.add(process.openNamespace(kind.equals("pid") ? pidNamespace : kind));
            }
            List<Fd> all = new ArrayList<>(opened);
            all.addAll(more);
            Kernel.sendDescriptors(monitorSocket, GO, all, 0);
        } catch (KernelException e) {
            throw ended(e);
        } finally {
            opened.forEach(Fd::close);
        }
    }

    /**
     * The launch is over: the gate, the status and the socket are closed; the monitor stays, and its object open. It has
     * taken the namespaces by then: it closes its end of the socket when it has.
     */
    Monitor finish() {
        awaitKept();
        closePipes();
        return monitor;
    }

    /** Returns when the monitor has what it was sent. */
    void awaitKept() {
        if (monitorSocket.isOpen() && Kernel.poll(monitorSocket, POLLIN, TIME_LIMIT) == 0) {
            throw LaunchException.because("the monitor does not take what it shall keep");
        }
    }

    private void closePipes() {
        gate.close();
        monitorSocket.close();
        status.close();
    }

    /** Cancels: processes at a gate end by themselves, others are killed. */
    @Override
    public void close() {
        closePipes();
        if (!monitor.awaitEnd(CANCEL_LIMIT)) {
            // Its children too: the program of an exec waits at no gate, and may have cleared its death signal.
            ProcessTree.kill(monitor.process());
            boolean _ = monitor.awaitEnd(CANCEL_LIMIT);
        }
        monitor.close();
    }
}
