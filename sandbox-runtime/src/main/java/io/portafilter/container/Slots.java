package io.portafilter.container;

import java.util.ArrayList;
import java.util.List;

/** The descriptors of a launch program, in order: the first is number 3. */
record Slots(List<Slot> order) {

    static final int FIRST = 3;

    Slots {
        order = List.copyOf(order);
    }

    /** The number that a descriptor has in the program's processes. */
    int number(Slot slot) {
        int index = order.indexOf(slot);
        if (index < 0) {
            throw new IllegalArgumentException("the program is not given " + slot);
        }
        return FIRST + index;
    }

    int number(Slot.Role role) {
        return number(Slot.of(role));
    }

    boolean has(Slot.Role role) {
        return order.contains(Slot.of(role));
    }

    int count(Slot.Role role) {
        return (int) order.stream().filter(slot -> slot.role() == role).count();
    }

    static final class Builder {
        private final List<Slot> order = new ArrayList<>();

        Builder add(Slot.Role... roles) {
            for (Slot.Role role : roles) {
                order.add(Slot.of(role));
            }
            return this;
        }

        Builder addAll(Slots slots) {
            order.addAll(slots.order());
            return this;
        }

        Builder addMany(Slot.Role role, int count) {
            for (int i = 0; i < count; i++) {
                order.add(Slot.of(role, i));
            }
            return this;
        }

        Builder addIf(boolean wanted, Slot.Role role) {
            return wanted ? add(role) : this;
        }

        Slots build() {
            return new Slots(order);
        }
    }
}
