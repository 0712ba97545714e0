package io.portafilter.systemd;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Kernel;
import java.io.IOException;
import java.net.ConnectException;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Predicate;

/**
 * A connection to a message bus, for one thread: calls one after the other, and waits for signals. Whatever is not there
 * at its deadline is an error, and the connection is then of no more use.
 */
final class Bus implements AutoCloseable {
    /** The bus allows 128 MiB; what we ask is answered in a few hundred bytes. */
    private static final int MAX_MESSAGE_BYTES = 1 << 20;

    private static final int MAX_LINE_BYTES = 1024;

    /** Between two attempts to connect to a bus whose queue is full. */
    private static final Duration CONNECT_AGAIN = Duration.ofMillis(10);

    private static final String BUS = "org.freedesktop.DBus";

    private final SocketChannel channel;
    private final Selector selector;
    private final long deadlineNanos;
    private final Deque<BusMessage> signals = new ArrayDeque<>();
    private String heard = "";
    private int lastSerial;

    private Bus(SocketChannel channel, Selector selector, long deadlineNanos) {
        this.channel = channel;
        this.selector = selector;
        this.deadlineNanos = deadlineNanos;
    }

    /**
     * Connects and says hello.
     *
     * @param timeLimit of all that is done on this connection
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    static Bus connect(Path socket, Duration timeLimit) {
        Bus bus = open(socket, timeLimit);
        try {
            bus.authenticate();
            BusMessage _ = bus.call(BUS, "/org/freedesktop/DBus", BUS, "Hello", "", new BusWriter());
            return bus;
        } catch (RuntimeException e) {
            bus.close();
            throw e;
        }
    }

    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the result owns them
    private static Bus open(Path socket, Duration timeLimit) {
        long deadlineNanos = System.nanoTime() + timeLimit.toNanos();
        try {
            SocketChannel channel = connected(socket, deadlineNanos);
            try {
                Selector selector = Selector.open();
                SelectionKey _ = channel.register(selector, SelectionKey.OP_READ);
                return new Bus(channel, selector, deadlineNanos);
            } catch (IOException | RuntimeException e) {
                channel.close();
                throw e;
            }
        } catch (IOException e) {
            throw new SystemdException(
                    "the message bus at " + socket + ": " + e.getMessage()
                            + "; is D-Bus running? The driver cgroupfs needs none",
                    e);
        }
    }

    /**
     * A bus that hangs takes connections until its queue of them is full. A socket that blocks would then wait for ever;
     * one that does not gets EAGAIN (connect(2)), with nothing begun that could be waited for: it is tried again.
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    private static SocketChannel connected(Path socket, long deadlineNanos) throws IOException {
        while (true) {
            SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            try {
                channel.configureBlocking(false);
                if (channel.connect(UnixDomainSocketAddress.of(socket))) {
                    return channel;
                }
                throw new SocketException("it is not connected at once");
            } catch (SocketException e) {
                channel.close();
                // There is no telling EAGAIN from others, but that nobody listens is a ConnectException.
                if (e instanceof ConnectException || !Files.exists(socket)) {
                    throw e;
                }
                long left = deadlineNanos - System.nanoTime();
                if (left <= 0 || Thread.currentThread().isInterrupted()) {
                    throw new SystemdException(
                            "the message bus at " + socket + " takes no connection in time: " + e.getMessage(), e);
                }
                LockSupport.parkNanos(Math.min(left, CONNECT_AGAIN.toNanos()));
            } catch (IOException | RuntimeException e) {
                channel.close();
                throw e;
            }
        }
    }

    /** SASL EXTERNAL: the kernel tells the bus who we are (D-Bus specification, "Authentication Protocol"). */
    private void authenticate() {
        byte[] user = Integer.toString(Kernel.geteuid()).getBytes(StandardCharsets.US_ASCII);
        send(("\0AUTH EXTERNAL " + HexFormat.of().formatHex(user) + "\r\n").getBytes(StandardCharsets.US_ASCII));
        String answer = line();
        if (!answer.startsWith("OK ")) {
            throw new SystemdException("the message bus does not let us in: " + answer);
        }
        send("BEGIN\r\n".getBytes(StandardCharsets.US_ASCII));
    }

    private String line() {
        StringBuilder line = new StringBuilder();
        while (line.length() < MAX_LINE_BYTES) {
            line.append((char) receive(1)[0]);
            if (line.toString().endsWith("\r\n")) {
                return line.substring(0, line.length() - 2);
            }
        }
        throw new SystemdException("the message bus answers with an endless line");
    }

