package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.AT_EMPTY_PATH;
import static io.portafilter.linux.LinuxConstants.AT_SYMLINK_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_CREAT;
import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_EXCL;
import static io.portafilter.linux.LinuxConstants.O_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_NONBLOCK;
import static io.portafilter.linux.LinuxConstants.O_PATH;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.O_WRONLY;
import static io.portafilter.linux.LinuxConstants.S_IFBLK;
import static io.portafilter.linux.LinuxConstants.S_IFCHR;
import static io.portafilter.linux.LinuxConstants.S_IFDIR;
import static io.portafilter.linux.LinuxConstants.S_IFIFO;
import static io.portafilter.linux.LinuxConstants.S_IFLNK;
import static io.portafilter.linux.LinuxConstants.S_IFREG;
import static io.portafilter.linux.LinuxConstants.S_IFSOCK;

import io.portafilter.linux.Device;
import io.portafilter.linux.DirectoryEntry;
import io.portafilter.linux.DirectoryTree;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Copies a directory that strangers filled into an empty one that only we can reach: contents, owners, modes, times,
 * extended attributes, hard links among what is copied. Every step is one name below an open directory, and no link is
 * followed, so nothing outside is read. Only regular files are opened for reading. Device nodes are left out: a
 * container's devices are those of its request.
 */
final class TreeCopy {
    /** Each level holds two descriptors open. */
    private static final int MAX_DEPTH = 256;

    private static final int BLOCK_BYTES = 128 * 1024;
    private static final Device NO_DEVICE = new Device(0, 0);

    private record FileId(Device device, long inode) {}

    private final Fd target;
    private final byte[] block = new byte[BLOCK_BYTES];
    private final byte[] zeros = new byte[BLOCK_BYTES];

    /** Where the first name of a file with several was copied to, below {@link #target}. */
    private final Map<FileId, String> linked = new HashMap<>();

    private TreeCopy(Fd target) {
        this.target = target;
    }

    /**
     * Copies all that lies in {@code source}, and its own owner, mode and attributes.
     *
     * @param source a directory, {@code O_PATH} will do
     * @param target an empty directory of ours, opened for reading
     */
    static void copy(Fd source, Fd target) {
        new TreeCopy(target).directory(source, target, "", 1);
    }

    private void directory(Fd from, Fd to, String path, int depth) {
        if (depth > MAX_DEPTH) {
            throw new MountRefusal("the volume of the image is more than " + MAX_DEPTH + " directories deep");
        }
        for (DirectoryEntry entry : DirectoryTree.list(from)) {
            String below = path.isEmpty() ? entry.name() : path + "/" + entry.name();
            try (Fd source = Kernel.openat(from, entry.name(), O_PATH | O_NOFOLLOW)) {
                copy(source, to, entry.name(), below, depth);
            }
        }
        attributes(from, Kernel.fstat(from), to);
    }

    private void copy(Fd source, Fd to, String name, String path, int depth) {
        FileStatus status = Kernel.fstat(source);
        switch (status.type()) {
            case S_IFDIR -> {
                Kernel.mkdirat(to, name, 0700);
                try (Fd made = Kernel.openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)) {
                    directory(source, made, path, depth + 1);
                }
            }
            case S_IFREG -> {
                if (status.links() == 1 || !isLinkedAgain(status, to, name, path)) {
                    file(source, status, to, name);
                }
            }
            case S_IFLNK -> {
                Kernel.symlinkat(Kernel.readlinkat(source, ""), to, name);
                Kernel.fchownat(to, name, status.uid(), status.gid(), AT_SYMLINK_NOFOLLOW);
                Kernel.utimensat(to, name, status.modified(), status.modified(), AT_SYMLINK_NOFOLLOW);
            }
            case S_IFIFO, S_IFSOCK -> {
                Kernel.mknodat(to, name, status.type() | 0600, NO_DEVICE);
                try (Fd made = Kernel.openat(to, name, O_PATH | O_NOFOLLOW)) {
                    Kernel.fchown(made, status.uid(), status.gid());
                    Kernel.fchmodat(Fd.CWD, made.path(), status.permissions());
                    Kernel.utimensat(made, "", status.modified(), status.modified(), AT_EMPTY_PATH);
                }
            }
            case S_IFCHR, S_IFBLK -> {
                // left out
            }
            default -> throw new MountRefusal("the volume of the image holds \"" + path + "\": no file that we know");
        }
    }

    /** True if an earlier name of the same file was copied, and this one made a link to it. */
    private boolean isLinkedAgain(FileStatus status, Fd to, String name, String path) {
        String first = linked.putIfAbsent(new FileId(status.device(), status.inode()), path);
        if (first == null) {
            return false;
        }
        try {
            Kernel.linkat(target, first, to, name, 0);
            return true;
        } catch (KernelException e) {
            // a copy holds the same
            if (e.is(Errno.EMLINK) || e.is(Errno.ENAMETOOLONG)) {
                return false;
            }
            throw e;
        }
    }

    private void file(Fd source, FileStatus status, Fd to, String name) {
        try (Fd from = Kernel.open(source.path(), O_RDONLY | O_NONBLOCK);
                Fd made = Kernel.openat(to, name, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0600)) {
            content(from, made);
            attributes(source, status, made);
        }
    }

    /** What is zero is left out, so that a file with holes takes no more room than it did. */
    private void content(Fd from, Fd to) {
        long position = 0;
        while (true) {
            int length = Kernel.read(from, block, 0, BLOCK_BYTES);
            if (length == 0) {
                break;
            }
            if (!Arrays.equals(block, 0, length, zeros, 0, length)) {
                int written = 0;
                while (written < length) {
                    written += Kernel.pwrite(to, block, written, length - written, position + written);
                }
            }
            position += length;
        }
        Kernel.ftruncate(to, position);
    }

    /** Owner first: it takes the set-id bits and file capabilities away. */
    private static void attributes(Fd from, FileStatus status, Fd to) {
        Kernel.fchown(to, status.uid(), status.gid());
        Kernel.fchmod(to, status.permissions());
        for (String name : Kernel.listxattr(from)) {
            if (isCarried(name)) {
                Optional<byte[]> value = Kernel.getxattr(from, name);
                value.ifPresent(bytes -> Kernel.setxattr(to, name, bytes, 0));
            }
        }
        Kernel.utimensat(to, "", status.modified(), status.modified(), AT_EMPTY_PATH);
    }

    /** What an image may set: the labels and measurements of the host, and what overlay keeps, are not copied. */
    private static boolean isCarried(String attribute) {
        return (attribute.startsWith("user.") && !attribute.startsWith("user.overlay."))
                || attribute.equals("security.capability")
                || attribute.equals("system.posix_acl_access")
                || attribute.equals("system.posix_acl_default");
    }
}
