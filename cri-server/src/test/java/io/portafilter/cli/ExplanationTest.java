package io.portafilter.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.config.Config;
import io.portafilter.container.LaunchFacts;
import io.portafilter.container.PlanWarning;
import io.portafilter.cri.Cause;
import io.portafilter.cri.CriException;
import io.portafilter.cri.Provenance;
import io.portafilter.cri.VerboseInfo;
import io.portafilter.launch.ElfImage;
import io.portafilter.security.PlanLine;
import io.portafilter.security.SecurityRefusal;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.snakeyaml.engine.v2.api.DumpSettings;
import org.snakeyaml.engine.v2.api.lowlevel.Present;
import org.snakeyaml.engine.v2.api.lowlevel.Serialize;

class ExplanationTest {
    private static final Path GOLDEN = Path.of("src", "test", "golden");
    private static final Path EXAMPLES = Path.of("..", "deploy", "examples");

    @TempDir
    Path directory = Path.of("");

    private static LaunchFacts host() throws CommandException, IOException {
        return HostFile.read(GOLDEN.resolve("host.toml"));
    }

    private static Explanation explained(String text) throws CommandException, IOException, ManifestException {
        return Explanation.of("pod.yaml", text, Config.defaults(), host());
    }

    private static Explanation example(String name) throws CommandException, IOException, ManifestException {
        return explained(Files.readString(EXAMPLES.resolve(name)));
    }

    /** A pod with more lines in its spec and in its only container. */
    private static String pod(String spec, String container) {
        return """
                apiVersion: v1
                kind: Pod
                metadata: {name: web}
                spec:
                """ + spec.indent(2) + """
                  containers:
                  - name: app
                    image: localhost/app
                """ + container.indent(4);
    }

    private static Provenance.Line line(Explanation explained, String name, String subject) {
        return explained.parts().getLast().plan().stream()
                .filter(line ->
                        line.line().name().equals(name) && line.line().subject().equals(subject))
                .findFirst()
                .orElseThrow(() -> new AssertionError("there is no line " + name + " " + subject));
    }

    private static List<String> causes(String spec, String container, String name)
            throws CommandException, IOException, ManifestException {
        return causes(explained(pod(spec, container)), name, "");
    }

    private static List<String> causes(Explanation explained, String name, String subject) {
        return line(explained, name, subject).causes().stream().map(Cause::text).toList();
    }

    private static List<String> warnings(String spec, String container)
            throws CommandException, IOException, ManifestException {
        Explanation explained = explained(pod(spec, container));
        List<String> all = new java.util.ArrayList<>(explained.parts().getLast().notes());
        explained.parts().getLast().warnings().stream()
                .map(PlanWarning::sentence)
                .forEach(all::add);
        explained.warnings().stream().map(PodWarnings.Warning::sentence).forEach(all::add);
        return all;
    }

    /** The filter's length and the names it lacks depend on the libseccomp that is installed. */
    private static String withoutFilter(String text) {
        return text.lines()
                        .filter(line -> !line.matches("  (seccomp|note) .*"))
                        .map(line -> line.replaceAll("[0-9]+ instructions", "N instructions"))
                        .collect(Collectors.joining("\n"))
                + "\n";
    }

    private static void assertGolden(String name, String text) throws IOException {
        Path golden = GOLDEN.resolve(name);
        if ("update".equals(System.getProperty("golden"))) {
            Files.writeString(golden, text);
        }
        assertThat(text).isEqualTo(Files.readString(golden));
    }

    // ---- what is printed

    @Test
    void theRestrictedExampleBecomesThisProgram() throws CommandException, IOException, ManifestException {
        Explanation explained = example("restricted.yaml");
        assertGolden(
                "explain-restricted.txt",
                withoutFilter(ExplanationText.plan(explained) + ExplanationText.programs(explained)));
    }

    @Test
    void theSmallestExampleFitsAScreen() throws CommandException, IOException, ManifestException {
        String text = withoutFilter(ExplanationText.plan(example("hello.yaml")));
        assertGolden("explain-hello.txt", text);
        assertThat(text.lines().takeWhile(line -> !line.startsWith("pod security standards")))
                .hasSizeLessThan(60)
                .allMatch(line -> line.length() <= 130);
    }

