package io.portafilter.image;

import io.portafilter.linux.KernelText;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.Serial;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.StringTokenizer;

/**
 * Reads a tar stream: ustar, pax and GNU tar, with long names, large numbers and sparse files (pax(1), "The GNU tar
 * manual", tar(5)). Where readers differ it decides as Go's does, for that is what made and checked the images.
 *
 * <p>Not a general library's reader, for one reason: the values of extended attributes are bytes ({@code
 * security.capability}), file names need not be UTF-8, and what is read is hostile, so that every length is bounded
 * before memory is taken.
 */
final class TarReader {
    private static final int BLOCK = 512;
    /** Of all extended headers before one entry, as in Go. */
    private static final int MAX_PAX_BYTES = 1024 * 1024;

    private static final int MAX_LONG_NAME_BYTES = 64 * 1024;
    private static final int MAX_RUNS = 50_000;
    private static final int MAX_CONSECUTIVE_HEADERS = 16;
    private static final String XATTR = "SCHILY.xattr.";

    private final InputStream in;
    private final byte[] header = new byte[BLOCK];
    private final byte[] skipped = new byte[8192];
    /** What is left of the current entry's data, and the padding behind it. */
    private long remaining;

    private int padding;

    TarReader(InputStream in) {
        this.in = in;
    }

    /**
     * Goes on to the next entry; what was not read of the current one is skipped. Empty at the end of the archive;
     * the stream may hold more behind it.
     *
     * @throws TarException when the stream is no well-formed tar
     */
    Optional<TarEntry> next() throws IOException {
        skipData();
        Pax pax = new Pax();
        int paxBytes = 0;
        for (int headers = 0; headers < MAX_CONSECUTIVE_HEADERS; headers++) {
            if (!readHeader()) {
                return Optional.empty();
            }
            char flag = (char) (header[156] & 0xff);
            long size = number(124, 12);
            switch (flag) {
                case 'x', 'X' -> {
                    pax.parse(readMeta(size, MAX_PAX_BYTES - paxBytes, "pax header"));
                    paxBytes += (int) size;
                }
                // A global header changes no entry for the readers that images are made for
                case 'g' -> skipFully(padded(checkedSize(size)));
                case 'L' -> pax.longName = Optional.of(text(readMeta(size, MAX_LONG_NAME_BYTES, "long name")));
                case 'K' -> pax.longLink = Optional.of(text(readMeta(size, MAX_LONG_NAME_BYTES, "long link")));
                default -> {
                    return Optional.of(entry(flag, size, pax));
                }
            }
        }
        throw new TarException("more than " + MAX_CONSECUTIVE_HEADERS + " extension headers before an entry");
    }

    /** Reads of the current entry's data; -1 at its end. */
    int read(byte[] target, int offset, int length) throws IOException {
        if (remaining == 0) {
            return -1;
        }
        int count = in.read(target, offset, (int) Math.min(length, remaining));
        if (count < 0) {
            throw new EOFException("the tar stream ends inside an entry");
        }
        remaining -= count;
        return count;
    }

    private TarEntry entry(char flag, long headerSize, Pax pax) throws IOException {
        boolean gnu = matches(257, "ustar  \0");
        String name = pax.text("path").or(() -> pax.longName).orElseGet(() -> headerName(gnu));
        TarEntry.Type type = type(flag, name);
        boolean hasData = type == TarEntry.Type.FILE;
        long size = hasData ? checkedSize(pax.number("size").orElse(headerSize)) : 0;
        remaining = size;
        padding = (int) (padded(size) - size);
        List<TarEntry.Run> runs = List.of();
        long fileBytes = size;
        if (hasData && flag == 'S') {
            fileBytes = checkedSize(number(483, 12));
            runs = oldSparseMap();
        } else if (hasData && pax.isSparse()) {
            long sparseSize = pax.number("GNU.sparse.size").orElse(size);
            fileBytes = checkedSize(pax.number("GNU.sparse.realsize").orElse(sparseSize));
            name = pax.text("GNU.sparse.name").orElse(name);
            runs = pax.text("GNU.sparse.major").filter("1"::equals).isPresent() ? newSparseMap() : pax.runs();
        }
        boolean sparse = flag == 'S' || pax.isSparse();
        if (sparse && hasData) {
            checkRuns(runs, fileBytes);
        }
        return new TarEntry(
                name,
                type,
                (int) (number(100, 8) & 07777),
                pax.number("uid").orElseGet(() -> numberUnchecked(108)),
                pax.number("gid").orElseGet(() -> numberUnchecked(116)),
                pax.time("mtime").orElse(instant(number(136, 12), 0)),
                remaining,
                fileBytes,
                pax.text("linkpath").or(() -> pax.longLink).orElseGet(() -> headerText(157, 100)),
                isDevice(type) ? number(329, 8) : 0,
                isDevice(type) ? number(337, 8) : 0,
                sparse && hasData && runs.isEmpty() ? List.of(new TarEntry.Run(fileBytes, 0)) : runs,
                pax.attributes);
    }

