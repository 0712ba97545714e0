package io.portafilter.e2e;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;

/** Writes POSIX ustar archives, hostile ones too: names are taken as given. */
public final class TarWriter {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    public TarWriter directory(String name, int mode, int uid, int gid) {
        return entry('5', name.endsWith("/") ? name : name + "/", mode, uid, gid, "", new byte[0]);
    }

    public TarWriter directory(String name) {
        return directory(name, 0755, 0, 0);
    }

    public TarWriter file(String name, int mode, int uid, int gid, byte[] content) {
        return entry('0', name, mode, uid, gid, "", content);
    }

    public TarWriter file(String name, String content) {
        return file(name, 0644, 0, 0, content.getBytes(StandardCharsets.UTF_8));
    }

    public TarWriter program(String name, byte[] content) {
        return file(name, 0755, 0, 0, content);
    }

    /** A program with an extended attribute, as GNU tar and others write it: a record of a PAX header before it. */
    public TarWriter program(String name, byte[] content, String attribute, byte[] value) {
        ByteArrayOutputStream record = new ByteArrayOutputStream();
        byte[] key = (" SCHILY.xattr." + attribute + "=").getBytes(StandardCharsets.UTF_8);
        int rest = key.length + value.length + 1;
        int length = rest + Integer.toString(rest).length();
        length = rest + Integer.toString(length).length();
        record.writeBytes(Integer.toString(length).getBytes(StandardCharsets.US_ASCII));
        record.writeBytes(key);
        record.writeBytes(value);
        record.write('\n');
        return entry('x', "PaxHeaders/attribute", 0644, 0, 0, "", record.toByteArray())
                .program(name, content);
    }

    public TarWriter symlink(String name, String target) {
        return entry('2', name, 0777, 0, 0, target, new byte[0]);
    }

    public TarWriter hardlink(String name, String target) {
        return entry('1', name, 0755, 0, 0, target, new byte[0]);
    }

    public TarWriter fifo(String name) {
        return entry('6', name, 0644, 0, 0, "", new byte[0]);
    }

    /** The OCI layer spec's whiteout: {@code name} of the layers below is gone. */
    public TarWriter whiteout(String name) {
        int slash = name.lastIndexOf('/');
        return file(name.substring(0, slash + 1) + ".wh." + name.substring(slash + 1), "");
    }

    /** The OCI layer spec's opaque whiteout: nothing of the layers below shows in this directory. */
    public TarWriter opaque(String directory) {
        return file(directory + "/.wh..wh..opq", "");
    }

    public byte[] finish() {
        out.writeBytes(new byte[1024]);
        return out.toByteArray();
    }

    private TarWriter entry(char type, String name, int mode, int uid, int gid, String link, byte[] content) {
        byte[] header = new byte[512];
        if (name.getBytes(StandardCharsets.UTF_8).length > 100) {
            throw new IllegalArgumentException("longer than a ustar name: " + name);
        }
        put(header, 0, name);
        put(header, 100, octal(mode, 7));
        put(header, 108, octal(uid, 7));
        put(header, 116, octal(gid, 7));
        put(header, 124, octal(content.length, 11));
        put(header, 136, octal(1_700_000_000L, 11));
        Arrays.fill(header, 148, 156, (byte) ' ');
        header[156] = (byte) type;
        put(header, 157, link);
        put(header, 257, "ustar\0" + "00");
        int sum = 0;
        for (byte b : header) {
            sum += b & 0xff;
        }
        put(header, 148, octal(sum, 6) + "\0 ");
        out.writeBytes(header);
        out.writeBytes(content);
        out.writeBytes(new byte[(512 - content.length % 512) % 512]);
        return this;
    }

    private static String octal(long value, int digits) {
        return String.format(Locale.ROOT, "%0" + digits + "o", value);
    }

    private static void put(byte[] header, int at, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        System.arraycopy(bytes, 0, header, at, bytes.length);
    }
}
