package io.portafilter.systemd;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.TreeMap;

/**
 * A message on the bus (D-Bus specification, "Message Protocol").
 *
 * @param type one of the constants below
 * @param fields the header's, by their number, as texts
 * @param body in the order of its numbers
 */
record BusMessage(int type, int serial, Map<Integer, String> fields, ByteBuffer body) {
    static final int CALL = 1;
    static final int REPLY = 2;
    static final int ERROR = 3;
    static final int SIGNAL = 4;

    static final int PATH = 1;
    static final int INTERFACE = 2;
    static final int MEMBER = 3;
    static final int ERROR_NAME = 4;
    static final int REPLY_SERIAL = 5;
    static final int DESTINATION = 6;
    static final int SENDER = 7;
    static final int SIGNATURE = 8;

    static final int FIXED_BYTES = 16;

    private static final int VERSION = 1;
    private static final int NO_AUTO_START = 2;

    BusMessage {
        fields = Map.copyOf(fields);
    }

    String field(int number) {
        return fields.getOrDefault(number, "");
    }

    BusReader reader() {
        return new BusReader(body.duplicate().order(body.order()));
    }

    byte[] encode() {
        BusWriter writer = new BusWriter();
        writer.octet('l').octet(type).octet(NO_AUTO_START).octet(VERSION);
        writer.number32(body.remaining()).number32(serial);
        writer.array(
                8,
                () -> new TreeMap<>(fields).forEach((number, value) -> {
                    writer.align(8).octet(number);
                    switch (number) {
                        case PATH -> writer.signature("o").text(value);
                        case REPLY_SERIAL -> writer.signature("u").number32(Integer.parseUnsignedInt(value));
                        case SIGNATURE -> writer.signature("g").signature(value);
                        default -> writer.signature("s").text(value);
                    }
                }));
        byte[] content = new byte[body.remaining()];
        body.duplicate().get(content);
        return writer.align(8).raw(content).toByteArray();
    }

    /** How many bytes follow the first {@link #FIXED_BYTES} of a message. */
    static long bytesAfter(byte[] fixed) {
        ByteBuffer head = ByteBuffer.wrap(fixed).order(order(fixed[0]));
        long header = Integer.toUnsignedLong(head.getInt(12));
        return (header + 7 & ~7L) + Integer.toUnsignedLong(head.getInt(4));
    }

    static BusMessage decode(byte[] message) {
        ByteOrder order = order(message[0]);
        ByteBuffer bytes = ByteBuffer.wrap(message).order(order);
        BusReader reader = new BusReader(bytes);
        int _ = reader.octet();
        int type = reader.octet();
        int _ = reader.octet();
        if (reader.octet() != VERSION) {
            throw new SystemdException("the bus speaks another version of its protocol");
        }
        int bodyLength = reader.number32();
        int serial = reader.number32();
        Map<Integer, String> fields = new TreeMap<>();
        int end = reader.array(8);
        while (reader.isBefore(end)) {
            int number = reader.align(8).octet();
            fields.put(number, reader.variant());
        }
        reader.align(8);
        if (bodyLength != bytes.remaining()) {
            throw new SystemdException("a message on the bus has another length than it says");
        }
        return new BusMessage(type, serial, fields, bytes.slice().order(order));
    }

    private static ByteOrder order(byte mark) {
        return switch (mark) {
            case 'l' -> ByteOrder.LITTLE_ENDIAN;
            case 'B' -> ByteOrder.BIG_ENDIAN;
            default -> throw new SystemdException("what the bus sends is no message of D-Bus");
        };
    }
}
