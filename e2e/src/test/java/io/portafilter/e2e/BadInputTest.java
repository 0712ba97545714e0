package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import io.grpc.Status;
import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ContainerStatus;
import io.portafilter.cri.v1.CreateContainerRequest;
import io.portafilter.cri.v1.ExecRequest;
import io.portafilter.cri.v1.ExecSyncRequest;
import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.Int64Value;
import io.portafilter.cri.v1.ListContainersRequest;
import io.portafilter.cri.v1.MountPropagation;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.RunPodSandboxRequest;
import io.portafilter.cri.v1.SecurityProfile;
import io.portafilter.cri.v1.UserNamespace;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.function.Consumer;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Every refusal names the field, what it was and what would be right, with the code that a client can act on. */
class BadInputTest {
    @RegisterExtension
    static final Live live = Live.server();

    private String image = "";

    @BeforeEach
    void pull() {
        image = live.busybox();
    }

    private void refusedContainer(String names, Consumer<ContainerFixture> wrong) {
        Pod pod = live.pod().run();
        ContainerFixture fixture = pod.container(image).idle();
        wrong.accept(fixture);
        Refusal refusal = Refusal.of(fixture::create);
        assertThat(refusal.code()).as(refusal.message()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusal.message()).contains(names);
        assertThat(live.cri()
                        .runtime()
                        .listContainers(ListContainersRequest.getDefaultInstance())
                        .getContainersList())
                .isEmpty();
        pod.remove();
    }

    private static void refusedPod(String names, Consumer<PodFixture> wrong) {
        PodFixture fixture = live.pod();
        wrong.accept(fixture);
        Refusal refusal = Refusal.of(fixture::run);
        assertThat(refusal.code()).as(refusal.message()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusal.message()).contains(names);
        assertThat(live.cri().pods()).isEmpty();
    }

    @Test
    void idsOutOfRangeAreNotWrapped() {
        for (long id : List.of(-1L, 1L << 31, 1L << 32, Long.MAX_VALUE, Long.MIN_VALUE)) {
            refusedContainer("run_as_user", c -> c.runAsUser(id));
            refusedContainer("run_as_group", c -> c.runAsUser(0).runAsGroup(id));
            refusedContainer("supplemental_groups", c -> c.security(s -> s.addSupplementalGroups(id)));
        }
    }

    @Test
    void aGroupWithoutAUserIsRefused() {
        refusedContainer("run_as_group", c -> c.runAsGroup(1000));
        refusedPod(
                "run_as_group",
                p -> p.security(s -> s.setRunAsGroup(Int64Value.newBuilder().setValue(1000))));
    }

    @Test
    void anUnknownUserNameIsRefused() {
        refusedContainer("ghost", c -> c.runAsUsername("ghost"));
    }

    @Test
    void aNumberOfTheImageThatIsTooLargeIsNotTakenAsAName() {
        String overflow = live.registry()
                .push("bad-input-user", "v1", TestImages.busybox().withConfig("\"User\":\"4294967296\""));
        var _ = live.cri().pull(overflow);
        Pod pod = live.pod().run();
        Refusal refusal = Refusal.of(() -> pod.container(overflow).idle().create());
        assertThat(refusal.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusal.message()).contains("4294967296");
    }

    @Test
    void seccompProfilesThatAreMissingOrMalformedAreRefused() throws IOException {
        Path missing = live.directory("seccomp").resolve("missing.json");
        refusedContainer(missing.toString(), c -> c.seccomp(missing));
        Path malformed = live.directory("seccomp").resolve("malformed.json");
        Files.writeString(malformed, "{\"defaultAction\": \"SCMP_ACT_MAYBE\"}");
        refusedContainer("SCMP_ACT_MAYBE", c -> c.seccomp(malformed));
        refusedContainer(
                "localhost_ref",
                c -> c.security(s -> s.setSeccomp(SecurityProfile.newBuilder()
                        .setProfileType(SecurityProfile.ProfileType.Unconfined)
                        .setLocalhostRef("/some/where"))));
    }

    @Test
    void contradictoryMountsAreRefused() {
        Path volume = live.directory("volume");
        refusedContainer(
                "recursive_read_only",
                c -> c.mount(volume, "/data")
                        .configure(b -> b.getMountsBuilder(0).setRecursiveReadOnly(true)));
        for (MountPropagation propagation :
                List.of(MountPropagation.PROPAGATION_HOST_TO_CONTAINER, MountPropagation.PROPAGATION_BIDIRECTIONAL)) {
            refusedContainer(
                    "recursive_read_only",
                    c -> c.readOnlyMount(volume, "/data")
                            .configure(b -> b.getMountsBuilder(0)
                                    .setRecursiveReadOnly(true)
                                    .setPropagation(propagation)));
        }
        refusedContainer("container_path", c -> c.mount(volume, "relative/path"));
        refusedContainer("container_path", c -> c.mount(volume, ""));
        refusedContainer("host_path", c -> c.mount(Path.of("relative"), "/data"));
        refusedContainer("/proc", c -> c.mount(volume, "/proc"));
        refusedContainer("/proc", c -> c.mount(volume, "/data/../proc/sys"));
    }

