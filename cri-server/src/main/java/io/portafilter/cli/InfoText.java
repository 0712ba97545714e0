package io.portafilter.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.portafilter.cri.v1.ContainerStatusResponse;
import java.io.IOException;
import java.io.UncheckedIOException;

/** The plan and program of a container, out of the JSON in a verbose ContainerStatus. */
final class InfoText {
    private InfoText() {}

    /** Both as text. */
    static String of(String id, ContainerStatusResponse status) {
        StringBuilder text = new StringBuilder("container ")
                .append(status.getStatus().getMetadata().getName())
                .append(", ")
                .append(id)
                .append('\n');
        StringBuilder program = new StringBuilder();
        try (JsonParser json = new JsonFactory().createParser(status.getInfoOrDefault("info", "{}"))) {
            while (json.nextToken() != null) {
                if (json.currentToken() != JsonToken.FIELD_NAME) {
                    continue;
                }
                switch (json.currentName()) {
                    case "securityPlan" -> {
                        boolean _ = json.nextToken() == JsonToken.START_ARRAY;
                        while (json.nextToken() == JsonToken.VALUE_STRING) {
                            text.append("  ").append(json.getText()).append('\n');
                        }
                    }
                    case "launchProgram" -> {
                        if (json.nextToken() == JsonToken.VALUE_STRING) {
                            json.getText()
                                    .lines()
                                    .forEach(line ->
                                            program.append("  ").append(line).append('\n'));
                        }
                    }
                    default -> {
                        // of no interest here
                    }
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e); // read from memory
        }
        if (program.isEmpty()) {
            return text + "  its program is not known: it ended, or an earlier server started it\n";
        }
        return text.append("\n  program\n").append(program).toString();
    }
}
