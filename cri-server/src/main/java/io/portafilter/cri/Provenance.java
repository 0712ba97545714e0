package io.portafilter.cri;

import io.portafilter.security.PlanLine;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * Why each line of a plan is as it is, found out by asking: the plan is made again, by the same rules, without one thing
 * that was asked for, and a line that is another one then came from that. So no rule is written down a second time, and
 * none can be forgotten: a line that nothing asked for changes is a default.
 *
 * <p>The layers are asked in their order, and the first that has a cause for a line is believed: what a manifest says,
 * what kubelet sends where it says nothing, what the image says.
 */
public final class Provenance {

    /**
     * Which line is meant, in a plan and in another of the same thing.
     *
     * @param name as {@link PlanLine#name}
     * @param subject as {@link PlanLine#subject}
     */
    public record Key(String name, String subject) {
        static Key of(PlanLine line) {
            return new Key(line.name(), line.subject());
        }
    }

    /** A line with its causes, of which there is at least one. */
    public record Line(PlanLine line, List<Cause> causes) {
        public Line {
            causes = List.copyOf(causes);
        }
    }

    /** One place where things are asked for. */
    public interface Layer {
        /** Whose words they are. */
        Cause.Origin origin();

        /** What is asked for; what lies in another comes after it. */
        List<String> fields();

        /** The plan without these; absent when that would be refused. */
        Optional<Map<Key, PlanLine>> without(Set<String> fields);

        /** The plans with other values of one field, as far as they are not refused. */
        List<Map<Key, PlanLine>> otherwise(String field);

        /** The same without what keeps other values of its fields from being asked for; most have none of that. */
        default List<Layer> relaxed() {
            return List.of();
        }
    }

    /** How many plans are made, each of which takes the time of a request. */
    private static final int MOST_PLANS = 2000;

    /** A layer that is asked once for each thing, and for no more than so many of them. */
    private final class Asked implements Layer {
        private final Layer layer;
        private final List<String> fields;
        private final Map<Set<String>, Optional<Map<Key, PlanLine>>> without = new HashMap<>();
        private final Map<String, List<Map<Key, PlanLine>>> otherwise = new HashMap<>();

        Asked(Layer layer) {
            this.layer = layer;
            this.fields = layer.fields();
        }

        @Override
        public Cause.Origin origin() {
            return layer.origin();
        }

        @Override
        public List<String> fields() {
            return fields;
        }

        @Override
        public Optional<Map<Key, PlanLine>> without(Set<String> left) {
            return without.computeIfAbsent(left, _ -> mayAsk(1) ? layer.without(left) : Optional.empty());
        }

        @Override
        public List<Map<Key, PlanLine>> otherwise(String field) {
            return otherwise.computeIfAbsent(field, _ -> {
                List<Map<Key, PlanLine>> plans = mayAsk(1) ? layer.otherwise(field) : List.of();
                made += plans.size();
                return plans;
            });
        }

        @Override
        public List<Layer> relaxed() {
            return layer.relaxed().stream()
                    .map(other -> (Layer) new Asked(other))
                    .toList();
        }

        private boolean mayAsk(int plans) {
            if (made >= mostPlans) {
                exhausted = true;
            } else {
                made += plans;
            }
            return !exhausted;
        }
    }

    private static final int FEW = 3;

    private final Map<Key, PlanLine> base;
    private final Map<Key, List<Cause>> causes = new HashMap<>();

    private final int mostPlans;
    private int made;
    private boolean exhausted;

    private Provenance(Map<Key, PlanLine> base, int mostPlans) {
        this.base = base;
        this.mostPlans = mostPlans;
    }

    /** The lines of a plan by their keys, in order; of two with one key the later one holds. */
    public static Map<Key, PlanLine> byKey(List<PlanLine> lines) {
        Map<Key, PlanLine> map = new LinkedHashMap<>();
        lines.forEach(line -> map.put(Key.of(line), line));
        return map;
    }

    /**
     * The causes of each line.
     *
     * @param lines the plan as it is shown
     * @param base the same plan as the layers make it, for comparing
     */
    public static List<Line> of(List<PlanLine> lines, Map<Key, PlanLine> base, List<Layer> layers) {
        return of(lines, base, layers, MOST_PLANS);
    }

    /** The same, of no more than so many plans. */
    static List<Line> of(List<PlanLine> lines, Map<Key, PlanLine> base, List<Layer> layers, int mostPlans) {
        Provenance found = new Provenance(base, mostPlans);
        layers.forEach(layer -> found.ask(found.new Asked(layer)));
        return lines.stream().map(line -> new Line(line, found.causes(line))).toList();
    }

