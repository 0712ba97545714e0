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

    /** As docker and kubectl have it: leaves what is attached running. */
    private static final int CTRL_P = 0x10;

    private static final int CTRL_Q = 0x11;

    private static final JsonFactory JSON = new JsonFactory();

    private final FileOutputStream out = new FileOutputStream(FileDescriptor.out);
    private final FileOutputStream err = new FileOutputStream(FileDescriptor.err);
    private final ByteArrayOutputStream status = new ByteArrayOutputStream();
    private volatile boolean detached;

    private RemoteProgram() {}

    /**
     * Connects, and waits for the program's end. Answers its exit status.
     *
     * @param stdin whether what is read here goes there
     * @param terminal whether it has a terminal, as this process must
     * @param detaches whether Ctrl-P Ctrl-Q leaves it running
     */
    static int run(String url, boolean stdin, boolean terminal, boolean detaches)
            throws IOException, CommandException, InterruptedException {
        RemoteProgram program = new RemoteProgram();
        Optional<OwnTerminal> own = terminal ? Optional.of(OwnTerminal.raw()) : Optional.empty();
        try (StreamCall call = StreamCall.open(url, program)) {
            if (stdin) {
                var _ = Thread.ofPlatform()
                        .name("stdin")
                        .daemon()
                        .start(() -> program.copyInput(call, terminal && detaches));
            }
            own.ifPresent(here -> {
                var _ = Thread.ofVirtual().name("size").start(() -> sendSizes(call, here));
            });
            call.awaitEnd();
        } finally {
            own.ifPresent(OwnTerminal::restore);
        }
        return program.detached ? 0 : exitStatus(program.status.toString(StandardCharsets.UTF_8));
    }

    private void copyInput(StreamCall call, boolean detaches) {
        byte[] buffer = new byte[16 * 1024];
        int last = 0;
        try {
            InputStream in = new FileInputStream(FileDescriptor.in);
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                for (int i = 0; i < count && detaches; i++) {
                    if (last == CTRL_P && buffer[i] == CTRL_Q) {
                        detached = true;
                        call.close();
                        return;
                    }
                    last = buffer[i];
                }
                call.send(STDIN, buffer, count);
            }
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
