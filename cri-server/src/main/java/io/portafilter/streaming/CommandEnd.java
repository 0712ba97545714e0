package io.portafilter.streaming;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.portafilter.container.ExitRecord;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.Optional;

/**
 * How an exec or attach ended, as its client is told on the error stream: from v4 on a {@code metav1.Status} in JSON,
 * before a text, and nothing on success.
 */
sealed interface CommandEnd {

    JsonFactory JSON = new JsonFactory();

    /** The program ended with 0, or what was attached to has ended. */
    record Success() implements CommandEnd {}

    /** The program ended otherwise. */
    record ExitCode(int code) implements CommandEnd {}

    /** It could not be run, or its end is not known. */
    record Trouble(String message) implements CommandEnd {}

    /** The end of a program. */
    static CommandEnd of(Optional<ExitRecord> exit) {
        if (exit.isEmpty()) {
            return new Trouble("the command was killed together with its monitor");
        }
        int code = exit.get().code();
        return code == 0 ? new Success() : new ExitCode(code);
    }

    /** Before v4; empty: nothing is written. */
    default String text() {
        return switch (this) {
            case Success() -> "";
            case ExitCode(int code) -> "command terminated with non-zero exit code: " + code;
            case Trouble(String message) -> message;
        };
    }

    /** From v4 on: {@code k8s.io/apimachinery/pkg/apis/meta/v1.Status}, with the reason that clients look for. */
    default String json() {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = JSON.createGenerator(text)) {
            json.writeStartObject();
            json.writeObjectFieldStart("metadata");
            json.writeEndObject();
            switch (this) {
                case Success() -> json.writeStringField("status", "Success");
                case ExitCode(int code) -> {
                    json.writeStringField("status", "Failure");
                    json.writeStringField("message", text());
                    json.writeStringField("reason", "NonZeroExitCode");
                    writeCause(json, "ExitCode", Integer.toString(code));
                }
                case Trouble(String message) -> {
                    json.writeStringField("status", "Failure");
                    json.writeStringField("message", "Internal error occurred: " + message);
                    json.writeStringField("reason", "InternalError");
                    writeCause(json, "", message);
                    json.writeNumberField("code", 500);
                }
            }
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return text.toString();
    }

    private static void writeCause(JsonGenerator json, String reason, String message) throws IOException {
        json.writeObjectFieldStart("details");
        json.writeArrayFieldStart("causes");
        json.writeStartObject();
        if (!reason.isEmpty()) {
            json.writeStringField("reason", reason);
        }
        json.writeStringField("message", message);
        json.writeEndObject();
        json.writeEndArray();
        json.writeEndObject();
    }
}
