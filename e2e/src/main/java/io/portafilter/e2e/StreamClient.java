package io.portafilter.e2e;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/** A client of the URLs that Exec, Attach and PortForward answer with, as kubectl and crictl are. */
public interface StreamClient extends AutoCloseable {
    Duration ANSWER = Duration.ofSeconds(30);

    /** Sends on a stream; waits where the server does not take it. */
    void send(String stream, byte[] bytes) throws IOException;

    /** Ends what is sent on a stream. */
    void end(String stream) throws IOException;

    /** What the server sends on a stream, to its end. Who does not read it is a slow client. */
    InputStream from(String stream);

    /** How the connection ended, when it has: empty in good order. */
    String awaitClosed() throws IOException;

    /** Breaks the connection off. */
    @Override
    void close() throws IOException;

    /** What the server sends on a stream until that ends, as text. */
    default String text(String stream) throws IOException {
        return new String(from(stream).readAllBytes(), StandardCharsets.UTF_8);
    }

    /**
     * Connects to an URL of Exec or Attach.
     *
     * @param protocol {@code spdy/VERSION} or {@code ws/SUBPROTOCOL}
     * @param streams of stdin, stdout, stderr, resize those that were asked for; error is always there
     */
    static StreamClient command(String url, String protocol, List<String> streams) throws IOException {
        String version = protocol.substring(protocol.indexOf('/') + 1);
        if (protocol.startsWith("ws/")) {
            return WebSocketClient.connect(url, version);
        }
        SpdyClient client = SpdyClient.connect(url, version);
        client.open("error", Map.of("streamtype", "error"));
        for (String stream : streams) {
            client.open(stream, Map.of("streamtype", stream));
        }
        return client;
    }

    /** The answer to a request for an upgrade, and the connection it came on. */
    record Upgrade(Socket socket, InputStream in, int status, Map<String, String> headers, String body) {
        OutputStream out() throws IOException {
            return socket.getOutputStream();
        }

        /** Sends a request with these lines after the first one. */
        static Upgrade ask(String url, String method, List<String> headers) throws IOException {
            URI uri = URI.create(url);
            Socket socket = new Socket(uri.getHost(), uri.getPort());
            socket.setTcpNoDelay(true);
            StringBuilder request = new StringBuilder(
                    method + " " + uri.getRawPath() + " HTTP/1.1\r\nHost: " + uri.getAuthority() + "\r\n");
            headers.forEach(line -> request.append(line).append("\r\n"));
            socket.getOutputStream().write(request.append("\r\n").toString().getBytes(StandardCharsets.US_ASCII));
            return read(socket);
        }

        private static Upgrade read(Socket socket) throws IOException {
            InputStream in = new BufferedInputStream(socket.getInputStream(), 64 * 1024);
            String first = line(in);
            if (!first.startsWith("HTTP/1.1 ")) {
                throw new IOException("no answer: \"" + first + '"');
            }
            Map<String, String> headers = new TreeMap<>();
            for (String line = line(in); !line.isEmpty(); line = line(in)) {
                int colon = line.indexOf(':');
                headers.merge(
                        line.substring(0, colon).toLowerCase(Locale.ROOT),
                        line.substring(colon + 1).strip(),
                        (one, other) -> one + ", " + other);
            }
            int status = Integer.parseInt(first.substring(9, 12));
            String body = status == 101 ? "" : new String(in.readAllBytes(), StandardCharsets.UTF_8);
            return new Upgrade(socket, in, status, headers, body);
        }

        private static String line(InputStream in) throws IOException {
            ByteArrayOutputStream line = new ByteArrayOutputStream();
            for (int each = in.read(); each >= 0 && each != '\n'; each = in.read()) {
                line.write(each);
            }
            return line.toString(StandardCharsets.US_ASCII).stripTrailing();
        }

        static Upgrade spdy(String url, String method, String... versions) throws IOException {
            List<String> lines = new java.util.ArrayList<>(List.of("Connection: Upgrade", "Upgrade: SPDY/3.1"));
            for (String version : versions) {
                lines.add("X-Stream-Protocol-Version: " + version);
            }
            return ask(url, method, lines);
        }

        static Upgrade webSocket(String url, String... protocols) throws IOException {
            List<String> lines = new java.util.ArrayList<>(List.of(
                    "Connection: keep-alive, Upgrade",
                    "Upgrade: websocket",
                    "Sec-WebSocket-Version: 13",
                    "Sec-WebSocket-Key: " + Base64.getEncoder().encodeToString(new byte[16])));
            if (protocols.length > 0) {
                lines.add("Sec-WebSocket-Protocol: " + String.join(", ", protocols));
            }
            return ask(url, "GET", lines);
        }

        Upgrade require(int expected) {
            if (status != expected) {
                throw new AssertionError("status " + status + " " + headers + " " + body);
            }
            return this;
        }
    }
}
