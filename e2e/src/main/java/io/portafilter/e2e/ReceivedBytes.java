package io.portafilter.e2e;

import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.TimeUnit;

/** What came on a stream and was not read yet; whoever fills it waits when that is too much. */
final class ReceivedBytes extends InputStream {
    private static final int PIECES = 16;

    /** Empty: the end. */
    private final BlockingQueue<Optional<byte[]>> pieces = new ArrayBlockingQueue<>(PIECES);

    private volatile boolean broken;
    private byte[] current = {};
    private int position;
    private boolean ended;

    void add(byte[] piece) throws InterruptedException {
        if (piece.length > 0) {
            pieces.put(Optional.of(piece));
        }
    }

    void end() throws InterruptedException {
        pieces.put(Optional.empty());
    }

    /** Ends even when nobody reads. */
    void abandon() {
        broken = true;
        var _ = pieces.offer(Optional.empty());
    }

    /** Whether there is something to read; false at the end. */
    private boolean awaitPiece() throws IOException {
        long end = System.nanoTime() + Await.patient(StreamClient.ANSWER).toNanos();
        try {
            while (!ended && position == current.length) {
                Optional<byte[]> next = pieces.poll(100, TimeUnit.MILLISECONDS);
                if (next != null) {
                    ended = next.isEmpty();
                    current = next.orElse(current);
                    position = ended ? current.length : 0;
                } else if (broken) {
                    ended = true;
                } else if (System.nanoTime() > end) {
                    throw new IOException("nothing came for " + StreamClient.ANSWER);
                }
            }
            return !ended;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException();
        }
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] into, int offset, int length) throws IOException {
        if (length == 0) {
            return 0;
        }
        if (!awaitPiece()) {
            return -1;
        }
        int count = Math.min(length, current.length - position);
        System.arraycopy(current, position, into, offset, count);
        position += count;
        return count;
    }
}
