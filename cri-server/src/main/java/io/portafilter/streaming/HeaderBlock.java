package io.portafilter.streaming;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * The headers of SPDY/3.1 frames, section 2.6.10 of its draft: a count, then names and values, each with a length of four
 * bytes; all blocks of one direction are one zlib stream that begins with a dictionary known to both sides.
 *
 * <p>We have nothing to tell in headers, so what we send is always the same: an empty block in a stored part of deflate
 * (RFC 1951, 3.2.4). That spares each connection the quarter of a megabyte that zlib takes for packing.
 */
final class HeaderBlock {

    private static final int MOST_BYTES = 16 * 1024;
    private static final int MOST_HEADERS = 64;
    private static final byte[] DICTIONARY = dictionary();

    private final Inflater inflater = new Inflater();
    private final ByteArrayOutputStream block = new ByteArrayOutputStream();
    private boolean wroteFirst;

    /** What each side assumes the other to have said already. */
    private static byte[] dictionary() {
        List<String> words = List.of(
                "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges",
                "age allow authorization cache-control connection content-base content-encoding content-language",
                "content-length content-location content-md5 content-range content-type date etag expect expires from",
                "host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location",
                "max-forwards pragma proxy-authenticate proxy-authorization range referer retry-after server te trailer",
                "transfer-encoding upgrade user-agent vary via warning www-authenticate method get status 200_OK version",
                "HTTP/1.1 url public set-cookie keep-alive origin");
        String codes = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
                + "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
                + "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
                + "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
                + "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
                + "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (DataOutputStream out = new DataOutputStream(bytes)) {
            for (String line : words) {
                for (String word : line.split(" ")) {
                    byte[] text = word.replace('_', ' ').getBytes(StandardCharsets.US_ASCII);
                    out.writeInt(text.length);
                    out.write(text);
                }
            }
            out.write(codes.getBytes(StandardCharsets.US_ASCII));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return bytes.toByteArray();
    }

    static byte[] dictionaryBytes() {
        return DICTIONARY.clone();
    }

    /** A block without headers, as it follows those that were made before. */
    ByteBuf empty() {
        // the count, and an empty part as Z_SYNC_FLUSH makes it: without, Go's reader looks for more before it gives
        // any
        byte[] stored = {0, 4, 0, (byte) 0xfb, (byte) 0xff, 0, 0, 0, 0, 0, 0, 0, (byte) 0xff, (byte) 0xff};
        if (wroteFirst) {
            return Unpooled.wrappedBuffer(stored);
        }
        wroteFirst = true;
        // CMF and FLG of RFC 1950: a window of 32 KiB, no dictionary
        return Unpooled.wrappedBuffer(new byte[] {0x78, 0x01}, stored);
    }

    /**
     * A part of a block as it came; stays the caller's.
     *
     * @throws DataFormatException if it is no zlib stream, or too much for headers
     */
    void add(ByteBuf packed) throws DataFormatException {
        byte[] input = new byte[packed.readableBytes()];
        packed.readBytes(input);
        inflater.setInput(input);
        byte[] out = new byte[1024];
        while (true) {
            int count = inflater.inflate(out);
            if (count > 0) {
                block.write(out, 0, count);
                if (block.size() > MOST_BYTES) {
                    throw new DataFormatException("more than " + MOST_BYTES + " bytes of headers");
                }
            } else if (inflater.needsDictionary()) {
                setDictionary();
            } else if (inflater.finished()) {
                throw new DataFormatException("the stream of headers has ended");
            } else {
                return;
            }
        }
    }

    private void setDictionary() throws DataFormatException {
        try {
            inflater.setDictionary(DICTIONARY);
        } catch (IllegalArgumentException e) {
            throw new DataFormatException("another dictionary");
        }
    }

    /**
     * The headers of the block that ends here; of a name that comes twice the first.
     *
     * @throws DataFormatException if they are malformed
     */
    Map<String, String> finish() throws DataFormatException {
        ByteBuffer bytes = ByteBuffer.wrap(block.toByteArray());
        block.reset();
        Map<String, String> headers = new LinkedHashMap<>();
        int count = number(bytes).orElseThrow(() -> new DataFormatException("no count of headers"));
        if (count < 0 || count > MOST_HEADERS) {
            throw new DataFormatException(count + " headers");
        }
        for (int i = 0; i < count; i++) {
            String name = text(bytes);
            headers.putIfAbsent(name, text(bytes));
        }
        return headers;
    }

    private static Optional<Integer> number(ByteBuffer bytes) {
        return bytes.remaining() < Integer.BYTES ? Optional.empty() : Optional.of(bytes.getInt());
    }

    private static String text(ByteBuffer bytes) throws DataFormatException {
        int length = number(bytes).orElse(-1);
        if (length < 0 || length > bytes.remaining()) {
            throw new DataFormatException("a header is cut off");
        }
        byte[] text = new byte[length];
        bytes.get(text);
        return new String(text, StandardCharsets.UTF_8);
    }

    void close() {
        inflater.end();
    }
}
