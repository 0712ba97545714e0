package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.cri.v1.ContainerState;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Commands that connect a person to a container, typed at a terminal. */
class PersonTest {
    /** What the terminal does with keys afterwards, and how the command ended. */
    private static final String AFTERWARDS = "; echo ended with $?; stty -a | tr ' ;' '\\n\\n' | grep -x -e"
            + " '-\\?icanon' -e '-\\?echo' -e '-\\?opost'; echo is how it is left";

    private static final String COOKED = "opost\r\nicanon\r\necho\r\nis how it is left";

    @RegisterExtension
    static final Live live = Live.server();

    private static String portafilter(String command, String arguments) {
        return Tree.launcher() + " " + command + " --listen unix://"
                + live.portafilter().socket() + " " + arguments;
    }

    private static Container idle() {
        return live.pod().run().container(live.busybox()).idle().start();
    }

    private static Container shell() {
        return live.pod()
                .run()
                .container(live.busybox())
                .configure(config -> config.setTty(true).setStdin(true))
                .command("sh")
                .start();
    }

    @Test
    void anExecHasATerminalThatIsAsLargeAsThisOneAndFollowsIt() throws Exception {
        Container container = idle();
        Path larger = live.directory("larger").resolve("now");
        try (AtTerminal person = AtTerminal.run("(until [ -e " + larger + " ]; do sleep 0.1; done; stty -F /dev/tty"
                + " rows 40 cols 100) & " + portafilter("exec", "-it " + container.id() + " sh") + AFTERWARDS)) {
            person.awaitOnScreen("# ");
            person.type("until stty size | grep '31 97'; do sleep 0.1; done; echo as la''rge\r");
            person.awaitOnScreen("as large");
            Files.createFile(larger);
            person.type("until stty size | grep '40 100'; do sleep 0.1; done; echo lar''ger\r");
            person.awaitOnScreen("\r\nlarger");
            person.type("echo wa''its; sleep 1000\r");
            person.awaitOnScreen("waits");
            person.type("\u0003");
            person.type("echo still th''ere; exit 5\r");
            person.awaitOnScreen("still there");
            person.awaitOnScreen("ended with 5");
            person.awaitOnScreen(COOKED);
        }
    }

    @Test
    void aKilledExecLeavesTheTerminalAsItWas() throws Exception {
        Container container = idle();
        Path now = live.directory("kill").resolve("now");
        try (AtTerminal person = AtTerminal.run(
                portafilter("exec", "-it " + container.id() + " sleep 4714") + " < /dev/tty & until [ -e " + now
                        + " ]; do sleep 0.1; done; stty -a | grep -o -e -icanon; kill -TERM $!; wait $!"
                        + AFTERWARDS)) {
            Await.until(
                    "the program runs",
                    Duration.ofSeconds(60),
                    () -> container.shell("ps -o args").contains("sleep 4714"));
            Files.createFile(now);
            person.awaitOnScreen("-icanon");
            person.awaitOnScreen(COOKED);
            Await.until(
                    "the program ends with its client",
                    Duration.ofSeconds(30),
                    () -> !container.shell("ps -o args").contains("sleep 4714"));
        }
    }

    @Test
    void aServerThatIsKilledEndsAnExecInASentence() throws Exception {
        Container container = idle();
        try (AtTerminal person = AtTerminal.run(portafilter("exec", "-it " + container.id() + " sh") + AFTERWARDS)) {
            person.awaitOnScreen("# ");
            live.portafilter().killAndStart();
            person.awaitOnScreen("ended with 1");
            person.awaitOnScreen(COOKED);
            assertThat(person.screen()).contains("portafilter: the connection").doesNotContain("should not happen");
        }
    }

    @Test
    void whoAttachesTypesDetachesAndIsToldTheEnd() throws Exception {
        Container container = shell();
        try (AtTerminal person = AtTerminal.run(portafilter("attach", container.id()) + AFTERWARDS)) {
            person.awaitOnScreen("# ");
            person.type("stty size; echo he''llo\r");
            person.awaitOnScreen("31 97\r\nhello");
            person.type("\u0010\u0011");
            person.awaitOnScreen("ended with 0");
            person.awaitOnScreen(COOKED);
        }
        assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
        try (AtTerminal person = AtTerminal.run(portafilter("attach", container.id()) + AFTERWARDS)) {
            person.awaitOnScreen("# ");
            person.type("exit 7\r");
            person.awaitOnScreen("ended with 7");
            person.awaitOnScreen(COOKED);
        }
    }

