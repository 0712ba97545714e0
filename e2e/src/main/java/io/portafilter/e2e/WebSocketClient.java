package io.portafilter.e2e;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Channels in a WebSocket (RFC 6455): the number of a channel before each message, or a digit and base64. */
public final class WebSocketClient implements StreamClient {
    private static final List<String> COMMAND = List.of("stdin", "stdout", "stderr", "error", "resize");
    private static final int TEXT = 1;
    private static final int BINARY = 2;
    private static final int CLOSE = 8;
    private static final int PING = 9;
    private static final int PONG = 10;

    private final Socket socket;
    private final DataInputStream in;
    private final OutputStream out;
    private final boolean base64;
    private final Map<Integer, ReceivedBytes> received = new ConcurrentHashMap<>();
    private final CompletableFuture<String> closed = new CompletableFuture<>();
    private final CompletableFuture<String> pong = new CompletableFuture<>();
    private final CompletableFuture<Integer> firstChannel = new CompletableFuture<>();

    private WebSocketClient(Upgrade upgrade, String protocol) throws IOException {
        this.socket = upgrade.socket();
        this.in = new DataInputStream(upgrade.in());
        this.out = upgrade.out();
        this.base64 = protocol.contains("base64");
        var _ = Thread.ofVirtual().name("websocket-client").start(this::receive);
    }

    /** @param protocol empty for none */
    public static WebSocketClient connect(String url, String protocol) throws IOException {
        Upgrade upgrade = (protocol.isEmpty() ? Upgrade.webSocket(url) : Upgrade.webSocket(url, protocol)).require(101);
        if (!upgrade.headers().getOrDefault("sec-websocket-protocol", "").equals(protocol)) {
            throw new AssertionError("another protocol: " + upgrade.headers());
        }
        return new WebSocketClient(upgrade, protocol);
    }

    private static int channel(String stream) {
        int named = COMMAND.indexOf(stream);
        return named >= 0 ? named : Integer.parseInt(stream);
    }

    private static ReceivedBytes newReceived(int number) {
        return new ReceivedBytes();
    }

    private ReceivedBytes received(int channel) {
        return received.computeIfAbsent(channel, WebSocketClient::newReceived);
    }

    @Override
    public void send(String stream, byte[] bytes) throws IOException {
        for (int offset = 0; offset < bytes.length; offset += 32 * 1024) {
            byte[] part = Arrays.copyOfRange(bytes, offset, Math.min(bytes.length, offset + 32 * 1024));
            ByteArrayOutputStream message = new ByteArrayOutputStream();
            message.write(base64 ? '0' + channel(stream) : channel(stream));
            message.write(base64 ? Base64.getEncoder().encode(part) : part);
            frame(out, base64 ? TEXT : BINARY, message.toByteArray());
        }
    }

    /** A message in two frames. */
    public void sendFragmented(String stream, byte[] bytes) throws IOException {
        byte[] first = {(byte) channel(stream), bytes[0]};
        masked(out, BINARY, first, false);
        masked(out, 0, Arrays.copyOfRange(bytes, 1, bytes.length), true);
    }

    /** As v5 has it. */
    @Override
    public void end(String stream) throws IOException {
        frame(out, BINARY, new byte[] {(byte) 255, (byte) channel(stream)});
    }

    /** Any message, for what no client would send. */
    public void raw(byte[] message) throws IOException {
        frame(out, BINARY, message);
    }

    /** Bytes that need not be a frame. */
    public void bytes(byte[] bytes) throws IOException {
        out.write(bytes);
        out.flush();
    }

    /** What a ping is answered with. */
    public String ping(String text) throws IOException {
        frame(out, PING, text.getBytes(StandardCharsets.UTF_8));
        return await(pong);
    }

    /** The channel on which the first message came. */
    public int firstChannel() throws IOException {
        return await(firstChannel);
    }

