package io.portafilter.e2e;

import io.grpc.StatusRuntimeException;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ContainerStatus;
import io.portafilter.cri.v1.ContainerUser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What was seen of a case: from inside by {@code observe.sh}, as first process or executed, and from the host while it ran
 * and after it stopped.
 */
record PeerObservation(SortedMap<String, String> values) {
    private static final String REFUSED = "refused";
    private static final String NONE = "(none)";
    private static final Duration OBSERVING = Duration.ofSeconds(30);
    private static final Duration GRACE = Duration.ofSeconds(10);
    private static final Pattern ID = Pattern.compile("[0-9a-f]{64}");
    private static final Pattern LAYERS = Pattern.compile(",?(lowerdir\\+?|upperdir|workdir)=[^ ,]*");
    private static final Pattern PEER_GROUP = Pattern.compile("\\b(shared|master|propagate_from):\\d+");
    private static final Pattern NUMBERED = Pattern.compile("^(pipe|socket|anon_inode):\\[\\d+]$");

    private static final List<String> NAMESPACES = List.of("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts");
    private static final List<String> OF_A_PROCESS = List.of(
            "Uid",
            "Gid",
            "Groups",
            "CapInh",
            "CapPrm",
            "CapEff",
            "CapBnd",
            "CapAmb",
            "NoNewPrivs",
            "Seccomp",
            "Seccomp_filters");

    /** Files of the cgroup by controller, version 1 and 2. */
    private static final List<CgroupFiles> CGROUP_FILES = List.of(
            new CgroupFiles(
                    "memory",
                    List.of(
                            "memory.limit_in_bytes",
                            "memory.memsw.limit_in_bytes",
                            "memory.soft_limit_in_bytes",
                            "memory.swappiness",
                            "memory.use_hierarchy",
                            "memory.max",
                            "memory.high",
                            "memory.low",
                            "memory.min",
                            "memory.swap.max",
                            "memory.oom.group")),
            new CgroupFiles(
                    "cpu", List.of("cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.weight", "cpu.max")),
            new CgroupFiles("cpuset", List.of("cpuset.cpus", "cpuset.mems")),
            new CgroupFiles("pids", List.of("pids.max")),
            new CgroupFiles("blkio", List.of("blkio.weight")),
            new CgroupFiles("devices", List.of("devices.list")),
            new CgroupFiles("freezer", List.of("freezer.state")));

    private record CgroupFiles(String controller, List<String> files) {}

    /** Runs a case to its end and removes its pods. */
    static PeerObservation of(PeerCase asked, PeerSite site) {
        return of(asked, site, PeerObservation::observe);
    }

    /** What a process sees that is executed in a container, beside what the host shows of the first one. */
    static PeerObservation ofExec(PeerCase asked, PeerSite site) {
        return of(asked, site, PeerObservation::execute);
    }

    private interface Observer {
        void observe(Container container, PeerSite site, SortedMap<String, String> values);
    }

    private static PeerObservation of(PeerCase asked, PeerSite site, Observer observer) {
        SortedMap<String, String> values = new TreeMap<>();
        try {
            observer.observe(asked.start().apply(site), site, values);
        } catch (StatusRuntimeException refused) {
            // How it is said is not compared.
            values.clear();
            values.put(REFUSED, String.valueOf(refused.getMessage()));
        } finally {
            site.server().cri().pods().forEach(pod -> site.server().cri().removePod(pod.getId()));
        }
        return new PeerObservation(values);
    }

    private static void execute(Container container, PeerSite site, SortedMap<String, String> values) {
        Proc first = container.process();
        // A started container may be a moment before its program.
        Await.until(
                "the first process runs its program",
                OBSERVING,
                () -> first.read("cmdline").startsWith("/bin/sleep"));
        fromHost(first, site, values);
        Map<String, String> status = first.status();
        OF_A_PROCESS.forEach(key -> values.put("first status " + key, status.getOrDefault(key, NONE)));
        for (String file : List.of("uid_map", "gid_map", "setgroups")) {
            values.put("first " + file, first.read(file).strip().replaceAll("\\s+", " "));
        }
        Container.Output output = container.exec(OBSERVING, "/bin/sh", "/observe.sh", "once");
        if (output.exitCode() != 0) {
            throw new AssertionError("the observing script: " + output);
        }
        inside(output.stdout(), site.server(), values);
        for (String kind : NAMESPACES) {
            values.computeIfPresent(
                    "own namespace " + kind,
                    (_, own) -> own.equals(first.namespace(kind)) ? "as the first process" : own);
        }
        values.put("errors", output.stderr().strip());
        ContainerUser user = container.status().getUser();
        values.put("status user", user.getLinux().toString().replaceAll("\\s+", " "));
    }

