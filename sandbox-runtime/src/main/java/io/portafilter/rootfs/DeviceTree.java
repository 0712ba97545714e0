package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.AT_SYMLINK_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NOSUID;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_STRICTATIME;
import static io.portafilter.linux.LinuxConstants.S_IFBLK;
import static io.portafilter.linux.LinuxConstants.S_IFCHR;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The {@code /dev} of a container: a tmpfs of its own with real nodes. Made by the host's root, its nodes work in a user
 * namespace too.
 */
public final class DeviceTree {
    private static final int NODE_MODE = 0666;
    private static final int DIRECTORY_MODE = 0755;

    /** Mount points of devpts, of the pod's shared memory and of its message queues. */
    private static final List<String> DIRECTORIES = List.of("pts", "shm", "mqueue");

    private static final Map<String, String> LINKS = Map.of(
            "ptmx", "pts/ptmx",
            "fd", "/proc/self/fd",
            "stdin", "/proc/self/fd/0",
            "stdout", "/proc/self/fd/1",
            "stderr", "/proc/self/fd/2");

    private final Fd tree;
    private final int rootUid;
    private final int rootGid;

    private DeviceTree(Fd tree, long rootUid, long rootGid) {
        this.tree = tree;
        this.rootUid = (int) rootUid;
        this.rootGid = (int) rootGid;
    }

    /**
     * Makes it with the default nodes null, zero, full, random, urandom and tty, and those of {@code nodes} that lie below
     * {@code /dev}; one of the same path replaces the default.
     *
     * @param rootUid the host's id of the container's root, who owns the rest
     * @param rootGid likewise its group
     * @return the mount; the caller closes it
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // closed on failure, else the caller's
    public static Fd create(List<DeviceNode> nodes, long rootUid, long rootGid) {
        return create(nodes, rootUid, rootGid, Optional.empty());
    }

    /** The same, with an SELinux label for all that is in it. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // closed on failure, else the caller's
    public static Fd create(List<DeviceNode> nodes, long rootUid, long rootGid, Optional<String> label) {
        Fd tree = DetachedMount.tmpfs(
                MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME,
                label,
                "mode=755",
                "size=64m",
                "uid=" + rootUid,
                "gid=" + rootGid);
        try {
            new DeviceTree(tree, rootUid, rootGid).fill(nodes);
            return tree;
        } catch (RuntimeException e) {
            tree.close();
            throw e;
        }
    }

    /**
     * Makes those of the nodes that lie elsewhere, such as block volumes of a pod, in the root file system. Directories
     * on the way are made; a file that is there and is another one is refused.
     *
     * @param root writable still; stays the caller's
     */
    public static void makeElsewhere(Fd root, List<DeviceNode> nodes, long rootUid, long rootGid) {
        for (DeviceNode node : nodes) {
            if (!node.isBelowDev()) {
                int slash = node.path().lastIndexOf('/');
                try (Fd parent = RootPath.ensureDirectory(
                        root, "/" + node.path().substring(1, Math.max(1, slash)), DIRECTORY_MODE, rootUid, rootGid)) {
                    new DeviceTree(parent, rootUid, rootGid)
                            .makeNode(node, node.path().substring(slash + 1));
                }
            }
        }
    }

    private void fill(List<DeviceNode> asked) {
        Map<String, DeviceNode> nodes = new LinkedHashMap<>();
        defaults().forEach(node -> nodes.put(node.path(), node));
        asked.stream().filter(DeviceNode::isBelowDev).forEach(node -> nodes.put(node.path(), node));
        nodes.values().forEach(this::makeBelowDev);
        DIRECTORIES.forEach(this::makeDirectory);
        LINKS.forEach(this::makeLink);
    }

    private List<DeviceNode> defaults() {
        return List.of(
                character("/dev/null", 1, 3),
                character("/dev/zero", 1, 5),
                character("/dev/full", 1, 7),
                character("/dev/random", 1, 8),
                character("/dev/urandom", 1, 9),
                character("/dev/tty", 5, 0));
    }

    private DeviceNode character(String path, int major, int minor) {
        return new DeviceNode(path, 'c', major, minor, NODE_MODE, rootUid, rootGid);
    }

    private void makeBelowDev(DeviceNode node) {
        List<String> names = node.names();
        for (int depth = 1; depth < names.size(); depth++) {
            makeDirectory(String.join("/", names.subList(0, depth)));
        }
        makeNode(node, String.join("/", names));
    }

    private void makeNode(DeviceNode node, String path) {
        try {
            Kernel.mknodat(tree, path, (node.type() == 'b' ? S_IFBLK : S_IFCHR) | node.mode(), node.device());
        } catch (KernelException e) {
            // a container that is prepared once more has its nodes already
            if (!e.is(Errno.EEXIST) || !node.isAlready(Kernel.statx(tree, path, AT_SYMLINK_NOFOLLOW))) {
                throw new MountRefusal("device " + node.path() + " cannot be made: " + e.getMessage(), e);
            }
        }
        Kernel.fchmodat(tree, path, node.mode()); // mknod(2) obeyed our umask
        own(path, (int) node.uid(), (int) node.gid());
    }

    private void makeDirectory(String path) {
        try {
            Kernel.mkdirat(tree, path, DIRECTORY_MODE);
        } catch (KernelException e) {
            if (e.is(Errno.EEXIST)) {
                return;
            }
            throw new MountRefusal("directory /dev/" + path + " cannot be made: " + e.getMessage(), e);
        }
        Kernel.fchmodat(tree, path, DIRECTORY_MODE);
        own(path, rootUid, rootGid);
    }

    /** Nothing follows a link while the tree is filled: they come last. One that a node was asked for in place of is left. */
    private void makeLink(String path, String target) {
        try {
            Kernel.symlinkat(target, tree, path);
        } catch (KernelException e) {
            if (e.is(Errno.EEXIST)) {
                return;
            }
            throw e;
        }
        own(path, rootUid, rootGid);
    }

    private void own(String path, int uid, int gid) {
        if (uid != 0 || gid != 0) {
            Kernel.fchownat(tree, path, uid, gid, AT_SYMLINK_NOFOLLOW);
        }
    }
}
