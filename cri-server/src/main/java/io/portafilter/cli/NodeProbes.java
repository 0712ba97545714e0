package io.portafilter.cli;

import static io.portafilter.container.Probe.Need.OPTIONAL;
import static io.portafilter.container.Probe.Need.REQUIRED;

import io.portafilter.config.Config;
import io.portafilter.container.LaunchFacts;
import io.portafilter.container.Outcome;
import io.portafilter.container.Probe;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileSystemStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.Libisal;
import io.portafilter.linux.Libseccomp;
import io.portafilter.linux.LinuxConstants;
import io.portafilter.linux.MountInfo;
import io.portafilter.linux.ProcFile;
import io.portafilter.lsm.AppArmor;
import io.portafilter.lsm.Selinux;
import io.portafilter.network.NetworkReadiness;
import io.portafilter.network.PodNetwork;
import io.portafilter.rootfs.MountTrial;
import io.portafilter.security.CapabilitySets;
import io.portafilter.security.SeccompCompiler;
import io.portafilter.security.SecurityModules;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Looks at what a node needs beside its kernel: settings, libraries, file systems, network plugins. */
final class NodeProbes {
    /** Kubelet begins to delete images and to evict pods at these shares that are free. */
    private static final int FREE_SPACE_PERCENT = 15;

    private static final int FREE_INODES_PERCENT = 5;

    /** A pod with a container holds some thirty descriptors; this is enough for 2000 of them. */
    private static final long OPEN_FILES = 65_536;

    private static final long CONTAINER_OPEN_FILES = 1_048_576;
    private static final long JAVA = 25;

    private final Config config;
    private final LaunchFacts facts;
    private final Path root;
    private final Path state;

    /**
     * The probes of a node.
     *
     * @param root the root directory, or what exists of its path
     * @param state likewise the state directory
     */
    NodeProbes(Config config, LaunchFacts facts, Path root, Path state) {
        this.config = config;
        this.facts = facts;
        this.root = root;
        this.state = state;
    }

    List<Probe> all() {
        List<Probe> all = new ArrayList<>();
        all.addAll(libraries());
        all.addAll(securityModules());
        all.addAll(network());
        all.addAll(storage());
        all.addAll(limits());
        return all;
    }

    private List<Probe> libraries() {
        return List.of(
                new Probe(
                        "JDK",
                        REQUIRED,
                        "the server does not start",
                        "install a JDK 25",
                        () -> Runtime.version().feature() >= JAVA
                                ? new Outcome.Works(Runtime.version() + " of " + System.getProperty("java.vendor"))
                                : new Outcome.Missing("this is " + Runtime.version())),
                new Probe(
                        "libseccomp",
                        REQUIRED,
                        "containers with a seccomp profile, RuntimeDefault too, are refused",
                        "install the package libseccomp2",
                        () -> Libseccomp.installed()
                                .<Outcome>map(library -> new Outcome.Works("version " + library.version()))
                                .orElseGet(() -> new Outcome.Missing("libseccomp.so.2 is not there"))),
                new Probe(
                        "libseccomp: names of RuntimeDefault",
                        OPTIONAL,
                        "the calls that it does not know get EPERM under RuntimeDefault",
                        "install a newer libseccomp2",
                        this::knownNames),
                new Probe(
                        "libisal",
                        OPTIONAL,
                        "layers are decompressed at half the speed",
                        "install the package libisal2",
                        () -> Libisal.isAvailable()
                                ? new Outcome.Works("")
                                : new Outcome.Missing("libisal.so.2 is not there, or not of a version that decodes")));
    }

    private Outcome knownNames() {
        List<String> unknown = SeccompCompiler.runtimeDefault(
                        CapabilitySets.DEFAULT.intersect(facts.host().allCapabilities()), facts.host())
                .unknownNames();
        return unknown.isEmpty()
                ? new Outcome.Works("")
                : new Outcome.Missing(unknown.size() + " are unknown: " + String.join(" ", unknown));
    }

    private static List<Probe> securityModules() {
        return List.of(
                new Probe(
                        "AppArmor",
                        OPTIONAL,
                        "containers that ask for RuntimeDefault are refused, those that ask for nothing have no profile",
                        "install the package apparmor, and see that securityfs is mounted on /sys/kernel/security",
                        () -> switch (AppArmor.ofThisHost().state()) {
                            case SecurityModules.AppArmor.Off() -> new Outcome.NotNeeded("it is off on this host");
                            case SecurityModules.AppArmor.On() -> new Outcome.Works("");
                            case SecurityModules.AppArmor.WithoutDefault lacking -> new Outcome.Missing(lacking.why());
                        }),
                new Probe(
                        "SELinux",
                        OPTIONAL,
                        "selinux_options have no effect",
                        "rely on capabilities, seccomp and user namespaces",
                        () -> Selinux.isOn()
                                ? new Outcome.Works("")
                                : new Outcome.NotNeeded("it is off on this host")));
    }

    private List<Probe> network() {
        return List.of(
                setting(
                        "IPv4 forwarding",
                        "/proc/sys/net/ipv4/ip_forward",
                        "pods reach nothing beyond this node",
                        "sysctl net.ipv4.ip_forward=1"),
                setting(
                        "bridges pass netfilter",
                        "/proc/sys/net/bridge/bridge-nf-call-iptables",
                        "services are not found behind a bridge of pods",
                        "modprobe br_netfilter; sysctl net.bridge.bridge-nf-call-iptables=1"),
                new Probe(
                        "CNI configuration",
                        OPTIONAL,
                        "pods have the host's network or loopback alone",
                        "put a .conflist into " + config.cniConfDir() + ", and its plugins into one of "
                                + config.cniBinDirs(),
                        this::podNetwork),
                new Probe(
                        "CNI plugins",
                        OPTIONAL,
                        "pods have the host's network or loopback alone",
                        "install the package containernetworking-plugins",
                        this::plugins));
    }