    @Test
    void negativeOrTinyResourcesAreRefused() {
        refusedContainer("memory_limit_in_bytes", c -> c.resources(r -> r.setMemoryLimitInBytes(-5)));
        refusedContainer("cpu_shares", c -> c.resources(r -> r.setCpuShares(-1)));
        refusedContainer("cpu_period", c -> c.resources(r -> r.setCpuQuota(1000).setCpuPeriod(-1)));
        refusedContainer("oom_score_adj", c -> c.resources(r -> r.setOomScoreAdj(1001)));
        refusedContainer(
                "memory_swap_limit_in_bytes",
                c -> c.resources(r -> r.setMemoryLimitInBytes(64 << 20).setMemorySwapLimitInBytes(32 << 20)));
    }

    @Test
    void environmentNamesWithAnEqualsSignAreRefused() {
        refusedContainer("envs", c -> c.env("A=B", "x"));
        refusedContainer("envs", c -> c.env("", "x"));
    }

    @Test
    void zeroBytesInTextAreRefused() {
        refusedContainer("command", c -> c.command("sh\0evil"));
        refusedContainer("working_dir", c -> c.workingDirectory("/tmp\0/etc"));
        refusedContainer("envs", c -> c.env("A", "b\0c"));
    }

    @Test
    void namespacesThatContradictThePodAreRefused() {
        refusedContainer(
                "target_id",
                c -> c.security(s -> s.getNamespaceOptionsBuilder()
                        .setPid(NamespaceMode.TARGET)
                        .setTargetId("f".repeat(64))));
        refusedContainer(
                "userns_options",
                c -> c.security(s -> s.getNamespaceOptionsBuilder()
                        .setUsernsOptions(UserNamespace.newBuilder()
                                .setMode(NamespaceMode.POD)
                                .addUids(mapping(0, 100_000, 65536))
                                .addGids(mapping(0, 100_000, 65536)))));
        refusedContainer("privileged", ContainerFixture::privileged);
    }

    @Test
    void userNamespaceMappingsMustBeWhole() {
        refusedPod("userns_options", p -> userns(p, UserNamespace.newBuilder().setMode(NamespaceMode.POD)));
        refusedPod(
                "userns_options",
                p -> userns(
                        p,
                        UserNamespace.newBuilder()
                                .setMode(NamespaceMode.POD)
                                .addUids(mapping(0, 100_000, 0))
                                .addGids(mapping(0, 100_000, 65536))));
        refusedPod(
                "userns_options",
                p -> userns(
                        p,
                        UserNamespace.newBuilder()
                                .setMode(NamespaceMode.POD)
                                .addUids(mapping(1, 100_000, 65536))
                                .addGids(mapping(0, 100_000, 65536))));
        refusedPod(
                "userns_options",
                p -> userns(
                        p,
                        UserNamespace.newBuilder()
                                .setMode(NamespaceMode.POD)
                                .addUids(mapping(0, 100_000, 1000))
                                .addUids(mapping(1000, 200_000, 64_536))
                                .addGids(mapping(0, 100_000, 65536))));
        for (NamespaceMode mode : List.of(NamespaceMode.CONTAINER, NamespaceMode.TARGET)) {
            refusedPod(
                    "userns_options", p -> userns(p, UserNamespace.newBuilder().setMode(mode)));
        }
        refusedPod("PID namespace", p -> p.userNamespace(100_000).pid(NamespaceMode.NODE));
        refusedPod("IPC namespace", p -> p.userNamespace(100_000).hostIpc());
    }

    private static IDMapping mapping(int container, int host, int length) {
        return IDMapping.newBuilder()
                .setContainerId(container)
                .setHostId(host)
                .setLength(length)
                .build();
    }

    private static void userns(PodFixture pod, UserNamespace.Builder options) {
        pod.namespaces(n -> n.setUsernsOptions(options));
    }

