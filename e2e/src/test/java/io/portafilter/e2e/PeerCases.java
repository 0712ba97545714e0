package io.portafilter.e2e;

import static io.portafilter.e2e.PeerCase.container;
import static io.portafilter.e2e.PeerCase.image;
import static io.portafilter.e2e.PeerCase.pod;

import io.portafilter.cri.v1.DNSConfig;
import io.portafilter.cri.v1.Device;
import io.portafilter.cri.v1.Mount;
import io.portafilter.cri.v1.MountPropagation;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.SecurityProfile.ProfileType;
import io.portafilter.cri.v1.Signal;
import io.portafilter.cri.v1.SupplementalGroupsPolicy;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** What is asked of both runtimes. */
final class PeerCases {
    /** The layers of the image with many. */
    private static final int LAYERS = 20;

    private PeerCases() {}

    /** The images by name: {@code pause}, and those that the cases name. */
    static Map<String, TestImage> images() {
        TarWriter script = new TarWriter().program("observe.sh", resource("/peer/observe.sh"));
        TestImage plain = TestImages.busybox()
                .plus(script.directory("masked")
                        .file("masked/file", "to be masked\n")
                        .directory("masked/directory")
                        .file("masked/directory/inside", "to be masked\n")
                        .finish());
        TestImage layered = TestImages.layered()
                .plus(new TarWriter()
                        .program("observe.sh", resource("/peer/observe.sh"))
                        .finish());
        TestImage many = plain;
        for (int i = 1; i <= LAYERS; i++) {
            many = many.plus(new TarWriter()
                    .directory("layers")
                    .file("layers/" + i, i + "\n")
                    .file("layers/same", i + "\n")
                    .finish());
        }
        Map<String, TestImage> images = new HashMap<>();
        images.put("pause", plain.withConfig("\"Entrypoint\":[\"/bin/sleep\",\"1000000\"]"));
        images.put("plain", plain);
        images.put("layered", layered);
        images.put("many layers", many);
        images.put("user by name", plain.withConfig("\"User\":\"app\""));
        images.put("user and group", plain.withConfig("\"User\":\"1000:audio\""));
        images.put("unknown user", plain.withConfig("\"User\":\"4242\""));
        images.put("declared volumes", declared(plain));
        return Map.copyOf(images);
    }

    /** With volumes that it has, that it has not, and that it reaches by a link or without a slash. */
    private static TestImage declared(TestImage plain) {
        byte[] content = "of the image\n".getBytes(StandardCharsets.UTF_8);
        return plain.plus(new TarWriter()
                        .directory("volume-full", 0750, 1000, 2001)
                        .file("volume-full/file", 0640, 1000, 2001, content)
                        .directory("volume-full/below")
                        .file("volume-full/below/deep", "deep\n")
                        .symlink("volume-full/link", "/etc/passwd")
                        .fifo("volume-full/fifo")
                        .directory("real")
                        .file("real/file", "real\n")
                        .symlink("volume-link", "/real")
                        .directory("volume-relative")
                        .finish())
                .withConfig("\"Volumes\":{\"/volume-full\":{},\"/volume-new/deeper\":{},\"/volume-link\":{},"
                        + "\"volume-relative/\":{}}");
    }

    /** Makes what {@link #all} mounts. */
    static void makeVolumes(Path volumes) throws IOException {
        for (String name : List.of("plain", "nested", "shared", "tree/below", "private", "tmpfs")) {
            Files.createDirectories(volumes.resolve(name));
        }
        Files.writeString(volumes.resolve("plain/text"), "text\n");
        Files.writeString(volumes.resolve("plain/program"), "#!/bin/sh\necho executed\n");
        if (!volumes.resolve("plain/program").toFile().setExecutable(true, false)) {
            throw new IOException("chmod in " + volumes + " failed");
        }
        Files.writeString(volumes.resolve("file"), "a file\n");
        Files.createSymbolicLink(volumes.resolve("link"), Path.of("plain"));
        Files.write(volumes.resolve("no-chmod.json"), resource("/peer/no-chmod.json"));
        mount("-t", "tmpfs", "-o", "nosuid,nodev,noexec,mode=0755", "tmpfs", volumes.resolve("tmpfs"));
        Files.createDirectories(volumes.resolve("tmpfs/below"));
        mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", volumes.resolve("shared"));
        mount("--make-shared", volumes.resolve("shared"));
        mount("-t", "tmpfs", "-o", "mode=0755", "tmpfs", volumes.resolve("tree/below"));
    }

