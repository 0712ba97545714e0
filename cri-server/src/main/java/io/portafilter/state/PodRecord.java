package io.portafilter.state;

import io.portafilter.container.LaunchedPod;
import java.util.List;
import java.util.Optional;

/**
 * What is kept of a pod sandbox.
 *
 * @param id 64 lower-case hexadecimal digits
 * @param request the serialised RunPodSandboxRequest
 * @param createdAtNanos nanoseconds since the epoch
 * @param launched its processes; absent before the sandbox was launched and after its end
 * @param bootId the boot that the process references belong to (/proc/sys/kernel/random/boot_id)
 * @param runtimeHandler as requested; empty for the default
 * @param updated the serialised LinuxPodSandboxConfig with the overhead and resources that it has now, when these were
 *     changed since it was created
 * @param addresses of the pod's network, the primary one first; empty in the host's network and without one
 * @param selinuxLevel the SELinux level that its containers have unless they ask for another; empty without SELinux
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
        Optional<LaunchedPod> launched,
        String bootId,
        String runtimeHandler,
        Optional<Bytes> updated,
        String selinuxLevel,
        List<String> addresses) {

    public PodRecord {
        addresses = List.copyOf(addresses);
    }

    /** The same pod sandbox with other resources. */
    public PodRecord updated(Bytes resources) {
        return new PodRecord(
                id,
                name,
                namespace,
                uid,
                attempt,
                request,
                createdAtNanos,
                state,
                launched,
                bootId,
                runtimeHandler,
                Optional.of(resources),
                selinuxLevel,
                addresses);
    }

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
                bootId,
                runtimeHandler,
                updated,
                selinuxLevel,
                addresses);
    }
}