    private static void observe(Container container, PeerSite site, SortedMap<String, String> values) {
        Await.until(
                "the script has ended its observations",
                OBSERVING,
                () -> container.logged("stdout").contains("end\t\n")
                        || container.status().getState() == ContainerState.CONTAINER_EXITED);
        if (container.status().getState() == ContainerState.CONTAINER_RUNNING) {
            fromHost(container.process(), site, values);
        }
        container.stop(GRACE);
        ContainerStatus status = container.awaitExit();
        // What it prints at the signal is in the log when the container has exited.
        inside(container.logged("stdout"), site.server(), values);
        values.put("errors", container.logged("stderr").strip());
        values.put("status exit code", Integer.toString(status.getExitCode()));
        values.put("status reason", status.getReason());
        values.put(
                "status log path",
                site.server()
                        .base()
                        .relativize(Path.of(status.getLogPath()))
                        .getFileName()
                        .toString()
                        .replaceAll("\\d+", "N"));
        status.getMountsList()
                .forEach(mount -> values.put(
                        "status mount " + mount.getContainerPath(),
                        mount.getHostPath() + " " + mount.getReadonly() + " " + mount.getPropagation()));
    }

    private static void inside(String text, CriServer server, SortedMap<String, String> values) {
        text.lines().forEach(line -> {
            int tab = line.indexOf('\t');
            String key = tab < 0 ? "unexpected output" : line.substring(0, tab);
            String value = normalised(key, tab < 0 ? line : line.substring(tab + 1), server);
            var _ = values.merge(key, value, (first, second) -> first + " | " + second);
        });
    }

    private static String normalised(String key, String value, CriServer server) {
        String plain = value.strip().replaceAll("\\s+", " ").replace(server.cgroupParent() + "/", "PARENT/");
        plain = ID.matcher(plain).replaceAll("ID");
        plain = NUMBERED.matcher(plain).replaceAll("$1");
        if (!key.startsWith("mount ")) {
            return plain;
        }
        plain = PEER_GROUP.matcher(LAYERS.matcher(plain).replaceAll("")).replaceAll("$1");
        int root = plain.lastIndexOf(' ') + 1;
        return plain.substring(root).contains(server.base().getFileName().toString())
                ? plain.substring(0, root) + "(server)"
                : plain;
    }

    private static void fromHost(Proc process, PeerSite site, SortedMap<String, String> values) {
        for (CgroupFiles controller : CGROUP_FILES) {
            Optional<Path> cgroup = process.cgroup(controller.controller());
            if (cgroup.isEmpty()) {
                continue;
            }
            for (String file : controller.files()) {
                Path path = cgroup.get().resolve(file);
                if (Files.exists(path)) {
                    values.put("limit file " + file, read(path));
                }
            }
        }
        Proc pause = pause(site);
        for (String kind : NAMESPACES) {
            values.put("namespace " + kind, owner(kind, process, pause));
        }
        values.put("oom_score_adj on the host", process.read("oom_score_adj").strip());
    }

    private static Proc pause(PeerSite site) {
        String pod = site.server().cri().pods().getFirst().getId();
        return new Pod(site.server(), pod, io.portafilter.cri.v1.PodSandboxConfig.getDefaultInstance()).pause();
    }

    private static String owner(String kind, Proc process, Proc pause) {
        String namespace = process.namespace(kind);
        if (namespace.equals(Proc.self().namespace(kind))) {
            return "host";
        }
        return namespace.equals(pause.namespace(kind)) ? "pod" : "container";
    }

    private static String read(Path file) {
        try (Stream<String> lines = Files.lines(file)) {
            return lines.map(String::strip).sorted().collect(Collectors.joining(", "));
        } catch (IOException e) {
            return "unreadable";
        }
    }

    /** Keys that both do not have alike, in order. */
    static List<PeerDifference> differences(PeerCase asked, PeerObservation ours, PeerObservation peer) {
        boolean wasRefused = ours.values.containsKey(REFUSED);
        boolean peerRefused = peer.values.containsKey(REFUSED);
        if (wasRefused && peerRefused) {
            return List.of();
        }
        SortedSet<String> keys = new TreeSet<>(List.of(REFUSED));
        if (!wasRefused && !peerRefused) {
            keys.addAll(ours.values.keySet());
            keys.addAll(peer.values.keySet());
        }
        return keys.stream()
                .map(key -> new PeerDifference(
                        asked.name(), key, ours.values.getOrDefault(key, NONE), peer.values.getOrDefault(key, NONE)))
                .filter(difference -> !difference.ours().equals(difference.peer()))
                .toList();
    }
}
