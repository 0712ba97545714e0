package io.portafilter.image;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * Which requests go through which proxy, from {@code HTTPS_PROXY}, {@code HTTP_PROXY} and {@code NO_PROXY} or their
 * lower-case twins, with the rules that Go's programs (and so kubelet and other runtimes) have: loopback is never
 * proxied; an entry of {@code NO_PROXY} is a domain and all below it, a domain's subdomains alone (with a leading
 * dot), an address, a CIDR block, any of these with a port, or {@code *}.
 */
public record Proxies(Optional<HttpProxy> https, Optional<HttpProxy> http, List<String> exempt) {
    private static final Pattern ADDRESS = Pattern.compile("[0-9.]+|\\[?[0-9a-fA-F:.]*:[0-9a-fA-F:.]*\\]?");

    /** A proxy and how to prove oneself to it. {@code toString} does not show the latter. */
    public record HttpProxy(String host, int port, Optional<String> authorization) {
        @Override
        public String toString() {
            return host + ":" + port;
        }
    }

    public Proxies {
        exempt = List.copyOf(exempt);
    }

    /** No proxy for anything. */
    public static Proxies none() {
        return new Proxies(Optional.empty(), Optional.empty(), List.of());
    }

    /** Reads the variables. A proxy that is not a URL of HTTP is refused: going without would leak the request. */
    public static Proxies of(Map<String, String> environment) {
        List<String> exempt = new ArrayList<>();
        variable(environment, "NO_PROXY").ifPresent(value -> {
            for (String entry : value.split("[,\\s]+")) {
                if (!entry.isEmpty()) {
                    exempt.add(entry.toLowerCase(Locale.ROOT));
                }
            }
        });
        return new Proxies(
                variable(environment, "HTTPS_PROXY").map(value -> proxy("HTTPS_PROXY", value)),
                variable(environment, "HTTP_PROXY").map(value -> proxy("HTTP_PROXY", value)),
                exempt);
    }

    private static Optional<String> variable(Map<String, String> environment, String name) {
        return Optional.ofNullable(environment.get(name))
                .filter(value -> !value.isBlank())
                .or(() -> Optional.ofNullable(environment.get(name.toLowerCase(Locale.ROOT)))
                        .filter(value -> !value.isBlank()))
                .map(String::strip);
    }

    private static HttpProxy proxy(String variable, String value) {
        URI uri;
        try {
            uri = URI.create(value.contains("://") ? value : "http://" + value);
        } catch (IllegalArgumentException e) {
            // The cause would show the value, and a proxy's URL may hold a password
            throw new IllegalArgumentException(variable + " is not a URL");
        }
        if (!"http".equalsIgnoreCase(uri.getScheme()) || uri.getHost() == null) {
            throw new IllegalArgumentException(variable + " is to be http://HOST:PORT, not of the scheme \""
                    + uri.getScheme() + "\": a proxy is spoken to in plain HTTP");
        }
        Optional<String> authorization = Optional.ofNullable(uri.getRawUserInfo())
                .map(user -> "Basic "
                        + Base64.getEncoder()
                                .encodeToString(URLDecoder.decode(user.replace("+", "%2B"), StandardCharsets.UTF_8)
                                        .getBytes(StandardCharsets.UTF_8)));
        return new HttpProxy(uri.getHost(), uri.getPort() < 0 ? 80 : uri.getPort(), authorization);
    }

    /** The proxy for a request, if it takes one. */
    public Optional<HttpProxy> proxyFor(URI uri) {
        String host = Optional.ofNullable(uri.getHost()).orElse("").toLowerCase(Locale.ROOT);
        boolean secure = "https".equalsIgnoreCase(uri.getScheme());
        int port = uri.getPort() >= 0 ? uri.getPort() : secure ? 443 : 80;
        if (isLoopback(host) || exempt.stream().anyMatch(entry -> covers(entry, host, port))) {
            return Optional.empty();
        }
        return secure ? https : http;
    }

    /** The same choice for Java's client, which asks anew for every request. */
    ProxySelector selector() {
        return new ProxySelector() {
            @Override
            public List<Proxy> select(URI uri) {
                return List.of(proxyFor(uri)
                        .map(proxy -> new Proxy(
                                Proxy.Type.HTTP, InetSocketAddress.createUnresolved(proxy.host(), proxy.port())))
                        .orElse(Proxy.NO_PROXY));
            }

            @Override
            public void connectFailed(URI uri, SocketAddress address, IOException failure) {
                // The request itself fails with the same error
            }
        };
    }

    /** Whether a host, as it stands in a URL, is this machine. Names are not resolved. */
    static boolean isLoopback(String host) {
        String bare = unbracketed(host);
        if (bare.equals("localhost") || bare.endsWith(".localhost")) {
            return true;
        }
        return address(bare).map(InetAddress::isLoopbackAddress).orElse(false);
    }

    private static boolean covers(String entry, String host, int port) {
        if (entry.equals("*")) {
            return true;
        }
        int slash = entry.indexOf('/');
        if (slash > 0) {
            return inBlock(entry.substring(0, slash), entry.substring(slash + 1), host);
        }
        String name = entry;
        int colon = entry.lastIndexOf(':');
        boolean hasPort = colon > 0 && (entry.indexOf(':') == colon || entry.charAt(colon - 1) == ']');
        if (hasPort) {
            if (!entry.substring(colon + 1).equals(Integer.toString(port))) {
                return false;
            }
            name = entry.substring(0, colon);
        }
        String bareHost = unbracketed(host);
        String bareName = unbracketed(name);
        Optional<InetAddress> address = address(bareName);
        if (address.isPresent()) {
            return address.equals(address(bareHost));
        }
        if (bareName.startsWith("*.")) {
            bareName = bareName.substring(1);
        }
        return bareName.startsWith(".")
                ? bareHost.endsWith(bareName)
                : bareHost.equals(bareName) || bareHost.endsWith("." + bareName);
    }

    private static boolean inBlock(String network, String length, String host) {
        Optional<InetAddress> base = address(unbracketed(network));
        Optional<InetAddress> asked = address(unbracketed(host));
        if (base.isEmpty() || asked.isEmpty()) {
            return false;
        }
        byte[] a = base.get().getAddress();
        byte[] b = asked.get().getAddress();
        int bits;
        try {
            bits = Integer.parseInt(length);
        } catch (NumberFormatException e) {
            return false;
        }
        if (a.length != b.length || bits < 0 || bits > a.length * 8) {
            return false;
        }
        for (int i = 0; i < bits; i++) {
            int mask = 0x80 >> (i % 8);
            if ((a[i / 8] & mask) != (b[i / 8] & mask)) {
                return false;
            }
        }
        return true;
    }

    private static String unbracketed(String host) {
        return host.startsWith("[") && host.endsWith("]") ? host.substring(1, host.length() - 1) : host;
    }

    /** An address from its literal form; a name is never looked up. */
    private static Optional<InetAddress> address(String literal) {
        if (literal.isEmpty() || !ADDRESS.matcher(literal).matches()) {
            return Optional.empty();
        }
        try {
            return Optional.of(InetAddress.ofLiteral(literal));
        } catch (IllegalArgumentException e) {
            return Optional.empty();
        }
    }
}
