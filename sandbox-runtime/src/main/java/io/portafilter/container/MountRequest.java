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
 */
public record MountRequest(
        String containerPath, Path hostPath, boolean readOnly, boolean recursiveReadOnly, Propagation propagation) {}
