package io.portafilter.linux;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.StringJoiner;

/**
 * A set of capabilities as the kernel keeps it: a bit for each number. Bits without a name here (a kernel newer than the
 * table) are kept and print as {@code CAP_NN}.
 *
 * @param mask bit n stands for the capability with number n
 */
public record CapabilitySet(long mask) {

    public static final CapabilitySet EMPTY = new CapabilitySet(0);

    public static CapabilitySet of(Capability... capabilities) {
        return of(List.of(capabilities));
    }

    public static CapabilitySet of(Collection<Capability> capabilities) {
        long mask = 0;
        for (Capability capability : capabilities) {
            mask |= capability.mask();
        }
        return new CapabilitySet(mask);
    }

    /** All capabilities up to this number, which {@code /proc/sys/kernel/cap_last_cap} names. */
    public static CapabilitySet upTo(int lastNumber) {
        if (lastNumber < 0 || lastNumber > 62) {
            throw new IllegalArgumentException("no last capability: " + lastNumber);
        }
        return new CapabilitySet((1L << (lastNumber + 1)) - 1);
    }

    /** As {@code /proc/PID/status} writes it: hexadecimal digits. */
    public static CapabilitySet parse(String hexadecimal) {
        return new CapabilitySet(Long.parseUnsignedLong(hexadecimal, 16));
    }

    public boolean contains(Capability capability) {
        return (mask & capability.mask()) != 0;
    }

    /** Whether it holds all that the other holds. */
    public boolean containsAll(CapabilitySet other) {
        return (other.mask & ~mask) == 0;
    }

    public boolean isEmpty() {
        return mask == 0;
    }

    public CapabilitySet plus(Capability capability) {
        return new CapabilitySet(mask | capability.mask());
    }

    public CapabilitySet plus(CapabilitySet other) {
        return new CapabilitySet(mask | other.mask);
    }

    public CapabilitySet minus(Capability capability) {
        return new CapabilitySet(mask & ~capability.mask());
    }

    public CapabilitySet minus(CapabilitySet other) {
        return new CapabilitySet(mask & ~other.mask);
    }

    public CapabilitySet intersect(CapabilitySet other) {
        return new CapabilitySet(mask & other.mask);
    }

    /** The numbers in the set, ascending, named or not. */
    public List<Integer> numbers() {
        List<Integer> numbers = new ArrayList<>();
        for (long rest = mask; rest != 0; rest &= rest - 1) {
            numbers.add(Long.numberOfTrailingZeros(rest));
        }
        return numbers;
    }

    /** The names without prefix, by number: {@code CHOWN, NET_BIND_SERVICE}; {@code none} for the empty set. */
    @Override
    public String toString() {
        if (mask == 0) {
            return "none";
        }
        StringJoiner names = new StringJoiner(", ");
        for (int number : numbers()) {
            names.add(Capability.ofNumber(number).map(Capability::shortName).orElse("CAP_" + number));
        }
        return names.toString();
    }
}
