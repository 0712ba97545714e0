package io.portafilter.e2e;

import io.portafilter.cri.v1.Device;
import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.LinuxContainerSecurityContext;
import io.portafilter.cri.v1.Mount;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.SecurityProfile.ProfileType;
import io.portafilter.cri.v1.SupplementalGroupsPolicy;
import io.portafilter.cri.v1.UserNamespace;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;

/** Security contexts that both runtimes are asked for. */
final class PeerSecurityCases {
    private static final int FIRST_HOST_ID = 6_553_600;
    private static final int IDS = 65_536;

    private PeerSecurityCases() {}

    private static PeerCase of(
            String name, String image, Consumer<PodFixture> pod, Consumer<ContainerFixture> container) {
        return new PeerCase(
                name, site -> site.start(image, pod, c -> container.accept(c.command("/bin/sleep", "1000000"))));
    }

    private static PeerCase container(String name, Consumer<ContainerFixture> asked) {
        return of(name, "plain", pod -> {}, asked);
    }

    private static PeerCase pod(String name, Consumer<PodFixture> pod, Consumer<ContainerFixture> container) {
        return of(name, "plain", pod, container);
    }

    /** In a pod with a user namespace. */
    private static PeerCase mapped(String name, Consumer<ContainerFixture> asked) {
        return of(name, "plain", pod -> pod.userNamespace(FIRST_HOST_ID), asked);
    }

    private static Consumer<ContainerFixture> security(Consumer<LinuxContainerSecurityContext.Builder> more) {
        return c -> c.security(more);
    }

