package io.portafilter.container;

import io.portafilter.linux.Fd;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Descriptors for a launch, by slot. Owns those that it is told to close. */
final class Descriptors implements AutoCloseable {

    private final Map<Slot, Fd> bySlot = new HashMap<>();
    private final List<Fd> owned = new ArrayList<>();

    /** Puts a descriptor into a slot and closes it once the launch has its own copy. */
    Fd give(Slot slot, Fd descriptor) {
        owned.add(descriptor);
        lend(slot, descriptor);
        return descriptor;
    }

    Fd give(Slot.Role role, Fd descriptor) {
        return give(Slot.of(role), descriptor);
    }

    /** Puts a descriptor into a slot that stays its owner's. */
    void lend(Slot slot, Fd descriptor) {
        if (bySlot.put(slot, descriptor) != null) {
            throw new IllegalStateException("two descriptors for " + slot);
        }
    }

    /** The descriptor in a slot. */
    Fd at(Slot slot) {
        Fd descriptor = bySlot.get(slot);
        if (descriptor == null) {
            throw new IllegalStateException("no descriptor for " + slot);
        }
        return descriptor;
    }

    /** All descriptors in the order that a program expects. */
    List<Fd> inOrder(Slots slots) {
        return slots.order().stream().map(this::at).toList();
    }

    @Override
    public void close() {
        owned.forEach(Fd::close);
    }
}
