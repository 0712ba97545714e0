package io.portafilter.security;

import java.util.List;
import java.util.Locale;

/**
 * One fact of a plan for people.
 *
 * @param name what kind of fact, at most 16 characters
 * @param subject which of several facts of that kind, such as the path of a mount; empty where there is but one
 * @param value what holds; of a list the items, separated by {@code ", "}, or {@code none}
 * @param isList whether the value is a list
 */
public record PlanLine(String name, String subject, String value, boolean isList) {

    private static final String NONE = "none";

    /** The only fact of its kind. */
    public static PlanLine of(String name, String value) {
        return new PlanLine(name, "", value, false);
    }

    /** One of several facts of a kind. */
    public static PlanLine about(String name, String subject, String value) {
        return new PlanLine(name, subject, value, false);
    }

    /** A fact that is a list. */
    public static PlanLine list(String name, List<String> items) {
        return new PlanLine(name, "", items.isEmpty() ? NONE : String.join(", ", items), true);
    }

    /** The items of a list, one for any other fact. */
    public List<String> items() {
        return isList && value.equals(NONE) ? List.of() : isList ? List.of(value.split(", ")) : List.of(value);
    }

    /** Subject and value. */
    public String fact() {
        return subject.isEmpty() ? value : subject + " " + value;
    }

    /** Name and fact, in two columns. */
    @Override
    public String toString() {
        return String.format(Locale.ROOT, "%-16s %s", name, fact());
    }
}
