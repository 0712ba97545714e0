package io.portafilter.rootfs;

import io.portafilter.linux.Device;
import io.portafilter.linux.FileStatus;
import java.util.Arrays;
import java.util.List;

/**
 * A device node of a container.
 *
 * @param path absolute, such as {@code /dev/net/tun}; outside of {@code /dev} the node is made in the root file system
 * @param type {@code c} character or {@code b} block
 * @param major the device's major number
 * @param minor the device's minor number
 * @param mode permission bits
 * @param uid the owner as the host counts
 * @param gid the group as the host counts
 */
public record DeviceNode(String path, char type, int major, int minor, int mode, long uid, long gid) {
    private static final String DEV = "/dev/";
    private static final int PERMISSIONS = 0777;

    public DeviceNode {
        if (type != 'c' && type != 'b') {
            throw new MountRefusal("device " + path + " of type '" + type + "': c or b was expected");
        }
        if (!path.startsWith("/")) {
            throw new MountRefusal("device " + path + ": an absolute path was expected");
        }
        List<String> names = Arrays.asList(path.substring(1).split("/", -1));
        if (names.contains("") || names.contains(".") || names.contains("..")) {
            throw new MountRefusal("device " + path + ": components that are empty, . or .. are not allowed");
        }
        if ((mode & ~PERMISSIONS) != 0) {
            throw new MountRefusal(
                    "device " + path + ": mode " + Integer.toOctalString(mode) + " has other bits than permissions");
        }
        new Device(major, minor);
    }

    boolean isBelowDev() {
        return path.startsWith(DEV);
    }

    /** Its path below {@code /dev}, component by component. */
    List<String> names() {
        return List.of(path.substring(DEV.length()).split("/"));
    }

    /** Whether a file that is there already is this very device. */
    boolean isAlready(FileStatus status) {
        boolean sameType = type == 'b' ? status.isBlockDevice() : status.isCharacterDevice();
        return sameType && status.special().equals(device());
    }

    Device device() {
        return new Device(major, minor);
    }
}
