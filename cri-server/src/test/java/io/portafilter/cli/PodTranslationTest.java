package io.portafilter.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.LinuxContainerResources;
import io.portafilter.cri.v1.LinuxContainerSecurityContext;
import io.portafilter.cri.v1.Mount;
import io.portafilter.cri.v1.MountPropagation;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.NamespaceOption;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.PortMapping;
import io.portafilter.cri.v1.Protocol;
import io.portafilter.cri.v1.SecurityProfile.ProfileType;
import io.portafilter.cri.v1.SupplementalGroupsPolicy;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PodTranslationTest {
    private static final RunFacts FACTS = new RunFacts(
            "uid-1",
            "node-1",
            List.of("192.0.2.1"),
            List.of("10.0.0.5", "fd00::5"),
            "/logs/x",
            Optional.empty(),
            Optional.empty(),
            4,
            8L << 30,
            new Pod.Dns(Optional.empty(), List.of("192.0.2.53"), List.of("example.test"), List.of("ndots:1")),
            true);
    private static final RunFacts.Image IMAGE = new RunFacts.Image("sha256:abc", "localhost/app", Optional.empty(), "");

    private static Pod pod(String specLines, String containerLines) throws ManifestException {
        return PodManifest.parse("pod.yaml", """
                apiVersion: v1
                kind: Pod
                metadata:
                  name: web
                  namespace: shop
                  labels: {tier: front}
                  annotations: {note: "a b"}
                spec:
                  containers:
                  - name: app
                    image: localhost/app
                """ + containerLines.indent(4) + specLines.indent(2));
    }

    private static PodSandboxConfig sandbox(String specLines) throws ManifestException {
        return new PodTranslation(pod(specLines, ""), FACTS).sandbox();
    }

    private static ContainerConfig container(RunFacts facts, String specLines, String containerLines)
            throws ManifestException {
        Pod pod = pod(specLines, containerLines);
        return new PodTranslation(pod, facts)
                .container(pod.containers().getFirst(), 2, Optional.of(IMAGE), mount -> "/volumes/" + mount.volume());
    }

    private static ContainerConfig container(String containerLines) throws ManifestException {
        return container(FACTS, "", containerLines);
    }

    private static LinuxContainerSecurityContext security(String specLines, String containerLines)
            throws ManifestException {
        return container(FACTS, specLines, containerLines).getLinux().getSecurityContext();
    }

    private static LinuxContainerResources resources(@Nullable String resources) throws ManifestException {
        return container("resources: {" + (resources == null ? "" : resources) + "}")
                .getLinux()
                .getResources();
    }

    private static Map<String, String> env(String containerLines) throws ManifestException {
        Pod pod = pod("", containerLines);
        return new PodTranslation(pod, FACTS).env(pod.containers().getFirst());
    }

    // ---- the sandbox

    @Test
    void portsAreMappedAsKubeletSendsThem() throws ManifestException {
        PodSandboxConfig sandbox = new PodTranslation(
                        pod(
                                "",
                                "ports: [{name: http, containerPort: 80, hostPort: 8080, hostIP: 127.0.0.1},"
                                        + " {containerPort: 53, protocol: UDP}]"),
                        FACTS)
                .sandbox();

        assertThat(sandbox.getPortMappingsList())
                .containsExactly(
                        PortMapping.newBuilder()
                                .setHostPort(8080)
                                .setContainerPort(80)
                                .setHostIp("127.0.0.1")
                                .build(),
                        PortMapping.newBuilder()
                                .setContainerPort(53)
                                .setProtocol(Protocol.UDP)
                                .build());
    }

    @Test
    void metadataLabelsAndAnnotations() throws ManifestException {
        PodSandboxConfig sandbox = sandbox("");
        assertThat(sandbox.getMetadata())
                .extracting("name", "uid", "namespace")
                .containsExactly("web", "uid-1", "shop");
        assertThat(sandbox.getLabelsMap())
                .containsEntry("tier", "front")
                .containsEntry("io.kubernetes.pod.name", "web")
                .containsEntry("io.kubernetes.pod.namespace", "shop")
                .containsEntry("io.kubernetes.pod.uid", "uid-1");
        assertThat(sandbox.getAnnotationsMap()).containsExactly(Map.entry("note", "a b"));
        assertThat(sandbox.getLogDirectory()).isEqualTo("/logs/x");
    }

    @ParameterizedTest
    @CsvSource({"'',web", "hostname: other,other", "hostNetwork: true,''"})
    void hostname(String line, String expected) throws ManifestException {
        assertThat(sandbox(line).getHostname()).isEqualTo(expected);
    }

    @ParameterizedTest
    @CsvSource({
        "'',POD,CONTAINER,POD",
        "hostNetwork: true,NODE,CONTAINER,POD",
        "hostPID: true,POD,NODE,POD",
        "hostIPC: true,POD,CONTAINER,NODE",
        "shareProcessNamespace: true,POD,POD,POD"
    })
    void namespaces(String line, NamespaceMode network, NamespaceMode pid, NamespaceMode ipc) throws ManifestException {
        NamespaceOption ofSandbox =
                sandbox(line).getLinux().getSecurityContext().getNamespaceOptions();
        assertThat(List.of(ofSandbox.getNetwork(), ofSandbox.getPid(), ofSandbox.getIpc()))
                .containsExactly(network, pid, ipc);
        assertThat(security(line, "").getNamespaceOptions()).isEqualTo(ofSandbox);
        assertThat(ofSandbox.getUsernsOptions().getMode()).isEqualTo(NamespaceMode.NODE);
    }

    @Test
    void aBlockOfIdsBecomesTheUserNamespaceAndMapsVolumes() throws ManifestException {
        ContainerConfig container = container(
                FACTS.withFirstHostId(1 << 30),
                "hostUsers: false\nvolumes: [{name: v, emptyDir: {}}]",
                "volumeMounts: [{name: v, mountPath: /v}]");
        NamespaceOption options = container.getLinux().getSecurityContext().getNamespaceOptions();
        assertThat(options.getUsernsOptions().getMode()).isEqualTo(NamespaceMode.POD);
        assertThat(options.getUsernsOptions().getUidsList())
                .extracting(IDMapping::getContainerId, IDMapping::getHostId, IDMapping::getLength)
                .containsExactly(tuple(0, 1 << 30, 65536));
        assertThat(options.getUsernsOptions().getGidsList())
                .isEqualTo(options.getUsernsOptions().getUidsList());
        assertThat(container.getMounts(0).getUidMappingsList())
                .isEqualTo(options.getUsernsOptions().getUidsList());
        assertThat(container.getMounts(0).getGidMappingsList())
                .isEqualTo(options.getUsernsOptions().getUidsList());
    }

    @Test
    void theSandboxHasTheRuntimesFilterAndThePodsUser() throws ManifestException {
        var security = sandbox("securityContext: {runAsUser: 7, runAsGroup: 8, fsGroup: 9, supplementalGroups: [5]}")
                .getLinux()
                .getSecurityContext();
        assertThat(security.getSeccomp().getProfileType()).isEqualTo(ProfileType.RuntimeDefault);
        assertThat(security.getRunAsUser().getValue()).isEqualTo(7);
        assertThat(security.getRunAsGroup().getValue()).isEqualTo(8);
        assertThat(security.getSupplementalGroupsList()).containsExactly(5L, 9L);
        assertThat(security.getPrivileged()).isFalse();
    }

    @Test
    void aPrivilegedContainerMakesThePodPrivileged() throws ManifestException {
        Pod pod = pod("", "securityContext: {privileged: true}");
        assertThat(new PodTranslation(pod, FACTS)
                        .sandbox()
                        .getLinux()
                        .getSecurityContext()
                        .getPrivileged())
                .isTrue();
    }

    @Test
    void sysctls() throws ManifestException {
        assertThat(sandbox("securityContext: {sysctls: [{name: net.core.somaxconn, value: \"7\"}]}")
                        .getLinux()
                        .getSysctlsMap())
                .containsExactly(Map.entry("net.core.somaxconn", "7"));
    }

    @Test
    void dnsOfTheHostIsLeftToTheServer() throws ManifestException {
        assertThat(sandbox("").hasDnsConfig()).isFalse();
        assertThat(sandbox("dnsPolicy: Default").hasDnsConfig()).isFalse();
    }

    @Test
    void dnsConfigIsAddedToTheHosts() throws ManifestException {
        var dns = sandbox(
                        "dnsConfig: {nameservers: [192.0.2.9], options: [{name: ndots, value: \"5\"}, {name: rotate}]}")
                .getDnsConfig();
        assertThat(dns.getServersList()).containsExactly("192.0.2.53", "192.0.2.9");
        assertThat(dns.getSearchesList()).containsExactly("example.test");
        assertThat(dns.getOptionsList()).containsExactly("ndots:1", "ndots:5", "rotate");
    }

    @Test
    void dnsPolicyNoneTakesDnsConfigAlone() throws ManifestException {
        var dns = sandbox("dnsPolicy: None\ndnsConfig: {nameservers: [192.0.2.9]}")
                .getDnsConfig();
        assertThat(dns.getServersList()).containsExactly("192.0.2.9");
        assertThat(dns.getSearchesList()).isEmpty();
    }

    // ---- a container

    @Test
    void nameAttemptImageAndLog() throws ManifestException {
        ContainerConfig container = container("workingDir: /w");
        assertThat(container.getMetadata().getName()).isEqualTo("app");
        assertThat(container.getMetadata().getAttempt()).isEqualTo(2);
        assertThat(container.getImage().getImage()).isEqualTo("sha256:abc");
        assertThat(container.getImage().getUserSpecifiedImage()).isEqualTo("localhost/app");
        assertThat(container.getLogPath()).isEqualTo("app/2.log");
        assertThat(container.getWorkingDir()).isEqualTo("/w");
        assertThat(container.getLabelsMap())
                .containsEntry("io.kubernetes.container.name", "app")
                .containsEntry("io.kubernetes.pod.name", "web");
    }

    @Test
    void kubeletsDefaultsOfTheSecurityContext() throws ManifestException {
        LinuxContainerSecurityContext security = security("", "");
        assertThat(security.getMaskedPathsList())
                .contains("/proc/kcore", "/proc/keys", "/sys/firmware")
                .hasSize(12);
        assertThat(security.getReadonlyPathsList())
                .containsExactly("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger");
        assertThat(security.getSeccomp().getProfileType()).isEqualTo(ProfileType.Unconfined);
        assertThat(security.getNoNewPrivs()).isFalse();
        assertThat(security.getRunAsUser().getValue()).isZero();
        assertThat(security.hasRunAsUser()).isTrue();
        assertThat(security.hasRunAsGroup()).isFalse();
        assertThat(security.hasApparmor()).isFalse();
    }

    @Test
    void privilegedAndUnmaskedHideNothing() throws ManifestException {
        assertThat(security("", "securityContext: {privileged: true}").getMaskedPathsList())
                .isEmpty();
        LinuxContainerSecurityContext unmasked = security("hostUsers: false", "securityContext: {procMount: Unmasked}");
        assertThat(unmasked.getMaskedPathsList()).isEmpty();
        assertThat(unmasked.getReadonlyPathsList()).isEmpty();
    }

    @Test
    void theContainersSecurityContextGoesBeforeThePods() throws ManifestException {
        LinuxContainerSecurityContext security = security("""
                securityContext:
                  runAsUser: 1000
                  runAsGroup: 1000
                  seccompProfile: {type: RuntimeDefault}
                  supplementalGroupsPolicy: Strict
                  seLinuxOptions: {level: "s0:c1"}
                """, """
                securityContext:
                  runAsUser: 2000
                  seccompProfile: {type: Localhost, localhostProfile: profiles/a.json}
                  appArmorProfile: {type: Localhost, localhostProfile: mine}
                """);
        assertThat(security.getRunAsUser().getValue()).isEqualTo(2000);
        assertThat(security.getRunAsGroup().getValue()).isEqualTo(1000);
        assertThat(security.getSeccomp().getProfileType()).isEqualTo(ProfileType.Localhost);
        assertThat(security.getSeccomp().getLocalhostRef()).isEqualTo("/var/lib/kubelet/seccomp/profiles/a.json");
        assertThat(security.getApparmor().getLocalhostRef()).isEqualTo("mine");
        assertThat(security.getSupplementalGroupsPolicy()).isEqualTo(SupplementalGroupsPolicy.Strict);
        assertThat(security.getSelinuxOptions().getLevel()).isEqualTo("s0:c1");
    }

    @Test
    void whatTheContainerDoesNotSayThePodSays() throws ManifestException {
        LinuxContainerSecurityContext security =
                security("securityContext: {runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}", "");
        assertThat(security.getRunAsUser().getValue()).isEqualTo(1000);
        assertThat(security.getSeccomp().getProfileType()).isEqualTo(ProfileType.RuntimeDefault);
    }

    @Test
    void flagsAndCapabilities() throws ManifestException {
        LinuxContainerSecurityContext security = security(
                "",
                "securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true,"
                        + " capabilities: {add: [NET_ADMIN], drop: [ALL]}}");
        assertThat(security.getNoNewPrivs()).isTrue();
        assertThat(security.getReadonlyRootfs()).isTrue();
        assertThat(security.getCapabilities().getAddCapabilitiesList()).containsExactly("NET_ADMIN");
        assertThat(security.getCapabilities().getDropCapabilitiesList()).containsExactly("ALL");
        assertThat(security("", "securityContext: {allowPrivilegeEscalation: true}")
                        .getNoNewPrivs())
                .isFalse();
    }

    @Test
    void theImagesUserIsTakenWhereTheManifestNamesNone() throws ManifestException {
        Pod pod = pod("", "");
        PodTranslation translation = new PodTranslation(pod, FACTS);
        LinuxContainerSecurityContext number = translation
                .container(
                        pod.containers().getFirst(),
                        0,
                        Optional.of(new RunFacts.Image("i", "i", Optional.of(33L), "")),
                        mount -> "")
                .getLinux()
                .getSecurityContext();
        assertThat(number.getRunAsUser().getValue()).isEqualTo(33);
        LinuxContainerSecurityContext name = translation
                .container(
                        pod.containers().getFirst(),
                        0,
                        Optional.of(new RunFacts.Image("i", "i", Optional.empty(), "www")),
                        mount -> "")
                .getLinux()
                .getSecurityContext();
        assertThat(name.hasRunAsUser()).isFalse();
        assertThat(name.getRunAsUsername()).isEqualTo("www");
    }

    @ParameterizedTest
    @CsvSource(nullValues = "-", textBlock = """
                    true,    -,    -, '',   runs as root
                    true,    0, 1000, '',   runAsUser is 0
                    true, 1000,    0, '',   -
                    true,    -, 1000, '',   -
                    true,    -,    0, '',   runs as root
                    true,    -,    -, www,  cannot be verified
                    false,   -,    -, '',   -
                    """)
    void runAsNonRootIsHeld(boolean nonRoot, String uid, Long imageUid, String imageName, String refusal)
            throws ManifestException {
        String user = uid == null ? "" : ", runAsUser: " + uid;
        Pod pod = pod("", "securityContext: {runAsNonRoot: " + nonRoot + user + "}");
        Optional<String> told = new PodTranslation(pod, FACTS)
                .rootRefusal(
                        pod.containers().getFirst(),
                        new RunFacts.Image("i", "i", Optional.ofNullable(imageUid), imageName));
        if (refusal == null) {
            assertThat(told).isEmpty();
        } else {
            assertThat(told.orElse("")).contains(refusal);
        }
    }

    @Test
    void mounts() throws ManifestException {
        ContainerConfig container =
                container(FACTS, "volumes: [{name: a, emptyDir: {}}, {name: b, hostPath: {path: /b}}]", """
                volumeMounts:
                - {name: a, mountPath: /a, readOnly: true, recursiveReadOnly: IfPossible}
                - {name: b, mountPath: /b, mountPropagation: HostToContainer}
                """);
        assertThat(container.getMountsList())
                .extracting(
                        Mount::getContainerPath,
                        Mount::getHostPath,
                        Mount::getReadonly,
                        Mount::getRecursiveReadOnly,
                        Mount::getPropagation)
                .containsExactly(
                        tuple("/a", "/volumes/a", true, true, MountPropagation.PROPAGATION_PRIVATE),
                        tuple("/b", "/volumes/b", false, false, MountPropagation.PROPAGATION_HOST_TO_CONTAINER));
        assertThat(container.getMounts(0).getUidMappingsCount()).isZero();
    }

    @Test
    void theHostsFileIsMountedUnlessTheContainerHasItsOwn() throws ManifestException {
        RunFacts facts = FACTS.withHostsFile("/run/etc-hosts");
        assertThat(container(facts, "", "").getMountsList())
                .extracting(Mount::getContainerPath, Mount::getHostPath)
                .containsExactly(tuple("/etc/hosts", "/run/etc-hosts"));
        assertThat(container(
                                facts,
                                "volumes: [{name: h, hostPath: {path: /h}}]",
                                "volumeMounts: [{name: h, mountPath: /etc/hosts}]")
                        .getMountsList())
                .extracting(Mount::getHostPath)
                .containsExactly("/volumes/h");
    }

    // ---- resources

    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "", textBlock = """
                                                          | 2    | 0      | 0
                    requests: {cpu: 1}                    | 1024 | 0      | 0
                    requests: {cpu: 250m}                 | 256  | 0      | 0
                    requests: {cpu: 1m}                   | 2    | 0      | 0
                    limits: {cpu: 2}                      | 2048 | 200000 | 0
                    limits: {cpu: 5m}                     | 5    | 1000   | 0
                    requests: {cpu: "0.5"}, limits: {cpu: 1500m} | 512 | 150000 | 0
                    limits: {memory: 64Mi}                | 2    | 0      | 67108864
                    limits: {memory: 1G}                  | 2    | 0      | 1000000000
                    limits: {memory: 1e3}                 | 2    | 0      | 1000
                    """)
    void sharesQuotaAndMemory(@Nullable String asked, long shares, long quota, long memory) throws ManifestException {
        LinuxContainerResources resources = resources(asked);
        assertThat(List.of(resources.getCpuShares(), resources.getCpuQuota(), resources.getMemoryLimitInBytes()))
                .containsExactly(shares, quota, memory);
        assertThat(resources.getCpuPeriod()).isEqualTo(quota == 0 ? 0 : 100_000);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                                                                                   | 1000
                    limits: {cpu: 1, memory: 1Gi}                                  | -997
                    limits: {cpu: 1, memory: 1Gi}, requests: {memory: 1Gi}         | -997
                    limits: {cpu: 1, memory: 2Gi}, requests: {memory: 1Gi}         | 875
                    requests: {memory: 4Gi}                                        | 500
                    requests: {memory: 8Gi}                                        | 3
                    requests: {cpu: 1}                                             | 999
                    """)
    void oomScoreByQualityOfService(@Nullable String asked, long score) throws ManifestException {
        assertThat(resources(asked).getOomScoreAdj()).isEqualTo(score);
    }

    @Test
    void hugePages() throws ManifestException {
        assertThat(resources("limits: {hugepages-2Mi: 4Mi}").getHugepageLimitsList())
                .extracting("pageSize", "limit")
                .containsExactly(tuple("2MB", 4L << 20));
    }

    // ---- environment

    @Test
    void fieldsOfThePod() throws ManifestException {
        assertThat(env("""
                        env:
                        - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
                        - {name: NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
                        - {name: UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
                        - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
                        - {name: HOST, valueFrom: {fieldRef: {fieldPath: status.hostIP}}}
                        - {name: POD, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
                        - {name: PODS, valueFrom: {fieldRef: {fieldPath: status.podIPs}}}
                        - {name: TIER, valueFrom: {fieldRef: {fieldPath: "metadata.labels['tier']"}}}
                        - {name: NONE, valueFrom: {fieldRef: {fieldPath: "metadata.labels['none']"}}}
                        - {name: NOTE, valueFrom: {fieldRef: {fieldPath: "metadata.annotations['note']"}}}
                        """))
                .containsExactly(
                        Map.entry("NAME", "web"),
                        Map.entry("NAMESPACE", "shop"),
                        Map.entry("UID", "uid-1"),
                        Map.entry("NODE", "node-1"),
                        Map.entry("HOST", "192.0.2.1"),
                        Map.entry("POD", "10.0.0.5"),
                        Map.entry("PODS", "10.0.0.5,fd00::5"),
                        Map.entry("TIER", "front"),
                        Map.entry("NONE", ""),
                        Map.entry("NOTE", "a b"));
    }

    @Test
    void resourcesOfTheContainer() throws ManifestException {
        assertThat(env("""
                        resources: {limits: {memory: 64Mi}, requests: {cpu: 250m}}
                        env:
                        - {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
                        - {name: CPU, valueFrom: {resourceFieldRef: {resource: requests.cpu}}}
                        - {name: MILLI, valueFrom: {resourceFieldRef: {resource: requests.cpu, divisor: 1m}}}
                        - {name: CPUS, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
                        """))
                .containsExactly(
                        Map.entry("MEMORY", "64"),
                        Map.entry("CPU", "1"),
                        Map.entry("MILLI", "250"),
                        Map.entry("CPUS", "4"));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    $(A)          | one
                    <$(A)$(A)>    | <oneone>
                    $(NONE)       | $(NONE)
                    $$(A)         | $(A)
                    $$$(A)        | $one
                    $A            | $A
                    $(A           | $(A
                    5$            | 5$
                    $()           | $()
                    """)
    void variablesAreExpanded(String text, String expected) {
        assertThat(PodTranslation.expand(text, Map.of("A", "one"))).isEqualTo(expected);
    }

    @Test
    void aVariableSeesThoseBeforeItAndCommandsSeeAll() throws ManifestException {
        ContainerConfig container = container("""
                command: ["echo", "$(B)"]
                args: ["$(C)", "$(LATER)"]
                env:
                - {name: A, value: one}
                - {name: B, value: "$(A) two $(C)"}
                - {name: C, value: three}
                - {name: A, value: again}
                """);
        assertThat(container.getCommandList()).containsExactly("echo", "one two $(C)");
        assertThat(container.getArgsList()).containsExactly("three", "$(LATER)");
        assertThat(container.getEnvsList())
                .extracting("key", "value")
                .extracting(Object::toString)
                .hasSize(3);
        assertThat(container.getEnvs(0).getValue().toStringUtf8()).isEqualTo("again");
    }
}
