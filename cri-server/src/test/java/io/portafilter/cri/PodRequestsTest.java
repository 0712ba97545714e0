package io.portafilter.cri;

import static io.portafilter.cri.RequestFixture.pod;
import static io.portafilter.cri.RequestFixture.podSpec;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.grpc.Status;
import io.portafilter.cri.v1.DNSConfig;
import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.Int64Value;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.NamespaceOption;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.PortMapping;
import io.portafilter.cri.v1.RunPodSandboxRequest;
import io.portafilter.cri.v1.SecurityProfile;
import io.portafilter.cri.v1.UserNamespace;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PodRequestsTest {

    private static void refuses(String field, Consumer<PodSandboxConfig.Builder> change) {
        refuses(Status.Code.INVALID_ARGUMENT, field, pod(change));
    }

    private static void refuses(Status.Code code, String field, RunPodSandboxRequest request) {
        assertThatThrownBy(() -> PodSpec.of(request)).satisfies(error -> {
            assertThat(StatusInterceptor.status(error, "RunPodSandbox").getCode())
                    .isEqualTo(code);
            assertThat(error).hasMessageContaining(field);
        });
    }

    private static NamespaceOption.Builder namespaces(PodSandboxConfig.Builder pod) {
        return pod.getLinuxBuilder().getSecurityContextBuilder().getNamespaceOptionsBuilder();
    }

    private static UserNamespace userns(int uidCount, long containerId) {
        UserNamespace.Builder userns = UserNamespace.newBuilder().setMode(NamespaceMode.POD);
        IDMapping line = IDMapping.newBuilder()
                .setHostId(65536)
                .setContainerId((int) containerId)
                .setLength(65536)
                .build();
        for (int i = 0; i < uidCount; i++) {
            userns.addUids(line);
        }
        return userns.addGids(line).build();
    }

    @Test
    void readsAPlainPod() {
        PodSpec pod = podSpec(_ -> {});
        assertThat(pod.identity()).isEqualTo(new Identity.Pod("web", "default", "uid-1", 2));
        assertThat(pod.hostname()).isEqualTo("web-0");
        assertThat(pod.hostNetwork()).isFalse();
        assertThat(pod.ids()).isEmpty();
    }

    @Test
    void refusesAPodWithoutIdentity() {
        refuses("config.metadata", PodSandboxConfig.Builder::clearMetadata);
        refuses("config.metadata.name", b -> b.getMetadataBuilder().clearName());
        refuses("config.metadata.namespace", b -> b.getMetadataBuilder().clearNamespace());
        refuses("config.metadata.uid", b -> b.getMetadataBuilder().clearUid());
        refuses("config.metadata.name", b -> b.getMetadataBuilder().setName("a\nb"));
        refuses(Status.Code.INVALID_ARGUMENT, "config", RunPodSandboxRequest.getDefaultInstance());
    }

    @Test
    void refusesAnUnknownRuntimeHandler() {
        refuses(
                Status.Code.INVALID_ARGUMENT,
                "kata",
                pod(_ -> {}).toBuilder().setRuntimeHandler("kata").build());
    }

    @Test
    void theDefaultHandlerHasANameToo() {
        RunPodSandboxRequest named =
                pod(_ -> {}).toBuilder().setRuntimeHandler("portafilter").build();
        assertThat(PodRequests.check(named)).isEqualTo(PodRequests.check(pod(_ -> {})));
    }

    @Test
    void aPodInTheHostsNetworkHasTheHostsName() {
        assertThat(podSpec(b -> namespaces(b).setNetwork(NamespaceMode.NODE)).hostname())
                .isEmpty();
    }

    @Test
    void refusesAHostnameThatTheKernelWouldNotTake() {
        refuses("65 bytes", b -> b.setHostname("h".repeat(65)));
        assertThat(podSpec(b -> b.setHostname("h".repeat(64))).hostname()).hasSize(64);
    }

    @Test
    void refusesModesThatAPodCannotHave() {
        refuses("network", b -> namespaces(b).setNetwork(NamespaceMode.TARGET));
        refuses("pid", b -> namespaces(b).setPid(NamespaceMode.TARGET));
        refuses("ipc", b -> namespaces(b).setIpcValue(17));
    }

    @Test
    void containerModeForNetworkAndIpcActsAsPod() {
        PodSpec pod =
                podSpec(b -> namespaces(b).setNetwork(NamespaceMode.CONTAINER).setIpc(NamespaceMode.CONTAINER));
        assertThat(pod.hostNetwork()).isFalse();
        assertThat(pod.hostIpc()).isFalse();
    }

    @Test
    void aUserNamespaceHasExactlyOneMappingWithRoot() {
        assertThat(podSpec(b -> namespaces(b).setUsernsOptions(userns(1, 0))).ids())
                .hasValueSatisfying(ids -> assertThat(ids.hostUid(1)).isEqualTo(65537));
        refuses("userns_options", b -> namespaces(b).setUsernsOptions(userns(0, 0)));
        refuses("userns_options", b -> namespaces(b).setUsernsOptions(userns(2, 0)));
        refuses("userns_options", b -> namespaces(b).setUsernsOptions(userns(1, 1)));
        refuses(
                "userns_options",
                b -> namespaces(b).setUsernsOptions(userns(1, 0).toBuilder().setMode(NamespaceMode.CONTAINER)));
        refuses(
                "userns_options",
                b -> namespaces(b).setUsernsOptions(userns(1, 0).toBuilder().setMode(NamespaceMode.NODE)));
    }

    @Test
    void aUserNamespaceGoesNotWithTheHostsPidOrIpc() {
        refuses("PID", b -> namespaces(b).setUsernsOptions(userns(1, 0)).setPid(NamespaceMode.NODE));
        refuses("IPC", b -> namespaces(b).setUsernsOptions(userns(1, 0)).setIpc(NamespaceMode.NODE));
        assertThat(podSpec(b -> namespaces(b).setUsernsOptions(userns(1, 0)).setNetwork(NamespaceMode.NODE))
                        .ids())
                .isPresent();
    }

    @Test
    void refusesAGroupWithoutAUser() {
        refuses(
                "run_as_group",
                b -> b.getLinuxBuilder()
                        .getSecurityContextBuilder()
                        .setRunAsGroup(Int64Value.newBuilder().setValue(5)));
        refuses(
                "run_as_user",
                b -> b.getLinuxBuilder()
                        .getSecurityContextBuilder()
                        .setRunAsUser(Int64Value.newBuilder().setValue(1L << 31)));
    }

    @ParameterizedTest
    @ValueSource(strings = {"/a/../b", "relative", "/"})
    void refusesACgroupParentThatIsNone(String parent) {
        refuses("cgroup_parent", b -> b.getLinuxBuilder().setCgroupParent(parent));
    }

    @Test
    void takesACgroupParentOfKubelet() {
        assertThat(podSpec(b -> b.getLinuxBuilder().setCgroupParent("/kubepods/burstable/pod1/"))
                        .cgroupParent())
                .isEqualTo("/kubepods/burstable/pod1");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "kernel.core_pattern",
                "kernel.hostname",
                "vm.overcommit_memory",
                "fs.file-max",
                "net/../kernel/core_pattern",
                "net..ipv4",
                "",
                "kernel/shm_rmid_forced/..",
                "user.max_user_namespaces"
            })
    void refusesSysctlsThatAreNotThePodsOwn(String name) {
        refuses("sysctls", b -> b.getLinuxBuilder().putSysctls(name, "1"));
    }

    @Test
    void refusesSysctlsOfTheHostsNamespaces() {
        refuses("net.ipv4.ip_forward", b -> {
            namespaces(b).setNetwork(NamespaceMode.NODE);
            b.getLinuxBuilder().putSysctls("net.ipv4.ip_forward", "1");
        });
        refuses("kernel.shm_rmid_forced", b -> {
            namespaces(b).setIpc(NamespaceMode.NODE);
            b.getLinuxBuilder().putSysctls("kernel.shm_rmid_forced", "1");
        });
    }

    @Test
    void readsBothSpellingsOfSysctls() {
        assertThat(podSpec(b -> b.getLinuxBuilder()
                                .putSysctls("kernel/shm_rmid_forced", "1")
                                .putSysctls("net/ipv4/conf/eth0.100/forwarding", "1")
                                .putSysctls("fs.mqueue.msg_max", "100"))
                        .sysctls())
                .isEqualTo(Map.of(
                        "kernel.shm_rmid_forced", "1",
                        "net.ipv4.conf.eth0/100.forwarding", "1",
                        "fs.mqueue.msg_max", "100",
                        "net.ipv4.ip_unprivileged_port_start", "0",
                        "net.ipv4.ping_group_range", "0 2147483647"));
        refuses("twice", b -> b.getLinuxBuilder().putSysctls("kernel.sem", "1").putSysctls("kernel/sem", "1"));
    }

    @Test
    void inItsOwnNetworkAPodLetsAnyUserBindLowPortsAndPingUnlessItSaysOtherwise() {
        String ports = "net.ipv4.ip_unprivileged_port_start";
        String pings = "net.ipv4.ping_group_range";

        assertThat(podSpec(_ -> {}).sysctls()).isEqualTo(Map.of(ports, "0", pings, "0 2147483647"));
        assertThat(podSpec(b -> b.getLinuxBuilder()
                                .putSysctls("net/ipv4/ping_group_range", "1 0")
                                .putSysctls(ports, "80"))
                        .sysctls())
                .isEqualTo(Map.of(ports, "80", pings, "1 0"));
        assertThat(podSpec(b -> namespaces(b).setNetwork(NamespaceMode.NODE)).sysctls())
                .isEmpty();
        assertThat(podSpec(b -> namespaces(b).setUsernsOptions(userns(1, 0))).sysctls())
                .isEqualTo(Map.of(ports, "0"));
    }

    @Test
    void refusesWhatWouldLookDone() {
        assertThat(podSpec(b -> b.addPortMappings(
                        PortMapping.newBuilder().setContainerPort(80).setHostPort(8080))))
                .isNotNull();
        refuses(
                "container_port",
                b -> b.addPortMappings(PortMapping.newBuilder().setHostPort(8080)));
        refuses(
                "protocol",
                b -> b.addPortMappings(PortMapping.newBuilder()
                        .setContainerPort(80)
                        .setHostPort(8080)
                        .setProtocolValue(9)));
        refuses(
                "host_ip",
                b -> b.addPortMappings(PortMapping.newBuilder()
                        .setContainerPort(80)
                        .setHostPort(8080)
                        .setHostIp("1.2.3.4;x")));
        assertThat(podSpec(b -> b.addPortMappings(PortMapping.newBuilder().setContainerPort(80))))
                .isNotNull();
        refuses(
                "host_port",
                b -> b.addPortMappings(
                        PortMapping.newBuilder().setContainerPort(80).setHostPort(70000)));
        refuses("windows", b -> b.setWindows(io.portafilter.cri.v1.WindowsPodSandboxConfig.getDefaultInstance()));
        refuses(
                "apparmor",
                b -> b.getLinuxBuilder()
                        .getSecurityContextBuilder()
                        .setApparmor(
                                SecurityProfile.newBuilder().setProfileType(SecurityProfile.ProfileType.Localhost)));
    }

    @Test
    void refusesALineBreakInDns() {
        refuses("dns_config", b -> b.setDnsConfig(DNSConfig.newBuilder().addServers("10.0.0.1\nnameserver 6.6.6.6")));
    }

    @Test
    void writesResolvConfInTheOrderOfTheField() {
        assertThat(PodFiles.resolvConf(DNSConfig.newBuilder()
                        .addServers("10.0.0.1")
                        .addServers("10.0.0.2")
                        .addSearches("a.example")
                        .addSearches("b.example")
                        .addOptions("ndots:5")
                        .addOptions("edns0")
                        .build()))
                .isEqualTo(
                        "search a.example b.example\nnameserver 10.0.0.1\nnameserver 10.0.0.2\noptions ndots:5 edns0\n");
        assertThat(PodFiles.resolvConf(DNSConfig.getDefaultInstance())).isEmpty();
    }
}
