package io.portafilter.e2e;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/**
 * Stands before a registry as a careful or a hostile host would: wants credentials, speaks TLS, or hands out bytes that
 * the digest does not belong to. Records the requests that it saw.
 */
public final class RegistryFront implements AutoCloseable {
    /** Who may read. */
    public sealed interface Door {
        record Open() implements Door {}

        record Basic(String user, String password) implements Door {}

        /** The Docker token protocol: 401 names this server as realm, which wants basic credentials for a token. */
        record Token(String user, String password) implements Door {}

        /** Blobs come with the last byte changed. */
        record Corrupting(String digest) implements Door {}

        /** Answers blobs by sending the client elsewhere, as registries with an object store do. */
        record RedirectingBlobs(String origin) implements Door {}
    }

    /** A request as it arrived. */
    public record Seen(String method, String path, Optional<String> authorization) {}

    public static final String TOKEN = "e2e-token-0123456789";
    private static final char[] STORE_PASSWORD = "changeit".toCharArray();

    private final HttpServer server;
    private final TestRegistry registry;
    private final Door door;
    private final String scheme;
    private final HttpClient http = HttpClient.newHttpClient();
    private final List<Seen> seen = new CopyOnWriteArrayList<>();

    private RegistryFront(HttpServer server, TestRegistry registry, Door door, String scheme) {
        this.server = server;
        this.registry = registry;
        this.door = door;
        this.scheme = scheme;
        server.createContext("/", this::answer);
        server.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
        server.start();
    }

    public static RegistryFront plain(TestRegistry registry, Door door) {
        try {
            return new RegistryFront(
                    HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0),
                    registry,
                    door,
                    "http");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Speaks TLS with a certificate for {@code 127.0.0.1} and {@code localhost} that {@code authority} holds as PEM. */
    public static RegistryFront tls(TestRegistry registry, Door door, Path authority) {
        try {
            Path store = Files.createTempFile("pf-e2e-", ".p12");
            Files.delete(store);
            String keytool =
                    Path.of(System.getProperty("java.home"), "bin/keytool").toString();
            String password = new String(STORE_PASSWORD);
            String _ = Commands.run(
                            keytool,
                            "-genkeypair",
                            "-alias",
                            "front",
                            "-keyalg",
                            "EC",
                            "-validity",
                            "2",
                            "-dname",
                            "CN=e2e",
                            "-ext",
                            "san=ip:127.0.0.1,dns:localhost",
                            "-storetype",
                            "PKCS12",
                            "-keystore",
                            store.toString(),
                            "-storepass",
                            password)
                    .orFail();
            String pem = Commands.run(
                            keytool,
                            "-exportcert",
                            "-rfc",
                            "-alias",
                            "front",
                            "-keystore",
                            store.toString(),
                            "-storepass",
                            password)
                    .orFail();
            Files.writeString(authority, pem);
            KeyStore keys = KeyStore.getInstance(store.toFile(), STORE_PASSWORD);
            Files.delete(store);
            KeyManagerFactory managers = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            managers.init(keys, STORE_PASSWORD);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(managers.getKeyManagers(), null, null);
            HttpsServer server = HttpsServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
            server.setHttpsConfigurator(new HttpsConfigurator(context));
            return new RegistryFront(server, registry, door, "https");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("a JDK that cannot serve TLS", e);
        }
    }

    /** {@code 127.0.0.1:PORT}. */
    public String host() {
        return "127.0.0.1:" + server.getAddress().getPort();
    }

    public String url() {
        return scheme + "://" + host();
    }

    public List<Seen> seen() {
        return List.copyOf(seen);
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            URI uri = exchange.getRequestURI();
            Optional<String> authorization =
                    Optional.ofNullable(exchange.getRequestHeaders().getFirst("Authorization"));
            seen.add(new Seen(exchange.getRequestMethod(), uri.getPath(), authorization));
            switch (door) {
                case Door.Open _ -> forward(exchange, Optional.empty());
                case Door.Basic basic -> {
                    if (authorization.equals(Optional.of(basicHeader(basic.user(), basic.password())))) {
                        forward(exchange, Optional.empty());
                    } else {
                        refuse(exchange, "Basic realm=\"e2e\"");
                    }
                }
                case Door.Token token -> {
                    if (uri.getPath().equals("/token")) {
                        token(exchange, authorization, token);
                    } else if (authorization.equals(Optional.of("Bearer " + TOKEN))) {
                        forward(exchange, Optional.empty());
                    } else {
                        refuse(
                                exchange,
                                "Bearer realm=\"" + url() + "/token\",service=\"e2e\",scope=\"repository:any:pull\"");
                    }
                }
                case Door.Corrupting corrupting -> forward(exchange, Optional.of(corrupting.digest()));
                case Door.RedirectingBlobs elsewhere -> {
                    if (uri.getPath().contains("/blobs/")) {
                        exchange.getResponseHeaders().add("Location", elsewhere.origin() + uri);
                        exchange.sendResponseHeaders(307, -1);
                    } else {
                        forward(exchange, Optional.empty());
                    }
                }
            }
        }
    }

