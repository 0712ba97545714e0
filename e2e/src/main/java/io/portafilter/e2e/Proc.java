package io.portafilter.e2e;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** One process as {@code /proc/PID} shows it on the host. */
public record Proc(long pid) {
    /** Names by number, include/uapi/linux/capability.h. */
    private static final List<String> CAPABILITIES = List.of(
            "CHOWN",
            "DAC_OVERRIDE",
            "DAC_READ_SEARCH",
            "FOWNER",
            "FSETID",
            "KILL",
            "SETGID",
            "SETUID",
            "SETPCAP",
            "LINUX_IMMUTABLE",
            "NET_BIND_SERVICE",
            "NET_BROADCAST",
            "NET_ADMIN",
            "NET_RAW",
            "IPC_LOCK",
            "IPC_OWNER",
            "SYS_MODULE",
            "SYS_RAWIO",
            "SYS_CHROOT",
            "SYS_PTRACE",
            "SYS_PACCT",
            "SYS_ADMIN",
            "SYS_BOOT",
            "SYS_NICE",
            "SYS_RESOURCE",
            "SYS_TIME",
            "SYS_TTY_CONFIG",
            "MKNOD",
            "LEASE",
            "AUDIT_WRITE",
            "AUDIT_CONTROL",
            "SETFCAP",
            "MAC_OVERRIDE",
            "MAC_ADMIN",
            "SYSLOG",
            "WAKE_ALARM",
            "BLOCK_SUSPEND",
            "AUDIT_READ",
            "PERFMON",
            "BPF",
            "CHECKPOINT_RESTORE");

    public Map<String, String> status() {
        return parseStatus(read("status"));
    }

    /** The text of a {@code status} file, wherever it was read, as a map. */
    public static Map<String, String> parseStatus(String text) {
        return text.lines()
                .filter(line -> line.contains(":"))
                .collect(Collectors.toMap(
                        line -> line.substring(0, line.indexOf(':')),
                        line -> line.substring(line.indexOf(':') + 1).trim().replaceAll("\\s+", " "),
                        (a, b) -> b));
    }

    /** @param set CapInh, CapPrm, CapEff, CapBnd or CapAmb */
    public Set<String> capabilities(String set) {
        return capabilityNames(required(status(), set));
    }

    public static Set<String> capabilityNames(String hex) {
        long bits = Long.parseUnsignedLong(hex, 16);
        Set<String> names = new TreeSet<>();
        for (int i = 0; i < 64; i++) {
            if ((bits >>> i & 1) == 1) {
                names.add(i < CAPABILITIES.size() ? CAPABILITIES.get(i) : "CAP_" + i);
            }
        }
        return names;
    }

    static String required(Map<String, String> map, String key) {
        String value = map.get(key);
        if (value == null) {
            throw new AssertionError("no " + key + " in " + map.keySet());
        }
        return value;
    }

    public String read(String file) {
        try {
            return Files.readString(path(file), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public Path path(String file) {
        return Path.of("/proc/" + pid + "/" + file);
    }

    /** Such as {@code net:[4026531840]}. */
    public String namespace(String kind) {
        try {
            return Files.readSymbolicLink(path("ns/" + kind)).toString();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public long parent() {
        return Long.parseLong(required(status(), "PPid"));
    }

    public static Proc self() {
        return new Proc(ProcessHandle.current().pid());
    }

    /** False also for a zombie. */
    public static boolean isAlive(long pid) {
        try (Stream<String> lines = Files.lines(Path.of("/proc/" + pid + "/status"))) {
            return lines.filter(line -> line.startsWith("State:")).noneMatch(line -> line.contains("\tZ"));
        } catch (IOException | UncheckedIOException e) {
            return false;
        }
    }

    public static String commandLine(long pid) {
        try {
            byte[] raw = Files.readAllBytes(Path.of("/proc/" + pid + "/cmdline"));
            String line =
                    new String(raw, StandardCharsets.UTF_8).replace('\0', ' ').trim();
            return line.isEmpty()
                    ? Files.readString(Path.of("/proc/" + pid + "/comm")).trim()
                    : line;
        } catch (IOException e) {
            return "(ended)";
        }
    }

    /** Where a v1 controller or, without one of that name, the v2 hierarchy has this process: a directory. */
    public Optional<Path> cgroup(String controller) {
        String unified = "";
        for (String line : read("cgroup").lines().toList()) {
            String[] part = line.split(":", 3);
            if (Arrays.asList(part[1].split(",")).contains(controller)) {
                return Stream.of(controller, part[1])
                        .map(name -> Path.of("/sys/fs/cgroup", name, part[2]))
                        .filter(Files::isDirectory)
                        .findFirst();
            }
            if (part[1].isEmpty()) {
                unified = part[2];
            }
        }
        Path v2 = Path.of("/sys/fs/cgroup", unified);
        return Files.exists(v2.resolve("cgroup.controllers")) ? Optional.of(v2) : Optional.empty();
    }

    /** Mount points and their options as the process sees them. */
    public List<Mount> mounts() {
        return read("mountinfo").lines().map(Mount::parse).toList();
    }

    /** A line of mountinfo, see proc_pid_mountinfo(5). */
    public record Mount(String point, Set<String> options, String type, String source, String root) {
        static Mount parse(String line) {
            String[] halves = line.split(" - ", 2);
            String[] left = halves[0].split(" ");
            String[] right = halves[1].split(" ");
            return new Mount(left[4], Set.of(left[5].split(",")), right[0], right[1], left[3]);
        }
    }
}