    @Test
    void sandboxesWithoutIdentityAreRefused() {
        refusedPod("metadata", p -> p.configure(PodSandboxConfig.Builder::clearMetadata));
        refusedPod("name", p -> p.configure(c -> c.getMetadataBuilder().clearName()));
        refusedPod("namespace", p -> p.configure(c -> c.getMetadataBuilder().clearNamespace()));
        refusedPod("uid", p -> p.configure(c -> c.getMetadataBuilder().clearUid()));
        refusedPod("log_directory", p -> p.configure(c -> c.setLogDirectory("relative")));
        refusedPod("cgroup_parent", p -> p.configure(c -> c.getLinuxBuilder().setCgroupParent("/a/../../b")));
        refusedPod("hostname", p -> p.configure(c -> c.setHostname("h".repeat(65))));
        Refusal none = Refusal.of(() -> live.cri().runtime().runPodSandbox(RunPodSandboxRequest.getDefaultInstance()));
        assertThat(none.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
    }

    @Test
    void unknownHandlersAreRefused() {
        Refusal refusal = Refusal.of(() -> live.cri()
                .runtime()
                .runPodSandbox(RunPodSandboxRequest.newBuilder()
                        .setConfig(live.pod().build())
                        .setRuntimeHandler("no-such-handler")
                        .build()));
        assertThat(refusal.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusal.message()).contains("no-such-handler");
    }

    @Test
    void sysctlsOfTheHostAreRefused() {
        for (String sysctl : List.of("kernel.core_pattern", "vm.overcommit_memory", "kernel.hostname", "fs.file-max")) {
            refusedPod(sysctl, p -> p.configure(c -> c.getLinuxBuilder().putSysctls(sysctl, "1")));
        }
        refusedPod(
                "net.ipv4.ip_forward",
                p -> p.hostNetwork().configure(c -> c.getLinuxBuilder().putSysctls("net.ipv4.ip_forward", "1")));
        refusedPod("sysctl", p -> p.configure(c -> c.getLinuxBuilder().putSysctls("net/../kernel/core_pattern", "x")));
    }

    @Test
    void containersWithoutWhatTheyNeedAreRefused() {
        refusedContainer("metadata", c -> c.configure(ContainerConfig.Builder::clearMetadata));
        refusedContainer("name", c -> c.configure(b -> b.getMetadataBuilder().clearName()));
        refusedContainer("image", c -> c.configure(ContainerConfig.Builder::clearImage));
        refusedContainer("log_path", c -> c.configure(b -> b.setLogPath("../../outside.log")));
        Refusal none =
                Refusal.of(() -> live.cri().runtime().createContainer(CreateContainerRequest.getDefaultInstance()));
        assertThat(none.code()).isIn(Status.Code.INVALID_ARGUMENT, Status.Code.NOT_FOUND);
    }

    @Test
    void anImageThatIsNotHereIsNeverPulled() {
        Pod pod = live.pod().run();
        Refusal refusal = Refusal.of(() ->
                pod.container(live.registry().host() + "/not/here:v1").idle().create());
        assertThat(refusal.code()).isEqualTo(Status.Code.NOT_FOUND);
        assertThat(refusal.message()).contains("not/here");
    }

    @Test
    void noCommandAnywhereIsRefused() {
        String empty = live.registry()
                .push("bad-input-empty", "v1", TestImages.busybox().withConfig(""));
        var _ = live.cri().pull(empty);
        Pod pod = live.pod().run();
        Refusal refusal = Refusal.of(() -> pod.container(empty).create());
        assertThat(refusal.message()).containsIgnoringCase("no command");
        assertThat(refusal.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
    }

    @Test
    void unknownIdsAreNotFoundAndRemovingThemSucceeds() {
        for (String id : List.of(UUID.randomUUID().toString(), "f".repeat(64), "f".repeat(12))) {
            Container none = new Container(live.portafilter(), id, Path.of("/nonexistent"));
            Pod pod = new Pod(live.portafilter(), id, PodSandboxConfig.getDefaultInstance());
            assertThat(Refusal.of(none::status).code()).isEqualTo(Status.Code.NOT_FOUND);
            assertThat(Refusal.of(none::start).code()).isEqualTo(Status.Code.NOT_FOUND);
            assertThat(Refusal.of(() -> none.exec("true")).code()).isEqualTo(Status.Code.NOT_FOUND);
            assertThat(Refusal.of(pod::status).code()).isEqualTo(Status.Code.NOT_FOUND);
            assertThat(Refusal.of(() -> pod.container(image).idle().create()).code())
                    .isEqualTo(Status.Code.NOT_FOUND);
            assertThatCode(() -> {
                        none.stop(Duration.ofSeconds(1));
                        none.remove();
                        pod.stop();
                        pod.remove();
                    })
                    .doesNotThrowAnyException();
        }
    }

    @Test
    void anAmbiguousPrefixIsAnError() {
        live.pod().run();
        live.pod().run();
        Pod any = new Pod(live.portafilter(), "", PodSandboxConfig.getDefaultInstance());
        assertThat(Refusal.of(any::status).code()).isIn(Status.Code.INVALID_ARGUMENT, Status.Code.NOT_FOUND);
        assertThat(Refusal.of(any::remove).code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(live.cri().pods()).hasSize(2);
    }

    @Test
    void onlyACreatedContainerStartsAndOnlyARunningOneExecs() {
        Pod pod = live.pod().run();
        Container container = pod.container(image).shell("exit 0").create();
        assertThat(Refusal.of(() -> container.exec("true")).code()).isEqualTo(Status.Code.FAILED_PRECONDITION);
        container.start();
        var _ = container.awaitExit();
        assertThat(Refusal.of(container::start).code()).isEqualTo(Status.Code.FAILED_PRECONDITION);
        Refusal ended = Refusal.of(() -> container.exec("true"));
        assertThat(ended.code()).isEqualTo(Status.Code.FAILED_PRECONDITION);
        assertThat(ended.message()).contains("EXITED").doesNotContain("start it");
        Container running = pod.container(image).idle().start();
        Refusal none = Refusal.of(() -> live.cri()
                .runtime()
                .execSync(ExecSyncRequest.newBuilder()
                        .setContainerId(running.id())
                        .build()));
        assertThat(none.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(Refusal.of(() -> live.cri()
                                .runtime()
                                .execSync(ExecSyncRequest.newBuilder()
                                        .setContainerId(running.id())
                                        .addCmd("true")
                                        .setTimeout(-1)
                                        .build()))
                        .code())
                .isEqualTo(Status.Code.INVALID_ARGUMENT);
    }

    @Test
    void callsThatAreNotBuiltSaySo() {
        Refusal refusal = Refusal.of(() -> live.cri().runtime().exec(ExecRequest.getDefaultInstance()));
        assertThat(refusal.code()).isIn(Status.Code.UNIMPLEMENTED, Status.Code.NOT_FOUND, Status.Code.INVALID_ARGUMENT);
        if (refusal.code() == Status.Code.UNIMPLEMENTED) {
            assertThat(refusal.message()).contains("Exec").contains("crictl exec -s");
        }
    }

    @Test
    void aFailedStartIsAnExitedRecordWithTheStepAsASentence() {
        Pod pod = live.pod().run();
        ContainerFixture fixture = pod.container(image).command("/no/such/program");
        Container container;
        Refusal refusal;
        try {
            container = fixture.create();
            refusal = Refusal.of(container::start);
        } catch (io.grpc.StatusRuntimeException atCreate) {
            assertThat(atCreate.getStatus().getDescription()).contains("/no/such/program");
            return;
        }
        assertThat(refusal.message()).contains("/no/such/program").containsIgnoringCase("no such file");
        ContainerStatus status = container.status();
        assertThat(status.getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
        assertThat(status.getExitCode()).isEqualTo(128);
        assertThat(status.getReason()).isEqualTo("StartError");
        assertThat(status.getMessage()).contains("/no/such/program");
        assertThat(status.getFinishedAt()).isPositive();
    }

    @Test
    void aFileThatIsNotExecutableIsToldFromOneThatIsMissing() {
        Pod pod = live.pod().run();
        assertThat(failure(pod.container(image).command("/etc/passwd"))).containsIgnoringCase("permission denied");
        assertThat(failure(pod.container(image).command("not-in-any-path")))
                .isEqualTo(
                        "execute not-in-any-path: No such file or directory (ENOENT) in the container's PATH, which is"
                                + " /bin:/usr/bin:/sbin:/usr/sbin");
        assertThat(failure(pod.container(image).command("/tmp"))).containsIgnoringCase("permission denied");
        assertThat(failure(pod.container(image).idle().workingDirectory("/etc/passwd")))
                .contains("/etc/passwd is a file");
    }

    @Test
    void aMissingInterpreterIsToldFromAMissingFile() throws IOException {
        Path programs = live.directory("programs");
        Files.writeString(programs.resolve("script"), "#!/opt/no-such-shell -e\n");
        assertThat(programs.resolve("script").toFile().setExecutable(true, false))
                .isTrue();
        // Dynamically linked, and the image has no loader.
        Files.copy(Path.of("/bin/true"), programs.resolve("linked"), StandardCopyOption.COPY_ATTRIBUTES);
        Pod pod = live.pod().run();
        assertThat(failure(pod.container(image).mount(programs, "/programs").command("/programs/script")))
                .contains("/programs/script")
                .contains("has the file, but not the interpreter that it names, /opt/no-such-shell");
        assertThat(failure(pod.container(image).mount(programs, "/programs").command("/programs/linked")))
                .contains("not the interpreter that it names, /lib");
        assertThat(failure(pod.container(image).command("/programs/script"))).doesNotContain("has the file");
    }

    private static String failure(ContainerFixture fixture) {
        return Refusal.of(() -> fixture.create().start()).message();
    }
}
