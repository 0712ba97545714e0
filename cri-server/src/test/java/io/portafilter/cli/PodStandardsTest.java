package io.portafilter.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.cli.PodStandards.Level;
import io.portafilter.cli.PodStandards.Violation;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Each control with what violates it, and with what does not. */
class PodStandardsTest {

    /** A pod that restricted allows, with more lines in its spec and in its only container. */
    private static PodStandards restricted(String spec, String container) throws ManifestException {
        return judged("""
                securityContext:
                  runAsNonRoot: true
                  seccompProfile: {type: RuntimeDefault}
                """ + spec, """
                securityContext:
                  allowPrivilegeEscalation: false
                  capabilities: {drop: [ALL]}
                """ + container);
    }

    private static PodStandards judged(String spec, String container) throws ManifestException {
        return PodStandards.of(new ManifestTree(
                "", PodManifest.document("pod.yaml", """
                apiVersion: v1
                kind: Pod
                metadata: {name: web}
                spec:
                """ + spec.indent(2) + """
                  containers:
                  - name: app
                    image: localhost/app
                """ + container.indent(4))));
    }

    private static void assertBaseline(PodStandards standards, String control, String field) {
        assertThat(standards.against(Level.BASELINE))
                .extracting(Violation::control, Violation::field)
                .contains(org.assertj.core.api.Assertions.tuple(control, field));
        assertThat(standards.allows(Level.RESTRICTED)).isFalse();
    }

    private static void assertRestricted(PodStandards standards, String control, String field) {
        assertThat(standards.violations())
                .extracting(Violation::level, Violation::control, Violation::field)
                .contains(org.assertj.core.api.Assertions.tuple(Level.RESTRICTED, control, field));
    }

    private static void assertAllowed(PodStandards standards) {
        assertThat(standards.violations()).isEmpty();
    }

    @Test
    void theRestrictedPodIsAllowedAndAPlainOneByBaselineAlone() throws ManifestException {
        assertAllowed(restricted("", ""));
        PodStandards plain = judged("", "");
        assertThat(plain.allows(Level.BASELINE)).isTrue();
        assertThat(plain.allows(Level.RESTRICTED)).isFalse();
        assertThat(plain.violations())
                .extracting(Violation::control)
                .containsExactlyInAnyOrder("Capabilities", "Seccomp", "Privilege Escalation", "Running as Non-root");
    }

    @ParameterizedTest
    @ValueSource(strings = {"hostNetwork", "hostPID", "hostIPC"})
    void hostNamespaces(String field) throws ManifestException {
        assertBaseline(restricted(field + ": true", ""), "Host Namespaces", "spec." + field);
        assertAllowed(restricted(field + ": false", ""));
    }

    @Test
    void hostProcesses() throws ManifestException {
        assertBaseline(
                judged("securityContext: {windowsOptions: {hostProcess: true}}", ""),
                "HostProcess",
                "spec.securityContext.windowsOptions.hostProcess");
        assertBaseline(
                judged("", "securityContext: {windowsOptions: {hostProcess: true}}"),
                "HostProcess",
                "spec.containers[0].securityContext.windowsOptions.hostProcess");
    }

    @Test
    void whatOnlyTheUserNamespaceAllowsIsSaid() throws ManifestException {
        assertThat(judged("hostUsers: false", "securityContext: {runAsUser: 0, procMount: Unmasked}")
                        .relaxed())
                .anyMatch(line -> line.startsWith("restricted, Running as Non-root user: "))
                .anyMatch(line -> line.startsWith("restricted, Running as Non-root: "))
                .anyMatch(line -> line.startsWith("baseline, /proc Mount Type: "));
        assertThat(restricted("hostUsers: false", "").relaxed()).isEmpty();
        assertThat(judged("", "").relaxed()).isEmpty();
    }

