package io.portafilter.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.snakeyaml.engine.v2.common.ScalarStyle;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;
import org.snakeyaml.engine.v2.nodes.NodeTuple;
import org.snakeyaml.engine.v2.nodes.ScalarNode;
import org.snakeyaml.engine.v2.nodes.SequenceNode;

/**
 * A part of a manifest as it is written, with its place: {@code spec.containers[0].securityContext}.
 *
 * @param path how Kubernetes writes the place
 */
record ManifestTree(String path, Node node) {

    /** A field; absent when it is not there or null. */
    Optional<ManifestTree> get(String key) {
        if (!(node instanceof MappingNode mapping)) {
            return Optional.empty();
        }
        return mapping.getValue().stream()
                .filter(entry -> key.equals(name(entry)))
                .map(NodeTuple::getValueNode)
                .filter(value -> !isNull(value))
                .map(value -> new ManifestTree(at(key), value))
                .findFirst();
    }

    /** A field of a field. */
    Optional<ManifestTree> get(String key, String... then) {
        Optional<ManifestTree> found = get(key);
        for (String next : then) {
            found = found.flatMap(tree -> tree.get(next));
        }
        return found;
    }

    /** The items of a list that is a field; none when it is not there. */
    List<ManifestTree> items(String key) {
        return get(key).map(ManifestTree::items).orElse(List.of());
    }

    /** The items, if this is a list. */
    List<ManifestTree> items() {
        List<ManifestTree> items = new ArrayList<>();
        if (node instanceof SequenceNode list) {
            for (int i = 0; i < list.getValue().size(); i++) {
                items.add(new ManifestTree(path + "[" + i + "]", list.getValue().get(i)));
            }
        }
        return items;
    }

    /** The names of the fields that are there. */
    List<String> names() {
        return node instanceof MappingNode mapping
                ? mapping.getValue().stream()
                        .filter(entry -> !isNull(entry.getValueNode()))
                        .map(ManifestTree::name)
                        .toList()
                : List.of();
    }

    /** The text of a scalar; empty of anything else. */
    String text() {
        return node instanceof ScalarNode scalar ? scalar.getValue() : "";
    }

    /** The text of a field; empty without it. */
    String text(String key) {
        return get(key).map(ManifestTree::text).orElse("");
    }

    /** Whether it is a scalar that Kubernetes reads as true. */
    boolean isTrue() {
        return List.of("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y")
                .contains(text());
    }

    /** Whether it is a scalar that Kubernetes reads as false. */
    boolean isFalse() {
        return List.of("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N")
                .contains(text());
    }

    boolean isScalar() {
        return node instanceof ScalarNode;
    }

    String at(String key) {
        return path.isEmpty() ? key : path + "." + key;
    }

    /** The same without what lies at a place below it. */
    ManifestTree without(String place) {
        return new ManifestTree(
                path, edited(path, node, place, Optional.empty()).orElseThrow());
    }

    /** The same with another plain scalar at a place below it. */
    ManifestTree with(String place, ScalarNode scalar) {
        return new ManifestTree(
                path, edited(path, node, place, Optional.of(scalar)).orElseThrow());
    }

    /** A scalar in the style of this one. */
    ScalarNode scalar(String value) {
        return node instanceof ScalarNode scalar
                ? new ScalarNode(scalar.getTag(), value, scalar.getScalarStyle())
                : new ScalarNode(org.snakeyaml.engine.v2.nodes.Tag.STR, value, ScalarStyle.DOUBLE_QUOTED);
    }

    private static Optional<Node> edited(String path, Node node, String place, Optional<Node> value) {
        if (path.equals(place)) {
            return value;
        }
        boolean onTheWay = path.isEmpty() || place.startsWith(path + ".") || place.startsWith(path + "[");
        if (!onTheWay) {
            return Optional.of(node);
        }
        ManifestTree here = new ManifestTree(path, node);
        return switch (node) {
            case MappingNode mapping -> {
                List<NodeTuple> entries = new ArrayList<>();
                for (NodeTuple entry : mapping.getValue()) {
                    edited(here.at(name(entry)), entry.getValueNode(), place, value)
                            .ifPresent(kept -> entries.add(new NodeTuple(entry.getKeyNode(), kept)));
                }
                yield Optional.of(new MappingNode(mapping.getTag(), entries, mapping.getFlowStyle()));
            }
            case SequenceNode list -> {
                List<Node> items = new ArrayList<>();
                for (int i = 0; i < list.getValue().size(); i++) {
                    edited(path + "[" + i + "]", list.getValue().get(i), place, value)
                            .ifPresent(items::add);
                }
                yield Optional.of(new SequenceNode(list.getTag(), items, list.getFlowStyle()));
            }
            default -> Optional.of(node);
        };
    }

    private static String name(NodeTuple entry) {
        return entry.getKeyNode() instanceof ScalarNode key ? key.getValue() : "";
    }

    private static boolean isNull(Node node) {
        return node instanceof ScalarNode scalar
                && scalar.isPlain()
                && List.of("", "~", "null", "Null", "NULL").contains(scalar.getValue());
    }
}