    private static boolean isDevice(TarEntry.Type type) {
        return type == TarEntry.Type.CHARACTER_DEVICE || type == TarEntry.Type.BLOCK_DEVICE;
    }

    private static TarEntry.Type type(char flag, String name) throws TarException {
        return switch (flag) {
            // The oldest format has no directories but by their name
            case '\0' -> name.endsWith("/") ? TarEntry.Type.DIRECTORY : TarEntry.Type.FILE;
            case '0', '7', 'S' -> TarEntry.Type.FILE;
            case '1' -> TarEntry.Type.HARD_LINK;
            case '2' -> TarEntry.Type.SYMBOLIC_LINK;
            case '3' -> TarEntry.Type.CHARACTER_DEVICE;
            case '4' -> TarEntry.Type.BLOCK_DEVICE;
            case '5' -> TarEntry.Type.DIRECTORY;
            case '6' -> TarEntry.Type.FIFO;
            default ->
                throw new TarException("entry " + KernelText.quoted(name) + " is of an unknown type, "
                        + KernelText.quoted(String.valueOf(flag)));
        };
    }

    private String headerName(boolean gnu) {
        String name = headerText(0, 100);
        if (gnu || !matches(257, "ustar")) {
            return name;
        }
        // star(1) keeps times behind a shorter prefix
        int length = matches(508, "tar\0") ? 131 : 155;
        String prefix = headerText(345, length);
        return prefix.isEmpty() ? name : prefix + "/" + name;
    }

    // ---- blocks and numbers

    private boolean readHeader() throws IOException {
        int read = in.readNBytes(header, 0, BLOCK);
        if (read == 0) {
            return false;
        }
        if (read < BLOCK) {
            throw new EOFException("the tar stream ends inside a header");
        }
        long unsigned = 0;
        long signed = 0;
        boolean zero = true;
        for (int i = 0; i < BLOCK; i++) {
            byte value = i >= 148 && i < 156 ? (byte) ' ' : header[i];
            unsigned += value & 0xff;
            signed += value;
            zero &= header[i] == 0;
        }
        if (zero) {
            return false;
        }
        long written = number(148, 8);
        if (written != unsigned && written != signed) {
            throw new TarException("a header's checksum is wrong: this is no tar stream, or a damaged one");
        }
        return true;
    }

    private byte[] readMeta(long size, int limit, String what) throws IOException {
        if (size < 0 || size > limit) {
            throw new TarException("a " + what + " of " + size + " bytes, the limit is " + limit);
        }
        byte[] data = new byte[(int) size];
        if (in.readNBytes(data, 0, data.length) < data.length) {
            throw new EOFException("the tar stream ends inside a " + what);
        }
        skipFully(padded(size) - size);
        return data;
    }

    private void skipData() throws IOException {
        skipFully(remaining + padding);
        remaining = 0;
        padding = 0;
    }

    private void skipFully(long bytes) throws IOException {
        long left = bytes;
        while (left > 0) {
            int count = in.read(skipped, 0, (int) Math.min(left, skipped.length));
            if (count < 0) {
                throw new EOFException("the tar stream ends inside an entry");
            }
            left -= count;
        }
    }

    private static long padded(long size) {
        return (size + BLOCK - 1) / BLOCK * BLOCK;
    }

    private static long checkedSize(long size) throws TarException {
        if (size < 0 || size > Long.MAX_VALUE - BLOCK) {
            throw new TarException("an entry of " + size + " bytes");
        }
        return size;
    }

    /** A number of a header whose checksum was right. */
    private long number(int offset, int length) throws TarException {
        return number(header, offset, length);
    }

    private long numberUnchecked(int offset) {
        try {
            return number(offset, 8);
        } catch (TarException e) {
            // -1 is out of range for an owner, and refused with the entry's name
            return -1;
        }
    }

    /** Octal text, or two's complement with the highest bit set (GNU tar's base 256). */
    private static long number(byte[] block, int offset, int length) throws TarException {
        int first = block[offset] & 0xff;
        if ((first & 0x80) != 0) {
            boolean negative = (first & 0x40) != 0;
            long value = negative ? -1 : 0;
            for (int i = 0; i < length; i++) {
                int digit = i == 0 ? (negative ? first : first & 0x7f) : block[offset + i] & 0xff;
                if (i < length - 8 && digit != (negative ? 0xff : 0)) {
                    throw new TarException("a number in a header is too large");
                }
                value = value << 8 | digit;
            }
            return value;
        }
        long value = 0;
        boolean digits = false;
        for (int i = offset; i < offset + length; i++) {
            int c = block[i];
            if (c == ' ' && !digits) {
                continue;
            }
            if (c == 0 || c == ' ') {
                break;
            }
            if (c < '0' || c > '7') {
                throw new TarException("a number in a header is no octal number");
            }
            digits = true;
            value = value * 8 + (c - '0');
        }
        return value;
    }

