package io.portafilter.image;

import com.google.errorprone.annotations.Immutable;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Locale;
import java.util.Optional;

/**
 * How a caller proves who it is, to one registry and no other host. {@code toString} never shows a secret.
 */
@Immutable
public sealed interface RegistryCredentials {
    /** Nobody in particular. */
    record Anonymous() implements RegistryCredentials {}

    /** A user's name and password, for the registry itself or the token service it names. */
    record Basic(String username, String password) implements RegistryCredentials {
        @Override
        public String toString() {
            return "Basic[username=" + username + "]";
        }

        String header() {
            return "Basic "
                    + Base64.getEncoder().encodeToString((username + ":" + password).getBytes(StandardCharsets.UTF_8));
        }
    }

    /** A refresh token (OAuth 2), to be exchanged at the token service for one that lets pull. */
    record IdentityToken(String token) implements RegistryCredentials {
        @Override
        public String toString() {
            return "IdentityToken[]";
        }
    }

    /** A bearer token for the registry as it is. */
    record RegistryToken(String token) implements RegistryCredentials {
        @Override
        public String toString() {
            return "RegistryToken[]";
        }
    }

    /** No credentials. */
    static RegistryCredentials anonymous() {
        return new Anonymous();
    }

    /**
     * What the fields of CRI's {@code AuthConfig} mean for an image; each may be empty. A {@code serverAddress} of
     * another host makes them count for nothing.
     *
     * @param auth base64 of {@code user:password}; trailing NULs are dropped, as Docker's configuration has them
     * @throws ImageException of kind UNAUTHORIZED when {@code auth} is malformed
     */
    static RegistryCredentials of(
            ImageReference image,
            String username,
            String password,
            String auth,
            String serverAddress,
            String identityToken,
            String registryToken) {
        if (!serverAddress.isEmpty() && !isServer(serverAddress, image.registry())) {
            return anonymous();
        }
        if (!username.isEmpty() || !password.isEmpty()) {
            return new Basic(username, password);
        }
        if (!identityToken.isEmpty()) {
            return new IdentityToken(identityToken);
        }
        if (!registryToken.isEmpty()) {
            return new RegistryToken(registryToken);
        }
        if (auth.isEmpty()) {
            return anonymous();
        }
        return decode(auth)
                .orElseThrow(() -> new ImageException(
                        ImageException.Kind.UNAUTHORIZED,
                        "the credentials for " + image.registry() + " are malformed: auth is to be the base64 of"
                                + " user:password"));
    }

    private static Optional<RegistryCredentials> decode(String auth) {
        byte[] decoded;
        try {
            decoded = Base64.getDecoder().decode(auth.strip());
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
        String text = new String(decoded, StandardCharsets.UTF_8);
        int colon = text.indexOf(':');
        if (colon < 0) {
            return Optional.empty();
        }
        int end = text.length();
        while (end > colon + 1 && text.charAt(end - 1) == 0) {
            end--;
        }
        return Optional.of(new Basic(text.substring(0, colon), text.substring(colon + 1, end)));
    }

    /** Whether the server that the credentials name is the registry; Docker Hub has several names. */
    private static boolean isServer(String serverAddress, String registry) {
        String address = serverAddress.contains("://") ? serverAddress : "https://" + serverAddress;
        String host;
        try {
            host = Optional.ofNullable(URI.create(address).getAuthority()).orElse("");
        } catch (IllegalArgumentException e) {
            return false;
        }
        host = host.toLowerCase(Locale.ROOT);
        String wanted = registry.toLowerCase(Locale.ROOT);
        return host.equals(wanted)
                || (wanted.equals(ImageReference.DOCKER_HUB)
                        && (host.equals("index.docker.io") || host.equals("registry-1.docker.io")))
                || host.equals(wanted + ":443");
    }
}
