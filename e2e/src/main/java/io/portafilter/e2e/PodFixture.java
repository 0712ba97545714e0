package io.portafilter.e2e;

import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.LinuxPodSandboxConfig;
import io.portafilter.cri.v1.LinuxSandboxSecurityContext;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.NamespaceOption;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.PodSandboxMetadata;
import io.portafilter.cri.v1.RunPodSandboxRequest;
import io.portafilter.cri.v1.UserNamespace;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/**
 * A pod sandbox that kubelet could ask for: unique name, a log directory, container PID namespaces, network and IPC of
 * its own. A test says only what differs.
 */
public final class PodFixture {
    private static final AtomicInteger NUMBER = new AtomicInteger();

    private final CriServer server;
    private final PodSandboxConfig.Builder config = PodSandboxConfig.newBuilder();
    private final LinuxSandboxSecurityContext.Builder security = LinuxSandboxSecurityContext.newBuilder();
    private final NamespaceOption.Builder namespaces =
            NamespaceOption.newBuilder().setPid(NamespaceMode.CONTAINER);

    private PodFixture(CriServer server) {
        this.server = server;
        String name = "pod-" + NUMBER.incrementAndGet();
        Path logs = server.base().resolve("logs").resolve(name);
        config.setMetadata(PodSandboxMetadata.newBuilder()
                        .setName(name)
                        .setNamespace("e2e")
                        .setUid(UUID.randomUUID().toString())
                        .setAttempt(0))
                .setHostname(name)
                .setLogDirectory(logs.toString());
    }

    public static PodFixture pod(CriServer server) {
        PodFixture fixture = new PodFixture(server);
        return switch (server) {
            case PortafilterServer _, UnitServer _ -> fixture;
            case Containerd containerd -> fixture.keptApart(containerd);
        };
    }

    /** It makes no log directory, as that is kubelet's, and has one parent for the cgroups of all. */
    private PodFixture keptApart(Containerd containerd) {
        config.getLinuxBuilder().setCgroupParent(containerd.cgroupParent());
        try {
            Files.createDirectories(Path.of(config.getLogDirectory()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return this;
    }

    public PodFixture name(String name) {
        config.getMetadataBuilder().setName(name);
        return this;
    }

    public PodFixture hostNetwork() {
        namespaces.setNetwork(NamespaceMode.NODE);
        return this;
    }

    public PodFixture hostIpc() {
        namespaces.setIpc(NamespaceMode.NODE);
        return this;
    }

    /** What the containers have unless they say otherwise. */
    public PodFixture pid(NamespaceMode mode) {
        namespaces.setPid(mode);
        return this;
    }

    public PodFixture privileged() {
        security.setPrivileged(true);
        return this;
    }

    /** A user namespace in which 0 to 65535 are {@code firstHostId} and the following. */
    public PodFixture userNamespace(int firstHostId) {
        IDMapping all = IDMapping.newBuilder()
                .setContainerId(0)
                .setHostId(firstHostId)
                .setLength(65536)
                .build();
        namespaces.setUsernsOptions(UserNamespace.newBuilder()
                .setMode(NamespaceMode.POD)
                .addUids(all)
                .addGids(all));
        return this;
    }

    public PodFixture configure(Consumer<PodSandboxConfig.Builder> more) {
        more.accept(config);
        return this;
    }

    public PodFixture security(Consumer<LinuxSandboxSecurityContext.Builder> more) {
        more.accept(security);
        return this;
    }

    public PodFixture namespaces(Consumer<NamespaceOption.Builder> more) {
        more.accept(namespaces);
        return this;
    }

    public PodSandboxConfig build() {
        LinuxPodSandboxConfig.Builder linux = config.getLinuxBuilder();
        linux.setSecurityContext(security.clone().setNamespaceOptions(namespaces));
        return config.build();
    }

    /** RunPodSandbox. */
    public Pod run() {
        PodSandboxConfig built = build();
        String id = server.cri()
                .runtime()
                .runPodSandbox(
                        RunPodSandboxRequest.newBuilder().setConfig(built).build())
                .getPodSandboxId();
        return new Pod(server, id, built);
    }
}