    @Test
    void whoOnlyLooksTypesNothing() throws Exception {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .configure(config -> config.setStdin(true))
                .shell("while read line; do echo got $line; done")
                .start();
        try (AtTerminal person = AtTerminal.run(portafilter("attach", "--no-stdin " + container.id()));
                StreamClient other = StreamRequests.attach(
                        container, "ws/v5.channel.k8s.io", List.of("stdin", "stdout", "stderr"))) {
            person.type("from the person\n");
            Await.until("it is attached", Duration.ofSeconds(60), () -> {
                TerminalTest.type(other, "x\n");
                return person.screen().contains("got x");
            });
            assertThat(container.logged("stdout")).doesNotContain("person");
        }
    }

    @Test
    void aPodIsRunWithItsPersonAtIt() throws Exception {
        Path pod = live.manifest("person", """
                restartPolicy: Never
                initContainers:
                - {name: before, image: IMAGE, command: [echo, prepared]}
                containers:
                - {name: main, image: IMAGE, command: [sh]}
                """);
        try (AtTerminal person = AtTerminal.run(portafilter("run", "--rm -it " + pod) + AFTERWARDS)) {
            person.awaitOnScreen("# ");
            person.type("stty size; [ -t 0 ] && echo a ter''minal; exit 6\r");
            person.awaitOnScreen("31 97\r\na terminal");
            person.awaitOnScreen("ended with 6");
            person.awaitOnScreen(COOKED);
            assertThat(person.screen()).contains("prepared");
        }
    }

    @Test
    void aPodIsRunWithTheInputThatIsPipedToIt() {
        Path pod = live.manifest("piped", """
                restartPolicy: Never
                containers:
                - {name: main, image: IMAGE, command: [sh, -c, "wc -c; exit 8"]}
                """);
        Commands.Outcome outcome = Commands.run(
                Duration.ofSeconds(60),
                Map.of(),
                "sh",
                "-c",
                "head -c 300000 /dev/zero | " + portafilter("run", "--rm -i " + pod));
        assertThat(outcome.stdout()).isEqualTo("300000\n");
        assertThat(outcome.status()).isEqualTo(8);
    }

    @Test
    void aPersonSitsAtOneContainerOnly() {
        Path pod = live.manifest("two", """
                restartPolicy: Never
                containers:
                - {name: one, image: IMAGE, command: [sh]}
                - {name: two, image: IMAGE, command: [sh]}
                """);
        Commands.Outcome outcome = Commands.run("sh", "-c", portafilter("run", "-i " + pod));
        assertThat(outcome.status()).isEqualTo(125);
        assertThat(outcome.stderr()).contains("want a pod with one container");
    }

    // ---- ports

    @Test
    void aPortOfThePodIsReachedUntilCtrlC() throws IOException, InterruptedException {
        Pod pod = live.pod().run();
        Container server = pod.container(live.busybox())
                .command("nc", "-ll", "-p", "8080", "-e", "sh", "-c", "read line; echo \"got $line\"")
                .start();
        Await.until(
                "the pod listens",
                Duration.ofSeconds(30),
                () -> server.shell("netstat -ltn").contains(":8080 "));
        try (AtTerminal person = AtTerminal.run(portafilter("port-forward", pod.id() + " :8080"))) {
            person.awaitOnScreen(" to 8080");
            String line = person.screen()
                    .lines()
                    .filter(each -> each.contains("Forwarding from"))
                    .findFirst()
                    .orElseThrow();
            int port = Integer.parseInt(line.replaceFirst(".*:([0-9]+) to 8080.*", "$1"));
            for (String word : List.of("one", "two")) {
                try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
                    socket.getOutputStream().write((word + "\n").getBytes(StandardCharsets.UTF_8));
                    assertThat(new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
                            .isEqualTo("got " + word + "\n");
                }
            }
            person.type("\u0003");
            assertThat(person.awaitEnd()).isEqualTo(130);
        }
    }

    @Test
    void aPortThatNobodyListensOnIsToldAndTheOthersGoOn() throws Exception {
        Pod pod = live.pod().run();
        Container _ = pod.container(live.busybox()).idle().start();
        try (AtTerminal person = AtTerminal.run(portafilter("port-forward", pod.id() + " :8081"))) {
            person.awaitOnScreen(" to 8081");
            int port = Integer.parseInt(person.screen()
                    .lines()
                    .filter(each -> each.contains("Forwarding from"))
                    .findFirst()
                    .orElseThrow()
                    .replaceFirst(".*:([0-9]+) to 8081.*", "$1"));
            try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
                assertThat(socket.getInputStream().readAllBytes()).isEmpty();
            }
            person.awaitOnScreen("8081");
            person.awaitOnScreen("refused");
            try (Socket again = new Socket(InetAddress.getLoopbackAddress(), port)) {
                assertThat(again.getInputStream().readAllBytes()).isEmpty();
            }
        }
    }
}
