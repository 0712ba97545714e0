package io.portafilter.image;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.tomlj.Toml;
import org.tomlj.TomlArray;
import org.tomlj.TomlParseResult;
import org.tomlj.TomlPosition;
import org.tomlj.TomlTable;

/**
 * {@code certs.d/HOST/hosts.toml}: which servers are asked for the images of a registry, in containerd's format
 * (containerd, docs/hosts.md). The directory is named after the host, with its port as {@code HOST:PORT} or {@code
 * HOST_PORT_}; {@code _default} serves for all others. A directory without the file holds certificates as Docker has
 * them: {@code *.crt}, and {@code *.cert} with {@code *.key}.
 *
 * @param mirrors asked first, in the order of the file
 * @param upstream asked last
 */
record HostsToml(List<RegistryHost> mirrors, RegistryHost upstream) {
    private static final String FILE = "hosts.toml";
    private static final Set<String> HOST_KEYS =
            Set.of("capabilities", "ca", "client", "skip_verify", "header", "override_path", "dial_timeout");

    HostsToml {
        mirrors = List.copyOf(mirrors);
    }

    /** All servers, in the order in which they are asked. */
    List<RegistryHost> inOrder() {
        return Stream.concat(mirrors.stream(), Stream.of(upstream)).toList();
    }

    /**
     * What is configured for a registry, in the first of the directories that has something for it.
     *
     * @throws ImageException of kind REGISTRY_UNAVAILABLE when the file is wrong: to go on without it could send
     *     requests where the administrator does not want them
     */
    static HostsToml find(List<Path> directories, String registry) {
        for (Path directory : directories) {
            for (String name : names(registry)) {
                Path found = directory.resolve(name);
                if (Files.isDirectory(found)) {
                    return read(found, registry);
                }
            }
        }
        return new HostsToml(List.of(), RegistryHost.upstream(registry));
    }

    private static List<String> names(String registry) {
        int colon = registry.lastIndexOf(':');
        boolean hasPort = colon > 0 && registry.indexOf(']', colon) < 0;
        return hasPort
                ? List.of(
                        registry.substring(0, colon) + "_" + registry.substring(colon + 1) + "_", registry, "_default")
                : List.of(registry, "_default");
    }

    private static HostsToml read(Path directory, String registry) {
        Path file = directory.resolve(FILE);
        try {
            return Files.exists(file)
                    ? parse(Files.readString(file), file, registry)
                    : new HostsToml(List.of(), withCertificates(directory, RegistryHost.upstream(registry)));
        } catch (IOException e) {
            throw new ImageException(
                    ImageException.Kind.REGISTRY_UNAVAILABLE, "cannot read " + file + ": " + e.getMessage(), e);
        }
    }

    static HostsToml parse(String text, Path file, String registry) {
        TomlParseResult toml = Toml.parse(text);
        if (toml.hasErrors()) {
            throw refused(
                    file,
                    toml.errors().getFirst().position(),
                    String.valueOf(toml.errors().getFirst().getMessage()));
        }
        for (String key : toml.keySet()) {
            if (!HOST_KEYS.contains(key) && !key.equals("server") && !key.equals("host")) {
                throw refused(file, toml.inputPositionOf(List.of(key)), "unknown key \"" + key + "\"");
            }
        }
        Section top = new Section(file, toml, toml, List.of());
        String server = top.text("server").orElseGet(() -> RegistryHost.defaultServer(registry));
        RegistryHost upstream = top.host(server, true);
        return new HostsToml(mirrors(file, toml), upstream);
    }

    private static List<RegistryHost> mirrors(Path file, TomlParseResult toml) {
        if (!toml.contains(List.of("host"))) {
            return List.of();
        }
        if (!(toml.get(List.of("host")) instanceof TomlTable hosts)) {
            throw refused(file, toml.inputPositionOf(List.of("host")), "host is to be a table: [host.\"https://...\"]");
        }
        List<String> inOrder = new ArrayList<>(hosts.keySet());
        inOrder.sort(Comparator.comparing(name -> Optional.ofNullable(hosts.inputPositionOf(List.of(name)))
                .map(TomlPosition::line)
                .orElse(0)));
        List<RegistryHost> mirrors = new ArrayList<>();
        for (String name : inOrder) {
            if (!(hosts.get(List.of(name)) instanceof TomlTable table)) {
                throw refused(file, hosts.inputPositionOf(List.of(name)), "host.\"" + name + "\" is to be a table");
            }
            for (String key : table.keySet()) {
                if (!HOST_KEYS.contains(key)) {
                    throw refused(
                            file,
                            table.inputPositionOf(List.of(key)),
                            "unknown key \"" + key + "\" of host.\"" + name + "\"");
                }
            }
            mirrors.add(new Section(file, toml, table, List.of("host", name)).host(name, false));
        }
        return mirrors;
    }

    private static ImageException refused(Path file, @Nullable TomlPosition position, String why) {
        String line = position == null ? "" : " line " + position.line();
        return new ImageException(ImageException.Kind.REGISTRY_UNAVAILABLE, file + line + ": " + why);
    }

    /** The keys of one server. */
    private record Section(Path file, TomlParseResult whole, TomlTable table, List<String> prefix) {

