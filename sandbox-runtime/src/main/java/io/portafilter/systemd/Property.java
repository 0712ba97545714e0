package io.portafilter.systemd;

import java.util.List;
import java.util.stream.Stream;

/** A property of a unit by its name on D-Bus (org.freedesktop.systemd1(5)), and its value of the type that it has there. */
public record Property(String name, Value value) {
    /** Infinity, for limits. */
    public static final long INFINITY = -1;

    /** A value; what it is on the wire is behind the colon. */
    public sealed interface Value {
        /** A text: {@code s}. */
        record Text(String text) implements Value {}

        /** Yes or no: {@code b}. */
        record Flag(boolean set) implements Value {}

        /** An unsigned number: {@code t}. */
        record Count(long number) implements Value {}

        /** Process ids: {@code au}. */
        record Pids(List<Integer> pids) implements Value {
            public Pids {
                pids = List.copyOf(pids);
            }
        }

        /** A set of small numbers, a bit each, the lowest first: {@code ay}. */
        record BitSet(List<Byte> bytes) implements Value {
            public BitSet {
                bytes = List.copyOf(bytes);
            }
        }
    }

    static Property of(String name, String text) {
        return new Property(name, new Value.Text(text));
    }

    static Property of(String name, boolean set) {
        return new Property(name, new Value.Flag(set));
    }

    /** A number, in the unit that the property's documentation tells. */
    public static Property of(String name, long number) {
        return new Property(name, new Value.Count(number));
    }

    /** The same property with the value that {@link BusReader#variant} reads as this text. */
    Property of(String text) {
        return new Property(
                name,
                switch (value) {
                    case Value.Text _ -> new Value.Text(text);
                    case Value.Flag _ -> new Value.Flag(Boolean.parseBoolean(text));
                    case Value.Count _ -> new Value.Count(Long.parseUnsignedLong(text));
                    case Value.Pids _ ->
                        new Value.Pids(numbers(text).map(Integer::valueOf).toList());
                    case Value.BitSet _ ->
                        new Value.BitSet(numbers(text)
                                .map(number -> (byte) Integer.parseInt(number))
                                .toList());
                });
    }

    private static Stream<String> numbers(String text) {
        return text.isEmpty() ? Stream.empty() : Stream.of(text.split(" "));
    }

    /** Processors or memory nodes, from the kernel's list format, such as {@code 0-2,7}. */
    public static Property ofList(String name, String list) {
        java.util.BitSet set = new java.util.BitSet();
        for (String range : list.split(",")) {
            String[] ends = range.split("-", 2);
            int first = Integer.parseInt(ends[0]);
            int last = ends.length == 2 ? Integer.parseInt(ends[1]) : first;
            if (last > MOST_IN_A_LIST) {
                throw new SystemdException(name + " \"" + list + "\": numbers up to " + MOST_IN_A_LIST + " are known");
            }
            set.set(first, last + 1);
        }
        List<Byte> bytes = new java.util.ArrayList<>();
        for (byte each : set.toByteArray()) {
            bytes.add(each);
        }
        return new Property(name, new Value.BitSet(bytes));
    }

    /** More processors than Linux can have. */
    private static final int MOST_IN_A_LIST = 8191;
}
