package io.portafilter.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.portafilter.container.LaunchFacts;
import io.portafilter.container.PlanWarning;
import io.portafilter.cri.Cause;
import io.portafilter.cri.Provenance;
import io.portafilter.launch.LaunchProgram;
import io.portafilter.launch.ProgramText;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** An explanation for programs: plan, causes, warnings, standards and launch programs. */
final class ExplanationJson {
    private static final JsonFactory JSON = new JsonFactory();

    private ExplanationJson() {}

    /** An object, indented. */
    static String of(Explanation explained) {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = JSON.createGenerator(text)) {
            json.useDefaultPrettyPrinter();
            json.writeStartObject();
            json.writeStringField("pod", explained.pod());
            host(json, explained.host());
            json.writeObjectFieldStart("assumed");
            for (Map.Entry<String, String> fact : explained.assumed().entrySet()) {
                json.writeStringField(fact.getKey(), fact.getValue());
            }
            json.writeEndObject();
            for (Explanation.Part part : explained.parts()) {
                if (part.isSandbox()) {
                    json.writeObjectFieldStart("sandbox");
                    part(json, part);
                    json.writeEndObject();
                }
            }
            json.writeArrayFieldStart("containers");
            for (Explanation.Part part : explained.parts()) {
                if (!part.isSandbox()) {
                    json.writeStartObject();
                    json.writeStringField("name", part.name());
                    part(json, part);
                    json.writeEndObject();
                }
            }
            json.writeEndArray();
            json.writeArrayFieldStart("warnings");
            for (PodWarnings.Warning warning : explained.warnings()) {
                json.writeStartObject();
                json.writeStringField("field", warning.field());
                json.writeStringField("sentence", warning.sentence());
                json.writeEndObject();
            }
            json.writeEndArray();
            standards(json, explained.standards());
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return text + "\n";
    }

    private static void host(JsonGenerator json, LaunchFacts facts) throws IOException {
        json.writeObjectFieldStart("host");
        json.writeStringField("kernel", facts.host().kernel().toString());
        json.writeStringField("architecture", facts.host().architecture().name().toLowerCase(Locale.ROOT));
        json.writeStringField("capabilities", facts.host().ownCapabilities().toString());
        json.writeNumberField("cgroupHierarchies", facts.cgroupHierarchies().size());
        json.writeBooleanField("cgroupVersion2", facts.host().cgroupV2());
        json.writeNumberField("lowestOomScoreAdj", facts.lowestOomScoreAdj());
        json.writeNumberField("openFiles", facts.highestOpenFiles());
        json.writeEndObject();
    }

    private static void part(JsonGenerator json, Explanation.Part part) throws IOException {
        for (Map.Entry<String, String> fact : part.facts().entrySet()) {
            json.writeStringField(fact.getKey(), fact.getValue());
        }
        plan(json, part.plan());
        json.writeArrayFieldStart("warnings");
        for (PlanWarning warning : part.warnings()) {
            json.writeStartObject();
            json.writeStringField("line", warning.name());
            json.writeStringField("subject", warning.subject());
            json.writeStringField("sentence", warning.sentence());
            json.writeEndObject();
        }
        json.writeEndArray();
        texts(json, "notes", part.notes());
        LaunchProgram program = part.program();
        json.writeArrayFieldStart("program");
        for (int i = 0; i < program.operations().size(); i++) {
            json.writeString(ProgramText.call(program, i));
        }
        json.writeEndArray();
    }

    /** The lines of a plan, each with its causes. */
    private static void plan(JsonGenerator json, List<Provenance.Line> plan) throws IOException {
        json.writeArrayFieldStart("plan");
        for (Provenance.Line line : plan) {
            json.writeStartObject();
            json.writeStringField("name", line.line().name());
            json.writeStringField("subject", line.line().subject());
            json.writeStringField("value", line.line().value());
            json.writeBooleanField("isList", line.line().isList());
            json.writeArrayFieldStart("causes");
            for (Cause cause : line.causes()) {
                json.writeStartObject();
                json.writeStringField("origin", cause.origin().name().toLowerCase(Locale.ROOT));
                texts(json, "fields", cause.fields());
                json.writeBooleanField("asDefault", cause.asDefault());
                json.writeStringField("effect", cause.effect());
                json.writeStringField("text", cause.text());
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeEndObject();
        }
        json.writeEndArray();
    }

    private static void texts(JsonGenerator json, String name, List<String> texts) throws IOException {
        json.writeArrayFieldStart(name);
        for (String text : texts) {
            json.writeString(text);
        }
        json.writeEndArray();
    }

    private static void standards(JsonGenerator json, PodStandards standards) throws IOException {
        json.writeObjectFieldStart("standards");
        for (PodStandards.Level level : PodStandards.Level.values()) {
            json.writeObjectFieldStart(level.name().toLowerCase(Locale.ROOT));
            json.writeBooleanField("allowed", standards.allows(level));
            json.writeArrayFieldStart("violations");
            for (PodStandards.Violation violation : standards.against(level)) {
                json.writeStartObject();
                json.writeStringField("control", violation.control());
                json.writeStringField("field", violation.field());
                json.writeStringField("found", violation.found());
                json.writeStringField("wanted", violation.wanted());
                json.writeEndObject();
            }
            json.writeEndArray();
            json.writeEndObject();
        }
        json.writeEndObject();
    }
}
