package io.portafilter.container;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.launch.LaunchException;
import io.portafilter.linux.Device;
import io.portafilter.linux.MountInfo;
import io.portafilter.linux.ProcFile;
import io.portafilter.linux.ProcStatus;
import io.portafilter.security.SecurityRequest;
import java.io.IOException;
import java.lang.reflect.RecordComponent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Gate 2 with a process that waits there, all of whose facts are right but for one that is changed after it was read: the
 * launch is refused, and the sentence has what was asked and what the kernel said.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@SuppressWarnings("MustBeClosedChecker") // closed after the class
class LaunchDifferenceTest {

    private static final long FOREIGN = 4026000000L;

    private final Map<ContainerLaunchTest.Shape, LiveSandbox> sandboxes = new HashMap<>();
    private final Map<ContainerLaunchTest.Shape, ContainerLaunch> launches = new HashMap<>();

    @BeforeAll
    void hold() throws IOException {
        for (ContainerLaunchTest.Shape shape : ContainerLaunchTest.Shape.values()) {
            LiveSandbox sandbox = LiveSandbox.open();
            sandboxes.put(shape, sandbox);
            sandbox.pod(shape.mapped);
            SecurityRequest security = LiveSandbox.noNewPrivileges(sandbox.securityRequest(), 1000);
            Path volume = Files.createDirectory(sandbox.directory.resolve("volume"));
            ContainerRequest request = LiveSandbox.in(
                    LiveSandbox.with(
                            sandbox.request(shape.pids, security, "true"),
                            new MountRequest("/tmp", volume, true, false, io.portafilter.rootfs.Propagation.PRIVATE)),
                    "/bin");
            launches.put(shape, ContainerLaunch.prepare(sandbox.host, request, sandbox.pod()));
        }
    }

    @AfterAll
    void end() {
        launches.values().forEach(ContainerLaunch::close);
        sandboxes.values().forEach(LiveSandbox::close);
    }

    /**
     * One changed fact.
     *
     * @param component of {@link HeldProcess}
     * @param change what the kernel says instead
     * @param differences what the refusal says, each of them
     */
    record Case(
            String component,
            ContainerLaunchTest.Shape shape,
            UnaryOperator<HeldProcess> change,
            List<String> differences) {
        @Override
        public String toString() {
            return shape + ": " + differences.getFirst();
        }
    }

    private static Stream<Case> cases() {
        List<Case> cases = new ArrayList<>();
        for (ContainerLaunchTest.Shape shape : ContainerLaunchTest.Shape.values()) {
            String uid = shape.mapped ? "201000" : "1000";
            String gid = shape.mapped ? "301000" : "1000";
            add(cases, shape, "status", status("PPid", "1"), "parent process differs: asked ", ", kernel 1");
            List<String> names = List.of("real", "effective", "saved", "file system");
            for (int i = 0; i < 4; i++) {
                add(
                        cases,
                        shape,
                        "status",
                        status("Uid", oneOfFour(uid, i)),
                        "user ids differs: asked real " + uid + ", effective " + uid + ", saved " + uid
                                + ", file system " + uid + ", kernel ",
                        names.get(i) + " 0");
                add(
                        cases,
                        shape,
                        "status",
                        status("Gid", oneOfFour(gid, i)),
                        "group ids differs: asked real " + gid,
                        names.get(i) + " 0");
            }
            add(cases, shape, "status", status("Groups", gid + " 0"), "supplementary groups differs: asked [", "[0, ");
            for (String set :
                    List.of("Bnd bounding", "Prm permitted", "Eff effective", "Inh inheritable", "Amb ambient")) {
                add(
                        cases,
                        shape,
                        "status",
                        status("Cap" + set.substring(0, 3), "0000000001000000"),
                        set.substring(4) + " set differs: asked ",
                        ", kernel SYS_RESOURCE");
            }
            add(cases, shape, "status", status("NoNewPrivs", "0"), "no_new_privs differs: asked true, kernel false");
            add(cases, shape, "status", status("Umask", "0000"), "umask differs: asked 18, kernel 0");
            add(
                    cases,
                    shape,
                    "statOwner",
                    held -> changed(held, "statOwner", 1000L),
                    "owner of /proc/PID/stat differs: asked 0, kernel 1000");
            addNamespaces(cases, shape);
            if (shape.mapped) {
                addMaps(cases, shape);
            }
            addMounts(cases, shape);
            add(
                    cases,
                    shape,
                    "workingDirectory",
                    held -> changed(held, "workingDirectory", "(unreachable)/"),
                    "working directory differs: asked /bin, kernel (unreachable)/");
            add(
                    cases,
                    shape,
                    "cgroups",
                    held -> changed(held, "cgroups", held.cgroups().replaceFirst("portafilter-test", "elsewhere")),
                    "cgroups differs: asked {",
                    "=/elsewhere-");
            add(
                    cases,
                    shape,
                    "limits",
                    held -> changed(
                            held, "limits", held.limits().replaceAll("Max open files +\\S+", "Max open files 77")),
                    "limit of open files differs: asked [1024, ",
                    ", kernel [77, ");
            add(
                    cases,
                    shape,
                    "oomScoreAdj",
                    held -> changed(held, "oomScoreAdj", "-998\n"),
                    "oom_score_adj differs: asked ",
                    ", kernel -998");
            List<String> streams = List.of("stdin", "stdout", "stderr");
            for (int i = 0; i < 3; i++) {
                int changed = i;
                add(
                        cases,
                        shape,
                        "streams",
                        held -> {
                            List<OpenFile> others = new ArrayList<>(held.streams());
                            others.set(changed, OpenFile.NONE);
                            return changed(held, "streams", others);
                        },
                        streams.get(i) + " differs: asked inode ",
                        ", kernel nothing");
            }
            add(
                    cases,
                    shape,
                    "terminal",
                    held -> changed(held, "terminal", new Device(136, 0)),
                    "controlling terminal differs: asked 0:0, kernel 136:0");
        }
        return cases.stream();
    }

