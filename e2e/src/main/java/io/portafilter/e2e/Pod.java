package io.portafilter.e2e;

import io.portafilter.cri.v1.NamespaceOption;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.PodSandboxStatus;
import io.portafilter.cri.v1.PodSandboxStatusRequest;
import io.portafilter.cri.v1.PodSandboxStatusResponse;
import io.portafilter.cri.v1.RemovePodSandboxRequest;
import io.portafilter.cri.v1.StopPodSandboxRequest;

/** A pod sandbox on a server. It stays when the test forgets it; the server's fixture removes it. */
public record Pod(CriServer server, String id, PodSandboxConfig config) {
    public ContainerFixture container(String image) {
        return new ContainerFixture(this, image);
    }

    public PodSandboxStatus status() {
        return verbose().getStatus();
    }

    public PodSandboxStatusResponse verbose() {
        return server.cri()
                .runtime()
                .podSandboxStatus(PodSandboxStatusRequest.newBuilder()
                        .setPodSandboxId(id)
                        .setVerbose(true)
                        .build());
    }

    /** The pause process on the host, as verbose status tells it. */
    public Proc pause() {
        return new Proc(Container.pidIn(verbose().getInfoMap()));
    }

    public NamespaceOption namespaces() {
        return config.getLinux().getSecurityContext().getNamespaceOptions();
    }

    public void stop() {
        var _ = server.cri()
                .runtime()
                .stopPodSandbox(
                        StopPodSandboxRequest.newBuilder().setPodSandboxId(id).build());
    }

    public void remove() {
        var _ = server.cri()
                .runtime()
                .removePodSandbox(
                        RemovePodSandboxRequest.newBuilder().setPodSandboxId(id).build());
    }
}
