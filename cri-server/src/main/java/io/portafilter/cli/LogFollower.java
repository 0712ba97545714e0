package io.portafilter.cli;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Reads a container's log in CRI's format ({@code TIME stdout|stderr F|P TEXT}) as it grows, over a rotation to the file
 * that then has its name.
 */
final class LogFollower implements AutoCloseable {
    /** Takes what was written, piece by piece. */
    interface Sink {
        /**
         * @param time as the log has it
         * @param text of the line or a piece of it; valid until the method returns
         * @param whole whether the line ends here
         */
        void accept(String time, boolean stderr, byte[] text, int offset, int length, boolean whole) throws IOException;

        /** Nothing more will come: what was kept back goes out. */
        default void end() throws IOException {}
    }

    private static final int CHUNK_BYTES = 64 * 1024;

    private final Path path;
    private final ByteBuffer chunk = ByteBuffer.allocate(CHUNK_BYTES);
    private final ByteArrayOutputStream rest = new ByteArrayOutputStream();
    private @Nullable SeekableByteChannel file;
    private @Nullable Object identity;

    LogFollower(Path path) {
        this.path = path;
    }

    /** Gives the sink all that was written since the last time; nothing while the file does not exist. */
    void poll(Sink sink) throws IOException {
        while (true) {
            SeekableByteChannel open = file == null ? open() : file;
            if (open == null) {
                return;
            }
            drain(open, sink);
            if (!wasReplaced()) {
                return;
            }
            // What was written between the last read and the renaming.
            drain(open, sink);
            close();
        }
    }

    private @Nullable SeekableByteChannel open() throws IOException {
        try {
            SeekableByteChannel opened = Files.newByteChannel(path);
            file = opened;
            identity = Files.readAttributes(path, BasicFileAttributes.class).fileKey();
            return opened;
        } catch (NoSuchFileException notYet) {
            return null;
        }
    }

    private boolean wasReplaced() throws IOException {
        try {
            return !Objects.equals(
                    identity,
                    Files.readAttributes(path, BasicFileAttributes.class).fileKey());
        } catch (NoSuchFileException betweenTwo) {
            return false;
        }
    }

    private void drain(SeekableByteChannel open, Sink sink) throws IOException {
        while (open.read(chunk.clear()) > 0) {
            byte[] bytes = chunk.array();
            int end = chunk.position();
            int start = 0;
            for (int i = 0; i < end; i++) {
                if (bytes[i] == '\n') {
                    if (rest.size() > 0) {
                        rest.write(bytes, start, i - start);
                        byte[] whole = rest.toByteArray();
                        line(whole, 0, whole.length, sink);
                        rest.reset();
                    } else {
                        line(bytes, start, i, sink);
                    }
                    start = i + 1;
                }
            }
            rest.write(bytes, start, end - start);
        }
    }

    private static void line(byte[] bytes, int start, int end, Sink sink) throws IOException {
        int time = space(bytes, start, end);
        int stream = space(bytes, Math.min(end, time + 1), end);
        int tag = space(bytes, Math.min(end, stream + 1), end);
        if (tag == end) {
            return; // not a line of CRI's format: nothing that a container wrote
        }
        boolean stderr = "stderr".equals(text(bytes, time + 1, stream));
        boolean whole = !text(bytes, stream + 1, tag).startsWith("P");
        sink.accept(text(bytes, start, time), stderr, bytes, tag + 1, end - tag - 1, whole);
    }

    private static String text(byte[] bytes, int from, int end) {
        return new String(bytes, from, end - from, StandardCharsets.US_ASCII);
    }

    /** The place of the next space, or the end. */
    private static int space(byte[] bytes, int from, int end) {
        for (int i = from; i < end; i++) {
            if (bytes[i] == ' ') {
                return i;
            }
        }
        return end;
    }

    @Override
    public void close() throws IOException {
        if (file != null) {
            file.close();
            file = null;
        }
    }
}