    private static void addNamespaces(List<Case> cases, ContainerLaunchTest.Shape shape) {
        for (String kind : List.of("user", "net", "ipc", "uts")) {
            add(
                    cases,
                    shape,
                    "namespaces",
                    namespace(kind, FOREIGN),
                    kind + " namespace differs: asked ",
                    FOREIGN + "");
        }
        long host = NamespaceInodes.OWN.of("mnt");
        add(
                cases,
                shape,
                "namespaces",
                namespace("mnt", host),
                "mnt namespace differs: asked one of its own, kernel the host's, " + host);
        add(
                cases,
                shape,
                "namespaces",
                namespace("pid_for_children", NamespaceInodes.OWN.of("pid")),
                shape.pids == PidMode.CONTAINER
                        ? "pid namespace of its children differs: asked "
                        : "pid namespace differs: asked ",
                ", kernel " + NamespaceInodes.OWN.of("pid"));
        add(
                cases,
                shape,
                "namespaces",
                namespace("pid", shape.pids == PidMode.CONTAINER ? NamespaceInodes.OWN.of("pid") : FOREIGN),
                shape.pids == PidMode.CONTAINER
                        ? "pid namespace differs: asked one of its own, kernel the host's, "
                        : "pid namespace of the waiting process differs: asked ");
        add(
                cases,
                shape,
                "namespaces",
                held -> namespace(
                                "cgroup",
                                held.namespaces().of("cgroup") == NamespaceInodes.OWN.of("cgroup")
                                        ? FOREIGN
                                        : NamespaceInodes.OWN.of("cgroup"))
                        .apply(held),
                "cgroup namespace differs: asked ");
    }

    private static void addMaps(List<Case> cases, ContainerLaunchTest.Shape shape) {
        add(
                cases,
                shape,
                "idMaps",
                held -> changed(
                        held,
                        "idMaps",
                        Optional.of(new HeldProcess.IdMaps(
                                "0 0 4294967295\n", map(held).gidMap(), "allow"))),
                "uid mapping differs: asked [0, 200000, 65536], kernel [0, 0, 4294967295]");
        add(
                cases,
                shape,
                "idMaps",
                held -> changed(
                        held,
                        "idMaps",
                        Optional.of(new HeldProcess.IdMaps(map(held).uidMap(), "0 300000 65535\n", "allow"))),
                "gid mapping differs: asked [0, 300000, 65536], kernel [0, 300000, 65535]");
        add(
                cases,
                shape,
                "idMaps",
                held -> changed(
                        held,
                        "idMaps",
                        Optional.of(new HeldProcess.IdMaps(
                                map(held).uidMap(), map(held).gidMap(), "deny\n"))),
                "setgroups differs: asked allow, kernel deny");
        add(
                cases,
                shape,
                "idMaps",
                held -> changed(held, "idMaps", Optional.empty()),
                "uid mapping differs: asked [0, 200000, 65536], kernel []");
    }

    private static HeldProcess.IdMaps map(HeldProcess held) {
        return held.idMaps().orElseThrow();
    }

