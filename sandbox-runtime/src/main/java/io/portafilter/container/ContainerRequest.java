package io.portafilter.container;

import io.portafilter.cgroup.CgroupLimits;
import io.portafilter.security.SecurityRequest;
import java.nio.file.Path;
import java.util.List;

/**
 * A container to make, with every default filled in.
 *
 * @param id 64 hexadecimal digits
 * @param podId of its pod sandbox
 * @param name for people: what {@code ps} shows of its monitor
 * @param arguments the program and its arguments, not empty
 * @param environment {@code NAME=VALUE}
 * @param workingDirectory absolute
 * @param pidMode whose PID namespace it lives in
 * @param hostNetwork its pod uses the host's network
 * @param hostIpc its pod uses the host's IPC namespace
 * @param security its security context
 * @param streams what its program reads and writes
 * @param mounts its volumes, in the order in which they were asked for
 * @param devices device nodes beyond the default ones
 * @param lowerLayersTopFirst the image's unpacked layers
 * @param writableDirectory where upper and work directory of its root are made
 * @param stateDirectory its directory below the state root; it exists
 * @param cgroupPath its cgroup, below the root of each hierarchy
 * @param limits what that cgroup may use
 * @param oomScoreAdj of its processes
 */
public record ContainerRequest(
        String id,
        String podId,
        String name,
        List<String> arguments,
        List<String> environment,
        String workingDirectory,
        PidMode pidMode,
        boolean hostNetwork,
        boolean hostIpc,
        SecurityRequest security,
        StandardStreams streams,
        List<MountRequest> mounts,
        List<ContainerDevice> devices,
        List<Path> lowerLayersTopFirst,
        Path writableDirectory,
        Path stateDirectory,
        String cgroupPath,
        CgroupLimits limits,
        int oomScoreAdj) {

    public ContainerRequest {
        arguments = List.copyOf(arguments);
        environment = List.copyOf(environment);
        mounts = List.copyOf(mounts);
        devices = List.copyOf(devices);
        lowerLayersTopFirst = List.copyOf(lowerLayersTopFirst);
    }

    /** The same container with other volumes. */
    ContainerRequest with(List<MountRequest> otherMounts) {
        return new ContainerRequest(
                id,
                podId,
                name,
                arguments,
                environment,
                workingDirectory,
                pidMode,
                hostNetwork,
                hostIpc,
                security,
                streams,
                otherMounts,
                devices,
                lowerLayersTopFirst,
                writableDirectory,
                stateDirectory,
                cgroupPath,
                limits,
                oomScoreAdj);
    }
}
