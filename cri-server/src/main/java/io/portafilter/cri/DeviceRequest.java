package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.shown;

import io.portafilter.container.ContainerDevice;
import io.portafilter.container.ContainerDevice.OwnerId;
import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.Device;
import io.portafilter.cri.v1.LinuxContainerSecurityContext;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * A device, or a directory of devices, that a container is to have.
 *
 * @param field where the request asks for it
 * @param hostPath absolute; links are resolved on the host
 * @param containerPath absolute; for a directory, where the nodes below it go
 * @param access the cgroup's permissions, a subset of {@code rwm}
 * @param owner whose the node is in the container, if not the host's owner's
 */
record DeviceRequest(String field, Path hostPath, String containerPath, String access, Owner owner) {

    /**
     * A user and a group of the container; absent: the host's node's.
     *
     * @param uid of the container
     * @param gid of the container
     */
    record Owner(OptionalLong uid, OptionalLong gid) {
        /** As the host's node has it. */
        static final Owner OF_HOST = new Owner(OptionalLong.empty(), OptionalLong.empty());

        /**
         * The user and group that a security context names by number, other than root
         * ({@code device_ownership_from_security_context}).
         */
        static Owner of(LinuxContainerSecurityContext security) {
            return new Owner(
                    other(security.getRunAsUser().getValue()),
                    other(security.getRunAsGroup().getValue()));
        }

        private static OptionalLong other(long id) {
            return id == 0 ? OptionalLong.empty() : OptionalLong.of(id);
        }
    }

    private static final Pattern ACCESS = Pattern.compile("(?!.*(.).*\\1)[rwm]{1,3}");

    /** File systems of their own in every container: a node would lie beneath. */
    private static final Set<String> MOUNTED_OVER = Set.of("/proc", "/sys", "/dev/pts", "/dev/shm", "/dev/mqueue");

    /** The devices of a request, in its order. */
    static List<DeviceRequest> of(ContainerConfig config, Owner owner) {
        List<DeviceRequest> devices = new ArrayList<>();
        for (int i = 0; i < config.getDevicesCount(); i++) {
            devices.add(of("config.devices[" + i + "]", config.getDevices(i), owner));
        }
        return List.copyOf(devices);
    }

    private static DeviceRequest of(String field, Device device, Owner owner) {
        String hostPath = Fields.absolutePath(field + ".host_path", device.getHostPath());
        String containerPath = device.getContainerPath().isEmpty()
                ? hostPath
                : Fields.absolutePath(field + ".container_path", device.getContainerPath());
        requirePlace(field + ".container_path", containerPath);
        if (!ACCESS.matcher(device.getPermissions()).matches()) {
            throw invalid(
                    field + ".permissions",
                    shown(device.getPermissions()) + " is no subset of r (read), w (write) and m (mknod)",
                    "give each at most once, such as rw");
        }
        return new DeviceRequest(field, Path.of(hostPath), containerPath, device.getPermissions(), owner);
    }

    /** The node as it was found, owned as is asked for. */
    ContainerDevice owned(ContainerDevice found) {
        return new ContainerDevice(
                found.path(),
                found.type(),
                found.major(),
                found.minor(),
                found.mode(),
                owner.uid().isPresent() ? new OwnerId.OfContainer(owner.uid().getAsLong()) : found.uid(),
                owner.gid().isPresent() ? new OwnerId.OfContainer(owner.gid().getAsLong()) : found.gid());
    }

    /** Refuses a path at which no node can be. */
    static void requirePlace(String field, String containerPath) {
        if (containerPath.equals("/")) {
            throw invalid(field, "is the root of the container", "give a path below it");
        }
        for (String mounted : MOUNTED_OVER) {
            if (containerPath.equals(mounted) || containerPath.startsWith(mounted + "/")) {
                throw invalid(
                        field,
                        shown(containerPath) + " lies in " + mounted + ", a file system of its own in every container",
                        "give a path such as /dev/NAME");
            }
        }
    }
}