    private static <T> T await(CompletableFuture<T> coming) throws IOException {
        try {
            return coming.get(Await.patient(ANSWER).toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException(e);
        } catch (ExecutionException | TimeoutException e) {
            throw new IOException("nothing came", e);
        }
    }

    private static void frame(OutputStream out, int opcode, byte[] payload) throws IOException {
        masked(out, opcode, payload, true);
    }

    private static void masked(OutputStream out, int opcode, byte[] payload, boolean last) throws IOException {
        ByteArrayOutputStream frame = new ByteArrayOutputStream();
        frame.write((last ? 0x80 : 0) | opcode);
        if (payload.length < 126) {
            frame.write(0x80 | payload.length);
        } else if (payload.length < 65536) {
            frame.write(0x80 | 126);
            frame.write(payload.length >> 8);
            frame.write(payload.length);
        } else {
            frame.write(0x80 | 127);
            frame.write(new byte[4]);
            for (int shift = 24; shift >= 0; shift -= 8) {
                frame.write(payload.length >> shift);
            }
        }
        byte[] mask = {1, 2, 3, 4};
        frame.write(mask);
        byte[] hidden = payload.clone();
        for (int i = 0; i < hidden.length; i++) {
            hidden[i] ^= mask[i % 4];
        }
        frame.write(hidden);
        synchronized (out) {
            out.write(frame.toByteArray());
            out.flush();
        }
    }

    private static final class Frame {
        private final int opcode;
        private final byte[] payload;

        Frame(int opcode, byte[] payload) {
            this.opcode = opcode;
            this.payload = payload;
        }

        static Frame read(DataInputStream in) throws IOException {
            int first = in.readUnsignedByte();
            int length = in.readUnsignedByte();
            if (length == 126) {
                length = in.readUnsignedShort();
            } else if (length == 127) {
                length = Math.toIntExact(in.readLong());
            }
            return new Frame(first & 15, in.readNBytes(length));
        }
    }

    @Override
    public InputStream from(String stream) {
        return received(channel(stream));
    }

    private void receive() {
        String how = "no close frame";
        try {
            while (true) {
                Frame frame = Frame.read(in);
                if (frame.opcode == CLOSE) {
                    int code = (frame.payload[0] & 0xff) << 8 | frame.payload[1] & 0xff;
                    how = code == 1000 ? "" : "close " + code;
                    frame(out, CLOSE, frame.payload);
                } else if (frame.opcode == PONG) {
                    pong.complete(new String(frame.payload, StandardCharsets.UTF_8));
                } else {
                    message(frame.payload);
                }
            }
        } catch (EOFException e) {
            // the close frame before tells how
        } catch (IOException e) {
            how = how.isEmpty() ? how : e.toString();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        closed.complete(how);
        received.values().forEach(ReceivedBytes::abandon);
        for (int i = 0; i < COMMAND.size(); i++) {
            received(i).abandon();
        }
    }

    private void message(byte[] payload) throws InterruptedException {
        int channel = base64 ? payload[0] - '0' : payload[0];
        firstChannel.complete(channel);
        byte[] data = Arrays.copyOfRange(payload, 1, payload.length);
        received(channel).add(base64 ? Base64.getDecoder().decode(data) : data);
    }

    @Override
    public String awaitClosed() throws IOException {
        try {
            return closed.get(Await.patient(ANSWER).toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException(e);
        } catch (ExecutionException | TimeoutException e) {
            throw new AssertionError("the server keeps the connection open", e);
        }
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }

    /** What comes in binary messages, one after another. */
    static InputStream bytesIn(InputStream in) {
        DataInputStream frames = new DataInputStream(in);
        return new InputStream() {
            private byte[] current = {};
            private int position;

            @Override
            public int read() throws IOException {
                byte[] one = new byte[1];
                return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
            }

            @Override
            public int read(byte[] into, int offset, int length) throws IOException {
                while (length > 0 && position == current.length) {
                    Frame frame;
                    try {
                        frame = Frame.read(frames);
                    } catch (EOFException e) {
                        return -1;
                    }
                    if (frame.opcode == CLOSE) {
                        return -1;
                    }
                    if (frame.opcode == BINARY) {
                        current = frame.payload;
                        position = 0;
                    }
                }
                int count = Math.min(length, current.length - position);
                System.arraycopy(current, position, into, offset, count);
                position += count;
                return count;
            }
        };
    }

    /** Bytes as binary messages, cut wherever they are flushed. */
    static OutputStream bytesOut(OutputStream out) {
        return new OutputStream() {
            @Override
            public void write(int single) throws IOException {
                frame(out, BINARY, new byte[] {(byte) single});
            }

            @Override
            public void write(byte[] bytes, int offset, int length) throws IOException {
                frame(out, BINARY, Arrays.copyOfRange(bytes, offset, offset + length));
            }
        };
    }
}
