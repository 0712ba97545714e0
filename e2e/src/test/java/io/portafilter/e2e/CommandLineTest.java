package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The commands as a person types them: standard output, standard error, exit status. */
class CommandLineTest {
    @RegisterExtension
    static final Live live = Live.server();

    private static Commands.Outcome portafilter(String... arguments) {
        List<String> command = new ArrayList<>(List.of(Tree.launcher().toString()));
        command.addAll(List.of(arguments));
        return Commands.run(Duration.ofSeconds(60), Map.of(), command.toArray(new String[0]));
    }

    /** A command that talks to the test's server. */
    private static Commands.Outcome connected(String command, String... arguments) {
        List<String> all = new ArrayList<>(
                List.of(command, "--listen", "unix://" + live.portafilter().socket()));
        all.addAll(List.of(arguments));
        return portafilter(all.toArray(new String[0]));
    }

    @Test
    void helpNamesTheCommands() {
        Commands.Outcome help = portafilter("--help");
        assertThat(help.status()).isZero();
        assertThat(help.stdout())
                .contains(
                        "serve",
                        "run",
                        "explain",
                        "import",
                        "pull",
                        "images",
                        "pods",
                        "ps",
                        "logs",
                        "exec",
                        "attach",
                        "port-forward");
        assertThat(portafilter("run", "--help").stdout()).contains("--rm");
    }

    @Test
    void anUnknownCommandOrOptionIsAnError() {
        assertThat(portafilter("brew").status()).isNotZero();
        Commands.Outcome option = portafilter("serve", "--port", "80");
        assertThat(option.status()).isNotZero();
        assertThat(option.stderr()).contains("--port");
        assertThat(option.stdout()).isEmpty();
    }

    @Test
    void aWrongConfigurationIsRefusedWithFileLineAndTheNearestKey() throws IOException {
        Path file = live.directory("config").resolve("config.toml");
        Files.writeString(file, "root = \"/tmp/x\"\nlisten = 7\nstat = \"/tmp/y\"\n");
        Commands.Outcome outcome = portafilter("serve", "--config", file.toString());
        assertThat(outcome.status()).isNotZero();
        assertThat(outcome.stderr())
                .contains("config.toml")
                .contains("listen")
                .contains("stat")
                .contains("state");
        assertThat(outcome.stderr()).contains("3").contains("2");
    }

    @Test
    void runPrintsTheContainersOutputAloneAndEndsWithItsStatus() {
        Path pod = live.manifest("plain", """
                restartPolicy: Never
                containers:
                - name: main
                  image: IMAGE
                  command: [sh, -c, "echo to-stdout; echo to-stderr >&2; exit 3"]
                """);
        Commands.Outcome outcome = connected("run", "--rm", pod.toString());
        assertThat(outcome.stdout()).isEqualTo("to-stdout\n");
        assertThat(outcome.stderr()).contains("to-stderr");
        assertThat(outcome.status()).isEqualTo(3);
        assertThat(live.cri().pods()).isEmpty();
    }

    @Test
    void severalContainersAreToldApartAndTheFirstFailureIsTheStatus() {
        Path pod = live.manifest("several", """
                restartPolicy: Never
                initContainers:
                - name: prepare
                  image: IMAGE
                  command: [sh, -c, "echo ready > /shared/file"]
                  volumeMounts: [{name: shared, mountPath: /shared}]
                containers:
                - name: one
                  image: IMAGE
                  command: [sh, -c, "cat /shared/file; exit 0"]
                  volumeMounts: [{name: shared, mountPath: /shared, readOnly: true}]
                - name: two
                  image: IMAGE
                  command: [sh, -c, "echo two; exit 9"]
                volumes:
                - name: shared
                  emptyDir: {}
                """);
        Commands.Outcome outcome = connected("run", "--rm", pod.toString());
        assertThat(outcome.stdout().lines())
                .anyMatch(line -> line.contains("one") && line.endsWith("ready"))
                .anyMatch(line -> line.contains("two"));
        assertThat(outcome.status()).isEqualTo(9);
    }

    @Test
    void aProgramThatCannotBeFoundOrRunGives127And126() {
        Path missing = live.manifest("missing", """
                restartPolicy: Never
                containers:
                - {name: main, image: IMAGE, command: [/no/such/program]}
                """);
        Commands.Outcome outcome = connected("run", "--rm", missing.toString());
        assertThat(outcome.status()).isEqualTo(127);
        assertThat(outcome.stderr()).contains("/no/such/program");
        Path forbidden = live.manifest("forbidden", """
                restartPolicy: Never
                containers:
                - {name: main, image: IMAGE, command: [/etc/passwd]}
                """);
        assertThat(connected("run", "--rm", forbidden.toString()).status()).isEqualTo(126);
        assertThat(live.cri().pods()).isEmpty();
    }

