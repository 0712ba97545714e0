package io.portafilter.systemd;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** Reads values in D-Bus's wire format. What is cut short or too long is refused with a {@link SystemdException}. */
final class BusReader {
    private final ByteBuffer bytes;

    /** Of bytes whose first lies at a boundary of 8, in the order of the message. */
    BusReader(ByteBuffer bytes) {
        this.bytes = bytes;
    }

    BusReader align(int boundary) {
        skip(-bytes.position() & (boundary - 1));
        return this;
    }

    boolean isBefore(int position) {
        return bytes.position() < position;
    }

    int position() {
        return bytes.position();
    }

    private void skip(int count) {
        require(count);
        bytes.position(bytes.position() + count);
    }

    private void require(int count) {
        if (count < 0 || count > bytes.remaining()) {
            throw new SystemdException(
                    "a message on the bus is cut short: " + Integer.toUnsignedString(count) + " bytes are missing of "
                            + bytes.remaining(),
                    new BufferUnderflowException());
        }
    }

    int octet() {
        require(1);
        return bytes.get() & 0xff;
    }

    int number32() {
        align(4);
        require(4);
        return bytes.getInt();
    }

    long number64() {
        align(8);
        require(8);
        return bytes.getLong();
    }

    boolean flag() {
        return number32() != 0;
    }

    String text() {
        return characters(number32());
    }

    String signature() {
        return characters(octet());
    }

    private String characters(int length) {
        require(length);
        byte[] utf8 = new byte[length];
        bytes.get(utf8);
        skip(1);
        return new String(utf8, StandardCharsets.UTF_8);
    }

    /** The position behind an array; the reader then stands before its first element. */
    int array(int elementBoundary) {
        int length = number32();
        align(elementBoundary);
        require(length);
        return bytes.position() + length;
    }

    /** A variant of one of the types that headers and our properties have, as its text. */
    String variant() {
        return switch (signature()) {
            case "s", "o" -> text();
            case "g" -> signature();
            case "u" -> Integer.toUnsignedString(number32());
            case "b" -> Boolean.toString(flag());
            case "t" -> Long.toUnsignedString(number64());
            case "au" -> list(4);
            case "ay" -> list(1);
            case String other ->
                throw new SystemdException("a message on the bus holds a value of the unexpected type " + other);
        };
    }

    private String list(int elementBytes) {
        StringBuilder text = new StringBuilder();
        int end = array(elementBytes);
        while (isBefore(end)) {
            text.append(text.isEmpty() ? "" : " ")
                    .append(elementBytes == 1 ? octet() : Integer.toUnsignedLong(number32()));
        }
        return text.toString();
    }
}
