package io.portafilter.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.portafilter.container.Finding;
import io.portafilter.container.Outcome;
import io.portafilter.container.Probe.Need;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.stream.Collectors;

/** What {@code check} prints. */
record CheckReport(List<Finding> findings) {
    private static final JsonFactory JSON = new JsonFactory();

    CheckReport {
        findings = List.copyOf(findings);
    }

    /** Whether everything works that pods cannot be without. */
    boolean isReady() {
        return unmet().isEmpty();
    }

    private List<Finding> unmet() {
        return findings.stream()
                .filter(finding -> finding.need() == Need.REQUIRED && !finding.isGood())
                .toList();
    }

    /** A table, what there is to say of each row, and the sum. */
    String text() {
        Table table = new Table("FEATURE", "WORKS", "LOST WITHOUT IT", "WHAT TO DO");
        for (Finding finding : findings) {
            boolean good = finding.isGood();
            table.row(finding.feature(), word(finding), good ? "" : finding.lost(), good ? "" : finding.cure());
        }
        String details = findings.stream()
                .filter(finding -> !finding.outcome().detail().isEmpty())
                .map(finding ->
                        "  " + finding.feature() + ": " + finding.outcome().detail() + "\n")
                .collect(Collectors.joining());
        return trimmed(table.toString()) + "\n" + details + "\n" + sum() + "\n";
    }

    private static String trimmed(String text) {
        return text.lines().map(String::stripTrailing).collect(Collectors.joining("\n", "", "\n"));
    }

    private String sum() {
        long required = findings.stream()
                .filter(finding -> finding.need() == Need.REQUIRED)
                .count();
        if (isReady()) {
            return "All " + required + " required features work: pods can run here.";
        }
        return unmet().size() + " of " + required + " required features do not work or could not be tried: "
                + unmet().stream().map(Finding::feature).collect(Collectors.joining(", ")) + ".";
    }

    private static String word(Finding finding) {
        String required = finding.need() == Need.REQUIRED ? " (required)" : "";
        return switch (finding.outcome()) {
            case Outcome.Works _ -> "yes";
            case Outcome.NotNeeded _ -> "not needed";
            case Outcome.Missing _ -> "no" + required;
            case Outcome.Untried _ -> "untried" + required;
        };
    }

    /** An array of objects, one for each feature. */
    String json() {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = JSON.createGenerator(text)) {
            json.useDefaultPrettyPrinter();
            json.writeStartArray();
            for (Finding finding : findings) {
                json.writeStartObject();
                json.writeStringField("feature", finding.feature());
                json.writeBooleanField("required", finding.need() == Need.REQUIRED);
                json.writeStringField("result", result(finding.outcome()));
                json.writeStringField("detail", finding.outcome().detail());
                json.writeStringField("lost", finding.lost());
                json.writeStringField("cure", finding.cure());
                json.writeEndObject();
            }
            json.writeEndArray();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return text + "\n";
    }

    private static String result(Outcome outcome) {
        return switch (outcome) {
            case Outcome.Works _ -> "works";
            case Outcome.Missing _ -> "missing";
            case Outcome.Untried _ -> "untried";
            case Outcome.NotNeeded _ -> "not needed";
        };
    }
}
