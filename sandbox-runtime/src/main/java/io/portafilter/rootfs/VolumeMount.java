package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.AT_EMPTY_PATH;
import static io.portafilter.linux.LinuxConstants.AT_RECURSIVE;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_RDONLY;
import static io.portafilter.linux.LinuxConstants.OPEN_TREE_CLONE;
import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_PATH;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.KernelText;
import io.portafilter.linux.MountAttributes;
import io.portafilter.linux.MountInfo;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A file or directory of the host as a detached mount. The path is resolved once, links included; what is mounted is what
 * was opened, whatever becomes of the path afterwards.
 */
public final class VolumeMount implements AutoCloseable {
    private static final int MAX_MOUNTINFO_BYTES = 64 << 20;
    private static final int CREATED_MODE = 0755;

    /** A directory of this name would take the place of a file that the host's own programs expect. */
    private static final Set<String> NEVER_CREATED =
            Set.of("/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/etc/passwd", "/etc/group", "/etc/machine-id");

    private final Fd mount;
    private final boolean directory;
    private final List<Path> created;

    private VolumeMount(Fd mount, boolean directory, List<Path> created) {
        this.mount = mount;
        this.directory = directory;
        this.created = created;
    }

    /**
     * Opens a volume, with all mounts below it unless it is wanted alone. A missing source becomes a directory of mode
     * 0755, as hostPath volumes of no type expect, unless it must be there.
     *
     * @param source absolute path on the host
     * @param userNamespace maps the owners of the volume's files, in the topmost mount alone; for volumes that were
     *     asked for with mappings, for no others. It stays the caller's
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // closed on failure, else owned by the result
    public static VolumeMount open(Path source, VolumeOptions options, Optional<Fd> userNamespace) {
        List<Path> created = new ArrayList<>();
        try (Fd opened = openOrCreate(source, options.mustExist(), created)) {
            FileStatus status = Kernel.fstat(opened);
            checkPropagation(source, status, options.propagation());
            options.label().ifPresent(label -> Relabelling.of(opened, label));
            Fd mount =
                    Kernel.openTree(opened, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | (options.alone() ? 0 : AT_RECURSIVE));
            try {
                setAttributes(source, mount, options, userNamespace);
            } catch (RuntimeException e) {
                mount.close();
                throw e;
            }
            return new VolumeMount(mount, status.isDirectory(), created);
        } catch (RuntimeException e) {
            removeEmpty(created, Optional.of(e));
            throw e;
        }
    }

    /**
     * The files of an image, read-only and without device nodes.
     *
     * @param layersTopFirst its unpacked layers
     * @param subPath a relative path to the directory in it that is mounted; empty for all
     * @param options only the attributes are used: nothing is ever mounted below
     * @param userNamespace maps the owners of all files; it stays the caller's
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // owned by the result
    public static VolumeMount ofImage(
            List<Path> layersTopFirst, String subPath, VolumeOptions options, Optional<Fd> userNamespace) {
        return new VolumeMount(
                ImageMount.open(layersTopFirst, subPath, options, userNamespace), true, new ArrayList<>());
    }

    /** The detached mount, until this object is closed. */
    public Fd mount() {
        return mount;
    }

    /** Whether it is a directory; its mount point must be of the same kind. */
    public boolean isDirectory() {
        return directory;
    }

    /** Removes the directories that opening made for a missing source, if they are empty: for a launch that failed. */
    public void removeCreated() {
        removeEmpty(created, Optional.empty());
    }

    @Override
    public void close() {
        mount.close();
    }

    @MustBeClosed
    private static Fd openOrCreate(Path source, boolean mustExist, List<Path> created) {
        if (!source.isAbsolute()) {
            throw new MountRefusal("volume source \"" + source + "\": an absolute path on the host was expected");
        }
        try {
            return Kernel.open(source.toString(), O_PATH);
        } catch (KernelException e) {
            if (mustExist || !e.is(Errno.ENOENT)) {
                throw new MountRefusal("volume source " + source + " cannot be opened: " + e.errno(), e);
            }
        }
        if (NEVER_CREATED.contains(source.normalize().toString())) {
            throw new MountRefusal("volume source " + source + " does not exist on this host, and a directory in its"
                    + " place would do harm: create the file");
        }
        return create(source, created);
    }

    @MustBeClosed
    private static Fd create(Path source, List<Path> created) {
        for (Path name : source) {
            if (name.toString().equals("..")) {
                throw new MountRefusal("volume source " + source + " does not exist, and is not created because of its"
                        + " component \"..\": name it without, or create it");
            }
        }
        try {
            for (int depth = 1; depth <= source.getNameCount(); depth++) {
                createIfMissing(source.getRoot().resolve(source.subpath(0, depth)), created);
            }
            return Kernel.open(source.toString(), O_PATH | O_DIRECTORY);
        } catch (KernelException e) {
            throw new MountRefusal(
                    "volume source " + source + " does not exist and cannot be created: " + e.getMessage(), e);
        }
    }

