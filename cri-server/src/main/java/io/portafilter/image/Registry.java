package io.portafilter.image;

import io.portafilter.state.Bytes;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.URLEncoder;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * The registry of one image, with its mirrors, as one caller sees it (OCI distribution specification). Mirrors are asked
 * first and dropped when they fail; the registry itself is asked last, and its is the error that is reported. The
 * caller's credentials go to the registry and to the token service that it names, never to a mirror, never to where a
 * request is redirected (CVE-2020-15157).
 *
 * <p>Made for one pull and closed with it: no connection and no thread stays. Safe for use by several threads. An
 * interrupt ends every call.
 */
final class Registry implements AutoCloseable {
    private final ImageReference image;
    private final List<RegistrySession> sessions;
    private final Set<RegistrySession> dropped = ConcurrentHashMap.newKeySet();

    Registry(RegistryOptions options, ImageReference image, RegistryCredentials credentials) {
        this.image = image;
        List<RegistrySession> opened = new ArrayList<>();
        for (RegistryHost host :
                HostsToml.find(options.certsDirectories(), image.registry()).inOrder()) {
            RegistryCredentials own = host.upstream() ? credentials : RegistryCredentials.anonymous();
            opened.add(new RegistrySession(options, host, image, own));
        }
        this.sessions = List.copyOf(opened);
    }

    /** A manifest as it was served; its digest is that of the bytes. */
    record Served(Bytes document, Digest digest, String mediaType) {}

    /** A blob that is being received from an offset on, which is 0 where the server does not resume. */
    record Receiving(BodyStream body, long offset, RegistrySession from) implements AutoCloseable {
        @Override
        public void close() {
            body.close();
        }
    }

    /**
     * Fetches what the reference means: an index or a manifest.
     *
     * @throws ImageException NOT_FOUND, UNAUTHORIZED, REGISTRY_UNAVAILABLE; INVALID_IMAGE when it is larger than {@link
     *     Manifest#MAX_BYTES} or is not what the digest asked for says
     */
    Served resolve() {
        return manifest(image.tagOrDigest(), image.digest(), image.digest().isEmpty(), -1);
    }

    /** Fetches the manifest that an index points to. */
    Served manifest(Descriptor descriptor) {
        return manifest(
                descriptor.digest().toString(), Optional.of(descriptor.digest()), false, descriptor.sizeBytes());
    }

    private Served manifest(String reference, Optional<Digest> expected, boolean resolving, long size) {
        String path = "/" + image.repository() + "/manifests/" + reference;
        return fromFirst(resolving, session -> {
            HttpResponse<BodyStream> response = session.get(path, Manifest.ACCEPTED, 0);
            String what = "manifest of " + image + " from " + session.authority();
            byte[] document = readWhole(response, Manifest.MAX_BYTES, what);
            if (size >= 0 && document.length != size) {
                throw ImageException.invalid(
                        "the " + what + " is " + document.length + " bytes long, not " + size + " as its index says");
            }
            Digest digest = expected.orElseGet(() -> Digest.sha256(document));
            if (!digest.isOf(document)) {
                throw ImageException.invalid("the " + what + " is not " + digest + " but " + Digest.sha256(document));
            }
            String type = response.headers()
                    .firstValue("content-type")
                    .map(value -> value.split(";", 2)[0].strip().toLowerCase(Locale.ROOT))
                    .filter(value -> !value.equals("application/json") && !value.equals("text/plain"))
                    .orElse("");
            return new Served(Bytes.copyOf(document), digest, type);
        });
    }

    /** Fetches a small blob, such as an image's configuration, and checks it. */
    byte[] blob(Descriptor descriptor, int limit, String what) {
        if (descriptor.sizeBytes() > limit) {
            throw ImageException.invalid("the " + what + " of " + image + " is to be " + descriptor.sizeBytes()
                    + " bytes long, the limit is " + limit);
        }
        return fromFirst(false, session -> {
            HttpResponse<BodyStream> response = session.get(blobPath(descriptor), "*/*", 0);
            byte[] content = readWhole(response, limit, what + " of " + image + " from " + session.authority());
            if (content.length != descriptor.sizeBytes() || !descriptor.digest().isOf(content)) {
                throw ImageException.invalid("the " + what + " of " + image + " from " + session.authority()
                        + " is not " + descriptor.digest() + " of " + descriptor.sizeBytes() + " bytes");
            }
            return content;
        });
    }