    @Test
    void whatTheServerWouldRefuseIsRefused() {
        assertThatThrownBy(
                        () -> explained(pod("securityContext: {sysctls: [{name: kernel.pid_max, value: \"1\"}]}", "")))
                .isInstanceOf(CriException.class)
                .hasMessageContaining("kernel.pid_max");
    }

    @Test
    void theImagesProgramIsSaidToBeUnknown() throws CommandException, IOException, ManifestException {
        Explanation explained = explained(pod("", ""));
        assertThat(ExplanationText.plan(explained))
                .contains("the image's own is not known, here /program-of-the-image")
                .contains("the image's own is not known, here root");
        assertThat(ExplanationText.programs(explained)).contains("execve(\"/program-of-the-image\"");
    }

    // ---- causes

    private static final String MUCH = """
            apiVersion: v1
            kind: Pod
            metadata: {name: web}
            spec:
              hostUsers: false
              shareProcessNamespace: true
              hostname: other
              securityContext:
                runAsUser: 1000
                runAsGroup: 1000
                fsGroup: 2000
                supplementalGroups: [3000, 4000]
                sysctls: [{name: net.core.somaxconn, value: "100"}]
                seccompProfile: {type: RuntimeDefault}
              initContainers:
              - name: first
                image: localhost/app
                workingDir: /srv
                securityContext: {privileged: true, runAsUser: 0, seccompProfile: {type: Unconfined}}
                volumeMounts: [{name: data, mountPath: /data}]
              containers:
              - name: app
                image: localhost/app
                securityContext:
                  runAsUser: 1001
                  allowPrivilegeEscalation: false
                  readOnlyRootFilesystem: true
                  procMount: Unmasked
                  capabilities: {drop: [ALL, CAP_CHOWN], add: [NET_BIND_SERVICE, CHOWN]}
                resources: {requests: {cpu: 50m, memory: 16Mi}, limits: {cpu: 500m, memory: 64Mi}}
                volumeMounts:
                - {name: data, mountPath: /data, readOnly: true}
                - {name: host, mountPath: /host, mountPropagation: HostToContainer}
              volumes:
              - name: data
                emptyDir: {}
              - name: host
                hostPath: {path: /srv}
            """;

    private static final String HOSTLY = """
            apiVersion: v1
            kind: Pod
            metadata: {name: web}
            spec:
              hostNetwork: true
              hostPID: true
              hostIPC: true
              containers:
              - name: app
                image: localhost/app
                securityContext:
                  capabilities: {add: [SYS_ADMIN, NET_ADMIN], drop: [NET_RAW]}
            """;

    private static List<String> pods() throws IOException {
        return List.of(
                MUCH,
                HOSTLY,
                pod("", ""),
                Files.readString(EXAMPLES.resolve("restricted.yaml")),
                Files.readString(EXAMPLES.resolve("root-of-nobody.yaml")));
    }

    @Test
    void everyLineHasACause() throws CommandException, IOException, ManifestException {
        for (String text : pods()) {
            for (Explanation.Part part : explained(text).parts()) {
                assertThat(part.plan())
                        .isNotEmpty()
                        .allSatisfy(line -> assertThat(line.causes())
                                .as(line.line().toString())
                                .isNotEmpty()
                                .allMatch(cause -> cause.origin() == Cause.Origin.RUNTIME
                                        || cause.equals(Cause.UNKNOWN_IMAGE)
                                        || !cause.fields().isEmpty()));
            }
        }
    }

    /** Judged by the manifest as text: without the fields that a line names, the explanation has another line. */
    @Test
    void aLineIsAnotherOneWithoutTheFieldsThatItNames() throws CommandException, IOException, ManifestException {
        int checked = 0;
        for (String text : pods()) {
            Map<List<String>, Optional<Explanation>> without = new HashMap<>();
            for (Explanation.Part part : explained(text).parts()) {
                for (Provenance.Line line : part.plan()) {
                    for (Cause cause : line.causes()) {
                        if (cause.origin() == Cause.Origin.REQUEST && !cause.asDefault()) {
                            Optional<Explanation> rest =
                                    without.computeIfAbsent(cause.fields(), fields -> explainedWithout(text, fields));
                            assertThat(rest.map(other -> lines(other, part.name()))
                                            .filter(lines -> lines.contains(line.line())))
                                    .as("%s %s, without %s", part.name(), line.line(), cause.fields())
                                    .isEmpty();
                            checked++;
                        }
                    }
                }
            }
        }
        assertThat(checked).isGreaterThan(60);
    }

