package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.shown;
import static io.portafilter.cri.CriException.unsupported;

import io.grpc.Status;
import io.portafilter.cdi.ContainerEdits;
import io.portafilter.container.MountRequest;
import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.Mount;
import io.portafilter.cri.v1.MountPropagation;
import io.portafilter.rootfs.Propagation;
import io.portafilter.security.SecurityRefusal;
import io.portafilter.security.VolumeIds;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** A container's mounts as CRI asks for them, and what the runtime puts there by itself. */
final class MountRequests {

    private MountRequests() {}

    /** The volumes in the request's order, those of devices in their place, then the runtime's own where no volume is. */
    static List<MountRequest> of(
            ContainerConfig config, PodSpec pod, PodFiles files, List<ContainerEdits.Mount> ofDevices) {
        Map<String, MountRequest> mounts = new LinkedHashMap<>();
        for (int i = 0; i < config.getMountsCount(); i++) {
            MountRequest mount = mount("config.mounts[" + i + "]", config.getMounts(i));
            if (mounts.putIfAbsent(mount.containerPath(), mount) != null) {
                throw invalid(
                        "config.mounts[" + i + "].container_path",
                        shown(mount.containerPath()) + " is the place of two mounts",
                        "give each its own");
            }
        }
        for (ContainerEdits.Mount edit : ofDevices) {
            MountRequest mount = CdiMounts.of(edit, pod.ids());
            mounts.put(mount.containerPath(), mount);
        }
        boolean readOnly = config.getLinux().getSecurityContext().getReadonlyRootfs();
        files.defaults(readOnly).forEach(own -> mounts.putIfAbsent(own.containerPath(), own));
        return List.copyOf(mounts.values());
    }

    private static MountRequest mount(String field, Mount mount) {
        if (mount.hasImage() || !mount.getImageSubPath().isEmpty()) {
            throw unsupported(
                    field + ".image",
                    "an image is asked for as a volume, and this version mounts none",
                    "leave it out");
        }
        String containerPath = Fields.absolutePath(field + ".container_path", mount.getContainerPath());
        if (containerPath.equals("/")) {
            throw invalid(field + ".container_path", "is the root of the container", "give a path below it");
        }
        String hostPath = Fields.absolutePath(field + ".host_path", mount.getHostPath());
        Propagation propagation = propagation(field + ".propagation", mount);
        if (mount.getRecursiveReadOnly() && !(mount.getReadonly() && propagation == Propagation.PRIVATE)) {
            throw invalid(
                    field + ".recursive_read_only",
                    "is set " + (mount.getReadonly() ? "with propagation" : "without readonly"),
                    "set readonly, and the propagation PRIVATE");
        }
        return new MountRequest(
                containerPath,
                Path.of(hostPath),
                mount.getReadonly(),
                mount.getRecursiveReadOnly(),
                propagation,
                ids(field, mount),
                restrictions(field + ".mount_options", mount),
                false,
                false);
    }

    /** The three of VolumeBindMountOptions, and no other: they take rights away. */
    private static Set<MountRequest.Restriction> restrictions(String field, Mount mount) {
        Set<MountRequest.Restriction> restrictions = EnumSet.noneOf(MountRequest.Restriction.class);
        for (String option : mount.getMountOptionsList()) {
            restrictions.add(Arrays.stream(MountRequest.Restriction.values())
                    .filter(known -> known.option().equals(option))
                    .findFirst()
                    .orElseThrow(() ->
                            invalid(field, shown(option) + " is no option here", "give noexec, nodev or nosuid")));
        }
        return restrictions;
    }

    /** Mapped exactly as it says, whatever the pod's own mapping is. */
    private static Optional<VolumeIds> ids(String field, Mount mount) {
        if (mount.getUidMappingsCount() + mount.getGidMappingsCount() == 0) {
            return Optional.empty();
        }
        try {
            return Optional.of(new VolumeIds(
                    PodRequests.mappings(mount.getUidMappingsList()),
                    PodRequests.mappings(mount.getGidMappingsList())));
        } catch (SecurityRefusal e) {
            throw new CriException(
                    Status.Code.INVALID_ARGUMENT, field + ".uidMappings and .gidMappings", e.asked(), e.cure(), e);
        }
    }

    private static Propagation propagation(String field, Mount mount) {
        MountPropagation asked = mount.getPropagation();
        return switch (asked) {
            case PROPAGATION_PRIVATE -> Propagation.PRIVATE;
            case PROPAGATION_HOST_TO_CONTAINER -> Propagation.HOST_TO_CONTAINER;
            case PROPAGATION_BIDIRECTIONAL -> Propagation.BIDIRECTIONAL;
            case UNRECOGNIZED ->
                throw invalid(field, mount.getPropagationValue() + " is no propagation", "use one that CRI v1 names");
        };
    }
}