    static void removeVolumes(Path volumes) {
        for (String point : List.of("tree/below", "shared", "tmpfs")) {
            Commands.Outcome _ =
                    Commands.run("umount", "--lazy", volumes.resolve(point).toString());
        }
        PortafilterServer.deleteTree(volumes);
    }

    private static void mount(Object... arguments) {
        String[] command = new String[arguments.length + 1];
        command[0] = "mount";
        for (int i = 0; i < arguments.length; i++) {
            command[i + 1] = arguments[i].toString();
        }
        String _ = Commands.run(command).orFail();
    }

    private static byte[] resource(String name) {
        try (var in = PeerCases.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IllegalStateException("no resource " + name);
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** @param volumes that {@link #makeVolumes} made */
    static List<PeerCase> all(Path volumes) {
        return List.of(
                // namespaces
                container("nothing asked for", c -> {}),
                pod("processes of the pod", p -> p.pid(NamespaceMode.POD), c -> {}),
                pod("processes of the host", p -> p.pid(NamespaceMode.NODE), c -> {}),
                new PeerCase("processes of another container", PeerSite::startTarget),
                pod("network of the host", PeerCases::hostNetwork, c -> {}).takingTurns(),
                pod("IPC of the host", PodFixture::hostIpc, c -> {}),
                pod("everything of the host", p -> hostNetwork(p).hostIpc().pid(NamespaceMode.NODE), c -> {})
                        .takingTurns(),
                // identity
                container("a user", c -> c.runAsUser(1000)),
                container("a user and a group", c -> c.runAsUser(1000).runAsGroup(2001)),
                container("a user by name", c -> c.runAsUsername("app")),
                container("a user that the image does not know", c -> c.runAsUser(4242)),
                container("a group without a user", c -> c.runAsGroup(2001)),
                container("a user by a name that the image does not know", c -> c.runAsUsername("nobody-here")),
                image("the image's user", "user by name", c -> {}),
                image("the image's user and group", "user and group", c -> {}),
                image("the image's user that it does not know", "unknown user", c -> {}),
                container(
                        "supplemental groups",
                        c -> c.runAsUser(1000).security(s -> s.addAllSupplementalGroups(List.of(3000L, 3001L)))),
                container(
                        "supplemental groups, strict",
                        c -> c.runAsUser(1000)
                                .security(s -> s.addSupplementalGroups(3000L)
                                        .setSupplementalGroupsPolicy(SupplementalGroupsPolicy.Strict))),
                container("supplemental groups of root", c -> c.security(s -> s.addSupplementalGroups(3000L))),
                // capabilities and privileges
                container("capabilities added", c -> c.add("NET_ADMIN", "SYS_TIME")),
                container("capabilities dropped", c -> c.drop("CHOWN", "NET_RAW")),
                container("all capabilities dropped", c -> c.drop("ALL")),
                container("all capabilities added", c -> c.add("ALL")),
                container("all but one", c -> c.add("ALL").drop("SYS_ADMIN")),
                container("one of all", c -> c.add("NET_BIND_SERVICE").drop("ALL")),
                container(
                        "a user with an added capability",
                        c -> c.runAsUser(1000).add("NET_ADMIN")),
                container(
                        "an ambient capability",
                        c -> c.runAsUser(1000)
                                .security(
                                        s -> s.getCapabilitiesBuilder().addAddAmbientCapabilities("NET_BIND_SERVICE"))),
                container("no new privileges", c -> c.runAsUser(1000).noNewPrivs()),
                pod("privileged", PodFixture::privileged, ContainerFixture::privileged),
                pod("privileged in a pod that is not", p -> {}, ContainerFixture::privileged),
                pod(
                        "privileged user",
                        PodFixture::privileged,
                        c -> c.privileged().runAsUser(1000)),
                pod(
                                "privileged with everything of the host",
                                p -> hostNetwork(p).privileged().hostIpc().pid(NamespaceMode.NODE),
                                ContainerFixture::privileged)
                        .takingTurns(),
                container("filter of the runtime", c -> c.seccomp(ProfileType.RuntimeDefault)),
                container(
                        "filter of the runtime, more capabilities",
                        c -> c.seccomp(ProfileType.RuntimeDefault).add("SYS_ADMIN", "SYS_CHROOT", "SYSLOG")),
                container("no filter", c -> c.seccomp(ProfileType.Unconfined)),
                container("filter of a file", c -> c.seccomp(volumes.resolve("no-chmod.json"))),
                container("filter of a file that is not there", c -> c.seccomp(volumes.resolve("absent.json"))),
                // what can be seen and written
                container("read-only root", c -> c.security(s -> s.setReadonlyRootfs(true))),
                container("paths masked as kubelet asks", ContainerFixture::masked),
                container(
                        "other paths masked",
                        c -> c.security(
                                s -> s.addAllMaskedPaths(List.of("/masked/file", "/masked/directory", "/masked/absent"))
                                        .addAllReadonlyPaths(List.of("/tmp", "/etc/passwd", "/absent")))),
                container(
                        "volumes",
                        c -> c.mount(volumes.resolve("plain"), "/volume-writable")
                                .readOnlyMount(volumes.resolve("plain"), "/volume-read-only")
                                .mount(volumes.resolve("tmpfs"), "/volume-tmpfs")
                                .readOnlyMount(volumes.resolve("tmpfs"), "/volume-tmpfs-read-only")
                                .mount(volumes.resolve("tree"), "/volume-tree")
                                .readOnlyMount(volumes.resolve("tree"), "/volume-tree-read-only")),
                container(
                        "volumes of files, by links, and absent ones",
                        c -> c.mount(volumes.resolve("file"), "/volume-file")
                                .readOnlyMount(volumes.resolve("file"), "/etc/passwd")
                                .mount(volumes.resolve("link"), "/volume-link")
                                .mount(volumes.resolve("made"), "/volume-made")),
                container(
                        "volumes in one another",
                        c -> c.mount(volumes.resolve("plain"), "/volume/deep/deeper")
                                .mount(volumes.resolve("nested"), "/volume/deep")
                                .mount(volumes.resolve("nested"), "/volume")),
                container(
                        "volumes over what a container has",
                        c -> c.mount(volumes.resolve("file"), "/etc/hosts")
                                .mount(volumes.resolve("file"), "/etc/resolv.conf")
                                .mount(volumes.resolve("tmpfs"), "/dev/shm")),
                container(
                        "a volume that receives mounts",
                        c -> c.configure(config -> config.addMounts(
                                mount(volumes.resolve("shared"), MountPropagation.PROPAGATION_HOST_TO_CONTAINER)))),
                pod(
                        "a volume that passes mounts on",
                        PodFixture::privileged,
                        c -> c.privileged()
                                .configure(config -> config.addMounts(
                                        mount(volumes.resolve("shared"), MountPropagation.PROPAGATION_BIDIRECTIONAL)))),
                container(
                        "read-only with all below it",
                        c -> c.configure(config ->
                                config.addMounts(mount(volumes.resolve("tree"), MountPropagation.PROPAGATION_PRIVATE)
                                        .setReadonly(true)
                                        .setRecursiveReadOnly(true)))),
                // devices
                container(
                        "devices",
                        c -> c.configure(config -> config.addDevices(device("/dev/null", "/dev/volume", "rwm"))
                                .addDevices(device("/dev/kmsg", "/dev/kmsg", "r"))
                                .addDevices(device("/dev/loop0", "/dev/deep/loop", "mrw")))),
                container(
                        "a device that is not there",
                        c -> c.configure(
                                config -> config.addDevices(device("/dev/no-such-device", "/dev/none", "rw")))),
                // the image's and the request's configuration
                image("the image's configuration", "layered", c -> c.command().args("exec /bin/sh /observe.sh")),
                container(
                        "environment",
                        c -> c.env("A", "1")
                                .env("B", "two words = \"quoted\"")
                                .env("A", "3")
                                .env("EMPTY", "")
                                .env("HOSTNAME", "other")
                                .env("PATH", "/bin:/extra")),
                image(
                        "environment over the image's",
                        "layered",
                        c -> c.env("BOTH", "asked").env("HOME", "/asked")),
                container("working directory", c -> c.workingDirectory("/var")),
                container(
                        "working directory that is not there",
                        c -> c.workingDirectory("/new/directory").runAsUser(1000)),
                image("many layers", "many layers", c -> {}),
                image("volumes that the image declares", "declared volumes", c -> {}),
                image(
                        "volumes over those that the image declares",
                        "declared volumes",
                        c -> c.mount(volumes.resolve("plain"), "/volume-full")
                                .readOnlyMount(volumes.resolve("nested"), "/volume-relative/below")
                                .runAsUser(1000)),
                image(
                        "volumes that the image declares with a read-only root",
                        "declared volumes",
                        c -> c.security(s -> s.setReadonlyRootfs(true))),
                container("standard input", c -> c.configure(config -> config.setStdin(true))),
                container(
                        "a terminal",
                        c -> c.configure(config -> config.setTty(true).setStdin(true))),
                container("a stop signal", c -> c.configure(config -> config.setStopSignal(Signal.SIGNAL_SIGUSR2))),
                container("a program that is not there", c -> c.command("/bin/absent")),
                container("a program without a path", c -> c.command("sh", "/observe.sh")),
                // the pod's configuration
                pod("a host name", p -> p.configure(config -> config.setHostname("a-name-of-its-own")), c -> {}),
                pod("no host name", p -> p.configure(config -> config.clearHostname()), c -> {}),
                pod(
                        "DNS",
                        p -> p.configure(config -> config.setDnsConfig(DNSConfig.newBuilder()
                                .addServers("192.0.2.53")
                                .addServers("192.0.2.54")
                                .addSearches("example.org")
                                .addSearches("example.net")
                                .addOptions("ndots:5"))),
                        c -> {}),
                pod(
                        "empty DNS",
                        p -> p.configure(config -> config.setDnsConfig(DNSConfig.getDefaultInstance())),
                        c -> {}),
                pod(
                        "sysctls",
                        p -> p.configure(config -> config.getLinuxBuilder()
                                .putSysctls("kernel.shm_rmid_forced", "1")
                                .putSysctls("net.ipv4.ip_unprivileged_port_start", "1000")
                                .putSysctls("kernel.msgmax", "16384")
                                .putSysctls("fs.mqueue.msg_max", "100")),
                        c -> {}),
                pod(
                        "a sysctl of the host",
                        p -> p.configure(config -> config.getLinuxBuilder().putSysctls("vm.swappiness", "10")),
                        c -> {}),
                // resources
                container("memory limit", c -> c.resources(r -> r.setMemoryLimitInBytes(64 << 20))),
                container("memory limit with swap", c -> c.memoryLimit(64 << 20)),
                container(
                        "processor limits",
                        c -> c.resources(
                                r -> r.setCpuShares(512).setCpuQuota(50_000).setCpuPeriod(100_000))),
                container("few shares", c -> c.resources(r -> r.setCpuShares(1))),
                container(
                        "processor set",
                        c -> c.resources(r -> r.setCpusetCpus("0").setCpusetMems("0"))),
                container("higher oom_score_adj", c -> c.resources(r -> r.setOomScoreAdj(500))),
                container("lower oom_score_adj", c -> c.resources(r -> r.setOomScoreAdj(-500))));
    }

    /** kubelet gives such a pod no name: it has the host's. */
    static PodFixture hostNetwork(PodFixture pod) {
        return pod.hostNetwork().configure(config -> config.clearHostname());
    }

    private static Mount.Builder mount(Path host, MountPropagation propagation) {
        return Mount.newBuilder()
                .setHostPath(host.toString())
                .setContainerPath("/volume")
                .setPropagation(propagation);
    }

    private static Device device(String host, String container, String permissions) {
        return Device.newBuilder()
                .setHostPath(host)
                .setContainerPath(container)
                .setPermissions(permissions)
                .build();
    }
}
