package io.portafilter.linux;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/**
 * Text as the kernel knows it: bytes without a NUL, mostly UTF-8 but not always (file names in an image are whatever
 * its maker wrote).
 *
 * <p>Each byte that is not valid UTF-8 becomes one unpaired surrogate, U+DC80 to U+DCFF, and back, so that every name
 * survives the way through a {@code String} (as PEP 383 does).
 */
public final class KernelText {

    private static final int ESCAPE = 0xdc00;
    private static final int SHOWN_CHARACTERS = 128;

    private KernelText() {}

    /** The text's bytes without a terminator. Throws IllegalArgumentException for text that holds a NUL. */
    public static byte[] encode(String text) {
        if (text.indexOf(0) >= 0) {
            throw new IllegalArgumentException("the text holds a NUL character: \"" + beginning(text) + "\"");
        }
        return bytes(text);
    }

    /** The bytes of which {@link #decode} made the text, NULs among them: what a file holds, whoever wrote it. */
    public static byte[] bytes(String text) {
        return hasSurrogates(text) ? encodeSurrogates(text) : text.getBytes(StandardCharsets.UTF_8);
    }

    /** Asked of each path of each system call: not by a stream, which would cost more than the call. */
    private static boolean hasSurrogates(String text) {
        for (int i = 0; i < text.length(); i++) {
            if (Character.isSurrogate(text.charAt(i))) {
                return true;
            }
        }
        return false;
    }

    private static String beginning(String text) {
        return text.length() <= SHOWN_CHARACTERS
                ? printable(text)
                : printable(text.substring(0, SHOWN_CHARACTERS)) + "...";
    }

    private static byte[] encodeSurrogates(String text) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(text.length() * 3);
        for (int i = 0; i < text.length(); ) {
            int codePoint = text.codePointAt(i);
            i += Character.charCount(codePoint);
            if (codePoint >= ESCAPE + 0x80 && codePoint <= ESCAPE + 0xff) {
                bytes.write(codePoint - ESCAPE);
            } else if (codePoint >= Character.MIN_SURROGATE && codePoint <= Character.MAX_SURROGATE) {
                throw new IllegalArgumentException("the text holds an unpaired surrogate: \"" + beginning(text) + "\"");
            } else {
                bytes.writeBytes(Character.toString(codePoint).getBytes(StandardCharsets.UTF_8));
            }
        }
        return bytes.toByteArray();
    }

    /** The text of these bytes. */
    public static String decode(byte[] bytes, int offset, int length) {
        String text = new String(bytes, offset, length, StandardCharsets.UTF_8);
        return text.indexOf('\ufffd') < 0 ? text : decodeInvalid(bytes, offset, length);
    }

    private static String decodeInvalid(byte[] bytes, int offset, int length) {
        StringBuilder text = new StringBuilder(length);
        int end = offset + length;
        for (int i = offset; i < end; ) {
            int size = sequenceLength(bytes, i, end);
            if (size == 0) {
                text.append((char) (ESCAPE + (bytes[i] & 0xff)));
                i++;
            } else {
                text.append(new String(bytes, i, size, StandardCharsets.UTF_8));
                i += size;
            }
        }
        return text.toString();
    }

    /** The length of the valid UTF-8 sequence that starts here, or 0. */
    private static int sequenceLength(byte[] bytes, int at, int end) {
        int lead = bytes[at] & 0xff;
        int size = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
        if (size == 0 || at + size > end) {
            return 0;
        }
        String one = new String(bytes, at, size, StandardCharsets.UTF_8);
        boolean valid = one.codePointCount(0, one.length()) == 1
                && (one.codePointAt(0) != 0xfffd || (lead == 0xef && bytes[at + 1] == (byte) 0xbf));
        return valid ? size : 0;
    }

    /** The text in C's quotes, as strace prints it; anything but printable ASCII as an escape. */
    public static String quoted(String text) {
        return "\"" + printable(text) + "\"";
    }

    private static String printable(String text) {
        StringBuilder shown = new StringBuilder(text.length() + 2);
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"' -> shown.append("\\\"");
                case '\\' -> shown.append("\\\\");
                case '\n' -> shown.append("\\n");
                case '\r' -> shown.append("\\r");
                case '\t' -> shown.append("\\t");
                default -> {
                    if (c >= ESCAPE + 0x80 && c <= ESCAPE + 0xff) {
                        shown.append('\\').append(Integer.toOctalString(c - ESCAPE));
                    } else if (c < 0x20 || c == 0x7f) {
                        shown.append("\\").append(Integer.toOctalString(c));
                    } else {
                        shown.append(c);
                    }
                }
            }
        }
        return shown.toString();
    }
}
