package io.portafilter.e2e.kubelet;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.portafilter.e2e.Await;
import io.portafilter.e2e.Commands;
import io.portafilter.e2e.PortafilterServer;
import io.portafilter.e2e.Proc;
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
import java.nio.file.StandardCopyOption;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * A kubelet that no API server tells what to do: it runs the manifests of a directory as static pods. Its files lie below
 * the server's temporary directory and its cgroups below the server's parent, but for two places that kubelet has no
 * setting for: /var/log/containers (links to logs) and /var/lib/kubelet/device-plugins (a socket).
 *
 * <p>Whoever connects to its port of the loopback may do everything there: a setting for tests alone.
 *
 * <p>Not safe for several threads: start and end are called by one.
 */
final class Kubelet implements AutoCloseable {
    /** The name of the node: kubelet makes itself a certificate for it, and adds it to the names of static pods. */
    static final String NODE = "localhost";

    private static final Duration START = Duration.ofSeconds(90);
    private static final Duration END = Duration.ofSeconds(30);

    private final Path program;
    private final PortafilterServer server;
    private final Path base;
    private final int port;
    private long number;
    private Optional<Process> process = Optional.empty();
    private Optional<HttpClient> http = Optional.empty();

    private Kubelet(Path program, PortafilterServer server, Path base, int port) {
        this.program = program;
        this.server = server;
        this.base = base;
        this.port = port;
    }

