package io.portafilter.cri;

import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.LinuxConstants;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * The node's range of addresses for pods, as UpdateRuntimeConfig told it last. Kubelet says it once, so it is kept for
 * the next server. Plugins that declare the capability ipRanges are told.
 */
final class PodCidr {

    private static final int MAX_BYTES = 4096;

    private final Path file;
    private volatile String value;

    PodCidr(Path root) {
        this.file = root.resolve("pod-cidr");
        this.value = read();
    }

    private String read() {
        try (Fd opened = Kernel.open(file.toString(), LinuxConstants.O_RDONLY)) {
            return new String(Kernel.readAll(opened, MAX_BYTES), StandardCharsets.UTF_8);
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT)) {
                return "";
            }
            throw e;
        }
    }

    String value() {
        return value;
    }

    /** One range or two with a comma between, or nothing. */
    void set(String told) {
        if (!told.isEmpty() && !told.matches("[0-9a-fA-F:./, ]{1,200}")) {
            throw CriException.invalid(
                    "runtime_config.network_config.pod_cidr",
                    CriException.shown(told) + " is no range of addresses",
                    "give one such as 10.244.1.0/24, or two with a comma between");
        }
        int flags = LinuxConstants.O_WRONLY | LinuxConstants.O_CREAT | LinuxConstants.O_TRUNC;
        try (Fd opened = Kernel.openat(Fd.CWD, file.toString(), flags, 0600)) {
            Kernel.writeFully(opened, told.getBytes(StandardCharsets.UTF_8));
        }
        value = told;
    }
}
