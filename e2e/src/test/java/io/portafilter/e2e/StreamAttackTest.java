package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.e2e.StreamClient.Upgrade;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What somebody tries who reaches the streaming server without being asked, or was asked and keeps to no protocol. */
class StreamAttackTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final String V4 = "v4.channel.k8s.io";

    @RegisterExtension
    static final Live live = Live.server();

    private static Container idle() {
        return live.pod().run().container(live.busybox()).idle().start();
    }

    private static void assertStillServes(Container container) throws Exception {
        try (StreamClient client =
                StreamRequests.exec(container, "spdy/" + V4, StreamRequests::output, "echo", "served")) {
            assertThat(client.text("stdout")).isEqualTo("served\n");
        }
    }

    @Test
    void itListensOnLoopbackAloneAndTokensAreLongAndDiffer() throws Exception {
        Container container = idle();
        Set<String> tokens = new HashSet<>();
        for (int i = 0; i < 50; i++) {
            URI url = URI.create(StreamRequests.execUrl(container, StreamRequests::output, "true"));
            assertThat(InetAddress.ofLiteral(url.getHost()).isLoopbackAddress()).isTrue();
            String token = url.getPath().substring("/exec/".length());
            assertThat(token).hasSizeGreaterThanOrEqualTo(22);
            tokens.add(token);
        }
        assertThat(tokens).hasSize(50);
        assertThat(live.portafilter().logText()).doesNotContain(tokens);
    }

    @Test
    void aTokenServesOnce() throws Exception {
        Container container = idle();
        String url = StreamRequests.execUrl(container, StreamRequests::output, "echo", "once");
        try (StreamClient first = StreamClient.command(url, "spdy/" + V4, List.of("stdout", "stderr"))) {
            Upgrade.spdy(url, "POST", V4).require(404);
            assertThat(first.text("stdout")).isEqualTo("once\n");
        }
        Upgrade.spdy(url, "POST", V4).require(404);
    }

    @Test
    void aTokenServesForWhatItWasMadeForAlone() throws Exception {
        Container container = idle();
        for (String other : List.of("attach", "portforward", "cri", "")) {
            String url = StreamRequests.execUrl(container, StreamRequests::output, "true")
                    .replace("/exec/", "/" + other + "/");
            Upgrade.spdy(url, "POST", V4).require(404);
        }
        String url = StreamRequests.execUrl(container, StreamRequests::output, "true");
        Upgrade.spdy(url.substring(0, url.length() - 1), "POST", V4).require(404);
        Upgrade.spdy(url + "/", "POST", V4).require(404);
        Upgrade.spdy(url.replace("/exec/", "/exec//"), "POST", V4).require(404);
        Upgrade.spdy(url.replace("/exec/", "/x/../exec/"), "POST", V4).require(404);
    }

    @Test
    void aPageInABrowserLearnsNothing() throws Exception {
        Container container = idle();
        String url = StreamRequests.execUrl(container, StreamRequests::output, "true");
        URI uri = URI.create(url);
        for (String path : List.of("/", "/exec", "/exec/", "/exec/guess", "/healthz", "/version")) {
            String asked = "http://" + uri.getAuthority() + path;
            Upgrade answer = Upgrade.ask(asked, "GET", List.of("Origin: http://evil.example"));
            answer.require(404);
            assertThat(answer.headers()).doesNotContainKeys("access-control-allow-origin", "location");
            Upgrade.ask(asked, "OPTIONS", List.of("Origin: http://evil.example"))
                    .require(405);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"PUT", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PRI"})
    void noOtherMethodIsServed(String method) throws Exception {
        String url = StreamRequests.execUrl(idle(), StreamRequests::output, "true");
        Upgrade.spdy(url, method, V4).require(405);
    }

    @Test
    void withoutAProtocolThatWeKnowNothingIsRun() throws Exception {
        Container container = idle();
        String mark = "touch /tmp/ran";
        Upgrade spdy = Upgrade.spdy(
                StreamRequests.execUrl(container, StreamRequests::output, "sh", "-c", mark), "POST", "v9", "x");
        spdy.require(403);
        assertThat(spdy.headers().get("x-accepted-stream-protocol-versions")).contains(V4);
        Upgrade.spdy(StreamRequests.execUrl(container, StreamRequests::output, "sh", "-c", mark), "POST")
                .require(400);
        Upgrade.webSocket(StreamRequests.execUrl(container, StreamRequests::output, "sh", "-c", mark), "v9", "chat")
                .require(403);
        Upgrade.webSocket(
                        StreamRequests.execUrl(container, StreamRequests::output, "sh", "-c", mark),
                        "SPDY/3.1+portforward.k8s.io")
                .require(403);
        Upgrade.webSocket(StreamRequests.forwardUrl(live.pod().run()), "v5.channel.k8s.io")
                .require(403);
        Upgrade.ask(StreamRequests.execUrl(container, StreamRequests::output, "sh", "-c", mark), "GET", List.of())
                .require(400);
        Upgrade.ask(
                        StreamRequests.execUrl(container, StreamRequests::output, "sh", "-c", mark),
                        "GET",
                        List.of("Connection: Upgrade", "Upgrade: h2c"))
                .require(400);
        assertThat(container.exec("test", "-e", "/tmp/ran").exitCode()).isEqualTo(1);
    }

    @Test
    void aRequestWithABodyOrEndlessHeadersIsRefused() throws Exception {
        Container container = idle();
        String url = StreamRequests.execUrl(container, StreamRequests::output, "true");
        try (Socket socket = raw(url)) {
            write(socket, "POST " + URI.create(url).getPath() + " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
            assertThat(answer(socket)).startsWith("HTTP/1.1 400");
        }
        try (Socket socket = raw(url)) {
            write(socket, "GET /" + "x".repeat(8192) + " HTTP/1.1\r\n\r\n");
            assertThat(answer(socket)).startsWith("HTTP/1.1 400");
        }
        try (Socket socket = raw(url)) {
            write(socket, "GET / HTTP/1.1\r\n");
            String header = "X-Long: " + "x".repeat(1000) + "\r\n";
            for (int i = 0; i < 20; i++) {
                write(socket, header);
            }
            assertThat(answer(socket)).startsWith("HTTP/1.1 400");
        }
        assertStillServes(container);
    }

    private static Socket raw(String url) throws IOException {
        URI uri = URI.create(url);
        Socket socket = new Socket(uri.getHost(), uri.getPort());
        socket.setSoTimeout((int) Await.patient(PATIENCE).toMillis());
        return socket;
    }

    private static void write(Socket socket, String text) throws IOException {
        socket.getOutputStream().write(text.getBytes(StandardCharsets.US_ASCII));
        socket.getOutputStream().flush();
    }

    private static String answer(Socket socket) throws IOException {
        return new String(socket.getInputStream().readNBytes(12), StandardCharsets.US_ASCII);
    }

    /** Slow requests are given up; while they wait, they keep nobody out. */
    @Test
    void connectionsThatAskForNothingAreClosedAndKeepNobodyOut() throws Exception {
        Container container = idle();
        String url = StreamRequests.execUrl(container, StreamRequests::output, "true");
        List<Socket> silent = new ArrayList<>();
        try {
            for (int i = 0; i < 300; i++) {
                Socket socket = raw(url);
                silent.add(socket);
                write(socket, "GET /exec/");
            }
            assertStillServes(container);
            for (Socket socket : silent) {
                assertThat(endOf(socket)).isNegative();
            }
        } finally {
            for (Socket socket : silent) {
                socket.close();
            }
        }
    }

    private static int endOf(Socket socket) {
        try {
            return socket.getInputStream().read();
        } catch (java.net.SocketTimeoutException e) {
            throw new AssertionError("the server keeps a silent connection open", e);
        } catch (IOException e) {
            return -1;
        }
    }

    @Test
    void tokensThatNobodyUsesAreBounded() {
        try (PortafilterServer own = PortafilterServer.started()) {
            Pod pod = PodFixture.pod(own).run();
            assertThatThrownBy(() -> {
                        for (int i = 0; i < 1001; i++) {
                            var _ = StreamRequests.forwardUrl(pod);
                        }
                    })
                    .hasMessageContaining("RESOURCE_EXHAUSTED");
        }
    }

    @Test
    void brokenSpdyEndsTheConnectionAndItsCommand() throws Exception {
        Container container = idle();
        // a stream with an even number; one with a number that was used; an answer to none of ours; no frame at all
        int[][] broken = {
            {0x80030001, 10, 2, 0, 0},
            {0x80030001, 10, 1, 0, 0},
            {0x80030002, 4, 1},
            {0x80ff0001, 0x00ffffff}
        };
        for (int[] words : broken) {
            SpdyClient client = (SpdyClient) StreamRequests.exec(
                    container, "spdy/" + V4, StreamRequests::output, "sh", "-c", "echo begun; sleep 4323");
            assertThat(client.from("stdout").readNBytes(6)).asString().isEqualTo("begun\n");
            client.raw(words);
            var _ = client.awaitClosed();
            client.close();
        }
        Await.until("they end", PATIENCE, () -> !StreamRequests.runs(container, "sleep 4323"));
        assertStillServes(container);
    }

    @Test
    void brokenWebSocketsEndTheConnectionAndTheirCommand() throws Exception {
        Container container = idle();
        byte[] unmasked = {(byte) 0x82, 2, 0, 'x'};
        byte[] huge = {(byte) 0x82, (byte) 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0, 1, 2, 3, 4};
        byte[] reserved = {(byte) 0xf2, (byte) 0x82, 1, 2, 3, 4, 0, 0};
        for (byte[] bytes : List.of(unmasked, huge, reserved)) {
            try (WebSocketClient client = begun(container)) {
                client.bytes(bytes);
                assertThat(client.awaitClosed()).isNotEmpty();
            }
        }
        try (WebSocketClient client = begun(container)) {
            client.raw(new byte[] {(byte) 255, 0, 0});
            assertThat(client.awaitClosed()).isEqualTo("close 1002");
        }
        Await.until("they end", PATIENCE, () -> !StreamRequests.runs(container, "sleep 4324"));
        assertStillServes(container);
    }

    private static WebSocketClient begun(Container container) throws Exception {
        WebSocketClient client = (WebSocketClient) StreamRequests.exec(
                container, "ws/v5.channel.k8s.io", StreamRequests::input, "sh", "-c", "echo begun; sleep 4324");
        assertThat(client.from("stdout").readNBytes(6)).asString().isEqualTo("begun\n");
        return client;
    }

    @Test
    void channelsThatAreNotThereAreIgnored() throws Exception {
        Container container = idle();
        try (WebSocketClient client = (WebSocketClient)
                StreamRequests.exec(container, "ws/v5.channel.k8s.io", StreamRequests::input, "cat")) {
            client.raw(new byte[] {9, 'x'});
            client.raw(new byte[] {1, 'x'});
            client.raw(new byte[] {4, '{', '}'});
            client.raw(new byte[] {(byte) 255, 77});
            client.raw(new byte[0]);
            client.send("stdin", "y\n".getBytes(StandardCharsets.UTF_8));
            client.end("stdin");
            assertThat(client.text("stdout")).isEqualTo("y\n");
        }
    }

    /** As CVE-2022-23471 and CVE-2025-64329 had it: sessions that break left threads and descriptors. */
    @Test
    void hundredsOfBrokenSessionsLeaveNothing() throws Exception {
        Container container = idle();
        Host before = live.host();
        assertStillServes(container);
        live.awaitAsBefore(before);
        for (int i = 0; i < 300; i++) {
            String url = StreamRequests.execUrl(container, StreamRequests::output, "sleep", "600");
            switch (i % 3) {
                case 0 -> Upgrade.spdy(url, "POST", V4).require(101).socket().close();
                case 1 ->
                    StreamClient.command(url, "spdy/" + V4, List.of("stdout", "stderr"))
                            .close();
                default -> WebSocketClient.connect(url, V4).close();
            }
        }
        live.awaitAsBefore(before);
        Await.until("they end", PATIENCE, () -> !StreamRequests.runs(container, "sleep 600"));
        assertStillServes(container);
    }
}