    private List<Cause> causes(PlanLine line) {
        Key key = Key.of(line);
        if (!base.containsKey(key)) {
            // Links in the image lead a volume that it declares to another place than it says.
            return List.of(new Cause(Cause.Origin.IMAGE, List.of("config.Volumes"), false, ""));
        }
        return causes.getOrDefault(key, List.of(exhausted ? Cause.UNKNOWN : ofRuntime(line)));
    }

    private static Cause ofRuntime(PlanLine line) {
        int count = line.items().size();
        return line.name().equals("bounding")
                ? new Cause(Cause.Origin.RUNTIME, List.of(), false, count + " capabilities")
                : Cause.RUNTIME;
    }

    private void ask(Layer layer) {
        Set<Key> open = base.keySet().stream()
                .filter(key -> !causes.containsKey(key))
                .collect(Collectors.toCollection(LinkedHashSet::new));
        Map<Key, Map<String, Cause>> found = new HashMap<>();
        Set<String> needed = new LinkedHashSet<>();
        for (String field : layer.fields()) {
            Optional<Map<Key, PlanLine>> without = layer.without(Set.of(field));
            if (without.isPresent()) {
                compare(layer, open, field, without.get(), false, found);
            } else {
                needed.add(field);
            }
        }
        for (String field : needed) {
            // What cannot be left out counts by its value.
            layer.otherwise(field)
                    .forEach(other -> compare(layer, withoutPart(open, found, field), field, other, false, found));
        }
        Set<Key> still = minus(open, found.keySet());
        for (String field : layer.fields()) {
            for (Map<Key, PlanLine> other : layer.otherwise(field)) {
                compare(layer, onlyIn(still, other), field, other, true, found);
            }
        }
        together(layer, minus(open, found.keySet()), found);
        layer.relaxed().forEach(other -> relaxed(other, minus(open, found.keySet()), found));
        found.forEach((key, byField) -> causes.put(key, List.copyOf(byField.values())));
    }

    /** Defaults that other values of a field show only where something else is not asked for, too. */
    private void relaxed(Layer layer, Set<Key> open, Map<Key, Map<String, Cause>> found) {
        Optional<Map<Key, PlanLine>> reference = layer.without(Set.of());
        if (reference.isEmpty()) {
            return;
        }
        Set<Key> same = open.stream()
                .filter(key -> !differs(key, reference.get()))
                .collect(Collectors.toCollection(LinkedHashSet::new));
        for (String field : layer.fields()) {
            for (Map<Key, PlanLine> other : layer.otherwise(field)) {
                compare(layer, onlyIn(same, other), field, other, true, found);
            }
        }
    }

    /** Where an item of a list was found already, what lies in it says no more. */
    private static Set<Key> withoutPart(Set<Key> open, Map<Key, Map<String, Cause>> found, String field) {
        return open.stream()
                .filter(key -> found.getOrDefault(key, Map.of()).keySet().stream()
                        .noneMatch(other -> isIn(field, other) && other.endsWith("]")))
                .collect(Collectors.toCollection(LinkedHashSet::new));
    }

    /** A default explains what a line says, not that there is none. */
    private static Set<Key> onlyIn(Set<Key> keys, Map<Key, PlanLine> plan) {
        return keys.stream().filter(plan::containsKey).collect(Collectors.toCollection(LinkedHashSet::new));
    }

    private static Set<Key> minus(Set<Key> keys, Set<Key> others) {
        return keys.stream().filter(key -> !others.contains(key)).collect(Collectors.toCollection(LinkedHashSet::new));
    }

    private static boolean isIn(String field, String other) {
        return field.startsWith(other + ".") || field.startsWith(other + "[");
    }

    private void compare(
            Layer layer,
            Set<Key> open,
            String field,
            Map<Key, PlanLine> other,
            boolean asDefault,
            Map<Key, Map<String, Cause>> found) {
        for (Key key : open) {
            if (differs(key, other)) {
                Map<String, Cause> byField = found.computeIfAbsent(key, _ -> new LinkedHashMap<>());
                // the field itself says more than what it lies in, but that an item of a list is there is one thing
                byField.keySet().removeIf(outer -> isIn(field, outer) && !outer.endsWith("]"));
                byField.putIfAbsent(
                        field,
                        new Cause(layer.origin(), List.of(field), asDefault, asDefault ? "" : effect(key, other)));
            }
        }
    }

