package io.portafilter.systemd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Talks through a real bus to a service that answers as systemd does. */
class SystemdTest {
    private static final String UNIT = "portafilter-" + "a1".repeat(32) + ".scope";
    private static final Slice SLICE = new Slice("kubepods-burstable-pod1.slice");
    private static final Duration SOON = Duration.ofSeconds(20);
    private static final Duration LONG = Duration.ofMinutes(1);

    @TempDir
    Path directory;

    private static List<Property> limits() {
        return List.of(
                Property.of("MemoryMax", 64 << 20),
                Property.of("TasksMax", Property.INFINITY),
                Property.ofList("AllowedCPUs", "0-1,9"));
    }

    @Test
    void startsAScopeInTheSliceWithTheProcessAndItsLimits() throws IOException {
        try (BusFixture bus = BusFixture.start(directory, (_, _) -> "done")) {
            Systemd systemd = Systemd.connect(bus.socket(), SOON);
            assertThat(systemd.version()).isEqualTo(252);
            systemd.startScope(UNIT, SLICE, 4711, false, limits());
            BusFixture.Started started = bus.started().getFirst();
            assertThat(started.unit()).isEqualTo(UNIT);
            assertThat(started.mode()).isEqualTo("replace");
            assertThat(started.properties())
                    .containsEntry("Slice", "kubepods-burstable-pod1.slice")
                    .containsEntry("Delegate", "true")
                    .containsEntry("PIDs", "4711")
                    .containsEntry("MemoryAccounting", "true")
                    .containsEntry("CPUAccounting", "true")
                    .containsEntry("IOAccounting", "true")
                    .containsEntry("TasksAccounting", "true")
                    .containsEntry("DefaultDependencies", "false")
                    .containsEntry("MemoryMax", "" + (64 << 20))
                    .containsEntry("TasksMax", "18446744073709551615")
                    .containsEntry("AllowedCPUs", "3 2")
                    .doesNotContainKey("OOMPolicy"); // a scope of 252 has none
        }
    }

    @Test
    void aUnitThatIsLeftOverIsResetAndTheStartTriedOnceMore() throws IOException {
        try (BusFixture bus = BusFixture.start(
                directory, (attempt, _) -> attempt == 1 ? "org.freedesktop.systemd1.UnitExists" : "done")) {
            Systemd.connect(bus.socket(), SOON).startScope(UNIT, SLICE, 1, false, List.of());
            assertThat(bus.calls()).containsExactly("ResetFailedUnit " + UNIT);
            assertThat(bus.started()).hasSize(2);
        }
        try (BusFixture bus = BusFixture.start(directory, (_, _) -> "org.freedesktop.systemd1.UnitExists")) {
            Systemd systemd = Systemd.connect(bus.socket(), SOON);
            assertThatThrownBy(() -> systemd.startScope(UNIT, SLICE, 1, false, List.of()))
                    .isInstanceOf(SystemdException.class)
                    .hasMessageContaining("UnitExists");
            assertThat(bus.started()).hasSize(2);
        }
    }

    @Test
    void aJobThatDoesNotEndAsDoneIsAnError() throws IOException {
        try (BusFixture bus = BusFixture.start(directory, (_, _) -> "failed")) {
            Systemd systemd = Systemd.connect(bus.socket(), SOON);
            assertThatThrownBy(() -> systemd.startScope(UNIT, SLICE, 1, false, List.of()))
                    .hasMessageContaining(UNIT)
                    .hasMessageContaining("\"failed\"");
        }
    }

    @Test
    void theEndOfAJobIsBelievedToSystemdAlone() throws IOException {
        try (BusFixture bus = BusFixture.start(directory, (_, _) -> BusFixture.FORGED + "failed")) {
            Systemd systemd = Systemd.connect(bus.socket(), SOON);
            assertThatThrownBy(() -> systemd.startScope(UNIT, SLICE, 1, false, List.of()))
                    .hasMessageContaining("\"failed\"");
        }
    }

    @Test
    void aJobThatNeverEndsIsGivenUpAtTheTimeLimit() throws IOException {
        try (BusFixture bus = BusFixture.start(directory, (_, _) -> "")) {
            Systemd systemd = Systemd.connect(bus.socket(), Duration.ofMillis(500));
            assertThatThrownBy(() -> systemd.startScope(UNIT, SLICE, 1, false, List.of()))
                    .hasMessageContaining("in time");
        }
    }

    /** It listens and takes nobody: what connects waits in a queue, and when that is full, before it. */
    @Test
    void aBusThatHangsIsGivenUpAtTheTimeLimitHoweverManyWait() throws IOException {
        Path socket = directory.resolve("bus");
        List<SocketChannel> waiting = new ArrayList<>();
        try (ServerSocketChannel hanging = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            hanging.bind(UnixDomainSocketAddress.of(socket), 1);
            assertThatThrownBy(() -> connectIn(socket, Duration.ofMillis(300))).hasMessageContaining("in time");
            while (waits(socket, waiting)) {
                // one more
            }
            assertThatThrownBy(() -> connectIn(socket, Duration.ofMillis(300)))
                    .isInstanceOf(SystemdException.class)
                    .hasMessageContaining("takes no connection in time");
        } finally {
            for (SocketChannel channel : waiting) {
                channel.close();
            }
        }
    }

