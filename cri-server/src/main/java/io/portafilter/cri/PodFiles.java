package io.portafilter.cri;

import io.portafilter.container.MountRequest;
import io.portafilter.cri.v1.DNSConfig;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.LinuxConstants;
import io.portafilter.linux.ProcFile;
import io.portafilter.rootfs.Propagation;
import io.portafilter.rootfs.Relabelling;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The files that the runtime itself puts into the containers of one pod: hosts, hostname and resolv.conf. They lie on
 * the disk, not in the memory of /run: a container may write to them without end (CVE-2020-8557).
 *
 * @param directory the pod's own below the server's root
 * @param hostName the node's name
 */
record PodFiles(Path directory, String hostName) {

    private static final String HOSTS = "hosts";
    private static final String HOSTNAME = "hostname";
    private static final String RESOLV_CONF = "resolv.conf";

    /** No file of the host that is copied is larger. */
    private static final int MAX_COPY_BYTES = 1 << 20;

    /** The node's own name, {@code uname -n}. */
    static String nodeName() {
        return ProcFile.read("/proc/sys/kernel/hostname").strip();
    }

    /** What the pod's containers see as their host's name. */
    String hostname(PodSpec pod) {
        return pod.hostname().isEmpty() ? hostName : pod.hostname();
    }

    /**
     * Writes the files; the directory exists. In a user namespace they belong to the pod's root.
     *
     * @param label the SELinux label that they get; absent: the one that they are made with
     */
    void write(PodSpec pod, Optional<String> label) {
        write(pod, label, HOSTNAME, hostname(pod) + "\n");
        write(pod, label, HOSTS, hostFile("/etc/hosts"));
        write(
                pod,
                label,
                RESOLV_CONF,
                pod.dns().map(PodFiles::resolvConf).orElseGet(() -> hostFile("/etc/resolv.conf")));
    }

    private void write(PodSpec pod, Optional<String> label, String name, String text) {
        int flags =
                LinuxConstants.O_WRONLY | LinuxConstants.O_CREAT | LinuxConstants.O_TRUNC | LinuxConstants.O_NOFOLLOW;
        try (Fd file = Kernel.openat(Fd.CWD, directory.resolve(name).toString(), flags, 0644)) {
            Kernel.writeFully(file, text.getBytes(StandardCharsets.UTF_8));
            Kernel.fchmod(file, 0644);
            pod.ids().ifPresent(ids -> Kernel.fchown(file, (int) ids.hostUid(0), (int) ids.hostGid(0)));
            label.ifPresent(its -> Relabelling.of(file, its));
        }
    }

    /** {@code search}, {@code nameserver} and {@code options} lines (resolv.conf(5)). */
    static String resolvConf(DNSConfig dns) {
        StringBuilder text = new StringBuilder();
        if (dns.getSearchesCount() > 0) {
            text.append("search ")
                    .append(String.join(" ", dns.getSearchesList()))
                    .append('\n');
        }
        dns.getServersList()
                .forEach(server -> text.append("nameserver ").append(server).append('\n'));
        if (dns.getOptionsCount() > 0) {
            text.append("options ")
                    .append(String.join(" ", dns.getOptionsList()))
                    .append('\n');
        }
        return text.toString();
    }

    private static String hostFile(String path) {
        Path file = Path.of(path);
        try {
            if (!Files.isRegularFile(file)) {
                return "";
            }
            byte[] bytes = Files.readAllBytes(file);
            if (bytes.length > MAX_COPY_BYTES) {
                throw new UncheckedIOException(
                        new IOException(path + " of the node has " + bytes.length + " bytes, more than a pod gets"));
            }
            return new String(bytes, StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot copy " + path + " of the node: " + e, e);
        }
    }

    /** What is mounted where no volume of the request is. */
    List<MountRequest> defaults(boolean readOnlyRootfs) {
        List<MountRequest> mounts = new ArrayList<>();
        for (String name : List.of(HOSTS, HOSTNAME, RESOLV_CONF)) {
            mounts.add(new MountRequest(
                    "/etc/" + name, directory.resolve(name), readOnlyRootfs, false, Propagation.PRIVATE));
        }
        return mounts;
    }
}
