package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.AT_EMPTY_PATH;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NODEV;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NOEXEC;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NOSUID;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_RDONLY;
import static io.portafilter.linux.LinuxConstants.MS_PRIVATE;
import static io.portafilter.linux.LinuxConstants.OPEN_TREE_CLONE;
import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_PATH;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.MountAttributes;
import java.util.List;
import java.util.Optional;

/**
 * {@code /sys/fs/cgroup} of a container on a host with cgroup version 1: a tmpfs with a directory for each hierarchy, on
 * which the container's own cgroup is mounted, so that programs find their limits where they look for them.
 */
public final class CgroupTree {
    private static final int DIRECTORY_MODE = 0755;
    private static final long ATTRIBUTES = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

    private CgroupTree() {}

    /**
     * The tmpfs, with the mount points.
     *
     * @param hierarchies names such as {@code cpu,cpuacct}; of one with several controllers each is a link to it
     * @param writable whether it may be changed, as privileged containers may
     * @param rootUid the host's id of the container's root, who owns it
     * @param rootGid likewise its group
     * @param label the SELinux label of its directories; absent: the policy's
     * @return the mount; the caller closes it
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // closed on failure, else the caller's
    public static Fd create(
            List<String> hierarchies, boolean writable, long rootUid, long rootGid, Optional<String> label) {
        Fd tree = DetachedMount.tmpfs(ATTRIBUTES, label, "mode=755", "uid=" + rootUid, "gid=" + rootGid);
        try {
            for (String hierarchy : hierarchies) {
                Kernel.mkdirat(tree, hierarchy, DIRECTORY_MODE);
                if (hierarchy.contains(",")) {
                    for (String controller : hierarchy.split(",")) {
                        Kernel.symlinkat(hierarchy, tree, controller);
                    }
                }
            }
            if (!writable) {
                DetachedMount.setReadOnly(tree);
            }
            return tree;
        } catch (RuntimeException e) {
            tree.close();
            throw e;
        }
    }

    /**
     * The container's own cgroup in one hierarchy.
     *
     * @param directory the cgroup on the host
     * @return the mount; the caller closes it
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // closed on failure, else the caller's
    public static Fd view(String directory, boolean writable) {
        try (Fd opened = Kernel.open(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW)) {
            Fd mount = Kernel.openTree(opened, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);
            try {
                Kernel.mountSetattr(
                        mount,
                        "",
                        AT_EMPTY_PATH,
                        MountAttributes.propagation(MS_PRIVATE)
                                .and(MountAttributes.set(ATTRIBUTES | (writable ? 0 : MOUNT_ATTR_RDONLY))));
                return mount;
            } catch (RuntimeException e) {
                mount.close();
                throw e;
            }
        }
    }
}
