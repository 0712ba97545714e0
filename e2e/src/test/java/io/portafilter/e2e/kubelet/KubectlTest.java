package io.portafilter.e2e.kubelet;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.portafilter.cri.v1.AttachRequest;
import io.portafilter.e2e.Await;
import io.portafilter.e2e.Commands;
import io.portafilter.e2e.Live;
import io.portafilter.e2e.Proc;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** kubectl's logs, exec, attach, cp and port-forward, through kubelet's own server to ours. */
class KubectlTest {
    /** What kubectl speaks; kubelet is told to hand WebSocket on as it is. */
    enum Protocol {
        SPDY,
        WEBSOCKET;

        Map<String, String> environment() {
            String websocket = Boolean.toString(this == WEBSOCKET);
            return Map.of(
                    "KUBECTL_REMOTE_COMMAND_WEBSOCKETS",
                    websocket,
                    "KUBECTL_PORT_FORWARD_WEBSOCKETS",
                    websocket,
                    "KUBECONFIG",
                    "/dev/null",
                    "HOME",
                    live.directory("home").toString());
        }
    }

    private static final Duration LIMIT = Duration.ofSeconds(90);

    @Order(1)
    @RegisterExtension
    static final Live live = Live.server("", Node::missing);

    @Order(2)
    @RegisterExtension
    static final Node node = Node.of(live, "  ExtendWebSocketsToKubelet: false\n");

    private static Optional<ApiFront> front = Optional.empty();

    @BeforeAll
    static void begin() {
        front = Optional.of(ApiFront.of(node.kubelet()));
    }

    @AfterAll
    static void end() {
        front.ifPresent(ApiFront::close);
    }

    private static List<String> command(String... arguments) {
        List<String> command = new ArrayList<>(List.of(
                Node.program("kubectl").orElseThrow().toString(),
                "--server=" + front.orElseThrow().address()));
        command.addAll(List.of(arguments));
        return command;
    }

    private static Commands.Outcome kubectl(Protocol protocol, String... arguments) {
        return Commands.run(LIMIT, protocol.environment(), command(arguments).toArray(new String[0]));
    }

    /** With a file as its standard input. */
    private static Commands.Outcome kubectl(Protocol protocol, Path input, String... arguments) {
        List<String> command = new ArrayList<>(List.of("sh", "-c", "exec \"$@\" <" + input, "sh"));
        command.addAll(command(arguments));
        return Commands.run(LIMIT, protocol.environment(), command.toArray(new String[0]));
    }

    @ParameterizedTest
    @EnumSource
    void execGivesOutputErrorsAndExitStatus(Protocol protocol) {
        StaticPod pod = node.idle("exec");
        Commands.Outcome good = kubectl(protocol, "exec", pod.name(), "--", "sh", "-c", "echo out; echo err >&2");
        assertThat(good.stderr()).isEqualTo("err\n");
        assertThat(good.stdout()).isEqualTo("out\n");
        assertThat(good.status()).isZero();
        Commands.Outcome bad = kubectl(protocol, "exec", pod.name(), "-c", "main", "--", "sh", "-c", "exit 7");
        assertThat(bad.stderr()).contains("exit code 7");
        assertThat(bad.status()).isEqualTo(7);
    }

    @ParameterizedTest
    @EnumSource
    void execTakesItsInputToTheEnd(Protocol protocol) throws IOException {
        StaticPod pod = node.idle("stdin");
        byte[] bytes = new byte[3 << 20];
        new Random(4).nextBytes(bytes);
        Path file = live.directory("input").resolve("file");
        Files.write(file, bytes);
        String sum = Commands.run("sha256sum", file.toString()).orFail().split(" ")[0];
        Commands.Outcome outcome = kubectl(protocol, file, "exec", "-i", pod.name(), "--", "sha256sum");
        assertThat(outcome.stderr()).isEmpty();
        assertThat(outcome.stdout()).startsWith(sum);
        assertThat(outcome.status()).isZero();
    }

    @ParameterizedTest
    @EnumSource
    void filesAreCopiedIntoAContainerAndBack(Protocol protocol) throws IOException {
        StaticPod pod = node.idle("copy");
        byte[] bytes = new byte[1 << 20];
        new Random(5).nextBytes(bytes);
        Path directory = live.directory("copy");
        Files.write(directory.resolve("there"), bytes);
        String _ = kubectl(protocol, "cp", directory.resolve("there").toString(), pod.name() + ":/tmp/there")
                .orFail();
        String _ = kubectl(
                        protocol,
                        "cp",
                        pod.name() + ":/tmp/there",
                        directory.resolve("back").toString())
                .orFail();
        assertThat(directory.resolve("back")).hasBinaryContent(bytes);
    }