    private boolean differs(Key key, Map<Key, PlanLine> other) {
        PlanLine line = other.get(key);
        return line == null || !line.equals(base.get(key));
    }

    /** What a field does to a list, seen from the plan without it. */
    private String effect(Key key, Map<Key, PlanLine> other) {
        PlanLine with = base.get(key);
        PlanLine without = other.get(key);
        if (with == null || without == null || !with.isList()) {
            return "";
        }
        List<String> added = new ArrayList<>(with.items());
        added.removeAll(without.items());
        List<String> taken = new ArrayList<>(without.items());
        taken.removeAll(with.items());
        if (!added.isEmpty() && !taken.isEmpty()) {
            return "";
        }
        return (added.isEmpty() ? "takes " : "adds ") + counted(added.isEmpty() ? taken : added);
    }

    private static String counted(List<String> items) {
        return items.size() <= FEW ? String.join(", ", items) : Integer.toString(items.size());
    }

    /** What only several fields do: of all that can be left out, a smallest number that makes the difference. */
    private void together(Layer layer, Set<Key> open, Map<Key, Map<String, Cause>> found) {
        Function<Collection<String>, Optional<Map<Key, PlanLine>>> without =
                fields -> layer.without(Set.copyOf(fields));
        Set<String> all = new LinkedHashSet<>();
        for (boolean isNeeded : List.of(false, true)) {
            for (String field : layer.fields()) {
                if (without.apply(Set.of(field)).isEmpty() == isNeeded) {
                    all.add(field);
                    if (isNeeded && without.apply(all).isEmpty()) {
                        all.remove(field);
                    }
                }
            }
        }
        Optional<Map<Key, PlanLine>> nothing = without.apply(all);
        for (Key key : open) {
            Predicate<Collection<String>> makesTheDifference = fields -> without.apply(fields)
                    .filter(plan -> plan.containsKey(key) && differs(key, plan))
                    .isPresent();
            if (nothing.isPresent() && makesTheDifference.test(all)) {
                List<String> rest = inOrder(
                        layer, narrowed(fewest(List.copyOf(all), makesTheDifference), layer, makesTheDifference));
                Cause cause = new Cause(layer.origin(), saying(rest, without, makesTheDifference), false, "");
                if (!exhausted) {
                    found.computeIfAbsent(key, _ -> new LinkedHashMap<>()).put(cause.text(), cause);
                }
            }
        }
    }

    /** Those without which the difference is not made; some only are there since without them the rest is refused. */
    private static List<String> saying(
            List<String> fields,
            Function<Collection<String>, Optional<Map<Key, PlanLine>>> without,
            Predicate<Collection<String>> makesTheDifference) {
        List<String> saying = fields.stream()
                .filter(field -> {
                    Set<String> others = new LinkedHashSet<>(fields);
                    others.remove(field);
                    return without.apply(others).isPresent() && !makesTheDifference.test(others);
                })
                .toList();
        return saying.isEmpty() ? fields : saying;
    }

    /** Leaves out halves, then quarters, and so on, as long as what remains still makes the difference. */
    private static List<String> fewest(List<String> all, Predicate<Collection<String>> makesTheDifference) {
        List<String> rest = all;
        for (int size = Math.max(1, all.size() / 2); size >= 1; size /= 2) {
            int at = 0;
            while (at < rest.size() && rest.size() > 1) {
                List<String> fewer = new ArrayList<>(rest.subList(0, at));
                fewer.addAll(rest.subList(Math.min(at + size, rest.size()), rest.size()));
                if (makesTheDifference.test(fewer)) {
                    rest = fewer;
                } else {
                    at += size;
                }
            }
        }
        return rest;
    }

    private static List<String> inOrder(Layer layer, List<String> fields) {
        return layer.fields().stream().filter(fields::contains).toList();
    }

    /** Names what lies in an object in the place of the object. */
    private static List<String> narrowed(
            List<String> fields, Layer layer, Predicate<Collection<String>> makesTheDifference) {
        List<String> all = layer.fields();
        for (String field : fields) {
            List<String> within =
                    all.stream().filter(inner -> isIn(inner, field)).toList();
            List<String> inside = within.stream()
                    .filter(inner -> within.stream().noneMatch(other -> isIn(inner, other)))
                    .toList();
            List<String> narrower = new ArrayList<>();
            fields.forEach(other -> narrower.addAll(other.equals(field) ? inside : List.of(other)));
            if (!inside.isEmpty() && makesTheDifference.test(narrower)) {
                return narrowed(fewest(narrower, makesTheDifference), layer, makesTheDifference);
            }
        }
        return fields;
    }
}
