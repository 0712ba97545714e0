package io.portafilter.cri;

import io.portafilter.linux.DirectoryEntry;
import io.portafilter.linux.DirectoryTree;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.LinuxConstants;
import io.portafilter.rootfs.DeviceNode;
import io.portafilter.security.SecurityRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** The node's devices, all of which a privileged container gets, as the host has them. */
final class HostDevices {

    /** File systems of their own in a container, and nodes that every container has. */
    private static final Set<String> LEFT_OUT =
            Set.of("pts", "shm", "mqueue", "fd", "console", "ptmx", "null", "zero", "full", "random", "urandom", "tty");

    private HostDevices() {}

    /** Nothing for a container that is not privileged, nor in a user namespace, where no device would open. */
    static List<DeviceNode> forContainer(SecurityRequest security) {
        if (!security.privileged() || security.ids().isPresent()) {
            return List.of();
        }
        List<DeviceNode> nodes = new ArrayList<>();
        try (Fd dev = Kernel.open("/dev", LinuxConstants.O_RDONLY | LinuxConstants.O_DIRECTORY)) {
            collect(dev, "/dev", Kernel.fstat(dev), nodes);
        }
        return nodes;
    }

    private static void collect(Fd directory, String path, FileStatus top, List<DeviceNode> nodes) {
        for (DirectoryEntry entry : DirectoryTree.list(directory)) {
            String name = entry.name();
            if (path.equals("/dev") && LEFT_OUT.contains(name)) {
                continue;
            }
            try {
                FileStatus status = Kernel.statx(directory, name, LinuxConstants.AT_SYMLINK_NOFOLLOW);
                if (status.isDirectory() && status.device().equals(top.device())) {
                    int flags = LinuxConstants.O_RDONLY | LinuxConstants.O_DIRECTORY | LinuxConstants.O_NOFOLLOW;
                    try (Fd below = Kernel.openat(directory, name, flags)) {
                        collect(below, path + "/" + name, top, nodes);
                    }
                } else if (status.isCharacterDevice() || status.isBlockDevice()) {
                    nodes.add(node(path + "/" + name, status));
                }
            } catch (KernelException e) {
                if (!e.is(Errno.ENOENT)) {
                    throw e;
                }
            }
        }
    }

    private static DeviceNode node(String path, FileStatus status) {
        return new DeviceNode(
                path,
                status.isCharacterDevice() ? 'c' : 'b',
                status.special().major(),
                status.special().minor(),
                status.permissions() & 0777,
                Integer.toUnsignedLong(status.uid()),
                Integer.toUnsignedLong(status.gid()));
    }
}
