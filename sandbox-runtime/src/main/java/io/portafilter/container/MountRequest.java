package io.portafilter.container;

import io.portafilter.rootfs.Propagation;
import io.portafilter.security.VolumeIds;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;

/**
 * A volume of a container.
 *
 * @param containerPath absolute path inside
 * @param hostPath what to mount there; links are resolved on the host
 * @param readOnly the mount itself is read-only
 * @param recursiveReadOnly so are the mounts below it
 * @param propagation whether later mounts pass in or out
 * @param ids whose the owners on the disk are; absent: they are the host's ids
 * @param restrictions what is not allowed in it and in the mounts below it
 * @param alone mounts below it are left out
 * @param mustExist a missing source is an error; else it becomes a directory
 */
public record MountRequest(
        String containerPath,
        Path hostPath,
        boolean readOnly,
        boolean recursiveReadOnly,
        Propagation propagation,
        Optional<VolumeIds> ids,
        Set<Restriction> restrictions,
        boolean alone,
        boolean mustExist) {

    /** A flag of a mount ({@code mount(8)}). */
    public enum Restriction {
        /** Set-user-id bits and file capabilities do not count. */
        NOSUID,
        /** Device nodes do not open. */
        NODEV,
        /** Programs do not run. */
        NOEXEC;

        /** As {@code mountinfo} and CRI write it. */
        public String option() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    public MountRequest {
        restrictions = Set.copyOf(restrictions);
    }

    /** A volume whose owners on the disk are the host's ids. */
    public MountRequest(
            String containerPath, Path hostPath, boolean readOnly, boolean recursiveReadOnly, Propagation propagation) {
        this(
                containerPath,
                hostPath,
                readOnly,
                recursiveReadOnly,
                propagation,
                Optional.empty(),
                Set.of(),
                false,
                false);
    }
}
