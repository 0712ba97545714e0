package io.portafilter.config;

import static java.util.Comparator.comparing;
import static java.util.Comparator.comparingInt;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger.Level;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Stream;
import org.tomlj.Toml;
import org.tomlj.TomlArray;
import org.tomlj.TomlParseResult;
import org.tomlj.TomlPosition;

/**
 * Reads {@code config.toml} and the drop-ins {@code conf.d/*.toml} beside it, by name; a later file's value replaces an
 * earlier one's. Collects every problem before it refuses.
 */
public final class ConfigFile {
    /** Read when no other file is asked for; may be absent. */
    public static final Path DEFAULT = Path.of("/etc/portafilter/config.toml");

    private record Entry(Path file, int line, Object value) {}

    private final Map<String, Entry> entries = new HashMap<>();
    private final TreeSet<String> known = new TreeSet<>();
    private final List<ConfigProblem> problems = new ArrayList<>();

    private ConfigFile() {}

    /**
     * The configuration of {@code file} and its drop-ins.
     *
     * @throws ConfigException with all problems: unknown keys, wrong values, files that cannot be read
     */
    public static Config load(Path file) throws ConfigException {
        ConfigFile reader = new ConfigFile();
        reader.readFile(file, file.equals(DEFAULT));
        for (Path dropIn : reader.dropIns(file)) {
            reader.readFile(dropIn, false);
        }
        Config config = reader.config();
        reader.refuseUnknownKeys();
        if (!reader.problems.isEmpty()) {
            reader.problems.sort(comparing((ConfigProblem p) -> p.file()).thenComparingInt(ConfigProblem::line));
            throw new ConfigException(reader.problems);
        }
        return config;
    }

    private List<Path> dropIns(Path file) {
        Path directory = file.resolveSibling("conf.d");
        if (!Files.isDirectory(directory)) {
            return List.of();
        }
        try (Stream<Path> found = Files.list(directory)) {
            return found.filter(path -> path.toString().endsWith(".toml"))
                    .sorted()
                    .toList();
        } catch (IOException | UncheckedIOException e) {
            problems.add(new ConfigProblem(directory, 0, "cannot be listed: " + e.getMessage()));
            return List.of();
        }
    }

    private void readFile(Path file, boolean mayBeAbsent) {
        if (mayBeAbsent && !Files.exists(file)) {
            return;
        }
        TomlParseResult toml;
        try {
            toml = Toml.parse(file);
        } catch (IOException e) {
            String why = Files.exists(file) ? "cannot be read: " + e.getMessage() : "does not exist";
            problems.add(new ConfigProblem(file, 0, why));
            return;
        }
        toml.errors()
                .forEach(error -> problems.add(
                        new ConfigProblem(file, error.position().line(), String.valueOf(error.getMessage()))));
        for (String key : toml.keySet()) {
            Object value = toml.get(List.of(key));
            TomlPosition position = toml.inputPositionOf(List.of(key));
            if (value != null) {
                entries.put(key, new Entry(file, position == null ? 0 : position.line(), value));
            }
        }
    }

    private Config config() {
        Config standard = Config.defaults();
        Path state = value("state", standard.state(), ConfigFile::absolutePath);
        CgroupDriver driver = value("cgroup_driver", standard.cgroupDriver(), ConfigFile::driver);
        return new Config(
                value("root", standard.root(), ConfigFile::absolutePath),
                state,
                value("listen", state.resolve("portafilter.sock"), ConfigFile::socket),
                value("log_level", standard.logLevel(), ConfigFile::level),
                driver,
                switch (driver) {
                    case CGROUPFS -> value("cgroup_parent", standard.cgroupParent(), ConfigFile::cgroupPath);
                    case SYSTEMD -> value("cgroup_parent", "portafilter.slice", ConfigFile::slice);
                },
                value("userns_range", standard.usernsRange(), ConfigFile::idRange),
                values("registry_config_path", standard.registryConfigPath(), ConfigFile::absolutePath),
                value("stream_address", standard.streamAddress(), ConfigFile::address),
                value("cni_conf_dir", standard.cniConfDir(), ConfigFile::absolutePath),
                values("cni_bin_dirs", standard.cniBinDirs(), ConfigFile::absolutePath),
                value("cni_cache_dir", standard.cniCacheDir(), ConfigFile::absolutePath),
                value("cni_timeout", standard.cniTimeout(), ConfigFile::seconds),
                value("netns_dir", standard.netnsDir(), ConfigFile::absolutePath),
                values("pinned_images", standard.pinnedImages(), Function.identity()),
                values("cdi_spec_dirs", standard.cdiSpecDirs(), ConfigFile::absolutePath),
                truth("device_ownership_from_security_context", standard.deviceOwnershipFromSecurityContext()),
                value("sandbox_image", standard.sandboxImage(), Function.identity()));
    }

    private void refuseUnknownKeys() {
        entries.forEach((key, entry) -> {
            if (!known.contains(key)) {
                String hint =
                        nearest(key).map(near -> "did you mean " + near + "?").orElse("the keys are " + known);
                problems.add(new ConfigProblem(entry.file, entry.line, "unknown key " + key + ": " + hint));
            }
        });
    }

    private <T> T value(String key, T otherwise, Function<String, T> parse) {
        known.add(key);
        Entry entry = entries.get(key);
        if (entry == null) {
            return otherwise;
        }
        return parsed(key, entry, entry.value, parse).orElse(otherwise);
    }

