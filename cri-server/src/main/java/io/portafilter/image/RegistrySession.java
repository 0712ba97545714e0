package io.portafilter.image;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.channels.UnresolvedAddressException;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.locks.ReentrantLock;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;

/**
 * The requests of one pull to one server: authentication, redirects, retries.
 *
 * <p>Redirects are followed here and not by the client, so that it is sure what goes along: neither the
 * {@code Authorization} header nor the headers of {@code hosts.toml} leave the server that they are meant for.
 */
final class RegistrySession implements AutoCloseable {
    private static final Duration CONNECT = Duration.ofSeconds(30);
    private static final Duration MAX_WAIT = Duration.ofSeconds(60);
    private static final int MAX_REDIRECTS = 10;
    private static final int MAX_TOKEN_BYTES = 1024 * 1024;
    private static final int MIRROR_ATTEMPTS = 2;
    private static final String CLIENT_ID = "portafilter";

    static {
        // Else Java's client would not say who we are to a proxy that asks (it only ever does in plain text, RFC 7617)
        System.setProperty("jdk.http.auth.tunneling.disabledSchemes", "");
    }

    private final RegistryOptions options;
    private final RegistryHost host;
    private final ImageReference image;
    private final RegistryCredentials credentials;
    private final ReentrantLock lock = new ReentrantLock();

    @GuardedBy("lock")
    private Optional<HttpClient> ownClient = Optional.empty();

    @GuardedBy("lock")
    private Optional<HttpClient> foreignClient = Optional.empty();

    /** The header that the server accepted last. */
    private volatile Optional<String> authorization;

    RegistrySession(RegistryOptions options, RegistryHost host, ImageReference image, RegistryCredentials credentials) {
        this.options = options;
        this.host = host;
        this.image = image;
        this.credentials = credentials;
        this.authorization = credentials instanceof RegistryCredentials.RegistryToken(String token)
                ? Optional.of("Bearer " + token)
                : Optional.empty();
    }

    String authority() {
        return host.authority();
    }

    boolean isUpstream() {
        return host.upstream();
    }

    boolean resolves() {
        return host.resolves();
    }

    boolean pulls() {
        return host.pulls();
    }

