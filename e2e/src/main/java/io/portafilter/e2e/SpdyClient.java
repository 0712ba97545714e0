package io.portafilter.e2e;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.zip.Deflater;

/**
 * SPDY/3.1 as moby/spdystream speaks it: no windows, neither kept nor updated, unless {@link #keepWindows} is asked for.
 */
public final class SpdyClient implements StreamClient {
    private static final int CONTROL = 0x80030000;
    private static final int WINDOW = 64 * 1024;

    private final Socket socket;
    private final DataInputStream in;
    private final DataOutputStream out;
    private final Deflater deflater = new Deflater();
    private final Map<Integer, Opened> byNumber = new ConcurrentHashMap<>();
    private final Map<String, Opened> byName = new ConcurrentHashMap<>();
    private final CompletableFuture<String> closed = new CompletableFuture<>();
    private final AtomicLong mostUnderWay = new AtomicLong();
    private volatile boolean windows;
    private int nextNumber = 1;
    private long sessionRoom = WINDOW;

    private static final class Opened {
        private final int number;
        private final ReceivedBytes received = new ReceivedBytes();
        private final CompletableFuture<Boolean> accepted = new CompletableFuture<>();
        private long room = WINDOW;
        private long untold;

        Opened(int number) {
            this.number = number;
        }
    }

    private SpdyClient(Socket socket, InputStream in, OutputStream out) {
        this.socket = socket;
        this.in = new DataInputStream(in);
        this.out = new DataOutputStream(out);
        var _ = Thread.ofVirtual().name("spdy-client").start(this::receive);
    }

    public static SpdyClient connect(String url, String version) throws IOException {
        Upgrade upgrade = Upgrade.spdy(url, "POST", version).require(101);
        return new SpdyClient(upgrade.socket(), upgrade.in(), upgrade.out());
    }

    /** SPDY inside a WebSocket, as newer kubectl forwards ports. */
    public static SpdyClient tunnelled(String url) throws IOException {
        Upgrade upgrade = Upgrade.webSocket(url, "SPDY/3.1+portforward.k8s.io").require(101);
        return new SpdyClient(
                upgrade.socket(), WebSocketClient.bytesIn(upgrade.in()), WebSocketClient.bytesOut(upgrade.out()));
    }

    /** From now on as the draft of SPDY has it: what is read is told, and no more is sent than there is room for. */
    public void keepWindows() throws IOException {
        windows = true;
        windowUpdate(0, 1);
    }

    /** Opens a stream; waits for the answer, false if it was refused. */
    public boolean open(String name, Map<String, String> headers) throws IOException {
        Opened opened = begin(name, headers);
        try {
            return opened.accepted.get(Await.patient(ANSWER).toMillis(), TimeUnit.MILLISECONDS);
        } catch (InterruptedException | ExecutionException | TimeoutException e) {
            throw new IOException("no answer to stream " + name, e);
        }
    }

    private synchronized Opened begin(String name, Map<String, String> headers) throws IOException {
        Opened opened = new Opened(nextNumber);
        nextNumber += 2;
        byNumber.put(opened.number, opened);
        byName.put(name, opened);
        byte[] block = packed(headers);
        out.writeInt(CONTROL | 1);
        out.writeInt(10 + block.length);
        out.writeInt(opened.number);
        out.writeInt(0);
        out.writeShort(0);
        out.write(block);
        out.flush();
        return opened;
    }

    private byte[] packed(Map<String, String> headers) throws IOException {
        ByteArrayOutputStream plain = new ByteArrayOutputStream();
        try (DataOutputStream data = new DataOutputStream(plain)) {
            data.writeInt(headers.size());
            for (Map.Entry<String, String> header : new HashMap<>(headers).entrySet()) {
                for (String text : new String[] {header.getKey(), header.getValue()}) {
                    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
                    data.writeInt(bytes.length);
                    data.write(bytes);
                }
            }
        }
        deflater.setInput(plain.toByteArray());
        byte[] packed = new byte[plain.size() + 1024];
        int count = deflater.deflate(packed, 0, packed.length, Deflater.SYNC_FLUSH);
        return java.util.Arrays.copyOf(packed, count);
    }

