package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.shown;

import io.portafilter.cdi.ContainerEdits;
import io.portafilter.cgroup.DeviceRule;
import io.portafilter.container.ContainerDevice;
import io.portafilter.container.ContainerDevice.OwnerId;
import io.portafilter.linux.DirectoryEntry;
import io.portafilter.linux.DirectoryTree;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.LinuxConstants;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The node's devices that a container gets, as the host has them: those that it asks for, and all of them if it is
 * privileged.
 *
 * @param nodes to make in the container
 * @param rules that let it use them
 */
record HostDevices(List<ContainerDevice> nodes, List<DeviceRule> rules) {

    /** No device of the host. */
    static final HostDevices NONE = new HostDevices(List.of(), List.of());

    private static final String DEV = "/dev";

    /** File systems of their own in a container, and nodes that every container has. */
    private static final Set<String> LEFT_OUT =
            Set.of("pts", "shm", "mqueue", "fd", "console", "ptmx", "null", "zero", "full", "random", "urandom", "tty");

    HostDevices {
        nodes = List.copyOf(nodes);
        rules = List.copyOf(rules);
    }

    /**
     * Looks at the host.
     *
     * @throws CriException if what is asked for is not there, or is no device
     */
    static HostDevices of(boolean privileged, List<DeviceRequest> asked, List<ContainerEdits.Node> cdi) {
        Map<String, ContainerDevice> nodes = new LinkedHashMap<>();
        if (privileged) {
            below(DEV, DEV).forEach(node -> nodes.put(node.path(), node));
        }
        List<DeviceRule> rules = new ArrayList<>();
        Map<String, DeviceRequest> places = new LinkedHashMap<>();
        for (DeviceRequest request : asked) {
            for (ContainerDevice found : nodes(request)) {
                ContainerDevice node = request.owned(found);
                DeviceRequest other = places.putIfAbsent(node.path(), request);
                if (other != null) {
                    throw invalid(
                            request.field() + ".container_path",
                            node.path() + " is the place of two devices, the other is asked for by " + other.field(),
                            "give each a place of its own");
                }
                requireOrdinaryNull(request.field() + ".container_path", node);
                nodes.put(node.path(), node);
                rules.add(new DeviceRule(node.type(), node.major(), node.minor(), request.access()));
            }
        }
        for (ContainerEdits.Node edit : cdi) {
            ContainerDevice node = CdiNodes.of(edit);
            requireOrdinaryNull(CdiDevices.FIELD, node);
            nodes.put(node.path(), node);
            if (!edit.access().isEmpty()) {
                rules.add(new DeviceRule(node.type(), node.major(), node.minor(), edit.access()));
            }
        }
        return new HostDevices(List.copyOf(nodes.values()), rules);
    }

    /** Masks and standard input are made of it. */
    private static void requireOrdinaryNull(String field, ContainerDevice node) {
        if (node.path().equals("/dev/null") && !(node.type() == 'c' && node.major() == 1 && node.minor() == 3)) {
            throw invalid(
                    field,
                    "/dev/null would be another device, " + node.type() + " " + node.major() + ":" + node.minor(),
                    "give another path");
        }
    }

    private static List<ContainerDevice> nodes(DeviceRequest request) {
        String path = request.hostPath().toString();
        FileStatus status = status(request, path);
        if (status.isCharacterDevice() || status.isBlockDevice()) {
            if (request.containerPath().equals(DEV)) {
                throw invalid(
                        request.field() + ".container_path",
                        shown(DEV) + " is a directory in every container, and " + path + " is one device",
                        "give a path such as /dev/NAME");
            }
            return List.of(node(request.containerPath(), status));
        }
        if (!status.isDirectory()) {
            throw invalid(
                    request.field() + ".host_path",
                    shown(path) + " is neither a device nor a directory of devices",
                    "use a mount to share a file");
        }
        return below(path, request.containerPath());
    }

    private static FileStatus status(DeviceRequest request, String path) {
        try {
            return Kernel.statx(Fd.CWD, path, 0);
        } catch (KernelException e) {
            throw new CriException(
                    io.grpc.Status.Code.INVALID_ARGUMENT,
                    request.field() + ".host_path",
                    shown(path) + " cannot be found on this node: " + e.errno(),
                    "name a device of the node, or load its driver",
                    e);
        }
    }

    /** All nodes below a directory of the host, in its own file system. */
    private static List<ContainerDevice> below(String hostPath, String containerPath) {
        List<ContainerDevice> nodes = new ArrayList<>();
        int flags = LinuxConstants.O_RDONLY | LinuxConstants.O_DIRECTORY;
        try (Fd directory = Kernel.open(hostPath, flags);
                Fd dev = Kernel.open(DEV, flags)) {
            FileStatus top = Kernel.fstat(directory);
            FileStatus all = Kernel.fstat(dev);
            boolean wholeDev = top.inode() == all.inode() && top.device().equals(all.device());
            collect(directory, containerPath, wholeDev ? LEFT_OUT : Set.of(), top, nodes);
        }
        return nodes;
    }

    private static void collect(
            Fd directory, String path, Set<String> leftOut, FileStatus top, List<ContainerDevice> nodes) {
        for (DirectoryEntry entry : DirectoryTree.list(directory)) {
            String name = entry.name();
            if (leftOut.contains(name)) {
                continue;
            }
            try {
                FileStatus status = Kernel.statx(directory, name, LinuxConstants.AT_SYMLINK_NOFOLLOW);
                if (status.isDirectory() && status.device().equals(top.device())) {
                    int flags = LinuxConstants.O_RDONLY | LinuxConstants.O_DIRECTORY | LinuxConstants.O_NOFOLLOW;
                    try (Fd below = Kernel.openat(directory, name, flags)) {
                        collect(below, path + "/" + name, Set.of(), top, nodes);
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

    private static ContainerDevice node(String path, FileStatus status) {
        return new ContainerDevice(
                path,
                status.isCharacterDevice() ? 'c' : 'b',
                status.special().major(),
                status.special().minor(),
                status.permissions() & 0777,
                new OwnerId.OfHost(Integer.toUnsignedLong(status.uid())),
                new OwnerId.OfHost(Integer.toUnsignedLong(status.gid())));
    }
}
