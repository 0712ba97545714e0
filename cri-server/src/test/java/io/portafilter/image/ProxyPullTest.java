package io.portafilter.image;

import static io.portafilter.image.StoreFixture.failureOf;
import static io.portafilter.image.TarFixture.tar;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Pulls from a host whose name resolves nowhere: only a proxy leads there. */
@Timeout(60)
class ProxyPullTest {
    private static final byte[] LAYER = tar().file("hello", "hello").bytes();

    @TempDir
    Path root;

    private StoreFixture open(Map<String, String> environment, String hosts) throws IOException {
        Path directory = Files.createDirectories(root.resolve("certs.d/registry.invalid"));
        Files.writeString(directory.resolve("hosts.toml"), hosts);
        RegistryOptions usual = StoreFixture.options(root.resolve("certs.d"));
        return StoreFixture.open(
                root.resolve("lib"),
                new RegistryOptions(
                        usual.certsDirectories(),
                        usual.trustBundle(),
                        Proxies.of(environment),
                        usual.platform(),
                        usual.parallelDownloads(),
                        usual.noProgress(),
                        usual.firstRetry(),
                        2,
                        usual.partialExpiry()));
    }

    private static final ImageReference IMAGE =
            ImageReference.parse("registry.invalid/" + RegistryFixture.REPOSITORY + ":1");

    @Test
    void plainRequestsGoThroughTheProxyAndProveThemselvesToIt() throws IOException {
        try (RegistryFixture proxy = RegistryFixture.plain();
                StoreFixture fixture = open(
                        Map.of("HTTP_PROXY", "http://joe:p%40ss@" + proxy.authority()),
                        "server = \"http://registry.invalid\"")) {
            proxy.image("1", LAYER);

            assertThat(fixture.pull(IMAGE).tags()).hasSize(1);

            assertThat(proxy.requests)
                    .isNotEmpty()
                    .allSatisfy(request ->
                            assertThat(request.header("Proxy-Authorization")).contains("Basic am9lOnBAc3M="));
        }
    }

    @Test
    void tlsGoesThroughATunnelThatIsAskedForByNameAndPassword()
            throws IOException, InterruptedException, GeneralSecurityException {
        TlsIdentity identity = TlsIdentity.create(root, "registry", "dns:registry.invalid");
        try (RegistryFixture secure = RegistryFixture.secure(identity.context());
                Tunnel proxy = new Tunnel(secure.authority());
                StoreFixture fixture = open(
                        Map.of("HTTPS_PROXY", "http://joe:p%40ss@127.0.0.1:" + proxy.port()),
                        "server = \"https://registry.invalid\"\nca = \"" + identity.certificate() + "\"")) {
            secure.image("1", LAYER);

            fixture.store.pull(IMAGE, new RegistryCredentials.RegistryToken("for the registry"), _ -> {});

            assertThat(proxy.heads).isNotEmpty().allSatisfy(head -> {
                assertThat(head.getFirst()).isEqualTo("CONNECT registry.invalid:443 HTTP/1.1");
                assertThat(head).contains("Proxy-Authorization: Basic am9lOnBAc3M=");
                assertThat(head).noneMatch(line -> line.contains("for the registry"));
            });
            assertThat(secure.requests).isNotEmpty().allSatisfy(request -> {
                assertThat(request.header("Proxy-Authorization")).isEmpty();
                assertThat(request.header("Authorization")).contains("Bearer for the registry");
            });
        }
    }

    @Test
    void withoutTheProxyTheHostIsSaidNotToResolve() throws IOException {
        try (StoreFixture fixture = open(Map.of(), "server = \"http://registry.invalid\"")) {
            ImageException failure = failureOf(() -> fixture.pull(IMAGE));

            assertThat(failure.kind()).isEqualTo(ImageException.Kind.REGISTRY_UNAVAILABLE);
            assertThat(failure).hasMessageContaining("registry.invalid").hasMessageContaining("does not resolve");
        }
    }

    /** A proxy that leads every tunnel to one server. */
    private static final class Tunnel implements AutoCloseable {
        private final ServerSocket listening = new ServerSocket(0, 10, InetAddress.ofLiteral("127.0.0.1"));
        private final String target;
        private final List<Socket> sockets = new CopyOnWriteArrayList<>();
        final List<List<String>> heads = new CopyOnWriteArrayList<>();

        Tunnel(String target) throws IOException {
            this.target = target;
            Thread _ = Thread.ofVirtual().start(this::accept);
        }

        int port() {
            return listening.getLocalPort();
        }

        private void accept() {
            try {
                while (true) {
                    Socket client = listening.accept();
                    sockets.add(client);
                    Thread _ = Thread.ofVirtual().start(() -> connect(client));
                }
            } catch (IOException closed) {
                assertThat(listening.isClosed()).isTrue();
            }
        }

        @SuppressWarnings("EmptyCatch") // a side that closes ends its tunnel
        private void connect(Socket client) {
            try {
                // Byte by byte: what follows the head belongs to TLS
                StringBuilder head = new StringBuilder();
                InputStream in = client.getInputStream();
                while (head.indexOf("\r\n\r\n") < 0) {
                    head.append((char) in.read());
                }
                heads.add(head.toString().lines().toList());
                int colon = target.lastIndexOf(':');
                Socket server = new Socket(target.substring(0, colon), Integer.parseInt(target.substring(colon + 1)));
                sockets.add(server);
                client.getOutputStream().write("HTTP/1.1 200 OK\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
                Thread _ = Thread.ofVirtual().start(() -> pump(server, client));
                pump(client, server);
            } catch (IOException ended) {
            }
        }

        @SuppressWarnings("EmptyCatch") // a side that closes ends its tunnel
        private static void pump(Socket from, Socket to) {
            try (from;
                    to) {
                long _ = from.getInputStream().transferTo(to.getOutputStream());
            } catch (IOException ended) {
            }
        }

        @Override
        public void close() throws IOException {
            listening.close();
            for (Socket socket : sockets) {
                socket.close();
            }
        }
    }
}