    private static Probe setting(String feature, String file, String lost, String cure) {
        return new Probe(feature, OPTIONAL, lost, cure, () -> {
            if (!Files.exists(Path.of(file))) {
                return new Outcome.Missing(file + " does not exist");
            }
            return ProcFile.readNumber(file) == 1 ? new Outcome.Works("") : new Outcome.Missing(file + " is 0");
        });
    }

    /** As the server finds it: the plugins are there and speak the version that is written. */
    private Outcome podNetwork() {
        try (PodNetwork network = new PodNetwork(config)) {
            NetworkReadiness found = network.readiness();
            return found.ready()
                    ? new Outcome.Works(found.file().map(Path::toString).orElse(""))
                    : new Outcome.Missing(found.message());
        }
    }

    private Outcome plugins() {
        return config.cniBinDirs().stream()
                .filter(directory -> names(directory).contains("loopback"))
                .findFirst()
                .<Outcome>map(directory ->
                        new Outcome.Works(directory + ": " + names(directory).size() + " plugins"))
                .orElseGet(() -> new Outcome.Missing("none of " + config.cniBinDirs() + " has the plugin loopback"));
    }

    private static List<String> names(Path directory) {
        if (!Files.isDirectory(directory)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(directory)) {
            return files.map(file -> String.valueOf(file.getFileName())).toList();
        } catch (IOException e) {
            throw new UncheckedIOException("cannot list " + directory + ": " + e, e);
        }
    }

    private List<Probe> storage() {
        return List.of(
                new Probe(
                        "file system of " + root,
                        REQUIRED,
                        "overlay does not work on it",
                        "put root on ext4, or on xfs made with ftype=1",
                        () -> MountTrial.tellsEntryTypes(root)
                                ? new Outcome.Works(typeOf(root))
                                : new Outcome.Missing(typeOf(root) + " does not tell what a directory entry is")),
                new Probe(
                        "file system of " + state,
                        OPTIONAL,
                        "exit files and sockets of an earlier boot stay on the disk, and each start waits for it",
                        "put state below /run",
                        () -> typeOf(state).equals("tmpfs")
                                ? new Outcome.Works("tmpfs")
                                : new Outcome.Missing("it is " + typeOf(state) + ", not tmpfs")),
                new Probe(
                        "free space",
                        OPTIONAL,
                        "kubelet deletes images and evicts pods",
                        "make room on the file system of " + root,
                        this::freeSpace),
                new Probe(
                        "free inodes",
                        OPTIONAL,
                        "kubelet deletes images and evicts pods",
                        "make room on the file system of " + root,
                        this::freeInodes));
    }

    private static String typeOf(Path directory) {
        long mount = Kernel.statx(Fd.CWD, directory.toString(), 0).mountId();
        return MountInfo.parse(ProcFile.read("/proc/self/mountinfo")).stream()
                .filter(each -> each.id() == mount)
                .map(MountInfo::type)
                .findFirst()
                .orElse("of unknown type");
    }

    private Outcome freeSpace() {
        FileSystemStatus status = Kernel.statfs(root.toString());
        long free = status.availableBlocks() * status.blockBytes() >> 20;
        return enough(status.availableBlocks(), status.blocks(), FREE_SPACE_PERCENT, free + " MiB");
    }

    private Outcome freeInodes() {
        FileSystemStatus status = Kernel.statfs(root.toString());
        if (status.inodes() == 0) {
            return new Outcome.NotNeeded("this file system does not count them");
        }
        return enough(status.freeInodes(), status.inodes(), FREE_INODES_PERCENT, status.freeInodes() + " inodes");
    }

    private static Outcome enough(long free, long all, int percent, String amount) {
        long share = 100 * free / Math.max(1, all);
        String detail = amount + ", " + share + " %";
        return share >= percent
                ? new Outcome.Works(detail)
                : new Outcome.Missing(detail + "; kubelet acts below " + percent + " %");
    }

    private List<Probe> limits() {
        long own = Kernel.getResourceLimit(0, LinuxConstants.RLIMIT_NOFILE).hard();
        return List.of(
                new Probe(
                        "open files of the server",
                        OPTIONAL,
                        "fewer containers at a time",
                        "LimitNOFILE=infinity in the unit, or ulimit -n in the shell",
                        () -> atLeast(own, OPEN_FILES)),
                new Probe(
                        "open files of containers",
                        OPTIONAL,
                        "containers get a lower hard limit of open files than usual",
                        "raise fs.nr_open, or the server's own hard limit",
                        () -> atLeast(facts.highestOpenFiles(), CONTAINER_OPEN_FILES)));
    }

    private static Outcome atLeast(long limit, long wanted) {
        boolean unlimited = limit == LinuxConstants.RLIM_INFINITY;
        String detail = unlimited ? "unlimited" : Long.toString(limit);
        return unlimited || limit >= wanted
                ? new Outcome.Works(detail)
                : new Outcome.Missing(detail + ", and " + wanted + " are wanted");
    }
}
