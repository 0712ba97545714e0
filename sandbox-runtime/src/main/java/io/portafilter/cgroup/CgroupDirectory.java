package io.portafilter.cgroup;

import static io.portafilter.linux.LinuxConstants.DT_DIR;
import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_PATH;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.O_WRONLY;

import com.google.errorprone.annotations.CanIgnoreReturnValue;
import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.DirectoryTree;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;

/**
 * One cgroup in one hierarchy, a directory of control files.
 *
 * <p>Paths are safe here: the kernel makes no links in a cgroup file system, and {@link CgroupPath} has no {@code ..}.
 */
record CgroupDirectory(String path) {
    private static final int MODE = 0755;
    private static final int MAX_FILE_BYTES = 16 << 20;
    private static final int LINKS_OF_A_LEAF = 2;

    CgroupDirectory child(String name) {
        return new CgroupDirectory(path + "/" + name);
    }

    boolean exists() {
        return exists("");
    }

    boolean exists(String file) {
        try {
            Kernel.statx(Fd.CWD, path + "/" + file, 0);
            return true;
        } catch (KernelException e) {
            if (isAbsence(e)) {
                return false;
            }
            throw e;
        }
    }

    /** A parent that was asked for may have the name of a file that every cgroup has, such as tasks: ENOTDIR. */
    static boolean isAbsence(KernelException e) {
        return e.is(Errno.ENOENT) || e.is(Errno.ENOTDIR);
    }

    /** Makes the directory; says whether it did, or it was there before. ENOENT: its parent is missing. */
    boolean create() {
        try {
            Kernel.mkdirat(Fd.CWD, path, MODE);
            return true;
        } catch (KernelException e) {
            if (e.is(Errno.EEXIST)) {
                return false;
            }
            throw e;
        }
    }

    /** The file's text without the blanks around it. */
    String read(String file) {
        try (Fd opened = Kernel.open(path + "/" + file, O_RDONLY | O_NOFOLLOW)) {
            return new String(Kernel.readAll(opened, MAX_FILE_BYTES), StandardCharsets.UTF_8).strip();
        }
    }

    /** As {@link #read}, empty when the file or the cgroup is missing, or went away while it was read. */
    Optional<String> readIfPresent(String file) {
        try {
            return Optional.of(read(file));
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) || e.is(Errno.ENODEV)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /** Writes a value, naming file and value should it fail. */
    void write(String file, String value) {
        writeEach(file, List.of(value));
    }

    /** As {@link #write}; nothing happens when the file or the cgroup is gone. */
    void writeIfPresent(String file, String value) {
        try {
            write(file, value);
        } catch (CgroupRefusal e) {
            if (!(e.getCause() instanceof KernelException cause)
                    || !cause.is(Errno.ENOENT) && !cause.is(Errno.ENODEV)) {
                throw e;
            }
        }
    }

    /** Writes several values, each in a write of its own. */
    void writeEach(String file, List<String> values) {
        String writing = values.isEmpty() ? "" : values.getFirst();
        try (Fd opened = Kernel.open(path + "/" + file, O_WRONLY | O_NOFOLLOW)) {
            for (String value : values) {
                writing = value;
                Kernel.writeText(opened, value);
            }
        } catch (KernelException e) {
            throw new CgroupRefusal(
                    "writing \"" + writing + "\" to " + path + "/" + file + ": " + e.errno() + whatThereIs(file), e);
        }
    }

    /** A cpuset is a part of its parent's ({@code cpuset(7)}); where that ends no error of the kernel says. */
    private String whatThereIs(String file) {
        if (!file.equals("cpuset.cpus") && !file.equals("cpuset.mems")) {
            return "";
        }
        CgroupDirectory parent = new CgroupDirectory(path.substring(0, path.lastIndexOf('/')));
        return parent.readIfPresent(file + ".effective") // v2
                .or(() -> parent.readIfPresent(file))
                .map(those -> "; give some of " + those + ", which is what the cgroup above it has")
                .orElse("");
    }

    /** An open control file for writing; the caller closes it. */
    @MustBeClosed
    Fd openForWriting(String file) {
        return Kernel.open(path + "/" + file, O_WRONLY | O_NOFOLLOW);
    }

    /** The directory itself; the caller closes it. */
    @MustBeClosed
    Fd open() {
        return Kernel.open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    }

    /** The numbers of all processes in it and below it; none when it is gone. */
    Set<Integer> processes() {
        Set<Integer> processes = new TreeSet<>();
        for (CgroupDirectory cgroup : withDescendants()) {
            cgroup.members()
                    .ifPresent(text -> text.lines().map(Integer::valueOf).forEach(processes::add));
        }
        // a process of another PID namespace that we cannot see reads as 0
        processes.remove(0);
        return processes;
    }

    /** A threaded cgroup of version 2 lists threads alone; the processes are in a list above (cgroup-v2, "Threads"). */
    private Optional<String> members() {
        try {
            return readIfPresent("cgroup.procs");
        } catch (KernelException e) {
            if (e.is(Errno.EOPNOTSUPP)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /** It and all cgroups below it, parents first. */
    List<CgroupDirectory> withDescendants() {
        List<CgroupDirectory> found = new ArrayList<>();
        found.add(this);
        for (int i = 0; i < found.size(); i++) {
            found.addAll(found.get(i).children());
        }
        return found;
    }

    private List<CgroupDirectory> children() {
        try {
            if (Kernel.statx(Fd.CWD, path, 0).links() == LINKS_OF_A_LEAF) {
                return List.of();
            }
        } catch (KernelException e) {
            if (isAbsence(e)) {
                return List.of();
            }
            throw e;
        }
        // not by java.nio.file: a container names its cgroups as it likes, also by bytes that are no text
        try (Fd opened = open()) {
            return DirectoryTree.list(opened).stream()
                    .filter(entry -> entry.type() == DT_DIR)
                    .map(entry -> child(entry.name()))
                    .toList();
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT)) {
                return List.of();
            }
            throw e;
        }
    }

    /** Removes it and all cgroups below it. EBUSY while there is a process in one of them. */
    void remove() {
        if (removeIfUnused()) {
            return;
        }
        for (CgroupDirectory cgroup : withDescendants().reversed()) {
            if (!cgroup.removeIfUnused()) {
                Kernel.rmdirat(Fd.CWD, cgroup.path);
            }
        }
    }

    /** Removes it alone; false when a process or another cgroup is in it. */
    @CanIgnoreReturnValue
    boolean removeIfUnused() {
        try {
            Kernel.rmdirat(Fd.CWD, path);
            return true;
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT)) {
                return true;
            }
            if (e.is(Errno.EBUSY)) {
                return false;
            }
            throw e;
        }
    }

    @Override
    public String toString() {
        return path;
    }
}
