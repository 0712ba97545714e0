package io.portafilter.cli;

import io.portafilter.config.ConfigException;
import io.portafilter.cri.v1.ListPodSandboxRequest;
import io.portafilter.cri.v1.PodSandbox;
import io.portafilter.cri.v1.PodSandboxState;
import io.portafilter.cri.v1.PortForwardRequest;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
        name = "port-forward",
        description = "Forwards ports of this machine's loopback to ports of a pod's loopback, until Ctrl-C.",
        mixinStandardHelpOptions = true)
final class PortForwardCommand implements Callable<Integer> {
    private static final Pattern PORTS = Pattern.compile("(?:([0-9]{0,5}):)?([0-9]{1,5})");
    private static final int DATA = 0;
    private static final int ERROR = 1;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it before call()
    private CommandSpec spec;

    @Mixin
    private ServerOptions server = new ServerOptions();

    @Parameters(index = "0", paramLabel = "POD", description = "An id or its beginning, or a name.")
    private String pod = "";

    @Parameters(
            index = "1..*",
            arity = "1..*",
            paramLabel = "[LOCAL:]PORT",
            description = "A port of the pod, and the local one if that is another; :PORT takes any.")
    private List<String> ports = new ArrayList<>();

    private record Forward(int local, int remote) {
        static Forward parse(String text) throws CommandException {
            Matcher parts = PORTS.matcher(text);
            if (!parts.matches()) {
                throw new CommandException(ExitStatus.USAGE, text + " is no [LOCAL:]PORT");
            }
            int remote = Integer.parseInt(parts.group(2));
            String own = parts.group(1);
            int local = own == null ? remote : own.isEmpty() ? 0 : Integer.parseInt(own);
            if (remote < 1 || remote > 0xffff || local > 0xffff) {
                throw new CommandException(ExitStatus.USAGE, text + ": ports are 1 to 65535");
            }
            return new Forward(local, remote);
        }
    }

    @Override
    public Integer call() throws CommandException, ConfigException, InterruptedException {
        List<Forward> forwards = new ArrayList<>();
        for (String text : ports) {
            forwards.add(Forward.parse(text));
        }
        try (Connection connection = server.connect()) {
            String id = podId(connection, pod);
            for (Forward forward : forwards) {
                listen(connection, id, forward);
            }
            new CountDownLatch(1).await();
        }
        return 0;
    }

    private static String podId(Connection connection, String asked) throws CommandException {
        return connection.runtime().listPodSandbox(ListPodSandboxRequest.getDefaultInstance()).getItemsList().stream()
                .filter(each -> each.getState() == PodSandboxState.SANDBOX_READY)
                .filter(each -> each.getId().startsWith(asked)
                        || each.getMetadata().getName().equals(asked))
                .map(PodSandbox::getId)
                .findFirst()
                .orElseThrow(() -> new CommandException(
                        ExitStatus.FAILED, "no pod that runs is called " + asked + ": portafilter pods lists them"));
    }

    private void listen(Connection connection, String id, Forward forward) throws CommandException {
        ServerSocket listening;
        try {
            listening = new ServerSocket(forward.local(), 50, InetAddress.getLoopbackAddress());
        } catch (IOException e) {
            throw new CommandException(
                    ExitStatus.FAILED, "cannot listen on local port " + forward.local() + ": " + e.getMessage());
        }
        PrintWriter out = spec.commandLine().getOut();
        out.println("Forwarding from " + listening.getInetAddress().getHostAddress() + ":" + listening.getLocalPort()
                + " to " + forward.remote());
        out.flush();
        var _ = Thread.ofVirtual().name("forward").start(() -> accept(connection, id, listening, forward.remote()));
    }

    private void accept(Connection connection, String id, ServerSocket listening, int port) {
        while (true) {
            try {
                Socket accepted = listening.accept();
                var _ = Thread.ofVirtual().start(() -> forward(connection, id, accepted, port));
            } catch (IOException e) {
                say("port " + port + ": " + e.getMessage());
                return;
            }
        }
    }

    private void say(String what) {
        PrintWriter err = spec.commandLine().getErr();
        err.println("portafilter: " + what);
        err.flush();
    }

    private void forward(Connection connection, String id, Socket local, int port) {
        Pod receiver = new Pod(local);
        try (local) {
            String url = connection
                    .runtime()
                    .portForward(PortForwardRequest.newBuilder()
                            .setPodSandboxId(id)
                            .addPort(port)
                            .build())
                    .getUrl();
            try (StreamCall call = StreamCall.open(url, receiver)) {
                var _ = Thread.ofVirtual().start(() -> copy(local, call));
                call.awaitEnd();
            }
        } catch (IOException | RuntimeException e) {
            say("port " + port + ": " + e.getMessage());
        }
        String error = receiver.error();
        if (!error.isEmpty()) {
            say(error);
        }
    }

    private static void copy(Socket local, StreamCall call) {
        byte[] buffer = new byte[16 * 1024];
        try {
            InputStream in = local.getInputStream();
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                call.send(DATA, buffer, count);
            }
            call.end(DATA);
        } catch (IOException e) {
            // one side is gone: the other one is closed with the connection
            call.close();
        }
    }

    /** What the pod sends; each channel begins with the port in two bytes. */
    private static final class Pod implements StreamCall.Receiver {
        private static final int PORT_BYTES = 2;

        private final Socket local;
        private final StringBuilder error = new StringBuilder();
        private final int[] seen = new int[2];

        Pod(Socket local) {
            this.local = local;
        }

        @Override
        public void data(int channel, ByteBuffer bytes) throws IOException {
            if (channel != DATA && channel != ERROR) {
                return;
            }
            while (seen[channel] < PORT_BYTES && bytes.hasRemaining()) {
                byte _ = bytes.get();
                seen[channel]++;
            }
            byte[] data = new byte[bytes.remaining()];
            bytes.get(data);
            if (channel == DATA) {
                local.getOutputStream().write(data);
            } else {
                error.append(new String(data, StandardCharsets.UTF_8));
            }
        }

        @Override
        public void end(int channel) throws IOException {
            if (channel == DATA) {
                local.shutdownOutput();
            }
        }

        String error() {
            return error.toString();
        }
    }
}
