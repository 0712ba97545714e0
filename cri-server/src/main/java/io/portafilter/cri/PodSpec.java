package io.portafilter.cri;

import io.portafilter.cri.v1.DNSConfig;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.RunPodSandboxRequest;
import io.portafilter.security.IdMappings;
import java.util.Map;
import java.util.Optional;

/**
 * What a RunPodSandboxRequest asks for, checked. Derived anew from the stored request after a restart.
 *
 * @param hostname what the pod's UTS namespace is called; empty for the host's name
 * @param logDirectory absolute, or empty for containers without logs
 * @param dns absent: a copy of the host's resolv.conf
 * @param cgroupParent absolute path below each hierarchy's root, or empty for the server's default
 * @param hostPid the containers with pid mode POD share the node's PID namespace
 * @param ids the pod's user namespace, absent in the host's
 * @param privileged the pod permits privileged containers
 */
record PodSpec(
        Identity.Pod identity,
        PodSandboxConfig config,
        String hostname,
        String logDirectory,
        Optional<DNSConfig> dns,
        String cgroupParent,
        boolean hostNetwork,
        boolean hostIpc,
        boolean hostPid,
        Optional<IdMappings> ids,
        Map<String, String> sysctls,
        boolean privileged) {

    PodSpec {
        sysctls = Map.copyOf(sysctls);
    }

    /** Checks the whole request; throws before anything was done. */
    static PodSpec of(RunPodSandboxRequest request) {
        return PodRequests.check(request);
    }
}
