package io.portafilter.cri;

import io.portafilter.config.Config;
import io.portafilter.container.ContainerRequest;
import io.portafilter.container.PodRequest;
import io.portafilter.cri.v1.CreateContainerRequest;
import io.portafilter.cri.v1.RunPodSandboxRequest;
import io.portafilter.image.ImageConfig;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/**
 * What RunPodSandbox and CreateContainer would launch, by the same checks and defaults, without doing it: for {@code
 * explain}. Ids, which a server makes up, are the words POD and CONTAINER.
 *
 * @param config of the server
 * @param nodeName what a pod in the host's network sees as its host's name
 */
public record LaunchPreview(Config config, String nodeName) {
    private static final String POD = "POD";
    private static final String CONTAINER = "CONTAINER";

    /** The pod sandbox; refuses as the server does. */
    public PodRequest pod(RunPodSandboxRequest request) {
        PodSpec spec = PodSpec.of(request);
        places().requireFits(spec.cgroupParent());
        return spec.launch(POD, files(), places().cgroup(spec.cgroupParent(), POD, POD), places().podState(POD));
    }

    /**
     * A container of it.
     *
     * @param imageConfig the OCI configuration of its image, JSON
     */
    public ContainerRequest container(RunPodSandboxRequest pod, CreateContainerRequest request, String imageConfig) {
        PodSpec podSpec = PodSpec.of(pod);
        ContainerSpec spec = ContainerSpec.of(
                request,
                POD,
                podSpec,
                ImageConfig.parse(imageConfig.getBytes(StandardCharsets.UTF_8)),
                files(),
                ContainerSources.Of.container(config, places(), CONTAINER).fromNode(),
                (_, _, image) -> List.of(Path.of("/layers-of-" + image.replace('/', '_'))));
        return spec.launch(
                CONTAINER,
                new ContainerSpec.Place(
                        places().containerFiles(CONTAINER),
                        places().containerState(CONTAINER),
                        places().cgroup(spec.cgroupParent(), POD, CONTAINER)),
                List.of(Path.of("/layers-of-the-image")),
                HostDevices.NONE);
    }

    private Places places() {
        return new Places(config.root(), config.state(), config.cgroupDriver(), config.cgroupParent());
    }

    private PodFiles files() {
        return new PodFiles(places().podFiles(POD), nodeName);
    }
}
