package io.portafilter.streaming;

import io.portafilter.linux.NativeBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.format.DateTimeFormatterBuilder;
import java.util.Locale;

/**
 * The CRI log format: {@code RFC3339Nano stdout|stderr F|P TEXT}, one record a line. A line over 16 KiB becomes pieces
 * marked P (partial) and a last one marked F (full); output that ends without a newline becomes a P.
 */
final class LogFormat {

    /** The longest text of one record, in bytes. */
    static final int LONGEST_TEXT = 16 * 1024;

    private static final DateTimeFormatter TIME = new DateTimeFormatterBuilder()
            .appendPattern("uuuu-MM-dd'T'HH:mm:ss")
            .appendLiteral('.')
            .appendPattern("nnnnnnnnn")
            .appendLiteral('Z')
            .toFormatter(Locale.ROOT)
            .withZone(ZoneOffset.UTC);

    private LogFormat() {}

    /**
     * What was formatted.
     *
     * @param covered how many bytes of the output are in it
     * @param length how many bytes the records have
     * @param records how many they are
     * @param cut whether more was whole and did not fit
     */
    record Formatted(int covered, int length, int records, boolean cut) {}

    /**
     * Formats what is whole: lines with their newline, and pieces of lines that are longer than a record.
     *
     * @param raw output of the container from index 0 on
     * @param available how many bytes of it there are
     * @param stream {@code stdout} or {@code stderr}
     * @param at when the output was read, the time of all records
     * @param last whether a rest without newline is formatted too
     * @param target filled from index 0 on; what does not fit is not covered
     */
    static Formatted format(byte[] raw, int available, String stream, Instant at, boolean last, NativeBuffer target) {
        byte[] prefix = (TIME.format(at) + " " + stream + " F ").getBytes(StandardCharsets.US_ASCII);
        int tag = prefix.length - 2;
        int capacity = target.capacity();
        int from = 0;
        int length = 0;
        int records = 0;
        boolean cut = false;
        while (from < available) {
            int limit = Math.min(available, from + LONGEST_TEXT + 1);
            int end = from;
            while (end < limit && raw[end] != '\n') {
                end++;
            }
            boolean full = end < limit;
            if (!full && end - from <= LONGEST_TEXT && !last) {
                break;
            }
            int text = Math.min(end - from, LONGEST_TEXT);
            if (length + prefix.length + text + 1 > capacity) {
                cut = true;
                break;
            }
            prefix[tag] = (byte) (full ? 'F' : 'P');
            target.bytes().put(length, prefix, 0, prefix.length);
            target.bytes().put(length + prefix.length, raw, from, text);
            length += prefix.length + text;
            target.bytes().put(length++, (byte) '\n');
            from += full ? text + 1 : text;
            records++;
        }
        return new Formatted(from, length, records, cut);
    }

    /** How many of the first {@code length} bytes belong to whole records. */
    static int wholeRecords(NativeBuffer formatted, int length) {
        int end = length;
        while (end > 0 && formatted.bytes().get(end - 1) != '\n') {
            end--;
        }
        return end;
    }
}
