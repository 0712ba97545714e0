package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.AT_EMPTY_PATH;
import static io.portafilter.linux.LinuxConstants.AT_RECURSIVE;
import static io.portafilter.linux.LinuxConstants.AT_SYMLINK_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.CLONE_NEWNS;
import static io.portafilter.linux.LinuxConstants.DT_UNKNOWN;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_RDONLY;
import static io.portafilter.linux.LinuxConstants.MOVE_MOUNT_F_EMPTY_PATH;
import static io.portafilter.linux.LinuxConstants.MS_PRIVATE;
import static io.portafilter.linux.LinuxConstants.MS_REC;
import static io.portafilter.linux.LinuxConstants.OPEN_TREE_CLONE;
import static io.portafilter.linux.LinuxConstants.O_CREAT;
import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_EXCL;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.O_WRONLY;

import io.portafilter.linux.DirectoryTree;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.MountAttributes;
import io.portafilter.linux.OwnThread;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.Consumer;

/**
 * Tries the mounts that containers get, with files and mounts that are gone when a method returns. Each throws
 * KernelException or {@link MountRefusal} where the kernel or the file system does not do it.
 */
public final class MountTrial {
    private static final String FILE = "file";

    private MountTrial() {}

    /**
     * An overlay as a container's, with layers in a new directory below {@code directory}: a file of root's in the lower
     * layer must read back, and a new one must be accepted.
     */
    public static void overlay(Path directory) {
        overlay(directory, Optional.empty(), 0);
    }

    /**
     * The same with the lower layer id-mapped: root's file must appear as {@code owner}'s.
     *
     * @param userNamespace stays the caller's
     * @param owner the host id of the namespace's root
     */
    public static void idMappedOverlay(Path directory, Fd userNamespace, long owner) {
        overlay(directory, Optional.of(userNamespace), owner);
    }

    private static void overlay(Path directory, Optional<Fd> userNamespace, long owner) {
        inNewDirectory(directory, ground -> {
            Path lower = ground.resolve("layer");
            try (Fd parent = Kernel.open(ground.toString(), O_RDONLY | O_DIRECTORY)) {
                Kernel.mkdirat(parent, "layer", 0755);
            }
            makeFile(lower, FILE);
            LayerStack layers = LayerStack.create(List.of(lower), ground, owner, owner);
            try (Fd mount = DetachedMount.overlay(layers, userNamespace)) {
                int shown = Kernel.statx(mount, FILE, AT_SYMLINK_NOFOLLOW).uid();
                if (shown != owner) {
                    throw new MountRefusal(
                            "a file of root's in a layer appears as that of " + shown + ", not of " + owner);
                }
                try (Fd _ = Kernel.openat(mount, "new", O_CREAT | O_EXCL | O_WRONLY, 0600)) {
                    // that it can be made is the proof
                }
            }
        });
    }

    /** Whether the file system tells what an entry of a directory is, as overlay wants to know ({@code d_type}). */
    public static boolean tellsEntryTypes(Path directory) {
        boolean[] tells = new boolean[1];
        inNewDirectory(directory, ground -> {
            makeFile(ground, FILE);
            try (Fd opened = Kernel.open(ground.toString(), O_RDONLY | O_DIRECTORY)) {
                tells[0] = DirectoryTree.list(opened).stream().allMatch(entry -> entry.type() != DT_UNKNOWN);
            }
        });
        return tells[0];
    }

    /** A tmpfs that is made detached, attached, and copied as a tree (fsopen(2), fsmount, move_mount, open_tree). */
    public static void descriptors() {
        inOwnMounts(() -> {
            try (Fd mount = DetachedMount.tmpfs(0, "mode=700", "size=4k")) {
                attach(mount, Fd.CWD, "/");
                Kernel.mkdirat(mount, "below", 0700);
                try (Fd copy = Kernel.openTree(mount, "", AT_EMPTY_PATH | OPEN_TREE_CLONE)) {
                    Kernel.statx(copy, "below", AT_SYMLINK_NOFOLLOW);
                }
            }
        });
    }

    /**
     * mount_setattr(2) of a whole tree: a file system mounted inside of the volume must be read-only as well, which is
     * what {@code recursive_read_only} promises (KEP-3857).
     */
    public static void recursiveReadOnly() {
        inOwnMounts(() -> {
            try (Fd top = DetachedMount.tmpfs(0, "mode=700", "size=4k");
                    Fd inner = DetachedMount.tmpfs(0, "mode=700", "size=4k")) {
                attach(top, Fd.CWD, "/");
                Kernel.mkdirat(top, "inner", 0700);
                attach(inner, top, "inner");
                Kernel.mountSetattr(top, "", AT_EMPTY_PATH | AT_RECURSIVE, MountAttributes.set(MOUNT_ATTR_RDONLY));
                if (!refusesWriting(top, "x") || !refusesWriting(top, "inner/x")) {
                    throw new MountRefusal("mount_setattr(2) with AT_RECURSIVE left a mount of the tree writable");
                }
            }
        });
    }

    private static boolean refusesWriting(Fd directory, String name) {
        try {
            Kernel.mkdirat(directory, name, 0700);
            return false;
        } catch (KernelException e) {
            if (e.is(Errno.EROFS)) {
                return true;
            }
            throw e;
        }
    }

    private static void attach(Fd mount, Fd directory, String path) {
        Kernel.moveMount(mount, "", directory, path, MOVE_MOUNT_F_EMPTY_PATH);
    }

    private static void inOwnMounts(Runnable trial) {
        boolean _ = OwnThread.call("mount-trial", () -> {
            Kernel.unshare(CLONE_NEWNS);
            Kernel.mount("none", "/", "", MS_REC | MS_PRIVATE, "");
            trial.run();
            return true;
        });
    }

    private static void makeFile(Path directory, String name) {
        try (Fd parent = Kernel.open(directory.toString(), O_RDONLY | O_DIRECTORY);
                Fd _ = Kernel.openat(parent, name, O_CREAT | O_EXCL | O_WRONLY, 0600)) {
            // empty
        }
    }

    private static void inNewDirectory(Path parent, Consumer<Path> trial) {
        String name = ".portafilter-trial-" + UUID.randomUUID();
        try (Fd directory = Kernel.open(parent.toString(), O_RDONLY | O_DIRECTORY)) {
            Kernel.mkdirat(directory, name, 0700);
            try {
                trial.accept(parent.resolve(name));
            } finally {
                boolean _ = Kernel.removeTree(directory, name);
            }
        }
    }
}
