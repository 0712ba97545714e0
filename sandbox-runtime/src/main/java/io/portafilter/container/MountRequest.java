package io.portafilter.container;

import io.portafilter.rootfs.Propagation;
import java.nio.file.Path;

/**
 * A volume of a container.
 *
 * @param containerPath absolute path inside
 * @param hostPath what to mount there; links are resolved on the host
 * @param readOnly the mount itself is read-only
 * @param recursiveReadOnly so are the mounts below it
 * @param propagation whether later mounts pass in or out
 * @param idMapped owners on the disk are ids of the pod's user namespace, which it must have: a file of 0 is its root's
 */
public record MountRequest(
        String containerPath,
        Path hostPath,
        boolean readOnly,
        boolean recursiveReadOnly,
        Propagation propagation,
        boolean idMapped) {

    /** A volume whose owners on the disk are the host's ids. */
    public MountRequest(
            String containerPath, Path hostPath, boolean readOnly, boolean recursiveReadOnly, Propagation propagation) {
        this(containerPath, hostPath, readOnly, recursiveReadOnly, propagation, false);
    }
}
