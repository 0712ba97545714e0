package io.portafilter.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.ByteArrayOutputStream;
import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/** A program in a container, connected to this process's own standard streams. */
final class RemoteProgram implements StreamCall.Receiver {
    private static final int STDIN = 0;
    private static final int STDOUT = 1;
    private static final int STDERR = 2;
    private static final int ERROR = 3;
    private static final int RESIZE = 4;

    /** How often the terminal is asked for its size. */
    private static final long SIZE_MILLIS = 250;

    private static final JsonFactory JSON = new JsonFactory();

    private final FileOutputStream out = new FileOutputStream(FileDescriptor.out);
    private final FileOutputStream err = new FileOutputStream(FileDescriptor.err);
    private final ByteArrayOutputStream status = new ByteArrayOutputStream();
    private volatile boolean detached;

    private RemoteProgram() {}

    /** How a connection ended. */
    enum End {
        /** With the program. */
        ENDED,
        /** The program was left running. */
        DETACHED
    }

    /**
     * Connects to a program that was started for this, and waits for its end. Answers its exit status.
     *
     * @param stdin whether what is read here goes there
     * @param terminal whether it has a terminal, as this process must
     */
    static int run(String url, boolean stdin, boolean terminal)
            throws IOException, CommandException, InterruptedException {
        RemoteProgram program = new RemoteProgram();
        program.connect(url, stdin, terminal, false);
        return exitStatus(program.status.toString(StandardCharsets.UTF_8));
    }

    /**
     * Connects to a program that was there before, until it ends or Ctrl-P Ctrl-Q are typed at a terminal.
     *
     * @param stdin whether what is read here goes there
     * @param terminal whether this process's terminal follows it
     * @param detaches whether the keys mean that, or are the program's as others are
     */
    static End attach(String url, boolean stdin, boolean terminal, boolean detaches)
            throws IOException, CommandException, InterruptedException {
        RemoteProgram program = new RemoteProgram();
        program.connect(url, stdin, terminal, detaches);
        if (program.detached) {
            return End.DETACHED;
        }
        int _ = exitStatus(program.status.toString(StandardCharsets.UTF_8));
        return End.ENDED;
    }

    private void connect(String url, boolean stdin, boolean terminal, boolean detaches) throws CommandException {
        Optional<OwnTerminal> own = terminal ? Optional.of(OwnTerminal.raw()) : Optional.empty();
        try (StreamCall call = StreamCall.open(url, this)) {
            if (stdin) {
                var _ = Thread.ofPlatform().name("stdin").daemon().start(() -> copyInput(call, terminal && detaches));
            }
            own.ifPresent(here -> {
                var _ = Thread.ofVirtual().name("size").start(() -> sendSizes(call, here));
            });
            call.awaitEnd();
        } catch (IOException e) {
            throw new CommandException(ExitStatus.FAILED, String.valueOf(e.getMessage()));
        } finally {
            own.ifPresent(OwnTerminal::restore);
        }
    }

    private void copyInput(StreamCall call, boolean detaches) {
        byte[] buffer = new byte[16 * 1024];
        DetachKeys keys = new DetachKeys();
        try {
            InputStream in = new FileInputStream(FileDescriptor.in);
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                if (!detaches) {
                    call.send(STDIN, buffer, count);
                    continue;
                }
                ByteArrayOutputStream typed = new ByteArrayOutputStream(count + 1);
                boolean detach = keys.typed(buffer, count, typed);
                call.send(STDIN, typed.toByteArray(), typed.size());
                if (detach) {
                    detached = true;
                    call.close();
                    return;
                }
            }
            call.send(STDIN, keys.rest(), keys.rest().length);
            call.end(STDIN);
        } catch (IOException e) {
            // the program has ended first: its status tells
            return;
        }
    }

    private static void sendSizes(StreamCall call, OwnTerminal here) {
        String sent = "";
        try {
            while (true) {
                String size = here.sizeJson();
                if (!size.equals(sent)) {
                    byte[] bytes = size.getBytes(StandardCharsets.US_ASCII);
                    call.send(RESIZE, bytes, bytes.length);
                    sent = size;
                }
                Thread.sleep(SIZE_MILLIS);
            }
        } catch (IOException e) {
            // the connection has ended
            return;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void data(int channel, ByteBuffer bytes) throws IOException {
        byte[] data = new byte[bytes.remaining()];
        bytes.get(data);
        switch (channel) {
            case STDOUT -> out.write(data);
            case STDERR -> err.write(data);
            case ERROR -> status.write(data);
            default -> {}
        }
    }

    @Override
    public void end(int channel) {}

    /** What a {@code metav1.Status} says of the end. */
    private static int exitStatus(String json) throws IOException, CommandException {
        String reason = "";
        String message = "";
        String cause = "";
        boolean success = false;
        int depth = 0;
        try (JsonParser parser = JSON.createParser(json)) {
            for (JsonToken token = parser.nextToken(); token != null; token = parser.nextToken()) {
                switch (token) {
                    case START_OBJECT -> depth++;
                    case END_OBJECT -> depth--;
                    case VALUE_STRING -> {
                        String text = parser.getText();
                        switch (String.valueOf(parser.currentName())) {
                            case "status" -> success = text.equals("Success");
                            case "reason" -> reason = depth == 1 ? text : reason;
                            case "message" -> {
                                message = depth == 1 ? text : message;
                                cause = depth > 1 ? text : cause;
                            }
                            default -> {}
                        }
                    }
                    default -> {}
                }
            }
        }
        if (success) {
            return 0;
        }
        if (reason.equals("NonZeroExitCode") && cause.matches("[0-9]{1,3}")) {
            return Integer.parseInt(cause);
        }
        throw new CommandException(
                ExitStatus.FAILED, message.isEmpty() ? "the connection ended without a word of the program" : message);
    }
}
