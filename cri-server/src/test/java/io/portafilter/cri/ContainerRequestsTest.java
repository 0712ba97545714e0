package io.portafilter.cri;

import static io.portafilter.cri.RequestFixture.podSpec;
import static io.portafilter.cri.RequestFixture.spec;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import io.grpc.Status;
import io.portafilter.cdi.Injection;
import io.portafilter.cgroup.DeviceRule;
import io.portafilter.container.MountRequest;
import io.portafilter.container.PidMode;
import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.CreateContainerRequest;
import io.portafilter.cri.v1.Device;
import io.portafilter.cri.v1.HugepageLimit;
import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.Int64Value;
import io.portafilter.cri.v1.KeyValue;
import io.portafilter.cri.v1.LinuxContainerResources;
import io.portafilter.cri.v1.LinuxContainerSecurityContext;
import io.portafilter.cri.v1.Mount;
import io.portafilter.cri.v1.MountPropagation;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.SELinuxOption;
import io.portafilter.cri.v1.SecurityProfile;
import io.portafilter.cri.v1.Signal;
import io.portafilter.cri.v1.UserNamespace;
import io.portafilter.security.AppArmorRequest;
import io.portafilter.security.SeccompRequest;
import io.portafilter.security.SelinuxOptions;
import io.portafilter.streaming.LogFile;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ContainerRequestsTest {

    private static void refuses(String field, Consumer<ContainerConfig.Builder> change) {
        refuses(Status.Code.INVALID_ARGUMENT, field, change);
    }

    private static void refuses(Status.Code code, String field, Consumer<ContainerConfig.Builder> change) {
        assertThatThrownBy(() -> spec(change)).satisfies(error -> {
            assertThat(StatusInterceptor.status(error, "CreateContainer").getCode())
                    .isEqualTo(code);
            assertThat(error).hasMessageContaining(field);
        });
    }

    private static LinuxContainerSecurityContext.Builder security(ContainerConfig.Builder config) {
        return config.getLinuxBuilder().getSecurityContextBuilder();
    }

    private static LinuxContainerResources.Builder resources(ContainerConfig.Builder config) {
        return config.getLinuxBuilder().getResourcesBuilder();
    }

    private static Mount.Builder mount(ContainerConfig.Builder config) {
        return config.addMountsBuilder().setContainerPath("/data").setHostPath("/srv/data");
    }

    private static KeyValue variable(String key, String value) {
        return KeyValue.newBuilder()
                .setKey(key)
                .setValue(ByteString.copyFromUtf8(value))
                .build();
    }

    // ---- what is run

    @Test
    void commandAndArgumentsReplaceTheImagesAsKubernetesSays() {
        String image = "'Entrypoint':['/entry','e'],'Cmd':['c']";
        PodSpec pod = podSpec(_ -> {});
        assertThat(spec(_ -> {}, pod, image).arguments()).containsExactly("/entry", "e", "c");
        assertThat(spec(b -> b.addArgs("a"), pod, image).arguments()).containsExactly("/entry", "e", "a");
        assertThat(spec(b -> b.addCommand("x"), pod, image).arguments()).containsExactly("x");
        assertThat(spec(b -> b.addCommand("x").addArgs("a"), pod, image).arguments())
                .containsExactly("x", "a");
        assertThat(spec(_ -> {}, pod, "'Entrypoint':[''],'Cmd':['c']").arguments())
                .containsExactly("c");
    }

    @Test
    void noCommandAtAllIsRefused() {
        assertThatThrownBy(() -> spec(_ -> {}, podSpec(_ -> {}), ""))
                .isInstanceOf(CriException.class)
                .hasMessageContaining("no command specified");
        refuses("command", b -> b.addCommand("a\0b"));
    }

    @Test
    void laterVariablesWinAndKeepTheFirstPlace() {
        ContainerSpec spec = spec(
                b -> b.addEnvs(variable("A", "request"))
                        .addEnvs(variable("B", "first"))
                        .addEnvs(variable("B", "second")),
                podSpec(_ -> {}),
                "'Cmd':['/app'],'Env':['A=image','PATH=/image','nonsense']");
        assertThat(spec.environment()).containsExactly("PATH=/image", "HOSTNAME=web-0", "A=request", "B=second");
    }

    @Test
    void theHostsNameIsTheHostnameInItsNetwork() {
        PodSpec pod = podSpec(b -> b.getLinuxBuilder()
                .getSecurityContextBuilder()
                .getNamespaceOptionsBuilder()
                .setNetwork(NamespaceMode.NODE));
        assertThat(spec(_ -> {}, pod, "'Cmd':['/app']").environment()).contains("HOSTNAME=node-1");
    }

    @Test
    void variablesThatAreNoneAreRefusedWithoutTheirValue() {
        refuses("envs", b -> b.addEnvs(variable("A=B", "x")));
        refuses("envs", b -> b.addEnvs(variable("", "x")));
        assertThatThrownBy(() -> spec(b -> b.addEnvs(variable("TOKEN", "secret\0"))))
                .hasMessageContaining("TOKEN")
                .message()
                .doesNotContain("secret");
    }

    @Test
    void theWorkingDirectoryIsTheRequestsElseTheImagesElseTheRoot() {
        PodSpec pod = podSpec(_ -> {});
        assertThat(spec(b -> b.setWorkingDir("/a/./b//"), pod, "'Cmd':['x'],'WorkingDir':'/w'")
                        .workingDirectory())
                .isEqualTo("/a/b");
        assertThat(spec(_ -> {}, pod, "'Cmd':['x'],'WorkingDir':'/w'").workingDirectory())
                .isEqualTo("/w");
        assertThat(spec(_ -> {}).workingDirectory()).isEqualTo("/");
        refuses("working_dir", b -> b.setWorkingDir("relative"));
        refuses("working_dir", b -> b.setWorkingDir("/tmp\0/etc"));
    }

    @ParameterizedTest
    @CsvSource({
        "SIGNAL_SIGQUIT,3",
        "SIGNAL_SIGRTMIN,34",
        "SIGNAL_SIGRTMINPLUS15,49",
        "SIGNAL_SIGRTMAXMINUS14,50",
        "SIGNAL_SIGRTMAX,64",
        "SIGNAL_SIGCLD,17",
        "SIGNAL_SIGPOLL,29",
        "SIGNAL_RUNTIME_DEFAULT,15"
    })
    void stopSignalsHaveTheKernelsNumbers(Signal signal, int number) {
        assertThat(spec(b -> b.setStopSignal(signal)).stopSignal()).isEqualTo(number);
    }

    @ParameterizedTest
    @CsvSource({"SIGQUIT,3", "quit,3", "3,3", "SIGRTMIN+3,37", "RTMAX-1,63"})
    void theImagesStopSignalIsReadInEverySpelling(String written, int number) {
        ContainerSpec spec = spec(_ -> {}, podSpec(_ -> {}), "'Cmd':['x'],'StopSignal':'" + written + "'");
        assertThat(spec.stopSignal()).isEqualTo(number);
    }

    @Test
    void everySignalOfCriHasANumberAndComesBack() {
        for (Signal signal : Signal.values()) {
            if (signal != Signal.UNRECOGNIZED && signal != Signal.SIGNAL_RUNTIME_DEFAULT) {
                int number = StopSignals.number(signal).orElseThrow();
                assertThat(number).isBetween(1, 64);
                assertThat(StopSignals.number(StopSignals.signal(number))).hasValue(number);
            }
        }
    }

    // ---- log

    @Test
    void theLogIsBelowThePodsDirectory() {
        assertThat(spec(b -> b.setLogPath("app/0.log")).log())
                .hasValue(new LogFile(Path.of("/var/log/pods/web"), "app/0.log"));
        assertThat(spec(_ -> {}).log()).isEmpty();
        assertThat(spec(b -> b.setLogPath("x"), podSpec(PodSandboxConfig.Builder::clearLogDirectory), "'Cmd':['x']")
                        .log())
                .isEmpty();
        refuses("log_path", b -> b.setLogPath("../outside.log"));
        refuses("log_path", b -> b.setLogPath("/etc/cron.d/x"));
        refuses("log_path", b -> b.setLogPath("."));
    }

    // ---- namespaces

    @Test
    void aContainerWithoutOptionsSharesThePodsPidNamespace() {
        assertThat(spec(_ -> {}).pidMode()).isEqualTo(PidMode.POD);
        assertThat(spec(b -> security(b).getNamespaceOptionsBuilder().setPid(NamespaceMode.CONTAINER))
                        .pidMode())
                .isEqualTo(PidMode.CONTAINER);
    }

    @Test
    void namespacesMustFitThePods() {
        refuses("network", b -> security(b).getNamespaceOptionsBuilder().setNetwork(NamespaceMode.NODE));
        refuses("ipc", b -> security(b).getNamespaceOptionsBuilder().setIpc(NamespaceMode.NODE));
        refuses("pid", b -> security(b).getNamespaceOptionsBuilder().setPid(NamespaceMode.NODE));
        refuses("target_id", b -> security(b).getNamespaceOptionsBuilder().setPid(NamespaceMode.TARGET));
        IDMapping line =
                IDMapping.newBuilder().setHostId(65536).setLength(65536).build();
        refuses(
                "userns_options",
                b -> security(b)
                        .getNamespaceOptionsBuilder()
                        .setUsernsOptions(UserNamespace.newBuilder()
                                .setMode(NamespaceMode.POD)
                                .addUids(line)
                                .addGids(line)));
    }

    @Test
    void theSandboxsConfigurationMustBeThatOfThePod() {
        CreateContainerRequest request = RequestFixture.container(_ -> {}).toBuilder()
                .setSandboxConfig(RequestFixture.pod(b -> b.getMetadataBuilder().setUid("another"))
                        .getConfig())
                .build();
        assertThatThrownBy(() -> ContainerSpec.of(
                        request,
                        RequestFixture.POD_ID,
                        podSpec(_ -> {}),
                        RequestFixture.image("'Cmd':['x']"),
                        new PodFiles(Path.of("/pods/1"), "node-1"),
                        RequestFixture.sources(_ -> Injection.NONE),
                        (_, _, _) -> List.of()))
                .hasMessageContaining("sandbox_config.metadata")
                .hasMessageContaining("another");
    }

    // ---- mounts

    @Test
    void volumesComeInOrderAndTheRuntimesOwnFilesAfterThem() {
        List<MountRequest> mounts = spec(b -> mount(b).setReadonly(true)).mounts();
        assertThat(mounts.stream().map(MountRequest::containerPath))
                .containsExactly("/data", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf");
        assertThat(mounts.getFirst().readOnly()).isTrue();
        assertThat(mounts.getLast().source())
                .isEqualTo(new MountRequest.Source.HostPath(Path.of("/pods/1/resolv.conf")));
        assertThat(mounts.getLast().readOnly()).isFalse();
    }

    @Test
    void aVolumeReplacesTheRuntimesOwnFile() {
        List<MountRequest> mounts =
                spec(b -> mount(b).setContainerPath("/etc//hosts/")).mounts();
        assertThat(mounts.stream().filter(mount -> mount.containerPath().equals("/etc/hosts")))
                .singleElement()
                .satisfies(mount ->
                        assertThat(mount.source()).isEqualTo(new MountRequest.Source.HostPath(Path.of("/srv/data"))));
    }

    @Test
    void theRuntimesFilesAreReadOnlyWithTheRoot() {
        assertThat(spec(b -> security(b).setReadonlyRootfs(true)).mounts())
                .hasSize(3)
                .allMatch(MountRequest::readOnly);
    }

    @Test
    void mountsThatContradictThemselvesAreRefused() {
        refuses("container_path", b -> mount(b).setContainerPath("data"));
        refuses("container_path", b -> mount(b).setContainerPath("/"));
        refuses("container_path", b -> mount(b).setContainerPath("/a/../../b"));
        refuses("host_path", b -> mount(b).setHostPath(""));
        refuses("host_path", b -> mount(b).setHostPath("x"));
        refuses("two mounts", b -> {
            mount(b);
            mount(b).setContainerPath("/data/");
        });
        refuses("recursive_read_only", b -> mount(b).setRecursiveReadOnly(true));
        refuses(
                "recursive_read_only",
                b -> mount(b).setReadonly(true)
                        .setRecursiveReadOnly(true)
                        .setPropagation(MountPropagation.PROPAGATION_HOST_TO_CONTAINER));
        refuses("propagation", b -> mount(b).setPropagationValue(9));
    }

    @Test
    void aVolumesIdsAreMappedAsItSaysWhateverThePodsAre() {
        IDMapping some =
                IDMapping.newBuilder().setContainerId(5).setHostId(70_000).build();
        IDMapping ten = some.toBuilder().setLength(10).build();
        IDMapping more =
                ten.toBuilder().setContainerId(15).setHostId(-2).setLength(1).build();

        assertThat(spec(b -> mount(b).addUidMappings(ten).addUidMappings(more).addGidMappings(ten))
                        .mounts()
                        .getFirst()
                        .ids())
                .hasValueSatisfying(ids -> {
                    assertThat(ids.uidMapText()).isEqualTo("5 70000 10\n15 4294967294 1\n");
                    assertThat(ids.gidMapText()).isEqualTo("5 70000 10\n");
                });
        assertThat(spec(b -> mount(b)).mounts().getFirst().ids()).isEmpty();

        refuses("gidMappings", b -> mount(b).addUidMappings(ten));
        refuses("uidMappings", b -> mount(b).addGidMappings(ten));
        refuses("0 ids", b -> mount(b).addUidMappings(some).addGidMappings(ten));
        refuses(
                "out of range",
                b -> mount(b).addUidMappings(ten.toBuilder().setHostId(-1)).addGidMappings(ten));
        refuses(
                "the same id",
                b -> mount(b).addUidMappings(ten)
                        .addUidMappings(ten.toBuilder().setContainerId(14).setHostId(0))
                        .addGidMappings(ten));
        refuses(
                "the same id",
                b -> mount(b).addUidMappings(ten)
                        .addGidMappings(ten)
                        .addGidMappings(ten.toBuilder().setContainerId(0).setLength(1)));
        refuses("lines of", b -> {
            Mount.Builder mount = mount(b).addGidMappings(ten);
            for (int i = 0; i < 400; i++) {
                mount.addUidMappings(ten.toBuilder().setContainerId(i * 100).setHostId(i * 100));
            }
        });
    }

    // ---- resources

    @Test
    void zeroLeavesALimitUnset() {
        assertThat(spec(b -> resources(b)).limits().memoryLimitBytes()).isEmpty();
        assertThat(spec(_ -> {}).limits().devices()).isEqualTo(DeviceRule.DEFAULTS);
    }

    @Test
    void limitsAreTakenOver() {
        var limits = spec(b -> resources(b)
                .setCpuShares(512)
                .setCpuQuota(20000)
                .setCpuPeriod(100000)
                .setMemoryLimitInBytes(64 << 20)
                .setMemorySwapLimitInBytes(-1)
                .setOomScoreAdj(900)
                .putUnified("pids.max", "17"));
        assertThat(limits.limits().cpuShares()).isEqualTo(OptionalLong.of(512));
        assertThat(limits.limits().memorySwapLimitBytes()).isEqualTo(OptionalLong.of(-1));
        assertThat(limits.limits().pidsLimit()).isEqualTo(OptionalLong.of(17));
        assertThat(limits.limits().unified()).isEmpty();
        assertThat(limits.oomScoreAdj()).isEqualTo(900);
    }

    @Test
    void limitsOutOfRangeAreRefused() {
        refuses("cpu_shares", b -> resources(b).setCpuShares(-1));
        refuses("cpu_shares", b -> resources(b).setCpuShares(300_000));
        refuses("cpu_quota", b -> resources(b).setCpuQuota(-2));
        refuses("cpu_quota", b -> resources(b).setCpuQuota(10));
        refuses("cpu_period", b -> resources(b).setCpuPeriod(10));
        refuses("memory_limit_in_bytes", b -> resources(b).setMemoryLimitInBytes(-5));
        refuses("memory_swap_limit_in_bytes", b -> resources(b).setMemorySwapLimitInBytes(1 << 20));
        refuses(
                "memory_swap_limit_in_bytes",
                b -> resources(b).setMemoryLimitInBytes(2 << 20).setMemorySwapLimitInBytes(1 << 20));
        refuses("oom_score_adj", b -> resources(b).setOomScoreAdj(1001));
        refuses("cpuset_cpus", b -> resources(b).setCpusetCpus("all"));
        refuses("pids.max", b -> resources(b).putUnified("pids.max", "many"));
        refuses(
                "hugepage_limits",
                b -> resources(b)
                        .addHugepageLimits(HugepageLimit.newBuilder().setPageSize("2MB"))
                        .addHugepageLimits(HugepageLimit.newBuilder().setPageSize("2MB")));
    }

    // ---- security

    @ParameterizedTest
    @CsvSource({"4294967296", "2147483648", "-1"})
    void idsOutOfRangeAreRefused(long id) {
        Int64Value value = Int64Value.newBuilder().setValue(id).build();
        refuses("run_as_user", b -> security(b).setRunAsUser(value));
        refuses("run_as_group", b -> security(b).setRunAsGroup(value));
        refuses("supplemental_groups", b -> security(b).addSupplementalGroups(id));
    }

    @Test
    void aPrivilegedContainerNeedsAPrivilegedPod() {
        refuses("privileged", b -> security(b).setPrivileged(true));
        PodSpec pod =
                podSpec(b -> b.getLinuxBuilder().getSecurityContextBuilder().setPrivileged(true));
        ContainerSpec spec = spec(b -> security(b).setPrivileged(true), pod, "'Cmd':['x']");
        assertThat(spec.security().privileged()).isTrue();
        assertThat(spec.limits().devices()).containsExactly(DeviceRule.ALL);
    }

    @Test
    void anEmptySeccompMessageMeansRuntimeDefaultAndNoneUnconfined() {
        assertThat(seccomp(_ -> {})).isEqualTo(new SeccompRequest.Unconfined());
        assertThat(seccomp(s -> s.setSeccomp(SecurityProfile.getDefaultInstance())))
                .isEqualTo(new SeccompRequest.RuntimeDefault());
        assertThat(seccomp(s -> s.setSeccomp(
                        SecurityProfile.newBuilder().setProfileType(SecurityProfile.ProfileType.Unconfined))))
                .isEqualTo(new SeccompRequest.Unconfined());
    }

    @ParameterizedTest
    @CsvSource({"runtime/default", "docker/default"})
    @SuppressWarnings("deprecation") // the old spelling is what is tested
    void oldSpellingsOfTheDefaultProfileAreKnown(String old) {
        assertThat(seccomp(s -> s.setSeccompProfilePath(old))).isEqualTo(new SeccompRequest.RuntimeDefault());
        // the new field wins
        assertThat(seccomp(s -> s.setSeccompProfilePath(old)
                        .setSeccomp(
                                SecurityProfile.newBuilder().setProfileType(SecurityProfile.ProfileType.Unconfined))))
                .isEqualTo(new SeccompRequest.Unconfined());
    }

    @Test
    @SuppressWarnings("deprecation") // the old spelling is what is tested
    void profilesOfTheNodeAreReadInBothSpellings() {
        SeccompRequest expected = new SeccompRequest.Localhost("/p/a.json", "profile /p/a.json");
        assertThat(seccomp(s -> s.setSeccompProfilePath("localhost//p/a.json"))).isEqualTo(expected);
        for (String reference : List.of("/p/a.json", "localhost//p/a.json")) {
            assertThat(seccomp(s -> s.setSeccomp(SecurityProfile.newBuilder()
                            .setProfileType(SecurityProfile.ProfileType.Localhost)
                            .setLocalhostRef(reference))))
                    .isEqualTo(expected);
        }
        refuses("seccomp_profile_path", b -> security(b).setSeccompProfilePath("mine"));
        refuses(
                "localhost_ref",
                b -> security(b)
                        .setSeccomp(SecurityProfile.newBuilder()
                                .setProfileType(SecurityProfile.ProfileType.Unconfined)
                                .setLocalhostRef("/p/a.json")));
        refuses(
                "localhost_ref",
                b -> security(b)
                        .setSeccomp(SecurityProfile.newBuilder()
                                .setProfileType(SecurityProfile.ProfileType.Localhost)
                                .setLocalhostRef("a.json")));
    }

    private static SeccompRequest seccomp(Consumer<LinuxContainerSecurityContext.Builder> change) {
        return spec(b -> change.accept(security(b))).security().seccomp();
    }

    private static AppArmorRequest appArmor(Consumer<LinuxContainerSecurityContext.Builder> change) {
        return spec(b -> change.accept(security(b))).security().labels().appArmor();
    }

    private static SecurityProfile profile(SecurityProfile.ProfileType type, String reference) {
        return SecurityProfile.newBuilder()
                .setProfileType(type)
                .setLocalhostRef(reference)
                .build();
    }

    @Test
    @SuppressWarnings("deprecation") // an older kubelet still sends the second spelling
    void anAppArmorProfileIsReadInBothSpellings() {
        assertThat(appArmor(_ -> {})).isEqualTo(new AppArmorRequest.Unspecified());
        assertThat(appArmor(b -> b.setApparmor(SecurityProfile.getDefaultInstance())))
                .isEqualTo(new AppArmorRequest.RuntimeDefault());
        assertThat(appArmor(b -> b.setApparmor(profile(SecurityProfile.ProfileType.Unconfined, ""))))
                .isEqualTo(new AppArmorRequest.Unconfined());
        assertThat(appArmor(b -> b.setApparmor(profile(SecurityProfile.ProfileType.Localhost, "mine"))))
                .isEqualTo(new AppArmorRequest.Localhost("mine"));
        assertThat(appArmor(b -> b.setApparmor(profile(SecurityProfile.ProfileType.Localhost, "localhost/mine"))))
                .isEqualTo(new AppArmorRequest.Localhost("mine"));
        assertThat(appArmor(b -> b.setApparmorProfile("runtime/default")))
                .isEqualTo(new AppArmorRequest.RuntimeDefault());
        assertThat(appArmor(b -> b.setApparmorProfile("unconfined"))).isEqualTo(new AppArmorRequest.Unconfined());
        assertThat(appArmor(b -> b.setApparmorProfile("localhost/mine")))
                .isEqualTo(new AppArmorRequest.Localhost("mine"));
        assertThat(appArmor(b -> b.setApparmorProfile("localhost/mine")
                        .setApparmor(profile(SecurityProfile.ProfileType.Unconfined, ""))))
                .isEqualTo(new AppArmorRequest.Unconfined());
    }

    @Test
    @SuppressWarnings("deprecation") // an older kubelet still sends it
    void anAppArmorProfileWithoutANameOrWithAForeignOneIsRefused() {
        refuses("apparmor", b -> security(b).setApparmor(profile(SecurityProfile.ProfileType.Localhost, "")));
        refuses("apparmor", b -> security(b).setApparmor(profile(SecurityProfile.ProfileType.RuntimeDefault, "mine")));
        refuses("apparmor", b -> security(b).setApparmor(profile(SecurityProfile.ProfileType.Unconfined, "mine")));
        refuses(
                "apparmor",
                b -> security(b).setApparmor(SecurityProfile.newBuilder().setProfileTypeValue(7)));
        refuses(
                "apparmor",
                b -> security(b).setApparmor(profile(SecurityProfile.ProfileType.Localhost, "mine\nexec other")));
        refuses("apparmor_profile", b -> security(b).setApparmorProfile("mine"));
        refuses("apparmor_profile", b -> security(b).setApparmorProfile("localhost/"));
    }

    private static SelinuxOptions selinux(SELinuxOption.Builder options) {
        return spec(b -> security(b).setSelinuxOptions(options))
                .security()
                .labels()
                .selinux();
    }

    @Test
    void selinuxOptionsAreReadPartByPart() {
        assertThat(spec(_ -> {}).security().labels().selinux()).isEqualTo(SelinuxOptions.NONE);
        assertThat(selinux(SELinuxOption.newBuilder()
                        .setUser("u_u")
                        .setRole("r_r")
                        .setType("t_t")
                        .setLevel("s0-s15:c0.c1023")))
                .isEqualTo(new SelinuxOptions(
                        Optional.of("u_u"), Optional.of("r_r"), Optional.of("t_t"), Optional.of("s0-s15:c0.c1023")));
        for (String wrong : List.of("a:b", "a b", "a\"b", "a,b", "\n", "1_t")) {
            refuses("user", b -> security(b).getSelinuxOptionsBuilder().setUser(wrong));
            refuses("role", b -> security(b).getSelinuxOptionsBuilder().setRole(wrong));
            refuses("type", b -> security(b).getSelinuxOptionsBuilder().setType(wrong));
        }
        for (String wrong : List.of("s", "c1", "s0:", "s0:c1,", "s0:c1.", "s0,c1", "s0:c1-c2", "s0 ", "s0:c12345")) {
            refuses("level", b -> security(b).getSelinuxOptionsBuilder().setLevel(wrong));
        }
    }

    /** Else two spellings of the same categories were two levels, and a process did not have the one that it was given. */
    @Test
    void aSelinuxLevelIsTakenAsTheKernelWritesIt() {
        assertThat(selinux(SELinuxOption.newBuilder().setLevel("s0:c5,c4")).level())
                .contains("s0:c4,c5");
        assertThat(podSpec(pod -> pod.getLinuxBuilder()
                                .getSecurityContextBuilder()
                                .getSelinuxOptionsBuilder()
                                .setLevel("s0:c7,c4.c6"))
                        .selinux()
                        .level())
                .contains("s0:c4.c7");
    }

    @Test
    void aBadSelinuxLevelIsRefused() {
        refuses(
                "level",
                b -> security(b).setSelinuxOptions(SELinuxOption.newBuilder().setLevel("s0,c4,c5")));
        refuses(
                "level",
                b -> security(b)
                        .setSelinuxOptions(SELinuxOption.newBuilder().setLevel("s0:c1" + ",c2".repeat(100_000))));
        assertThat(spec(b ->
                        security(b).setSelinuxOptions(SELinuxOption.newBuilder().setLevel("s0:c4,c5"))))
                .isNotNull();
    }

    /** A launch is a table of all that is asked for: its size is bounded before it is made (compare CVE-2021-43784). */
    @Test
    void noListIsLongerThanALaunchCanBe() {
        refuses("mounts", b -> addMounts(b, 1025));
        refuses("devices", b -> {
            for (int i = 0; i <= 1024; i++) {
                b.addDevicesBuilder().setHostPath("/dev/null").setContainerPath("/dev/n" + i);
            }
        });
        List<String> paths =
                IntStream.rangeClosed(0, 1024).mapToObj(i -> "/p" + i).toList();
        refuses("masked_paths", b -> security(b).addAllMaskedPaths(paths));
        refuses("readonly_paths", b -> security(b).addAllReadonlyPaths(paths));
        refuses(
                "supplemental_groups",
                b -> security(b)
                        .addAllSupplementalGroups(
                                LongStream.rangeClosed(0, 65_536).boxed().toList()));
        assertThat(spec(b -> addMounts(b, 1024)).mounts()).hasSizeGreaterThanOrEqualTo(1024);
    }

    private static void addMounts(ContainerConfig.Builder container, int count) {
        for (int i = 0; i < count; i++) {
            container.addMountsBuilder().setHostPath("/h").setContainerPath("/m" + i);
        }
    }

    @Test
    void mountOptionsOnlyTakeAway() {
        assertThat(spec(b -> mount(b).addMountOptions("noexec").addMountOptions("nosuid"))
                        .mounts()
                        .getFirst()
                        .restrictions())
                .containsExactlyInAnyOrder(MountRequest.Restriction.NOEXEC, MountRequest.Restriction.NOSUID);
        for (String option : List.of("exec", "", "NOEXEC", "rw", "bind,exec")) {
            refuses("config.mounts[0].mount_options", b -> mount(b).addMountOptions(option));
        }
    }

    @Test
    void devicesAreTakenAsAskedAndWhatIsWrongIsNamed() {
        assertThat(spec(b -> b.addDevices(device().setContainerPath("/dev//x/./y")))
                        .devices())
                .containsExactly(new DeviceRequest(
                        "config.devices[0]", Path.of("/dev/fuse"), "/dev/x/y", "rw", DeviceRequest.Owner.OF_HOST));
        assertThat(spec(b -> b.addDevices(device())).devices().getFirst().containerPath())
                .isEqualTo("/dev/fuse");
        refuses("config.devices[0].host_path", b -> b.addDevices(device().setHostPath("fuse")));
        refuses("config.devices[0].container_path", b -> b.addDevices(device().setContainerPath("/dev/../x")));
        refuses("config.devices[0].container_path", b -> b.addDevices(device().setContainerPath("/proc/x")));
        refuses("config.devices[0].container_path", b -> b.addDevices(device().setContainerPath("/dev/pts/0")));
        refuses("config.devices[0].container_path", b -> b.addDevices(device().setContainerPath("/")));
        for (String permissions : List.of("", "rx", "rr", "rwmr", "RW", "r w")) {
            refuses("config.devices[0].permissions", b -> b.addDevices(device().setPermissions(permissions)));
        }
    }

    @Test
    void devicesOfTheUserBelongToTheIdsOfTheSecurityContextButNeverToRoot() {
        ContainerSources ofTheUser = new ContainerSources((_, _) -> "", _ -> Injection.NONE, true);

        assertThat(owner(ofTheUser, b -> security(b).setRunAsUser(id(1000)).setRunAsGroup(id(1001))))
                .isEqualTo(new DeviceRequest.Owner(OptionalLong.of(1000), OptionalLong.of(1001)));
        assertThat(owner(ofTheUser, b -> security(b).setRunAsUser(id(1000))))
                .isEqualTo(new DeviceRequest.Owner(OptionalLong.of(1000), OptionalLong.empty()));
        assertThat(owner(ofTheUser, b -> security(b).setRunAsUser(id(0)))).isEqualTo(DeviceRequest.Owner.OF_HOST);
        assertThat(owner(
                        RequestFixture.sources(_ -> Injection.NONE),
                        b -> security(b).setRunAsUser(id(1000))))
                .isEqualTo(DeviceRequest.Owner.OF_HOST);
    }

    private static Int64Value id(long id) {
        return Int64Value.newBuilder().setValue(id).build();
    }

    private static DeviceRequest.Owner owner(ContainerSources sources, Consumer<ContainerConfig.Builder> change) {
        return ContainerSpec.of(
                        RequestFixture.container(change.andThen(b -> b.addDevices(device()))),
                        RequestFixture.POD_ID,
                        podSpec(_ -> {}),
                        RequestFixture.image("'Cmd':['x']"),
                        new PodFiles(Path.of("/pods/1"), "node-1"),
                        sources,
                        (_, _, _) -> List.of())
                .devices()
                .getFirst()
                .owner();
    }

    private static Device.Builder device() {
        return Device.newBuilder().setHostPath("/dev/fuse").setPermissions("rw");
    }

    // ---- what this version does not do

    @Test
    void refusesWhatWouldLookDone() {
        refuses("windows", ContainerConfig.Builder::getWindowsBuilder);
    }

    @Test
    void refusesAContainerWithoutNameOrImage() {
        refuses("config.metadata", ContainerConfig.Builder::clearMetadata);
        refuses("config.metadata.name", b -> b.getMetadataBuilder().clearName());
        refuses("config.image.image", ContainerConfig.Builder::clearImage);
        refuses("runtime_handler", b -> b.getImageBuilder().setRuntimeHandler("kata"));
    }
}
