package io.portafilter.cli;

import io.portafilter.cri.ProvenanceJson;
import io.portafilter.cri.VerboseInfo;
import io.portafilter.cri.v1.ContainerStatusResponse;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The plan, its causes and the program of a container, out of the JSON in a verbose ContainerStatus. */
record InfoText(String id, String name, Map<String, Object> info) {

    static InfoText of(String id, ContainerStatusResponse status) {
        return new InfoText(
                id,
                status.getStatus().getMetadata().getName(),
                VerboseInfo.parse(status.getInfoOrDefault("info", "{}")));
    }

    /** For people. */
    String text(boolean planOnly) {
        String title = "container " + name + ", " + id;
        StringBuilder text = new StringBuilder(
                info.get("plan") instanceof List<?> plan
                        ? ExplanationText.container(
                                title,
                                ProvenanceJson.read(plan),
                                ExplanationText.warnings(texts("notes"), ProvenanceJson.readWarnings(list("warnings"))))
                        : title + "\n"
                                + String.join(
                                        "",
                                        texts("securityPlan").stream()
                                                .map(line -> "  " + line + "\n")
                                                .toList()));
        if (planOnly) {
            return text.toString();
        }
        if (!(info.get("launchProgram") instanceof String program)) {
            return text + "  its program is not known: it ended, or an earlier server started it\n";
        }
        text.append("\nprogram\n");
        program.lines().forEach(line -> text.append("  ").append(line).append('\n'));
        return text.toString();
    }

    private List<String> texts(String field) {
        return list(field).stream().map(String::valueOf).toList();
    }

    private List<?> list(String field) {
        return info.get(field) instanceof List<?> list ? list : List.of();
    }

    /** For programs: what the server says of the plan and the launch, in the shape of a manifest's container. */
    String json(boolean planOnly) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("id", id);
        fields.put("name", name);
        for (String field : List.of("plan", "warnings", "notes")) {
            if (info.containsKey(field)) {
                fields.put(field, list(field));
            }
        }
        if (!planOnly && info.get("launchProgram") instanceof String program) {
            fields.put("program", program.lines().toList());
        }
        return VerboseInfo.indentedJson(fields);
    }
}
