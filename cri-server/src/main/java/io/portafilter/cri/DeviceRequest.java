package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.shown;

import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.Device;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * A device, or a directory of devices, that a container is to have.
 *
 * @param field where the request asks for it
 * @param hostPath absolute; links are resolved on the host
 * @param containerPath absolute; for a directory, where the nodes below it go
 * @param access the cgroup's permissions, a subset of {@code rwm}
 */
record DeviceRequest(String field, Path hostPath, String containerPath, String access) {

    private static final Pattern ACCESS = Pattern.compile("(?!.*(.).*\\1)[rwm]{1,3}");

    /** File systems of their own in every container: a node would lie beneath. */
    private static final Set<String> MOUNTED_OVER = Set.of("/proc", "/sys", "/dev/pts", "/dev/shm", "/dev/mqueue");

    /** The devices of a request, in its order. */
    static List<DeviceRequest> of(ContainerConfig config) {
        List<DeviceRequest> devices = new ArrayList<>();
        for (int i = 0; i < config.getDevicesCount(); i++) {
            devices.add(of("config.devices[" + i + "]", config.getDevices(i)));
        }
        return List.copyOf(devices);
    }

    private static DeviceRequest of(String field, Device device) {
        String hostPath = Fields.absolutePath(field + ".host_path", device.getHostPath());
        String containerPath = device.getContainerPath().isEmpty()
                ? hostPath
                : Fields.absolutePath(field + ".container_path", device.getContainerPath());
        if (containerPath.equals("/")) {
            throw invalid(field + ".container_path", "is the root of the container", "give a path below it");
        }
        for (String mounted : MOUNTED_OVER) {
            if (containerPath.equals(mounted) || containerPath.startsWith(mounted + "/")) {
                throw invalid(
                        field + ".container_path",
                        shown(containerPath) + " lies in " + mounted + ", a file system of its own in every container",
                        "give a path such as /dev/NAME");
            }
        }
        if (!ACCESS.matcher(device.getPermissions()).matches()) {
            throw invalid(
                    field + ".permissions",
                    shown(device.getPermissions()) + " is no subset of r (read), w (write) and m (mknod)",
                    "give each at most once, such as rw");
        }
        return new DeviceRequest(field, Path.of(hostPath), containerPath, device.getPermissions());
    }
}
