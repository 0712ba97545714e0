package io.portafilter.cri;

import io.portafilter.cdi.Injection;
import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.ContainerMetadata;
import io.portafilter.cri.v1.CreateContainerRequest;
import io.portafilter.cri.v1.ImageSpec;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.PodSandboxMetadata;
import io.portafilter.cri.v1.RunPodSandboxRequest;
import io.portafilter.image.ImageConfig;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;

/** Requests that are right, but for what a test changes. */
final class RequestFixture {

    static final String POD_ID = "0123456789abcdef".repeat(4);

    private RequestFixture() {}

    static RunPodSandboxRequest pod(Consumer<PodSandboxConfig.Builder> change) {
        PodSandboxConfig.Builder config = PodSandboxConfig.newBuilder()
                .setMetadata(PodSandboxMetadata.newBuilder()
                        .setName("web")
                        .setNamespace("default")
                        .setUid("uid-1")
                        .setAttempt(2))
                .setHostname("web-0")
                .setLogDirectory("/var/log/pods/web");
        change.accept(config);
        return RunPodSandboxRequest.newBuilder().setConfig(config).build();
    }

    static PodSpec podSpec(Consumer<PodSandboxConfig.Builder> change) {
        return PodSpec.of(pod(change));
    }

    static CreateContainerRequest container(Consumer<ContainerConfig.Builder> change) {
        ContainerConfig.Builder config = ContainerConfig.newBuilder()
                .setMetadata(ContainerMetadata.newBuilder().setName("app"))
                .setImage(ImageSpec.newBuilder().setImage("localhost/app"));
        change.accept(config);
        return CreateContainerRequest.newBuilder()
                .setPodSandboxId(POD_ID)
                .setConfig(config)
                .build();
    }

    static ImageConfig image(String config) {
        return ImageConfig.parse(("{\"config\":{" + config + "},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}")
                .replace('\'', '"')
                .getBytes(StandardCharsets.UTF_8));
    }

    static ContainerSpec spec(Consumer<ContainerConfig.Builder> change, PodSpec pod, String image) {
        return ContainerSpec.of(
                container(change),
                POD_ID,
                pod,
                image(image),
                new PodFiles(Path.of("/pods/1"), "node-1"),
                sources(_ -> Injection.NONE),
                (_, path, name) -> List.of(Path.of("/layers/" + name + path)));
    }

    static ContainerSources sources(CdiDevices.Source devices) {
        return new ContainerSources((_, path) -> "profile " + path, devices, false);
    }

    static ContainerSpec spec(Consumer<ContainerConfig.Builder> change) {
        return spec(change, podSpec(_ -> {}), "'Cmd':['/app']");
    }
}