    private static void token(HttpExchange exchange, Optional<String> authorization, Door.Token token)
            throws IOException {
        if (!authorization.equals(Optional.of(basicHeader(token.user(), token.password())))) {
            exchange.sendResponseHeaders(401, -1);
            return;
        }
        byte[] body = ("{\"token\":\"" + TOKEN + "\",\"expires_in\":300}").getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().add("Content-Type", "application/json");
        exchange.sendResponseHeaders(200, body.length);
        exchange.getResponseBody().write(body);
    }

    private static void refuse(HttpExchange exchange, String challenge) throws IOException {
        byte[] body = "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\"}]}"
                .getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().add("WWW-Authenticate", challenge);
        exchange.getResponseHeaders().add("Content-Type", "application/json");
        exchange.sendResponseHeaders(401, exchange.getRequestMethod().equals("HEAD") ? -1 : body.length);
        if (!exchange.getRequestMethod().equals("HEAD")) {
            exchange.getResponseBody().write(body);
        }
    }

    private void forward(HttpExchange exchange, Optional<String> corruptedDigest) throws IOException {
        HttpRequest.Builder request = HttpRequest.newBuilder(
                        URI.create("http://" + registry.host() + exchange.getRequestURI()))
                .method(exchange.getRequestMethod(), HttpRequest.BodyPublishers.noBody());
        for (String header : List.of("Accept", "Range")) {
            Optional.ofNullable(exchange.getRequestHeaders().get(header))
                    .ifPresent(values -> values.forEach(value -> request.header(header, value)));
        }
        HttpResponse<byte[]> answer = fetch(request.build());
        byte[] body = answer.body();
        String path = exchange.getRequestURI().getPath();
        if (corruptedDigest.filter(path::endsWith).isPresent() && body.length > 0) {
            body[body.length - 1] ^= 1;
        }
        Headers headers = exchange.getResponseHeaders();
        for (String name : List.of("Content-Type", "Docker-Content-Digest", "Content-Range", "Accept-Ranges")) {
            answer.headers().firstValue(name).ifPresent(value -> headers.add(name, value));
        }
        if (exchange.getRequestMethod().equals("HEAD")) {
            answer.headers().firstValue("Content-Length").ifPresent(value -> headers.add("Content-Length", value));
            exchange.sendResponseHeaders(answer.statusCode(), -1);
            return;
        }
        exchange.sendResponseHeaders(answer.statusCode(), body.length == 0 ? -1 : body.length);
        if (body.length > 0) {
            exchange.getResponseBody().write(body);
        }
    }

    private HttpResponse<byte[]> fetch(HttpRequest request) throws IOException {
        try {
            return http.send(request, HttpResponse.BodyHandlers.ofByteArray());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }

    private static String basicHeader(String user, String password) {
        return "Basic " + Base64.getEncoder().encodeToString((user + ":" + password).getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public void close() {
        server.stop(0);
        http.close();
    }
}