    /** Mount point, type, flags, device, root, propagation; one that is missing, and one too many. */
    private static void addMounts(List<Case> cases, ContainerLaunchTest.Shape shape) {
        Device other = new Device(0, 99999);
        for (String path : List.of("/proc", "/dev/shm", "/dev/mqueue", "/dev/pts", "/sys", "/proc/keys", "/proc/sys")) {
            add(
                    cases,
                    shape,
                    "mounts",
                    mounts(path, _ -> Stream.empty()),
                    path.equals("/proc/sys") || path.equals("/proc/keys")
                            ? "mount on " + path + " differs: asked a "
                            : "mount on " + path + " differs: asked ",
                    ", kernel nothing");
        }
        for (String path : List.of("/", "/dev", "/tmp")) {
            add(
                    cases,
                    shape,
                    "mounts",
                    mounts(path, mount -> Stream.of(mountWith(mount, "id", mount.id() + 100_000))),
                    "mount on " + path + " differs: asked the ");
        }
        for (String path : List.of("/proc", "/dev/shm", "/dev/mqueue", "/dev/pts", "/sys")) {
            add(
                    cases,
                    shape,
                    "mounts",
                    mounts(path, mount -> Stream.of(mountWith(mount, "type", "ramfs"))),
                    "mount on " + path + " differs: asked ",
                    ", kernel ramfs ");
            add(
                    cases,
                    shape,
                    "mounts",
                    mounts(path, mount -> Stream.of(mountWith(mount, "root", "/elsewhere"))),
                    "mount on " + path + " differs: asked ",
                    " with root /elsewhere");
        }
        for (String path : List.of("/", "/proc", "/dev", "/dev/shm", "/dev/mqueue", "/dev/pts", "/sys", "/proc/keys")) {
            add(
                    cases,
                    shape,
                    "mounts",
                    mounts(path, mount -> Stream.of(mountWith(mount, "options", List.of("ro", "nodev", "relatime")))),
                    "flags of " + path + " differs: asked [",
                    ", kernel [nodev, ro]");
        }
        add(
                cases,
                shape,
                "mounts",
                mounts("/tmp", mount -> Stream.of(mountWith(mount, "options", List.of("rw")))),
                "read-only /tmp differs: asked true, kernel false");
        add(
                cases,
                shape,
                "mounts",
                mounts("/proc/sys", mount -> Stream.of(mountWith(mount, "options", List.of("rw")))),
                "read-only /proc/sys differs: asked true, kernel false");
        add(
                cases,
                shape,
                "mounts",
                mounts("/dev/shm", mount -> Stream.of(mountWith(mount, "device", other))),
                "device of /dev/shm differs: asked ",
                ", kernel " + other);
        for (String path : List.of("/proc", "/sys", "/dev/pts", "/dev/mqueue")) {
            add(
                    cases,
                    shape,
                    "mounts",
                    held -> mounts(path, mount -> Stream.of(mountWith(mount, "device", ofHost(path))))
                            .apply(held),
                    shape.pids == PidMode.POD && path.equals("/proc")
                            ? "/proc differs: asked "
                            : "mount on " + path + " differs: asked a " + ofType(path)
                                    + " of its own, kernel the host's");
        }
        for (String path : List.of("/proc/keys", "/sys/firmware")) {
            add(
                    cases,
                    shape,
                    "mounts",
                    mounts(path, mount -> Stream.of(mountWith(mount, "device", other))),
                    "mount on " + path + " differs: asked a mask, kernel ");
        }
        for (String path : List.of("/", "/proc", "/dev", "/tmp", "/proc/keys")) {
            add(
                    cases,
                    shape,
                    "mounts",
                    mounts(path, mount -> Stream.of(mountWith(mount, "sharedGroup", Optional.of(7)))),
                    "propagation of " + path + " differs: asked none to the host, kernel shared");
            add(
                    cases,
                    shape,
                    "mounts",
                    mounts(path, mount -> Stream.of(mountWith(mount, "masterGroup", Optional.of(7)))),
                    "propagation of " + path + " differs: asked none from the host, kernel slave");
        }
        for (String path : List.of("/etc", "/proc/self", "/dev/null")) {
            add(
                    cases,
                    shape,
                    "mounts",
                    mounts(
                            "/proc",
                            mount -> Stream.of(
                                    mount,
                                    mountWith(mountWith(mount, "mountPoint", path), "id", mount.id() + 100_000))),
                    "mount on " + path + " differs: asked no more than was planned, kernel proc ");
        }
        add(
                cases,
                shape,
                "mounts",
                mounts(
                        "/proc",
                        mount -> Stream.of(
                                mount,
                                mountWith(
                                        mountWith(mountWith(mount, "parentId", mount.id()), "id", mount.id() + 100_000),
                                        "options",
                                        List.of("rw")))),
                "flags of /proc differs: asked [",
                "mount on /proc differs: asked no more than was planned");
    }

    private static String ofType(String path) {
        return switch (path) {
            case "/sys" -> "sysfs";
            case "/dev/pts" -> "devpts";
            case "/dev/mqueue" -> "mqueue";
            default -> "proc";
        };
    }