    @Test
    void theManifestsSecurityContextIsHonoured() {
        Path pod = live.manifest("secured", """
                restartPolicy: Never
                hostUsers: false
                hostname: named
                securityContext:
                  runAsUser: 1000
                  runAsGroup: 3000
                  supplementalGroups: [4000]
                  runAsNonRoot: true
                  seccompProfile: {type: RuntimeDefault}
                containers:
                - name: main
                  image: IMAGE
                  env:
                  - {name: GREETING, value: "hi $(NAME)"}
                  - {name: NAME, value: there}
                  - {name: ORDERED, value: "$(NAME)"}
                  - name: POD
                    valueFrom: {fieldRef: {fieldPath: metadata.name}}
                  command: [sh, -c]
                  args:
                  - |
                    id -u; id -g; hostname; echo $ORDERED $POD
                    grep -E '^(NoNewPrivs|Seccomp|CapBnd):' /proc/self/status
                    touch /x 2>/dev/null || echo read-only
                    awk '{print ($2 > 0)}' /proc/self/uid_map
                  securityContext:
                    allowPrivilegeEscalation: false
                    readOnlyRootFilesystem: true
                    capabilities: {drop: [ALL]}
                  resources:
                    limits: {memory: 32Mi, cpu: 200m}
                """);
        Commands.Outcome outcome = connected("run", "--rm", pod.toString());
        assertThat(outcome.stdout().lines())
                .containsExactly(
                        "1000",
                        "3000",
                        "named",
                        "there secured",
                        "CapBnd:\t0000000000000000",
                        "NoNewPrivs:\t1",
                        "Seccomp:\t2",
                        "read-only",
                        "1");
        assertThat(outcome.status()).isZero();
    }

    @Test
    void unknownFieldsAreRefusedByTheirPathAndClusterFieldsAreWarnedOf() {
        Path wrong = live.manifest("wrong", """
                containers:
                - {name: main, image: IMAGE, comand: [sh]}
                """);
        Commands.Outcome refused = connected("run", wrong.toString());
        assertThat(refused.status()).isEqualTo(125);
        assertThat(refused.stderr()).contains("comand").contains("spec.containers[0]");
        Path cluster = live.manifest("cluster", """
                restartPolicy: Never
                serviceAccountName: someone
                containers:
                - name: main
                  image: IMAGE
                  command: ["true"]
                  livenessProbe: {exec: {command: ["true"]}}
                """);
        Commands.Outcome warned = connected("run", "--rm", cluster.toString());
        assertThat(warned.status()).isZero();
        assertThat(warned.stderr()).contains("serviceAccountName").contains("livenessProbe");
        assertThat(warned.stdout()).isEmpty();
    }

    @Test
    void recordsStayForLogsWithoutRm() {
        Path pod = live.manifest("staying", """
                restartPolicy: Never
                containers:
                - {name: main, image: IMAGE, command: [sh, -c, "echo kept in the log"]}
                """);
        assertThat(connected("run", pod.toString()).status()).isZero();
        Commands.Outcome all = connected("ps", "-a");
        assertThat(all.status()).isZero();
        String id = live.cri()
                .runtime()
                .listContainers(io.portafilter.cri.v1.ListContainersRequest.getDefaultInstance())
                .getContainers(0)
                .getId();
        assertThat(all.stdout()).contains(id.substring(0, 12)).contains("main").contains("Exited");
        assertThat(connected("logs", id.substring(0, 12)).stdout()).isEqualTo("kept in the log\n");
        assertThat(connected("pods").stdout()).contains("staying");
        assertThat(connected("pods", "-o", "json").stdout()).contains("\"staying\"");
    }

    @Test
    void execRunsInAContainer() {
        Container container = live.pod().run().container(live.busybox()).idle().start();
        Commands.Outcome outcome = connected("exec", container.id(), "sh", "-c", "echo out; echo err >&2; exit 4");
        assertThat(outcome.stdout()).isEqualTo("out\n");
        assertThat(outcome.stderr()).contains("err");
        assertThat(outcome.status()).isEqualTo(4);
    }

