package io.portafilter.cli;

import io.portafilter.cri.Cause;
import io.portafilter.cri.Provenance;
import io.portafilter.security.PlanLine;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.snakeyaml.engine.v2.nodes.MappingNode;

/**
 * What a manifest says that a plan can depend on, field by field, and the pods that remain without one of them. A pod is
 * made once for each; its sandbox and its containers look at the same ones.
 */
final class ManifestFields {
    private static final Set<String> OF_SPEC = Set.of(
            "securityContext",
            "hostUsers",
            "hostNetwork",
            "hostPID",
            "hostIPC",
            "shareProcessNamespace",
            "hostname",
            "volumes",
            "initContainers",
            "containers");
    private static final Set<String> OF_CONTAINER =
            Set.of("securityContext", "volumeMounts", "resources", "workingDir");

    /** What other values a text can have somewhere; what is refused is left out. */
    private static final List<String> WORDS =
            List.of("Unconfined", "RuntimeDefault", "Default", "Unmasked", "Merge", "Strict", "None", "ALL");

    private final ManifestTree manifest;
    private final Map<String, ManifestTree> fields = new LinkedHashMap<>();
    private final Map<Set<String>, Optional<Pod>> without = new HashMap<>();
    private final Map<String, List<Pod>> otherwise = new HashMap<>();

    ManifestFields(ManifestTree manifest) {
        this.manifest = manifest;
        manifest.get("metadata", "name").ifPresent(name -> fields.put(name.path(), name));
        manifest.get("spec").ifPresent(spec -> {
            for (String name : spec.names()) {
                if (OF_SPEC.contains(name)) {
                    spec.get(name).ifPresent(this::add);
                }
            }
        });
    }

    /** Items of lists and scalars count for themselves, and so do the objects around them. */
    private void add(ManifestTree tree) {
        boolean isContainer = tree.path().matches("spec\\.(initC|c)ontainers\\[[0-9]+]");
        boolean isList = !tree.items().isEmpty();
        boolean isIdentity = tree.path().matches("spec\\..*\\[[0-9]+]\\.name")
                && !tree.path().contains(".sysctls[");
        if (!isContainer && !isList && !isIdentity) {
            fields.put(tree.path(), tree);
        }
        for (String name : tree.names()) {
            if (!isContainer || OF_CONTAINER.contains(name)) {
                tree.get(name).ifPresent(this::add);
            }
        }
        tree.items().forEach(this::add);
    }

    /** The fields as a layer for one part of the pod; {@code plan} makes that part's lines. */
    Provenance.Layer layer(Function<Pod, Optional<Map<Provenance.Key, PlanLine>>> plan) {
        return new Provenance.Layer() {
            @Override
            public Cause.Origin origin() {
                return Cause.Origin.REQUEST;
            }

            @Override
            public List<String> fields() {
                return List.copyOf(fields.keySet());
            }

            @Override
            public Optional<Map<Provenance.Key, PlanLine>> without(Set<String> left) {
                return podWithout(left).flatMap(plan);
            }

            @Override
            public List<Map<Provenance.Key, PlanLine>> otherwise(String field) {
                return podsOtherwise(field).stream()
                        .map(plan)
                        .flatMap(Optional::stream)
                        .toList();
            }
        };
    }

    private Optional<Pod> podWithout(Set<String> left) {
        return without.computeIfAbsent(Set.copyOf(left), places -> {
            ManifestTree rest = manifest;
            // from the last one, so that the numbers of those before hold
            for (String place : List.copyOf(fields.keySet()).reversed()) {
                if (places.contains(place)) {
                    rest = rest.without(place);
                }
            }
            return pod(rest);
        });
    }

    private List<Pod> podsOtherwise(String place) {
        return otherwise.computeIfAbsent(place, _ -> {
            List<Pod> pods = new ArrayList<>();
            ManifestTree field = fields.get(place);
            if (field != null && field.isScalar()) {
                for (String value : others(field)) {
                    pod(manifest.with(place, field.scalar(value))).ifPresent(pods::add);
                }
            }
            return pods;
        });
    }

    private static List<String> others(ManifestTree field) {
        String value = field.text();
        if (field.isTrue()) {
            return List.of("false");
        }
        if (field.isFalse()) {
            return List.of("true");
        }
        if (value.matches("[0-9]{1,18}")) {
            return List.of(Long.toString(Long.parseLong(value) + 1));
        }
        List<String> others = new ArrayList<>(List.of(value + "-other", "1" + value));
        if (!value.contains("/")) {
            others.addAll(WORDS);
        }
        others.remove(value);
        return others;
    }

    private static Optional<Pod> pod(ManifestTree tree) {
        try {
            return tree.node() instanceof MappingNode document
                    ? Optional.of(PodManifest.of("", document))
                    : Optional.empty();
        } catch (ManifestException refused) {
            return Optional.empty();
        }
    }
}
