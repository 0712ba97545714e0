package io.portafilter.e2e;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What the kernel and the file systems hold on behalf of one server, to be compared before and after.
 *
 * @param processes all but the server itself, by name
 * @param mounts lines of the host's mount table, without their numbers and without those of other tests
 * @param cgroups directories below the server's cgroup parent
 * @param networkNamespaces namespaces other than the host's that a process of the server is in; those that the server
 *     keeps ready are among its descriptors, and names of others among the mounts
 * @param descriptors what the server's descriptors point at, with a count for each kind
 * @param threads of the server
 * @param files below the server's root and state directories
 */
public record Host(
        SortedSet<String> processes,
        SortedSet<String> mounts,
        SortedSet<String> cgroups,
        int networkNamespaces,
        SortedMap<String, Long> descriptors,
        int threads,
        SortedSet<String> files) {

    private static final Path CGROUP = Path.of("/sys/fs/cgroup");
    private static final Path PROC = Path.of("/proc");

    /** How the temporary directories of tests begin. */
    private static final List<String> OF_TESTS = List.of("/tmp/pf-", "/tmp/junit-", "/dev/shm/pf-");

    /** Where e2e/vm makes the file systems of its machines, in whichever tree. */
    private static final String OF_MACHINES = "/target/vm/";

    /** A process by pid, which its name and command line make readable. */
    public record Left(long pid, String name) {}

    public static Host of(PortafilterServer server) {
        List<Left> processes = processesOf(server);
        Set<String> namespaces = new HashSet<>();
        String host = link(PROC.resolve("self/ns/net")).orElse("");
        for (Left process : processes) {
            link(PROC.resolve(process.pid() + "/ns/net")).ifPresent(namespaces::add);
        }
        List<String> descriptors = descriptorsOf(server.pid());
        namespaces.remove(host);
        return new Host(
                processes.stream().map(Left::name).collect(Collectors.toCollection(TreeSet::new)),
                mountTable(server),
                cgroupDirectories(server.cgroupParent()).stream()
                        .map(Path::toString)
                        .collect(Collectors.toCollection(TreeSet::new)),
                namespaces.size(),
                descriptors.stream()
                        .map(Host::kind)
                        .collect(Collectors.groupingBy(d -> d, TreeMap::new, Collectors.counting())),
                threadsOf(server.pid()),
                filesOf(server));
    }

    /** Differences from an earlier look, each a line; empty when all is as it was. Threads are not compared. */
    public List<String> differencesFrom(Host earlier) {
        List<String> lines = new ArrayList<>(remainsSince(earlier));
        Set<String> kinds = new TreeSet<>(descriptors.keySet());
        kinds.addAll(earlier.descriptors.keySet());
        for (String kind : kinds) {
            long before = earlier.descriptors.getOrDefault(kind, 0L);
            long now = descriptors.getOrDefault(kind, 0L);
            if (before != now) {
                lines.add("descriptors of " + kind + ": " + before + " before, " + now + " now");
            }
        }
        return lines;
    }

    /** Like {@link #differencesFrom}, for another server process over the same directories: not its descriptors. */
    public List<String> remainsSince(Host earlier) {
        List<String> lines = new ArrayList<>();
        compare("process", earlier.processes, processes, lines);
        compare("mount", earlier.mounts, mounts, lines);
        compare("cgroup", earlier.cgroups, cgroups, lines);
        compare("file", earlier.files, files, lines);
        if (networkNamespaces != earlier.networkNamespaces) {
            lines.add("network namespaces: " + earlier.networkNamespaces + " before, " + networkNamespaces + " now");
        }
        return lines;
    }

    private static void compare(String what, Set<String> before, Set<String> now, List<String> lines) {
        now.stream().filter(x -> !before.contains(x)).forEach(x -> lines.add(what + " left: " + x));
        before.stream().filter(x -> !now.contains(x)).forEach(x -> lines.add(what + " lost: " + x));
    }

    /**
     * Every process that belongs to a server, but not the server: its descendants, and those that outlived a server
     * before, which are known by their cgroup or by a file of the server that they hold open.
     */
    public static List<Left> processesOf(PortafilterServer server) {
        Set<Long> ours = new HashSet<>();
        long serverPid = server.isRunning() ? server.pid() : -1;
        if (serverPid > 0) {
            ProcessHandle.of(serverPid).ifPresent(p -> p.descendants().forEach(d -> ours.add(d.pid())));
        }
        for (Path directory : list(PROC)) {
            String number = directory.getFileName().toString();
            if (!number.chars().allMatch(Character::isDigit)) {
                continue;
            }
            long pid = Long.parseLong(number);
            if (pid != serverPid && pid != ProcessHandle.current().pid() && belongs(directory, server)) {
                ours.add(pid);
            }
        }
        return ours.stream()
                .filter(pid -> Proc.isAlive(pid))
                .map(pid -> new Left(pid, pid + " " + Proc.commandLine(pid)))
                .sorted(Comparator.comparingLong(Left::pid))
                .toList();
    }

    private static boolean belongs(Path directory, PortafilterServer server) {
        try {
            if (Files.readString(directory.resolve("cgroup")).contains(server.cgroupParent() + "/")) {
                return true;
            }
        } catch (IOException e) {
            return false; // ended meanwhile
        }
        return link(directory.resolve("exe"))
                        .filter(exe -> exe.startsWith("/memfd:"))
                        .isPresent()
                && list(directory.resolve("fd")).stream()
                        .map(Host::link)
                        .flatMap(Optional::stream)
                        .map(Path::of)
                        .anyMatch(target -> target.startsWith(server.base()) || target.startsWith(server.state()));
    }

    /** Directories below a cgroup parent, the parent itself too, in every hierarchy; parents before children. */
    public static List<Path> cgroupDirectories(String parent) {
        List<Path> tops = new ArrayList<>(list(CGROUP));
        tops.add(CGROUP);
        List<Path> found = new ArrayList<>();
        for (Path top : tops) {
            Path below = top.resolve(parent.substring(1));
            if (Files.isSymbolicLink(top) || !Files.isDirectory(below)) {
                continue;
            }
            try (Stream<Path> all = Files.walk(below)) {
                all.filter(Files::isDirectory).sorted().forEach(found::add);
            } catch (IOException | UncheckedIOException e) {
                found.add(below); // changes while we look: the caller looks again
            }
        }
        return found;
    }

    public static List<String> descriptorsOf(long pid) {
        return list(PROC.resolve(pid + "/fd")).stream()
                .map(Host::link)
                .flatMap(Optional::stream)
                .toList();
    }

    public static int threadsOf(long pid) {
        return list(PROC.resolve(pid + "/task")).size();
    }

    private static String kind(String target) {
        int colon = target.indexOf(":[");
        if (colon > 0) {
            return target.substring(0, colon);
        }
        return target.replaceAll("[0-9a-f]{64}", "ID");
    }

    private static SortedSet<String> mountTable(PortafilterServer server) {
        try (Stream<String> lines = Files.lines(PROC.resolve("self/mountinfo"))) {
            return lines.map(line -> line.substring(line.indexOf(' ', line.indexOf(' ') + 1) + 1))
                    .filter(line -> !isAnothers(Path.of(line.split(" ", 4)[2]), server))
                    .collect(Collectors.toCollection(TreeSet::new));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Whether a mount point lies in a directory of another test that runs at the same time, or of e2e/vm. */
    private static boolean isAnothers(Path mountPoint, PortafilterServer server) {
        String point = mountPoint.toString();
        return (OF_TESTS.stream().anyMatch(point::startsWith) || point.contains(OF_MACHINES))
                && !mountPoint.startsWith(server.base())
                && !mountPoint.startsWith(server.state());
    }

    private static SortedSet<String> filesOf(PortafilterServer server) {
        SortedSet<String> names = new TreeSet<>();
        for (Path top : List.of(server.root(), server.state())) {
            walk(top, server.base(), names);
        }
        return names;
    }

    private static void walk(Path directory, Path base, SortedSet<String> names) {
        for (Path path : list(directory)) {
            String name = base.relativize(path).toString();
            if (name.endsWith("-wal") || name.endsWith("-shm") || name.endsWith("-journal")) {
                continue;
            }
            names.add(name);
            // Layers of images are compared by name only: their files are many and not ours to count.
            if (Files.isDirectory(path, LinkOption.NOFOLLOW_LINKS) && !name.matches("root/layers/[^/]+")) {
                walk(path, base, names);
            }
        }
    }

    private static List<Path> list(Path directory) {
        try (Stream<Path> entries = Files.list(directory)) {
            return entries.toList();
        } catch (NoSuchFileException e) {
            return List.of();
        } catch (IOException | UncheckedIOException e) {
            return List.of(); // a process that ended while we looked, or one whose descriptors nobody may see
        }
    }

    private static Optional<String> link(Path link) {
        try {
            return Optional.of(Files.readSymbolicLink(link).toString());
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    /** Bytes of live objects in a JVM's heap after a full collection, by {@code jcmd GC.class_histogram}. */
    public static long heapAfterCollection(long pid) {
        String jcmd = Path.of(System.getProperty("java.home"), "bin/jcmd").toString();
        String text =
                Commands.run(jcmd, Long.toString(pid), "GC.class_histogram").orFail();
        String total = text.lines()
                .filter(line -> line.startsWith("Total"))
                .reduce((a, b) -> b)
                .orElseThrow(() -> new IllegalStateException("no total in the histogram of " + pid + ":\n" + text));
        return Long.parseLong(total.trim().split("\\s+")[2]);
    }

    /** Values of {@code /proc/PID/smaps_rollup} in KiB, such as Pss. */
    public static Map<String, Long> memoryKiB(long pid) {
        try (Stream<String> lines = Files.lines(PROC.resolve(pid + "/smaps_rollup"))) {
            return lines.filter(line -> line.endsWith(" kB"))
                    .map(line -> line.split("[:\\s]+"))
                    .collect(Collectors.toMap(part -> part[0], part -> Long.parseLong(part[1])));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
