package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.shown;

import io.grpc.Status;
import io.portafilter.cdi.ContainerEdits;
import io.portafilter.container.ContainerDevice;
import io.portafilter.container.ContainerDevice.OwnerId;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.util.Optional;
import java.util.OptionalLong;

/** Device nodes of CDI specifications: what they leave open, the host's node says. */
final class CdiNodes {

    private static final String FIELD = CdiDevices.FIELD;
    private static final int PERMISSIONS = 0777;
    private static final int DEFAULT_MODE = 0666;

    private CdiNodes() {}

    /** The node; looks at the host's, which may be missing only where type and numbers are given. */
    static ContainerDevice of(ContainerEdits.Node edit) {
        String path = Fields.absolutePath(FIELD + ": path of a device node", edit.path());
        DeviceRequest.requirePlace(FIELD + ": path of a device node", path);
        boolean complete = edit.type().isPresent() && edit.major() != 0;
        Optional<FileStatus> host = host(edit, complete);
        char type = edit.type().orElseGet(() -> host.map(CdiNodes::type).orElseThrow());
        if (!complete && host.isPresent() && type(host.get()) != type) {
            throw invalid(
                    FIELD,
                    shown(edit.hostPath()) + " of this node is of type " + type(host.get())
                            + ", and the specification says " + type,
                    "mend the specification");
        }
        boolean numbered = edit.major() != 0;
        return new ContainerDevice(
                path,
                type,
                numbered
                        ? edit.major()
                        : host.map(status -> status.special().major()).orElseThrow(),
                numbered
                        ? edit.minor()
                        : host.map(status -> status.special().minor()).orElseThrow(),
                edit.mode()
                        .orElseGet(() -> host.map(status -> status.permissions() & PERMISSIONS)
                                .orElse(DEFAULT_MODE)),
                owner(edit.uid()),
                owner(edit.gid()));
    }

    private static OwnerId owner(OptionalLong id) {
        return id.isPresent() ? new OwnerId.OfContainer(id.getAsLong()) : new OwnerId.OfProgram();
    }

    private static char type(FileStatus status) {
        return status.isBlockDevice() ? 'b' : 'c';
    }

    /** The host's node, absent where it is not needed and is not there. */
    private static Optional<FileStatus> host(ContainerEdits.Node edit, boolean complete) {
        String path = Fields.absolutePath(FIELD + ": hostPath of a device node", edit.hostPath());
        try {
            FileStatus status = Kernel.statx(Fd.CWD, path, 0);
            if (status.isBlockDevice() || status.isCharacterDevice()) {
                return Optional.of(status);
            }
        } catch (KernelException e) {
            if (complete) {
                return Optional.empty();
            }
            throw new CriException(
                    Status.Code.INVALID_ARGUMENT,
                    FIELD,
                    "the device " + shown(path) + " cannot be found on this node: " + e.errno(),
                    "load its driver, or mend the specification",
                    e);
        }
        if (complete) {
            return Optional.empty();
        }
        throw invalid(FIELD, shown(path) + " of this node is no device", "mend the specification");
    }
}
