package io.portafilter.image;

import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * One server to ask for an image: a registry or a mirror of it.
 *
 * @param api where the distribution API starts, {@code https://HOST/v2}
 * @param upstream whether it is the registry itself; only that is given the caller's credentials
 * @param pulls whether it is asked for what is named by a digest
 * @param resolves whether it is asked what a tag means
 * @param skipVerify whether its certificate is not checked
 * @param authorities files of certificates that are trusted for it besides those of the host
 * @param clientKeys how to prove ourselves by TLS
 * @param headers sent with each request to it, and to no other
 */
record RegistryHost(
        URI api,
        boolean upstream,
        boolean pulls,
        boolean resolves,
        boolean skipVerify,
        List<Path> authorities,
        List<ClientKey> clientKeys,
        Map<String, List<String>> headers) {

    /** A certificate and its private key, which may lie in the same file. */
    record ClientKey(Path certificate, Path key) {}

    RegistryHost {
        authorities = List.copyOf(authorities);
        clientKeys = List.copyOf(clientKeys);
        headers = Map.copyOf(headers);
    }

    /** The registry as it is reached when nothing is configured: loopback in plain HTTP, any other by TLS. */
    static RegistryHost upstream(String registry) {
        return new RegistryHost(
                URI.create(defaultServer(registry) + "/v2"), true, true, true, false, List.of(), List.of(), Map.of());
    }

    static String defaultServer(String registry) {
        if (registry.equals(ImageReference.DOCKER_HUB)) {
            return "https://registry-1.docker.io";
        }
        return scheme(registry) + "://" + registry;
    }

    static String scheme(String authority) {
        Optional<String> host =
                Optional.ofNullable(URI.create("any://" + authority).getHost());
        return Proxies.isLoopback(host.orElse(authority)) ? "http" : "https";
    }

    boolean isPlain() {
        return api.getScheme().equals("http");
    }

    /** The host with its port, for messages. */
    String authority() {
        return api.getAuthority();
    }

    /** Whether a request goes to this very server, so that what is meant for it may go along. */
    boolean isAt(URI uri) {
        return api.getScheme().equalsIgnoreCase(uri.getScheme())
                && Optional.ofNullable(uri.getHost())
                        .filter(host -> host.equalsIgnoreCase(api.getHost()))
                        .isPresent()
                && port(api) == port(uri);
    }

    private static int port(URI uri) {
        return uri.getPort() >= 0 ? uri.getPort() : "https".equalsIgnoreCase(uri.getScheme()) ? 443 : 80;
    }
}
