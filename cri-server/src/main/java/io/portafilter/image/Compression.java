package io.portafilter.image;

import com.github.luben.zstd.ZstdInputStream;
import io.portafilter.linux.Libisal;
import java.io.IOException;
import java.io.InputStream;
import java.io.PushbackInputStream;
import java.util.zip.GZIPInputStream;

/**
 * How a layer or an archive is compressed. Its first bytes decide: media types are often wrong, and archives have none.
 */
enum Compression {
    NONE,
    GZIP,
    ZSTD;

    private static final int BUFFER_BYTES = 256 * 1024;

    /**
     * The stream without its compression, whatever that is. Files of several members or frames are read to their end.
     *
     * @throws ImageException of kind UNSUPPORTED for a compression that images do not have
     */
    static InputStream decompress(InputStream compressed, String what) throws IOException {
        PushbackInputStream in = new PushbackInputStream(compressed, 6);
        byte[] start = in.readNBytes(6);
        in.unread(start);
        return switch (of(start, what)) {
            case NONE -> in;
            case GZIP -> Libisal.isAvailable() ? Libisal.gunzip(in) : new GZIPInputStream(in, BUFFER_BYTES);
            case ZSTD -> new ZstdInputStream(in);
        };
    }

    private static Compression of(byte[] start, String what) {
        if (startsWith(start, 0x1f, 0x8b)) {
            return GZIP;
        }
        boolean skippableFrame = start.length >= 4
                && (start[0] & 0xf0) == 0x50
                && startsWith(new byte[] {start[1], start[2], start[3]}, 0x2a, 0x4d, 0x18);
        if (startsWith(start, 0x28, 0xb5, 0x2f, 0xfd) || skippableFrame) {
            return ZSTD;
        }
        if (startsWith(start, 'B', 'Z', 'h') || startsWith(start, 0xfd, '7', 'z', 'X', 'Z', 0)) {
            throw ImageException.unsupported(
                    "the " + what + " is compressed by bzip2 or xz; only gzip and zstd are supported");
        }
        return NONE;
    }

    private static boolean startsWith(byte[] start, int... magic) {
        if (start.length < magic.length) {
            return false;
        }
        for (int i = 0; i < magic.length; i++) {
            if ((start[i] & 0xff) != magic[i]) {
                return false;
            }
        }
        return true;
    }
}
