package io.portafilter.e2e;

import io.portafilter.cri.v1.StatusRequest;
import io.portafilter.cri.v1.VersionRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * containerd 2.x with runc, not installed, on a socket of its own: what our server is compared with. Pods have their own
 * network with loopback alone, as ours without CNI: a plugin that is a shell script tells an address that nobody has.
 *
 * <p>Runs where it cannot lower oom_score_adj, and with whatever cgroup controllers there are.
 */
public final class Containerd implements CriServer {
    private static final Duration START = Duration.ofSeconds(30);
    private static final AtomicInteger NUMBER = new AtomicInteger();

    private static final String CNI_VERSION = "0.3.1";

    private final Path base;
    private final Path state;
    private final String cgroupParent;
    private final Process process;
    private final Cri cri;

    private Containerd(Path base, Path state, String cgroupParent, Process process) {
        this.base = base;
        this.state = state;
        this.cgroupParent = cgroupParent;
        this.process = process;
        this.cri = new Cri(socket(state));
    }

    /**
     * Starts it and waits for its first answer.
     *
     * @param pauseImage reference of the image of the pods' first process, pulled by containerd when the first pod is run
     * @throws AssertionError with the end of its log when it does not run here
     */
    public static Containerd started(String pauseImage) {
        Path program = Tree.containerd().orElseThrow();
        Path runc = Tree.runc().orElseThrow();
        try {
            Path base = Files.createTempDirectory("pf-containerd-");
            Containerd containerd;
            try {
                containerd = begun(base, program, runc, pauseImage);
            } catch (IOException | RuntimeException | Error e) {
                remove(base);
                throw e;
            }
            try {
                containerd.awaitFirstAnswer();
                return containerd;
            } catch (AssertionError | RuntimeException e) {
                String tail = containerd.logTail();
                containerd.close();
                throw new AssertionError(e.getMessage() + "\ncontainerd's log:\n" + tail, e);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Its process, which may not answer yet. */
    private static Containerd begun(Path base, Path program, Path runc, String pauseImage) throws IOException {
        // runc in a user namespace goes through them as a user whom they do not belong to.
        var _ = Files.setPosixFilePermissions(base, PosixFilePermissions.fromString("rwx--x--x"));
        Path state = base.resolve("state");
        String parent = "/pf-peer-" + ProcessHandle.current().pid() + "-" + NUMBER.incrementAndGet();
        Files.createDirectories(base.resolve("logs"));
        // As /run is on a host with systemd. Not in /dev/shm, which a pod with the host's IPC sees with all below.
        Files.createDirectories(state);
        String _ = Commands.run("mount", "-t", "tmpfs", "-o", "mode=0711", "tmpfs", state.toString())
                .orFail();
        writeNetwork(base);
        Path config = base.resolve("config.toml");
        Files.writeString(config, configuration(base, state, runc, pauseImage));
        ProcessBuilder builder = new ProcessBuilder(
                        // A signal that we were told to ignore, as by nohup, would be ignored in its containers.
                        "env", "--default-signal", program.toString(), "--config", config.toString())
                .redirectErrorStream(true)
                .redirectOutput(log(base).toFile());
        // It looks for its shim there.
        var _ = builder.environment()
                .compute("PATH", (name, path) -> program.getParent() + ":" + (path == null ? "/usr/bin:/bin" : path));
        return new Containerd(base, state, parent, builder.start());
    }

    private static void remove(Path base) {
        mountsBelow(base).forEach(point -> {
            Commands.Outcome _ = Commands.run("umount", "--lazy", point);
        });
        PortafilterServer.deleteTree(base);
    }

    private void awaitFirstAnswer() {
        Await.until("containerd listens on " + socket(state), START, () -> {
            if (!process.isAlive()) {
                return true;
            }
            return cri
                    .runtime(Duration.ofSeconds(5))
                    .status(StatusRequest.getDefaultInstance())
                    .getStatus()
                    .getConditionsList()
                    .stream()
                    // CNI is ready a moment after the runtime.
                    .allMatch(condition -> condition.getStatus());
        });
        if (!process.isAlive()) {
            throw new AssertionError("containerd ended at once: exit status " + process.exitValue());
        }
    }

    private static String configuration(Path base, Path state, Path runc, String pauseImage) {
        return """
                version = 3
                root = "%1$s/root"
                state = "%2$s/state"

                [grpc]
                address = "%2$s/containerd.sock"

                [plugins."io.containerd.internal.v1.opt"]
                path = "%1$s/opt"

                # It would make its socket below /var/run/nri, and look for plugins of the host.
                [plugins."io.containerd.nri.v1.nri"]
                disable = true

                [plugins."io.containerd.cri.v1.images"]
                snapshotter = "overlayfs"

                [plugins."io.containerd.cri.v1.images".pinned_images]
                sandbox = "%4$s"

                [plugins."io.containerd.cri.v1.runtime"]
                restrict_oom_score_adj = true
                disable_apparmor = true
                netns_mounts_under_state_dir = true
                cdi_spec_dirs = ["%1$s/cdi"]

                [plugins."io.containerd.cri.v1.runtime".cni]
                bin_dirs = ["%1$s/cni/bin"]
                conf_dir = "%1$s/cni/conf"
                use_internal_loopback = true

                [plugins."io.containerd.cri.v1.runtime".containerd]
                default_runtime_name = "runc"

                [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
                runtime_type = "io.containerd.runc.v2"

                [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
                BinaryName = "%3$s"
                Root = "%2$s/runc"
                SystemdCgroup = false
                """.formatted(base, state, runc, pauseImage);
    }

    private static void writeNetwork(Path base) throws IOException {
        Path plugins = Files.createDirectories(base.resolve("cni/bin"));
        Path conf = Files.createDirectories(base.resolve("cni/conf"));
        plugin(plugins.resolve("address"), """
                result='"interfaces":[{"name":"eth0","sandbox":"'"$CNI_NETNS"'"}],
                  "ips":[{"version":"4","interface":0,"address":"192.0.2.1/24"}]'
                """);
        Files.writeString(
                conf.resolve("10-address.conflist"),
                "{\"cniVersion\":\"" + CNI_VERSION + "\",\"name\":\"address\",\"plugins\":[{\"type\":\"address\"}]}");
    }

    /** @param add what ADD does; sets {@code result} to the members of its answer besides the version */
    private static void plugin(Path file, String add) throws IOException {
        Files.writeString(file, """
                #!/bin/sh
                set -eu
                case $CNI_COMMAND in
                ADD) %s printf '{"cniVersion":"%s",%%s}' "$result" ;;
                VERSION) printf '{"cniVersion":"%2$s","supportedVersions":["0.2.0","0.3.0","0.3.1","0.4.0","1.0.0"]}' ;;
                esac
                """.formatted(add.strip() + "\n", CNI_VERSION));
        if (!file.toFile().setExecutable(true, true)) {
            throw new IOException("chmod of " + file + " failed");
        }
    }

    private static Path socket(Path state) {
        return state.resolve("containerd.sock");
    }

    private static Path log(Path base) {
        return base.resolve("containerd.log");
    }

    /** Such as {@code 2.1.9+unknown}. */
    public String version() {
        return cri.runtime().version(VersionRequest.getDefaultInstance()).getRuntimeVersion();
    }

    @Override
    public Cri cri() {
        return cri;
    }

    @Override
    public Path base() {
        return base;
    }

    @Override
    public Path state() {
        return state;
    }

    @Override
    public String cgroupParent() {
        return cgroupParent;
    }

    public String logTail() {
        try {
            List<String> lines = Files.readString(log(base)).lines().toList();
            return String.join("\n", lines.subList(Math.max(0, lines.size() - 30), lines.size()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        try {
            if (process.isAlive()) {
                cri.pods().forEach(pod -> cri.removePod(pod.getId()));
            }
        } finally {
            cri.close();
            process.destroy();
            try {
                if (!process.waitFor(15, TimeUnit.SECONDS)) {
                    var _ = process.destroyForcibly().waitFor();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            removeWhatIsLeft();
        }
    }

    private void removeWhatIsLeft() {
        processes().forEach(ProcessHandle::destroyForcibly);
        Await.until(
                "containerd's processes end",
                Duration.ofSeconds(10),
                () -> processes().isEmpty());
        mountsBelow(base).forEach(point -> {
            Commands.Outcome _ = Commands.run("umount", "--lazy", point);
        });
        for (Path cgroup : Host.cgroupDirectories(cgroupParent).reversed()) {
            Await.until("cgroup " + cgroup + " is empty", Duration.ofSeconds(5), () -> {
                var _ = Files.deleteIfExists(cgroup);
                return true;
            });
        }
        PortafilterServer.deleteTree(base);
        // Its shims' sockets lie in a directory that no configuration moves; another containerd may use it.
        for (String shared : List.of("/run/containerd/s", "/run/containerd")) {
            var _ = Path.of(shared).toFile().delete();
        }
    }

    /** Shims name the socket in their command line; what runs in their containers is in cgroups below the parent. */
    private List<ProcessHandle> processes() {
        List<ProcessHandle> found = new ArrayList<>();
        ProcessHandle.allProcesses().filter(p -> p.pid() != process.pid()).forEach(p -> {
            Path proc = Path.of("/proc", Long.toString(p.pid()));
            try {
                if (Files.readString(proc.resolve("cgroup")).contains(cgroupParent + "/")
                        || new String(Files.readAllBytes(proc.resolve("cmdline")), StandardCharsets.ISO_8859_1)
                                .contains("\0" + socket(state))) {
                    found.add(p);
                }
            } catch (IOException e) {
                return; // ended meanwhile
            }
        });
        return found;
    }

    /** containerd and its shims. */
    public List<Long> runtimeProcesses() {
        List<Long> pids = new ArrayList<>(List.of(process.pid()));
        processes().stream()
                .map(ProcessHandle::pid)
                .filter(pid -> Proc.commandLine(pid).contains("containerd-shim"))
                .forEach(pids::add);
        return pids;
    }

    private static List<String> mountsBelow(Path directory) {
        return Proc.self().mounts().stream()
                .map(Proc.Mount::point)
                .filter(point -> point.startsWith(directory + "/"))
                .sorted(Comparator.reverseOrder())
                .toList();
    }
}
