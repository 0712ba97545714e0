package io.portafilter.container;

import io.portafilter.rootfs.Propagation;
import io.portafilter.security.VolumeIds;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;

/**
 * A volume of a container.
 *
 * @param containerPath absolute path inside
 * @param source what to mount there
 * @param readOnly the mount itself is read-only
 * @param recursiveReadOnly so are the mounts below it
 * @param propagation whether later mounts pass in or out
 * @param ids whose the owners on the disk are; absent: they are the host's ids, and those of an image the pod's
 * @param restrictions what is not allowed in it and in the mounts below it
 * @param alone mounts below it are left out
 * @param mustExist a missing source is an error; else it becomes a directory
 * @param relabel its files get the SELinux label of the container's own
 */
public record MountRequest(
        String containerPath,
        Source source,
        boolean readOnly,
        boolean recursiveReadOnly,
        Propagation propagation,
        Optional<VolumeIds> ids,
        Set<Restriction> restrictions,
        boolean alone,
        boolean mustExist,
        boolean relabel) {

    /** What a volume is made of. */
    public sealed interface Source {
        /** A path of the host; links are resolved there. */
        record HostPath(Path path) implements Source {}

        /**
         * An image, which nobody can write to; its owners are mapped as those of the root file system are.
         *
         * @param layersTopFirst its unpacked layers
         * @param subPath of the directory in it that is mounted; empty for all of it
         */
        record Image(List<Path> layersTopFirst, String subPath) implements Source {
            public Image {
                layersTopFirst = List.copyOf(layersTopFirst);
            }
        }

        /**
         * A directory of the container's own, which begins with what its image has at the place: the image's
         * configuration declares it ({@code Volumes}).
         *
         * @param number tells those of one container apart
         */
        record Declared(int number) implements Source {}
    }

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

    /** A volume that keeps its labels. */
    public MountRequest(
            String containerPath,
            Source source,
            boolean readOnly,
            boolean recursiveReadOnly,
            Propagation propagation,
            Optional<VolumeIds> ids,
            Set<Restriction> restrictions,
            boolean alone,
            boolean mustExist) {
        this(
                containerPath,
                source,
                readOnly,
                recursiveReadOnly,
                propagation,
                ids,
                restrictions,
                alone,
                mustExist,
                false);
    }

    /** A volume whose owners on the disk are the host's ids. */
    public MountRequest(
            String containerPath, Path hostPath, boolean readOnly, boolean recursiveReadOnly, Propagation propagation) {
        this(
                containerPath,
                new Source.HostPath(hostPath),
                readOnly,
                recursiveReadOnly,
                propagation,
                Optional.empty(),
                Set.of(),
                false,
                false);
    }

    /** A volume that the image declares. */
    public static MountRequest declared(String containerPath, int number) {
        return new MountRequest(
                containerPath,
                new Source.Declared(number),
                false,
                false,
                Propagation.PRIVATE,
                Optional.empty(),
                Set.of(),
                false,
                true);
    }

    /** The same, whose files get the SELinux label of the container's own. */
    public MountRequest relabelled() {
        return new MountRequest(
                containerPath,
                source,
                readOnly,
                recursiveReadOnly,
                propagation,
                ids,
                restrictions,
                alone,
                mustExist,
                true);
    }

    boolean isDeclared() {
        return source instanceof Source.Declared;
    }

    MountRequest at(String otherPath) {
        return new MountRequest(
                otherPath,
                source,
                readOnly,
                recursiveReadOnly,
                propagation,
                ids,
                restrictions,
                alone,
                mustExist,
                relabel);
    }
}
