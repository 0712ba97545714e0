package io.portafilter.cri;

import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.HexFormat;

/**
 * Where what belongs to pods and containers lies.
 *
 * @param root outlives a reboot
 * @param state does not
 * @param cgroupParent where pods go that name no cgroup parent
 */
record Places(Path root, Path state, String cgroupParent) {

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

    /** The cgroup of a pod that names none: one of our own, which we remove. */
    String ownPodCgroup(String podId) {
        return cgroupParent + "/pod" + podId;
    }

    /** The cgroup of a pod's own process or of a container, below the parent that was asked for. */
    String cgroup(String askedParent, String podId, String id) {
        return (askedParent.isEmpty() ? ownPodCgroup(podId) : askedParent) + "/" + id;
    }
}
