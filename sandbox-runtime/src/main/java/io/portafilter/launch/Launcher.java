package io.portafilter.launch;

import static io.portafilter.linux.LinuxConstants.*;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.nio.file.Path;
import java.util.List;

/** Starts launch programs. */
public final class Launcher {

    private static final int SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    private static final int NAME_LIMIT = 64;

    private final Path directory;

    /**
     * A launcher.
     *
     * @param directory of the server's own, on a file system that lets files be executed: used where the kernel
     *     forbids to execute memory ({@code vm.memfd_noexec} 2)
     */
    public Launcher(Path directory) {
        this.directory = directory;
    }

    /**
     * Starts a program in a new process.
     *
     * @param name what {@code ps} shows as its arguments
     * @param descriptors what the process gets as 3, 4, 5 and so on; they stay the caller's
     * @return the pid of the new process, a child of this one
     */
    public int start(ElfImage image, String name, List<Fd> descriptors) {
        String shown = name.length() <= NAME_LIMIT ? name : name.substring(0, NAME_LIMIT);
        try (Fd file = executable(image.content())) {
            return Kernel.posixSpawn(
                    "/proc/" + Kernel.getpid() + "/fd/" + file.number(),
                    List.of(shown),
                    List.of(),
                    descriptors.stream().map(Fd::number).toList());
        }
    }

    @MustBeClosed
    private Fd executable(byte[] content) {
        try {
            return sealed(content);
        } catch (KernelException e) {
            if (!e.is(Errno.EACCES)) {
                throw e;
            }
            return unnamed(content);
        }
    }

    /** Whether this host executes memory files; where it does not, programs are started from files without a name. */
    public static boolean executesMemory() {
        try (Fd _ = sealed(new byte[1])) {
            return true;
        } catch (KernelException e) {
            if (e.is(Errno.EACCES)) {
                return false;
            }
            throw e;
        }
    }

    /** Nothing can change it any more, not even the process that runs it through /proc/self/exe. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // closed here or handed to the caller
    private static Fd sealed(byte[] content) {
        Fd memory = Kernel.memfdCreate("pf", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
        try {
            Kernel.writeFully(memory, content);
            Kernel.addSeals(memory, SEALS);
            return memory;
        } catch (RuntimeException e) {
            memory.close();
            throw e;
        }
    }

    /** A file without a name, open for reading only; a file that is open for writing cannot be executed. */
    @MustBeClosed
    private Fd unnamed(byte[] content) {
        try (Fd writable = Kernel.openat(Fd.CWD, directory.toString(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0700)) {
            Kernel.writeFully(writable, content);
            return Kernel.open(writable.path(), O_RDONLY | O_CLOEXEC);
        }
    }
}
