package io.portafilter.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class PodManifestTest {
    private static final String HEAD = """
            apiVersion: v1
            kind: Pod
            metadata:
              name: web
            spec:
            """;
    private static final String ONE_CONTAINER = """
              containers:
              - name: app
                image: localhost/app
            """;

    private static Pod read(String text) throws ManifestException {
        return PodManifest.parse("pod.yaml", text);
    }

    private static Pod withSpec(String lines) throws ManifestException {
        return read(HEAD + ONE_CONTAINER + lines.indent(2));
    }

    private static Pod.Container withContainer(String lines) throws ManifestException {
        return read(HEAD + ONE_CONTAINER + lines.indent(4)).containers().getFirst();
    }

    private static List<String> problems(String text) {
        return String.valueOf(catchThrowableOfType(ManifestException.class, () -> read(text))
                        .getMessage())
                .lines()
                .toList();
    }

    @Test
    void theSmallestPod() throws ManifestException {
        Pod pod = withSpec("");
        assertThat(pod.name()).isEqualTo("web");
        assertThat(pod.namespace()).isEqualTo("default");
        assertThat(pod.restartPolicy()).isEmpty();
        assertThat(pod.gracePeriodSeconds()).isEqualTo(30);
        assertThat(pod.hostUsers()).isTrue();
        assertThat(pod.unused()).isEmpty();
    }

    @Test
    void theExamplesAreRead() throws ManifestException {
        for (String example : List.of("hello.yaml", "restricted.yaml")) {
            assertThat(PodManifest.read(Path.of("..", "deploy", "examples", example))
                            .unused())
                    .isEmpty();
        }
    }

    @Test
    void whatNestsTooDeeplyIsASentence() {
        assertThatThrownBy(() -> PodManifest.document("pod.yaml", "[".repeat(1 << 20)))
                .isInstanceOf(ManifestException.class)
                .hasMessageContaining("pod.yaml");
    }

    @Test
    void aDeviceWithoutEndIsTooLarge() {
        assertThatThrownBy(() -> PodManifest.text(Path.of("/dev/zero")))
                .isInstanceOf(ManifestException.class)
                .hasMessageContaining("is larger than 1048576 bytes");
    }

    @Test
    void jsonIsYamlToo() throws ManifestException {
        assertThat(read("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\"},"
                                + "\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"b\"}]}}")
                        .name())
                .isEqualTo("web");
    }

    @Test
    void unknownFieldsAreToldWithTheirPathAndLineAllAtOnce() {
        assertThat(problems(HEAD + """
                          containers:
                          - name: app
                            image: localhost/app
                            securityContext:
                              runAsUsr: 5
                          hostPid: true
                        """))
                .containsExactly(
                        "pod.yaml:10: spec.containers[0].securityContext.runAsUsr: unknown field; did you mean"
                                + " runAsUser?",
                        "pod.yaml:11: spec.hostPid: unknown field; did you mean hostPID?");
    }

    @Test
    void aFieldMayBeThereOnce() {
        assertThat(problems(HEAD + ONE_CONTAINER + "  hostNetwork: true\n  hostNetwork: false\n"))
                .containsExactly("pod.yaml:10: spec.hostNetwork: is there twice");
    }

    @Test
    void whatNeedsAClusterIsListedOnce() throws ManifestException {
        Pod pod = read(HEAD + """
                  serviceAccountName: robot
                  tolerations: [{operator: Exists}]
                  containers:
                  - name: a
                    image: b
                    ports: [{containerPort: 80}]
                    livenessProbe: {exec: {command: [x]}}
                  - name: c
                    image: d
                    livenessProbe: {exec: {command: [x]}}
                """);
        assertThat(pod.unused())
                .containsExactlyInAnyOrder(
                        "spec.serviceAccountName", "spec.tolerations", "spec.containers[].livenessProbe");
    }

    @ParameterizedTest
    @ValueSource(strings = {"0644", "0o644", "420", "0x1a4"})
    void numbersAreReadAsYaml11(String written) throws ManifestException {
        assertThat(withSpec("terminationGracePeriodSeconds: " + written).gracePeriodSeconds())
                .isEqualTo(420);
    }

    @ParameterizedTest
    @ValueSource(strings = {"yes", "on", "True", "true", "y"})
    void booleansAreReadAsYaml11(String written) throws ManifestException {
        assertThat(withSpec("hostNetwork: " + written).hostNetwork()).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"5", "yes", "0x10", "1.5", "1e3", "off"})
    void whatIsNoStringUnquotedMustBeQuoted(String written) throws ManifestException {
        assertThat(problems(HEAD + ONE_CONTAINER + "    env: [{name: A, value: " + written + "}]\n"))
                .singleElement()
                .asString()
                .contains("spec.containers[0].env[0].value", "quotes");
        assertThat(withContainer("env: [{name: A, value: \"" + written + "\"}]").env())
                .containsExactly(new Pod.Env.Value("A", written));
        assertThat(problems(HEAD + ONE_CONTAINER + "    args: [" + written + "]\n"))
                .singleElement()
                .asString()
                .contains("spec.containers[0].args[0]");
    }

    @Test
    void anEmptyValueIsAnAbsentOne() throws ManifestException {
        assertThat(withSpec("hostname:\nvolumes: null\nhostUsers: ~").hostname())
                .isEmpty();
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    restartPolicy: Sometimes                                  | must be one of Always, OnFailure, Never
                    hostname: Upper                                           | is no name
                    terminationGracePeriodSeconds: -1                         | must be a whole number
                    hostNetwork: 1                                            | must be true or false
                    volumes: [{name: a}]                                      | has no source
                    volumes: [{name: a, configMap: {name: b}}]                | only emptyDir and hostPath
                    volumes: [{name: a, emptyDri: {}}]                        | only emptyDir and hostPath
                    volumes: [{name: a, emptyDir: {}, hostPath: {path: /a}}]  | has one source
                    volumes: [{name: a, hostPath: {path: a}}]                 | must be absolute
                    volumes: [{name: a, hostPath: {path: /a/../b}}]           | without '..'
                    volumes: [{name: a, emptyDir: {}}, {name: a, emptyDir: {}}] | is there twice
                    volumes: [{name: a, emptyDir: {medium: Disk}}]            | must be one of
                    volumes: [{name: a, emptyDir: {sizeLimit: lots}}]         | is no quantity
                    securityContext: {runAsUser: 4294967296}                  | must be a whole number
                    securityContext: {seccompProfile: {type: Localhost}}      | localhostProfile
                    securityContext: {seccompProfile: {type: RuntimeDefault, localhostProfile: a}} | localhostProfile
                    ephemeralContainers: []                                   | not by a manifest
                    dnsPolicy: None                                           | needs nameservers
                    {hostPID: true, shareProcessNamespace: true}              | beside hostPID
                    {hostUsers: false, hostIPC: true}                         | hostUsers
                    """)
    void refusesWrongPodFields(String line, String hint) {
        String fields = line.startsWith("{")
                ? String.join("\n", line.substring(1, line.length() - 1).split(", "))
                : line;
        assertThat(problems(HEAD + ONE_CONTAINER + fields.indent(2)))
                .singleElement()
                .asString()
                .contains(hint);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    command: sh                                                          | must be a list
                    imagePullPolicy: Maybe                                               | must be one of
                    resources: {limits: {cpu: fast}}                                     | is no quantity
                    resources: {limits: {memory: 1Mi}, requests: {memory: 2Mi}}          | more than its limit
                    volumeMounts: [{name: none, mountPath: /a}]                          | not among them
                    env: [{name: "A=B", value: c}]                                       | must not contain '='
                    env: [{name: A, valueFrom: {fieldRef: {fieldPath: spec.secret}}}]    | no field
                    env: [{name: A, valueFrom: {secretKeyRef: {name: a, key: b}}}]       | API server
                    envFrom: [{configMapRef: {name: a}}]                                 | API server
                    securityContext: {allowPrivilegeEscalation: false, privileged: true} | cannot be false
                    securityContext: {allowPrivilegeEscalation: false, capabilities: {add: [CAP_SYS_ADMIN]}} | cannot be false
                    securityContext: {procMount: Unmasked}                               | needs hostUsers: false
                    restartPolicy: Always                                                | of an init container
                    """)
    void refusesWrongContainerFields(String line, String hint) {
        assertThat(problems(HEAD + ONE_CONTAINER + line.indent(4)))
                .singleElement()
                .asString()
                .contains(hint);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
                    subPath: ../x               | without '..'
                    subPath: /x                 | must be relative
                    subPathExpr: a/../../x      | without '..'
                    recursiveReadOnly: Enabled  | needs readOnly
                    mountPropagation: Bidirectional | need privileged
                    mountPath: a:b              | must not contain ':'
                    """)
    void refusesWrongMounts(String line, String hint) {
        String path = line.startsWith("mountPath") ? "" : ", mountPath: /m";
        assertThat(problems(HEAD
                        + ONE_CONTAINER
                        + "    volumeMounts: [{name: v, " + line + path + "}]\n"
                        + "  volumes: [{name: v, emptyDir: {}}]\n"))
                .singleElement()
                .asString()
                .contains(hint);
    }

    @Test
    void anOptionalReferenceIsLeftOut() throws ManifestException {
        Pod.Container container =
                withContainer("env: [{name: A, valueFrom: {configMapKeyRef: {name: a, key: b, optional: true}}}]");
        assertThat(container.env()).isEmpty();
    }

    @Test
    void otherKindsAndSeveralDocumentsAreRefused() {
        assertThat(problems("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {}\n"))
                .anySatisfy(line -> assertThat(line).contains("apiVersion v1 and kind Pod"));
        assertThat(problems(HEAD + ONE_CONTAINER + "---\n" + HEAD + ONE_CONTAINER))
                .singleElement()
                .asString()
                .contains("2 documents");
        assertThat(problems("")).singleElement().asString().contains("0 documents");
    }

    @Test
    void aSyntaxErrorIsToldWithItsLine() {
        assertThat(problems(HEAD + "  containers: [\n")).first().asString().startsWith("pod.yaml:");
        assertThat(problems("a: b: c")).first().asString().startsWith("pod.yaml:1: ");
    }

    @Test
    void manyAliasesDoNoHarm() {
        String bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n";
        assertThat(problems(HEAD + ONE_CONTAINER + bomb)).isNotEmpty();
        assertThat(problems(HEAD + "  volumes: &v [*v]\n" + ONE_CONTAINER)).isNotEmpty();
    }
}