    @Test
    void privilegedContainers() throws ManifestException {
        assertBaseline(
                judged("", "securityContext: {privileged: true}"),
                "Privileged Containers",
                "spec.containers[0].securityContext.privileged");
        assertThat(judged("", "securityContext: {privileged: false}").allows(Level.BASELINE))
                .isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"NET_RAW", "SYS_ADMIN", "ALL", "CAP_CHOWN", "chown"})
    void capabilitiesBeyondTheDefault(String name) throws ManifestException {
        assertBaseline(
                judged("", "securityContext: {capabilities: {add: [" + name + "]}}"),
                "Capabilities",
                "spec.containers[0].securityContext.capabilities.add[0]");
    }

    @Test
    void capabilitiesOfTheDefaultAreForBaselineAndOneOfThemForRestricted() throws ManifestException {
        PodStandards chown = judged("", "securityContext: {capabilities: {add: [CHOWN], drop: [ALL]}}");
        assertThat(chown.allows(Level.BASELINE)).isTrue();
        assertRestricted(chown, "Capabilities", "spec.containers[0].securityContext.capabilities.add[0]");
        assertThat(judged("", "securityContext: {capabilities: {add: [NET_BIND_SERVICE], drop: [ALL]}}")
                        .violations())
                .extracting(Violation::control)
                .doesNotContain("Capabilities");
        assertRestricted(
                judged("", "securityContext: {capabilities: {drop: [NET_RAW]}}"),
                "Capabilities",
                "spec.containers[0].securityContext.capabilities.drop");
    }

    @Test
    void hostPathVolumes() throws ManifestException {
        assertBaseline(
                restricted("volumes: [{name: v, hostPath: {path: /srv}}]", ""),
                "HostPath Volumes",
                "spec.volumes[0].hostPath");
        assertAllowed(restricted("volumes: [{name: v, emptyDir: {}}]", ""));
    }

    @Test
    void volumeTypes() throws ManifestException {
        assertRestricted(
                restricted("volumes: [{name: v, nfs: {server: s, path: /p}}]", ""),
                "Volume Types",
                "spec.volumes[0].nfs");
        assertThat(judged("volumes: [{name: v, nfs: {server: s, path: /p}}]", "")
                        .allows(Level.BASELINE))
                .isTrue();
        for (String kind : List.of("configMap", "csi", "downwardAPI", "ephemeral", "image", "projected", "secret")) {
            assertAllowed(restricted("volumes: [{name: v, " + kind + ": {}}]", ""));
        }
    }

    @Test
    void hostPorts() throws ManifestException {
        assertBaseline(
                restricted("", "ports: [{containerPort: 80}, {containerPort: 81, hostPort: 8081}]"),
                "Host Ports",
                "spec.containers[0].ports[1].hostPort");
        assertAllowed(restricted("", "ports: [{containerPort: 80, hostPort: 0}]"));
        assertBaseline(
                restricted("hostNetwork: true", "ports: [{containerPort: 80}]"),
                "Host Ports",
                "spec.containers[0].ports[0].containerPort");
        assertBaseline(
                restricted("hostNetwork: true", "ports: [{containerPort: 80, hostPort: 0}]"),
                "Host Ports",
                "spec.containers[0].ports[0].containerPort");
    }

    @ParameterizedTest
    @CsvSource({
        "livenessProbe.httpGet, 'livenessProbe: {httpGet: {port: 80, host: HOST}}'",
        "readinessProbe.tcpSocket, 'readinessProbe: {tcpSocket: {port: 80, host: HOST}}'",
        "startupProbe.httpGet, 'startupProbe: {httpGet: {port: 80, host: HOST}}'",
        "lifecycle.preStop.httpGet, 'lifecycle: {preStop: {httpGet: {port: 80, host: HOST}}}'",
        "lifecycle.postStart.tcpSocket, 'lifecycle: {postStart: {tcpSocket: {port: 80, host: HOST}}}'"
    })
    void hostsOfProbesAndHooks(String place, String lines) throws ManifestException {
        assertBaseline(
                restricted("", lines.replace("HOST", "192.0.2.1")),
                "Host Probes / Lifecycle Hooks",
                "spec.containers[0]." + place + ".host");
        assertAllowed(restricted("", lines.replace("HOST", "\"\"")));
    }

    @Test
    void appArmor() throws ManifestException {
        assertBaseline(
                judged("securityContext: {appArmorProfile: {type: Unconfined}}", ""),
                "AppArmor",
                "spec.securityContext.appArmorProfile.type");
        for (String type : List.of("RuntimeDefault", "Localhost")) {
            assertThat(judged("", "securityContext: {appArmorProfile: {type: " + type + "}}")
                            .allows(Level.BASELINE))
                    .isTrue();
        }
    }

    @ParameterizedTest
    @CsvSource({"unconfined,false", "runtime/default,true", "localhost/mine,true"})
    void appArmorByAnnotation(String value, boolean allowed) throws ManifestException {
        PodStandards standards =
                PodStandards.of(new ManifestTree("", PodManifest.document("pod.yaml", """
                apiVersion: v1
                kind: Pod
                metadata: {name: web, annotations: {container.apparmor.security.beta.kubernetes.io/app: VALUE}}
                spec: {containers: [{name: app, image: localhost/app}]}
                """.replace("VALUE", value))));
        assertThat(standards.allows(Level.BASELINE)).isEqualTo(allowed);
    }

    @ParameterizedTest
    @CsvSource({"type: spc_t,type", "type: container_x_t,type", "user: system_u,user", "role: system_r,role"})
    void seLinux(String option, String field) throws ManifestException {
        assertBaseline(
                judged("securityContext: {seLinuxOptions: {" + option + "}}", ""),
                "SELinux",
                "spec.securityContext.seLinuxOptions." + field);
    }

    @ParameterizedTest
    @ValueSource(strings = {"container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
    void seLinuxTypesOfContainers(String type) throws ManifestException {
        assertThat(judged("", "securityContext: {seLinuxOptions: {type: " + type + ", level: 's0:c1,c2'}}")
                        .allows(Level.BASELINE))
                .isTrue();
    }

    @Test
    void procMountIsForBaselineInAUserNamespaceAlone() throws ManifestException {
        String unmasked = "securityContext: {procMount: Unmasked}";
        assertBaseline(judged("", unmasked), "/proc Mount Type", "spec.containers[0].securityContext.procMount");
        PodStandards own = judged("hostUsers: false", unmasked);
        assertThat(own.allows(Level.BASELINE)).isTrue();
        assertRestricted(own, "/proc Mount Type", "spec.containers[0].securityContext.procMount");
        assertThat(judged("", "securityContext: {procMount: Default}").allows(Level.BASELINE))
                .isTrue();
    }

    @Test
    void seccomp() throws ManifestException {
        assertBaseline(
                judged("securityContext: {seccompProfile: {type: Unconfined}}", ""),
                "Seccomp",
                "spec.securityContext.seccompProfile.type");
        assertBaseline(
                judged("", "securityContext: {seccompProfile: {type: Unconfined}}"),
                "Seccomp",
                "spec.containers[0].securityContext.seccompProfile.type");
        assertRestricted(judged("", ""), "Seccomp", "spec.containers[0].securityContext.seccompProfile.type");
        assertThat(judged("", "securityContext: {seccompProfile: {type: Localhost, localhostProfile: p}}")
                        .violations())
                .extracting(Violation::control)
                .doesNotContain("Seccomp");
    }

    @Test
    void sysctls() throws ManifestException {
        assertBaseline(
                judged("securityContext: {sysctls: [{name: kernel.msgmax, value: \"1\"}]}", ""),
                "Sysctls",
                "spec.securityContext.sysctls[0].name");
        for (String name : PodStandards.SAFE_SYSCTLS) {
            assertThat(judged("securityContext: {sysctls: [{name: " + name + ", value: \"1\"}]}", "")
                            .allows(Level.BASELINE))
                    .as(name)
                    .isTrue();
        }
    }

    @Test
    void privilegeEscalation() throws ManifestException {
        String field = "spec.containers[0].securityContext.allowPrivilegeEscalation";
        assertRestricted(judged("", ""), "Privilege Escalation", field);
        assertRestricted(
                judged("", "securityContext: {allowPrivilegeEscalation: true}"), "Privilege Escalation", field);
        assertThat(judged("", "securityContext: {allowPrivilegeEscalation: false}")
                        .violations())
                .extracting(Violation::control)
                .doesNotContain("Privilege Escalation");
    }

    @Test
    void nonRoot() throws ManifestException {
        String control = "Running as Non-root";
        assertRestricted(judged("", ""), control, "spec.containers[0].securityContext.runAsNonRoot");
        assertRestricted(
                judged("securityContext: {runAsNonRoot: false}", "securityContext: {runAsNonRoot: true}"),
                control,
                "spec.securityContext.runAsNonRoot");
        assertThat(judged("", "securityContext: {runAsNonRoot: true}").violations())
                .extracting(Violation::control)
                .doesNotContain(control);
        assertThat(judged("hostUsers: false", "").violations())
                .extracting(Violation::control)
                .doesNotContain(control);
    }

    @Test
    void nonRootUser() throws ManifestException {
        String control = "Running as Non-root user";
        assertRestricted(judged("securityContext: {runAsUser: 0}", ""), control, "spec.securityContext.runAsUser");
        assertThat(judged("securityContext: {runAsUser: 10}", "").violations())
                .extracting(Violation::control)
                .doesNotContain(control);
        assertThat(judged("hostUsers: false\nsecurityContext: {runAsUser: 0}", "")
                        .violations())
                .extracting(Violation::control)
                .doesNotContain(control);
    }

    @ParameterizedTest
    @ValueSource(strings = {"initContainers", "ephemeralContainers"})
    void otherKindsOfContainersCount(String kind) throws ManifestException {
        String bad = kind + ": [{name: other, image: i, securityContext: {privileged: true}}]";
        assertBaseline(restricted(bad, ""), "Privileged Containers", "spec." + kind + "[0].securityContext.privileged");
        assertRestricted(
                restricted(bad, ""),
                "Privilege Escalation",
                "spec." + kind + "[0].securityContext.allowPrivilegeEscalation");
    }
}
