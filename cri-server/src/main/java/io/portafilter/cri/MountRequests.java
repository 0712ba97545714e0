package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.shown;
import static io.portafilter.cri.CriException.unsupported;

import io.portafilter.container.MountRequest;
import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.Mount;
import io.portafilter.cri.v1.MountPropagation;
import io.portafilter.rootfs.Propagation;
import io.portafilter.security.IdMappings;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** A container's mounts as CRI asks for them, and what the runtime puts there by itself. */
final class MountRequests {

    private MountRequests() {}

    /** The volumes in the request's order, then the runtime's own where no volume is. */
    static List<MountRequest> of(ContainerConfig config, PodSpec pod, PodFiles files) {
        List<MountRequest> mounts = new ArrayList<>();
        Set<String> covered = new HashSet<>();
        for (int i = 0; i < config.getMountsCount(); i++) {
            MountRequest mount = mount("config.mounts[" + i + "]", config.getMounts(i), pod);
            if (!covered.add(mount.containerPath())) {
                throw invalid(
                        "config.mounts[" + i + "].container_path",
                        shown(mount.containerPath()) + " is the place of two mounts",
                        "give each its own");
            }
            mounts.add(mount);
        }
        boolean readOnly = config.getLinux().getSecurityContext().getReadonlyRootfs();
        files.defaults(readOnly).stream()
                .filter(own -> !covered.contains(own.containerPath()))
                .forEach(mounts::add);
        return mounts;
    }

    private static MountRequest mount(String field, Mount mount, PodSpec pod) {
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
                idMapped(field + ".uidMappings", mount, pod),
                restrictions(field + ".mount_options", mount));
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

    /** A volume is mapped as its pod is, or not at all. */
    private static boolean idMapped(String field, Mount mount, PodSpec pod) {
        if (mount.getUidMappingsCount() + mount.getGidMappingsCount() == 0) {
            return false;
        }
        IdMappings ids = new IdMappings(
                PodRequests.mappings(mount.getUidMappingsList()), PodRequests.mappings(mount.getGidMappingsList()));
        if (!pod.ids().equals(Optional.of(ids))) {
            throw invalid(
                    field,
                    "and gidMappings differ from the pod's user namespace",
                    "repeat those of userns_options, or leave them out");
        }
        return true;
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
