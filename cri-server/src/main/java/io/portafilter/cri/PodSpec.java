package io.portafilter.cri;

import io.portafilter.cgroup.CgroupLimits;
import io.portafilter.container.PodRequest;
import io.portafilter.cri.v1.DNSConfig;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.RunPodSandboxRequest;
import io.portafilter.security.IdMappings;
import io.portafilter.security.SelinuxOptions;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;

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
 * @param selinux what its containers have that do not say otherwise
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
        boolean privileged,
        SelinuxOptions selinux) {

    /** As every runtime has it. */
    private static final long SHARED_MEMORY_BYTES = 64L << 20;

    private static final int PAUSE_OOM_SCORE_ADJ = -998;
    private static final long PAUSE_CPU_SHARES = 2;
    private static final CgroupLimits PAUSE_LIMITS = new CgroupLimits(
            OptionalLong.of(PAUSE_CPU_SHARES),
            OptionalLong.empty(),
            OptionalLong.empty(),
            OptionalLong.empty(),
            OptionalLong.empty(),
            OptionalLong.empty(),
            "",
            "",
            Map.of(),
            Map.of(),
            List.of());

    PodSpec {
        sysctls = Map.copyOf(sysctls);
    }

    /** Checks the whole request; throws before anything was done. */
    static PodSpec of(RunPodSandboxRequest request) {
        return PodRequests.check(request);
    }

    /** The same pod, whose containers have these categories. */
    PodSpec withSelinuxLevel(Optional<String> level) {
        return new PodSpec(
                identity,
                config,
                hostname,
                logDirectory,
                dns,
                cgroupParent,
                hostNetwork,
                hostIpc,
                hostPid,
                ids,
                sysctls,
                privileged,
                new SelinuxOptions(
                        selinux.user(),
                        selinux.role(),
                        selinux.type(),
                        selinux.level().or(() -> level)));
    }

    /** The request for the launch of the sandbox itself. */
    PodRequest launch(String id, PodFiles files, String cgroupPath, Path stateDirectory) {
        return new PodRequest(
                id,
                hostNetwork ? "" : files.hostname(this),
                hostNetwork,
                hostIpc,
                hostPid,
                ids,
                sysctls,
                SHARED_MEMORY_BYTES,
                cgroupPath,
                PAUSE_LIMITS,
                PAUSE_OOM_SCORE_ADJ,
                stateDirectory,
                selinux);
    }
}