        RegistryHost host(String server, boolean upstream) {
            URI api = api(server);
            List<String> capabilities = texts("capabilities");
            boolean all = capabilities.isEmpty() && !table.contains(List.of("capabilities"));
            return new RegistryHost(
                    api,
                    upstream,
                    all || capabilities.contains("pull"),
                    all || capabilities.contains("resolve"),
                    flag("skip_verify"),
                    texts("ca").stream().map(this::path).toList(),
                    clientKeys(),
                    headers());
        }

        private URI api(String server) {
            URI uri;
            try {
                uri = URI.create(server.contains("://") ? server : RegistryHost.scheme(server) + "://" + server);
            } catch (IllegalArgumentException e) {
                throw wrong("server", "\"" + server + "\" is not a URL");
            }
            boolean http = "http".equals(uri.getScheme()) || "https".equals(uri.getScheme());
            if (!http || uri.getHost() == null || uri.getRawUserInfo() != null || uri.getRawQuery() != null) {
                throw wrong("server", "it is to be http:// or https://, a host, and perhaps a path");
            }
            String path = Optional.ofNullable(uri.getRawPath()).orElse("").replaceAll("/+$", "");
            if (!flag("override_path") && !path.endsWith("/v2")) {
                path += "/v2";
            }
            return URI.create(uri.getScheme() + "://" + uri.getRawAuthority() + path);
        }

        Optional<String> text(String key) {
            Object value = table.get(List.of(key));
            if (value == null) {
                return Optional.empty();
            }
            if (value instanceof String text) {
                return Optional.of(text);
            }
            throw wrong(key, key + " is to be a string");
        }

        private boolean flag(String key) {
            Object value = table.get(List.of(key));
            if (value == null || value instanceof Boolean) {
                return Boolean.TRUE.equals(value);
            }
            throw wrong(key, key + " is to be true or false");
        }

        /** A string or a list of them. */
        private List<String> texts(String key) {
            return texts(key, table.get(List.of(key)));
        }

        private List<String> texts(String key, @Nullable Object value) {
            if (value == null) {
                return List.of();
            }
            if (value instanceof String text) {
                return List.of(text);
            }
            List<String> found = new ArrayList<>();
            if (value instanceof TomlArray array) {
                for (Object item : array.toList()) {
                    if (item instanceof String text) {
                        found.add(text);
                    }
                }
                if (found.size() == array.size()) {
                    return found;
                }
            }
            throw wrong(key, key + " is to be a string or a list of strings");
        }

        /** A file with both, a list of such files, or a list of pairs. */
        private List<RegistryHost.ClientKey> clientKeys() {
            Object value = table.get(List.of("client"));
            if (!(value instanceof TomlArray pairs) || pairs.isEmpty() || !(pairs.get(0) instanceof TomlArray)) {
                return texts("client").stream()
                        .map(this::path)
                        .map(both -> new RegistryHost.ClientKey(both, both))
                        .toList();
            }
            List<RegistryHost.ClientKey> keys = new ArrayList<>();
            for (Object item : pairs.toList()) {
                List<String> pair = texts("client", item);
                if (pair.isEmpty() || pair.size() > 2) {
                    throw wrong("client", "each client is [certificate, key]");
                }
                keys.add(new RegistryHost.ClientKey(path(pair.getFirst()), path(pair.getLast())));
            }
            return keys;
        }

        private Map<String, List<String>> headers() {
            Object value = table.get(List.of("header"));
            Map<String, List<String>> headers = new LinkedHashMap<>();
            if (value == null) {
                return headers;
            }
            if (!(value instanceof TomlTable named)) {
                throw wrong("header", "header is to be a table");
            }
            for (String name : named.keySet()) {
                headers.put(name, texts("header", named.get(List.of(name))));
            }
            return headers;
        }

        /** Relative names are seen from the file's directory. */
        private Path path(String written) {
            return file.resolveSibling(written);
        }

        private ImageException wrong(String key, String why) {
            List<String> whole = new ArrayList<>(prefix);
            if (table.contains(List.of(key))) {
                whole.add(key);
            }
            return refused(file, whole.isEmpty() ? null : whole().inputPositionOf(whole), why);
        }
    }

    private static RegistryHost withCertificates(Path directory, RegistryHost host) throws IOException {
        List<Path> authorities = new ArrayList<>();
        List<RegistryHost.ClientKey> keys = new ArrayList<>();
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.sorted().toList()) {
                String name = file.getFileName().toString();
                if (name.endsWith(".crt")) {
                    authorities.add(file);
                } else if (name.endsWith(".cert")) {
                    Path key = file.resolveSibling(name.substring(0, name.length() - 5) + ".key");
                    keys.add(new RegistryHost.ClientKey(file, key));
                }
            }
        }
        URI api = authorities.isEmpty() && keys.isEmpty()
                ? host.api()
                : URI.create("https://" + host.api().getRawAuthority() + "/v2");
        return new RegistryHost(
                api,
                host.upstream(),
                host.pulls(),
                host.resolves(),
                host.skipVerify(),
                authorities,
                keys,
                host.headers());
    }
}
