package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.shown;

import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
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

    /** Links are followed, as profiles of operators are links; what is there is looked at before it is opened. */
    private static String read(String path) {
        try (Fd place = Kernel.openat2(Fd.CWD, path, LinuxConstants.O_PATH, LinuxConstants.RESOLVE_NO_MAGICLINKS)) {
            FileStatus status = Kernel.fstat(place);
            if (!status.isRegularFile()) {
                throw new IllegalStateException("it is no regular file");
            }
            if (status.sizeBytes() > MAX_BYTES) {
                throw new IllegalStateException(
                        "it has " + status.sizeBytes() + " bytes, and more than " + MAX_BYTES + " are not read");
            }
            try (Fd file = Kernel.open(place.path(), LinuxConstants.O_RDONLY | LinuxConstants.O_NONBLOCK)) {
                return new String(Kernel.readAll(file, MAX_BYTES), StandardCharsets.UTF_8);
            }
        }
    }
}
