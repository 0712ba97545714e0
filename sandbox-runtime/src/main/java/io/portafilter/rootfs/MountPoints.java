package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.AT_SYMLINK_NOFOLLOW;

import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * The places in a container's root where something will be mounted. They are found and made before anything is attached:
 * below the root file system, or below what an earlier call said will be mounted on the way, so a target comes after
 * those above it ({@link #ORDER}).
 *
 * <p>Each answer is a path without links. Whoever attaches opens it with {@code RESOLVE_IN_ROOT} and, since no link is
 * left, may add {@code RESOLVE_NO_SYMLINKS}.
 */
public final class MountPoints implements AutoCloseable {
    /** Targets above others first, by path components; equal ones stay as they were. */
    public static final Comparator<String> ORDER =
            Comparator.comparing(MountPoints::names, (a, b) -> Arrays.compare(a, b));

    private static final List<String> REAL_DIRECTORIES = List.of("proc", "sys", "dev");

    /** What lxcfs offers in place of files that show the host's numbers (CVE-2019-16884). */
    private static final Set<String> ALLOWED_BELOW_PROC = Set.of(
            "/proc/cpuinfo",
            "/proc/diskstats",
            "/proc/meminfo",
            "/proc/stat",
            "/proc/swaps",
            "/proc/uptime",
            "/proc/loadavg",
            "/proc/slabinfo",
            "/proc/net/dev",
            "/proc/sys/kernel/ns_last_pid");

    private static final int DIRECTORY_MODE = 0755;
    private static final int FILE_MODE = 0644;

    private final Fd root;
    private final Walk.Creation creation;
    private final Map<String, Walk.Tree> mounts = new HashMap<>();
    private final List<Walk.Made> made = new ArrayList<>();

    /**
     * Begins with the root file system alone. Its {@code /proc}, {@code /sys} and {@code /dev} are made when they are
     * missing, and refused when they are anything but directories (CVE-2019-19921, CVE-2023-27561, CVE-2026-41579).
     *
     * @param root writable still; stays the caller's, as all descriptors given here, and open until this is closed
     * @param rootUid the host's id of the container's root, who owns what is made
     * @param rootGid likewise its group
     */
    public MountPoints(Fd root, long rootUid, long rootGid) {
        this.root = root;
        this.creation = new Walk.Creation(DIRECTORY_MODE, FILE_MODE, rootUid, rootGid);
        for (String name : REAL_DIRECTORIES) {
            requireRealDirectory(name);
        }
        mounts.put("/proc", new Walk.Tree(Optional.empty()));
    }

    /**
     * Where a path leads to in a root file system on which nothing is mounted, as a path without links; nothing is made.
     * What is not there is taken by its name.
     */
    public static String resolve(Fd root, String path) {
        try (Walk walk = new Walk(root, Map.of(), Optional.empty(), path)) {
            walk.toThe(Walk.Kind.DIRECTORY);
            return walk.path();
        }
    }

    private void requireRealDirectory(String name) {
        try {
            FileStatus status = Kernel.statx(root, name, AT_SYMLINK_NOFOLLOW);
            if (!status.isDirectory()) {
                throw new MountRefusal("/" + name + " of the image is "
                        + (status.isSymbolicLink() ? "a symbolic link" : RootPath.kind(status))
                        + "; it must be a directory, for other places would be mounted over or written to instead");
            }
        } catch (KernelException e) {
            if (!e.is(Errno.ENOENT)) {
                throw e;
            }
            makeDirectory("/" + name);
        }
    }

    private void makeDirectory(String path) {
        try (Fd _ = RootPath.ensureDirectory(root, path, DIRECTORY_MODE, creation.uid(), creation.gid())) {
            // it is there now
        }
    }

    /**
     * A file system that the container mounts itself, such as sysfs: nothing is made below it. {@code /proc} is one from
     * the beginning.
     */
    public String addOwn(String target) {
        String path = walk(target, Walk.Kind.DIRECTORY);
        mounts.put(path, new Walk.Tree(Optional.empty()));
        return path;
    }

    /** A file that is mounted on one, such as the terminal on {@code /dev/console}. */
    public String addOwnFile(String target) {
        return walk(target, Walk.Kind.FILE);
    }

    /** A directory tree of ours, such as {@code /dev} and what lies in it. */
    public String addTree(String target, Fd tree) {
        return add(target, tree, Walk.Kind.DIRECTORY);
    }

    /** A volume that was asked for. Refuses one on {@code /} or {@code /proc}, and below {@code /proc} all but lxcfs's. */
    public String addVolume(String target, VolumeMount volume) {
        return add(target, volume.mount(), volume.isDirectory() ? Walk.Kind.DIRECTORY : Walk.Kind.FILE);
    }

    /** A directory that a process will begin in, made where it is missing and ours to make. */
    public void ensureDirectory(String path) {
        try (Walk walk = new Walk(root, mounts, Optional.of(creation), path)) {
            try {
                walk.toThe(Walk.Kind.DIRECTORY);
            } finally {
                made.addAll(walk.handOverMade());
            }
            if (walk.opened().isPresent() && !walk.isDirectory()) {
                throw new MountRefusal("working directory " + path + " is a file, not a directory: name a directory");
            }
        }
    }

    private String add(String target, Fd tree, Walk.Kind kind) {
        String path = walk(target, kind);
        mounts.put(path, new Walk.Tree(Optional.of(tree)));
        return path;
    }

    private String walk(String target, Walk.Kind kind) {
        try (Walk walk = new Walk(root, mounts, Optional.of(creation), target)) {
            try {
                walk.toThe(kind);
            } finally {
                made.addAll(walk.handOverMade());
            }
            refuseForbidden(target, walk.path());
            boolean isDirectory = walk.opened().isPresent() ? walk.isDirectory() : kind == Walk.Kind.DIRECTORY;
            if (isDirectory != (kind == Walk.Kind.DIRECTORY)) {
                throw new MountRefusal("mount target " + target + " is "
                        + (isDirectory ? "a directory, the source is not" : "no directory, the source is one")
                        + ": mount onto a path of the same kind, or onto a new one");
            }
            return walk.path();
        }
    }

    private static void refuseForbidden(String target, String path) {
        String shown = path.equals(target) ? path : target + " (which leads to " + path + ")";
        if (path.equals("/")) {
            throw new MountRefusal("mount target " + shown + ": the root itself cannot be mounted over");
        }
        if (path.equals("/proc") || (path.startsWith("/proc/") && !ALLOWED_BELOW_PROC.contains(path))) {
            throw new MountRefusal("mount target " + shown + ": nothing may hide the container's /proc but "
                    + String.join(", ", ALLOWED_BELOW_PROC.stream().sorted().toList()));
        }
    }

    /**
     * Removes what was made in volumes, where it would outlive the container: for a launch that failed. What is not empty
     * or gone stays. The root file system is the caller's to remove.
     */
    public void removeMade() {
        made.reversed().forEach(MountPoints::remove);
    }

    private static void remove(Walk.Made one) {
        try {
            if (one.isDirectory()) {
                Kernel.rmdirat(one.parent(), one.name());
            } else if (Kernel.statx(one.parent(), one.name(), AT_SYMLINK_NOFOLLOW)
                            .sizeBytes()
                    == 0) {
                Kernel.unlinkat(one.parent(), one.name(), 0);
            }
        } catch (KernelException e) {
            boolean inUse = e.is(Errno.ENOTEMPTY)
                    || e.is(Errno.EBUSY)
                    || e.is(Errno.ENOENT)
                    || e.is(Errno.ENOTDIR)
                    || e.is(Errno.EISDIR);
            if (!inUse) {
                throw e;
            }
        }
    }

    @Override
    public void close() {
        made.forEach(one -> one.parent().close());
        made.clear();
    }

    private static String[] names(String path) {
        return Arrays.stream(path.split("/")).filter(name -> !name.isEmpty()).toArray(String[]::new);
    }
}
