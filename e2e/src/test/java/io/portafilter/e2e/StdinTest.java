package io.portafilter.e2e;

import static io.portafilter.e2e.TerminalTest.type;
import static io.portafilter.e2e.TerminalTest.until;
import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.cri.v1.ContainerState;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Containers that take input: how long it stays open, and for whom. */
class StdinTest {
    private static final String COUNT = "while read line; do echo got $line; done; echo end; exit 3";

    @RegisterExtension
    static final Live live = Live.server();

    private static final List<String> STREAMS = List.of("stdin", "stdout", "stderr");

    private static Container reading(boolean once) {
        return live.pod()
                .run()
                .container(live.busybox())
                .configure(config -> config.setStdin(true).setStdinOnce(once))
                .shell(COUNT)
                .start();
    }

    @Test
    void withoutItAProgramReadsTheNullDevice() {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .shell("readlink /proc/self/fd/0; cat; exit 3")
                .runToEnd();
        assertThat(container.output()).isEqualTo("/dev/null\n");
        assertThat(container.status().getExitCode()).isEqualTo(3);
    }

    @ParameterizedTest
    @ValueSource(strings = {"spdy/v4.channel.k8s.io", "ws/v5.channel.k8s.io"})
    void itStaysOpenForTheNextAndOutlivesTheServer(String protocol) throws Exception {
        Container container = reading(false);
        for (String text : List.of("one", "two")) {
            try (StreamClient client = StreamRequests.attach(container, protocol, STREAMS)) {
                type(client, text + "\n");
                String _ = until(client.from("stdout"), "got " + text + "\n");
                client.end("stdin");
            }
            live.portafilter().killAndStart();
        }
        assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
        assertThat(container.logged("stdout")).isEqualTo("got one\ngot two\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"spdy/v4.channel.k8s.io", "ws/v5.channel.k8s.io"})
    void forOneItEndsWhenThatOneEndsIt(String protocol) throws Exception {
        Container container = reading(true);
        live.portafilter().killAndStart();
        try (StreamClient client = StreamRequests.attach(container, protocol, STREAMS)) {
            type(client, "one\n");
            String _ = until(client.from("stdout"), "got one\n");
            client.end("stdin");
            assertThat(client.text("stdout")).isEqualTo("end\n");
            assertThat(client.awaitClosed()).isEmpty();
        }
        assertThat(container.awaitExit().getExitCode()).isEqualTo(3);
    }

    /** The next server knows nobody who could still write, and the program would wait for ever. */
    @Test
    void forOneItEndsAlsoWhenTheServerIsKilledMeanwhile() throws Exception {
        Container container = reading(true);
        try (StreamClient client = StreamRequests.attach(container, "ws/v5.channel.k8s.io", STREAMS)) {
            type(client, "one\n");
            String _ = until(client.from("stdout"), "got one\n");
            live.portafilter().killAndStart();
        }
        assertThat(container.awaitExit().getExitCode()).isEqualTo(3);
        assertThat(container.logged("stdout")).isEqualTo("got one\nend\n");
    }

    /** Whoever came first may write; the others listen. */
    @Test
    void forOneASecondListensAndCannotTakeTheInput() throws Exception {
        Container container = reading(true);
        try (StreamClient one = StreamRequests.attach(container, "ws/v5.channel.k8s.io", STREAMS)) {
            type(one, "one\n");
            String _ = until(one.from("stdout"), "got one\n");
            try (StreamClient two = StreamRequests.attach(container, "spdy/v4.channel.k8s.io", STREAMS)) {
                two.end("stdin");
                type(one, "two\n");
                String _ = until(one.from("stdout"), "got two\n");
                one.end("stdin");
                assertThat(two.text("stdout")).endsWith("end\n");
            }
        }
        assertThat(container.awaitExit().getExitCode()).isEqualTo(3);
    }

    @Test
    void forOneItEndsAlsoWhenThatOneIsLost() throws Exception {
        Container container = reading(true);
        StreamClient client = StreamRequests.attach(container, "spdy/v4.channel.k8s.io", STREAMS);
        type(client, "one\n");
        String _ = until(client.from("stdout"), "got one\n");
        client.close();
        assertThat(container.awaitExit().getExitCode()).isEqualTo(3);
        assertThat(container.logged("stdout")).isEqualTo("got one\nend\n");
    }
}
