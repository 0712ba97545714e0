package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NODEV;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NOEXEC;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NOSUID;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_RDONLY;

import java.util.Optional;

/**
 * How a volume is mounted.
 *
 * @param readOnly the volume itself cannot be written to; mounts below it stay as they are
 * @param recursiveReadOnly neither it nor any mount below it; needs {@code readOnly} and {@code PRIVATE} (KEP-3857)
 * @param propagation of later mounts below it
 * @param noSetuid set-user-id bits and file capabilities do not count, here and in mounts below
 * @param noDevices device nodes do not open, likewise
 * @param noExecute programs do not run, likewise
 * @param alone mounts below it are left out
 * @param mustExist a missing source is refused; else it becomes a directory
 * @param label the SELinux label that the volume's files get: on the disk, or of an image by its mount
 */
public record VolumeOptions(
        boolean readOnly,
        boolean recursiveReadOnly,
        Propagation propagation,
        boolean noSetuid,
        boolean noDevices,
        boolean noExecute,
        boolean alone,
        boolean mustExist,
        Optional<String> label) {
    /** Writable, private, everything allowed. */
    public static final VolumeOptions DEFAULT = new VolumeOptions(false, false, Propagation.PRIVATE);

    public VolumeOptions {
        if (recursiveReadOnly && !readOnly) {
            throw new MountRefusal("recursive_read_only needs readonly: set both, or neither");
        }
        if (recursiveReadOnly && propagation != Propagation.PRIVATE) {
            throw new MountRefusal("recursive_read_only needs propagation PRIVATE, not " + propagation
                    + ": a mount that comes later would be writable");
        }
    }

    public VolumeOptions(boolean readOnly, boolean recursiveReadOnly, Propagation propagation) {
        this(readOnly, recursiveReadOnly, propagation, false, false, false, false, false);
    }

    /** Files keep the labels that they have. */
    public VolumeOptions(
            boolean readOnly,
            boolean recursiveReadOnly,
            Propagation propagation,
            boolean noSetuid,
            boolean noDevices,
            boolean noExecute,
            boolean alone,
            boolean mustExist) {
        this(
                readOnly,
                recursiveReadOnly,
                propagation,
                noSetuid,
                noDevices,
                noExecute,
                alone,
                mustExist,
                Optional.empty());
    }

    /** Attributes of the volume and of every mount below it. */
    long recursiveAttributes() {
        return (recursiveReadOnly ? MOUNT_ATTR_RDONLY : 0)
                | (noSetuid ? MOUNT_ATTR_NOSUID : 0)
                | (noDevices ? MOUNT_ATTR_NODEV : 0)
                | (noExecute ? MOUNT_ATTR_NOEXEC : 0);
    }
}