    /** Starts to receive a blob from an offset on. The caller closes what is returned, and checks size and digest. */
    Receiving open(Descriptor descriptor, long offset) {
        return fromFirst(false, session -> {
            HttpResponse<BodyStream> response = session.get(blobPath(descriptor), "*/*", offset);
            long start = response.statusCode() == 206 ? offset : 0;
            long announced =
                    response.headers().firstValueAsLong("content-length").orElse(-1);
            if (announced >= 0 && announced != descriptor.sizeBytes() - start) {
                response.body().close();
                throw ImageException.invalid(
                        "the layer " + descriptor.digest() + " from " + session.authority() + " is "
                                + (announced + start) + " bytes long, not " + descriptor.sizeBytes()
                                + " as the manifest says");
            }
            return new Receiving(response.body(), start, session);
        });
    }

    /** A server has sent what its digest does not say; false when it was the last one that could be asked. */
    boolean drop(RegistrySession session) {
        return !session.isUpstream() && dropped.add(session);
    }

    private String blobPath(Descriptor descriptor) {
        return "/" + image.repository() + "/blobs/" + descriptor.digest();
    }

    private interface Asking<T> {
        T ask(RegistrySession session) throws IOException;
    }

    private <T> T fromFirst(boolean resolving, Asking<T> asking) {
        List<ImageException> failures = new ArrayList<>();
        for (RegistrySession session : sessions) {
            boolean able = resolving ? session.resolves() : session.pulls();
            if (!able || dropped.contains(session)) {
                continue;
            }
            try {
                return askTwice(session, asking);
            } catch (ImageException e) {
                if (e.kind() == ImageException.Kind.CANCELLED || e.kind() == ImageException.Kind.STORAGE) {
                    throw e;
                }
                failures.add(e);
                // A mirror need not have every image; one that is out of order is not asked again
                if (!session.isUpstream() && e.kind() != ImageException.Kind.NOT_FOUND) {
                    dropped.add(session);
                }
            }
        }
        if (failures.isEmpty()) {
            throw new ImageException(
                    ImageException.Kind.REGISTRY_UNAVAILABLE,
                    "no server for " + image + " has the capability \"" + (resolving ? "resolve" : "pull")
                            + "\" in its hosts.toml");
        }
        ImageException last = failures.removeLast();
        failures.forEach(last::addSuppressed);
        throw last;
    }

    /** Once more when the connection breaks off within the answer; the request itself was tried again before. */
    private <T> T askTwice(RegistrySession session, Asking<T> asking) {
        try {
            return asking.ask(session);
        } catch (InterruptedIOException e) {
            throw interrupted(e);
        } catch (HttpTimeoutException e) {
            throw unavailable(session, e);
        } catch (IOException first) {
            try {
                return asking.ask(session);
            } catch (InterruptedIOException e) {
                throw interrupted(e);
            } catch (IOException e) {
                e.addSuppressed(first);
                throw unavailable(session, e);
            }
        }
    }

    private ImageException unavailable(RegistrySession session, IOException e) {
        return new ImageException(
                ImageException.Kind.REGISTRY_UNAVAILABLE,
                "reading " + image + " from " + session.authority() + ": " + RegistrySession.describe(e),
                e);
    }

    private ImageException interrupted(InterruptedIOException e) {
        Thread.currentThread().interrupt();
        return new ImageException(ImageException.Kind.CANCELLED, "the pull of " + image + " was cancelled", e);
    }

    private static byte[] readWhole(HttpResponse<BodyStream> response, int limit, String what) throws IOException {
        try (BodyStream body = response.body()) {
            long announced =
                    response.headers().firstValueAsLong("content-length").orElse(0);
            byte[] content = announced > limit ? new byte[0] : body.readNBytes(limit + 1);
            if (announced > limit || content.length > limit) {
                throw ImageException.invalid("the " + what + " is larger than " + limit + " bytes");
            }
            return content;
        }
    }

    static String encode(String value) {
        return URLEncoder.encode(value, StandardCharsets.UTF_8);
    }

    ImageReference image() {
        return image;
    }

    @Override
    public void close() {
        sessions.forEach(RegistrySession::close);
    }
}
