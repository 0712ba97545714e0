package io.portafilter.e2e;

import static io.portafilter.e2e.HostTarget.startedOrRefused;
import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.cri.v1.NamespaceMode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Containers and commands with a terminal: what they see, what is logged, and what cannot be put in its place. */
class TerminalTest {
    private static final int FIRST_HOST_ID = 4_194_304;

    private static final String TELL = "tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all three;"
            + " stat -c %u:%a $(tty) /dev/console; echo $TERM; echo on stderr >&2; [ -w /dev/tty ] && echo controls";

    @RegisterExtension
    static final Live live = Live.server();

    private static ContainerFixture terminal(Pod pod) {
        return pod.container(live.busybox()).configure(config -> config.setTty(true));
    }

    /** What comes until it holds a text. */
    static String until(InputStream in, String text) throws IOException {
        StringBuilder all = new StringBuilder();
        byte[] bytes = new byte[4096];
        while (all.indexOf(text) < 0) {
            int count = in.read(bytes);
            if (count < 0) {
                throw new AssertionError("it ended without \"" + text + "\" after: " + all);
            }
            all.append(new String(bytes, 0, count, StandardCharsets.UTF_8));
        }
        return all.toString();
    }

    static void type(StreamClient client, String text) throws IOException {
        client.send("stdin", text.getBytes(StandardCharsets.UTF_8));
    }

    @TestFactory
    Stream<DynamicTest> theStreamsAreATerminalThatIsTheConsoleAndIsLoggedAsStdout() {
        Map<String, Pod> pods = new LinkedHashMap<>();
        pods.put("its own PIDs", live.pod().run());
        pods.put("the pod's PIDs", live.pod().pid(NamespaceMode.POD).run());
        pods.put("a user namespace", live.pod().userNamespace(FIRST_HOST_ID).run());
        pods.put("the host's network", live.pod().hostNetwork().run());
        return pods.entrySet().stream()
                .flatMap(pod -> Stream.of(0L, 1000L)
                        .map(user -> DynamicTest.dynamicTest(pod.getKey() + ", user " + user, () -> {
                            Container container = terminal(pod.getValue())
                                    .runAsUser(user)
                                    .shell(TELL)
                                    .runToEnd();
                            assertThat(Files.readString(container.log()).lines().count())
                                    .isPositive();
                            assertThat(container.logLines())
                                    .allMatch(line -> line.stream().equals("stdout"));
                            assertThat(container.output())
                                    .isEqualTo("/dev/pts/0\nall three\n" + user + ":620\n" + user
                                            + ":620\nxterm\non stderr\ncontrols\n");
                        })));
    }

    /** The carriage return that a terminal adds is part of what is seen. */
    @Test
    void theLogHasTheBytesThatAreSeen() throws IOException {
        Container container = terminal(live.pod().run())
                .shell("echo one; stty -opost; echo two; printf three")
                .runToEnd();
        assertThat(Files.readString(container.log()))
                .contains("stdout F one\r\n")
                .contains("stdout F two\n");
        assertThat(container.logLines().getLast())
                .satisfies(line -> assertThat(line.tag() + " " + line.text()).isEqualTo("P three"));
    }

    @Test
    void aKilledServerLosesAndDoublesNoLineOfATerminal() {
        int lines = 3000;
        Container container = terminal(live.pod().run())
                .shell("i=0; while [ $i -lt " + lines + " ]; do echo line $i; i=$((i + 1));"
                        + " [ $((i % 100)) = 0 ] && sleep 0.1; done; exit 6")
                .start();
        for (int i = 0; i < 3; i++) {
            live.portafilter().killAndStart();
        }
        assertThat(container.awaitExit().getExitCode()).isEqualTo(6);
        assertThat(container.logged("stdout").lines())
                .isEqualTo(IntStream.range(0, lines).mapToObj(i -> "line " + i).toList());
    }

    @ParameterizedTest
    @ValueSource(strings = {"spdy/v4.channel.k8s.io", "ws/v5.channel.k8s.io"})
    void aCommandHasATerminalOfItsOwnThatFollowsTheClientsSize(String protocol) throws Exception {
        Container container = live.pod().run().container(live.busybox()).idle().start();
        try (StreamClient client = StreamRequests.exec(
                container,
                protocol,
                request -> request.setTty(true).setStdin(true).setStderr(false),
                "sh")) {
            InputStream output = client.from("stdout");
            client.send("resize", "{\"Width\":97,\"Height\":31}".getBytes(StandardCharsets.UTF_8));
            type(client, "tty; echo t$TERM\n");
            assertThat(until(output, "txterm\r\n")).contains("/dev/pts/0\r\n");
            type(client, "until stty size | grep '31 97'; do sleep 0.1; done; echo re''sized\n");
            assertThat(until(output, "resized\r\n")).contains("31 97\r\n");
            type(client, "sh -c 'echo rea''dy; exec sleep 1000'; exit 4\n");
            String _ = until(output, "ready\r\n");
            type(client, "\u0003exit 4\n");
            assertThat(client.text("error")).contains("{\"reason\":\"ExitCode\",\"message\":\"4\"}");
        }
    }

    /** The hang-up of a terminal ends what has it ({@code tty_ioctl(4)}), and the rest is killed. */
    @Test
    void aClientThatGoesAwayLeavesNoProgramBehind() throws Exception {
        Container container = live.pod().run().container(live.busybox()).idle().start();
        StreamClient client = StreamRequests.exec(
                container,
                "spdy/v4.channel.k8s.io",
                request -> request.setTty(true).setStdin(true).setStderr(false),
                "sh",
                "-c",
                "trap '' HUP; echo rea''dy; sleep 4713");
        String _ = until(client.from("stdout"), "ready");
        client.close();
        Await.until(
                "the command ends",
                Duration.ofSeconds(30),
                () -> !container.shell("ps -o args").contains("sleep 4713"));
    }

