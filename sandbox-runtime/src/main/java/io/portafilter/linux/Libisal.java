package io.portafilter.linux;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Base64;
import java.util.Objects;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.zip.ZipException;

/**
 * Intel's ISA-L ({@code libisal.so.2}), which decompresses gzip about twice as fast as the JDK. Optional: it is used
 * only if it is installed and decodes a known file correctly, for the layout of its state is not part of its interface.
 */
public final class Libisal {

    /** Two members, "port" and "afilter\n": proves layout, checksum and the step from one member to the next. */
    private static final String PROBE_GZIP = "H4sIAAAAAAACAyvILyoBAMxdkUMEAAAAH4sIAAAAAAACA0tMy8wpSS3iAgAnDqG1CAAAAA==";

    private static final String PROBE_TEXT = "portafilter\n";

    private static final boolean AVAILABLE = probe();

    private Libisal() {}

    /** The functions of {@code igzip_lib.h}. The state is passed by its address. */
    private static final class Functions {
        static {
            Native.register(Functions.class, NativeLibrary.getInstance("libisal.so.2"));
        }

        private Functions() {}

        static native void isal_inflate_init(long state);

        static native void isal_inflate_reset(long state);

        static native int isal_inflate(long state);
    }

    /** Whether the library is here and was found to decode correctly. */
    public static boolean isAvailable() {
        return AVAILABLE;
    }

    /**
     * Decompresses a gzip file of one or several members (RFC 1952). Reading throws ZipException for what is not gzip or
     * fails its checksum, EOFException for a file that ends early. Zero bytes after the last member are ignored, as by
     * gzip(1). Closing closes {@code compressed}. Throws IllegalStateException unless {@link #isAvailable}.
     */
    public static InputStream gunzip(InputStream compressed) {
        if (!AVAILABLE) {
            throw new IllegalStateException("libisal is not available");
        }
        return new GunzipStream(compressed);
    }

    private static boolean probe() {
        byte[] gzip = Base64.getDecoder().decode(PROBE_GZIP);
        try (InputStream in = new GunzipStream(new ByteArrayInputStream(gzip))) {
            return Arrays.equals(in.readAllBytes(), KernelText.encode(PROBE_TEXT));
        } catch (IOException | UnsatisfiedLinkError e) {
            return false; // not installed, or another version with another layout: the JDK decompresses instead
        }
    }

    /** struct inflate_state of {@code igzip_lib.h} with its buffers, used again for other streams. */
    private static final class State {
        private static final int BUFFER_BYTES = 256 * 1024;

        /** 87,368 bytes in version 2.30; the rest is room for a version that takes more. */
        private static final int STATE_BYTES = 256 * 1024;

        private static final int NEXT_OUT = 0;
        private static final int AVAIL_OUT = 8;
        private static final int NEXT_IN = 16;
        private static final int AVAIL_IN = 32;
        private static final int BLOCK_STATE = 21160;
        private static final int CRC_FLAG = 21172;

        private static final int ISAL_BLOCK_FINISH = 5;
        private static final int ISAL_GZIP = 1;

        private static final ConcurrentLinkedDeque<State> POOL = new ConcurrentLinkedDeque<>();

        private final NativeBuffer state = NativeBuffer.allocate(STATE_BYTES);
        private final NativeBuffer input = NativeBuffer.allocate(BUFFER_BYTES);
        private final NativeBuffer output = NativeBuffer.allocate(BUFFER_BYTES);

        static State take() {
            State pooled = POOL.pollFirst();
            State state = pooled != null ? pooled : new State();
            Functions.isal_inflate_init(state.state.address());
            state.fields().putInt(CRC_FLAG, ISAL_GZIP);
            state.input(0, 0);
            return state;
        }

        void giveBack() {
            POOL.addFirst(this);
        }

        private ByteBuffer fields() {
            return state.bytes();
        }

        private void input(int offset, int length) {
            fields().putLong(NEXT_IN, input.address() + offset);
            fields().putInt(AVAIL_IN, length);
        }

        int inputLeft() {
            return fields().getInt(AVAIL_IN);
        }

        private int inputOffset() {
            return (int) (fields().getLong(NEXT_IN) - input.address());
        }

        boolean isMemberFinished() {
            return fields().getInt(BLOCK_STATE) == ISAL_BLOCK_FINISH;
        }

        /** isal_inflate_reset forgets the input and that it is gzip. */
        void nextMember() {
            int offset = inputOffset();
            int left = inputLeft();
            Functions.isal_inflate_reset(state.address());
            fields().putInt(CRC_FLAG, ISAL_GZIP);
            input(offset, left);
        }

        void refill(byte[] bytes, int length) {
            input.bytes().put(0, bytes, 0, length);
            input(0, length);
        }

        /** Whether the rest of the input is zero, which is then skipped. */
        boolean skipZeros() {
            int offset = inputOffset();
            int end = offset + inputLeft();
            while (offset < end && input.bytes().get(offset) == 0) {
                offset++;
            }
            input(offset, end - offset);
            return offset == end;
        }

        /** Decompresses once; returns how many bytes of output there are. */
        int inflate() throws ZipException {
            fields().putLong(NEXT_OUT, output.address());
            fields().putInt(AVAIL_OUT, BUFFER_BYTES);
            int result = Functions.isal_inflate(state.address());
            if (result < 0) {
                throw new ZipException(
                        switch (result) {
                            case -4 -> "not in gzip format";
                            case -5 -> "unsupported compression method";
                            case -6 -> "gzip checksum differs";
                            default -> "invalid compressed data (" + result + ")";
                        });
            }
            return BUFFER_BYTES - fields().getInt(AVAIL_OUT);
        }
    }

    private static final class GunzipStream extends InputStream {
        private final InputStream compressed;
        private final byte[] transfer = new byte[State.BUFFER_BYTES];
        private final State state;
        private int position;
        private int limit;
        private boolean atEnd;
        private boolean closed;

        private GunzipStream(InputStream compressed) {
            this.compressed = compressed;
            this.state = State.take();
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] target, int offset, int length) throws IOException {
            Objects.checkFromIndexSize(offset, length, target.length);
            if (closed) {
                throw new IOException("stream closed");
            }
            if (length == 0) {
                return 0;
            }
            if (position == limit && !fill()) {
                return -1;
            }
            int count = Math.min(length, limit - position);
            state.output.bytes().get(position, target, offset, count);
            position += count;
            return count;
        }

        /** Decompresses until there is output; false at the end of the file. */
        private boolean fill() throws IOException {
            position = 0;
            limit = 0;
            while (!atEnd) {
                if (state.isMemberFinished()) {
                    atEnd = !startNextMember();
                } else {
                    limit = state.inflate();
                    if (limit > 0) {
                        return true;
                    }
                    if (!state.isMemberFinished() && state.inputLeft() == 0 && !refill()) {
                        throw new EOFException("the gzip file ends before its end");
                    }
                }
            }
            return false;
        }

        /** False if no further member follows. */
        private boolean startNextMember() throws IOException {
            while (state.inputLeft() == 0) {
                if (!refill()) {
                    return false;
                }
            }
            if (state.skipZeros()) {
                return startNextMember();
            }
            state.nextMember();
            return true;
        }

        private boolean refill() throws IOException {
            int count = compressed.read(transfer, 0, transfer.length);
            if (count > 0) {
                state.refill(transfer, count);
            }
            return count > 0;
        }

        @Override
        public void close() throws IOException {
            if (!closed) {
                closed = true;
                state.giveBack();
            }
            compressed.close();
        }
    }
}
