package io.portafilter.streaming;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.netty.buffer.ByteBuf;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * Reads the resize stream: JSON objects {@code {"Width":80,"Height":24}} one after another, cut anywhere. What is no
 * such object is passed over.
 */
final class TerminalSizes implements ClientStream.Receiver {

    /** Far more than two numbers take. */
    private static final int LONGEST_BYTES = 256;

    private static final JsonFactory JSON = new JsonFactory();

    /** Takes each size that came. */
    @FunctionalInterface
    interface Taker {
        void resize(int columns, int rows);
    }

    private final ClientStream stream;
    private final Taker taker;
    private final ByteArrayOutputStream object = new ByteArrayOutputStream();

    TerminalSizes(ClientStream stream, Taker taker) {
        this.stream = stream;
        this.taker = taker;
    }

    @Override
    public void data(ByteBuf bytes) {
        int count = bytes.readableBytes();
        try {
            bytes.forEachByte(each -> {
                add(each);
                return true;
            });
        } finally {
            bytes.release();
            stream.consumed(count);
        }
    }

    private void add(byte each) {
        if (each == '{' || object.size() >= LONGEST_BYTES) {
            object.reset();
        }
        object.write(each);
        if (each == '}') {
            read(object.toString(StandardCharsets.UTF_8));
            object.reset();
        }
    }

    private void read(String text) {
        int columns = 0;
        int rows = 0;
        try (JsonParser json = JSON.createParser(text)) {
            for (JsonToken token = json.nextToken(); token != null; token = json.nextToken()) {
                if (token == JsonToken.VALUE_NUMBER_INT) {
                    int value = json.getIntValue();
                    if ("width".equalsIgnoreCase(json.currentName())) {
                        columns = value;
                    } else if ("height".equalsIgnoreCase(json.currentName())) {
                        rows = value;
                    }
                }
            }
        } catch (IOException e) {
            // as every other runtime does: what is no size changes nothing
            return;
        }
        if (columns > 0 && columns <= 0xffff && rows > 0 && rows <= 0xffff) {
            taker.resize(columns, rows);
        }
    }

    @Override
    public void end() {
        object.reset();
    }
}
