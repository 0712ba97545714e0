package io.portafilter.cri;

import io.portafilter.cdi.Injection;
import io.portafilter.cgroup.CgroupLimits;
import io.portafilter.container.ContainerRequest;
import io.portafilter.container.MountRequest;
import io.portafilter.container.PidMode;
import io.portafilter.container.StandardStreams;
import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.CreateContainerRequest;
import io.portafilter.cri.v1.LinuxContainerResources;
import io.portafilter.image.ImageConfig;
import io.portafilter.security.SecurityRequest;
import io.portafilter.streaming.LogFile;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What a CreateContainerRequest asks for, checked and merged with the image's configuration. Derived anew from the
 * stored request and image configuration after a restart.
 *
 * @param podId the pod sandbox's full id
 * @param log absent for a container without a log
 * @param stopSignal the kernel's number
 * @param mounts the request's volumes, what the runtime puts there unless one of them covers it, and what the image
 *     declares elsewhere
 * @param devices the host's, that it asks for by name
 * @param cdi what devices of the Container Device Interface change of it; done already but for their nodes
 * @param cgroupParent of this container: absolute path, or empty for the server's default
 */
record ContainerSpec(
        Identity.Container identity,
        String podId,
        ContainerConfig config,
        List<String> arguments,
        List<String> environment,
        String workingDirectory,
        Optional<LogFile> log,
        int stopSignal,
        PidMode pidMode,
        SecurityRequest security,
        List<MountRequest> mounts,
        List<DeviceRequest> devices,
        Injection cdi,
        CgroupLimits limits,
        int oomScoreAdj,
        String cgroupParent,
        PodSpec pod) {

    ContainerSpec {
        arguments = List.copyOf(arguments);
        environment = List.copyOf(environment);
        mounts = List.copyOf(mounts);
        devices = List.copyOf(devices);
    }

    /**
     * Checks the whole request; throws before anything was done.
     *
     * @param podId the pod sandbox's full id
     * @param pod what was asked for it
     * @param image the configuration of the image
     * @param files where the runtime's own files for this pod lie
     * @param sources reads what the request names of the node
     * @param images finds the images that are asked for as volumes
     */
    static ContainerSpec of(
            CreateContainerRequest request,
            String podId,
            PodSpec pod,
            ImageConfig image,
            PodFiles files,
            ContainerSources sources,
            VolumeImages images) {
        return ContainerRequests.check(request, podId, pod, image, files, sources, images);
    }

    /** The same container with these resources; throws when they cannot be. The score of the OOM killer stays. */
    ContainerSpec withResources(LinuxContainerResources resources) {
        ContainerConfig.Builder updated = config.toBuilder();
        updated.getLinuxBuilder().setResources(resources);
        return new ContainerSpec(
                identity,
                podId,
                updated.build(),
                arguments,
                environment,
                workingDirectory,
                log,
                stopSignal,
                pidMode,
                security,
                mounts,
                devices,
                cdi,
                ResourceRequests.limits("linux", resources, security.privileged()),
                oomScoreAdj,
                cgroupParent,
                pod);
    }

    /** What its program reads and writes. */
    StandardStreams streams() {
        return new StandardStreams(config.getTty(), config.getStdin(), config.getStdinOnce());
    }

    /** Where the parts of one container lie. */
    record Place(Path writableDirectory, Path stateDirectory, String cgroupPath) {}

    /** The request for the launch, with what the host has of the devices. */
    ContainerRequest launch(String id, Place place, List<Path> layersTopFirst, HostDevices found) {
        return new ContainerRequest(
                id,
                podId,
                identity.name(),
                arguments,
                environment,
                workingDirectory,
                pidMode,
                pod.hostNetwork(),
                pod.hostIpc(),
                security,
                streams(),
                mounts,
                found.nodes(),
                layersTopFirst,
                place.writableDirectory(),
                place.stateDirectory(),
                place.cgroupPath(),
                limits.allowing(found.rules()),
                oomScoreAdj);
    }
}