    @ParameterizedTest
    @EnumSource
    void aTerminalIsOneWithItsSize(Protocol protocol) {
        StaticPod pod = node.idle("terminal");
        List<String> command = new ArrayList<>(List.of("script", "-qec"));
        command.add("stty rows 33 cols 111; "
                + String.join(" ", command("exec", "-it", pod.name(), "--", "sh", "-c", "'tty; sleep 1; stty size'")));
        command.add("/dev/null");
        Commands.Outcome outcome = Commands.run(LIMIT, protocol.environment(), command.toArray(new String[0]));
        assertThat(outcome.stdout()).contains("/dev/pts/").contains("33 111");
        assertThat(outcome.status()).isZero();
    }

    @ParameterizedTest
    @EnumSource
    void attachTalksToTheContainersFirstProcess(Protocol protocol) throws IOException {
        try {
            var _ = live.cri()
                    .runtime()
                    .attach(AttachRequest.newBuilder().setStdin(true).build());
        } catch (StatusRuntimeException e) {
            assumeTrue(e.getStatus().getCode() != Status.Code.UNIMPLEMENTED, "the server has no Attach yet");
        }
        StaticPod pod = node.run("attach", """
                restartPolicy: Never
                containers:
                - name: main
                  image: IMAGE
                  stdin: true
                  stdinOnce: true
                  command: [sh, -c, "while read line; do echo got $line; done; echo end"]
                """);
        Path input = live.directory("input").resolve("lines");
        Files.writeString(input, "one\ntwo\n");
        Commands.Outcome outcome = kubectl(protocol, input, "attach", "-i", pod.name());
        assertThat(outcome.stdout()).contains("got one\ngot two\n");
        StaticPod ended = node.awaitPhase("attach", "Succeeded");
        assertThat(node.kubelet().text("/containerLogs/default/" + ended.name() + "/main"))
                .isEqualTo("got one\ngot two\nend\n");
    }

    @ParameterizedTest
    @EnumSource
    void aForwardedPortReachesTheContainer(Protocol protocol) throws IOException, InterruptedException {
        int port = Kubelet.freePort();
        StaticPod pod = node.run("forward", """
                containers:
                - name: main
                  image: IMAGE
                  command: [sh, -c, "mkdir /www; echo forwarded > /www/page; exec httpd -f -p 127.0.0.1:PORT -h /www"]
                """.replace("PORT", Integer.toString(port)));
        Path log = live.directory("forward").resolve("log");
        ProcessBuilder builder = new ProcessBuilder(command("port-forward", pod.name(), ":" + port))
                .redirectErrorStream(true)
                .redirectOutput(log.toFile());
        builder.environment().putAll(protocol.environment());
        Process forward = builder.start();
        try (HttpClient http = HttpClient.newHttpClient()) {
            Pattern line = Pattern.compile("Forwarding from 127\\.0\\.0\\.1:(\\d+) -> " + port);
            Await.until(
                    "kubectl forwards",
                    LIMIT,
                    () -> line.matcher(Files.readString(log)).find());
            Matcher matcher = line.matcher(Files.readString(log));
            assertThat(matcher.find()).isTrue();
            URI page = URI.create("http://127.0.0.1:" + matcher.group(1) + "/page");
            for (int i = 0; i < 20; i++) {
                HttpResponse<String> answer = http.send(
                        HttpRequest.newBuilder(page).timeout(LIMIT).build(), HttpResponse.BodyHandlers.ofString());
                assertThat(answer.body()).isEqualTo("forwarded\n");
            }
        } finally {
            forward.destroy();
            assertThat(forward.waitFor()).isNotEqualTo(-1);
        }
    }

    @Test
    void logsAreFollowedToTheirEnd() {
        node.place("logs", """
                restartPolicy: Never
                containers:
                - name: main
                  image: IMAGE
                  command: [sh, -c, "for i in 1 2 3 4 5; do echo line $i; sleep 0.5; done"]
                """);
        StaticPod pod = node.awaitContainer(
                "logs",
                "main",
                "has begun",
                main -> main.running() || main.terminated().isPresent());
        Commands.Outcome followed = kubectl(Protocol.SPDY, "logs", "-f", pod.name());
        assertThat(followed.stdout()).isEqualTo("line 1\nline 2\nline 3\nline 4\nline 5\n");
        assertThat(kubectl(Protocol.SPDY, "logs", "--tail=2", pod.name()).stdout())
                .isEqualTo("line 4\nline 5\n");
    }

    @Test
    void nothingOfAnExecIsLeftWhenKubectlIsKilled() throws IOException, InterruptedException {
        StaticPod pod = node.idle("killed");
        ProcessBuilder builder = new ProcessBuilder(command("exec", "-i", pod.name(), "--", "sleep", "98765"));
        builder.environment().putAll(Protocol.WEBSOCKET.environment());
        Process kubectl = builder.start();
        long first = node.pid(pod.container("main"));
        Await.until("the program runs", LIMIT, () -> sleepers() == 1);
        var _ = kubectl.destroyForcibly().waitFor();
        Await.until("the program is gone", LIMIT, () -> sleepers() == 0);
        assertThat(Proc.isAlive(first)).isTrue();
    }

    private static long sleepers() {
        return ProcessHandle.allProcesses()
                .filter(process -> Proc.commandLine(process.pid()).equals("sleep 98765"))
                .count();
    }
}
