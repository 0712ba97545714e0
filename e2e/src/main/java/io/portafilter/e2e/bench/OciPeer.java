package io.portafilter.e2e.bench;

import io.portafilter.e2e.Commands;
import io.portafilter.e2e.Pod;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * runc or crun with a bundle that asks for what the measured container has: the same program and root file system, the
 * default capabilities, no filter, the network, IPC and UTS namespaces of the same pod, a PID and a mount namespace of
 * its own, the same mounts and limits.
 *
 * <p>A shell does the timing, so that what it costs a JVM to start a program is not put down to the peer.
 */
final class OciPeer implements AutoCloseable {
    private final String name;
    private final Path program;
    private final Path directory;
    private final Path state;
    private final Path bundle;
    private final String cgroup;
    private int number;

    private OciPeer(String name, Path program, Path directory, Path state, String cgroup) {
        this.name = name;
        this.program = program;
        this.directory = directory;
        this.state = state;
        this.bundle = directory.resolve("bundle");
        this.cgroup = cgroup;
    }

    /**
     * Writes the bundle.
     *
     * @param state where it keeps what it knows, on the kind of file system that our server has for that
     * @param rootfs an unpacked busybox
     * @param pod whose namespaces are joined
     */
    static OciPeer of(String name, Path program, Path directory, Path state, Path rootfs, Pod pod, List<String> argv)
            throws IOException {
        OciPeer peer = new OciPeer(
                name,
                program,
                directory,
                state,
                "/pf-bench-" + ProcessHandle.current().pid() + "-" + name);
        Files.createDirectories(peer.bundle);
        Files.writeString(peer.bundle.resolve("config.json"), peer.config(rootfs, pod, argv));
        return peer;
    }

    String name() {
        return name;
    }

    /** Milliseconds of {@code run --detach}: until the program runs. It is deleted outside the time that is measured. */
    List<Double> run(int times, Duration quiet) {
        int first = number;
        number += times;
        return timed(
                times,
                quiet,
                "run --detach --bundle " + bundle + " " + name + "-$i </dev/null >/dev/null 2>>" + errors(),
                "delete --force " + name + "-$i",
                first);
    }

    /** Starts a container that stays, for {@link #exec}. */
    void keep() {
        String _ = shell(base() + " run --detach --bundle " + bundle + " kept </dev/null >/dev/null 2>>" + errors());
    }

    List<Double> exec(int times, Duration quiet) {
        return timed(times, quiet, "exec kept /bin/true </dev/null >/dev/null 2>>" + errors(), "", 0);
    }

    private Path errors() {
        return directory.resolve("errors.txt");
    }

    private String base() {
        String manager = name.equals("crun") ? " --cgroup-manager=cgroupfs" : "";
        return program + " --root " + state + manager;
    }

    private List<Double> timed(int times, Duration quiet, String measured, String afterwards, int first) {
        String sleep = quiet.isZero() ? "" : "sleep " + quiet.toMillis() / 1000.0 + "; ";
        String cleanUp = afterwards.isEmpty() ? "" : base() + " " + afterwards + " >/dev/null 2>&1; ";
        String script = "for ((i = " + first + "; i < " + (first + times) + "; i++)); do " + sleep
                + "s=$EPOCHREALTIME; " + base() + " " + measured + " || { cat " + errors() + " >&2; exit 1; }; "
                + "e=$EPOCHREALTIME; " + cleanUp + "echo $((${e/[.,]/} - ${s/[.,]/})); done";
        String out = shell(script);
        List<Double> millis = new ArrayList<>();
        out.lines().forEach(line -> millis.add(Long.parseLong(line.trim()) / 1000.0));
        return millis;
    }

    /**
     * Runs a script in a mount namespace of its own without the empty version 2 hierarchy that a hybrid host has: crun
     * refuses such hosts.
     */
    private static String shell(String script) {
        Commands.Outcome outcome = Commands.run(
                Duration.ofMinutes(3),
                Map.of(),
                "unshare",
                "--mount",
                "bash",
                "-c",
                "[ ! -d /sys/fs/cgroup/unified ] || umount /sys/fs/cgroup/unified; " + script);
        if (outcome.status() != 0) {
            throw new IllegalStateException(outcome.stderr().strip());
        }
        return outcome.stdout();
    }

    private String config(Path rootfs, Pod pod, List<String> argv) {
        String ns = "/proc/" + pod.pause().pid() + "/ns/";
        String capabilities =
                "[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_FSETID\",\"CAP_FOWNER\",\"CAP_MKNOD\",\"CAP_NET_RAW\","
                        + "\"CAP_SETGID\",\"CAP_SETUID\",\"CAP_SETFCAP\",\"CAP_SETPCAP\",\"CAP_NET_BIND_SERVICE\","
                        + "\"CAP_SYS_CHROOT\",\"CAP_KILL\",\"CAP_AUDIT_WRITE\"]";
        return """
                {"ociVersion":"1.0.2",
                 "process":{"terminal":false,"user":{"uid":0,"gid":0},"args":[%s],
                  "env":["PATH=/bin:/usr/bin:/sbin:/usr/sbin"],"cwd":"/",
                  "capabilities":{"bounding":%2$s,"effective":%2$s,"permitted":%2$s},
                  "oomScoreAdj":0,"noNewPrivileges":false},
                 "root":{"path":"%3$s"},
                 "mounts":[
                  {"destination":"/proc","type":"proc","source":"proc","options":["nosuid","noexec","nodev"]},
                  {"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","strictatime","mode=755","size=65536k"]},
                  {"destination":"/dev/pts","type":"devpts","source":"devpts","options":["nosuid","noexec","newinstance","ptmxmode=0666","mode=0620","gid=5"]},
                  {"destination":"/dev/shm","type":"tmpfs","source":"shm","options":["nosuid","noexec","nodev","mode=1777","size=65536k"]},
                  {"destination":"/dev/mqueue","type":"mqueue","source":"mqueue","options":["nosuid","noexec","nodev"]},
                  {"destination":"/sys","type":"sysfs","source":"sysfs","options":["nosuid","noexec","nodev","ro"]},
                  {"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["nosuid","noexec","nodev","relatime","ro"]}],
                 "linux":{"cgroupsPath":"%4$s",
                  "resources":{"devices":[{"allow":false,"access":"rwm"}],
                   "memory":{"limit":67108864},"cpu":{"shares":512}},
                  "namespaces":[{"type":"pid"},{"type":"mount"},{"type":"network","path":"%5$snet"},
                   {"type":"ipc","path":"%5$sipc"},{"type":"uts","path":"%5$suts"}]}}
                """.formatted(
                        argv.stream()
                                .map(a -> "\"" + a + "\"")
                                .reduce((a, b) -> a + "," + b)
                                .orElse(""),
                        capabilities,
                        rootfs,
                        cgroup,
                        ns);
    }

    /** Whether the peer can run here at all; else why not. */
    Optional<String> complaint() {
        try {
            var _ = run(1, Duration.ZERO);
            return Optional.empty();
        } catch (IllegalStateException e) {
            return Optional.ofNullable(e.getMessage());
        }
    }

    @Override
    public void close() {
        Commands.Outcome _ = Commands.run("sh", "-c", base() + " delete --force kept");
        // The peer removes its own cgroup; the parent of it is the root.
    }
}
