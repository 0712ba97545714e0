package io.portafilter.cli;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Executors;
import org.jspecify.annotations.Nullable;

/**
 * What an URL of Exec, Attach or PortForward is spoken over here: a WebSocket with {@code v5.channel.k8s.io}. The first
 * byte of a message is the number of a channel; 255 and a number say that nothing more comes on it.
 */
final class StreamCall implements WebSocket.Listener, AutoCloseable {

    /** Takes what the server sends, one message after the other; the next one waits for it. */
    interface Receiver {
        void data(int channel, ByteBuffer bytes) throws IOException;

        void end(int channel) throws IOException;
    }

    private static final String PROTOCOL = "v5.channel.k8s.io";
    private static final int END = 255;
    private static final int MESSAGE_BYTES = 32 * 1024;

    private static final HttpClient CLIENT = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .executor(Executors.newVirtualThreadPerTaskExecutor())
            .build();

    private final Receiver receiver;
    private final CompletableFuture<Integer> closed = new CompletableFuture<>();
    private final ByteArrayOutputStream control = new ByteArrayOutputStream();
    private int channel = -1;
    private @Nullable WebSocket socket;

    private StreamCall(Receiver receiver) {
        this.receiver = receiver;
    }

    /** Connects; the receiver is called from then on. */
    static StreamCall open(String url, Receiver receiver) throws IOException {
        StreamCall call = new StreamCall(receiver);
        try {
            call.socket = CLIENT.newWebSocketBuilder()
                    .subprotocols(PROTOCOL)
                    .buildAsync(URI.create(url.replaceFirst("^http", "ws")), call)
                    .join();
        } catch (CompletionException e) {
            throw new IOException("the streaming server does not answer: " + e.getCause(), e);
        }
        return call;
    }

    private WebSocket socket() {
        if (socket == null) {
            throw new IllegalStateException("not connected");
        }
        return socket;
    }

    /** Sends on a channel; waits until that is on its way. */
    synchronized void send(int number, byte[] bytes, int length) throws IOException {
        for (int offset = 0; offset < length; offset += MESSAGE_BYTES) {
            int count = Math.min(MESSAGE_BYTES, length - offset);
            ByteBuffer message = ByteBuffer.allocate(1 + count);
            message.put((byte) number).put(bytes, offset, count).flip();
            send(message);
        }
    }

    /** Nothing more is sent on a channel. */
    synchronized void end(int number) throws IOException {
        send(ByteBuffer.wrap(new byte[] {(byte) END, (byte) number}));
    }

    private void send(ByteBuffer message) throws IOException {
        try {
            var _ = socket().sendBinary(message, true).join();
        } catch (CompletionException e) {
            throw new IOException("the connection is closed", e);
        }
    }

    /** Waits until the server has closed the connection; an exception if it broke. */
    void awaitEnd() throws IOException {
        try {
            int _ = closed.join();
        } catch (CompletionException e) {
            throw new IOException("the connection broke: " + e.getCause(), e);
        }
    }

    @Override
    public @Nullable CompletionStage<?> onBinary(WebSocket from, ByteBuffer data, boolean last) {
        try {
            if (channel < 0 && data.hasRemaining()) {
                channel = data.get() & 0xff;
            }
            if (channel == END) {
                while (data.hasRemaining()) {
                    control.write(data.get());
                }
            } else if (channel >= 0) {
                receiver.data(channel, data);
            }
            if (last) {
                if (channel == END && control.size() == 1) {
                    receiver.end(control.toByteArray()[0] & 0xff);
                }
                control.reset();
                channel = -1;
            }
            from.request(1);
        } catch (IOException e) {
            // who started this has nowhere to write to any more
            closed.completeExceptionally(e);
            from.abort();
        }
        return null;
    }

    @Override
    public @Nullable CompletionStage<?> onClose(WebSocket from, int status, String reason) {
        if (status == WebSocket.NORMAL_CLOSURE) {
            closed.complete(status);
        } else {
            closed.completeExceptionally(new IOException("closed with status " + status + " " + reason));
        }
        return null;
    }

    @Override
    public void onError(WebSocket from, Throwable error) {
        closed.completeExceptionally(error);
    }

    /** Breaks the connection off. */
    @Override
    public void close() {
        socket().abort();
        closed.complete(WebSocket.NORMAL_CLOSURE);
    }
}