    private static void createIfMissing(Path directory, List<Path> created) {
        try {
            Kernel.mkdirat(Fd.CWD, directory.toString(), CREATED_MODE);
        } catch (KernelException e) {
            if (e.is(Errno.EEXIST)) {
                return;
            }
            throw e;
        }
        created.add(directory);
        try (Fd opened = Kernel.open(directory.toString(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW)) {
            Kernel.fchmod(opened, CREATED_MODE); // mkdir(2) obeyed our umask
        }
    }

    private static void removeEmpty(List<Path> created, Optional<RuntimeException> cause) {
        for (Path directory : created.reversed()) {
            try {
                Kernel.rmdirat(Fd.CWD, directory.toString());
            } catch (KernelException e) {
                boolean inUse = e.is(Errno.ENOTEMPTY) || e.is(Errno.EBUSY) || e.is(Errno.ENOENT);
                if (!inUse && cause.isEmpty()) {
                    throw e;
                }
                cause.filter(error -> !inUse).ifPresent(error -> error.addSuppressed(e));
            }
        }
        created.clear();
    }

    private static void checkPropagation(Path source, FileStatus status, Propagation propagation) {
        if (propagation == Propagation.PRIVATE) {
            return;
        }
        MountInfo holder = holderOf(source, status);
        if (!propagation.isPossibleFrom(holder)) {
            throw new MountRefusal("volume source " + source + ": propagation " + propagation + " needs "
                    + propagation.neededKind() + " mount, and the one that holds it, " + holder.mountPoint()
                    + ", is private: run `mount --make-shared " + holder.mountPoint() + "` on the host");
        }
    }

    private static MountInfo holderOf(Path source, FileStatus status) {
        try (Fd file = Kernel.open("/proc/self/mountinfo", O_RDONLY)) {
            byte[] bytes = Kernel.readAll(file, MAX_MOUNTINFO_BYTES);
            return MountInfo.parse(KernelText.decode(bytes, 0, bytes.length)).stream()
                    .filter(mount -> mount.id() == status.mountId())
                    .findFirst()
                    .orElseThrow(
                            () -> new MountRefusal(
                                    "volume source " + source
                                            + ": the mount that holds it is not in /proc/self/mountinfo (Linux 5.8 tells which it is)"));
        }
    }

    /** Attributes are only added: what the source's mount forbids stays forbidden. */
    private static void setAttributes(Path source, Fd mount, VolumeOptions options, Optional<Fd> userNamespace) {
        MountAttributes everywhere = MountAttributes.propagation(
                        options.propagation().flag())
                .and(MountAttributes.set(options.recursiveAttributes()));
        try {
            Kernel.mountSetattr(mount, "", AT_EMPTY_PATH | AT_RECURSIVE, everywhere);
        } catch (KernelException e) {
            if (options.recursiveReadOnly() && e.is(Errno.ENOSYS)) {
                throw new MountRefusal(
                        "RROUnsupported: volume source " + source + ": recursive_read_only needs Linux 5.12", e);
            }
            throw e;
        }
        MountAttributes topmost = MountAttributes.set(options.readOnly() ? MOUNT_ATTR_RDONLY : 0);
        if (userNamespace.isPresent()) {
            topmost = topmost.and(MountAttributes.idMapped(userNamespace.get()));
        } else if (!options.readOnly()) {
            return;
        }
        try {
            Kernel.mountSetattr(mount, "", AT_EMPTY_PATH, topmost);
        } catch (KernelException e) {
            if (userNamespace.isPresent() && e.is(Errno.ENOSYS)) {
                throw new MountRefusal(
                        "volume source " + source + ": mappings of its ids need Linux 5.12; use a newer kernel, or ask"
                                + " for no mappings (a pod without a user namespace needs none)",
                        e);
            }
            if (userNamespace.isPresent() && e.is(Errno.EINVAL)) {
                Optional<String> type = typeOf(source);
                throw new MountRefusal(
                        "volume source " + source + ": its file system ("
                                + type.orElseGet(() -> "type 0x" + Long.toHexString(Kernel.fstatfs(mount)))
                                + ") cannot map ids on this kernel" + IdMappedFileSystems.since(type)
                                + "; use another file system, or ask for no mappings"
                                + " (a pod without a user namespace needs none)",
                        e);
            }
            if (userNamespace.isPresent() && e.is(Errno.EPERM)) {
                throw new MountRefusal(
                        "volume source " + source + ": its ids are mapped already where it is mounted on this host,"
                                + " and the kernel maps them once; use a mount of it without a mapping",
                        e);
            }
            throw e;
        }
    }

    private static Optional<String> typeOf(Path source) {
        try (Fd opened = Kernel.open(source.toString(), O_PATH)) {
            return Optional.of(holderOf(source, Kernel.fstat(opened)).type());
        } catch (KernelException | MountRefusal e) {
            return Optional.empty(); // it went away meanwhile: its number says as much
        }
    }
}
