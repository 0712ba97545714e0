package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_NONBLOCK;
import static io.portafilter.linux.LinuxConstants.O_PATH;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.RESOLVE_IN_ROOT;
import static io.portafilter.linux.LinuxConstants.RESOLVE_NO_MAGICLINKS;
import static io.portafilter.linux.LinuxConstants.S_IFBLK;
import static io.portafilter.linux.LinuxConstants.S_IFCHR;
import static io.portafilter.linux.LinuxConstants.S_IFDIR;
import static io.portafilter.linux.LinuxConstants.S_IFIFO;
import static io.portafilter.linux.LinuxConstants.S_IFSOCK;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.util.Map;
import java.util.Optional;

/**
 * Paths below a root directory that someone else filled. They are resolved as a process would whose root it is
 * (openat2(2), {@code RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS}): no link and no {@code ..} leads out. Only regular files
 * are ever opened for reading, for opening a FIFO or a device may block or act.
 */
public final class RootPath {
    private static final long RESOLVE = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;

    private RootPath() {}

    /** Whatever the path leads to, opened with {@code O_PATH}; empty when it leads nowhere. The caller closes it. */
    @SuppressWarnings("MustBeClosedChecker") // the caller closes it
    public static Optional<Fd> find(Fd root, String path) {
        try {
            return Optional.of(Kernel.openat2(root, path, O_PATH, RESOLVE));
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) || e.is(Errno.ENOTDIR)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /** A directory, opened with {@code O_PATH}; the caller closes it. */
    @MustBeClosed
    public static Fd openDirectory(Fd root, String path) {
        return Kernel.openat2(root, path, O_PATH | O_DIRECTORY, RESOLVE);
    }

    /**
     * A regular file for reading; empty when the path leads nowhere. Refuses what is no regular file, and one of more
     * than {@code limitBytes}. The caller closes it.
     */
    @SuppressWarnings("MustBeClosedChecker") // the caller closes it
    public static Optional<Fd> openRegular(Fd root, String path, int limitBytes) {
        Optional<Fd> found = find(root, path);
        if (found.isEmpty()) {
            return Optional.empty();
        }
        try (Fd file = found.get()) {
            FileStatus status = Kernel.fstat(file);
            if (!status.isRegularFile()) {
                throw new MountRefusal(
                        "file " + path + " of the container is " + kind(status) + " where a regular file was expected");
            }
            if (status.sizeBytes() > limitBytes) {
                throw tooLarge(path, limitBytes);
            }
            return Optional.of(Kernel.open(file.path(), O_RDONLY | O_NONBLOCK));
        }
    }

    /** The content of such a file. It may grow while it is read: the limit holds all the same. */
    public static Optional<byte[]> readRegular(Fd root, String path, int limitBytes) {
        Optional<Fd> opened = openRegular(root, path, limitBytes);
        if (opened.isEmpty()) {
            return Optional.empty();
        }
        try (Fd file = opened.get()) {
            return Optional.of(Kernel.readAll(file, limitBytes));
        } catch (IllegalStateException e) {
            throw tooLarge(path, limitBytes);
        }
    }

    /**
     * A directory, made with all that is missing on the way to it. What is there keeps its mode and owner. Opened for
     * paths; the caller closes it.
     *
     * @param uid owner of what is made, as the host counts
     * @param gid its group
     */
    @MustBeClosed
    public static Fd ensureDirectory(Fd root, String path, int mode, long uid, long gid) {
        return ensure(root, path, new Walk.Creation(mode, mode, uid, gid), Walk.Kind.DIRECTORY);
    }

    /**
     * A file that is no directory, made empty when it is missing; directories on the way are made with mode 0755. Opened
     * for paths; the caller closes it.
     *
     * @param uid owner of what is made, as the host counts
     * @param gid its group
     */
    @MustBeClosed
    public static Fd ensureFile(Fd root, String path, int mode, long uid, long gid) {
        return ensure(root, path, new Walk.Creation(0755, mode, uid, gid), Walk.Kind.FILE);
    }

    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // a second descriptor, which is the caller's
    private static Fd ensure(Fd root, String path, Walk.Creation creation, Walk.Kind kind) {
        try (Walk walk = new Walk(root, Map.of(), Optional.of(creation), path)) {
            walk.toThe(kind);
            if (walk.isDirectory() != (kind == Walk.Kind.DIRECTORY)) {
                throw new MountRefusal("path " + path + " in the container is "
                        + (walk.isDirectory() ? "a directory where a file" : "a file where a directory")
                        + " was expected");
            }
            return walk.opened().orElseThrow().duplicate();
        }
    }

    private static MountRefusal tooLarge(String path, int limitBytes) {
        return new MountRefusal("file " + path + " of the container is larger than " + limitBytes + " bytes");
    }

    static String kind(FileStatus status) {
        return switch (status.type()) {
            case S_IFDIR -> "a directory";
            case S_IFIFO -> "a FIFO";
            case S_IFSOCK -> "a socket";
            case S_IFCHR, S_IFBLK -> "a device node";
            default -> "no file that we know";
        };
    }
}
