package io.portafilter.state;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Lists and maps of strings in one column. */
final class JsonText {
    private static final JsonFactory JSON = new JsonFactory();

    private JsonText() {}

    static String of(List<String> list) throws IOException {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = JSON.createGenerator(text)) {
            json.writeStartArray();
            for (String item : list) {
                json.writeString(item);
            }
            json.writeEndArray();
        }
        return text.toString();
    }

    static String of(Map<String, String> map) throws IOException {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = JSON.createGenerator(text)) {
            json.writeStartObject();
            for (Map.Entry<String, String> entry : new TreeMap<>(map).entrySet()) {
                json.writeStringField(entry.getKey(), entry.getValue());
            }
            json.writeEndObject();
        }
        return text.toString();
    }

    static List<String> list(String text) throws IOException {
        List<String> list = new ArrayList<>();
        try (JsonParser json = JSON.createParser(text)) {
            expect(json.nextToken(), JsonToken.START_ARRAY, text);
            while (json.nextToken() == JsonToken.VALUE_STRING) {
                list.add(json.getText());
            }
            expect(json.currentToken(), JsonToken.END_ARRAY, text);
        }
        return list;
    }

    static Map<String, String> map(String text) throws IOException {
        Map<String, String> map = new LinkedHashMap<>();
        try (JsonParser json = JSON.createParser(text)) {
            expect(json.nextToken(), JsonToken.START_OBJECT, text);
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String key = json.currentName();
                expect(json.nextToken(), JsonToken.VALUE_STRING, text);
                map.put(key, json.getText());
            }
            expect(json.currentToken(), JsonToken.END_OBJECT, text);
        }
        return map;
    }

    private static void expect(JsonToken found, JsonToken expected, String text) throws IOException {
        if (found != expected) {
            throw new IOException("a record's column holds " + text + ", " + expected + " was expected");
        }
    }
}
