package io.portafilter.cli;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;
import org.snakeyaml.engine.v2.nodes.NodeTuple;
import org.snakeyaml.engine.v2.nodes.ScalarNode;
import org.snakeyaml.engine.v2.nodes.SequenceNode;

/**
 * The fields of one mapping in a manifest, read strictly: a field that nobody asked for by the end is a problem, and so
 * is a value of another type than the field's. Scalars are read as Kubernetes reads YAML 1.1: {@code yes} is a boolean,
 * {@code 0644} is octal.
 */
final class Fields {
    /** What was found wrong, and what was read but is of no use without a cluster; shared by all of a manifest. */
    record Findings(List<Problem> problems, Set<String> unused) {
        Findings() {
            this(new ArrayList<>(), new TreeSet<>());
        }

        void problem(int line, String path, String sentence) {
            problems.add(new Problem(line, path + ": " + sentence));
        }

        /** In the order of the lines. */
        List<String> sentences() {
            return problems.stream()
                    .sorted(Comparator.comparingInt(Problem::line))
                    .map(problem -> problem.line + ": " + problem.sentence)
                    .toList();
        }
    }

    private record Problem(int line, String sentence) {}

    private final Findings findings;
    private final String path;
    private final int line;
    private final Map<String, Node> values = new LinkedHashMap<>();
    private final Map<String, Integer> lines = new LinkedHashMap<>();
    private final Set<String> known = new TreeSet<>();

    Fields(Findings findings, String path, MappingNode node) {
        this.findings = findings;
        this.path = path;
        this.line = line(node);
        for (NodeTuple entry : node.getValue()) {
            Node key = entry.getKeyNode();
            if (!(key instanceof ScalarNode name)) {
                findings.problem(line(key), path, "a field's name must be plain text");
            } else if (values.containsKey(name.getValue()) || lines.containsKey(name.getValue())) {
                findings.problem(line(key), at(name.getValue()), "is there twice");
            } else {
                lines.put(name.getValue(), line(key));
                if (!isNull(entry.getValueNode())) {
                    values.put(name.getValue(), entry.getValueNode());
                }
            }
        }
    }

    private static int line(Node node) {
        return node.getStartMark().map(mark -> mark.getLine() + 1).orElse(0);
    }

    private static boolean isNull(Node node) {
        return node instanceof ScalarNode scalar
                && scalar.isPlain()
                && Set.of("", "~", "null", "Null", "NULL").contains(scalar.getValue());
    }

    /** The path of a field, for sentences. */
    String at(String key) {
        return path.isEmpty() ? key : path + "." + key;
    }

    /** Reports what is wrong with a field. */
    void problem(String key, String sentence) {
        findings.problem(lines.getOrDefault(key, line), at(key), sentence);
    }

    boolean has(String key) {
        known.add(key);
        return values.containsKey(key);
    }

    Set<String> names() {
        return lines.keySet();
    }

    /** Fields that Kubernetes knows and that mean nothing here: listed if they are there. */
    void unused(String... keys) {
        for (String key : keys) {
            if (has(key)) {
                findings.unused().add(at(key).replaceAll("\\[[0-9]+]", "[]"));
            }
        }
    }

    /** Fields that Kubernetes knows and that change what the pod would do, so that they are refused. */
    void refused(String why, String... keys) {
        for (String key : keys) {
            if (has(key)) {
                problem(key, why);
            }
        }
    }

    /** Reports every field that was not asked for. */
    void end() {
        for (String key : lines.keySet()) {
            if (!known.contains(key)) {
                problem(key, "unknown field" + nearest(key));
            }
        }
    }

    private String nearest(String key) {
        return known.stream()
                .min(Comparator.comparingInt(candidate -> distance(key, candidate)))
                .filter(candidate -> distance(key, candidate) <= Math.max(2, key.length() / 3))
                .map(candidate -> "; did you mean " + candidate + "?")
                .orElse("");
    }

    private static int distance(String from, String to) {
        return io.portafilter.config.ConfigFile.distance(from.toLowerCase(Locale.ROOT), to.toLowerCase(Locale.ROOT));
    }

    Optional<String> text(String key) {
        return scalar(key).flatMap(scalar -> {
            if (isText(scalar)) {
                return Optional.of(scalar.getValue());
            }
            problem(key, "must be a string; put " + scalar.getValue() + " in quotes if that is meant");
            return Optional.empty();
        });
    }

    /** A string that must be there and not be empty; "" after a problem was reported. */
    String required(String key) {
        if (!has(key)) {
            problem(key, "is needed");
            return "";
        }
        Optional<String> text = text(key);
        if (text.isPresent() && text.get().isEmpty()) {
            problem(key, "must not be empty");
        }
        return text.orElse("");
    }

    Optional<Boolean> bool(String key) {
        return scalar(key).flatMap(scalar -> {
            Optional<Boolean> value = scalar.isPlain() ? bool(scalar) : Optional.empty();
            if (value.isEmpty()) {
                problem(key, "must be true or false, not " + shown(scalar));
            }
            return value;
        });
    }

    boolean isTrue(String key) {
        return bool(key).orElse(false);
    }

    private static Optional<Boolean> bool(ScalarNode scalar) {
        return switch (scalar.getValue()) {
            case "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE" -> Optional.of(true);
            case "n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE" -> Optional.of(false);
            default -> Optional.empty();
        };
    }

