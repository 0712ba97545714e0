package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.shown;
import static io.portafilter.cri.CriException.unsupported;

import io.portafilter.cdi.ContainerEdits;
import io.portafilter.container.MountRequest;
import io.portafilter.rootfs.Propagation;
import io.portafilter.security.IdMappings;
import io.portafilter.security.VolumeIds;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Optional;
import java.util.Set;

/** A mount of a CDI specification, whose options are those of the OCI runtime specification. */
final class CdiMounts {

    private static final String FIELD = CdiDevices.FIELD;

    private boolean readOnly;
    private boolean recursiveReadOnly;
    private boolean withMountsBelow;
    private Propagation propagation = Propagation.PRIVATE;
    private final Set<MountRequest.Restriction> restrictions = EnumSet.noneOf(MountRequest.Restriction.class);

    private CdiMounts() {}

    /**
     * The mount.
     *
     * @param ids of the pod: the owners of what is mounted are its own, as CDI has it for pods with a user namespace
     */
    static MountRequest of(ContainerEdits.Mount mount, Optional<IdMappings> ids) {
        if (!Set.of("", "none", "bind").contains(mount.type())) {
            throw unsupported(
                    FIELD,
                    "the mount on " + shown(mount.containerPath()) + " is of type " + shown(mount.type())
                            + ", and only files and directories of the host are mounted",
                    "use a specification with mounts of type bind");
        }
        String containerPath = Fields.absolutePath(FIELD + ": containerPath of a mount", mount.containerPath());
        if (containerPath.equals("/")) {
            throw invalid(FIELD + ": containerPath of a mount", "is the root of the container", "give a path below it");
        }
        Path hostPath = Path.of(Fields.absolutePath(FIELD + ": hostPath of a mount", mount.hostPath()));
        CdiMounts options = new CdiMounts();
        mount.options().forEach(option -> options.add(containerPath, option));
        return new MountRequest(
                containerPath,
                new MountRequest.Source.HostPath(hostPath),
                options.readOnly,
                options.recursiveReadOnly,
                options.propagation,
                ids.map(VolumeIds::of),
                options.restrictions,
                !options.withMountsBelow,
                true);
    }

    /** Later options win. What only says how access times are kept is left as the source's mount has it. */
    private void add(String containerPath, String option) {
        switch (option) {
            case "bind" -> withMountsBelow = false;
            case "rbind" -> withMountsBelow = true;
            case "ro" -> readOnly = true;
            case "rro" -> {
                readOnly = true;
                recursiveReadOnly = true;
            }
            case "rw" -> {
                readOnly = false;
                recursiveReadOnly = false;
            }
            case "nosuid" -> restrictions.add(MountRequest.Restriction.NOSUID);
            case "nodev" -> restrictions.add(MountRequest.Restriction.NODEV);
            case "noexec" -> restrictions.add(MountRequest.Restriction.NOEXEC);
            case "suid" -> restrictions.remove(MountRequest.Restriction.NOSUID);
            case "dev" -> restrictions.remove(MountRequest.Restriction.NODEV);
            case "exec" -> restrictions.remove(MountRequest.Restriction.NOEXEC);
            case "private", "rprivate" -> propagation = Propagation.PRIVATE;
            case "slave", "rslave" -> propagation = Propagation.HOST_TO_CONTAINER;
            case "shared", "rshared" -> propagation = Propagation.BIDIRECTIONAL;
            case "defaults",
                    "async",
                    "atime",
                    "relatime",
                    "noatime",
                    "strictatime",
                    "nodiratime",
                    "idmap",
                    "ridmap" -> {
                // the source's own, or done anyway
            }
            default ->
                throw unsupported(
                        FIELD,
                        "the mount on " + shown(containerPath) + " has the option " + shown(option)
                                + ", which is not known here",
                        "use a specification without it");
        }
    }
}