    /** A frame as it is, for what no client would send. */
    public synchronized void raw(int... words) throws IOException {
        for (int word : words) {
            out.writeInt(word);
        }
        out.flush();
    }

    private Opened opened(String name) {
        return Objects.requireNonNull(byName.get(name), () -> "no stream " + name);
    }

    @Override
    public void send(String stream, byte[] bytes) throws IOException {
        Opened opened = opened(stream);
        int offset = 0;
        while (offset < bytes.length) {
            int count = Math.min(bytes.length - offset, 32 * 1024);
            count = windows ? (int) awaitRoom(opened, count) : count;
            synchronized (this) {
                out.writeInt(opened.number);
                out.writeInt(count);
                out.write(bytes, offset, count);
                out.flush();
            }
            offset += count;
        }
    }

    private synchronized long awaitRoom(Opened opened, int wanted) throws IOException {
        try {
            while (opened.room <= 0 || sessionRoom <= 0) {
                wait(100);
                if (closed.isDone()) {
                    throw new EOFException("the connection was closed");
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException(e);
        }
        long count = Math.min(wanted, Math.min(opened.room, sessionRoom));
        opened.room -= count;
        sessionRoom -= count;
        return count;
    }

    @Override
    public synchronized void end(String stream) throws IOException {
        out.writeInt(opened(stream).number);
        out.writeInt(1 << 24);
        out.flush();
    }

    /** Ends both directions of a stream. */
    public synchronized void reset(String stream) throws IOException {
        raw(CONTROL | 3, 8, opened(stream).number, 5);
    }

    @Override
    public InputStream from(String stream) {
        Opened opened = opened(stream);
        return new InputStream() {
            @Override
            public int read() throws IOException {
                byte[] one = new byte[1];
                return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
            }

            @Override
            public int read(byte[] into, int offset, int length) throws IOException {
                int count = opened.received.read(into, offset, length);
                if (windows && count > 0) {
                    opened.untold += count;
                    if (opened.untold >= WINDOW / 2) {
                        windowUpdate(opened.number, (int) opened.untold);
                        windowUpdate(0, (int) opened.untold);
                        opened.untold = 0;
                    }
                }
                return count;
            }
        };
    }

    private synchronized void windowUpdate(int number, int more) throws IOException {
        out.writeInt(CONTROL | 9);
        out.writeInt(8);
        out.writeInt(number);
        out.writeInt(more);
        out.flush();
    }

    private void receive() {
        String how = "";
        try {
            while (true) {
                int first;
                try {
                    first = in.readInt();
                } catch (EOFException e) {
                    break;
                }
                int lengthAndFlags = in.readInt();
                byte[] body = in.readNBytes(lengthAndFlags & 0xffffff);
                if (first < 0) {
                    control(first & 0xffff, body);
                } else {
                    data(first, lengthAndFlags >>> 24, body);
                }
            }
        } catch (IOException e) {
            how = e.toString();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        closed.complete(how);
        byNumber.values().forEach(opened -> {
            opened.received.abandon();
            opened.accepted.complete(false);
        });
    }

    private void data(int number, int flags, byte[] body) throws InterruptedException {
        Opened opened = byNumber.get(number);
        if (opened != null) {
            mostUnderWay.accumulateAndGet(body.length, Math::max);
            opened.received.add(body);
            if ((flags & 1) != 0) {
                opened.received.end();
            }
        }
    }

    private void control(int type, byte[] body) throws IOException, InterruptedException {
        try (DataInputStream words = new DataInputStream(new java.io.ByteArrayInputStream(body))) {
            int number = words.readInt();
            Optional<Opened> opened = Optional.ofNullable(byNumber.get(number & 0x7fffffff));
            switch (type) {
                case 2 -> opened.ifPresent(stream -> stream.accepted.complete(true));
                case 3 -> {
                    opened.ifPresent(stream -> {
                        stream.accepted.complete(false);
                        stream.received.abandon();
                    });
                }
                case 9 -> {
                    int more = words.readInt();
                    synchronized (this) {
                        if (number == 0) {
                            sessionRoom += more;
                        }
                        opened.ifPresent(stream -> stream.room += more);
                        notifyAll();
                    }
                }
                default -> {}
            }
        }
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

    public boolean isClosed() {
        return closed.isDone();
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