    /** @param volumes that {@link PeerCases#makeVolumes} made */
    static List<PeerCase> all(Path volumes) {
        return List.of(
                // namespaces
                container("nothing asked for", c -> {}),
                pod("processes of the pod", p -> p.pid(NamespaceMode.POD), c -> {}),
                pod("processes of the host", p -> p.pid(NamespaceMode.NODE), c -> {}),
                pod("network of the host", PeerCases::hostNetwork, c -> {}),
                pod("IPC of the host", PodFixture::hostIpc, c -> {}),
                pod(
                        "everything of the host",
                        p -> PeerCases.hostNetwork(p).hostIpc().pid(NamespaceMode.NODE),
                        c -> c.runAsUser(1000)),
                // identity
                container("a user", c -> c.runAsUser(1000)),
                container("a user and a group", c -> c.runAsUser(1000).runAsGroup(2001)),
                container("a user by name", c -> c.runAsUsername("app")),
                container(
                        "a user by name and another one by number",
                        c -> c.runAsUser(7).runAsUsername("other")),
                container("a user that the image does not know", c -> c.runAsUser(4242)),
                container("root with another group", c -> c.runAsUser(0).runAsGroup(2001)),
                container("a user that is too large", c -> c.runAsUser(1L << 31)),
                of("the image's user", "user by name", pod -> {}, c -> {}),
                of("the image's user and group", "user and group", pod -> {}, c -> {}),
                of("the image's user and no new privileges", "user by name", pod -> {}, ContainerFixture::noNewPrivs),
                container(
                        "groups",
                        c -> c.runAsUser(1000).security(s -> s.addAllSupplementalGroups(List.of(3000L, 3001L)))),
                container(
                        "groups, strict",
                        c -> c.runAsUser(1000)
                                .security(s -> s.addAllSupplementalGroups(List.of(3001L, 3000L, 3001L))
                                        .setSupplementalGroupsPolicy(SupplementalGroupsPolicy.Strict))),
                container(
                        "no groups, strict",
                        c -> c.runAsUser(1000)
                                .runAsGroup(2001)
                                .security(s -> s.setSupplementalGroupsPolicy(SupplementalGroupsPolicy.Strict))),
                of(
                        "the image's user and groups, strict",
                        "user by name",
                        pod -> {},
                        security(s -> s.addSupplementalGroups(3000)
                                .setSupplementalGroupsPolicy(SupplementalGroupsPolicy.Strict))),
                // capabilities and privileges
                container("capabilities added", c -> c.add("NET_ADMIN", "SYS_TIME")),
                container(
                        "capabilities in other spellings",
                        c -> c.add("CAP_NET_ADMIN", "sys_time").drop("cap_chown")),
                container("capabilities dropped", c -> c.drop("CHOWN", "NET_RAW")),
                container("all capabilities dropped", c -> c.drop("ALL")),
                container("all capabilities added", c -> c.add("ALL")),
                container("all but one", c -> c.add("ALL").drop("SYS_ADMIN")),
                container("one of all", c -> c.add("NET_BIND_SERVICE").drop("ALL")),
                container("added and dropped", c -> c.add("SYS_TIME").drop("SYS_TIME")),
                container("a capability that there is not", c -> c.add("FLY")),
                container(
                        "a user with an added capability",
                        c -> c.runAsUser(1000).add("NET_ADMIN")),
                container("a user with all capabilities", c -> c.runAsUser(1000).add("ALL")),
                container("no new privileges", ContainerFixture::noNewPrivs),
                container(
                        "a user without new privileges", c -> c.runAsUser(1000).noNewPrivs()),
                container(
                        "restricted",
                        c -> c.runAsUser(1000).noNewPrivs().drop("ALL").seccomp(ProfileType.RuntimeDefault)),
                // filters
                container("filter of the runtime", c -> c.seccomp(ProfileType.RuntimeDefault)),
                container(
                        "filter of the runtime, no new privileges",
                        c -> c.seccomp(ProfileType.RuntimeDefault).noNewPrivs()),
                container(
                        "filter of the runtime, a user",
                        c -> c.seccomp(ProfileType.RuntimeDefault).runAsUser(1000)),
                container(
                        "filter of the runtime, more capabilities",
                        c -> c.seccomp(ProfileType.RuntimeDefault).add("SYS_ADMIN", "SYS_CHROOT", "SYSLOG")),
                pod(
                        "filter of the runtime, processes of the pod",
                        p -> p.pid(NamespaceMode.POD),
                        c -> c.seccomp(ProfileType.RuntimeDefault)),
                container("filter of a file", c -> c.seccomp(volumes.resolve("no-chmod.json"))),
                container("no filter", c -> c.seccomp(ProfileType.Unconfined)),
                // privileged
                pod("privileged", PodFixture::privileged, ContainerFixture::privileged),
                pod(
                        "privileged user",
                        PodFixture::privileged,
                        c -> c.privileged().runAsUser(1000)),
                pod(
                        "privileged without new privileges",
                        PodFixture::privileged,
                        c -> c.privileged().noNewPrivs()),
                pod(
                        "privileged with a read-only root",
                        PodFixture::privileged,
                        c -> c.privileged().security(s -> s.setReadonlyRootfs(true))),
                pod(
                        "privileged with a filter",
                        PodFixture::privileged,
                        c -> c.privileged().seccomp(ProfileType.RuntimeDefault)),
                pod(
                        "privileged with capabilities dropped",
                        PodFixture::privileged,
                        c -> c.privileged().drop("ALL").add("NET_ADMIN")),
                pod("not privileged in a pod that is", PodFixture::privileged, c -> {}),
                pod("privileged in a pod that is not", p -> {}, ContainerFixture::privileged),
                pod(
                        "privileged with everything of the host",
                        p -> PeerCases.hostNetwork(p).privileged().hostIpc().pid(NamespaceMode.NODE),
                        ContainerFixture::privileged),
                // what can be seen and written
                container("read-only root", security(s -> s.setReadonlyRootfs(true))),
                container("read-only root of a user", c -> c.runAsUser(1000).security(s -> s.setReadonlyRootfs(true))),
                container("paths as kubelet asks", ContainerFixture::masked),
                container(
                        "other paths",
                        security(
                                s -> s.addAllMaskedPaths(List.of("/masked/file", "/masked/directory", "/masked/absent"))
                                        .addAllReadonlyPaths(List.of("/tmp", "/etc/passwd", "/absent")))),
                container("everything that restricts", c -> {
                    c.runAsUser(1000)
                            .noNewPrivs()
                            .drop("ALL")
                            .seccomp(ProfileType.RuntimeDefault)
                            .masked();
                    c.security(s -> s.setReadonlyRootfs(true));
                }),
                container("higher oom_score_adj", c -> c.resources(r -> r.setOomScoreAdj(500))),
                container("a limit of memory", c -> c.memoryLimit(64 << 20).runAsUser(1000)),
                // user namespaces
                mapped("user namespace", c -> {}),
                mapped("user namespace, a user", c -> c.runAsUser(1000)),
                mapped(
                        "user namespace, a user and a group",
                        c -> c.runAsUser(1000).runAsGroup(2001)),
                mapped(
                        "user namespace, groups, strict",
                        c -> c.runAsUser(1000)
                                .security(s -> s.addSupplementalGroups(3000)
                                        .setSupplementalGroupsPolicy(SupplementalGroupsPolicy.Strict))),
                mapped("user namespace, a user whom it does not have", c -> c.runAsUser(70_000)),
                mapped("user namespace, all capabilities", c -> c.add("ALL")),
                mapped("user namespace, no capabilities", c -> c.drop("ALL")),
                mapped(
                        "user namespace, restricted",
                        c -> c.runAsUser(1000).noNewPrivs().drop("ALL").seccomp(ProfileType.RuntimeDefault)),
                mapped("user namespace, filter of the runtime", c -> c.seccomp(ProfileType.RuntimeDefault)),
                mapped("user namespace, filter of a file", c -> c.seccomp(volumes.resolve("no-chmod.json"))),
                mapped("user namespace, paths as kubelet asks", ContainerFixture::masked),
                mapped("user namespace, read-only root", security(s -> s.setReadonlyRootfs(true))),
                mapped(
                        "user namespace, volumes",
                        c -> c.mount(volumes.resolve("plain"), "/volume-writable")
                                .readOnlyMount(volumes.resolve("plain"), "/volume-read-only")),
                mapped(
                        "user namespace, volumes with its mapping",
                        c -> c.configure(config -> config.addMounts(mount(volumes.resolve("plain"), FIRST_HOST_ID, IDS))
                                .addMounts(mount(volumes.resolve("tree"), FIRST_HOST_ID, IDS)
                                        .setContainerPath("/volume-tree")
                                        .setReadonly(true)))),
                mapped(
                        "user namespace, a device",
                        c -> c.configure(config -> config.addDevices(Device.newBuilder()
                                .setHostPath("/dev/kmsg")
                                .setContainerPath("/dev/kmsg")
                                .setPermissions("r")))),
                mapped("user namespace, higher oom_score_adj", c -> c.resources(r -> r.setOomScoreAdj(500))),
                of("user namespace, the image's user", "user by name", p -> p.userNamespace(FIRST_HOST_ID), c -> {}),
                of(
                        "user namespace, volumes that the image declares",
                        "declared volumes",
                        p -> p.userNamespace(FIRST_HOST_ID),
                        c -> {}),
                of("user namespace, many layers", "many layers", p -> p.userNamespace(FIRST_HOST_ID), c -> {}),
                pod(
                        "user namespace, processes of the pod",
                        p -> p.userNamespace(FIRST_HOST_ID).pid(NamespaceMode.POD),
                        c -> {}),
                pod(
                        "user namespace, network of the host",
                        p -> PeerCases.hostNetwork(p.userNamespace(FIRST_HOST_ID)),
                        c -> {}),
                pod(
                        "user namespace, processes of the host",
                        p -> p.userNamespace(FIRST_HOST_ID).pid(NamespaceMode.NODE),
                        c -> {}),
                pod(
                        "user namespace, IPC of the host",
                        p -> p.userNamespace(FIRST_HOST_ID).hostIpc(),
                        c -> {}),
                pod(
                        "user namespace, privileged",
                        p -> p.userNamespace(FIRST_HOST_ID).privileged(),
                        ContainerFixture::privileged),
                pod(
                        "user namespace, sysctls",
                        p -> p.userNamespace(FIRST_HOST_ID)
                                .configure(config -> config.getLinuxBuilder()
                                        .putSysctls("kernel.shm_rmid_forced", "1")
                                        .putSysctls("net.ipv4.ip_unprivileged_port_start", "1000")
                                        .putSysctls("net.ipv4.ping_group_range", "0 65535")),
                        c -> {}),
                pod("a user namespace of few ids", p -> few(p, 2000), c -> c.runAsUser(1000)),
                pod("a user namespace of one id", p -> few(p, 1), c -> {}),
                pod(
                        "the host's user namespace by name",
                        p -> p.namespaces(n ->
                                n.setUsernsOptions(UserNamespace.newBuilder().setMode(NamespaceMode.NODE))),
                        c -> {}));
    }

    private static void few(PodFixture pod, int ids) {
        IDMapping line = IDMapping.newBuilder()
                .setContainerId(0)
                .setHostId(FIRST_HOST_ID)
                .setLength(ids)
                .build();
        pod.namespaces(n -> n.setUsernsOptions(UserNamespace.newBuilder()
                .setMode(NamespaceMode.POD)
                .addUids(line)
                .addGids(line)));
    }

    private static Mount.Builder mount(Path host, int firstHostId, int ids) {
        IDMapping line = IDMapping.newBuilder()
                .setContainerId(0)
                .setHostId(firstHostId)
                .setLength(ids)
                .build();
        return Mount.newBuilder()
                .setHostPath(host.toString())
                .setContainerPath("/volume")
                .addUidMappings(line)
                .addGidMappings(line);
    }
}
