package io.portafilter.systemd;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.BiFunction;
import java.util.stream.Stream;

/**
 * A bus of Debian's dbus-daemon, which closes the connection of whoever sends a message that is not well formed, and on
 * it a service that takes units as systemd does.
 */
public final class BusFixture implements AutoCloseable {
    private static final Duration LIMIT = Duration.ofSeconds(20);
    private static final String MANAGER = "org.freedesktop.systemd1.Manager";
    private static final String PATH = "/org/freedesktop/systemd1";

    /** Before a result: somebody else tells of a job that is done. */
    static final String FORGED = "forged ";

    /** A unit that was asked for, its properties as texts. */
    public record Started(String unit, String mode, Map<String, String> properties) {}

    /** What the service does at a start: the job's result, or a D-Bus error, which has a dot in its name. */
    public interface Starting extends BiFunction<Integer, Started, String> {}

    private final Path directory;
    private final Process daemon;
    private final Thread service;
    private final Starting starting;
    private final Bus bus;
    private final List<Started> started = new CopyOnWriteArrayList<>();
    private final List<String> calls = new CopyOnWriteArrayList<>();
    private final Map<String, String> known = new ConcurrentHashMap<>();

    private BusFixture(Path directory, Process daemon, Bus bus, Starting starting) {
        this.directory = directory;
        this.daemon = daemon;
        this.bus = bus;
        this.starting = starting;
        this.service = Thread.ofPlatform().daemon().name("service").unstarted(this::serve);
    }

    @SuppressWarnings("MustBeClosedChecker") // closed with this object
    public static BusFixture start(Path directory, Starting starting) throws IOException {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/dbus-daemon")), "needs dbus-daemon (Debian: dbus-daemon)");
        Path socket = directory.resolve("bus");
        Path config = Files.writeString(directory.resolve("bus.conf"), """
                <!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
                 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
                <busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
                <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
                </busconfig>""".formatted(socket));
        Process daemon = new ProcessBuilder(
                        "/usr/bin/dbus-daemon", "--config-file=" + config, "--nofork", "--nopidfile")
                .inheritIO()
                .start();
        long end = System.nanoTime() + LIMIT.toNanos();
        while (!accepts(socket)) {
            if (System.nanoTime() > end || !daemon.isAlive()) {
                throw new AssertionError("dbus-daemon does not listen");
            }
            Thread.onSpinWait();
        }
        Bus bus = Bus.connect(socket, Duration.ofMinutes(5));
        bus.call(
                "org.freedesktop.DBus",
                "/org/freedesktop/DBus",
                "org.freedesktop.DBus",
                "RequestName",
                "su",
                new BusWriter().text("org.freedesktop.systemd1").number32(0));
        BusFixture fixture = new BusFixture(directory, daemon, bus, starting);
        fixture.service.start();
        return fixture;
    }