    /** Read as it is asked: where the host has no such mount, the path is on another device, which is the host's as well. */
    private static Device ofHost(String path) {
        return io.portafilter.linux.Kernel.statx(io.portafilter.linux.Fd.CWD, path, 0)
                .device();
    }

    private static void add(
            List<Case> cases,
            ContainerLaunchTest.Shape shape,
            String component,
            UnaryOperator<HeldProcess> change,
            String... differences) {
        boolean ofHost =
                Arrays.stream(differences).anyMatch(text -> text.contains("/dev/mqueue differs: asked a mqueue"));
        if (!ofHost || Files.isDirectory(Path.of("/dev/mqueue"))) {
            cases.add(new Case(component, shape, change, List.of(differences)));
        }
    }

    private static String oneOfFour(String id, int changed) {
        List<String> ids = new ArrayList<>(List.of(id, id, id, id));
        ids.set(changed, "0");
        return String.join("\t", ids);
    }

    /** The process's own status with another value in one line. */
    private static UnaryOperator<HeldProcess> status(String line, String value) {
        return held -> {
            // The last number is the one in its own namespace.
            String text = ProcFile.read("/proc/" + held.status().pids().getFirst() + "/status");
            String changed = text.replaceFirst("(?m)^" + line + ":.*$", line + ":\t" + value);
            assertThat(changed).isNotEqualTo(text);
            return changed(held, "status", ProcStatus.parse(changed));
        };
    }

    private static UnaryOperator<HeldProcess> namespace(String kind, long inode) {
        return held -> changed(held, "namespaces", held.namespaces().with(kind, inode));
    }

    private static UnaryOperator<HeldProcess> mounts(
            String path, java.util.function.Function<MountInfo, Stream<MountInfo>> change) {
        return held -> {
            // What lies on top of others at the same place comes last.
            MountInfo top = held.mounts().stream()
                    .filter(mount -> mount.mountPoint().equals(path))
                    .reduce((_, last) -> last)
                    .orElseThrow(() -> new AssertionError("nothing is mounted on " + path));
            return changed(
                    held,
                    "mounts",
                    held.mounts().stream()
                            .flatMap(mount -> mount.equals(top) ? change.apply(mount) : Stream.of(mount))
                            .toList());
        };
    }

    private static MountInfo mountWith(MountInfo mount, String component, Object value) {
        return changed(mount, component, value);
    }

    /** The same record with another value for one component. */
    @SuppressWarnings("unchecked") // the constructor makes the same class
    private static <R extends Record> R changed(R original, String component, Object value) {
        try {
            RecordComponent[] components = original.getClass().getRecordComponents();
            List<Object> values = new ArrayList<>();
            for (RecordComponent each : components) {
                each.getAccessor().setAccessible(true);
                values.add(
                        each.getName().equals(component)
                                ? value
                                : each.getAccessor().invoke(original));
            }
            var constructor = original.getClass()
                    .getDeclaredConstructor(Arrays.stream(components)
                            .map(RecordComponent::getType)
                            .toArray(Class<?>[]::new));
            constructor.setAccessible(true);
            return (R) constructor.newInstance(values.toArray());
        } catch (ReflectiveOperationException e) {
            throw new LinkageError(e.getMessage(), e);
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void namesTheDifference(Case changed) {
        ContainerLaunch launch = launches.get(changed.shape());
        assertThat(launch).isNotNull();
        var refusal = assertThatThrownBy(() -> launch.check(changed.change()))
                .isInstanceOf(LaunchException.class)
                .hasMessageContaining("the prepared process is not what was asked for: ");
        changed.differences().forEach(refusal::hasMessageContaining);
    }

    @Test
    void findsNothingWhereNothingWasChanged() {
        launches.values().forEach(ContainerLaunch::check);
    }

    @Test
    void everythingThatIsReadIsCompared() {
        assertThat(cases().map(Case::component).collect(Collectors.toSet())).isEqualTo(names(HeldProcess.class));
        // Of the status: the name is the monitor's, filters are installed after the gate, and what state it is in does
        // not matter.
        Set<String> compared = names(ProcStatus.class);
        compared.removeAll(List.of("name", "state", "pids", "seccompMode", "seccompFilters"));
        assertThat(compared)
                .containsExactlyInAnyOrder(
                        "parentPid",
                        "uids",
                        "gids",
                        "groups",
                        "inheritable",
                        "permitted",
                        "effective",
                        "bounding",
                        "ambient",
                        "noNewPrivileges",
                        "umask");
    }

    private static Set<String> names(Class<? extends Record> type) {
        return Arrays.stream(type.getRecordComponents())
                .map(RecordComponent::getName)
                .collect(Collectors.toCollection(TreeSet::new));
    }
}
