package io.portafilter.linux;

import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_PATH;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;

import com.google.errorprone.annotations.MustBeClosed;
import java.util.List;

/**
 * {@code /proc/PID} of one process, opened once: what is read through it speaks of that process even if its number is
 * given to another. Once the process was reaped, reading answers ESRCH or ENOENT.
 */
public final class ProcDirectory implements AutoCloseable {

    private final int pid;
    private final Fd directory;

    private ProcDirectory(int pid, Fd directory) {
        this.pid = pid;
        this.directory = directory;
    }

    /** Opens the directory of a process: ENOENT if there is none with this number. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // closed with this object
    public static ProcDirectory open(int pid) {
        return new ProcDirectory(pid, Kernel.open("/proc/" + pid, O_PATH | O_DIRECTORY));
    }

    /** The number that it was opened by. */
    public int pid() {
        return pid;
    }

    /** The directory itself; stays this object's. */
    public Fd descriptor() {
        return directory;
    }

    /** The text of one of its files, such as {@code limits}. */
    public String read(String name) {
        return ProcFile.read(directory, name);
    }

    public ProcStatus status() {
        return ProcStatus.parse(read("status"));
    }

    public ProcStat stat() {
        return ProcStat.parse(read("stat"));
    }

    /** The mounts that the process sees; ESRCH once it is ending and has left them, for which the kernel has EINVAL. */
    public List<MountInfo> mounts() {
        try {
            return MountInfo.parse(read("mountinfo"));
        } catch (KernelException e) {
            throw e.is(Errno.EINVAL) ? new KernelException("openat", pid + "/mountinfo", Errno.ESRCH) : e;
        }
    }

    /** Where a link of it points, such as {@code exe}, {@code cwd} or {@code ns/net}. */
    public String link(String name) {
        return Kernel.readlinkat(directory, name);
    }

    /** One of the process's namespaces by its file's name: {@code net}, {@code pid_for_children} ... */
    @MustBeClosed
    public Fd openNamespace(String name) {
        return Kernel.openat(directory, "ns/" + name, O_RDONLY);
    }

    /** What tells a namespace from all others that exist now: its inode on nsfs. */
    public long namespaceInode(String name) {
        return Kernel.inode(directory, "ns/" + name, 0);
    }

    @Override
    public void close() {
        directory.close();
    }
}
