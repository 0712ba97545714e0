package io.portafilter.cgroup;

import java.util.HashMap;
import java.util.Map;

/** Control files of lines {@code key value}, such as {@code memory.events}. */
final class KeyedValues {
    private KeyedValues() {}

    /** The number behind a key, 0 when the key is missing. */
    static long get(String text, String key) {
        return parse(text).getOrDefault(key, 0L);
    }

    /** All keys with their numbers; a line of another form is left out. */
    static Map<String, Long> parse(String text) {
        Map<String, Long> values = new HashMap<>();
        text.lines().forEach(line -> {
            int blank = line.indexOf(' ');
            if (blank > 0 && line.indexOf(' ', blank + 1) < 0) {
                values.put(line.substring(0, blank), Long.parseLong(line.substring(blank + 1)));
            }
        });
        return values;
    }
}