    private boolean truth(String key, boolean otherwise) {
        known.add(key);
        Entry entry = entries.get(key);
        if (entry == null) {
            return otherwise;
        }
        if (!(entry.value instanceof Boolean truth)) {
            problems.add(new ConfigProblem(entry.file, entry.line, key + " is true or false, without quotes"));
            return otherwise;
        }
        return truth;
    }

    private <T> List<T> values(String key, List<T> otherwise, Function<String, T> parse) {
        known.add(key);
        Entry entry = entries.get(key);
        if (entry == null) {
            return otherwise;
        }
        if (!(entry.value instanceof TomlArray array)) {
            problems.add(new ConfigProblem(entry.file, entry.line, key + " is a list of strings: [\"...\"]"));
            return otherwise;
        }
        List<T> list = new ArrayList<>();
        for (int i = 0; i < array.size(); i++) {
            parsed(key, entry, array.get(i), parse).ifPresent(list::add);
        }
        return list;
    }

    private <T> Optional<T> parsed(String key, Entry entry, Object value, Function<String, T> parse) {
        try {
            if (!(value instanceof String text)) {
                throw new IllegalArgumentException("a string is needed: \"...\"");
            }
            return Optional.of(parse.apply(text));
        } catch (IllegalArgumentException e) {
            String shown = value instanceof String text ? "\"" + text + "\"" : String.valueOf(value);
            problems.add(new ConfigProblem(entry.file, entry.line, key + " = " + shown + ": " + e.getMessage()));
            return Optional.empty();
        }
    }

    /** The path of a {@code unix:///path} or plain absolute path. */
    public static Path socket(String text) {
        String path = text.startsWith("unix://") ? text.substring("unix://".length()) : text;
        if (!path.startsWith("/")) {
            throw new IllegalArgumentException("a unix socket is needed, for instance unix:///run/portafilter.sock");
        }
        // struct sockaddr_un has 108 bytes, one of them for the final NUL.
        if (path.length() > 107) {
            throw new IllegalArgumentException("a socket's path has at most 107 bytes");
        }
        return Path.of(path).normalize();
    }

    private static Path absolutePath(String text) {
        if (!text.startsWith("/")) {
            throw new IllegalArgumentException("an absolute path is needed");
        }
        return Path.of(text).normalize();
    }

    private static Duration seconds(String text) {
        if (!text.matches("[1-9][0-9]{0,3}s")) {
            throw new IllegalArgumentException("seconds are needed, from \"1s\" to \"9999s\"");
        }
        return Duration.ofSeconds(Integer.parseInt(text, 0, text.length() - 1, 10));
    }

    private static Level level(String text) {
        return switch (text.toLowerCase(Locale.ROOT)) {
            case "error" -> Level.ERROR;
            case "warning", "warn" -> Level.WARNING;
            case "info" -> Level.INFO;
            case "debug" -> Level.DEBUG;
            case "trace" -> Level.TRACE;
            default -> throw new IllegalArgumentException("one of error, warning, info, debug, trace is needed");
        };
    }

    private static CgroupDriver driver(String text) {
        return switch (text) {
            case "cgroupfs" -> CgroupDriver.CGROUPFS;
            case "systemd" -> CgroupDriver.SYSTEMD;
            default ->
                throw new IllegalArgumentException(
                        "cgroupfs or systemd is needed; set kubelet's cgroupDriver to the same");
        };
    }

    private static String slice(String text) {
        if (!text.matches("[A-Za-z0-9:_.]+(-[A-Za-z0-9:_.]+)*\\.slice")) {
            throw new IllegalArgumentException(
                    "with cgroup_driver = \"systemd\" the name of a slice is needed, for instance portafilter.slice");
        }
        return text;
    }

    private static String cgroupPath(String text) {
        if (!text.matches("(/[A-Za-z0-9_.:-]+)+")
                || text.contains("/../")
                || text.endsWith("/..")
                || text.endsWith(".slice")) {
            throw new IllegalArgumentException("a cgroup path is needed, for instance /portafilter");
        }
        return text;
    }

    private static IdRange idRange(String text) {
        if (!text.matches("[0-9]{1,10}:[0-9]{1,10}")) {
            throw new IllegalArgumentException("FIRST:LENGTH is needed, for instance 1073741824:536870912");
        }
        int colon = text.indexOf(':');
        return new IdRange(Long.parseLong(text, 0, colon, 10), Long.parseLong(text, colon + 1, text.length(), 10));
    }

    private static String address(String text) {
        int colon = text.lastIndexOf(':');
        if (colon <= 0 || !text.substring(colon + 1).matches("[0-9]{1,5}")) {
            throw new IllegalArgumentException("HOST:PORT is needed, for instance 127.0.0.1:0");
        }
        if (Integer.parseInt(text, colon + 1, text.length(), 10) > 65535) {
            throw new IllegalArgumentException("a port is at most 65535");
        }
        return text;
    }

    private Optional<String> nearest(String key) {
        return known.stream()
                .min(comparingInt(candidate -> distance(key, candidate)))
                .filter(candidate -> distance(key, candidate) <= Math.max(2, key.length() / 3));
    }

    /** Levenshtein distance: insertions, deletions and replacements of one character. */
    public static int distance(String from, String to) {
        int[] row = new int[to.length() + 1];
        for (int j = 0; j < row.length; j++) {
            row[j] = j;
        }
        for (int i = 1; i <= from.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j < row.length; j++) {
                int replaced = diagonal + (from.charAt(i - 1) == to.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, Math.min(row[j], row[j - 1]) + 1);
            }
        }
        return row[to.length()];
    }
}
