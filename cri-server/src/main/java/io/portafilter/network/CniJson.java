package io.portafilter.network;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * JSON as trees of maps, lists, texts, numbers, truths and {@link Null}: a configuration is handed on to plugins with
 * every member that nobody here knows, and with its numbers as they were written.
 */
final class CniJson {

    private static final JsonFactory FACTORY = new JsonFactory();

    /** JSON's null, which a map of this language had better not hold. */
    enum Null {
        NULL
    }

    /** What is no JSON, or not of the shape that is needed. */
    static final class Malformed extends Exception {
        private static final long serialVersionUID = 1L;

        Malformed(String message) {
            super(message);
        }
    }

    private CniJson() {}

    /** The object that the text consists of. */
    static Map<String, Object> object(byte[] text) throws Malformed {
        try (JsonParser parser = FACTORY.createParser(text)) {
            if (parser.nextToken() == null) {
                throw new Malformed("is empty");
            }
            Object value = value(parser);
            if (parser.nextToken() != null) {
                throw new Malformed("has more text after its end, at "
                        + at(parser.currentLocation().getLineNr()));
            }
            return asObject(value).orElseThrow(() -> new Malformed("is no JSON object"));
        } catch (JsonProcessingException e) {
            throw new Malformed("is no JSON: " + firstLine(e.getOriginalMessage()) + ", at "
                    + at(e.getLocation() == null ? 0 : e.getLocation().getLineNr()));
        } catch (IOException e) {
            throw new IllegalStateException("reading from memory", e);
        }
    }

    private static String at(int line) {
        return "line " + line;
    }

    private static String firstLine(String message) {
        return message.lines().findFirst().orElse("");
    }

    private static Object value(JsonParser parser) throws IOException {
        return switch (parser.currentToken()) {
            case START_OBJECT -> {
                Map<String, Object> members = new LinkedHashMap<>();
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String name = parser.currentName();
                    var _ = parser.nextToken();
                    members.put(name, value(parser));
                }
                yield members;
            }
            case START_ARRAY -> {
                List<Object> items = new ArrayList<>();
                while (parser.nextToken() != JsonToken.END_ARRAY) {
                    items.add(value(parser));
                }
                yield items;
            }
            case VALUE_STRING -> parser.getText();
            case VALUE_NUMBER_INT -> parser.getBigIntegerValue();
            case VALUE_NUMBER_FLOAT -> parser.getDecimalValue();
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            default -> Null.NULL;
        };
    }

    static byte[] bytes(Object value) {
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        try (JsonGenerator generator = FACTORY.createGenerator(text)) {
            write(generator, value);
        } catch (IOException e) {
            throw new IllegalStateException("writing to memory", e);
        }
        return text.toByteArray();
    }

    static String text(Object value) {
        return new String(bytes(value), StandardCharsets.UTF_8);
    }

    private static void write(JsonGenerator generator, Object value) throws IOException {
        switch (value) {
            case Map<?, ?> members -> {
                generator.writeStartObject();
                for (Map.Entry<?, ?> member : members.entrySet()) {
                    generator.writeFieldName(String.valueOf(member.getKey()));
                    write(generator, member.getValue());
                }
                generator.writeEndObject();
            }
            case List<?> items -> {
                generator.writeStartArray();
                for (Object item : items) {
                    write(generator, item);
                }
                generator.writeEndArray();
            }
            case String text -> generator.writeString(text);
            case BigInteger number -> generator.writeNumber(number);
            case BigDecimal number -> generator.writeNumber(number);
            case Integer number -> generator.writeNumber(number);
            case Long number -> generator.writeNumber(number);
            case Boolean truth -> generator.writeBoolean(truth);
            case Null _ -> generator.writeNull();
            default -> throw new IllegalArgumentException("no JSON: " + value.getClass());
        }
    }

    /** The member if it is an object. */
    static Optional<Map<String, Object>> objectAt(Map<String, Object> members, String name) {
        return Optional.ofNullable(members.get(name)).flatMap(CniJson::asObject);
    }

    static Optional<Map<String, Object>> asObject(Object value) {
        if (!(value instanceof Map<?, ?> map)) {
            return Optional.empty();
        }
        Map<String, Object> members = new LinkedHashMap<>();
        map.forEach((name, member) -> members.put(String.valueOf(name), member));
        return Optional.of(members);
    }

    /** The items that are objects, of the member if it is a list. */
    static List<Map<String, Object>> objectsAt(Map<String, Object> members, String name) {
        return itemsAt(members, name).stream()
                .flatMap(item -> asObject(item).stream())
                .toList();
    }

    static List<Object> itemsAt(Map<String, Object> members, String name) {
        return members.get(name) instanceof List<?> list ? List.copyOf(list) : List.of();
    }

    /** The member if it is a text, else the empty one. */
    static String textAt(Map<String, Object> members, String name) {
        return members.get(name) instanceof String text ? text : "";
    }

    static boolean isTrueAt(Map<String, Object> members, String name) {
        return Boolean.TRUE.equals(members.get(name));
    }
}