    // ---- what an image or a program puts in its place

    @TestFactory
    Stream<DynamicTest> whatAnImageHasInItsDevIsNoTerminal() {
        HostTarget target = HostTarget.of(live);
        return Stream.of("console", "pts", "ptmx", "tty")
                .map(name -> DynamicTest.dynamicTest("dev/" + name, () -> {
                    String image = live.image(TestImages.busyboxWith(
                            new TarWriter().symlink("dev/" + name, target.directory() + "/file")));
                    Container container = live.pod()
                            .run()
                            .container(image)
                            .configure(config -> config.setTty(true))
                            .shell(TELL + "; echo written > /dev/console")
                            .runToEnd();
                    assertThat(container.output())
                            .contains("all three\n")
                            .contains("controls\n")
                            .endsWith("written\n");
                    target.isUntouched();
                }));
    }

    @TestFactory
    Stream<DynamicTest> aVolumeInItsPlaceTakesNothingFromTheTerminal() throws IOException {
        HostTarget target = HostTarget.of(live);
        Path directory = live.directory("volume");
        Path file = Files.writeString(directory.resolve("file"), "a file\n");
        Files.createSymbolicLink(directory.resolve("ptmx"), target.file());
        Files.createSymbolicLink(directory.resolve("0"), target.file());
        Files.createSymbolicLink(directory.resolve("console"), target.file());
        Map<String, Path> volumes = new LinkedHashMap<>();
        volumes.put("/dev/console", file);
        volumes.put("/dev/ptmx", file);
        volumes.put("/dev/pts", directory);
        volumes.put("/dev", directory);
        return volumes.entrySet().stream()
                .map(volume -> DynamicTest.dynamicTest(volume.getKey(), () -> {
                    var started = startedOrRefused(terminal(live.pod().run())
                            .mount(volume.getValue(), volume.getKey())
                            .shell("[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo all three; sleep 1000"));
                    target.isUntouched();
                    if (started.isPresent()) {
                        Container container = started.get();
                        Await.until(
                                "it writes",
                                Duration.ofSeconds(30),
                                () -> !container.logLines().isEmpty());
                        assertThat(container.logged("stdout")).isEqualTo("all three\n");
                        try (StreamClient client = StreamRequests.exec(
                                container,
                                "ws/v5.channel.k8s.io",
                                request -> request.setTty(true).setStderr(false),
                                "sh",
                                "-c",
                                "[ -t 0 ] && echo a terminal")) {
                            if (volume.getKey()
                                    .equals("/dev/ptmx")) { // a link: the file lies on the multiplexer itself
                                assertThat(client.text("error")).contains("lies on the ptmx");
                            } else {
                                assertThat(client.text("stdout")).isEqualTo("a terminal\r\n");
                            }
                        }
                        target.isUntouched();
                    }
                    assertThat(file).hasContent("a file");
                }));
    }

    /** A container whose program may mount covers the devpts that commands get their terminals from. */
    @Test
    void aContainerCannotPutAnotherTerminalInTheWayOfACommand() throws Exception {
        Container container = live.pod()
                .privileged()
                .run()
                .container(live.busybox())
                .privileged()
                .shell("mkdir /fake; echo fake > /fake/ptmx; mount -o bind /fake /dev/pts; ln -sf /fake/ptmx /dev/ptmx;"
                        + " echo ready; sleep 1000")
                .start();
        Await.until(
                "it has mounted",
                Duration.ofSeconds(30),
                () -> !container.logLines().isEmpty());
        try (StreamClient client = StreamRequests.exec(
                container,
                "spdy/v4.channel.k8s.io",
                request -> request.setTty(true).setStderr(false),
                "sh",
                "-c",
                "[ -t 0 ] && echo a terminal; cat /dev/pts/ptmx")) {
            assertThat(client.text("stdout")).isEqualTo("a terminal\r\nfake\r\n");
        }
    }

    // ---- attach

    @Test
    void whoAttachesSeesThePromptTypesAndIsSeenByOthers() throws Exception {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .configure(config -> config.setTty(true).setStdin(true))
                .command("sh")
                .start();
        List<String> streams = List.of("stdin", "stdout", "resize");
        try (StreamClient one = StreamRequests.attach(container, "spdy/v4.channel.k8s.io", streams);
                StreamClient two = StreamRequests.attach(container, "ws/v5.channel.k8s.io", streams)) {
            type(one, "echo he''llo\n");
            String _ = until(one.from("stdout"), "hello\r\n");
            String _ = until(two.from("stdout"), "hello\r\n");
            type(two, "echo fr''om two\n");
            String _ = until(one.from("stdout"), "from two\r\n");
        }
        live.portafilter().killAndStart();
        try (StreamClient after = StreamRequests.attach(container, "ws/v5.channel.k8s.io", streams)) {
            type(after, "echo still th''ere; exit 2\n");
            String _ = until(after.from("stdout"), "still there\r\n");
            assertThat(container.awaitExit().getExitCode()).isEqualTo(2);
            assertThat(after.awaitClosed()).isEmpty();
        }
        assertThat(container.logged("stdout")).contains("hello\n", "from two\n", "still there\n");
    }
}