    /** Calls a method and returns its reply; an error is thrown as {@link SystemdException#answered}. */
    BusMessage call(
            String destination, String path, String anInterface, String member, String signature, BusWriter body) {
        Map<Integer, String> fields = new TreeMap<>(Map.of(
                BusMessage.DESTINATION,
                destination,
                BusMessage.PATH,
                path,
                BusMessage.INTERFACE,
                anInterface,
                BusMessage.MEMBER,
                member));
        if (!signature.isEmpty()) {
            fields.put(BusMessage.SIGNATURE, signature);
        }
        int serial = send(BusMessage.CALL, fields, body);
        while (true) {
            BusMessage message = receiveMessage();
            boolean ours = message.field(BusMessage.REPLY_SERIAL).equals(Integer.toString(serial));
            if (ours && message.type() == BusMessage.ERROR) {
                String said = message.field(BusMessage.SIGNATURE).startsWith("s")
                        ? message.reader().text()
                        : "";
                throw SystemdException.answered(member, message.field(BusMessage.ERROR_NAME), said);
            }
            if (ours && message.type() == BusMessage.REPLY) {
                return message;
            }
            if (isHeard(message)) {
                signals.add(message);
            }
        }
    }

    /**
     * Hears the signals of one connection from now on, those that come while a call waits for its reply too. Anybody on
     * the bus may send us signals of any name; only the sender is what the bus itself has written there.
     *
     * @param sender a unique name, as a reply tells it
     */
    void hear(String sender) {
        heard = sender;
    }

    private boolean isHeard(BusMessage message) {
        return message.type() == BusMessage.SIGNAL
                && !heard.isEmpty()
                && message.field(BusMessage.SENDER).equals(heard);
    }

    /** Sends a message and returns its serial number. */
    int send(int type, Map<Integer, String> fields, BusWriter body) {
        lastSerial++;
        send(new BusMessage(
                        type,
                        lastSerial,
                        fields,
                        ByteBuffer.wrap(body.toByteArray()).order(ByteOrder.LITTLE_ENDIAN))
                .encode());
        return lastSerial;
    }

    /** The first signal of whom we {@link #hear} that fits, among those that came already or will. */
    BusMessage awaitSignal(Predicate<BusMessage> wanted) {
        while (true) {
            BusMessage message = signals.isEmpty() ? receiveMessage() : signals.removeFirst();
            if (isHeard(message) && wanted.test(message)) {
                return message;
            }
        }
    }

    BusMessage receiveMessage() {
        byte[] fixed = receive(BusMessage.FIXED_BYTES);
        long more = BusMessage.bytesAfter(fixed);
        if (more > MAX_MESSAGE_BYTES) {
            throw new SystemdException("the bus sends a message of " + more + " bytes");
        }
        byte[] rest = receive((int) more);
        byte[] message = Arrays.copyOf(fixed, fixed.length + rest.length);
        System.arraycopy(rest, 0, message, fixed.length, rest.length);
        return BusMessage.decode(message);
    }

    private void send(byte[] bytes) {
        ByteBuffer left = ByteBuffer.wrap(bytes);
        try {
            while (left.hasRemaining()) {
                if (channel.write(left) == 0) {
                    awaitReady(SelectionKey.OP_WRITE);
                }
            }
        } catch (IOException e) {
            throw lost(e);
        }
    }

    private byte[] receive(int count) {
        ByteBuffer bytes = ByteBuffer.allocate(count);
        try {
            while (bytes.hasRemaining()) {
                if (deadlineNanos - System.nanoTime() <= 0) {
                    throw late(); // whoever sends without end is never waited for
                }
                int read = channel.read(bytes);
                if (read < 0) {
                    throw new SystemdException("the message bus has closed the connection");
                }
                if (read == 0) {
                    awaitReady(SelectionKey.OP_READ);
                }
            }
        } catch (IOException e) {
            throw lost(e);
        }
        return bytes.array();
    }

    private void awaitReady(int operation) throws IOException {
        SelectionKey key = channel.keyFor(selector);
        key.interestOps(operation);
        long left = (deadlineNanos - System.nanoTime()) / 1_000_000;
        if (left <= 0 || Thread.currentThread().isInterrupted()) {
            throw late();
        }
        int _ = selector.select(left);
        selector.selectedKeys().clear();
    }

    private static SystemdException late() {
        return new SystemdException("systemd did not answer in time");
    }

    private static SystemdException lost(IOException cause) {
        return new SystemdException("the connection to the message bus is lost: " + cause.getMessage(), cause);
    }

    @Override
    public void close() {
        try (channel) {
            selector.close();
        } catch (IOException e) {
            throw lost(e);
        }
    }
}
