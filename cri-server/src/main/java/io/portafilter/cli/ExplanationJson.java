package io.portafilter.cli;

import io.portafilter.container.LaunchFacts;
import io.portafilter.cri.ProvenanceJson;
import io.portafilter.cri.VerboseInfo;
import io.portafilter.launch.ProgramText;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** An explanation for programs: plan, causes, warnings, standards and launch programs. */
final class ExplanationJson {

    private ExplanationJson() {}

    /** An object, indented; {@code planOnly} leaves the launch programs out. */
    static String of(Explanation explained, boolean planOnly) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("pod", explained.pod());
        json.put("host", host(explained.host()));
        json.put("assumed", explained.assumed());
        List<Map<String, Object>> containers = new ArrayList<>();
        for (Explanation.Part part : explained.parts()) {
            if (part.isSandbox()) {
                json.put("sandbox", part(part, planOnly));
            } else {
                containers.add(part(part, planOnly));
            }
        }
        json.put("containers", containers);
        json.put(
                "warnings",
                explained.warnings().stream()
                        .map(warning -> texts("field", warning.field(), "sentence", warning.sentence()))
                        .toList());
        json.put("standards", standards(explained.standards()));
        return VerboseInfo.indentedJson(json);
    }

    private static Map<String, Object> host(LaunchFacts facts) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("kernel", facts.host().kernel().toString());
        json.put("architecture", facts.host().architecture().name().toLowerCase(Locale.ROOT));
        json.put("capabilities", facts.host().ownCapabilities().toString());
        json.put("cgroupHierarchies", facts.cgroupHierarchies().size());
        json.put("cgroupVersion2", facts.host().cgroupV2());
        json.put("lowestOomScoreAdj", facts.lowestOomScoreAdj());
        json.put("openFiles", facts.highestOpenFiles());
        return json;
    }

    private static Map<String, Object> part(Explanation.Part part, boolean planOnly) {
        Map<String, Object> json = new LinkedHashMap<>();
        if (!part.isSandbox()) {
            json.put("name", part.name());
        }
        json.putAll(part.facts());
        json.put("plan", ProvenanceJson.fields(part.plan()));
        json.put("warnings", ProvenanceJson.warnings(part.warnings()));
        json.put("notes", part.notes());
        if (!planOnly) {
            json.put("program", ProgramText.of(part.program()).lines().toList());
        }
        return json;
    }

    private static Map<String, Object> standards(PodStandards standards) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("version", PodStandards.VERSION);
        json.put("relaxed", standards.relaxed());
        for (PodStandards.Level level : PodStandards.Level.values()) {
            Map<String, Object> verdict = new LinkedHashMap<>();
            verdict.put("allowed", standards.allows(level));
            verdict.put(
                    "violations",
                    standards.against(level).stream()
                            .map(violation -> texts(
                                    "control", violation.control(),
                                    "field", violation.field(),
                                    "found", violation.found(),
                                    "wanted", violation.wanted()))
                            .toList());
            json.put(level.name().toLowerCase(Locale.ROOT), verdict);
        }
        return json;
    }

    private static Map<String, Object> texts(String... namesAndTexts) {
        Map<String, Object> json = new LinkedHashMap<>();
        for (int i = 0; i < namesAndTexts.length; i += 2) {
            json.put(namesAndTexts[i], namesAndTexts[i + 1]);
        }
        return json;
    }
}
