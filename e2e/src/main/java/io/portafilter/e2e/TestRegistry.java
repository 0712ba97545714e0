package io.portafilter.e2e;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Debian's docker-registry on a loopback port, its storage in a temporary directory. */
public final class TestRegistry implements AutoCloseable {
    private final Process process;
    private final Path directory;
    private final int port;
    private final HttpClient http = HttpClient.newHttpClient();

    private TestRegistry(Process process, Path directory, int port) {
        this.process = process;
        this.directory = directory;
        this.port = port;
    }

    public static TestRegistry start() {
        try {
            Path directory = Files.createTempDirectory("pf-e2e-registry-");
            int port = freePort();
            Path config = directory.resolve("config.yml");
            Files.writeString(config, """
                    version: 0.1
                    log:
                      level: error
                    storage:
                      filesystem:
                        rootdirectory: %s/storage
                      delete:
                        enabled: true
                    http:
                      addr: 127.0.0.1:%d
                    """.formatted(directory, port));
            Process process = new ProcessBuilder(
                            Tree.dockerRegistry().orElseThrow().toString(), "serve", config.toString())
                    .redirectErrorStream(true)
                    .redirectOutput(directory.resolve("registry.log").toFile())
                    .start();
            TestRegistry registry = new TestRegistry(process, directory, port);
            Await.until("docker-registry answers", Duration.ofSeconds(20), () -> {
                if (!process.isAlive()) {
                    throw new IllegalStateException(Files.readString(directory.resolve("registry.log")));
                }
                return registry.send(registry.request("/v2/").GET()).statusCode() == 200;
            });
            return registry;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }

    /** {@code 127.0.0.1:PORT}. */
    public String host() {
        return "127.0.0.1:" + port;
    }

    public int port() {
        return port;
    }

    /** Pushes and answers the reference by which it can be pulled. */
    public String push(String name, String tag, TestImage image) {
        pushBlobs(name, image);
        putManifest(name, tag, image.manifest());
        return host() + "/" + name + ":" + tag;
    }

    /** Pushes an index with all its images. */
    public String pushIndex(String name, String tag, TestImage.Dialect dialect, List<TestImage> images) {
        for (TestImage image : images) {
            pushBlobs(name, image);
            TestImage.Blob manifest = image.manifest();
            putManifest(name, manifest.digest(), manifest);
        }
        putManifest(name, tag, TestImage.index(dialect, images));
        return host() + "/" + name + ":" + tag;
    }

    private void pushBlobs(String name, TestImage image) {
        putBlob(name, image.configBlob());
        image.layerBlobs().forEach(layer -> putBlob(name, layer));
    }

    private void putBlob(String name, TestImage.Blob blob) {
        if (send(request("/v2/" + name + "/blobs/" + blob.digest()).HEAD()).statusCode() == 200) {
            return;
        }
        HttpResponse<String> begun =
                send(request("/v2/" + name + "/blobs/uploads/").POST(HttpRequest.BodyPublishers.noBody()));
        expect(202, begun);
        String location = begun.headers().firstValue("Location").orElseThrow();
        URI at = URI.create("http://" + host()).resolve(location);
        URI put = URI.create(at + (at.getQuery() == null ? "?" : "&") + "digest=" + blob.digest());
        expect(
                201,
                send(HttpRequest.newBuilder(put)
                        .header("Content-Type", "application/octet-stream")
                        .PUT(HttpRequest.BodyPublishers.ofByteArray(blob.bytes().toByteArray()))));
    }

    private void putManifest(String name, String reference, TestImage.Blob manifest) {
        expect(
                201,
                send(request("/v2/" + name + "/manifests/" + reference)
                        .header("Content-Type", manifest.mediaType())
                        .PUT(HttpRequest.BodyPublishers.ofByteArray(
                                manifest.bytes().toByteArray()))));
    }

    private HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create("http://" + host() + path));
    }

    private HttpResponse<String> send(HttpRequest.Builder request) {
        try {
            return http.send(request.build(), HttpResponse.BodyHandlers.ofString());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while talking to the registry", e);
        }
    }

    private static void expect(int status, HttpResponse<String> answer) {
        if (answer.statusCode() != status) {
            throw new IllegalStateException(
                    answer.request().method() + " " + answer.uri() + ": " + answer.statusCode() + " " + answer.body());
        }
    }

    @Override
    public void close() {
        process.destroy();
        try {
            if (!process.waitFor(10, TimeUnit.SECONDS)) {
                var _ = process.destroyForcibly().waitFor();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        http.close();
        PortafilterServer.deleteTree(directory);
    }
}