    @Test
    void imagesArePulledListedAndImported() throws IOException {
        TestImage image = TestImages.busyboxWith(new TarWriter().file("marker", "command line\n"));
        String reference = live.registry().push("command-line", "v1", image);
        assertThat(connected("pull", reference).status()).isZero();
        Commands.Outcome images = connected("images");
        assertThat(images.stdout()).contains("command-line").contains(image.id().substring(7, 7 + 12));
        assertThat(connected("images", "-o", "json").stdout()).contains(image.id());

        // docker save's form: a tar with manifest.json.
        TestImage archived = TestImages.busyboxWith(new TarWriter().file("marker", "archived\n"));
        TarWriter docker = new TarWriter()
                .file(
                        "manifest.json",
                        "[{\"Config\":\"config.json\",\"RepoTags\":[\"localhost/archived:v2\"],\"Layers\":["
                                + "\"0.tar\",\"1.tar\"]}]")
                .file("config.json", 0644, 0, 0, archived.configBlob().bytes().toByteArray());
        for (int i = 0; i < archived.layers().size(); i++) {
            docker.file(i + ".tar", 0644, 0, 0, archived.layers().get(i).tar().toByteArray());
        }
        Path tar = Files.write(live.directory("archive").resolve("image.tar"), docker.finish());
        Commands.Outcome imported = connected("import", tar.toString());
        assertThat(imported.status()).as(imported.stderr()).isZero();
        assertThat(imported.stdout() + imported.stderr()).contains("localhost/archived:v2");
        assertThat(live.pod()
                        .run()
                        .container("localhost/archived:v2")
                        .command("/bin/cat", "/marker")
                        .runToEnd()
                        .output())
                .isEqualTo("archived\n");

        // An OCI layout whose name is a bare tag.
        Path layout = live.directory("layouts").resolve("laid-out");
        Path blobs = Files.createDirectories(layout.resolve("blobs/sha256"));
        TestImage laid = TestImages.busyboxWith(new TarWriter().file("marker", "laid out\n"))
                .with(TestImage.Compression.ZSTD);
        List<TestImage.Blob> all = new ArrayList<>(laid.layerBlobs());
        all.add(laid.configBlob());
        all.add(laid.manifest());
        for (TestImage.Blob blob : all) {
            Files.write(blobs.resolve(blob.digest().substring(7)), blob.bytes().toByteArray());
        }
        Files.writeString(layout.resolve("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}");
        Files.writeString(
                layout.resolve("index.json"),
                "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\""
                        + laid.manifest().mediaType()
                        + "\",\"digest\":\"" + laid.manifest().digest() + "\",\"size\":"
                        + laid.manifest().bytes().size()
                        + ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"v3\"}}]}");
        Commands.Outcome second = connected("import", layout.toString());
        assertThat(second.status()).as(second.stderr()).isZero();
        assertThat(second.stdout() + second.stderr()).contains("localhost/laid-out:v3");
        assertThat(live.pod()
                        .run()
                        .container("localhost/laid-out:v3")
                        .command("/bin/cat", "/marker")
                        .runToEnd()
                        .output())
                .isEqualTo("laid out\n");
    }

    @Test
    void explainNeedsNeitherServerNorImageNorRoot() throws IOException {
        Path example = Tree.root().resolve("deploy/examples/restricted.yaml");
        Commands.Outcome outcome = portafilter("explain", example.toString());
        assertThat(outcome.status()).as(outcome.stderr()).isZero();
        assertThat(outcome.stdout())
                .contains("execve(")
                .contains("capset(")
                .contains("pivot_root(")
                .contains("PR_SET_NO_NEW_PRIVS")
                .contains("seccomp");
        byte[] again = portafilter("explain", example.toString()).stdout().getBytes(StandardCharsets.UTF_8);
        assertThat(again).isEqualTo(outcome.stdout().getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void explainOfARunningContainerShowsItsProgram() {
        Container container =
                live.pod().run().container(live.busybox()).idle().drop("ALL").start();
        Commands.Outcome outcome = connected("explain", container.id());
        assertThat(outcome.status()).as(outcome.stderr()).isZero();
        assertThat(outcome.stdout())
                .contains("execve(\"/bin/sh\"")
                .contains("PR_CAPBSET_DROP")
                .containsPattern(
                        "bounding +none +linux.security_context.capabilities.drop_capabilities\\[0] \\(takes 14\\)")
                .containsPattern("inheritable +none +default: runtime");
        Commands.Outcome json = connected("explain", "--json", container.id());
        assertThat(json.status()).as(json.stderr()).isZero();
        assertThat(json.stdout())
                .contains("\"id\" : \"" + container.id())
                .contains("\"program\" : [")
                .contains("capabilities.drop_capabilities[0]");
        Commands.Outcome plan = connected("explain", "--plan", "--json", container.id());
        assertThat(plan.stdout()).contains("\"plan\" : [").doesNotContain("\"program\"");
    }

    @Test
    void explainOfARunningContainerSaysWhatItsPlanDoesNotGive() {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .idle()
                .runAsUser(1000)
                .add("NET_ADMIN")
                .start();
        String note = "capabilities: user 1000 is not root and does not have NET_ADMIN";
        Commands.Outcome outcome = connected("explain", container.id());
        assertThat(outcome.status()).as(outcome.stderr()).isZero();
        assertThat(outcome.stdout()).contains("! " + note).contains("! no_new_privs: a set-user-ID program");
        Commands.Outcome json = connected("explain", "--json", container.id());
        assertThat(json.stdout()).contains(note).contains("\"sentence\" : \"a set-user-ID program");
    }

    @Test
    void explainWritesItsProgramsAndOverwritesNone() throws IOException {
        Path example = Tree.root().resolve("deploy/examples/hello.yaml");
        Path programs = live.directory("programs");
        String[] command = {"explain", "--plan", "--elf", programs.toString(), example.toString()};
        Commands.Outcome outcome = portafilter(command);
        assertThat(outcome.status()).as(outcome.stderr()).isZero();
        assertThat(outcome.stdout()).contains("pod security standards").doesNotContain("execve(");
        for (String name : List.of("sandbox.elf", "container-hello.elf")) {
            assertThat(Files.readAllBytes(programs.resolve(name))).startsWith(0x7f, 'E', 'L', 'F');
        }
        Commands.Outcome again = portafilter(command);
        assertThat(again.status()).isEqualTo(1);
        assertThat(again.stderr()).contains("sandbox.elf is there already");
    }

    @Test
    void runServesInProcessWhenNobodyListens() throws IOException {
        Path base = live.directory("own");
        Path pod = live.manifest("alone", """
                restartPolicy: Never
                containers:
                - {name: main, image: IMAGE, command: [sh, -c, "echo alone; exit 2"]}
                """);
        Path config = base.resolve("config.toml");
        Files.writeString(
                config,
                "root = \"" + base + "/root\"\nstate = \"" + base + "/state\"\ncgroup_parent = \""
                        + live.portafilter().cgroupParent() + "/alone\"\n");
        Commands.Outcome outcome = portafilter("run", "--rm", "--config", config.toString(), pod.toString());
        assertThat(outcome.stdout()).as(outcome.stderr()).isEqualTo("alone\n");
        assertThat(outcome.status()).isEqualTo(2);
        assertThat(base.resolve("state/portafilter.sock")).doesNotExist();
    }

    /** The first serves for itself; the second uses that server, and must not lose it when the first has ended. */
    @Test
    void aCommandThatServesInProcessEndsWithTheLastThatUsesIt()
            throws ExecutionException, IOException, InterruptedException {
        Path base = live.directory("shared");
        Path config = Files.writeString(
                base.resolve("config.toml"),
                "root = \"" + base + "/root\"\nstate = \"" + base + "/state\"\ncgroup_parent = \""
                        + live.portafilter().cgroupParent() + "/shared\"\n");
        Path may = base.resolve("may-end");
        Path first = live.manifest("first", waiting("first", "[ -e /see/second ]", base));
        Path second = live.manifest("second", waiting("second", "[ -e /see/may-end ]", base));
        try (ExecutorService commands = Executors.newFixedThreadPool(2)) {
            Future<Commands.Outcome> serving =
                    commands.submit(() -> portafilter("run", "--rm", "--config", config.toString(), first.toString()));
            Await.until("the first runs", Duration.ofSeconds(50), () -> Files.exists(base.resolve("first")));
            Future<Commands.Outcome> served =
                    commands.submit(() -> portafilter("run", "--rm", "--config", config.toString(), second.toString()));
            Await.until("the second runs", Duration.ofSeconds(50), () -> Files.exists(base.resolve("second")));
            assertThatThrownBy(() -> serving.get(2, TimeUnit.SECONDS)).isInstanceOf(TimeoutException.class);
            Files.createFile(may);
            assertThat(served.get()).returns(0, Commands.Outcome::status);
            assertThat(serving.get()).returns(0, Commands.Outcome::status);
            assertThat(serving.get().stderr()).contains("other commands use the server");
        }
        assertThat(base.resolve("state/portafilter.sock")).doesNotExist();
    }

    private static String waiting(String name, String condition, Path seen) {
        return """
                restartPolicy: Never
                volumes: [{name: see, hostPath: {path: %s}}]
                containers:
                - name: main
                  image: IMAGE
                  command: [sh, -c, "touch /see/%s; until %s; do sleep 0.1; done"]
                  volumeMounts: [{name: see, mountPath: /see}]
                """.formatted(seen, name, condition);
    }

    @Test
    void withoutAServerListsAreReadFromTheRootItself() throws IOException {
        Path base = live.directory("unserved");
        Path config = Files.writeString(
                base.resolve("config.toml"), "root = \"" + base + "/root\"\nstate = \"" + base + "/state\"\n");
        Commands.Outcome outcome = portafilter("images", "--config", config.toString());
        assertThat(outcome.status()).as(outcome.stderr()).isZero();
        assertThat(outcome.stdout().lines()).singleElement().asString().startsWith("IMAGE");
    }
}
