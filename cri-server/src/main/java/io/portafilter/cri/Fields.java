package io.portafilter.cri;

import java.util.ArrayList;
import java.util.List;

/** Checks of single fields that several messages share; each refusal names the field, its value and the right form. */
final class Fields {

    /** The largest user or group id; a larger one would wrap or become a name (CVE-2024-40635, CVE-2026-46680). */
    static final long MAX_ID = Integer.MAX_VALUE;

    private Fields() {}

    /** A text that must say something and holds no control characters. */
    static String required(String field, String value) {
        if (value.isEmpty()) {
            throw CriException.invalid(field, "is empty", "give it a value");
        }
        return plain(field, value);
    }

    /** A text without control characters, empty or not. */
    static String plain(String field, String value) {
        if (value.chars().anyMatch(Character::isISOControl)) {
            throw CriException.invalid(field, CriException.shown(value) + " holds a control character", "leave it out");
        }
        return value;
    }

    /** An absolute path in its shortest spelling: no {@code //}, no {@code .}, no slash at the end. */
    static String absolutePath(String field, String value) {
        if (!value.startsWith("/")) {
            throw CriException.invalid(
                    field, CriException.shown(value) + " is no absolute path", "begin it with a slash");
        }
        return "/" + String.join("/", components(field, value));
    }

    /** A relative path that stays below where it starts, in its shortest spelling. */
    static String relativePath(String field, String value) {
        if (value.startsWith("/")) {
            throw CriException.invalid(
                    field, CriException.shown(value) + " is absolute", "give a path without a slash at its beginning");
        }
        return String.join("/", components(field, value));
    }

    private static List<String> components(String field, String value) {
        if (value.indexOf('\0') >= 0) {
            throw CriException.invalid(field, CriException.shown(value) + " holds a NUL character", "leave it out");
        }
        List<String> kept = new ArrayList<>();
        for (String component : value.split("/")) {
            if (component.equals("..")) {
                throw CriException.invalid(
                        field, CriException.shown(value) + " holds \"..\"", "give the path that is meant");
            }
            if (!component.isEmpty() && !component.equals(".")) {
                kept.add(component);
            }
        }
        return kept;
    }

    /** A number within bounds, both included. */
    static long inRange(String field, long value, long least, long most) {
        if (value < least || value > most) {
            throw CriException.invalid(field, value + " is out of range", "give " + least + " to " + most);
        }
        return value;
    }

    /** A list of so many entries. */
    static void atMost(String field, int count, int most) {
        if (count > most) {
            throw CriException.invalid(field, "has " + count + " entries", "give at most " + most);
        }
    }

    /** A user or group id. */
    static long id(String field, long value) {
        return inRange(field, value, 0, MAX_ID);
    }

    /** An enum value that this server does not know has no meaning here. */
    static void known(String field, boolean isKnown, int number) {
        if (!isKnown) {
            throw CriException.invalid(field, number + " is no value of this enumeration", "use one that CRI v1 names");
        }
    }
}
