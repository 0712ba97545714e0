package io.portafilter.image;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * How registries are reached.
 *
 * @param certsDirectories the directories that hold {@code HOST/hosts.toml}, first match wins
 * @param trustBundle the host's CA bundle, added to Java's own; it need not exist
 * @param proxies which requests go through a proxy
 * @param platform which image is taken from an index
 * @param parallelDownloads how many layers of one image are downloaded at a time, at least 1
 * @param noProgress how long the network may deliver nothing; unpacking does not count (containerd#13909)
 * @param firstRetry how long the first retry waits; each further one waits twice as long
 * @param maxAttempts how often a request that fails for a passing reason is made in all, at least 1
 * @param partialExpiry how long an unfinished download is kept to be resumed, and an unused layer for the next pull
 */
public record RegistryOptions(
        List<Path> certsDirectories,
        Path trustBundle,
        Proxies proxies,
        Platform platform,
        int parallelDownloads,
        Duration noProgress,
        Duration firstRetry,
        int maxAttempts,
        Duration partialExpiry) {

    public RegistryOptions {
        certsDirectories = List.copyOf(certsDirectories);
        if (parallelDownloads < 1 || maxAttempts < 1) {
            throw new IllegalArgumentException("parallelDownloads and maxAttempts are at least 1");
        }
    }

    /**
     * What serves by default.
     *
     * @param environment the variables {@code HTTPS_PROXY}, {@code HTTP_PROXY} and {@code NO_PROXY} are read from it
     */
    public static RegistryOptions of(List<Path> certsDirectories, Map<String, String> environment) {
        return new RegistryOptions(
                certsDirectories,
                Path.of("/etc/ssl/certs/ca-certificates.crt"),
                Proxies.of(environment),
                Platform.host(),
                3,
                Duration.ofMinutes(5),
                Duration.ofMillis(500),
                6,
                Duration.ofHours(2));
    }
}
