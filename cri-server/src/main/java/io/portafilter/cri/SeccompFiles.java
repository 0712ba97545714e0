package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.shown;

import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.LinuxConstants;
import io.portafilter.security.SeccompRequest;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/**
 * Seccomp profiles of the node. A container keeps a copy of its own: what runs in it later has the same filter, whatever
 * became of the file.
 *
 * @param stateDirectory the container's
 */
record SeccompFiles(Path stateDirectory) {

    private static final int MAX_BYTES = 1 << 20;
    private static final int NOTHING_SPECIAL =
            LinuxConstants.O_RDONLY | LinuxConstants.O_NONBLOCK | LinuxConstants.O_NOCTTY;

    /** Reads a profile as the request names it. */
    String fromNode(String field, String path) {
        try {
            return read(path);
        } catch (KernelException | IllegalStateException e) {
            throw invalid(
                    field,
                    "the profile " + shown(path) + " cannot be read: " + e.getMessage(),
                    "put it there, below kubelet's seccomp directory");
        }
    }

    /** Reads the container's copy, for a container that has one. */
    String kept(String field, String path) {
        try {
            return read(copy().toString());
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT)) {
                // after a reboot the container has ended: nothing will be filtered any more
                return "";
            }
            throw e;
        }
    }

    /** Keeps a copy of the profile that was read. */
    void keep(SeccompRequest asked) {
        if (asked instanceof SeccompRequest.Localhost profile) {
            int flags = LinuxConstants.O_WRONLY | LinuxConstants.O_CREAT | LinuxConstants.O_EXCL;
            try (Fd file = Kernel.openat(Fd.CWD, copy().toString(), flags, 0600)) {
                Kernel.writeFully(file, profile.json().getBytes(StandardCharsets.UTF_8));
            }
        }
    }

    private Path copy() {
        return stateDirectory.resolve("seccomp.json");
    }

    private static String read(String path) {
        try (Fd file = Kernel.open(path, NOTHING_SPECIAL)) {
            if (!Kernel.fstat(file).isRegularFile()) {
                throw new IllegalStateException("it is no regular file");
            }
            return new String(Kernel.readAll(file, MAX_BYTES), StandardCharsets.UTF_8);
        }
    }
}