    private boolean matches(int offset, String magic) {
        for (int i = 0; i < magic.length(); i++) {
            if (header[offset + i] != magic.charAt(i)) {
                return false;
            }
        }
        return true;
    }

    private String headerText(int offset, int length) {
        int end = offset;
        while (end < offset + length && header[end] != 0) {
            end++;
        }
        return KernelText.decode(header, offset, end - offset);
    }

    private static String text(byte[] data) {
        int end = 0;
        while (end < data.length && data[end] != 0) {
            end++;
        }
        return KernelText.decode(data, 0, end);
    }

    private static Instant instant(long seconds, long nanos) {
        // ext4 keeps times until 2446; Instant's own range is much wider than any file system's
        return Instant.ofEpochSecond(Math.clamp(seconds, -62135596800L, 253402300799L), nanos);
    }

    // ---- sparse files

    /** Old GNU format: four runs in the header, the others in blocks of 21. */
    private List<TarEntry.Run> oldSparseMap() throws IOException {
        List<TarEntry.Run> runs = new ArrayList<>();
        addRuns(runs, header, 386, 4);
        boolean more = header[482] != 0;
        byte[] block = new byte[BLOCK];
        while (more) {
            if (in.readNBytes(block, 0, BLOCK) < BLOCK) {
                throw new EOFException("the tar stream ends inside a sparse map");
            }
            addRuns(runs, block, 0, 21);
            more = block[504] != 0;
        }
        return runs;
    }

    private static void addRuns(List<TarEntry.Run> runs, byte[] block, int offset, int count) throws TarException {
        for (int i = 0; i < count; i++) {
            int at = offset + i * 24;
            if (block[at] == 0) {
                return;
            }
            addRun(runs, number(block, at, 12), number(block, at + 12, 12));
        }
    }

    private static void addRun(List<TarEntry.Run> runs, long offset, long bytes) throws TarException {
        if (runs.size() >= MAX_RUNS) {
            throw new TarException("a sparse file with more than " + MAX_RUNS + " pieces");
        }
        runs.add(new TarEntry.Run(offset, bytes));
    }

    /** pax format 1.0: the map is text before the data, padded to a block. */
    private List<TarEntry.Run> newSparseMap() throws IOException {
        SparseText text = new SparseText();
        long count = text.nextNumber();
        if (count < 0 || count > MAX_RUNS) {
            throw new TarException("a sparse file with " + count + " pieces");
        }
        List<TarEntry.Run> runs = new ArrayList<>();
        for (long i = 0; i < count; i++) {
            addRun(runs, text.nextNumber(), text.nextNumber());
        }
        return runs;
    }

    private final class SparseText {
        private final byte[] block = new byte[BLOCK];
        private int at = BLOCK;

        long nextNumber() throws IOException {
            long value = 0;
            for (int digits = 0; digits < 20; digits++) {
                if (at == BLOCK) {
                    for (int got = 0; got < BLOCK; ) {
                        int count = TarReader.this.read(block, got, BLOCK - got);
                        if (count < 0) {
                            throw new TarException("a sparse map that does not end");
                        }
                        got += count;
                    }
                    at = 0;
                }
                int c = block[at++];
                if (c == '\n' && digits > 0) {
                    return value;
                }
                if (c < '0' || c > '9' || value > Long.MAX_VALUE / 10 - 1) {
                    break;
                }
                value = value * 10 + (c - '0');
            }
            throw new TarException("a sparse map that is malformed");
        }
    }

    private void checkRuns(List<TarEntry.Run> runs, long fileBytes) throws TarException {
        long end = 0;
        long data = 0;
        for (TarEntry.Run run : runs) {
            if (run.offset() < end || run.bytes() < 0 || run.bytes() > fileBytes - run.offset()) {
                throw new TarException("a sparse map whose pieces overlap or lie outside the file");
            }
            end = run.offset() + run.bytes();
            data += run.bytes();
        }
        if (data != remaining) {
            throw new TarException("a sparse map of " + data + " bytes for " + remaining + " bytes of data");
        }
    }

    // ---- pax

    /** The records of the extension headers before an entry. */
    private static final class Pax {
        private final Map<String, byte[]> records = new HashMap<>();
        private final Map<String, byte[]> attributes = new HashMap<>();
        private final List<Long> sparseOffsets = new ArrayList<>();
        private final List<Long> sparseLengths = new ArrayList<>();
        private Optional<String> longName = Optional.empty();
        private Optional<String> longLink = Optional.empty();

