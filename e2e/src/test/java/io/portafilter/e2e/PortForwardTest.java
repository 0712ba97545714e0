package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Port-forward as kubectl and crictl have it: SPDY, SPDY inside a WebSocket, and the older channels. */
class PortForwardTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    @RegisterExtension
    static final Live live = Live.server();

    private static SpdyClient connect(Pod pod, String protocol) throws IOException {
        String url = StreamRequests.forwardUrl(pod);
        return protocol.equals("tunnel") ? SpdyClient.tunnelled(url) : SpdyClient.connect(url, "portforward.k8s.io");
    }

    /** Opens the two streams {@code dataID} and {@code errorID}. */
    private static void open(SpdyClient client, String id, int port) throws IOException {
        String number = Integer.toString(port);
        assertThat(client.open("error" + id, Map.of("streamtype", "error", "port", number, "requestid", id)))
                .isTrue();
        assertThat(client.open("data" + id, Map.of("streamtype", "data", "port", number, "requestid", id)))
                .isTrue();
    }

    /** A pod whose port answers each connection with what this script writes, its stdin what the client sends. */
    private static Pod serving(PodFixture fixture, int port, String script) {
        Pod pod = fixture.run();
        Container server = pod.container(live.busybox())
                .command("nc", "-ll", "-p", Integer.toString(port), "-e", "sh", "-c", script)
                .start();
        Await.until(
                "the pod listens on " + port,
                PATIENCE,
                () -> server.shell("netstat -ltn").contains(":" + port + " "));
        return pod;
    }

    @ParameterizedTest
    @ValueSource(strings = {"spdy", "tunnel"})
    void aConnectionReachesThePodsOwnLoopback(String protocol) throws Exception {
        Pod pod = serving(live.pod(), 8080, "read line; echo \"got $line\"");
        try (SpdyClient client = connect(pod, protocol)) {
            open(client, "1", 8080);
            client.send("data1", "hello\n".getBytes(StandardCharsets.UTF_8));
            assertThat(client.text("data1")).isEqualTo("got hello\n");
            client.end("data1");
            assertThat(client.text("error1")).isEmpty();
            // the connection lives on: another one over it
            open(client, "2", 8080);
            client.send("data2", "again\n".getBytes(StandardCharsets.UTF_8));
            assertThat(client.text("data2")).isEqualTo("got again\n");
        }
    }

    @Test
    void aPodWithAUserNamespaceIsReached() throws Exception {
        Pod pod = serving(live.pod().userNamespace(1 << 30), 8080, "echo from inside");
        try (SpdyClient client = connect(pod, "spdy")) {
            open(client, "1", 8080);
            assertThat(client.text("data1")).isEqualTo("from inside\n");
        }
    }

    @Test
    void aPodOnTheHostsNetworkIsReached() throws Exception {
        Pod pod = live.pod().hostNetwork().run();
        try (ServerSocket listening = new ServerSocket(0, 5, InetAddress.ofLiteral("127.0.0.1"));
                SpdyClient client = connect(pod, "spdy")) {
            open(client, "1", listening.getLocalPort());
            try (Socket accepted = listening.accept()) {
                accepted.getOutputStream().write("host\n".getBytes(StandardCharsets.UTF_8));
                accepted.shutdownOutput();
                assertThat(client.text("data1")).isEqualTo("host\n");
                client.send("data1", "back\n".getBytes(StandardCharsets.UTF_8));
                client.end("data1");
                assertThat(accepted.getInputStream().readAllBytes()).asString().isEqualTo("back\n");
            }
        }
    }

    @Test
    void anIpv6LoopbackIsTriedAfterIpv4() throws Exception {
        Pod pod = live.pod().hostNetwork().run();
        try (ServerSocket listening = new ServerSocket(0, 5, InetAddress.ofLiteral("::1"));
                SpdyClient client = connect(pod, "spdy")) {
            open(client, "1", listening.getLocalPort());
            try (Socket accepted = listening.accept()) {
                accepted.getOutputStream().write('6');
                accepted.shutdownOutput();
                assertThat(client.text("data1")).isEqualTo("6");
            }
        }
    }

    /** The host listens, the pod does not: its own loopback is another one. */
    @ParameterizedTest
    @ValueSource(strings = {"spdy", "tunnel"})
    void whatDoesNotListenIsToldOnTheErrorStreamAndTheConnectionLives(String protocol) throws Exception {
        Pod pod = serving(live.pod(), 8080, "echo here");
        try (ServerSocket ofHost = new ServerSocket(0, 5, InetAddress.ofLiteral("127.0.0.1"));
                SpdyClient client = connect(pod, protocol)) {
            open(client, "1", ofHost.getLocalPort());
            assertThat(client.text("error1"))
                    .contains("port " + ofHost.getLocalPort())
                    .contains("127.0.0.1: ECONNREFUSED");
            assertThat(client.text("data1")).isEmpty();
            open(client, "2", 8080);
            assertThat(client.text("data2")).isEqualTo("here\n");
        }
    }

    @Test
    void severalPortsAndConnectionsShareOneConnection() throws Exception {
        Pod pod = serving(live.pod(), 8080, "cat");
        Container second = pod.container(live.busybox())
                .command("nc", "-ll", "-p", "8081", "-e", "echo", "second")
                .start();
        Await.until("it listens", PATIENCE, () -> second.shell("netstat -ltn").contains(":8081 "));
        try (SpdyClient client = connect(pod, "spdy")) {
            open(client, "a", 8080);
            open(client, "b", 8080);
            open(client, "c", 8081);
            client.send("datab", "b\n".getBytes(StandardCharsets.UTF_8));
            client.send("dataa", "a\n".getBytes(StandardCharsets.UTF_8));
            client.end("dataa");
            client.end("datab");
            assertThat(client.text("dataa")).isEqualTo("a\n");
            assertThat(client.text("datab")).isEqualTo("b\n");
            assertThat(client.text("datac")).isEqualTo("second\n");
        }
    }

    /** Clients before the requestID header: an error stream, and the data stream right after it. */
    @Test
    void streamsWithoutAnIdBelongTogetherByTheirNumbers() throws Exception {
        Pod pod = serving(live.pod(), 8080, "echo old");
        try (SpdyClient client = connect(pod, "spdy")) {
            assertThat(client.open("error", Map.of("streamtype", "error", "port", "8080")))
                    .isTrue();
            assertThat(client.open("data", Map.of("streamtype", "data", "port", "8080")))
                    .isTrue();
            assertThat(client.text("data")).isEqualTo("old\n");
        }
    }

    @Test
    void streamsThatNameNoPortAreRefused() throws Exception {
        Pod pod = live.pod().run();
        try (SpdyClient client = connect(pod, "spdy")) {
            assertThat(client.open("1", Map.of("streamtype", "data"))).isFalse();
            assertThat(client.open("2", Map.of("streamtype", "data", "port", "0")))
                    .isFalse();
            assertThat(client.open("3", Map.of("streamtype", "data", "port", "65536")))
                    .isFalse();
            assertThat(client.open("4", Map.of("streamtype", "data", "port", "-1")))
                    .isFalse();
            assertThat(client.open("5", Map.of("streamtype", "stdin", "port", "80")))
                    .isFalse();
            assertThat(client.isClosed()).isFalse();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"v4.channel.k8s.io", "v4.base64.channel.k8s.io"})
    void theOlderWebSocketHasTwoChannelsForEachPortOfTheRequest(String protocol) throws Exception {
        Pod pod = serving(live.pod(), 8080, "read line; echo \"got $line\"");
        try (WebSocketClient client = WebSocketClient.connect(StreamRequests.forwardUrl(pod, 8080, 8081), protocol)) {
            // stdin is channel 0 and stdout 1, and so on
            assertThat(client.from("0").readNBytes(2)).isEqualTo(new byte[] {(byte) 0x90, 0x1f});
            assertThat(client.from("1").readNBytes(2)).isEqualTo(new byte[] {(byte) 0x90, 0x1f});
            assertThat(client.from("2").readNBytes(2)).isEqualTo(new byte[] {(byte) 0x91, 0x1f});
            assertThat(client.from("3").readNBytes(2)).isEqualTo(new byte[] {(byte) 0x91, 0x1f});
            client.send("0", "hello\n".getBytes(StandardCharsets.UTF_8));
            byte[] answer = "got hello\n".getBytes(StandardCharsets.UTF_8);
            assertThat(client.from("0").readNBytes(answer.length)).isEqualTo(answer);
            String refused = "error forwarding port 8081";
            assertThat(client.from("3").readNBytes(refused.length())).asString().isEqualTo(refused);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"spdy", "tunnel"})
    void aGigabyteComesThroughWithTheServersMemoryFlat(String protocol) throws Exception {
        Pod pod = serving(live.pod(), 8080, "read megabytes; dd if=/dev/zero bs=1M count=$megabytes 2>/dev/null");
        long before = 0;
        for (int round = 0; round < 2; round++) {
            long size = round == 0 ? 64 : 1024;
            try (SpdyClient client = connect(pod, protocol)) {
                open(client, "1", 8080);
                client.send("data1", (size + "\n").getBytes(StandardCharsets.UTF_8));
                assertThat(count(client.from("data1"))).isEqualTo(size << 20);
            }
            long now = Long.parseLong(Proc.required(new Proc(live.portafilter().pid()).status(), "VmRSS")
                    .split(" ")[0]);
            if (round == 0) {
                before = now;
            } else {
                assertThat(now).isLessThan(before + 24 * 1024);
            }
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

    /** Both directions stand still when the other side does not read, and nothing is lost when it does. */
    @Test
    void whatAPodDoesNotTakeWaitsAtTheClient() throws Exception {
        Pod pod = serving(live.pod(), 8080, "sleep 2; wc -c");
        int size = 32 << 20;
        try (SpdyClient client = connect(pod, "spdy")) {
            open(client, "1", 8080);
            client.send("data1", new byte[size]);
            client.end("data1");
            assertThat(client.text("data1").strip()).isEqualTo(Integer.toString(size));
        }
    }

    @Test
    void aClientThatVanishesClosesItsConnectionsInThePod() throws Exception {
        Pod pod = live.pod().hostNetwork().run();
        Host before = live.host();
        try (ServerSocket listening = new ServerSocket(0, 5, InetAddress.ofLiteral("127.0.0.1"))) {
            SpdyClient client = connect(pod, "spdy");
            open(client, "1", listening.getLocalPort());
            try (Socket accepted = listening.accept()) {
                client.close();
                assertThat(accepted.getInputStream().read()).isNegative();
            }
        }
        live.awaitAsBefore(before);
    }

    @Test
    void whatCannotBeIsRefusedWhenItIsAskedFor() {
        Pod stopped = live.pod().run();
        stopped.stop();
        assertThatThrownBy(() -> StreamRequests.forwardUrl(stopped, 80)).hasMessageContaining("FAILED_PRECONDITION");
        Pod running = live.pod().run();
        assertThatThrownBy(() -> StreamRequests.forwardUrl(running, 0)).hasMessageContaining("INVALID_ARGUMENT");
        assertThatThrownBy(() -> StreamRequests.forwardUrl(running, 65536)).hasMessageContaining("INVALID_ARGUMENT");
    }
}