    /** Of several fields that are named together none is too many. */
    @Test
    void aLineStaysAsItIsWithoutAllFieldsThatItNamesButOne() throws CommandException, IOException, ManifestException {
        int checked = 0;
        for (String text : pods()) {
            for (Explanation.Part part : explained(text).parts()) {
                for (Provenance.Line line : part.plan()) {
                    for (Cause cause : line.causes()) {
                        if (cause.origin() == Cause.Origin.REQUEST
                                && cause.fields().size() > 1) {
                            for (String field : cause.fields()) {
                                List<String> others = new java.util.ArrayList<>(cause.fields());
                                others.remove(field);
                                Optional<Explanation> rest = explainedWithout(text, others);
                                if (rest.isPresent()) {
                                    assertThat(lines(rest.get(), part.name()))
                                            .as("%s, without %s", line.line(), others)
                                            .contains(line.line());
                                    checked++;
                                }
                            }
                        }
                    }
                }
            }
        }
        assertThat(checked).isPositive();
    }

    @Test
    void whatOnlyIsThereSinceTheRestWouldBeRefusedIsNoCause() throws CommandException, IOException, ManifestException {
        assertThat(causes(
                        "securityContext: {runAsUser: 1000, runAsGroup: 1000}",
                        "securityContext: {capabilities: {drop: [ALL]}}",
                        "permitted"))
                .as("a group without a user is refused")
                .containsExactly(
                        "spec.securityContext.runAsUser with spec.containers[0].securityContext.capabilities.drop[0]");
    }

    @Test
    void kubeletsDefaultsAreTheSameBesideAUserNamespace() throws CommandException, IOException, ManifestException {
        for (String spec : List.of("", "hostUsers: false")) {
            assertThat(causes(spec, "", "ipc")).as(spec).containsExactly("default: kubelet (ipc)");
            assertThat(causes(spec, "", "pids")).as(spec).containsExactly("default: kubelet (pid)");
            assertThat(causes(spec, "", "privileged")).as(spec).containsExactly("default: kubelet (privileged)");
            assertThat(explained(pod(spec, "")).parts().getFirst().plan())
                    .filteredOn(
                            line -> List.of("ipc", "pids").contains(line.line().name()))
                    .hasSize(2)
                    .allSatisfy(line ->
                            assertThat(line.causes()).allMatch(cause -> cause.origin() == Cause.Origin.KUBELET));
        }
    }

