package io.portafilter.image;

import com.sun.net.httpserver.Headers;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import com.sun.net.httpserver.HttpsConfigurator;
import com.sun.net.httpserver.HttpsServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.zip.GZIPOutputStream;
import javax.net.ssl.SSLContext;

/** A registry on a loopback address that behaves as a test wants: it asks for credentials, redirects, fails, breaks off. */
final class RegistryFixture implements AutoCloseable {
    static final String REPOSITORY = "team/app";

    /** A request as it came in. */
    record Request(String method, String path, String query, Headers headers) {
        Optional<String> header(String name) {
            return Optional.ofNullable(headers.getFirst(name));
        }
    }

    /** Waits for what a test knows. */
    interface Wait {
        void await() throws InterruptedException;
    }

    /** What asks for credentials. */
    enum Wants {
        NOTHING,
        BASIC,
        TOKEN
    }

    private final HttpServer server;
    private final ExecutorService threads = Executors.newCachedThreadPool();
    private final Map<String, byte[]> content = new ConcurrentHashMap<>();
    private final Map<String, String> types = new ConcurrentHashMap<>();
    final List<Request> requests = new CopyOnWriteArrayList<>();

    volatile Wants wants = Wants.NOTHING;
    volatile String user = "";
    volatile String password = "";
    volatile Optional<URI> blobsAt = Optional.empty();
    /** How many requests still get this status. */
    final AtomicInteger failures = new AtomicInteger();

    volatile int failureStatus = 503;
    /** How many answers with a blob still break off half-way. */
    final AtomicInteger breaks = new AtomicInteger();
    /** What is done before an answer breaks off. */
    volatile Wait beforeBreak = () -> {};

    /** How many answers with a manifest or configuration still break off half-way. */
    final AtomicInteger cut = new AtomicInteger();

    volatile boolean ranges = true;
    /** A blob stops half-way until this opens. */
    volatile CountDownLatch stall = new CountDownLatch(0);

    private RegistryFixture(HttpServer server) {
        this.server = server;
        server.setExecutor(threads);
        server.createContext("/", this::answer);
        server.start();
    }

    static RegistryFixture plain() {
        return plain("127.0.0.1");
    }

