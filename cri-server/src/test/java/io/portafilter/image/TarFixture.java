package io.portafilter.image;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;

/** Writes tar streams, malformed ones too. */
final class TarFixture {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream pax = new ByteArrayOutputStream();
    private int mode = 0644;
    private long uid;
    private long gid;
    private long modified = 1_700_000_000L;

    static TarFixture tar() {
        return new TarFixture();
    }

    /** For the entries that follow. */
    TarFixture mode(int newMode) {
        mode = newMode;
        return this;
    }

    TarFixture owner(long newUid, long newGid) {
        uid = newUid;
        gid = newGid;
        return this;
    }

    TarFixture modified(long seconds) {
        modified = seconds;
        return this;
    }

    /** A record of the extended header of the next entry. */
    TarFixture pax(String key, byte[] value) {
        byte[] tail = (" " + key + "=").getBytes(StandardCharsets.UTF_8);
        int length = tail.length + value.length + 1;
        int total = length
                + Integer.toString(length + Integer.toString(length).length()).length();
        pax.writeBytes(Integer.toString(total).getBytes(StandardCharsets.US_ASCII));
        pax.writeBytes(tail);
        pax.writeBytes(value);
        pax.write('\n');
        return this;
    }

    TarFixture pax(String key, String value) {
        return pax(key, value.getBytes(StandardCharsets.UTF_8));
    }

    TarFixture file(String name, String content) {
        return file(name, content.getBytes(StandardCharsets.UTF_8));
    }

    TarFixture file(String name, byte[] content) {
        return entry('0', name, "", content, 0, 0);
    }

    TarFixture directory(String name) {
        return entry('5', name, "", new byte[0], 0, 0);
    }

    TarFixture symbolicLink(String name, String target) {
        return entry('2', name, target, new byte[0], 0, 0);
    }

    TarFixture hardLink(String name, String target) {
        return entry('1', name, target, new byte[0], 0, 0);
    }

    TarFixture device(String name, char type, int major, int minor) {
        return entry(type, name, "", new byte[0], major, minor);
    }

    TarFixture entry(char type, String name, String link, byte[] content, int major, int minor) {
        if (pax.size() > 0) {
            byte[] records = pax.toByteArray();
            pax.reset();
            header('x', "pax", "", records.length, 0, 0);
            data(records);
        }
        header(type, name, link, content.length, major, minor);
        data(content);
        return this;
    }

    private void header(char type, String name, String link, long size, int major, int minor) {
        byte[] block = new byte[512];
        put(block, 0, 100, name);
        octal(block, 100, 8, mode);
        octal(block, 108, 8, uid);
        octal(block, 116, 8, gid);
        octal(block, 124, 12, size);
        octal(block, 136, 12, modified);
        block[156] = (byte) type;
        put(block, 157, 100, link);
        put(block, 257, 6, "ustar");
        put(block, 263, 2, "00");
        octal(block, 329, 8, major);
        octal(block, 337, 8, minor);
        int sum = 8 * ' ';
        for (byte b : block) {
            sum += b & 0xff;
        }
        octal(block, 148, 7, sum);
        block[155] = ' ';
        out.writeBytes(block);
    }

    private void data(byte[] content) {
        out.writeBytes(content);
        out.writeBytes(new byte[(512 - content.length % 512) % 512]);
    }

    private static void put(byte[] block, int offset, int length, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        if (bytes.length > length) {
            throw new IllegalArgumentException("too long for a plain header: " + text);
        }
        System.arraycopy(bytes, 0, block, offset, bytes.length);
    }

    private static void octal(byte[] block, int offset, int length, long value) {
        String digits = Long.toOctalString(value);
        put(block, offset, length - 1, "0".repeat(Math.max(0, length - 1 - digits.length())) + digits);
    }

    /** The whole archive with its end. */
    byte[] bytes() {
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        whole.writeBytes(out.toByteArray());
        whole.writeBytes(new byte[1024]);
        return whole.toByteArray();
    }
}
