package io.portafilter.e2e.kubelet;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * As much of an API server as kubectl needs to reach one kubelet's pods: it answers which kinds there are and what
 * kubelet says of a pod, and hands logs, exec, attach and port-forward on to kubelet byte for byte, with the parameters
 * that an API server would give.
 */
final class ApiFront implements AutoCloseable {
    private static final String PODS = "/api/v1/namespaces/default/pods/";
    private static final String KINDS = """
            {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "v1", "resources": [
              {"name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod", "verbs": ["get", "list"],
               "shortNames": ["po"]}]}""";
    /** Of exec and attach; an API server's names and kubelet's. */
    private static final Map<String, String> PARAMETERS =
            Map.of("stdin", "input", "stdout", "output", "stderr", "error", "tty", "tty", "command", "command");

    private final Kubelet kubelet;
    private final ServerSocket socket;

    private ApiFront(Kubelet kubelet, ServerSocket socket) {
        this.kubelet = kubelet;
        this.socket = socket;
    }

    static ApiFront of(Kubelet kubelet) {
        try {
            ApiFront front = new ApiFront(kubelet, new ServerSocket(0, 50, InetAddress.getLoopbackAddress()));
            var _ = Thread.ofVirtual().start(front::accept);
            return front;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    String address() {
        return "http://127.0.0.1:" + socket.getLocalPort();
    }

    private void accept() {
        while (true) {
            try {
                Socket client = socket.accept();
                var _ = Thread.ofVirtual().start(() -> serve(client));
            } catch (SocketException _) {
                return; // closed
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    /** One request of a connection: whatever is answered ends it. */
    private void serve(Socket client) {
        try (client) {
            List<String> head = head(client.getInputStream());
            String[] request = head.getFirst().split(" ");
            URI address = URI.create(request[1]);
            Optional<String> target = target(address);
            if (target.isPresent()) {
                tunnel(client, request[0], target.orElseThrow(), head.subList(1, head.size()));
                return;
            }
            Optional<String> body = body(address.getPath());
            answer(client, body.isPresent() ? "200 OK" : "404 Not Found", body.orElse("{}"));
        } catch (IOException _) {
            // the client has gone: nobody to tell
        }
    }

    private static List<String> head(InputStream in) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        while (!bytes.toString(StandardCharsets.ISO_8859_1).endsWith("\r\n\r\n")) {
            int next = in.read();
            if (next < 0) {
                throw new IOException("no request");
            }
            bytes.write(next);
        }
        return bytes.toString(StandardCharsets.ISO_8859_1)
                .lines()
                .filter(line -> !line.isEmpty())
                .toList();
    }

    private Optional<String> body(String path) {
        return switch (path) {
            case "/api" -> Optional.of("{\"kind\": \"APIVersions\", \"versions\": [\"v1\"]}");
            case "/apis" -> Optional.of("{\"kind\": \"APIGroupList\", \"apiVersion\": \"v1\", \"groups\": []}");
            case "/api/v1" -> Optional.of(KINDS);
            default ->
                Optional.of(path)
                        .filter(it -> it.startsWith(PODS))
                        .flatMap(it -> kubelet.pods().values().stream()
                                .filter(pod -> pod.name().equals(it.substring(PODS.length())))
                                .findFirst())
                        .map(pod -> {
                            // an object of a list does not say what it is
                            pod.json().addProperty("kind", "Pod");
                            pod.json().addProperty("apiVersion", "v1");
                            return pod.json().toString();
                        });
        };
    }

    private static void answer(Socket client, String status, String body) throws IOException {
        byte[] bytes = body.getBytes(StandardCharsets.UTF_8);
        OutputStream out = client.getOutputStream();
        out.write(("HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: "
                        + bytes.length + "\r\n\r\n")
                .getBytes(StandardCharsets.US_ASCII));
        out.write(bytes);
        out.flush();
    }

    /** Where kubelet has what a path of a pod's subresource means. */
    private static Optional<String> target(URI address) {
        String[] part = address.getPath().startsWith(PODS)
                ? address.getPath().substring(PODS.length()).split("/")
                : new String[0];
        if (part.length != 2) {
            return Optional.empty();
        }
        List<String> query = address.getRawQuery() == null
                ? List.of()
                : List.of(address.getRawQuery().split("&"));
        String pod = "/default/" + part[0];
        String container = query.stream()
                .filter(item -> item.startsWith("container="))
                .map(item -> "/" + item.substring("container=".length()))
                .findFirst()
                .orElse("");
        return Optional.ofNullable(
                switch (part[1]) {
                    case "exec", "attach" -> "/" + part[1] + pod + container + "?" + streams(query);
                    case "portforward" -> "/portForward" + pod;
                    case "log" -> "/containerLogs" + pod + container + "?" + String.join("&", query);
                    default -> null;
                });
    }

    private static String streams(List<String> query) {
        return query.stream()
                .flatMap(item -> {
                    String[] pair = item.split("=", 2);
                    @Nullable String name = PARAMETERS.get(pair[0]);
                    if (name == null) {
                        return Stream.empty();
                    }
                    return Stream.of(name + "=" + (pair[1].equals("true") && !name.equals("command") ? "1" : pair[1]));
                })
                .collect(Collectors.joining("&"));
    }

    private void tunnel(Socket client, String method, String target, List<String> headers) throws IOException {
        URI address = kubelet.address(target);
        boolean upgraded =
                headers.stream().anyMatch(line -> line.toLowerCase(Locale.ROOT).startsWith("upgrade:"));
        List<String> lines = new ArrayList<>();
        lines.add(method + " " + target + " HTTP/1.1");
        lines.add("Host: " + address.getHost() + ":" + address.getPort());
        headers.stream()
                .filter(line -> !line.toLowerCase(Locale.ROOT).startsWith("host:"))
                .filter(line -> upgraded || !line.toLowerCase(Locale.ROOT).startsWith("connection:"))
                .forEach(lines::add);
        if (!upgraded) {
            lines.add("Connection: close");
        }
        try (Socket server = kubelet.trust().getSocketFactory().createSocket(address.getHost(), address.getPort())) {
            server.getOutputStream()
                    .write((String.join("\r\n", lines) + "\r\n\r\n").getBytes(StandardCharsets.ISO_8859_1));
            Thread up = Thread.ofVirtual().start(() -> copy(client, server));
            copy(server, client);
            client.close();
            up.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Until one of both ends. */
    private static void copy(Socket from, Socket to) {
        try {
            byte[] buffer = new byte[1 << 16];
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                out.write(buffer, 0, read);
                out.flush();
            }
            to.shutdownOutput();
        } catch (IOException _) {
            // the other direction ends too, as both sockets are closed
        }
    }

    @Override
    public void close() {
        try {
            socket.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
