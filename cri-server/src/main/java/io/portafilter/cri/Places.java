package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.shown;

import io.portafilter.config.CgroupDriver;
import io.portafilter.systemd.Slice;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.Optional;

/**
 * Where what belongs to pods and containers lies.
 *
 * @param root outlives a reboot
 * @param state does not
 * @param driver who makes cgroups, and so how their parents are spelled
 * @param cgroupParent where pods go that name no cgroup parent
 */
record Places(Path root, Path state, CgroupDriver driver, String cgroupParent) {

    private static final SecureRandom RANDOM = new SecureRandom();
    private static final int ID_BYTES = 32;

    static final String PODS = "pods";
    static final String CONTAINERS = "containers";

    /** A new id: 64 lower-case hexadecimal digits. */
    static String newId() {
        byte[] bytes = new byte[ID_BYTES];
        RANDOM.nextBytes(bytes);
        return HexFormat.of().formatHex(bytes);
    }

    /** The first twelve digits, which people tell ids apart by. */
    static String shortId(String id) {
        return id.length() <= 12 ? id : id.substring(0, 12);
    }

    /** Exit file and the like. */
    Path podState(String id) {
        return state.resolve(PODS).resolve(id);
    }

    /** The files that are mounted into the pod's containers. */
    Path podFiles(String id) {
        return root.resolve(PODS).resolve(id);
    }

    Path containerState(String id) {
        return state.resolve(CONTAINERS).resolve(id);
    }

    Path allContainerFiles() {
        return root.resolve(CONTAINERS);
    }

    /** Upper and work directory. */
    Path containerFiles(String id) {
        return allContainerFiles().resolve(id);
    }

    /** The cgroup of a pod that names none: one of our own, which we remove. systemd's pods have none. */
    Optional<String> ownPodCgroup(String podId) {
        return switch (driver) {
            case CGROUPFS -> Optional.of(podCgroup(podId));
            case SYSTEMD -> Optional.empty();
        };
    }

    /** The cgroup of a pod's own process or of a container, below the parent that was asked for. */
    String cgroup(String askedParent, String podId, String id) {
        return switch (driver) {
            case CGROUPFS -> (askedParent.isEmpty() ? podCgroup(podId) : askedParent) + "/" + id;
            case SYSTEMD -> slice(askedParent.isEmpty() ? cgroupParent : askedParent) + "/portafilter-" + id + ".scope";
        };
    }

    /**
     * The cgroup that holds all that a pod's containers use, below the parent that was asked for; none for pods of
     * systemd that name no slice, which share one.
     */
    Optional<String> podCgroup(String askedParent, String podId) {
        return switch (driver) {
            case CGROUPFS -> Optional.of(askedParent.isEmpty() ? podCgroup(podId) : askedParent);
            case SYSTEMD ->
                Optional.of(askedParent).filter(slice -> !slice.isEmpty()).map(Places::slice);
        };
    }

    private String podCgroup(String podId) {
        return cgroupParent + "/pod" + podId;
    }

    private static String slice(String parent) {
        return Slice.parse(parent)
                .orElseThrow(() -> new IllegalArgumentException(parent + " is no slice"))
                .cgroupPath();
    }

    /**
     * Refuses a cgroup parent in the spelling of the other driver.
     *
     * @param parent empty for the default
     */
    void requireFits(String parent) {
        if (parent.isEmpty()) {
            return;
        }
        switch (driver) {
            case CGROUPFS -> {
                if (Slice.isMeant(parent)) {
                    throw invalid(
                            "config.linux.cgroup_parent",
                            shown(parent) + " is a slice of systemd, but the driver here is cgroupfs",
                            "set kubelet's cgroupDriver to cgroupfs, or cgroup_driver here to systemd");
                }
            }
            case SYSTEMD -> {
                if (Slice.parse(parent).isEmpty()) {
                    throw invalid(
                            "config.linux.cgroup_parent",
                            shown(parent) + " is no slice of systemd, which is the driver here",
                            "give a slice such as /kubepods.slice/kubepods-burstable.slice, or set cgroup_driver here"
                                    + " and kubelet's cgroupDriver to cgroupfs");
                }
            }
        }
    }
}
