package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Exec as kubectl and crictl have it, over SPDY and WebSocket. */
class StreamExecTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    @RegisterExtension
    static final Live live = Live.server();

    private static Container idle() {
        return live.pod().run().container(live.busybox()).idle().start();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "spdy/v5.channel.k8s.io",
                "spdy/v4.channel.k8s.io",
                "ws/v5.channel.k8s.io",
                "ws/v4.channel.k8s.io",
                "ws/v4.base64.channel.k8s.io"
            })
    void outputAndExitCodeComeOverEveryProtocolWithStatusInJson(String protocol) throws Exception {
        Container container = idle();
        try (StreamClient client = StreamRequests.exec(
                container, protocol, StreamRequests::output, "sh", "-c", "echo out; echo err >&2; exit 3")) {
            assertThat(client.text("stdout")).isEqualTo("out\n");
            assertThat(client.text("stderr")).isEqualTo("err\n");
            assertThat(client.text("error"))
                    .contains("\"status\":\"Failure\"")
                    .contains("\"reason\":\"NonZeroExitCode\"")
                    .contains("{\"reason\":\"ExitCode\",\"message\":\"3\"}");
            assertThat(client.awaitClosed()).isEmpty();
        }
        try (StreamClient client = StreamRequests.exec(container, protocol, StreamRequests::output, "true")) {
            assertThat(client.text("error")).isEqualTo("{\"metadata\":{},\"status\":\"Success\"}");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "spdy/v3.channel.k8s.io",
                "spdy/v2.channel.k8s.io",
                "spdy/channel.k8s.io",
                "ws/channel.k8s.io",
                "ws/base64.channel.k8s.io",
                "ws/"
            })
    void olderProtocolsTellAFailureInWordsAndSuccessByNothing(String protocol) throws Exception {
        Container container = idle();
        try (StreamClient client = StreamRequests.exec(
                container, protocol, StreamRequests::output, "sh", "-c", "echo out; echo err >&2; exit 3")) {
            assertThat(client.text("stdout")).isEqualTo("out\n");
            assertThat(client.text("stderr")).isEqualTo("err\n");
            assertThat(client.text("error")).isEqualTo("command terminated with non-zero exit code: 3");
            assertThat(client.awaitClosed()).isEmpty();
        }
        try (StreamClient client = StreamRequests.exec(container, protocol, StreamRequests::output, "true")) {
            assertThat(client.text("error")).isEmpty();
        }
    }

    @Test
    void aWebSocketBeginsWithAnEmptyMessageOnItsLowestOutput() throws Exception {
        Container container = idle();
        try (WebSocketClient client = (WebSocketClient) StreamRequests.exec(
                container, "ws/v5.channel.k8s.io", request -> request.setStdout(false), "sleep", "60")) {
            assertThat(client.firstChannel()).isEqualTo(2);
            assertThat(client.ping("are you there")).isEqualTo("are you there");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"spdy/v4.channel.k8s.io", "ws/v5.channel.k8s.io"})
    void halfClosedStdinEndsTheInputAndTheOutputComesInFull(String protocol) throws Exception {
        Container container = idle();
        try (StreamClient client =
                StreamRequests.exec(container, protocol, StreamRequests::input, "sh", "-c", "cat; echo end")) {
            client.send("stdin", "one\n".getBytes(StandardCharsets.UTF_8));
            client.send("stdin", "two\n".getBytes(StandardCharsets.UTF_8));
            client.end("stdin");
            assertThat(client.text("stdout")).isEqualTo("one\ntwo\nend\n");
            assertThat(client.text("error")).contains("Success");
        }
    }

    @Test
    void aMessageMayComeInSeveralFrames() throws Exception {
        Container container = idle();
        try (WebSocketClient client = (WebSocketClient)
                StreamRequests.exec(container, "ws/v5.channel.k8s.io", StreamRequests::input, "cat")) {
            client.sendFragmented("stdin", "in two parts\n".getBytes(StandardCharsets.UTF_8));
            client.end("stdin");
            assertThat(client.text("stdout")).isEqualTo("in two parts\n");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"spdy/v4.channel.k8s.io", "ws/v4.channel.k8s.io"})
    void aCommandThatIsNotThereEndsAsAShellHasIt(String protocol) throws Exception {
        Container container = idle();
        try (StreamClient client =
                StreamRequests.exec(container, protocol, StreamRequests::output, "/no/such/program")) {
            assertThat(client.text("stderr")).contains("/no/such/program").contains("ENOENT");
            assertThat(client.text("error")).contains("{\"reason\":\"ExitCode\",\"message\":\"127\"}");
        }
    }

    /** What the pipe still holds when the program has ended is not lost, whoever else has it open. */
    @ParameterizedTest
    @ValueSource(strings = {"spdy/v4.channel.k8s.io", "ws/v5.channel.k8s.io"})
    void allOutputComesBeforeTheExitCodeAndAChildInTheBackgroundIsNotWaitedFor(String protocol) throws Exception {
        Container container = idle();
        try (StreamClient client = StreamRequests.exec(
                container,
                protocol,
                StreamRequests::output,
                "sh",
                "-c",
                "sleep 300 & head -c 300000 /dev/zero | tr '\\0' x")) {
            assertThat(client.from("stdout").readAllBytes()).hasSize(300_000).containsOnly('x');
            assertThat(client.text("error")).contains("Success");
        }
        assertThat(StreamRequests.runs(container, "sleep 300")).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"spdy/v4.channel.k8s.io", "ws/v5.channel.k8s.io"})
    void aClientThatVanishesTakesItsCommandAlong(String protocol) throws Exception {
        Container container = idle();
        StreamClient client = StreamRequests.exec(
                container, protocol, StreamRequests::output, "sh", "-c", "sleep 4321 & echo started; sleep 4322");
        assertThat(client.from("stdout").readNBytes(8)).isEqualTo("started\n".getBytes(StandardCharsets.UTF_8));
        client.close();
        Await.until("the command and its child end", PATIENCE, () -> !StreamRequests.runs(container, "sleep 432"));
    }

    @Test
    void aClientThatVanishesWhileItsCommandFloodsTakesItAlong() throws Exception {
        Container container = idle();
        StreamClient client =
                StreamRequests.exec(container, "spdy/v4.channel.k8s.io", StreamRequests::output, "yes", "flood");
        assertThat(client.from("stdout").readNBytes(6)).isEqualTo("flood\n".getBytes(StandardCharsets.UTF_8));
        client.close();
        Await.until("it ends", PATIENCE, () -> !StreamRequests.runs(container, "yes flood"));
    }

    @Test
    void whoReadsSlowlySlowsItsCommandAndNobodyElse() throws Exception {
        Container container = idle();
        try (StreamClient slow = StreamRequests.exec(
                container,
                "spdy/v4.channel.k8s.io",
                StreamRequests::output,
                "sh",
                "-c",
                "dd if=/dev/zero bs=1M count=64 2>/tmp/done; echo >>/tmp/done")) {
            try (StreamClient quick = StreamRequests.exec(
                    container, "ws/v5.channel.k8s.io", StreamRequests::output, "echo", "not stopped")) {
                assertThat(quick.text("stdout")).isEqualTo("not stopped\n");
            }
            assertThat(container.shell("cat /tmp/done"))
                    .as("dd waits for its reader")
                    .isEmpty();
            assertThat(count(slow.from("stdout"))).isEqualTo(64 << 20);
            assertThat(slow.text("error")).contains("Success");
        }
    }

    private static long count(InputStream in) throws IOException {
        byte[] buffer = new byte[64 * 1024];
        long all = 0;
        for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
            all += count;
        }
        return all;
    }

    /** A client that keeps SPDY's windows gets all of it, too, and sends no more than it may. */
    @Test
    void windowsAreKeptForAClientThatHasThem() throws Exception {
        Container container = idle();
        int size = 8 << 20;
        try (SpdyClient client =
                (SpdyClient) StreamRequests.exec(container, "spdy/v4.channel.k8s.io", StreamRequests::input, "cat")) {
            client.keepWindows();
            var sent = CompletableFuture.runAsync(() -> {
                try {
                    client.send("stdin", new byte[size]);
                    client.end("stdin");
                } catch (IOException e) {
                    throw new java.io.UncheckedIOException(e);
                }
            });
            assertThat(count(client.from("stdout"))).isEqualTo(size);
            var _ = sent.join();
            assertThat(client.text("error")).contains("Success");
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"spdy/v4.channel.k8s.io", "ws/v5.channel.k8s.io"})
    void aGigabyteComesThroughWithTheServersMemoryFlat(String protocol) throws Exception {
        Container container = idle();
        long before = 0;
        for (int round = 0; round < 2; round++) {
            long size = round == 0 ? 64 : 1024;
            try (StreamClient client = StreamRequests.exec(
                    container,
                    protocol,
                    StreamRequests::output,
                    "sh",
                    "-c",
                    "dd if=/dev/zero bs=1M count=" + size + " 2>/dev/null")) {
                assertThat(count(client.from("stdout"))).isEqualTo(size << 20);
                assertThat(client.text("error")).contains("Success");
            }
            long now = residentKilobytes();
            if (round == 0) {
                before = now;
            } else {
                assertThat(now).isLessThan(before + 24 * 1024);
            }
        }
    }

    private static long residentKilobytes() {
        String rss = Proc.required(new Proc(live.portafilter().pid()).status(), "VmRSS");
        return Long.parseLong(rss.split(" ")[0]);
    }

    @Test
    void twoHundredAtOnceAllGetTheirOwnOutputAndLeaveNothing() throws Exception {
        Container container = idle();
        assertThat(container.shell("echo warm")).isEqualTo("warm");
        Host before = live.host();
        List<Future<String>> all = new ArrayList<>();
        try (ExecutorService clients = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < 200; i++) {
                int number = i;
                Callable<String> one = () -> {
                    String protocol = number % 2 == 0 ? "spdy/v4.channel.k8s.io" : "ws/v5.channel.k8s.io";
                    try (StreamClient client = StreamRequests.exec(
                            container, protocol, StreamRequests::output, "echo", "number " + number)) {
                        return client.text("stdout") + client.text("error");
                    }
                };
                all.add(clients.submit(one));
            }
        }
        for (int i = 0; i < 200; i++) {
            assertThat(all.get(i).resultNow()).isEqualTo("number " + i + "\n{\"metadata\":{},\"status\":\"Success\"}");
        }
        live.awaitAsBefore(before);
    }

    /** Who is attached has no process of his own: what is counted is what a connection costs the server. */
    @Test
    void thousandsOfIdleOnesTakeNoThreadAndLittleMemory() throws Exception {
        Container container = idle();
        Host before = live.host();
        List<StreamClient> open = new ArrayList<>();
        try {
            attach(container, open, 200);
            long threads = threads();
            long memory = residentKilobytes();
            attach(container, open, 2000);
            assertThat(threads()).isLessThan(threads + 10);
            assertThat(residentKilobytes() - memory).isLessThan(2000 * 32);
            try (StreamClient client = StreamRequests.exec(
                    container, "spdy/v4.channel.k8s.io", StreamRequests::output, "echo", "served")) {
                assertThat(client.text("stdout")).isEqualTo("served\n");
            }
        } finally {
            for (StreamClient client : open) {
                client.close();
            }
        }
        live.awaitAsBefore(before);
    }

    private static void attach(Container container, List<StreamClient> open, int count) throws IOException {
        for (int i = 0; i < count; i++) {
            String protocol = i % 2 == 0 ? "spdy/v4.channel.k8s.io" : "ws/v5.channel.k8s.io";
            open.add(StreamRequests.attach(container, protocol, List.of("stdout", "stderr")));
        }
    }

    /** The server keeps a monitor and pipes of each command, and no thread. */
    @Test
    void idleCommandsTakeNoThread() throws Exception {
        Container container = idle();
        List<StreamClient> open = new ArrayList<>();
        try {
            for (int i = 0; i < 10; i++) {
                open.add(StreamRequests.exec(
                        container, "spdy/v4.channel.k8s.io", StreamRequests::output, "sleep", "600"));
            }
            long few = threads();
            for (int i = 0; i < 60; i++) {
                open.add(
                        StreamRequests.exec(container, "ws/v5.channel.k8s.io", StreamRequests::output, "sleep", "600"));
            }
            assertThat(threads()).isLessThan(few + 10);
        } finally {
            for (StreamClient client : open) {
                client.close();
            }
        }
    }

    private static long threads() {
        return Long.parseLong(Proc.required(new Proc(live.portafilter().pid()).status(), "Threads"));
    }

    @Test
    void whatCannotBeIsRefusedWhenItIsAskedFor() {
        Container running = idle();
        Container created = live.pod().run().container(live.busybox()).idle().create();
        assertThatThrownBy(() -> StreamRequests.execUrl(running, request -> request.setTty(true), "true"))
                .isInstanceOf(StatusRuntimeException.class)
                .hasMessageContaining("INVALID_ARGUMENT");
        assertThatThrownBy(() -> StreamRequests.execUrl(
                        running, request -> request.setStdout(false).setStderr(false), "true"))
                .hasMessageContaining("INVALID_ARGUMENT");
        assertThatThrownBy(() -> StreamRequests.execUrl(running, StreamRequests::output))
                .hasMessageContaining("INVALID_ARGUMENT");
        assertThatThrownBy(() -> StreamRequests.execUrl(created, StreamRequests::output, "true"))
                .hasMessageContaining("FAILED_PRECONDITION");
        assertThatThrownBy(() ->
                        StreamRequests.execUrl(running, request -> request.setContainerId("0123456789abcdef"), "true"))
                .hasMessageContaining("NOT_FOUND");
    }

    @Test
    void aContainerThatEndedMeanwhileIsToldOnTheErrorStream() throws Exception {
        Container container = idle();
        String url = StreamRequests.execUrl(container, StreamRequests::output, "true");
        container.stop(Duration.ZERO);
        try (StreamClient client = StreamClient.command(url, "spdy/v4.channel.k8s.io", List.of("stdout", "stderr"))) {
            assertThat(client.text("error")).contains("InternalError").contains("EXITED");
        }
    }

    @Test
    void theEndOfTheContainerEndsItsCommands() throws Exception {
        Container container = idle();
        try (StreamClient client = StreamRequests.exec(
                container, "ws/v5.channel.k8s.io", StreamRequests::output, "sh", "-c", "echo begun; sleep 600")) {
            assertThat(client.from("stdout").readNBytes(6)).isEqualTo("begun\n".getBytes(StandardCharsets.UTF_8));
            container.stop(Duration.ZERO);
            assertThat(client.text("error")).contains("Failure");
        }
    }

    @Test
    void oneLineOfTheLogTellsWhoRanWhatWhere() throws Exception {
        Container container = idle();
        try (StreamClient client = StreamRequests.exec(
                container, "ws/v5.channel.k8s.io", StreamRequests::output, "echo", "a\u001b[2Jb \"c\"")) {
            assertThat(client.text("error")).contains("Success");
        }
        assertThat(live.portafilter().logText().lines().filter(line -> line.contains("exec.started")))
                .last()
                .asString()
                .contains("peer=/127.0.0.1:")
                .contains("id=" + container.id())
                .contains("command=\"echo a?[2Jb ?c?\"");
    }
}