    /** Absent where the rest would be refused. */
    private static Optional<Explanation> explainedWithout(String text, List<String> fields) {
        try {
            ManifestTree tree = new ManifestTree("", PodManifest.document("pod.yaml", text));
            for (String field : fields.reversed()) {
                tree = tree.without(field);
            }
            DumpSettings settings = DumpSettings.builder().build();
            return Optional.of(explained(new Present(settings)
                    .emitToString(
                            new Serialize(settings).serializeOne(tree.node()).iterator())));
        } catch (ManifestException | CommandException | CriException | SecurityRefusal refused) {
            return Optional.empty();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<PlanLine> lines(Explanation explained, String part) {
        return explained.parts().stream()
                .filter(other -> other.name().equals(part))
                .flatMap(other -> other.plan().stream().map(Provenance.Line::line))
                .toList();
    }

    @Test
    void theFieldOfTheContainerGoesBeforeThatOfThePod() throws CommandException, IOException, ManifestException {
        String pod = "securityContext: {runAsUser: 1000}";
        assertThat(causes(pod, "", "user")).containsExactly("spec.securityContext.runAsUser");
        assertThat(causes(pod, "securityContext: {runAsUser: 1001}", "user"))
                .containsExactly("spec.containers[0].securityContext.runAsUser");
        assertThat(causes(pod, "securityContext: {runAsUser: 1000}", "user"))
                .containsExactly("spec.containers[0].securityContext.runAsUser (the default too)");
    }

    @Test
    void whoAddedAndWhoDroppedIsSaid() throws CommandException, IOException, ManifestException {
        String container = "securityContext: {capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}";
        assertThat(causes("", container, "bounding"))
                .containsExactly(
                        "spec.containers[0].securityContext.capabilities.drop[0] (takes 13)",
                        "spec.containers[0].securityContext.capabilities.add[0] (adds NET_BIND_SERVICE)");
        assertThat(causes("", "", "bounding")).containsExactly("default: runtime (14 capabilities)");
        assertThat(causes("", "", "ambient")).containsExactly("default: runtime");
    }

    @Test
    void aSetIsEmptyBecauseOfTheUser() throws CommandException, IOException, ManifestException {
        assertThat(causes("securityContext: {runAsUser: 1000}", "", "effective"))
                .containsExactly("spec.securityContext.runAsUser (takes 14)");
        assertThat(causes(
                        "securityContext: {runAsUser: 1000}",
                        "securityContext: {capabilities: {drop: [ALL]}}",
                        "effective"))
                .containsExactly(
                        "spec.securityContext.runAsUser with spec.containers[0].securityContext.capabilities.drop[0]");
    }

    @Test
    void whatOnlySeveralFieldsDoIsSaidOfWhatTheyLieIn() throws CommandException, IOException, ManifestException {
        assertThat(causes("", "securityContext: {capabilities: {drop: [NET_RAW, CAP_NET_RAW]}}", "bounding"))
                .containsExactly("spec.containers[0].securityContext.capabilities (takes NET_RAW)");
    }

    @Test
    void defaultsAreKubeletsOrTheImagesOrTheRuntimes() throws CommandException, IOException, ManifestException {
        assertThat(causes("", "", "masked paths")).containsExactly("default: kubelet (masked_paths)");
        assertThat(causes("", "", "seccomp")).containsExactly("default: kubelet (seccomp)");
        assertThat(causes("", "", "no_new_privs")).containsExactly("default: kubelet (no_new_privs)");
        assertThat(causes("", "", "user")).containsExactly("image (not known here)");
        assertThat(causes("", "", "group")).containsExactly("image (not known here)");
        assertThat(causes("", "", "cgroups")).containsExactly("default: runtime");
        assertThat(causes("", "", "user namespace")).containsExactly("default: kubelet (userns_options)");
    }

    @Test
    void eachPartOfASecurityContextIsNamed() throws CommandException, IOException, ManifestException {
        Explanation much = explained(MUCH);
        String own = "spec.containers[0].securityContext.";
        assertThat(causes(much, "user namespace", ""))
                .as("procMount Unmasked would be refused without it, and changes nothing of it")
                .containsExactly("spec.hostUsers");
        assertThat(causes(much, "group", "")).containsExactly("spec.securityContext.runAsGroup");
        assertThat(causes(much, "groups", ""))
                .containsExactly(
                        "spec.securityContext.runAsGroup",
                        "spec.securityContext.fsGroup (adds 2000)",
                        "spec.securityContext.supplementalGroups[0] (adds 3000)",
                        "spec.securityContext.supplementalGroups[1] (adds 4000)");
        assertThat(causes(much, "no_new_privs", "")).containsExactly(own + "allowPrivilegeEscalation");
        assertThat(causes(much, "root filesystem", "")).containsExactly(own + "readOnlyRootFilesystem");
        assertThat(causes(much, "masked paths", "")).first().asString().startsWith(own + "procMount");
        assertThat(causes(much, "seccomp", "")).containsExactly("spec.securityContext.seccompProfile.type");
        assertThat(causes(much, "pids", "")).containsExactly("spec.shareProcessNamespace");
        assertThat(causes(much, "mount", "/data"))
                .contains("spec.containers[0].volumeMounts[0]", "spec.containers[0].volumeMounts[0].readOnly");
        assertThat(causes(much, "mount", "/host"))
                .contains("spec.containers[0].volumeMounts[1].mountPropagation", "spec.volumes[1].hostPath.path");
        assertThat(causes(much, "limit", "memory bytes")).containsExactly("spec.containers[0].resources.limits.memory");
        assertThat(much.parts().getFirst().plan().stream()
                        .filter(line -> line.line().subject().equals("net.core.somaxconn"))
                        .flatMap(line -> line.causes().stream())
                        .map(Cause::text))
                .first()
                .asString()
                .startsWith("spec.securityContext.sysctls[0]");
        assertThat(causes(explained(HOSTLY), "network", "")).containsExactly("spec.hostNetwork");
        assertThat(causes(explained(HOSTLY), "pids", "")).containsExactly("spec.hostPID");
        assertThat(causes(explained(HOSTLY), "ipc", "")).containsExactly("spec.hostIPC");
    }

    // ---- warnings

    @Test
    void aCapabilityThatAUserWillNotHave() throws CommandException, IOException, ManifestException {
        String user = "securityContext: {runAsUser: 1000}";
        assertThat(warnings(user, "securityContext: {capabilities: {add: [NET_ADMIN]}}"))
                .anyMatch(warning -> warning.contains("does not have NET_ADMIN unless its program's file carries it"));
        assertThat(warnings(
                        user, "securityContext: {allowPrivilegeEscalation: false, capabilities: {add: [NET_ADMIN]}}"))
                .anyMatch(warning -> warning.contains("nor can any program give it"));
        assertThat(warnings("", "securityContext: {runAsUser: 0, capabilities: {add: [NET_ADMIN]}}"))
                .noneMatch(warning -> warning.contains("does not have NET_ADMIN"));
    }

    @Test
    void readOnlyThatSysAdminCanUndo() throws CommandException, IOException, ManifestException {
        String spec = "hostUsers: false\nvolumes: [{name: data, emptyDir: {}}]";
        String container = """
                volumeMounts: [{name: data, mountPath: /data, readOnly: true}]
                securityContext: {readOnlyRootFilesystem: true, capabilities: {add: [SYS_ADMIN]}}
                """;
        assertThat(warnings(spec, container))
                .anyMatch(warning -> warning.contains("remount,rw /"))
                .anyMatch(warning -> warning.contains("make it writable again, or unmount it"))
                .anyMatch(warning -> warning.contains("unmount what hides them"));
        assertThat(warnings(spec, container.replace("SYS_ADMIN", "SYS_TIME")))
                .noneMatch(warning -> warning.contains("SYS_ADMIN can"));
    }

    @Test
    void dropsAndAddsThatDoNothing() throws CommandException, IOException, ManifestException {
        assertThat(warnings("", "securityContext: {capabilities: {drop: [SYS_TIME]}}"))
                .anyMatch(warning -> warning.contains("to drop SYS_TIME takes nothing away"));
        assertThat(warnings("", "securityContext: {capabilities: {add: [ALL], drop: [SYS_TIME]}}"))
                .noneMatch(warning -> warning.contains("takes nothing away"));
        assertThat(warnings("", "securityContext: {capabilities: {add: [SYS_TIME], drop: [SYS_TIME]}}"))
                .anyMatch(warning -> warning.contains("SYS_TIME: added and dropped"));
        assertThat(warnings("", "securityContext: {capabilities: {drop: [CAP_NET_RAW]}}"))
                .anyMatch(warning -> warning.contains("CAP_NET_RAW: Kubernetes names capabilities without CAP_"));
    }

    @Test
    void privilegedMakesTheRestMoot() throws CommandException, IOException, ManifestException {
        assertThat(
                        warnings(
                                "",
                                "securityContext: {privileged: true, seccompProfile: {type: RuntimeDefault}, capabilities: {drop: [ALL]}}"))
                .contains("privileged: the seccomp profile that was asked for is not used")
                .anyMatch(warning -> warning.contains("what is dropped is not"));
    }

    @Test
    void hostPidsWithPtraceAreTheHost() throws CommandException, IOException, ManifestException {
        assertThat(warnings("hostPID: true", "securityContext: {capabilities: {add: [SYS_PTRACE]}}"))
                .anyMatch(warning -> warning.contains("with SYS_PTRACE"));
        assertThat(warnings("hostPID: true", ""))
                .anyMatch(warning -> warning.contains("it sees the host's processes"))
                .noneMatch(warning -> warning.contains("with SYS_PTRACE"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/",
                "/run/containerd/containerd.sock",
                "/run",
                "/run/portafilter",
                "/var/lib",
                "/etc",
                "/etc/cron.d",
                "/usr/bin",
                "/lib64",
                "/var/lib/kubelet/pods"
            })
    void pathsThatAreTheHost(String path) throws CommandException, IOException, ManifestException {
        String mounts = "volumeMounts: [{name: host, mountPath: /host}]";
        assertThat(warnings("volumes: [{name: host, hostPath: {path: " + path + "}}]", mounts))
                .anyMatch(warning -> warning.contains("root on"));
        assertThat(warnings("volumes: [{name: host, hostPath: {path: /srv/data}}]", mounts))
                .noneMatch(warning -> warning.contains("root on"));
    }

    @Test
    void groupsOfRoot() throws CommandException, IOException, ManifestException {
        assertThat(warnings("securityContext: {runAsUser: 1000}", ""))
                .anyMatch(warning -> warning.contains("is in the group 0, root's: give runAsGroup too"));
        assertThat(warnings("securityContext: {runAsUser: 1000, runAsGroup: 1000, fsGroup: 0}", ""))
                .anyMatch(warning -> warning.contains("is in the group 0, root's: leave it out"));
        assertThat(warnings("securityContext: {runAsUser: 1000, runAsGroup: 1000}", ""))
                .noneMatch(warning -> warning.contains("group 0"));
    }

    @Test
    void escalationIsOpenToWhoIsNotRoot() throws CommandException, IOException, ManifestException {
        String user = "securityContext: {runAsUser: 1000}";
        assertThat(warnings(user, "")).anyMatch(warning -> warning.contains("a set-user-ID program"));
        assertThat(warnings(user, "securityContext: {allowPrivilegeEscalation: false}"))
                .noneMatch(warning -> warning.contains("a set-user-ID program"));
    }

    @Test
    void noFilterAndNetRawAndStrongCapabilities() throws CommandException, IOException, ManifestException {
        String filtered = "securityContext: {seccompProfile: {type: RuntimeDefault}}";
        assertThat(warnings("", "")).anyMatch(warning -> warning.contains("every system call"));
        assertThat(warnings("", filtered)).noneMatch(warning -> warning.contains("every system call"));
        assertThat(warnings("", "")).anyMatch(warning -> warning.startsWith("NET_RAW"));
        assertThat(warnings("", "securityContext: {capabilities: {drop: [NET_RAW]}}"))
                .noneMatch(warning -> warning.startsWith("NET_RAW"));
        for (String spec : List.of("hostNetwork: true", "hostUsers: false")) {
            assertThat(warnings(spec, "")).as(spec).noneMatch(warning -> warning.contains("ping works without"));
        }
        String admin = "securityContext: {capabilities: {add: [SYS_ADMIN]}}";
        assertThat(warnings("", admin)).anyMatch(warning -> warning.contains("nearly root on the host"));
        assertThat(warnings("hostUsers: false", admin))
                .noneMatch(warning -> warning.contains("nearly root on the host"));
    }

    @Test
    void whatKubeletWouldRefuseOrNobodyEnforces() throws CommandException, IOException, ManifestException {
        assertThat(warnings("securityContext: {runAsNonRoot: true}", ""))
                .anyMatch(warning -> warning.contains("sets no user"));
        assertThat(warnings("securityContext: {runAsNonRoot: true, runAsUser: 0}", ""))
                .anyMatch(warning -> warning.contains("runAsUser is 0: kubelet refuses"));
        assertThat(warnings("securityContext: {runAsNonRoot: true, runAsUser: 1}", ""))
                .noneMatch(warning -> warning.contains("kubelet refuses"));
        assertThat(warnings("securityContext: {sysctls: [{name: net.core.somaxconn, value: \"1\"}]}", ""))
                .anyMatch(warning -> warning.contains("--allowed-unsafe-sysctls"));
        assertThat(warnings("securityContext: {sysctls: [{name: net.ipv4.tcp_rmem, value: \"1\"}]}", ""))
                .noneMatch(warning -> warning.contains("--allowed-unsafe-sysctls"));
        assertThat(warnings("volumes: [{name: v, emptyDir: {sizeLimit: 1Mi}}]", ""))
                .anyMatch(warning -> warning.contains("no quota on a disk"));
        assertThat(warnings("volumes: [{name: v, emptyDir: {sizeLimit: 1Mi, medium: Memory}}]", ""))
                .noneMatch(warning -> warning.contains("no quota on a disk"));
    }

    // ---- for programs

    @Test
    @SuppressWarnings("unchecked")
    void jsonHasAllOfIt() throws CommandException, IOException, ManifestException {
        Map<String, Object> json = VerboseInfo.parse(ExplanationJson.of(explained(MUCH), false));
        assertThat(json).containsKeys("pod", "host", "assumed", "sandbox", "containers", "warnings", "standards");
        List<Map<String, Object>> containers = (List<Map<String, Object>>) json.getOrDefault("containers", List.of());
        assertThat(containers).extracting(container -> container.get("name")).containsExactly("first", "app");
        assertThat((List<String>) containers.getLast().get("program")).anyMatch(call -> call.contains(" execve("));
        List<Map<String, Object>> plan =
                (List<Map<String, Object>>) containers.getLast().get("plan");
        assertThat(plan)
                .filteredOn(line -> "no_new_privs".equals(line.get("name")))
                .singleElement()
                .satisfies(line -> {
                    assertThat(line).containsEntry("value", "on");
                    assertThat((List<Map<String, Object>>) line.get("causes"))
                            .extracting(cause -> cause.get("fields"))
                            .containsExactly(List.of("spec.containers[0].securityContext.allowPrivilegeEscalation"));
                });
        assertThat(String.valueOf(json.get("standards"))).contains("privileged");
        assertThat(ExplanationJson.of(explained(MUCH), true))
                .contains("\"plan\" : [")
                .doesNotContain("\"program\" : [");
    }

    @Test
    void elfFilesAreThePrograms() throws CommandException, IOException, ManifestException {
        Explanation explained = example("hello.yaml");
        Path programs = directory.resolve("made/here");
        ProgramFiles.write(programs, explained);
        for (Explanation.Part part : explained.parts()) {
            Path file = programs.resolve(part.isSandbox() ? "sandbox.elf" : "container-hello.elf");
            byte[] bytes = Files.readAllBytes(file);
            assertThat(bytes).startsWith(0x7f, 'E', 'L', 'F', 2, 1, 1);
            assertThat(bytes[16]).as("ET_EXEC").isEqualTo((byte) 2);
            assertThat(bytes).isEqualTo(ElfImage.of(part.program()).bytes());
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                    .isEqualTo("rwx------");
        }
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(programs)))
                .isEqualTo("rwx------");
    }

    @Test
    void noElfFileIsOverwrittenAndNoLinkFollowed() throws CommandException, IOException, ManifestException {
        Explanation explained = example("hello.yaml");
        Path victim = Files.writeString(directory.resolve("victim"), "kept");
        Path programs = Files.createDirectory(directory.resolve("programs"));
        Files.createSymbolicLink(programs.resolve("container-hello.elf"), victim);
        assertThatThrownBy(() -> ProgramFiles.write(programs, explained))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("container-hello.elf is there already");
        assertThat(victim).hasContent("kept");
        assertThat(programs.resolve("sandbox.elf")).doesNotExist();
    }

    @Test
    void programsAreNotWrittenThroughALink() throws CommandException, IOException, ManifestException {
        Explanation explained = example("hello.yaml");
        Path aim = Files.createDirectory(directory.resolve("aim"));
        Path link = Files.createSymbolicLink(directory.resolve("link"), aim);
        assertThatThrownBy(() -> ProgramFiles.write(link, explained)).hasMessageContaining("is a link");
        assertThat(aim).isEmptyDirectory();
    }

    // ---- the host's facts

    @Test
    void printedFactsCanBeReadAgain() throws CommandException, IOException {
        Path file = Files.writeString(directory.resolve("host.toml"), HostFile.text(host()));
        assertThat(HostFile.read(file)).isEqualTo(host());
    }

    @Test
    void aWrongFactIsRefused() throws IOException {
        Path file = Files.writeString(directory.resolve("host.toml"), "kernal = \"6.12\"\n");
        assertThatThrownBy(() -> HostFile.read(file))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("kernal");
        Files.writeString(file, "capabilities = \"CHOWN, FLY\"\n");
        assertThatThrownBy(() -> HostFile.read(file)).hasMessageContaining("FLY");
    }
}
