package io.portafilter.container;

import java.nio.file.Path;

/**
 * What kubelet is told that this host can do, as it was tried.
 *
 * @param idMappedLayers whether layers of images can be mapped to a pod's user namespace (KEP-127)
 * @param recursiveReadOnly whether a mount can be read-only with all that is mounted in it (KEP-3857)
 */
public record HostFeatures(Outcome idMappedLayers, Outcome recursiveReadOnly) {

    /**
     * Tries both, with files and mounts that are gone afterwards.
     *
     * @param root where layers and writable directories are
     * @param state where the server keeps what ends with a reboot
     * @param firstHostId the first of 65536 host ids for a user namespace
     */
    public static HostFeatures tried(Path root, Path state, long firstHostId) {
        return KernelProbes.features(root, state, firstHostId);
    }

    /** Whether pods can have a user namespace of their own. */
    public boolean hasUserNamespaces() {
        return idMappedLayers instanceof Outcome.Works;
    }

    /** Whether {@code recursive_read_only} can be kept. */
    public boolean hasRecursiveReadOnly() {
        return recursiveReadOnly instanceof Outcome.Works;
    }
}
