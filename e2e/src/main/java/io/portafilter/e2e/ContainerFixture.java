package io.portafilter.e2e;

import com.google.protobuf.ByteString;
import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.ContainerMetadata;
import io.portafilter.cri.v1.CreateContainerRequest;
import io.portafilter.cri.v1.Int64Value;
import io.portafilter.cri.v1.KeyValue;
import io.portafilter.cri.v1.LinuxContainerResources;
import io.portafilter.cri.v1.LinuxContainerSecurityContext;
import io.portafilter.cri.v1.Mount;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.SecurityProfile;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;

/** A container that kubelet could ask for in a pod. A test says only what differs. */
public final class ContainerFixture {
    private static final AtomicInteger NUMBER = new AtomicInteger();

    private static final List<String> MASKED = List.of(
            "/proc/acpi",
            "/proc/asound",
            "/proc/interrupts",
            "/proc/kcore",
            "/proc/keys",
            "/proc/latency_stats",
            "/proc/timer_list",
            "/proc/timer_stats",
            "/proc/sched_debug",
            "/proc/scsi",
            "/sys/firmware",
            "/sys/devices/virtual/powercap");

    private static final List<String> READ_ONLY =
            List.of("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger");

    private final Pod pod;
    private final ContainerConfig.Builder config = ContainerConfig.newBuilder();
    private final LinuxContainerSecurityContext.Builder security = LinuxContainerSecurityContext.newBuilder();
    private final LinuxContainerResources.Builder resources = LinuxContainerResources.newBuilder();

    ContainerFixture(Pod pod, String image) {
        this.pod = pod;
        String name = "c" + NUMBER.incrementAndGet();
        config.setMetadata(ContainerMetadata.newBuilder().setName(name))
                .setImage(Cri.image(image))
                .setLogPath(name + "_0.log");
        security.setNamespaceOptions(pod.namespaces());
    }

    public ContainerFixture command(String... argv) {
        config.clearCommand().addAllCommand(List.of(argv));
        return this;
    }

    public ContainerFixture args(String... argv) {
        config.clearArgs().addAllArgs(List.of(argv));
        return this;
    }

    /** {@code /bin/sh -c SCRIPT}. */
    public ContainerFixture shell(String script) {
        return command("/bin/sh", "-c", script);
    }

    /** A program that does nothing until it is killed, and dies of SIGTERM. */
    public ContainerFixture idle() {
        return shell("trap 'exit 143' TERM; while true; do sleep 1000 & wait $!; done");
    }

    public ContainerFixture workingDirectory(String directory) {
        config.setWorkingDir(directory);
        return this;
    }

    public ContainerFixture env(String key, String value) {
        config.addEnvs(KeyValue.newBuilder().setKey(key).setValue(ByteString.copyFromUtf8(value)));
        return this;
    }

    public ContainerFixture mount(Path host, String container) {
        config.addMounts(Mount.newBuilder().setHostPath(host.toString()).setContainerPath(container));
        return this;
    }

    public ContainerFixture readOnlyMount(Path host, String container) {
        config.addMounts(Mount.newBuilder()
                .setHostPath(host.toString())
                .setContainerPath(container)
                .setReadonly(true));
        return this;
    }

    public ContainerFixture runAsUser(long uid) {
        security.setRunAsUser(Int64Value.newBuilder().setValue(uid));
        return this;
    }

    public ContainerFixture runAsGroup(long gid) {
        security.setRunAsGroup(Int64Value.newBuilder().setValue(gid));
        return this;
    }

    public ContainerFixture runAsUsername(String name) {
        security.setRunAsUsername(name);
        return this;
    }

    public ContainerFixture noNewPrivs() {
        security.setNoNewPrivs(true);
        return this;
    }

    public ContainerFixture privileged() {
        security.setPrivileged(true);
        return this;
    }

    public ContainerFixture add(String... capabilities) {
        security.getCapabilitiesBuilder().addAllAddCapabilities(List.of(capabilities));
        return this;
    }

    public ContainerFixture drop(String... capabilities) {
        security.getCapabilitiesBuilder().addAllDropCapabilities(List.of(capabilities));
        return this;
    }

    public ContainerFixture seccomp(SecurityProfile.ProfileType type) {
        security.setSeccomp(SecurityProfile.newBuilder().setProfileType(type));
        return this;
    }

    /** {@code SecurityProfile.Localhost}: a profile in OCI form in a file of the host. */
    public ContainerFixture seccomp(Path profile) {
        security.setSeccomp(SecurityProfile.newBuilder()
                .setProfileType(SecurityProfile.ProfileType.Localhost)
                .setLocalhostRef(profile.toString()));
        return this;
    }

    public ContainerFixture pid(NamespaceMode mode) {
        security.getNamespaceOptionsBuilder().setPid(mode);
        return this;
    }

    public ContainerFixture memoryLimit(long bytes) {
        resources.setMemoryLimitInBytes(bytes).setMemorySwapLimitInBytes(bytes);
        return this;
    }

    public ContainerFixture configure(Consumer<ContainerConfig.Builder> more) {
        more.accept(config);
        return this;
    }

    public ContainerFixture security(Consumer<LinuxContainerSecurityContext.Builder> more) {
        more.accept(security);
        return this;
    }

    /** What kubelet masks and makes read-only, unless it is told otherwise ({@code procMount: Default}). */
    public ContainerFixture masked() {
        return security(s -> s.addAllMaskedPaths(MASKED).addAllReadonlyPaths(READ_ONLY));
    }

    public ContainerFixture resources(Consumer<LinuxContainerResources.Builder> more) {
        more.accept(resources);
        return this;
    }

    public CreateContainerRequest request() {
        ContainerConfig.Builder built = config.clone();
        built.getLinuxBuilder().setSecurityContext(security).setResources(resources);
        return CreateContainerRequest.newBuilder()
                .setPodSandboxId(pod.id())
                .setConfig(built)
                .setSandboxConfig(pod.config())
                .build();
    }

    /** CreateContainer. */
    public Container create() {
        CreateContainerRequest request = request();
        String id = pod.server().cri().runtime().createContainer(request).getContainerId();
        Path log = request.getConfig().getLogPath().isEmpty()
                ? Path.of("/nonexistent")
                : Path.of(pod.config().getLogDirectory(), request.getConfig().getLogPath());
        return new Container(pod.server(), id, log);
    }

    /** CreateContainer and StartContainer. */
    public Container start() {
        Container container = create();
        container.start();
        return container;
    }

    /** Runs the container to its end and answers it, exited. */
    public Container runToEnd() {
        Container container = start();
        var _ = container.awaitExit();
        return container;
    }
}
