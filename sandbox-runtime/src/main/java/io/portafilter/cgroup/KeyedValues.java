package io.portafilter.cgroup;

/** Control files of lines {@code key value}, such as {@code memory.events}. */
final class KeyedValues {
    private KeyedValues() {}

    /** The number behind a key, 0 when the key is missing. */
    static long get(String text, String key) {
        return text.lines()
                .map(line -> line.split(" ", 2))
                .filter(words -> words.length == 2 && words[0].equals(key))
                .mapToLong(words -> Long.parseLong(words[1].strip()))
                .findFirst()
                .orElse(0);
    }
}
