package io.portafilter.systemd;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The manager of this host's units (org.freedesktop.systemd1(5)). Each operation has a connection of its own: a start of
 * a unit takes milliseconds, a connection a fraction of one, and no connection is shared that could be lost.
 */
public final class Systemd {
    /** Where the system bus listens (D-Bus specification, "Well-known Message Bus Instances"). */
    public static final Path SYSTEM_BUS = Path.of("/run/dbus/system_bus_socket");

    private static final String SERVICE = "org.freedesktop.systemd1";
    private static final String PATH = "/org/freedesktop/systemd1";
    private static final String MANAGER = "org.freedesktop.systemd1.Manager";
    private static final String SCOPE = "org.freedesktop.systemd1.Scope";
    private static final String UNIT_EXISTS = "org.freedesktop.systemd1.UnitExists";
    private static final String NO_SUCH_UNIT = "org.freedesktop.systemd1.NoSuchUnit";
    private static final String JOB_REMOVED = "JobRemoved";
    private static final Pattern VERSION = Pattern.compile("v?(\\d{1,9}).*", Pattern.DOTALL);

    /** Scopes have an OOMPolicy from here on; before, systemd does not act on their being out of memory. */
    private static final int OOM_POLICY_SINCE = 253;

    private final Path bus;
    private final Duration timeLimit;
    private final int version;

    private Systemd(Path bus, Duration timeLimit, int version) {
        this.bus = bus;
        this.timeLimit = timeLimit;
        this.version = version;
    }

    /**
     * Asks for systemd's version.
     *
     * @param bus the socket of the bus that systemd is on
     * @param timeLimit of each operation
     * @throws SystemdException if it does not answer
     */
    public static Systemd connect(Path bus, Duration timeLimit) {
        try (Bus connection = Bus.connect(bus, timeLimit)) {
            String text = get(connection, PATH, MANAGER, "Version");
            Matcher found = VERSION.matcher(text);
            if (!found.matches()) {
                throw new SystemdException("systemd tells \"" + text + "\" as its version");
            }
            return new Systemd(bus, timeLimit, Integer.parseInt(found.group(1)));
        }
    }

    /** The number of its release, such as 252. */
    public int version() {
        return version;
    }

    /**
     * Starts a transient scope with a process in it and returns when its cgroup is there. A unit of that name that has
     * failed earlier is taken away.
     *
     * @param unit its name, which ends with {@code .scope}
     * @param killTogether its processes are killed together when one lacks memory
     * @param limits what systemd has to know, for it writes them anew after it has reloaded its configuration
     * @throws SystemdException if systemd refuses, or has not done it in time
     */
    public void startScope(String unit, Slice slice, int pid, boolean killTogether, List<Property> limits) {
        List<Property> properties = new ArrayList<>(List.of(
                Property.of("Description", "container of Portafilter"),
                Property.of("Slice", slice.name()),
                Property.of("Delegate", true),
                new Property("PIDs", new Property.Value.Pids(List.of(pid))),
                Property.of("MemoryAccounting", true),
                Property.of("CPUAccounting", true),
                Property.of("IOAccounting", true),
                Property.of("TasksAccounting", true),
                // it must not be stopped before the container manager at the host's shutdown
                Property.of("DefaultDependencies", false),
                // a scope whose last process was killed has failed, and would stay
                Property.of("CollectMode", "inactive-or-failed")));
        if (version >= OOM_POLICY_SINCE) {
            // its default is to stop the whole scope, where the kernel killed one process
            properties.add(Property.of("OOMPolicy", killTogether ? "kill" : "continue"));
        }
        properties.addAll(limits);
        try {
            start(unit, properties);
        } catch (SystemdException e) {
            if (!e.error().equals(UNIT_EXISTS)) {
                throw e;
            }
            resetFailed(unit);
            start(unit, properties);
        }
    }

