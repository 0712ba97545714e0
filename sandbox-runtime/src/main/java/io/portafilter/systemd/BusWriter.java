package io.portafilter.systemd;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/** Values in D-Bus's wire format, little endian (D-Bus specification, "Marshaling"). */
final class BusWriter {
    private static final int FIRST_SIZE = 512;

    private ByteBuffer bytes = ByteBuffer.allocate(FIRST_SIZE).order(ByteOrder.LITTLE_ENDIAN);

    BusWriter align(int boundary) {
        int padding = -bytes.position() & (boundary - 1);
        room(padding);
        bytes.put(new byte[padding]);
        return this;
    }

    BusWriter octet(int value) {
        room(1);
        bytes.put((byte) value);
        return this;
    }

    BusWriter number32(int value) {
        align(4);
        room(4);
        bytes.putInt(value);
        return this;
    }

    BusWriter number64(long value) {
        align(8);
        room(8);
        bytes.putLong(value);
        return this;
    }

    BusWriter flag(boolean value) {
        return number32(value ? 1 : 0);
    }

    /** A text or an object path. */
    BusWriter text(String value) {
        byte[] utf8 = value.getBytes(StandardCharsets.UTF_8);
        number32(utf8.length);
        room(utf8.length + 1);
        bytes.put(utf8).put((byte) 0);
        return this;
    }

    BusWriter signature(String value) {
        byte[] ascii = value.getBytes(StandardCharsets.US_ASCII);
        room(ascii.length + 2);
        bytes.put((byte) ascii.length).put(ascii).put((byte) 0);
        return this;
    }

    /** An array: its length does not count the padding before its first element. */
    BusWriter array(int elementBoundary, Runnable elements) {
        number32(0);
        int length = bytes.position() - 4;
        align(elementBoundary);
        int start = bytes.position();
        elements.run();
        bytes.putInt(length, bytes.position() - start);
        return this;
    }

    /** {@code a(sv)}. */
    BusWriter properties(List<Property> properties) {
        return array(
                8,
                () -> properties.forEach(property -> {
                    align(8).text(property.name());
                    variant(property.value());
                }));
    }

    private void variant(Property.Value value) {
        switch (value) {
            case Property.Value.Text(String text) -> signature("s").text(text);
            case Property.Value.Flag(boolean set) -> signature("b").flag(set);
            case Property.Value.Count(long number) -> signature("t").number64(number);
            case Property.Value.Pids(List<Integer> pids) ->
                signature("au").array(4, () -> pids.forEach(this::number32));
            case Property.Value.BitSet(List<Byte> set) -> signature("ay").array(1, () -> set.forEach(this::octet));
        }
    }

    BusWriter raw(byte[] value) {
        room(value.length);
        bytes.put(value);
        return this;
    }

    private void room(int more) {
        if (bytes.remaining() < more) {
            byte[] grown = Arrays.copyOf(bytes.array(), Math.max(bytes.capacity() * 2, bytes.position() + more));
            int position = bytes.position();
            bytes = ByteBuffer.wrap(grown).order(ByteOrder.LITTLE_ENDIAN);
            bytes.position(position);
        }
    }

    byte[] toByteArray() {
        return Arrays.copyOf(bytes.array(), bytes.position());
    }
}
