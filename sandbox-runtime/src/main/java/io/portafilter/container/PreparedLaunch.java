package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.*;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.launch.ElfImage;
import io.portafilter.launch.LaunchException;
import io.portafilter.launch.LaunchProgram;
import io.portafilter.launch.LaunchStatus;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.Pipe;
import io.portafilter.linux.ProcDirectory;
import io.portafilter.linux.SocketPair;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/**
 * A launch under way: its monitor, its status, its gate. Closing it before {@link #finish} cancels it, and nothing of it
 * stays.
 */
final class PreparedLaunch implements AutoCloseable {

    /** How long a launch may take to come to its gate; a hostile container may stop its process for ever. */
    static final Duration TIME_LIMIT = Duration.ofSeconds(20);

    private static final Duration CANCEL_LIMIT = Duration.ofSeconds(2);
    private static final byte[] GO = {1};

    private final Monitor monitor;
    private final LaunchStatus status;
    private final Fd gate;
    private final Fd namespaces;

    private PreparedLaunch(Monitor monitor, LaunchStatus status, Fd gate, Fd namespaces) {
        this.monitor = monitor;
        this.status = status;
        this.gate = gate;
        this.namespaces = namespaces;
    }

    /**
     * Starts a program.
     *
     * @param descriptors all but those for status, progress, gate and the monitor's socket, which are added here
     * @param progress the file of the progress page; taken over
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the result owns them
    static PreparedLaunch start(
            Host host, LaunchProgram program, Slots slots, String name, Descriptors descriptors, Fd progress) {
        ElfImage image = ElfImage.of(program);
        Fd ownProgress = progress.duplicate();
        descriptors.give(Slot.Role.PROGRESS, progress);
        for (int i = 0; i < slots.count(Slot.Role.SCRATCH); i++) {
            descriptors.lend(Slot.of(Slot.Role.SCRATCH, i), host.mountNamespace());
        }
        Pipe status = Kernel.pipe2(O_CLOEXEC);
        descriptors.give(Slot.Role.STATUS, status.write());
        Pipe gate = Kernel.pipe2(O_CLOEXEC);
        if (slots.has(Slot.Role.GATE)) {
            descriptors.give(Slot.Role.GATE, gate.read());
        } else {
            gate.read().close();
        }
        SocketPair socket = Kernel.socketpair(SOCK_SEQPACKET);
        if (slots.has(Slot.Role.MONITOR_SOCKET)) {
            descriptors.give(Slot.Role.MONITOR_SOCKET, socket.second());
        } else {
            socket.close();
        }
        Monitor monitor = null;
        try {
            int pid = host.launcher().start(image, name, descriptors.inOrder(slots));
            monitor = Monitor.started(pid);
            return new PreparedLaunch(
                    monitor,
                    new LaunchStatus(program, image, status.read(), ownProgress, TIME_LIMIT),
                    gate.write(),
                    socket.first());
        } finally {
            if (monitor == null) {
                status.read().close();
                ownProgress.close();
                gate.write().close();
                socket.first().close();
            }
            // The write ends above all: the pipe's end must be seen when the launch's processes close theirs.
            descriptors.close();
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
        return fill(newFile(stateDirectory.resolve("progress")), ElfImage.PROGRESS_PAGE_SIZE);
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
            Kernel.writeText(file, text);
        }
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

    /** Lets a process that waits at a gate go on. */
    void openGate() {
        Kernel.writeFully(gate, GO);
    }

    /** Gives the monitor the namespaces of a process, to keep. */
    @SuppressWarnings("MustBeClosedChecker") // closed at the end
    void keepNamespaces(ProcDirectory process, String pidNamespace) {
        List<Fd> opened = new ArrayList<>();
        try {
            for (String kind : ProgramWriter.KEPT_NAMESPACES) {
                opened.add(process.openNamespace(kind.equals("pid") ? pidNamespace : kind));
            }
            Kernel.sendDescriptors(namespaces, GO, opened, 0);
        } finally {
            opened.forEach(Fd::close);
        }
    }

    /**
     * The launch is over: the gate, the status and the socket are closed; the monitor stays, and its object open. It has
     * taken the namespaces by then: it closes its end of the socket when it has.
     */
    Monitor finish() {
        if (namespaces.isOpen() && Kernel.poll(namespaces, POLLIN, TIME_LIMIT) == 0) {
            throw LaunchException.because("the monitor does not take the namespaces it shall keep");
        }
        closePipes();
        return monitor;
    }

    private void closePipes() {
        gate.close();
        namespaces.close();
        status.close();
    }

    /** Cancels: processes at a gate end by themselves, others are killed. */
    @Override
    public void close() {
        closePipes();
        if (!monitor.awaitEnd(CANCEL_LIMIT)) {
            monitor.kill();
            boolean _ = monitor.awaitEnd(CANCEL_LIMIT);
        }
        monitor.close();
    }
}
