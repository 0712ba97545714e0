package io.portafilter.image;

import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Objects;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The body of an HTTP answer as a stream that gives up when the network delivers nothing for a while. The time runs only
 * while a reader waits: a slow reader holds the sender back and is not held against it. Closing before the end breaks
 * the connection off.
 */
final class BodyStream extends InputStream implements HttpResponse.BodySubscriber<BodyStream> {
    private static final int PARTS_AHEAD = 16;

    private sealed interface Part {
        record Data(List<ByteBuffer> buffers) implements Part {}

        record End() implements Part {}

        record Failure(Throwable cause) implements Part {}
    }

    private final Duration noProgress;
    private final LinkedBlockingQueue<Part> parts = new LinkedBlockingQueue<>();
    private volatile Flow.@Nullable Subscription subscription;
    private final Queue<ByteBuffer> current = new ArrayDeque<>();
    private boolean ended;

    BodyStream(Duration noProgress) {
        this.noProgress = noProgress;
    }

    @Override
    public CompletionStage<BodyStream> getBody() {
        return CompletableFuture.completedStage(this);
    }

    @Override
    public void onSubscribe(Flow.Subscription newSubscription) {
        subscription = newSubscription;
        newSubscription.request(PARTS_AHEAD);
    }

    @Override
    public void onNext(List<ByteBuffer> buffers) {
        parts.add(new Part.Data(buffers));
    }

    @Override
    public void onError(Throwable cause) {
        parts.add(new Part.Failure(cause));
    }

    @Override
    public void onComplete() {
        parts.add(new Part.End());
    }

    @Override
    public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public int read(byte[] target, int offset, int length) throws IOException {
        Objects.checkFromIndexSize(offset, length, target.length);
        if (length == 0) {
            return 0;
        }
        while (true) {
            ByteBuffer buffer = current.peek();
            if (buffer == null) {
                if (ended) {
                    return -1;
                }
                receive();
            } else if (buffer.hasRemaining()) {
                int count = Math.min(length, buffer.remaining());
                buffer.get(target, offset, count);
                return count;
            } else {
                current.remove();
            }
        }
    }

    private void receive() throws IOException {
        Part part;
        try {
            part = parts.poll(noProgress.toNanos(), TimeUnit.NANOSECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted");
        }
        switch (part) {
            case null ->
                throw new HttpTimeoutException("nothing was received for " + noProgress.toSeconds() + " seconds");
            case Part.Data(List<ByteBuffer> buffers) -> {
                current.addAll(buffers);
                Flow.Subscription active = subscription;
                if (active != null) {
                    active.request(1);
                }
            }
            case Part.End() -> ended = true;
            case Part.Failure(Throwable cause) -> throw new IOException(describe(cause), cause);
        }
    }

    private static String describe(Throwable cause) {
        String message = cause.getMessage();
        return message == null ? cause.getClass().getSimpleName() : message;
    }

    @Override
    public void close() {
        Flow.Subscription active = subscription;
        if (active != null && !ended) {
            active.cancel();
        }
    }
}
