package io.portafilter.security;

import java.util.BitSet;
import java.util.Optional;
import java.util.StringJoiner;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Levels of SELinux labels in the one spelling that the kernel gives them ({@code mls_sid_to_context} in
 * security/selinux/ss/mls.c): the same categories are the same text, and what a process is found to have can be compared
 * with what it was to have.
 */
public final class SelinuxLevel {

    private static final Pattern SENSITIVITIES = Pattern.compile("s(\\d{1,2})(?:-s(\\d{1,2}))?");

    private static final Pattern CATEGORIES = Pattern.compile("c(\\d{1,4})(?:\\.c(\\d{1,4}))?");

    /** All 1024 categories fit, one by one. */
    private static final int LONGEST = 8192;

    private static final int FEWEST_OF_A_RANGE = 3;

    private SelinuxLevel() {}

    /**
     * A level of the form {@code sN[-sN][:cN(.cN)(,cN)...]} as the kernel writes it.
     *
     * @return absent for a text that is no level: the kernel would refuse it too
     */
    public static Optional<String> canonical(String level) {
        if (level.length() > LONGEST) {
            return Optional.empty();
        }
        int colon = level.indexOf(':');
        Matcher sensitivities = SENSITIVITIES.matcher(colon < 0 ? level : level.substring(0, colon));
        if (!sensitivities.matches()) {
            return Optional.empty();
        }
        int low = Integer.parseInt(sensitivities.group(1));
        Optional<Integer> end = Optional.ofNullable(sensitivities.group(2)).map(Integer::parseInt);
        int high = end.orElse(low);
        Optional<BitSet> found = colon < 0 ? Optional.of(new BitSet()) : categories(level.substring(colon + 1));
        if (high < low || found.isEmpty()) {
            return Optional.empty();
        }
        BitSet categories = found.get();
        // of a range, the low end has no categories: with none at the high end either, s0-s0 is s0
        boolean isRange = end.isPresent() && (high > low || !categories.isEmpty());
        return Optional.of(
                "s" + low + (isRange ? "-s" + high : "") + (categories.isEmpty() ? "" : ":" + text(categories)));
    }

    /** Absent for a text that is no list of categories; a range that ends before it begins is none. */
    private static Optional<BitSet> categories(String text) {
        BitSet found = new BitSet();
        for (String part : text.split(",", -1)) {
            Matcher ends = CATEGORIES.matcher(part);
            if (!ends.matches()) {
                return Optional.empty();
            }
            int first = Integer.parseInt(ends.group(1));
            int last = Optional.ofNullable(ends.group(2)).map(Integer::parseInt).orElse(first);
            if (last < first) {
                return Optional.empty();
            }
            found.set(first, last + 1);
        }
        return Optional.of(found);
    }

    private static String text(BitSet categories) {
        StringJoiner text = new StringJoiner(",");
        int first = categories.nextSetBit(0);
        while (first >= 0) {
            int end = categories.nextClearBit(first);
            if (end - first >= FEWEST_OF_A_RANGE) {
                text.add("c" + first + ".c" + (end - 1));
            } else {
                for (int category = first; category < end; category++) {
                    text.add("c" + category);
                }
            }
            first = categories.nextSetBit(end);
        }
        return text.toString();
    }
}
