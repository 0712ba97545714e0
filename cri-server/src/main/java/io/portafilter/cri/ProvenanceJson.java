package io.portafilter.cri;

import io.portafilter.container.PlanWarning;
import io.portafilter.security.PlanLine;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** A plan with its causes and warnings, as JSON has it. */
public final class ProvenanceJson {

    private ProvenanceJson() {}

    /** An object for each line. */
    public static List<Map<String, Object>> fields(List<Provenance.Line> plan) {
        return plan.stream().map(ProvenanceJson::fields).toList();
    }

    private static Map<String, Object> fields(Provenance.Line line) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("name", line.line().name());
        fields.put("subject", line.line().subject());
        fields.put("value", line.line().value());
        fields.put("isList", line.line().isList());
        fields.put("causes", line.causes().stream().map(ProvenanceJson::fields).toList());
        return fields;
    }

    private static Map<String, Object> fields(Cause cause) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("origin", cause.origin().name().toLowerCase(Locale.ROOT));
        fields.put("fields", cause.fields());
        fields.put("asDefault", cause.asDefault());
        fields.put("effect", cause.effect());
        fields.put("text", cause.text());
        return fields;
    }

    /** An object for each warning. */
    public static List<Map<String, Object>> warnings(List<PlanWarning> warnings) {
        return warnings.stream().map(ProvenanceJson::fields).toList();
    }

    private static Map<String, Object> fields(PlanWarning warning) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("line", warning.name());
        fields.put("subject", warning.subject());
        fields.put("sentence", warning.sentence());
        return fields;
    }

    /** Reads what {@link #warnings} wrote; throws IllegalArgumentException for anything else. */
    public static List<PlanWarning> readWarnings(List<?> warnings) {
        return warnings.stream()
                .map(ProvenanceJson::object)
                .map(fields -> new PlanWarning(text(fields, "line"), text(fields, "subject"), text(fields, "sentence")))
                .toList();
    }

    /** Reads what {@link #fields} wrote; throws IllegalArgumentException for anything else. */
    public static List<Provenance.Line> read(List<?> plan) {
        return plan.stream().map(ProvenanceJson::line).toList();
    }

    private static Provenance.Line line(Object written) {
        Map<?, ?> fields = object(written);
        PlanLine line = new PlanLine(
                text(fields, "name"), text(fields, "subject"), text(fields, "value"), isTrue(fields, "isList"));
        return new Provenance.Line(
                line, list(fields, "causes").stream().map(ProvenanceJson::cause).toList());
    }

    private static Cause cause(Object written) {
        Map<?, ?> fields = object(written);
        return new Cause(
                Cause.Origin.valueOf(text(fields, "origin").toUpperCase(Locale.ROOT)),
                list(fields, "fields").stream().map(String::valueOf).toList(),
                isTrue(fields, "asDefault"),
                text(fields, "effect"));
    }

    private static Map<?, ?> object(Object written) {
        if (written instanceof Map<?, ?> fields) {
            return fields;
        }
        throw new IllegalArgumentException("a plan's line is no object: " + written);
    }

    private static List<?> list(Map<?, ?> fields, String name) {
        return fields.get(name) instanceof List<?> list ? list : List.of();
    }

    private static String text(Map<?, ?> fields, String name) {
        return fields.get(name) instanceof String text ? text : "";
    }

    private static boolean isTrue(Map<?, ?> fields, String name) {
        return Boolean.TRUE.equals(fields.get(name));
    }
}
