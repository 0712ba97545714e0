package io.portafilter.container;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.cgroup.Cgroup;
import io.portafilter.cgroup.CgroupLimits;
import io.portafilter.cgroup.DeviceRule;
import io.portafilter.linux.Kernel;
import io.portafilter.security.CapabilityRequest;
import io.portafilter.security.IdMapping;
import io.portafilter.security.IdMappings;
import io.portafilter.security.LabelRequest;
import io.portafilter.security.SeccompRequest;
import io.portafilter.security.SecurityRequest;
import io.portafilter.security.SelinuxOptions;
import io.portafilter.security.UserRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.UUID;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** A pod sandbox and containers of busybox, without a server; everything is gone when it is closed. */
@SuppressWarnings("MustBeClosedChecker") // closed with the sandbox
final class LiveSandbox implements AutoCloseable {

    private static final Path BUSYBOX = Path.of("/bin/busybox");
    static final Duration LIMIT = Duration.ofSeconds(10);
    static final StandardStreams TERMINAL = new StandardStreams(true, true, false);
    static final StandardStreams INPUT_ONCE = new StandardStreams(false, true, true);
    static final IdMappings MAPPED =
            new IdMappings(List.of(new IdMapping(0, 200000, 65536)), List.of(new IdMapping(0, 300000, 65536)));

    final Path directory;
    final Host host;
    private final String group =
            "/portafilter-test-" + UUID.randomUUID().toString().substring(0, 8);
    private final List<Running> containers = new ArrayList<>();
    private @Nullable LaunchedPod pod;
    private @Nullable Monitor podMonitor;
    private Optional<IdMappings> ids = Optional.empty();
    private int count;

    private LiveSandbox(Path directory, Host host) {
        this.directory = directory;
        this.host = host;
    }

    static LiveSandbox open() throws IOException {
        assumeTrue(Kernel.geteuid() == 0, "needs root");
        assumeTrue(Files.isExecutable(BUSYBOX), "needs busybox-static");
        return make();
    }