    private static boolean accepts(Path socket) {
        try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            return channel.connect(UnixDomainSocketAddress.of(socket));
        } catch (IOException e) {
            return false;
        }
    }

    public Path socket() {
        return directory.resolve("bus");
    }

    public List<Started> started() {
        return List.copyOf(started);
    }

    /** Methods that were called, with what belongs to them. */
    public List<String> calls() {
        return List.copyOf(calls);
    }

    private void serve() {
        try {
            while (true) {
                BusMessage message = bus.receiveMessage();
                if (message.type() == BusMessage.CALL) {
                    answer(message);
                }
            }
        } catch (SystemdException e) {
            // closed
        }
    }

    private void answer(BusMessage call) {
        BusReader body = call.reader();
        String member = call.field(BusMessage.MEMBER);
        switch (member) {
            case "Get" -> get(call, body.text(), body.text());
            case "GetUnit" -> reply(call, "o", new BusWriter().text(PATH + "/unit/any"));
            case "Subscribe" -> reply(call, "", new BusWriter());
            case "ResetFailedUnit" -> {
                calls.add(member + " " + body.text());
                reply(call, "", new BusWriter());
            }
            case "SetUnitProperties" -> {
                String unit = body.text();
                boolean runtime = body.flag();
                Map<String, String> asked = properties(body);
                known.putAll(asked);
                calls.add(member + " " + unit + " " + runtime + " " + new TreeMap<>(asked));
                reply(call, "", new BusWriter());
            }
            case "StartTransientUnit" -> start(call, new Started(body.text(), body.text(), properties(body)));
            default -> error(call, "org.freedesktop.DBus.Error.UnknownMethod");
        }
    }

    private void get(BusMessage call, String anInterface, String name) {
        BusWriter body = new BusWriter();
        if (anInterface.equals(MANAGER)) {
            body.signature("s").text("252.38-1~deb12u1");
        } else if (name.startsWith("Allowed")) {
            String set = known.getOrDefault(name, "");
            body.signature("ay")
                    .array(
                            1,
                            () -> Stream.of(set.split(" "))
                                    .filter(octet -> !octet.isEmpty())
                                    .forEach(octet -> body.octet(Integer.parseInt(octet))));
        } else {
            body.signature("t").number64(Long.parseUnsignedLong(known.getOrDefault(name, "18446744073709551615")));
        }
        reply(call, "v", body);
    }

    private static Map<String, String> properties(BusReader body) {
        Map<String, String> properties = new HashMap<>();
        int end = body.array(8);
        while (body.isBefore(end)) {
            properties.put(body.align(8).text(), body.variant());
        }
        return properties;
    }

    private void start(BusMessage call, Started unit) {
        started.add(unit);
        known.putAll(unit.properties());
        String result = starting.apply(started.size(), unit);
        if (result.contains(".")) {
            error(call, result);
            return;
        }
        String job = PATH + "/job/" + started.size();
        if (result.startsWith(FORGED)) {
            forge(call.field(BusMessage.SENDER), started.size(), job, unit.unit(), "done");
            result = result.substring(FORGED.length());
        }
        if (!result.isEmpty()) {
            // another's job, and this one's before its reply: systemd promises no order
            removed(77, PATH + "/job/77", "other.scope", "failed");
            removed(started.size(), job, unit.unit(), result);
        }
        reply(call, "o", new BusWriter().text(job));
    }

    private void removed(int id, String job, String unit, String result) {
        removed(bus, Map.of(), id, job, unit, result);
    }

    private static void removed(Bus bus, Map<Integer, String> more, int id, String job, String unit, String result) {
        Map<Integer, String> fields = new HashMap<>(Map.of(
                BusMessage.PATH,
                PATH,
                BusMessage.INTERFACE,
                MANAGER,
                BusMessage.MEMBER,
                "JobRemoved",
                BusMessage.SIGNATURE,
                "uoss"));
        fields.putAll(more);
        bus.send(
                BusMessage.SIGNAL,
                fields,
                new BusWriter().number32(id).text(job).text(unit).text(result));
    }

    /** What another one on the bus may send to whom it likes: the end of a job of systemd's. */
    private void forge(String to, int id, String job, String unit, String result) {
        try (Bus other = Bus.connect(socket(), LIMIT)) {
            removed(other, Map.of(BusMessage.DESTINATION, to), id, job, unit, result);
            // its reply comes when the signal was passed on
            BusMessage _ = other.call(
                    "org.freedesktop.DBus",
                    "/org/freedesktop/DBus",
                    "org.freedesktop.DBus",
                    "GetId",
                    "",
                    new BusWriter());
        }
    }

    private void reply(BusMessage call, String signature, BusWriter body) {
        Map<Integer, String> fields = new HashMap<>(Map.of(
                BusMessage.DESTINATION,
                call.field(BusMessage.SENDER),
                BusMessage.REPLY_SERIAL,
                Integer.toString(call.serial())));
        if (!signature.isEmpty()) {
            fields.put(BusMessage.SIGNATURE, signature);
        }
        bus.send(BusMessage.REPLY, fields, body);
    }

    private void error(BusMessage call, String name) {
        bus.send(
                BusMessage.ERROR,
                Map.of(
                        BusMessage.DESTINATION,
                        call.field(BusMessage.SENDER),
                        BusMessage.REPLY_SERIAL,
                        Integer.toString(call.serial()),
                        BusMessage.ERROR_NAME,
                        name,
                        BusMessage.SIGNATURE,
                        "s"),
                new BusWriter().text("as the test wants"));
    }

    @Override
    public void close() {
        daemon.destroy();
        try {
            if (!daemon.waitFor(10, TimeUnit.SECONDS)) {
                daemon.destroyForcibly();
            }
            service.join(10_000);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        bus.close();
        try {
            for (String file : new ArrayList<>(List.of("bus", "bus.conf"))) {
                Files.deleteIfExists(directory.resolve(file));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
