package io.portafilter.container;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Fd;
import io.portafilter.rootfs.DeclaredVolume;
import io.portafilter.rootfs.VolumeMount;
import io.portafilter.rootfs.VolumeOptions;
import io.portafilter.security.IdMappings;
import io.portafilter.security.VolumeIds;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * What the volumes of one container are made with.
 *
 * @param host launches what holds a user namespace
 * @param root its root file system, on which nothing is mounted yet
 * @param podIds the mapping of the pod's own user namespace
 * @param pod holds that
 * @param writableDirectory of the container
 * @param rootUid the host's id of the container's root
 * @param rootGid likewise its group
 * @param label the SELinux label of the container's files
 */
record VolumeSite(
        Host host,
        Fd root,
        Optional<IdMappings> podIds,
        Monitor pod,
        Path writableDirectory,
        long rootUid,
        long rootGid,
        Optional<String> label) {

    /** The detached mount of a volume; the caller closes it. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    VolumeMount open(MountRequest mount) {
        return switch (mount.source()) {
            case MountRequest.Source.HostPath(Path path) ->
                mapped(mount.ids(), namespace -> VolumeMount.open(path, options(mount), namespace));
            case MountRequest.Source.Image(List<Path> layersTopFirst, String subPath) ->
                mapped(
                        mount.ids().or(() -> podIds.map(VolumeIds::of)),
                        namespace -> VolumeMount.ofImage(layersTopFirst, subPath, options(mount), namespace));
            case MountRequest.Source.Declared(int number) -> {
                Path directory =
                        DeclaredVolume.create(root, mount.containerPath(), writableDirectory, number, rootUid, rootGid);
                yield VolumeMount.open(directory, options(mount), Optional.empty());
            }
        };
    }

    /** Opens a volume with a user namespace of that mapping; it keeps the mapping when the namespace has gone. */
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    private VolumeMount mapped(Optional<VolumeIds> ids, Function<Optional<Fd>, VolumeMount> open) {
        if (ids.isEmpty()) {
            return open.apply(Optional.empty());
        }
        if (ids.equals(podIds.map(VolumeIds::of))) {
            try (Fd namespace = pod.podNamespace("user")) {
                return open.apply(Optional.of(namespace));
            }
        }
        try (HeldUserNamespace own = HeldUserNamespace.open(host.launcher(), ids.get())) {
            return open.apply(Optional.of(own.descriptor()));
        }
    }

    /** A path of the host keeps its labels unless it is asked for, and no other volume has any of its own. */
    private Optional<String> label(MountRequest mount) {
        return switch (mount.source()) {
            case MountRequest.Source.HostPath _ -> mount.relabel() ? label : Optional.empty();
            case MountRequest.Source.Image _ -> label;
            case MountRequest.Source.Declared _ -> label;
        };
    }

    private VolumeOptions options(MountRequest mount) {
        return new VolumeOptions(
                mount.readOnly(),
                mount.recursiveReadOnly(),
                mount.propagation(),
                mount.restrictions().contains(MountRequest.Restriction.NOSUID),
                mount.restrictions().contains(MountRequest.Restriction.NODEV),
                mount.restrictions().contains(MountRequest.Restriction.NOEXEC),
                mount.alone(),
                mount.mustExist(),
                label(mount));
    }
}