    /** The same without asking whether it can be. */
    static LiveSandbox make() throws IOException {
        Path directory = Files.createTempDirectory("portafilter-live");
        Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwx------"));
        Path bin = Files.createDirectories(directory.resolve("layer/bin"));
        Files.createDirectories(directory.resolve("layer/etc"));
        Files.createDirectories(directory.resolve("layer/tmp"));
        Files.setPosixFilePermissions(directory.resolve("layer/tmp"), PosixFilePermissions.fromString("rwxrwxrwx"));
        Files.copy(BUSYBOX, bin.resolve("busybox"), StandardCopyOption.COPY_ATTRIBUTES);
        for (String applet : List.of(
                "sh",
                "sleep",
                "true",
                "cat",
                "echo",
                "ls",
                "id",
                "mount",
                "touch",
                "ps",
                "grep",
                "kill",
                "unshare",
                "tty",
                "stty",
                "stat",
                "wc",
                "umount",
                "mkdir",
                "ln",
                "rm",
                "head",
                "tr",
                "chmod",
                "readlink",
                "seq",
                "setsid",
                "dd",
                "od")) {
            Files.createSymbolicLink(bin.resolve(applet), Path.of("busybox"));
        }
        Files.writeString(directory.resolve("layer/etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
        return new LiveSandbox(directory, Host.open(directory));
    }

    void pod(boolean mapped) throws IOException {
        ids = mapped ? Optional.of(MAPPED) : Optional.empty();
        try (PodLaunch launch = PodLaunch.prepare(host, podRequest("pod"))) {
            pod = launch.launched();
            podMonitor = launch.execute();
        }
    }

    PodRequest podRequest(String name) throws IOException {
        return new PodRequest(
                name,
                "web",
                false,
                false,
                false,
                ids,
                Map.of(),
                1 << 20,
                group + "/" + name,
                CgroupLimits.devicesOnly(List.of()),
                0,
                Files.createDirectories(directory.resolve(name)),
                SelinuxOptions.NONE);
    }

    /** One more pod, on a host that may change its program; the caller ends it and removes its cgroup. */
    Monitor otherPod(Host changed, boolean mapped) {
        ids = mapped ? Optional.of(MAPPED) : Optional.empty();
        try (PodLaunch launch = PodLaunch.prepare(changed, podRequest("other"))) {
            return launch.execute();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void removeOtherPod() {
        Cgroup.at(host.cgroups(), group + "/other").remove(LIMIT);
    }

    /** A container on a host that may change its program; the caller closes it. */
    Running containerOn(Host changed, PidMode pids, String... arguments) {
        try {
            return start(changed, request(pids, securityRequest(), arguments));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** As the other, with streams that are asked for. */
    Running containerOn(Host changed, StandardStreams streams, PidMode pids, String... arguments) {
        try {
            return start(changed, with(request(pids, securityRequest(), arguments), streams));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A container on a host that may change its program; the caller closes it. */
    Running start(Host changed, ContainerRequest request) {
        try (ContainerLaunch launch = ContainerLaunch.prepare(changed, request, pod())) {
            launch.check();
            LaunchedContainer launched = launch.execute();
            return new Running(host, launch.plan(), request, launched, launch.release());
        }
    }

    /** A container in the PID namespace of another one, on a host that may lack features; the caller closes it. */
    Running beside(Host changed, Running target, String... arguments) throws IOException {
        ContainerRequest request = request(PidMode.TARGET, securityRequest(), arguments);
        ContainerLaunch.Neighbours neighbours = new ContainerLaunch.Neighbours(pod(), Optional.of(target.launched()));
        try (ContainerLaunch launch = ContainerLaunch.prepare(changed, request, neighbours)) {
            launch.check();
            LaunchedContainer launched = launch.execute();
            return new Running(changed, launch.plan(), request, launched, launch.release());
        }
    }

    /** Starts a container, to be closed with the sandbox. */
    Running start(ContainerRequest request) {
        Running running = start(host, request);
        containers.add(running);
        return running;
    }

    String group() {
        return group;
    }

    Running container(PidMode pids, String... arguments) throws IOException {
        return container(pids, request -> request, arguments);
    }

    Running container(PidMode pids, UnaryOperator<SecurityRequest> security, String... arguments) throws IOException {
        return start(request(pids, security.apply(securityRequest()), arguments));
    }

    ContainerRequest request(PidMode pids, SecurityRequest security, String... arguments) throws IOException {
        int number = count++;
        Path state = Files.createDirectory(directory.resolve("state" + number));
        Path writable = Files.createDirectory(directory.resolve("writable" + number));
        return new ContainerRequest(
                "c" + number,
                "pod",
                "c" + number,
                List.of(arguments),
                List.of("PATH=/bin"),
                "/",
                pids,
                false,
                false,
                security,
                StandardStreams.OUTPUT,
                List.of(),
                List.of(),
                List.of(directory.resolve("layer")),
                writable,
                state,
                group + "/c" + number,
                CgroupLimits.devicesOnly(DeviceRule.DEFAULTS),
                0);
    }

    static ContainerRequest with(ContainerRequest asked, StandardStreams streams) {
        return new ContainerRequest(
                asked.id(),
                asked.podId(),
                asked.name(),
                asked.arguments(),
                asked.environment(),
                asked.workingDirectory(),
                asked.pidMode(),
                asked.hostNetwork(),
                asked.hostIpc(),
                asked.security(),
                streams,
                asked.mounts(),
                asked.devices(),
                asked.lowerLayersTopFirst(),
                asked.writableDirectory(),
                asked.stateDirectory(),
                asked.cgroupPath(),
                asked.limits(),
                asked.oomScoreAdj());
    }

    SecurityRequest securityRequest() {
        return new SecurityRequest(
                false,
                false,
                new CapabilityRequest(List.of(), List.of(), List.of()),
                new UserRequest(OptionalLong.empty(), Optional.empty(), OptionalLong.empty(), "", List.of(), false),
                false,
                false,
                List.of("/proc/acpi", "/proc/kcore", "/proc/keys", "/sys/firmware"),
                List.of("/proc/sys", "/proc/bus", "/proc/irq"),
                new SeccompRequest.RuntimeDefault(),
                ids,
                LabelRequest.NONE);
    }

    static SecurityRequest noNewPrivileges(SecurityRequest asked, long uid) {
        return new SecurityRequest(
                asked.privileged(),
                asked.podPrivileged(),
                asked.capabilities(),
                new UserRequest(
                        OptionalLong.of(uid), Optional.empty(), OptionalLong.of(uid), "", List.of(4711L), false),
                true,
                asked.readOnlyRootfs(),
                asked.maskedPaths(),
                asked.readOnlyPaths(),
                asked.seccomp(),
                asked.ids(),
                asked.labels());
    }

    static SecurityRequest filteredBy(SecurityRequest asked, SeccompRequest filter, boolean noNewPrivileges) {
        return new SecurityRequest(
                asked.privileged(),
                asked.podPrivileged(),
                asked.capabilities(),
                asked.user(),
                noNewPrivileges,
                asked.readOnlyRootfs(),
                asked.maskedPaths(),
                asked.readOnlyPaths(),
                filter,
                asked.ids(),
                asked.labels());
    }

    static SecurityRequest adding(SecurityRequest asked, String capability) {
        return new SecurityRequest(
                asked.privileged(),
                asked.podPrivileged(),
                new CapabilityRequest(List.of(capability), List.of(), List.of()),
                asked.user(),
                asked.noNewPrivileges(),
                asked.readOnlyRootfs(),
                asked.maskedPaths(),
                asked.readOnlyPaths(),
                asked.seccomp(),
                asked.ids(),
                asked.labels());
    }

    static ContainerRequest in(ContainerRequest asked, String workingDirectory) {
        return changed(asked, workingDirectory, asked.mounts());
    }

    static ContainerRequest with(ContainerRequest asked, MountRequest... mounts) {
        return changed(asked, asked.workingDirectory(), List.of(mounts));
    }

    private static ContainerRequest changed(
            ContainerRequest asked, String workingDirectory, List<MountRequest> mounts) {
        return new ContainerRequest(
                asked.id(),
                asked.podId(),
                asked.name(),
                asked.arguments(),
                asked.environment(),
                workingDirectory,
                asked.pidMode(),
                asked.hostNetwork(),
                asked.hostIpc(),
                asked.security(),
                asked.streams(),
                mounts,
                asked.devices(),
                asked.lowerLayersTopFirst(),
                asked.writableDirectory(),
                asked.stateDirectory(),
                asked.cgroupPath(),
                asked.limits(),
                asked.oomScoreAdj());
    }

    LaunchedPod pod() {
        return java.util.Objects.requireNonNull(pod);
    }

    @Override
    public void close() {
        containers.forEach(Running::close);
        if (podMonitor != null) {
            podMonitor.kill();
            podMonitor.awaitEnd(LIMIT);
            podMonitor.close();
        }
        Cgroup cgroup = Cgroup.at(host.cgroups(), group);
        cgroup.kill(LIMIT);
        cgroup.remove(LIMIT);
        host.close();
        try (var paths = Files.walk(directory)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
