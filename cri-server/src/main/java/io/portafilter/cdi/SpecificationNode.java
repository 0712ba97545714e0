package io.portafilter.cdi;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeSet;

/**
 * An object of a specification. Every field that it has must be asked for before {@link #done}: an unknown one could be a
 * restriction that nobody here knows.
 */
final class SpecificationNode {

    private static final int OCTAL = 8;
    private static final int HEXADECIMAL = 16;

    private final String at;
    private final Map<String, Object> fields = new LinkedHashMap<>();
    private final Set<String> known = new TreeSet<>();

    private SpecificationNode(String at, Map<?, ?> map) {
        this.at = at;
        map.forEach((key, field) -> {
            if (field != null) {
                fields.put(String.valueOf(key), field);
            }
        });
    }

    /**
     * The value as an object.
     *
     * @param at where it is, such as {@code devices[0].containerEdits}, empty for the whole
     */
    static SpecificationNode of(String at, Object value) {
        if (!(value instanceof Map<?, ?> map)) {
            throw new CdiException((at.isEmpty() ? "the file" : at) + " is no object");
        }
        return new SpecificationNode(at, map);
    }

    String at() {
        return at;
    }

    private String place(String field) {
        return at.isEmpty() ? field : at + "." + field;
    }

    private Optional<Object> value(String field) {
        known.add(field);
        return Optional.ofNullable(fields.get(field));
    }

    /** Refuses fields that nobody asked for. */
    void done() {
        Set<String> unknown = new TreeSet<>(fields.keySet());
        unknown.removeAll(known);
        if (!unknown.isEmpty()) {
            throw new CdiException(place(unknown.iterator().next()) + " is no field; there are " + known);
        }
    }

    boolean has(String field) {
        return value(field).isPresent();
    }

    Optional<String> text(String field) {
        return value(field).map(value -> text(place(field), value));
    }

    private static String text(String place, Object value) {
        if (!(value instanceof String text)) {
            throw new CdiException(place + " is no text: put it in quotes");
        }
        if (text.indexOf('\0') >= 0) {
            throw new CdiException(place + " holds a NUL character");
        }
        return text;
    }

    String required(String field) {
        return text(field)
                .filter(text -> !text.isEmpty())
                .orElseThrow(() -> new CdiException(place(field) + " is missing or empty"));
    }

    /** A whole number within bounds; YAML's octal and hexadecimal spellings too. */
    OptionalLong number(String field, long least, long most) {
        Optional<Object> value = value(field);
        if (value.isEmpty()) {
            return OptionalLong.empty();
        }
        return OptionalLong.of(number(place(field), value.get(), least, most));
    }

    private static long number(String place, Object value, long least, long most) {
        long number = switch (value) {
            case Integer small -> small;
            case Long large -> large;
            case String text
            when text.matches("0o?[0-7]{1,20}") -> Long.parseLong(text.substring(text.startsWith("0o") ? 2 : 1), OCTAL);
            case String text when text.matches("0x[0-9A-Fa-f]{1,15}") -> Long.parseLong(text.substring(2), HEXADECIMAL);
            default -> throw new CdiException(place + " is no whole number: " + value);
        };
        if (number < least || number > most) {
            throw new CdiException(place + " is " + number + "; " + least + " to " + most + " was expected");
        }
        return number;
    }

    boolean truth(String field) {
        return value(field)
                .map(value -> {
                    if (!(value instanceof Boolean truth)) {
                        throw new CdiException(place(field) + " is neither true nor false");
                    }
                    return truth;
                })
                .orElse(false);
    }

    private List<?> list(String field) {
        return value(field)
                .<List<?>>map(value -> {
                    if (!(value instanceof List<?> list)) {
                        throw new CdiException(place(field) + " is no list");
                    }
                    return list;
                })
                .orElse(List.of());
    }

    List<String> texts(String field) {
        List<String> texts = new ArrayList<>();
        List<?> list = list(field);
        for (int i = 0; i < list.size(); i++) {
            texts.add(text(place(field) + "[" + i + "]", list.get(i)));
        }
        return texts;
    }

    List<Long> numbers(String field, long least, long most) {
        List<Long> numbers = new ArrayList<>();
        List<?> list = list(field);
        for (int i = 0; i < list.size(); i++) {
            numbers.add(number(place(field) + "[" + i + "]", list.get(i), least, most));
        }
        return numbers;
    }

    /** {@code NAME=VALUE} each. */
    List<String> environment(String field) {
        List<String> variables = texts(field);
        for (int i = 0; i < variables.size(); i++) {
            if (variables.get(i).indexOf('=') <= 0) {
                throw new CdiException(place(field) + "[" + i + "] is not NAME=VALUE: \"" + variables.get(i) + '"');
            }
        }
        return variables;
    }

    Optional<SpecificationNode> object(String field) {
        return value(field).map(value -> of(place(field), value));
    }

    List<SpecificationNode> objects(String field) {
        List<SpecificationNode> objects = new ArrayList<>();
        List<?> list = list(field);
        for (int i = 0; i < list.size(); i++) {
            objects.add(of(place(field) + "[" + i + "]", list.get(i)));
        }
        return objects;
    }

    /** Texts by name, which mean nothing here: whether there are any. */
    boolean annotations(String field) {
        Optional<SpecificationNode> annotations = object(field);
        annotations.ifPresent(each -> each.fields.forEach((key, value) -> {
            var _ = text(each.place(key), value);
        }));
        return annotations.filter(each -> !each.fields.isEmpty()).isPresent();
    }
}
