package io.portafilter.image;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A JSON document as a tree. Manifests and configurations are small and bounded before they are read; a member that is
 * named twice is refused, for two readers could see two different images.
 */
sealed interface JsonValue {
    /** An object; members keep their order. */
    record Members(Map<String, JsonValue> members) implements JsonValue {}

    record Items(List<JsonValue> items) implements JsonValue {}

    record Text(String text) implements JsonValue {}

    record Whole(long number) implements JsonValue {}

    /** A boolean, null, or a number that is no 64-bit integer: nothing here reads one. */
    record Other(String text) implements JsonValue {}

    /** Bounds the memory that a hostile document takes: real ones have some hundreds of values. */
    int MAX_VALUES = 100_000;

    JsonFactory FACTORY = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    /**
     * Reads one document.
     *
     * @param what names it in the error, such as {@code manifest of docker.io/library/busybox:latest}
     * @throws ImageException of kind INVALID_IMAGE when it is not JSON
     */
    static JsonValue parse(byte[] document, String what) {
        try (JsonParser parser = FACTORY.createParser(document)) {
            if (parser.nextToken() == null) {
                throw ImageException.invalid("the " + what + " is empty");
            }
            JsonValue value = read(parser, new Budget(what));
            if (parser.nextToken() != null) {
                throw ImageException.invalid("the " + what + " has more text after its end");
            }
            return value;
        } catch (JsonProcessingException e) {
            throw new ImageException(
                    ImageException.Kind.INVALID_IMAGE, "the " + what + " is not JSON: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new IllegalStateException("reading from memory", e);
        }
    }

    /** Counts the values of a document. */
    final class Budget {
        private final String what;
        private int left = MAX_VALUES;

        Budget(String what) {
            this.what = what;
        }

        private void spend() {
            if (--left < 0) {
                throw ImageException.invalid("the " + what + " has more than " + MAX_VALUES + " values");
            }
        }
    }

    private static JsonValue read(JsonParser parser, Budget budget) throws IOException {
        budget.spend();
        JsonToken token = parser.currentToken();
        if (token == JsonToken.START_OBJECT) {
            Map<String, JsonValue> members = new LinkedHashMap<>();
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String name = parser.currentName();
                if (parser.nextToken() == null) {
                    throw new IOException("end of input inside an object");
                }
                members.put(name, read(parser, budget));
            }
            return new Members(members);
        }
        if (token == JsonToken.START_ARRAY) {
            List<JsonValue> items = new ArrayList<>();
            while (parser.nextToken() != JsonToken.END_ARRAY) {
                items.add(read(parser, budget));
            }
            return new Items(items);
        }
        if (token == JsonToken.VALUE_STRING) {
            return new Text(parser.getText());
        }
        if (token == JsonToken.VALUE_NUMBER_INT && parser.getNumberType() != JsonParser.NumberType.BIG_INTEGER) {
            return new Whole(parser.getLongValue());
        }
        return new Other(parser.getText());
    }

    /** The member of this object; empty when this is no object, or has no such member, or it is null. */
    default Optional<JsonValue> member(String name) {
        return this instanceof Members(Map<String, JsonValue> members)
                ? Optional.ofNullable(members.get(name))
                        .filter(value -> !(value instanceof Other(String text) && text.equals("null")))
                : Optional.empty();
    }

    /** The member as text; empty also when it is something else. */
    default Optional<String> text(String name) {
        return member(name).flatMap(value -> value instanceof Text(String text) ? Optional.of(text) : Optional.empty());
    }

    default Optional<Long> whole(String name) {
        return member(name)
                .flatMap(value -> value instanceof Whole(long number) ? Optional.of(number) : Optional.empty());
    }

    /** The items of the member; none when it is absent or no array. */
    default List<JsonValue> items(String name) {
        return member(name)
                .map(value -> value instanceof Items(List<JsonValue> items) ? items : List.<JsonValue>of())
                .orElse(List.of());
    }

    /** The texts in the member's array; what is not text is left out. */
    default List<String> texts(String name) {
        return items(name).stream()
                .<String>mapMulti((value, next) -> {
                    if (value instanceof Text(String text)) {
                        next.accept(text);
                    }
                })
                .toList();
    }

    /** The textual members of the member, which is an object. */
    default Map<String, String> textMap(String name) {
        Map<String, String> found = new LinkedHashMap<>();
        if (member(name).orElse(this) instanceof Members(Map<String, JsonValue> members)
                && member(name).isPresent()) {
            members.forEach((key, value) -> {
                if (value instanceof Text(String text)) {
                    found.put(key, text);
                }
            });
        }
        return found;
    }

    /** The names of the member's own members. */
    default List<String> names(String name) {
        return member(name)
                .map(value -> value instanceof Members(Map<String, JsonValue> members)
                        ? List.copyOf(members.keySet())
                        : List.<String>of())
                .orElse(List.of());
    }
}