        /** Records are {@code LENGTH KEY=VALUE\n}, where the length counts itself. */
        void parse(byte[] data) throws TarException {
            int at = 0;
            while (at < data.length && data[at] != 0) {
                int blank = at;
                long length = 0;
                while (blank < data.length && data[blank] >= '0' && data[blank] <= '9' && length < MAX_PAX_BYTES) {
                    length = length * 10 + (data[blank++] - '0');
                }
                long end = at + length;
                if (blank >= data.length || data[blank] != ' ' || end > data.length || end <= blank + 2) {
                    throw new TarException("a malformed pax header");
                }
                int equals = blank + 1;
                while (equals < end && data[equals] != '=') {
                    equals++;
                }
                if (equals >= end || equals == blank + 1 || data[(int) end - 1] != '\n') {
                    throw new TarException("a malformed pax header");
                }
                String key = new String(data, blank + 1, equals - blank - 1, StandardCharsets.UTF_8);
                byte[] value = Arrays.copyOfRange(data, equals + 1, (int) end - 1);
                record(key, value);
                at = (int) end;
            }
        }

        private void record(String key, byte[] value) throws TarException {
            if (key.startsWith(XATTR)) {
                attributes.put(key.substring(XATTR.length()), value);
                return;
            }
            if (key.equals("GNU.sparse.offset") || key.equals("GNU.sparse.numbytes")) {
                List<Long> list = key.endsWith("offset") ? sparseOffsets : sparseLengths;
                if (list.size() >= MAX_RUNS) {
                    throw new TarException("a sparse file with more than " + MAX_RUNS + " pieces");
                }
                list.add(decimal(key, value));
                return;
            }
            records.put(key, value);
        }

        /** The record; an empty value takes an earlier one back, as pax(1) has it. */
        Optional<String> text(String key) throws TarException {
            byte[] value = records.get(key);
            if (value == null || value.length == 0) {
                return Optional.empty();
            }
            for (byte b : value) {
                if (b == 0) {
                    throw new TarException("a NUL in the pax record " + key);
                }
            }
            return Optional.of(KernelText.decode(value, 0, value.length));
        }

        Optional<Long> number(String key) throws TarException {
            byte[] value = records.get(key);
            return value == null || value.length == 0 ? Optional.empty() : Optional.of(decimal(key, value));
        }

        Optional<Instant> time(String key) throws TarException {
            Optional<String> text = text(key);
            if (text.isEmpty()) {
                return Optional.empty();
            }
            if (!text.get().matches("-?[0-9]{1,18}(\\.[0-9]{0,30})?")) {
                throw new TarException("the pax record " + key + " is no time");
            }
            BigDecimal value = new BigDecimal(text.get().endsWith(".") ? text.get() + "0" : text.get());
            BigDecimal seconds = value.setScale(0, RoundingMode.FLOOR);
            long nanos = value.subtract(seconds).movePointRight(9).longValue();
            return Optional.of(instant(seconds.longValue(), nanos));
        }

        boolean isSparse() {
            return records.containsKey("GNU.sparse.major")
                    || records.containsKey("GNU.sparse.map")
                    || !sparseOffsets.isEmpty()
                    || records.containsKey("GNU.sparse.numblocks");
        }

        /** The map of the formats 0.0 and 0.1, which lies in the header. */
        List<TarEntry.Run> runs() throws TarException {
            Optional<String> map = text("GNU.sparse.map");
            List<TarEntry.Run> runs = new ArrayList<>();
            if (map.isPresent()) {
                StringTokenizer numbers = new StringTokenizer(map.get(), ",");
                while (numbers.hasMoreTokens()) {
                    long offset = decimal("GNU.sparse.map", numbers.nextToken());
                    if (!numbers.hasMoreTokens()) {
                        throw new TarException("a sparse map that is malformed");
                    }
                    addRun(runs, offset, decimal("GNU.sparse.map", numbers.nextToken()));
                }
                return runs;
            }
            if (sparseOffsets.size() != sparseLengths.size()) {
                throw new TarException("a sparse map that is malformed");
            }
            for (int i = 0; i < sparseOffsets.size(); i++) {
                addRun(runs, sparseOffsets.get(i), sparseLengths.get(i));
            }
            return runs;
        }

        private static long decimal(String key, byte[] value) throws TarException {
            return decimal(key, new String(value, StandardCharsets.ISO_8859_1));
        }

        private static long decimal(String key, String value) throws TarException {
            if (!value.matches("[0-9]{1,18}")) {
                throw new TarException("the pax record " + key + " is no number");
            }
            return Long.parseLong(value);
        }
    }

    /** The stream is no well-formed tar, or asks for more than is allowed. */
    static final class TarException extends IOException {
        @Serial
        private static final long serialVersionUID = 1L;

        TarException(String message) {
            super(message);
        }
    }
}