    static RegistryFixture plain(String address) {
        try {
            return new RegistryFixture(HttpServer.create(new InetSocketAddress(InetAddress.ofLiteral(address), 0), 0));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static RegistryFixture secure(SSLContext context) {
        try {
            HttpsServer server = HttpsServer.create(new InetSocketAddress(InetAddress.ofLiteral("127.0.0.1"), 0), 0);
            server.setHttpsConfigurator(new HttpsConfigurator(context));
            return new RegistryFixture(server);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    String authority() {
        return server.getAddress().getAddress().getHostAddress() + ":"
                + server.getAddress().getPort();
    }

    ImageReference reference(String tag) {
        return ImageReference.parse(authority() + "/" + REPOSITORY + ":" + tag);
    }

    // ---- content

    Digest blob(byte[] bytes) {
        Digest digest = Digest.sha256(bytes);
        content.put("/v2/" + REPOSITORY + "/blobs/" + digest, bytes);
        return digest;
    }

    /** Another content under a digest's name. */
    void falsify(Digest digest, byte[] bytes) {
        content.put("/v2/" + REPOSITORY + "/blobs/" + digest, bytes);
    }

    Digest manifest(String document, String type, String... tags) {
        byte[] bytes = document.getBytes(StandardCharsets.UTF_8);
        Digest digest = Digest.sha256(bytes);
        for (String name : tags) {
            put(name, bytes, type);
        }
        put(digest.toString(), bytes, type);
        return digest;
    }

    private void put(String name, byte[] bytes, String type) {
        String path = "/v2/" + REPOSITORY + "/manifests/" + name;
        content.put(path, bytes);
        types.put(path, type);
    }

    /** Publishes an image of these layers, uncompressed tar streams that are sent as gzip. */
    ImageContent image(String tag, byte[]... layers) {
        return image(Manifest.OCI_MANIFEST, tag, "amd64", layers);
    }

    ImageContent image(String type, String tag, String architecture, byte[]... layers) {
        StringBuilder diffIds = new StringBuilder();
        StringBuilder descriptors = new StringBuilder();
        for (byte[] layer : layers) {
            byte[] compressed = gzip(layer);
            String separator = diffIds.isEmpty() ? "" : ",";
            diffIds.append(separator).append('"').append(Digest.sha256(layer)).append('"');
            descriptors
                    .append(separator)
                    .append(descriptor(
                            "application/vnd.oci.image.layer.v1.tar+gzip", blob(compressed), compressed.length));
        }
        String config = """
                {"os":"linux","architecture":"%s","config":{"Cmd":["sh"],"User":"1000"},
                 "rootfs":{"type":"layers","diff_ids":[%s]}}""".formatted(architecture, diffIds);
        byte[] configBytes = config.getBytes(StandardCharsets.UTF_8);
        String document = """
                {"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[%s],"annotations":{"a":"b"}}""".formatted(
                        type,
                        descriptor("application/vnd.oci.image.config.v1+json", blob(configBytes), configBytes.length),
                        descriptors);
        Digest digest = tag.isEmpty() ? manifest(document, type) : manifest(document, type, tag);
        return new ImageContent(Digest.sha256(configBytes), digest, document.length());
    }

    /** What was published: the configuration's digest, the manifest's digest and size. */
    record ImageContent(Digest id, Digest manifest, int manifestBytes) {}

    static String descriptor(String type, Digest digest, long size) {
        return "{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%d}".formatted(type, digest, size);
    }

    static byte[] gzip(byte[] plain) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (GZIPOutputStream out = new GZIPOutputStream(bytes)) {
            out.write(plain);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    // ---- behaviour

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            String path = exchange.getRequestURI().getPath();
            Request request = new Request(
                    exchange.getRequestMethod(),
                    path,
                    Optional.ofNullable(exchange.getRequestURI().getRawQuery()).orElse(""),
                    exchange.getRequestHeaders());
            requests.add(request);
            if (path.equals("/token")) {
                token(exchange, request);
            } else if (failures.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
                exchange.sendResponseHeaders(failureStatus, -1);
            } else if (!isAuthorized(request)) {
                challenge(exchange);
            } else if (path.contains("/blobs/") && blobsAt.isPresent()) {
                exchange.getResponseHeaders().set("Location", blobsAt.get() + path);
                exchange.sendResponseHeaders(307, -1);
            } else {
                serve(exchange, request);
            }
        }
    }

    private void token(HttpExchange exchange, Request request) throws IOException {
        String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        boolean refresh = request.method().equals("POST") && body.contains("refresh_token=" + password);
        boolean allowed = refresh
                || request.header("Authorization").equals(Optional.of(basic()))
                || (user.isEmpty() && request.header("Authorization").isEmpty());
        if (!allowed) {
            exchange.sendResponseHeaders(401, -1);
            return;
        }
        byte[] answer = "{\"token\":\"good\"}".getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(200, answer.length);
        exchange.getResponseBody().write(answer);
    }

    private String basic() {
        return "Basic " + Base64.getEncoder().encodeToString((user + ":" + password).getBytes(StandardCharsets.UTF_8));
    }

    private boolean isAuthorized(Request request) {
        return switch (wants) {
            case NOTHING -> true;
            case BASIC -> request.header("Authorization").equals(Optional.of(basic()));
            case TOKEN -> request.header("Authorization").equals(Optional.of("Bearer good"));
        };
    }

    private void challenge(HttpExchange exchange) throws IOException {
        String scheme = server instanceof HttpsServer ? "https" : "http";
        exchange.getResponseHeaders()
                .set(
                        "WWW-Authenticate",
                        wants == Wants.BASIC
                                ? "Basic realm=\"registry\""
                                : "Bearer realm=\"" + scheme + "://" + authority()
                                        + "/token\",service=\"fixture\",scope=\"repository:" + REPOSITORY + ":pull\"");
        exchange.sendResponseHeaders(401, -1);
    }

    private void serve(HttpExchange exchange, Request request) throws IOException {
        byte[] bytes = content.get(request.path());
        if (bytes == null) {
            byte[] error = "{\"errors\":[{\"code\":\"UNKNOWN\",\"message\":\"no such thing\"}]}"
                    .getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(404, error.length);
            exchange.getResponseBody().write(error);
            return;
        }
        exchange.getResponseHeaders()
                .set("Content-Type", types.getOrDefault(request.path(), "application/octet-stream"));
        int start = 0;
        Optional<String> range = request.header("Range").filter(_ -> ranges);
        if (range.isPresent()) {
            start = Integer.parseInt(range.get().replaceAll("[^0-9]", ""));
            exchange.getResponseHeaders()
                    .set("Content-Range", "bytes " + start + "-" + (bytes.length - 1) + "/" + bytes.length);
        }
        byte[] part = Arrays.copyOfRange(bytes, start, bytes.length);
        exchange.sendResponseHeaders(range.isPresent() ? 206 : 200, part.length);
        OutputStream body = exchange.getResponseBody();
        if (request.path().contains("/blobs/") && part.length > 4096) {
            body.write(part, 0, part.length / 2);
            body.flush();
            try {
                if (breaks.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
                    beforeBreak.await();
                    throw new IOException("the fixture breaks off");
                }
                stall.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException(e);
            }
            body.write(part, part.length / 2, part.length - part.length / 2);
        } else if (cut.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
            body.write(part, 0, part.length / 2);
            throw new IOException("the fixture breaks off");
        } else {
            body.write(part);
        }
    }

    long count(String pathPart) {
        return requests.stream()
                .filter(request -> request.path().contains(pathPart))
                .count();
    }

    @Override
    public void close() {
        stall.countDown();
        server.stop(0);
        threads.shutdownNow();
    }
}