    @Test
    void aBusThatIsBusyIsConnectedToAsSoonAsItTakesOneMore() throws IOException {
        Path socket = directory.resolve("bus");
        List<SocketChannel> waiting = new ArrayList<>();
        try (ServerSocketChannel busy = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            busy.bind(UnixDomainSocketAddress.of(socket), 1);
            while (waits(socket, waiting)) {
                // one more
            }
            CompletableFuture<Void> connecting =
                    CompletableFuture.runAsync(() -> connectIn(socket, LONG), SystemdTest::inThread);
            for (int i = 0; i < waiting.size(); i++) {
                busy.accept().close(); // the last one is the one that is connecting
            }
            assertThat(connecting)
                    .failsWithin(LONG)
                    .withThrowableThat()
                    .withMessageMatching(".*(closed the connection|connection .* is lost).*");
        } finally {
            for (SocketChannel channel : waiting) {
                channel.close();
            }
        }
    }

    /** A platform thread, where the server's are virtual ones: those never block in connect(2). */
    private static void inThread(Runnable task) {
        Thread _ = Thread.ofPlatform().daemon().start(task);
    }

    /** False if there is no room. */
    private static boolean waits(Path socket, List<SocketChannel> waiting) throws IOException {
        SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
        waiting.add(channel);
        channel.configureBlocking(false);
        try {
            return channel.connect(UnixDomainSocketAddress.of(socket));
        } catch (SocketException e) {
            return false;
        }
    }

    /** Not left to a time limit of the test's own: a thread that hangs in connect(2) is not got out of it. */
    private static void connectIn(Path socket, Duration limit) {
        CompletableFuture<Systemd> connecting =
                CompletableFuture.supplyAsync(() -> Systemd.connect(socket, limit), SystemdTest::inThread);
        try {
            connecting.get(LONG.toSeconds(), TimeUnit.SECONDS);
        } catch (ExecutionException e) {
            throw (RuntimeException) e.getCause();
        } catch (InterruptedException | TimeoutException e) {
            throw new AssertionError("it still connects after " + LONG.toSeconds() + " s", e);
        }
    }

    /** Somebody sends without end and never what is waited for: nothing is ever waited for. */
    @Test
    void aBusThatSendsWithoutEndIsGivenUpAtTheTimeLimit() throws IOException {
        Path socket = directory.resolve("bus");
        try (ServerSocketChannel flooding = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            flooding.bind(UnixDomainSocketAddress.of(socket));
            CompletableFuture<Void> flood = CompletableFuture.runAsync(
                    () -> {
                        try (SocketChannel peer = flooding.accept()) {
                            peer.write(ByteBuffer.wrap("OK 1234\r\n".getBytes(StandardCharsets.US_ASCII)));
                            byte[] signal = new BusMessage(
                                            BusMessage.SIGNAL,
                                            1,
                                            Map.of(
                                                    BusMessage.PATH,
                                                    "/a",
                                                    BusMessage.INTERFACE,
                                                    "a.b",
                                                    BusMessage.MEMBER,
                                                    "C"),
                                            ByteBuffer.allocate(0))
                                    .encode();
                            while (true) {
                                peer.write(ByteBuffer.wrap(signal));
                            }
                        } catch (IOException e) {
                            // closed by the other side
                        }
                    },
                    SystemdTest::inThread);
            assertThatThrownBy(() -> connectIn(socket, Duration.ofSeconds(1))).hasMessageContaining("in time");
            assertThat(flood).succeedsWithin(LONG);
        }
    }

    @Test
    void limitsOfARunningScopeAreMadeKnown() throws IOException {
        try (BusFixture bus = BusFixture.start(directory, (_, _) -> "done")) {
            Systemd.connect(bus.socket(), SOON).setProperties(UNIT, List.of(Property.of("CPUWeight", 39)));
            assertThat(bus.calls()).containsExactly("SetUnitProperties " + UNIT + " true {CPUWeight=39}");
        }
    }

    @Test
    void limitsOfARunningScopeAreToldSoThatTheyCanBeSetAgain() throws IOException {
        try (BusFixture bus = BusFixture.start(directory, (_, _) -> "done")) {
            Systemd systemd = Systemd.connect(bus.socket(), SOON);
            systemd.startScope(UNIT, SLICE, 1, false, limits());
            List<Property> other = List.of(
                    Property.of("MemoryMax", 1),
                    Property.of("TasksMax", 2),
                    Property.ofList("AllowedCPUs", "3"),
                    Property.of("CPUWeight", 4));
            assertThat(systemd.properties(UNIT, other))
                    .containsExactly(
                            Property.of("MemoryMax", 64 << 20),
                            Property.of("TasksMax", Property.INFINITY),
                            Property.ofList("AllowedCPUs", "0-1,9"),
                            Property.of("CPUWeight", Property.INFINITY));
        }
    }

    @Test
    void aMissingBusIsTold() {
        assertThatThrownBy(() -> Systemd.connect(directory.resolve("none"), SOON))
                .isInstanceOf(SystemdException.class)
                .hasMessageContaining("none")
                .hasMessageContaining("D-Bus");
    }

    @ParameterizedTest
    @CsvSource({
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice",
        "/test.slice",
        "system.slice",
        "kubepods-besteffort-pod1_2.slice"
    })
    void aSliceIsGivenByItsNameOrItsWholePath(String text) {
        Slice slice = Slice.parse(text).orElseThrow();
        assertThat(slice.cgroupPath()).endsWith("/" + slice.name());
        assertThat(Slice.parse(slice.cgroupPath())).contains(slice);
        assertThat(new Slice("a-b-c.slice").cgroupPath()).isEqualTo("/a.slice/a-b.slice/a-b-c.slice");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/kubepods/burstable",
                "/other.slice/kubepods-burstable.slice",
                "/a-b.slice",
                "a--b.slice",
                "-.slice",
                "../a.slice",
                "a/b.slice",
                "/a.slice/",
                ".slice",
                ""
            })
    void whatLiesElsewhereThanItsNameSaysIsNoSlice(String text) {
        assertThat(Slice.parse(text)).isEmpty();
        assertThat(Slice.parse("a-".repeat(100_000) + text)).isEmpty();
    }
}
