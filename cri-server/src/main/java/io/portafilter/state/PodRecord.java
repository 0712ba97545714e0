package io.portafilter.state;

import io.portafilter.linux.ProcessRef;
import java.util.Optional;

/**
 * What is kept of a pod sandbox.
 *
 * @param id 64 lower-case hexadecimal digits
 * @param request the serialised RunPodSandboxRequest
 * @param createdAtNanos nanoseconds since the epoch
 * @param monitor the process that waits for {@code pause}; both are absent until the sandbox was launched
 * @param pause the first process of the sandbox, which holds its namespaces
 * @param bootId the boot that the process references belong to (/proc/sys/kernel/random/boot_id)
 * @param runtimeHandler as requested; empty for the default
 */
public record PodRecord(
        String id,
        String name,
        String namespace,
        String uid,
        int attempt,
        Bytes request,
        long createdAtNanos,
        PodState state,
        Optional<ProcessRef> monitor,
        Optional<ProcessRef> pause,
        String bootId,
        String runtimeHandler) {

    /** The same pod sandbox, stopped for ever. */
    public PodRecord notReady() {
        return new PodRecord(
                id,
                name,
                namespace,
                uid,
                attempt,
                request,
                createdAtNanos,
                PodState.NOTREADY,
                Optional.empty(),
                Optional.empty(),
                bootId,
                runtimeHandler);
    }
}
