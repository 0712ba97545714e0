package io.portafilter.cri;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Map;

/** The JSON texts in verbose answers, which crictl parses. */
final class VerboseInfo {

    private static final JsonFactory JSON = new JsonFactory();

    private VerboseInfo() {}

    /** An object of texts, numbers, booleans and objects of these. */
    static String json(Map<String, ?> fields) {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = JSON.createGenerator(text)) {
            write(json, fields);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return text.toString();
    }

    private static void write(JsonGenerator json, Map<?, ?> fields) throws IOException {
        json.writeStartObject();
        for (Map.Entry<?, ?> field : fields.entrySet()) {
            json.writeFieldName(String.valueOf(field.getKey()));
            switch (field.getValue()) {
                case Map<?, ?> object -> write(json, object);
                case Boolean value -> json.writeBoolean(value);
                case Integer value -> json.writeNumber(value);
                case Long value -> json.writeNumber(value);
                case RawJson raw -> json.writeRawValue(raw.text());
                case List<?> values -> {
                    json.writeStartArray();
                    for (Object value : values) {
                        json.writeString(String.valueOf(value));
                    }
                    json.writeEndArray();
                }
                default -> json.writeString(String.valueOf(field.getValue()));
            }
        }
        json.writeEndObject();
    }

    /** Text that is JSON already. */
    record RawJson(String text) {}
}
