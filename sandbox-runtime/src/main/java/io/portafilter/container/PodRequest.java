package io.portafilter.container;

import io.portafilter.cgroup.CgroupLimits;
import io.portafilter.security.IdMappings;
import io.portafilter.security.SelinuxOptions;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/**
 * A pod sandbox to make.
 *
 * @param id 64 hexadecimal digits
 * @param hostname the name in the pod's UTS namespace; empty with {@code hostNetwork}
 * @param hostNetwork the pod uses the host's network and UTS namespaces
 * @param hostIpc the pod uses the host's IPC namespace
 * @param hostPid the pod uses the host's PID namespace
 * @param ids the pod's user namespace, absent in the host's
 * @param sysctls name with dots to value, already checked against the namespaces that the pod owns
 * @param sharedMemoryBytes size of the pod's /dev/shm
 * @param cgroupPath the pause process's cgroup, below the root of each hierarchy
 * @param limits what that cgroup may use
 * @param oomScoreAdj of the pause process
 * @param directory the pod's directory below the state root; it exists
 * @param selinux what the labels of its containers have in common
 */
public record PodRequest(
        String id,
        String hostname,
        boolean hostNetwork,
        boolean hostIpc,
        boolean hostPid,
        Optional<IdMappings> ids,
        Map<String, String> sysctls,
        long sharedMemoryBytes,
        String cgroupPath,
        CgroupLimits limits,
        int oomScoreAdj,
        Path directory,
        SelinuxOptions selinux) {

    public PodRequest {
        sysctls = Map.copyOf(sysctls);
    }
}