    /**
     * Gets a path below the API's root, with a body that the caller closes. Only 200 and 206 return.
     *
     * @param offset where to start; 0 for the whole
     */
    HttpResponse<BodyStream> get(String path, String accept, long offset) {
        // A mirror serves for many registries, and learns by this for which (containerd, docs/hosts.md)
        String query = host.upstream() ? "" : "?ns=" + Registry.encode(image.registry());
        URI uri = URI.create(host.api() + path + query);
        int attempts = host.upstream() ? options.maxAttempts() : Math.min(MIRROR_ATTEMPTS, options.maxAttempts());
        boolean challenged = false;
        for (int attempt = 1; ; attempt++) {
            Duration wait = backOff(attempt);
            String problem;
            try {
                HttpResponse<BodyStream> response = follow(uri, accept, offset);
                int status = response.statusCode();
                if (status == 200 || (status == 206 && startsAt(response, offset))) {
                    return response;
                }
                if (status == 401 && !challenged) {
                    response.body().close();
                    challenged = true;
                    authenticate(response);
                    attempt--;
                    continue;
                }
                String said = firstError(response);
                if (status == 416 && offset > 0) {
                    return get(path, accept, 0);
                }
                if (!isPassing(status)) {
                    throw refused(status, said);
                }
                wait = retryAfter(response).orElse(wait);
                problem = "HTTP " + status + said;
            } catch (InterruptedIOException e) {
                throw cancelled();
            } catch (SSLException e) {
                throw new ImageException(ImageException.Kind.REGISTRY_UNAVAILABLE, failure("TLS: " + describe(e)), e);
            } catch (ConnectException e) {
                // Nobody is there: whoever asked comes again, as kubelet does with a back-off of its own.
                problem = describe(e);
                attempts = Math.min(attempts, MIRROR_ATTEMPTS);
            } catch (IOException e) {
                problem = describe(e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw cancelled();
            }
            if (attempt >= attempts) {
                throw new ImageException(
                        ImageException.Kind.REGISTRY_UNAVAILABLE,
                        failure(problem) + (attempts > 1 ? " (after " + attempts + " attempts)" : ""));
            }
            pause(wait);
        }
    }

    private String failure(String problem) {
        return "asking " + host.authority() + " for " + image + ": " + problem;
    }

    private ImageException cancelled() {
        return ImageException.cancelled("the pull of " + image);
    }

    private ImageException refused(int status, String said) {
        ImageException.Kind kind = switch (status) {
            case 401, 403, 407 -> ImageException.Kind.UNAUTHORIZED;
            case 404, 410 -> ImageException.Kind.NOT_FOUND;
            default -> ImageException.Kind.REGISTRY_UNAVAILABLE;
        };
        String hint = switch (kind) {
            case UNAUTHORIZED ->
                credentials instanceof RegistryCredentials.Anonymous
                        ? ": it wants credentials, or there is no such repository"
                        : ": it does not accept the credentials for this repository";
            case NOT_FOUND -> ": not found";
            case INVALID_REFERENCE, REGISTRY_UNAVAILABLE, INVALID_IMAGE, UNSUPPORTED, CANCELLED, STORAGE -> "";
        };
        return new ImageException(kind, failure("HTTP " + status + hint + said));
    }

    private static boolean isPassing(int status) {
        return status == 408 || status == 425 || status == 429 || status == 500 || (status >= 502 && status <= 504);
    }

    private static boolean startsAt(HttpResponse<BodyStream> response, long offset) {
        return offset > 0
                && response.headers()
                        .firstValue("content-range")
                        .filter(range -> range.startsWith("bytes " + offset + "-"))
                        .isPresent();
    }

    // ---- one request

    private HttpResponse<BodyStream> follow(URI start, String accept, long offset)
            throws IOException, InterruptedException {
        URI uri = start;
        for (int redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
            boolean own = host.isAt(uri);
            HttpRequest.Builder request = request(uri).header("Accept", accept).GET();
            if (offset > 0) {
                request.header("Range", "bytes=" + offset + "-");
            }
            if (own) {
                host.headers().forEach((name, values) -> values.forEach(value -> request.header(name, value)));
                authorization.ifPresent(value -> request.setHeader("Authorization", value));
            }
            HttpResponse<BodyStream> response =
                    client(own).send(request.build(), _ -> new BodyStream(options.noProgress()));
            int status = response.statusCode();
            boolean redirect = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
            if (!redirect) {
                if (status == 401 && !own) {
                    // Never answered: the credentials are not for this host
                    response.body().close();
                    throw new ImageException(
                            ImageException.Kind.UNAUTHORIZED,
                            failure("it redirects to " + uri.getAuthority() + ", which wants credentials of its own"));
                }
                return response;
            }
            response.body().close();
            uri = target(uri, response);
        }
        throw new ImageException(
                ImageException.Kind.REGISTRY_UNAVAILABLE, failure("more than " + MAX_REDIRECTS + " redirects"));
    }

    private URI target(URI from, HttpResponse<BodyStream> response) {
        String location = response.headers().firstValue("location").orElse("");
        URI to;
        try {
            to = from.resolve(location);
        } catch (IllegalArgumentException e) {
            throw new ImageException(
                    ImageException.Kind.REGISTRY_UNAVAILABLE, failure("it redirects to what is no URL"), e);
        }
        boolean secure = "https".equalsIgnoreCase(to.getScheme());
        boolean plain = "http".equalsIgnoreCase(to.getScheme());
        if (to.getHost() == null || (!secure && !(plain && host.isPlain()))) {
            throw new ImageException(
                    ImageException.Kind.REGISTRY_UNAVAILABLE,
                    failure("it redirects to " + to.getScheme() + "://" + to.getAuthority()
                            + ", which is less secure"));
        }
        return to;
    }

    private HttpRequest.Builder request(URI uri) {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(uri).timeout(options.noProgress()).header("User-Agent", CLIENT_ID);
        options.proxies()
                .proxyFor(uri)
                .flatMap(Proxies.HttpProxy::authorization)
                .ifPresent(value -> request.header("Proxy-Authorization", value));
        return request;
    }

    /** The settings of {@code hosts.toml} hold for its server alone: any other is trusted as by default. */
    private HttpClient client(boolean own) {
        lock.lock();
        try {
            Optional<HttpClient> known = own ? ownClient : foreignClient;
            if (known.isPresent()) {
                return known.get();
            }
            HttpClient.Builder builder = HttpClient.newBuilder()
                    .version(HttpClient.Version.HTTP_1_1)
                    .followRedirects(HttpClient.Redirect.NEVER)
                    .connectTimeout(CONNECT)
                    .proxy(options.proxies().selector());
            SSLContext context = !own
                    ? TlsContext.ofHost(options.trustBundle())
                    : host.isPlain() ? TlsContext.unused() : TlsContext.of(options.trustBundle(), host);
            HttpClient client = builder.sslContext(context).build();
            if (own) {
                ownClient = Optional.of(client);
            } else {
                foreignClient = Optional.of(client);
            }
            return client;
        } finally {
            lock.unlock();
        }
    }

    // ---- authentication

    private void authenticate(HttpResponse<BodyStream> response) throws IOException, InterruptedException {
        Optional<Challenge> challenge = Challenge.choose(response.headers().allValues("www-authenticate"));
        if (challenge.isEmpty()) {
            throw refused(401, "");
        }
        if (challenge.get().scheme().equals("basic")) {
            if (!(credentials instanceof RegistryCredentials.Basic basic)) {
                throw refused(401, "");
            }
            authorization = Optional.of(basic.header());
            return;
        }
        if (credentials instanceof RegistryCredentials.RegistryToken) {
            throw refused(401, "");
        }
        authorization = Optional.of("Bearer " + token(challenge.get()));
    }

    /** Docker Registry v2 authentication: by GET with a password, by POST (OAuth 2) with a refresh token. */
    private String token(Challenge challenge) throws IOException, InterruptedException {
        URI realm = realm(challenge);
        String scope = challenge.parameter("scope").orElse("repository:" + image.repository() + ":pull");
        Map<String, String> fields = new HashMap<>();
        challenge.parameter("service").ifPresent(service -> fields.put("service", service));
        fields.put("scope", scope);
        HttpRequest request = switch (credentials) {
            case RegistryCredentials.IdentityToken(String refresh) -> {
                fields.put("grant_type", "refresh_token");
                fields.put("refresh_token", refresh);
                fields.put("client_id", CLIENT_ID);
                yield request(realm)
                        .header("Content-Type", "application/x-www-form-urlencoded")
                        .POST(HttpRequest.BodyPublishers.ofString(form(fields)))
                        .build();
            }
            case RegistryCredentials.Basic basic -> {
                fields.put("account", basic.username());
                yield request(withQuery(realm, form(fields)))
                        .header("Authorization", basic.header())
                        .GET()
                        .build();
            }
            case RegistryCredentials.Anonymous(), RegistryCredentials.RegistryToken(String _) ->
                request(withQuery(realm, form(fields))).GET().build();
        };
        HttpResponse<BodyStream> response =
                client(host.isAt(realm)).send(request, _ -> new BodyStream(options.noProgress()));
        int status = response.statusCode();
        try (BodyStream body = response.body()) {
            if (isPassing(status)) {
                throw new IOException("the token service " + realm.getAuthority() + " answered HTTP " + status);
            }
            if (status != 200) {
                throw new ImageException(
                        status == 404 ? ImageException.Kind.REGISTRY_UNAVAILABLE : ImageException.Kind.UNAUTHORIZED,
                        failure("the token service " + realm.getAuthority() + " answered HTTP " + status));
            }
            byte[] document = body.readNBytes(MAX_TOKEN_BYTES);
            JsonValue json = JsonValue.parse(document, "answer of the token service " + realm.getAuthority());
            return json.text("token")
                    .or(() -> json.text("access_token"))
                    .filter(token -> token.chars().allMatch(c -> c > 0x20 && c < 0x7f))
                    .orElseThrow(() -> new ImageException(
                            ImageException.Kind.UNAUTHORIZED,
                            failure("the token service " + realm.getAuthority() + " gave no token")));
        }
    }

    private URI realm(Challenge challenge) {
        URI realm;
        try {
            realm = host.api().resolve(challenge.parameter("realm").orElse(""));
        } catch (IllegalArgumentException e) {
            throw new ImageException(
                    ImageException.Kind.REGISTRY_UNAVAILABLE, failure("its token service is no URL"), e);
        }
        boolean secure = "https".equalsIgnoreCase(realm.getScheme());
        boolean plain = "http".equalsIgnoreCase(realm.getScheme()) && host.isPlain();
        if (realm.getHost() == null || (!secure && !plain)) {
            throw new ImageException(
                    ImageException.Kind.REGISTRY_UNAVAILABLE,
                    failure("its token service " + realm.getScheme() + "://" + realm.getAuthority()
                            + " is less secure than itself, it is not given credentials"));
        }
        return realm;
    }

    private static String form(Map<String, String> fields) {
        StringBuilder text = new StringBuilder();
        fields.entrySet().stream().sorted(Map.Entry.comparingByKey()).forEach(field -> {
            text.append(text.isEmpty() ? "" : "&")
                    .append(Registry.encode(field.getKey()))
                    .append('=')
                    .append(Registry.encode(field.getValue()));
        });
        return text.toString();
    }

    private static URI withQuery(URI uri, String query) {
        String text = uri.toString();
        return URI.create(text + (uri.getRawQuery() == null ? "?" : "&") + query);
    }

    // ---- retries and errors

    private Duration backOff(int attempt) {
        long nanos = options.firstRetry().toNanos() << Math.min(attempt - 1, 7);
        // Spread, so that a fleet of nodes does not come back at once
        return Duration.ofNanos(nanos / 2 + ThreadLocalRandom.current().nextLong(nanos / 2 + 1));
    }

    private static Optional<Duration> retryAfter(HttpResponse<BodyStream> response) {
        return response.headers()
                .firstValue("retry-after")
                .filter(value -> value.matches("[0-9]{1,6}"))
                .map(Long::parseLong)
                .map(Duration::ofSeconds)
                .map(asked -> asked.compareTo(MAX_WAIT) > 0 ? MAX_WAIT : asked);
    }

    private void pause(Duration wait) {
        try {
            Thread.sleep(wait);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw cancelled();
        }
    }

    /** What a registry says in its JSON, shortened and without control characters. */
    private static String firstError(HttpResponse<BodyStream> response) throws IOException {
        byte[] start;
        try (BodyStream body = response.body()) {
            start = body.readNBytes(8192);
        }
        try {
            return JsonValue.parse(start, "error").items("errors").stream()
                    .findFirst()
                    .flatMap(error -> error.text("message").or(() -> error.text("code")))
                    .map(RegistrySession::printable)
                    .map(text -> " (\"" + text + "\")")
                    .orElse("");
        } catch (ImageException e) {
            // Not JSON: there is nothing to add to the status
            return "";
        }
    }

    private static String printable(String text) {
        StringBuilder shown = new StringBuilder();
        text.chars().limit(200).forEach(c -> shown.append(c >= 0x20 && c != 0x7f ? (char) c : ' '));
        return shown.toString();
    }

    /** Java's client often leaves the message out. */
    static String describe(IOException e) {
        return switch (e) {
            case HttpConnectTimeoutException _ -> "no connection within " + CONNECT.toSeconds() + " seconds";
            case HttpTimeoutException timeout ->
                Optional.ofNullable(timeout.getMessage()).orElse("no answer");
            case ConnectException connect ->
                connect.getCause() instanceof UnresolvedAddressException || isUnresolved(connect)
                        ? "the host's name does not resolve"
                        : Optional.ofNullable(connect.getMessage()).orElse("no connection");
            default -> Optional.ofNullable(e.getMessage()).orElse(e.getClass().getSimpleName());
        };
    }

    private static boolean isUnresolved(ConnectException e) {
        for (Throwable cause = e.getCause(); cause != null; cause = cause.getCause()) {
            if (cause instanceof UnresolvedAddressException) {
                return true;
            }
        }
        return false;
    }

    @Override
    public void close() {
        lock.lock();
        try {
            ownClient.ifPresent(HttpClient::shutdownNow);
            foreignClient.ifPresent(HttpClient::shutdownNow);
            ownClient = Optional.empty();
            foreignClient = Optional.empty();
        } finally {
            lock.unlock();
        }
    }
}
