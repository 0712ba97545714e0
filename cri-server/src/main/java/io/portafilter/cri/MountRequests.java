package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.shown;

import io.grpc.Status;
import io.portafilter.cdi.ContainerEdits;
import io.portafilter.container.MountRequest;
import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.Mount;
import io.portafilter.cri.v1.MountPropagation;
import io.portafilter.image.ImageConfig;
import io.portafilter.rootfs.Propagation;
import io.portafilter.security.SecurityRefusal;
import io.portafilter.security.VolumeIds;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** A container's mounts as CRI asks for them, and what the runtime puts there by itself. */
final class MountRequests {

    private static final String DECLARED = "the image's Volumes";

    /** Each is a directory, a copy and a mount: no image needs so many. */
    private static final int MAX_DECLARED_VOLUMES = 100;

    private MountRequests() {}

    /**
     * The volumes in the request's order, those of devices in their place, the runtime's own where no volume is, and those
     * that the image declares.
     */
    static List<MountRequest> of(
            ContainerConfig config,
            PodSpec pod,
            PodFiles files,
            List<ContainerEdits.Mount> ofDevices,
            ImageConfig image,
            VolumeImages images) {
        Map<String, MountRequest> mounts = new LinkedHashMap<>();
        for (int i = 0; i < config.getMountsCount(); i++) {
            MountRequest mount = mount("config.mounts[" + i + "]", config.getMounts(i), images);
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
        addDeclared(image, mounts);
        return List.copyOf(mounts.values());
    }

    /** The volumes of the image's configuration, where nothing else is mounted. */
    private static void addDeclared(ImageConfig image, Map<String, MountRequest> mounts) {
        List<String> declared = image.volumes();
        if (declared.size() > MAX_DECLARED_VOLUMES) {
            throw invalid(
                    DECLARED,
                    "are " + declared.size() + ", more than " + MAX_DECLARED_VOLUMES,
                    "use an image that declares fewer");
        }
        for (int number = 0; number < declared.size(); number++) {
            String path = declaredPath(declared.get(number));
            mounts.putIfAbsent(path, MountRequest.declared(path, number));
        }
    }

    /** Absolute and without "..", which ends at the root. */
    private static String declaredPath(String written) {
        Deque<String> names = new ArrayDeque<>();
        for (String name : Fields.plain(DECLARED, written).split("/")) {
            if (name.equals("..")) {
                var _ = names.pollLast();
            } else if (!name.isEmpty() && !name.equals(".")) {
                names.addLast(name);
            }
        }
        if (names.isEmpty()) {
            throw invalid(DECLARED, shown(written) + " is the root of the container", "use an image without it");
        }
        return "/" + String.join("/", names);
    }

    private static MountRequest mount(String field, Mount mount, VolumeImages images) {
        String containerPath = Fields.absolutePath(field + ".container_path", mount.getContainerPath());
        if (containerPath.equals("/")) {
            throw invalid(field + ".container_path", "is the root of the container", "give a path below it");
        }
        if (mount.hasImage()) {
            return image(field, containerPath, mount, images);
        }
        if (!mount.getImageSubPath().isEmpty()) {
            throw invalid(
                    VolumeImages.REASON + field + ".image_sub_path",
                    "is set, and no image",
                    "name the image, or leave it out");
        }
        String hostPath = Fields.absolutePath(field + ".host_path", mount.getHostPath());
        Propagation propagation = propagation(field + ".propagation", mount);
        checkRecursiveReadOnly(field + ".recursive_read_only", mount, propagation);
        return new MountRequest(
                containerPath,
                new MountRequest.Source.HostPath(Path.of(hostPath)),
                mount.getReadonly(),
                mount.getRecursiveReadOnly(),
                propagation,
                ids(field, mount),
                restrictions(field + ".mount_options", mount),
                false,
                false,
                mount.getSelinuxRelabel());
    }

    private static void checkRecursiveReadOnly(String field, Mount mount, Propagation propagation) {
        if (mount.getRecursiveReadOnly() && !(mount.getReadonly() && propagation == Propagation.PRIVATE)) {
            throw invalid(
                    field,
                    "is set " + (mount.getReadonly() ? "with propagation" : "without readonly"),
                    "set readonly, and the propagation PRIVATE");
        }
    }

    /** An image as a volume (KEP-4639). Nothing is ever mounted below it, so that there is nothing to receive. */
    private static MountRequest image(String field, String containerPath, Mount mount, VolumeImages images) {
        String named = VolumeImages.REASON + field;
        if (mount.getImage().getImage().isEmpty()) {
            throw invalid(named + ".image.image", "is empty", "name an image that was pulled, or give its id");
        }
        PodRequests.runtimeHandler(mount.getImage().getRuntimeHandler());
        if (!mount.getHostPath().isEmpty()) {
            throw invalid(
                    named + ".host_path", shown(mount.getHostPath()) + " is given beside an image", "leave one out");
        }
        if (!mount.getReadonly()) {
            throw invalid(named + ".readonly", "is not set for an image", "set it: an image cannot be written to");
        }
        Propagation propagation = propagation(named + ".propagation", mount);
        if (propagation == Propagation.BIDIRECTIONAL) {
            throw invalid(
                    named + ".propagation", "is BIDIRECTIONAL for an image, which the host never sees", "use PRIVATE");
        }
        checkRecursiveReadOnly(field + ".recursive_read_only", mount, propagation);
        String subPath = Fields.relativePath(named + ".image_sub_path", mount.getImageSubPath());
        return new MountRequest(
                containerPath,
                new MountRequest.Source.Image(
                        images.layersTopFirst(
                                field, containerPath, mount.getImage().getImage()),
                        subPath),
                true,
                mount.getRecursiveReadOnly(),
                Propagation.PRIVATE,
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