    Optional<Long> number(String key, long least, long most) {
        return scalar(key).flatMap(scalar -> {
            Optional<Long> value = scalar.isPlain() ? integer(scalar.getValue()) : Optional.empty();
            if (value.isEmpty() || value.get() < least || value.get() > most) {
                problem(key, "must be a whole number from " + least + " to " + most + ", not " + shown(scalar));
                return Optional.empty();
            }
            return value;
        });
    }

    /** YAML 1.1's integers: 0x1A, 0b11, 0o17 and 017 are not decimal. */
    private static Optional<Long> integer(String text) {
        String digits = text.replace("_", "");
        String sign = digits.startsWith("-") ? "-" : "";
        String rest = digits.startsWith("-") || digits.startsWith("+") ? digits.substring(1) : digits;
        try {
            if (rest.startsWith("0x")) {
                return Optional.of(Long.parseLong(sign + rest.substring(2), 16));
            }
            if (rest.startsWith("0b")) {
                return Optional.of(Long.parseLong(sign + rest.substring(2), 2));
            }
            if (rest.startsWith("0o")) {
                return Optional.of(Long.parseLong(sign + rest.substring(2), 8));
            }
            boolean octal = rest.length() > 1 && rest.startsWith("0");
            return rest.matches("[0-9]+") ? Optional.of(Long.parseLong(sign + rest, octal ? 8 : 10)) : Optional.empty();
        } catch (NumberFormatException notANumber) {
            return Optional.empty();
        }
    }

    /** Anything that Kubernetes would not read as a string when it is not quoted. */
    private static boolean isText(ScalarNode scalar) {
        String value = scalar.getValue();
        return !scalar.isPlain()
                || (bool(scalar).isEmpty()
                        && integer(value).isEmpty()
                        && !value.matches("[-+]?([0-9][0-9_]*\\.?[0-9]*|\\.[0-9]+)([eE][-+]?[0-9]+)?")
                        && !value.matches("[-+]?\\.(inf|Inf|INF|nan|NaN|NAN)"));
    }

    private static String shown(ScalarNode scalar) {
        return scalar.isPlain() ? scalar.getValue() : "\"" + scalar.getValue() + "\"";
    }

    Optional<Quantity> quantity(String key) {
        return scalar(key).flatMap(scalar -> {
            try {
                return Optional.of(Quantity.parse(scalar.getValue()));
            } catch (IllegalArgumentException e) {
                problem(key, String.valueOf(e.getMessage()));
                return Optional.empty();
            }
        });
    }

    /** One of an enum's names, as {@code spelling} writes them in manifests. */
    <E extends Enum<E>> Optional<E> choice(String key, E[] choices, Function<E, String> spelling) {
        return text(key).flatMap(text -> {
            Optional<E> found = Arrays.stream(choices)
                    .filter(choice -> spelling.apply(choice).equals(text))
                    .findFirst();
            if (found.isEmpty()) {
                problem(
                        key,
                        "must be one of "
                                + Arrays.stream(choices).map(spelling).collect(Collectors.joining(", ")) + ", not \""
                                + text + "\"");
            }
            return found;
        });
    }

    List<String> texts(String key) {
        List<String> texts = new ArrayList<>();
        List<Node> items = items(key);
        for (int i = 0; i < items.size(); i++) {
            if (items.get(i) instanceof ScalarNode scalar && isText(scalar) && !isNull(scalar)) {
                texts.add(scalar.getValue());
            } else {
                findings.problem(line(items.get(i)), at(key) + "[" + i + "]", "must be a string; use quotes");
            }
        }
        return texts;
    }

    List<Long> numbers(String key, long least, long most) {
        List<Long> numbers = new ArrayList<>();
        List<Node> items = items(key);
        for (int i = 0; i < items.size(); i++) {
            Optional<Long> value = items.get(i) instanceof ScalarNode scalar && scalar.isPlain()
                    ? integer(scalar.getValue())
                    : Optional.empty();
            if (value.isPresent() && value.get() >= least && value.get() <= most) {
                numbers.add(value.get());
            } else {
                findings.problem(
                        line(items.get(i)),
                        at(key) + "[" + i + "]",
                        "must be a whole number from " + least + " to " + most);
            }
        }
        return numbers;
    }

    Map<String, String> textMap(String key) {
        Map<String, String> map = new LinkedHashMap<>();
        object(key)
                .ifPresent(fields ->
                        fields.names().forEach(name -> fields.text(name).ifPresent(value -> map.put(name, value))));
        return map;
    }

    Optional<Fields> object(String key) {
        if (!has(key)) {
            return Optional.empty();
        }
        if (values.get(key) instanceof MappingNode node) {
            return Optional.of(new Fields(findings, at(key), node));
        }
        problem(key, "must be an object with fields");
        return Optional.empty();
    }

    List<Fields> objects(String key) {
        List<Fields> objects = new ArrayList<>();
        List<Node> items = items(key);
        for (int i = 0; i < items.size(); i++) {
            String itemPath = at(key) + "[" + i + "]";
            if (items.get(i) instanceof MappingNode node) {
                objects.add(new Fields(findings, itemPath, node));
            } else {
                findings.problem(line(items.get(i)), itemPath, "must be an object with fields");
            }
        }
        return objects;
    }

    private List<Node> items(String key) {
        if (!has(key)) {
            return List.of();
        }
        if (values.get(key) instanceof SequenceNode node) {
            return node.getValue();
        }
        problem(key, "must be a list");
        return List.of();
    }

    private Optional<ScalarNode> scalar(String key) {
        if (!has(key)) {
            return Optional.empty();
        }
        if (values.get(key) instanceof ScalarNode scalar) {
            return Optional.of(scalar);
        }
        problem(key, "must be a single value");
        return Optional.empty();
    }
}
