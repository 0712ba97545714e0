package io.portafilter.security;

import java.util.regex.Pattern;

/**
 * User and group ids as requests and account files write them.
 *
 * <p>Whatever looks like a number is one: it is never looked up as a name (CVE-2026-46680), and it is refused when it
 * is out of range instead of being cut to 32 bits (CVE-2024-40635).
 */
final class AccountId {

    /** The largest id that a container may ask for. */
    static final long MAX = Integer.MAX_VALUE;

    private static final Pattern NUMBER = Pattern.compile("[+-]?[0-9]+");
    private static final int DECIMAL_DIGITS_OF_LONG = 18;

    private AccountId() {}

    /** Whether the text is a number, with or without a sign, however large. */
    static boolean isNumber(String text) {
        return NUMBER.matcher(text).matches();
    }

    /** The id that the text, a number, stands for; refuses a sign and a value out of range. */
    static long parse(String field, String text) {
        if (!isNumber(text) || text.charAt(0) == '+' || text.charAt(0) == '-') {
            throw outOfRange(field, text);
        }
        String digits = text.replaceFirst("^0+(?=.)", "");
        if (digits.length() > DECIMAL_DIGITS_OF_LONG) {
            throw outOfRange(field, text);
        }
        return require(field, Long.parseLong(digits));
    }

    /** The id itself, refused when it is out of range. */
    static long require(String field, long id) {
        if (id < 0 || id > MAX) {
            throw outOfRange(field, Long.toString(id));
        }
        return id;
    }

    private static SecurityRefusal outOfRange(String field, String text) {
        return new SecurityRefusal(
                field, "the id " + shortened(text) + " is out of range", "give a number from 0 to " + MAX);
    }

    /** Foreign text for a message, at most 64 characters of it. */
    static String shortened(String text) {
        String printable = text.replaceAll("\\p{Cntrl}", "?");
        return printable.length() <= 64 ? printable : printable.substring(0, 64) + "...";
    }
}