    private void start(String unit, List<Property> properties) {
        try (Bus connection = Bus.connect(bus, timeLimit)) {
            listen(connection);
            BusWriter body = new BusWriter().text(unit).text("replace").properties(properties);
            body.array(8, () -> {}); // no further units
            String job = call(connection, "StartTransientUnit", "ssa(sv)a(sa(sv))", body)
                    .reader()
                    .text();
            String result = awaitJob(connection, job);
            if (!result.equals("done")) {
                throw new SystemdException("systemd did not start " + unit + ": its job ended as \"" + result + "\"");
            }
        }
    }

    /** Signals of the manager are sent to those who asked for them, and nothing is missed between asking and a job's start. */
    private static void listen(Bus connection) {
        BusMessage _ = connection.call(
                "org.freedesktop.DBus",
                "/org/freedesktop/DBus",
                "org.freedesktop.DBus",
                "AddMatch",
                "s",
                new BusWriter()
                        .text("type='signal',sender='" + SERVICE + "',path='" + PATH + "',interface='" + MANAGER
                                + "',member='" + JOB_REMOVED + "'"));
        connection.hear(call(connection, "Subscribe", "", new BusWriter()).field(BusMessage.SENDER));
    }

    /** JobRemoved has the job's number, its path, the unit and the result. */
    private static String awaitJob(Bus connection, String job) {
        BusMessage removed = connection.awaitSignal(signal -> {
            if (!signal.field(BusMessage.MEMBER).equals(JOB_REMOVED)
                    || !signal.field(BusMessage.SIGNATURE).equals("uoss")) {
                return false;
            }
            BusReader body = signal.reader();
            int _ = body.number32();
            return body.text().equals(job);
        });
        BusReader body = removed.reader();
        int _ = body.number32();
        String _ = body.text();
        String _ = body.text();
        return body.text();
    }

    /**
     * Makes other limits known of a unit that runs, until the next boot, and returns when systemd has written them to the
     * unit's files: all that it knows of, if it has reloaded its configuration since it wrote the last time.
     */
    public void setProperties(String unit, List<Property> properties) {
        if (properties.isEmpty()) {
            return;
        }
        try (Bus connection = Bus.connect(bus, timeLimit)) {
            BusMessage _ = call(
                    connection,
                    "SetUnitProperties",
                    "sba(sv)",
                    new BusWriter().text(unit).flag(true).properties(properties));
            // it answers first and writes then, before it looks at what else it is asked
            String _ = get(connection, PATH, MANAGER, "Version");
        }
    }

    /**
     * What a scope's properties of these names are now.
     *
     * @param alike properties whose names and types are meant, not their values
     */
    public List<Property> properties(String unit, List<Property> alike) {
        if (alike.isEmpty()) {
            return List.of();
        }
        try (Bus connection = Bus.connect(bus, timeLimit)) {
            String path = call(connection, "GetUnit", "s", new BusWriter().text(unit))
                    .reader()
                    .text();
            return alike.stream()
                    .map(property -> property.of(get(connection, path, SCOPE, property.name())))
                    .toList();
        }
    }

    private static String get(Bus connection, String path, String anInterface, String name) {
        return connection
                .call(
                        SERVICE,
                        path,
                        "org.freedesktop.DBus.Properties",
                        "Get",
                        "ss",
                        new BusWriter().text(anInterface).text(name))
                .reader()
                .variant();
    }

    private void resetFailed(String unit) {
        try (Bus connection = Bus.connect(bus, timeLimit)) {
            BusMessage _ = call(connection, "ResetFailedUnit", "s", new BusWriter().text(unit));
        } catch (SystemdException e) {
            if (!e.error().equals(NO_SUCH_UNIT)) {
                throw e;
            }
        }
    }

    private static BusMessage call(Bus connection, String member, String signature, BusWriter body) {
        return connection.call(SERVICE, PATH, MANAGER, member, signature, body);
    }
}
