package io.portafilter.config;

import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/**
 * The server's configuration, complete: every key has a default.
 *
 * @param root what outlives a reboot: records, layers, writable directories
 * @param state what ends with a reboot: sockets, exit files
 * @param listen the path of the unix socket for CRI
 * @param logLevel the least severe lines that are logged
 * @param cgroupDriver what kubelet is told
 * @param cgroupParent where pods go whose request names no cgroup parent
 * @param usernsRange what {@code portafilter run} takes ids from for {@code hostUsers: false}
 * @param registryConfigPath directories with {@code HOST/hosts.toml}; the first that has the host decides
 * @param streamAddress {@code HOST:PORT} of the streaming server, loopback by default, port 0 for any
 * @param cniConfDir network configurations; the first file by name is used
 * @param cniBinDirs where CNI plugins are looked for, in this order
 * @param cniCacheDir where the results of plugins are kept, in {@code results/} below it
 * @param cniTimeout how long one plugin may take
 * @param netnsDir where the network namespaces of pods have names, for plugins to find
 * @param pinnedImages references that kubelet's garbage collection spares; {@code *} at the end matches any rest
 * @param cdiSpecDirs where specifications of CDI devices are looked for, later ones go before
 * @param deviceOwnershipFromSecurityContext devices of a container belong to its run_as_user and run_as_group
 * @param sandboxImage what Status(verbose) answers as {@code sandboxImage}, which kubeadm reads; it is never pulled, as
 *     a sandbox needs no image
 */
public record Config(
        Path root,
        Path state,
        Path listen,
        Level logLevel,
        CgroupDriver cgroupDriver,
        String cgroupParent,
        IdRange usernsRange,
        List<Path> registryConfigPath,
        String streamAddress,
        Path cniConfDir,
        List<Path> cniBinDirs,
        Path cniCacheDir,
        Duration cniTimeout,
        Path netnsDir,
        List<String> pinnedImages,
        List<Path> cdiSpecDirs,
        boolean deviceOwnershipFromSecurityContext,
        String sandboxImage) {

    public Config {
        registryConfigPath = List.copyOf(registryConfigPath);
        cniBinDirs = List.copyOf(cniBinDirs);
        pinnedImages = List.copyOf(pinnedImages);
        cdiSpecDirs = List.copyOf(cdiSpecDirs);
    }

    /** What holds where nothing is configured. */
    public static Config defaults() {
        return new Config(
                Path.of("/var/lib/portafilter"),
                Path.of("/run/portafilter"),
                Path.of("/run/portafilter/portafilter.sock"),
                Level.INFO,
                CgroupDriver.CGROUPFS,
                "/portafilter",
                new IdRange(1L << 30, 1L << 29),
                List.of(
                        Path.of("/etc/portafilter/certs.d"),
                        Path.of("/etc/containerd/certs.d"),
                        Path.of("/etc/docker/certs.d")),
                "127.0.0.1:0",
                Path.of("/etc/cni/net.d"),
                List.of(Path.of("/opt/cni/bin"), Path.of("/usr/lib/cni")),
                Path.of("/var/lib/cni"),
                Duration.ofMinutes(1),
                Path.of("/run/netns"),
                List.of(),
                List.of(Path.of("/etc/cdi"), Path.of("/var/run/cdi")),
                false,
                "registry.k8s.io/pause:3.10");
    }

    /** The same configuration at other places; what the command line says goes before the files. */
    public Config at(Path newRoot, Path newState, Path newListen) {
        return new Config(
                newRoot,
                newState,
                newListen,
                logLevel,
                cgroupDriver,
                cgroupParent,
                usernsRange,
                registryConfigPath,
                streamAddress,
                cniConfDir,
                cniBinDirs,
                cniCacheDir,
                cniTimeout,
                netnsDir,
                pinnedImages,
                cdiSpecDirs,
                deviceOwnershipFromSecurityContext,
                sandboxImage);
    }
}
