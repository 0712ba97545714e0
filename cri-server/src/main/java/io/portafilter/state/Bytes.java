package io.portafilter.state;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Bytes that nobody changes, equal by content: what a record keeps of a message or a file. */
public final class Bytes {
    /** None. */
    public static final Bytes EMPTY = new Bytes(new byte[0]);

    private final byte[] bytes;

    private Bytes(byte[] bytes) {
        this.bytes = bytes;
    }

    /** A copy of these. */
    public static Bytes copyOf(byte[] bytes) {
        return new Bytes(bytes.clone());
    }

    /** A copy for the caller. */
    public byte[] toByteArray() {
        return bytes.clone();
    }

    /** How many. */
    public int size() {
        return bytes.length;
    }

    /** They as text in UTF-8. */
    public String text() {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Bytes that && Arrays.equals(bytes, that.bytes);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(bytes);
    }

    @Override
    public String toString() {
        return bytes.length + " bytes";
    }
}
