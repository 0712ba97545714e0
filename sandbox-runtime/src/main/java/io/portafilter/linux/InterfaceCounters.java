package io.portafilter.linux;

import java.util.ArrayList;
import java.util.List;

/**
 * What went through a network interface, as a line of {@code /proc/PID/net/dev} counts it. The name is whatever an
 * administrator of that network namespace gave it.
 */
public record InterfaceCounters(String name, Traffic received, Traffic sent) {

    /** What went one way since the interface was made. */
    public record Traffic(long bytes, long packets, long errors, long dropped) {}

    private static final int NUMBERS = 16;

    /** Where the numbers of what was sent begin. */
    private static final int SENT = 8;

    /** The interfaces in the order of the file; a line of another form is left out, as the two of the header are. */
    public static List<InterfaceCounters> parse(String text) {
        List<InterfaceCounters> interfaces = new ArrayList<>();
        for (String line : text.split("\n")) {
            // no name has a colon (dev_valid_name)
            int colon = line.indexOf(':');
            String[] numbers = line.substring(colon + 1).strip().split(" +");
            if (colon > 0 && numbers.length >= NUMBERS && numbers[0].matches("\\d+")) {
                interfaces.add(new InterfaceCounters(
                        line.substring(0, colon).stripLeading(), traffic(numbers, 0), traffic(numbers, SENT)));
            }
        }
        return interfaces;
    }

    private static Traffic traffic(String[] numbers, int from) {
        return new Traffic(
                Long.parseUnsignedLong(numbers[from]),
                Long.parseUnsignedLong(numbers[from + 1]),
                Long.parseUnsignedLong(numbers[from + 2]),
                Long.parseUnsignedLong(numbers[from + 3]));
    }

    /** Whether it leads nowhere but back. */
    public boolean isLoopback() {
        return name.equals("lo");
    }
}