    /**
     * One that does not run yet.
     *
     * @param moreYaml lines at the end of its configuration
     */
    static Kubelet configured(Path program, PortafilterServer server, String moreYaml) {
        try {
            Path base = server.base().resolve("kubelet");
            for (String directory : List.of("manifests", "next", "root", "pki", "plugins", "logs")) {
                Files.createDirectories(base.resolve(directory));
            }
            Kubelet kubelet = new Kubelet(program, server, base, freePort());
            kubelet.configure(moreYaml, 100);
            return kubelet;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static int freePort() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Writes the configuration anew, for the next start.
     *
     * @param imagesPercent how full the disk may be before unused images are removed
     */
    void configure(String moreYaml, int imagesPercent) {
        write(
                base.resolve("kubelet.yaml"),
                """
                apiVersion: kubelet.config.k8s.io/v1beta1
                kind: KubeletConfiguration
                staticPodPath: %1$s/manifests
                podLogsDir: %1$s/logs
                volumePluginDir: %1$s/plugins
                address: 127.0.0.1
                port: %2$d
                healthzPort: 0
                authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
                authorization: {mode: AlwaysAllow}
                containerRuntimeEndpoint: unix://%3$s
                cgroupDriver: cgroupfs
                cgroupRoot: %4$s
                failCgroupV1: false
                failSwapOn: false
                makeIPTablesUtilChains: false
                oomScoreAdj: 0
                evictionHard: {memory.available: 1Mi, nodefs.available: 1Mi, imagefs.available: 1Mi}
                fileCheckFrequency: 1s
                syncFrequency: 5s
                imageGCHighThresholdPercent: %5$d
                serializeImagePulls: false
                crashLoopBackOff: {maxContainerRestartPeriod: 4s}
                featureGates:
                  PodAndContainerStatsFromCRI: true
                  KubeletCrashLoopBackOffMax: true
                  UserNamespacesHostNetworkSupport: true
                """.formatted(base, port, server.socket(), server.cgroupParent(), imagesPercent) + moreYaml);
    }

    /** Spawns it and waits until it answers that it is well. Answers the time from one to the other. */
    Duration start() {
        if (isRunning()) {
            throw new IllegalStateException("kubelet runs already");
        }
        CgroupRoot.make(server.cgroupParent());
        try {
            long spawn = System.nanoTime();
            Process started = new ProcessBuilder(
                            program.toString(),
                            "--config=" + base.resolve("kubelet.yaml"),
                            "--root-dir=" + base.resolve("root"),
                            "--cert-dir=" + base.resolve("pki"),
                            "--hostname-override=" + NODE,
                            "-v=2")
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.appendTo(log().toFile()))
                    .start();
            process = Optional.of(started);
            Await.until("kubelet says that it is well", START, () -> {
                if (!started.isAlive()) {
                    return true;
                }
                return get("/healthz").statusCode() == 200;
            });
            if (!started.isAlive()) {
                process = Optional.empty();
                throw new AssertionError("kubelet ended at once: exit status " + started.exitValue());
            }
            return Duration.ofNanos(System.nanoTime() - spawn);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (AssertionError e) {
            throw new AssertionError(e.getMessage() + "\nkubelet's log:\n" + logTail(), e);
        }
    }

    /** SIGTERM; its pods live on. */
    void stop() {
        Process running = process.orElseThrow(() -> new IllegalStateException("kubelet is not started"));
        process = Optional.empty();
        running.destroy();
        try {
            if (!running.waitFor(Await.patient(END).toMillis(), TimeUnit.MILLISECONDS)) {
                var _ = running.destroyForcibly();
                throw new AssertionError("kubelet does not end at SIGTERM\n" + logTail());
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    boolean isRunning() {
        return process.map(Process::isAlive).orElse(false);
    }

    Path log() {
        return base.resolve("kubelet.log");
    }

    Path podLogs() {
        return base.resolve("logs");
    }

    Path directory() {
        return base;
    }

    String logTail() {
        try {
            List<String> lines = Files.exists(log()) ? Files.readAllLines(log()) : List.of();
            return String.join("\n", lines.subList(Math.max(0, lines.size() - 60), lines.size()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Puts a manifest where kubelet finds it, whole at once. The pod has a uid that none had: kubelet derives it from the
     * manifest, and never again starts what once reached the end of its phases (isAdmittedPodTerminal).
     *
     * @param spec the pod's, as YAML
     */
    void place(String pod, String spec) {
        place(pod, "annotations: {number: \"" + ++number + "\"}\n", spec);
    }

    /** @param metadata lines besides the name */
    void place(String pod, String metadata, String spec) {
        Path next = base.resolve("next").resolve(pod + ".yaml");
        write(
                next,
                "apiVersion: v1\nkind: Pod\nmetadata:\n  name: " + pod + "\n" + metadata.indent(2) + "spec:\n"
                        + spec.indent(2));
        try {
            var _ = Files.move(next, manifest(pod), StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void remove(String pod) {
        try {
            Files.delete(manifest(pod));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private Path manifest(String pod) {
        return base.resolve("manifests").resolve(pod + ".yaml");
    }

    /** Names of the manifests that are there. */
    List<String> placed() {
        try (Stream<Path> files = Files.list(base.resolve("manifests"))) {
            return files.map(file -> file.getFileName().toString().replaceFirst("\\.yaml$", ""))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What kubelet says of its pods, by the names of their manifests. */
    Map<String, StaticPod> pods() {
        JsonElement items = json("/pods").get("items");
        if (items == null || items.isJsonNull()) {
            return Map.of();
        }
        return StreamSupport.stream(items.getAsJsonArray().spliterator(), false)
                .map(item -> new StaticPod(item.getAsJsonObject()))
                .collect(Collectors.toMap(StaticPod::manifest, pod -> pod));
    }

    StaticPod pod(String name) {
        return Optional.ofNullable(pods().get(name))
                .orElseThrow(() -> new IllegalStateException("kubelet knows no pod " + name));
    }

    /** What /stats/summary says of a pod; empty as long as it says nothing. */
    Optional<JsonObject> summary(StaticPod pod) {
        return find(
                json("/stats/summary").get("pods"),
                it -> it.getAsJsonObject("podRef").get("uid").getAsString().equals(pod.uid()));
    }

    /** The first object of a list that is so. */
    static Optional<JsonObject> find(JsonElement list, Predicate<JsonObject> condition) {
        return StreamSupport.stream(list.getAsJsonArray().spliterator(), false)
                .map(JsonElement::getAsJsonObject)
                .filter(condition)
                .findFirst();
    }

    /**
     * The value of a metric.
     *
     * @param path where kubelet tells it, such as /metrics
     * @param labels a regular expression that lies in what is between its braces
     */
    OptionalDouble metric(String path, String name, String labels) {
        Pattern line = Pattern.compile(Pattern.quote(name) + "(?:\\{.*" + labels + ".*\\})? (\\S+)( \\d+)?");
        return text(path)
                .lines()
                .map(line::matcher)
                .filter(Matcher::matches)
                .mapToDouble(found -> Double.parseDouble(found.group(1)))
                .findFirst();
    }

    JsonObject json(String path) {
        return JsonParser.parseString(text(path)).getAsJsonObject();
    }

    String text(String path) {
        HttpResponse<String> answer = get(path);
        if (answer.statusCode() != 200) {
            throw new IllegalStateException(path + ": " + answer.statusCode() + " " + answer.body());
        }
        return answer.body();
    }

    HttpResponse<String> get(String path) {
        try {
            return client().send(
                            HttpRequest.newBuilder(address(path))
                                    .timeout(Await.patient(Duration.ofSeconds(20)))
                                    .build(),
                            HttpResponse.BodyHandlers.ofString());
        } catch (IOException e) {
            throw new UncheckedIOException("kubelet's " + path, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while asking kubelet for " + path, e);
        }
    }

    URI address(String path) {
        return URI.create("https://" + NODE + ":" + port + path);
    }

    private HttpClient client() {
        if (http.isEmpty()) {
            http = Optional.of(HttpClient.newBuilder()
                    .version(HttpClient.Version.HTTP_1_1)
                    .sslContext(trust())
                    .build());
        }
        return http.orElseThrow();
    }

    /** Trusts the certificate that kubelet has made itself, and no other. */
    SSLContext trust() {
        try (var file = Files.newInputStream(base.resolve("pki/kubelet.crt"))) {
            KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
            store.load(null, null);
            int index = 0;
            for (Certificate certificate :
                    CertificateFactory.getInstance("X.509").generateCertificates(file)) {
                store.setCertificateEntry("kubelet-" + index++, certificate);
            }
            if (index == 0) {
                throw new IllegalStateException("kubelet has not written its certificate yet");
            }
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(store);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, trust.getTrustManagers(), null);
            return context;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void write(Path file, String text) {
        try {
            Files.writeString(file, text);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        if (isRunning()) {
            stop();
        }
        http.ifPresent(HttpClient::close);
        unmount();
    }

    /** kubelet binds its directory to itself, that mounts of volumes may be shared, and lets it be so. */
    private void unmount() {
        Proc.self().mounts().stream()
                .map(Proc.Mount::point)
                .filter(point -> Path.of(point).startsWith(base))
                .sorted(Comparator.reverseOrder())
                .forEach(point -> {
                    String _ = Commands.run("umount", point).orFail();
                });
    }
}
