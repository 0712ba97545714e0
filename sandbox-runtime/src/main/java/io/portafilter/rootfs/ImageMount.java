package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.AT_EMPTY_PATH;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NODEV;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_RDONLY;
import static io.portafilter.linux.LinuxConstants.MOVE_MOUNT_F_EMPTY_PATH;
import static io.portafilter.linux.LinuxConstants.OPEN_TREE_CLONE;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.MountAttributes;
import io.portafilter.linux.OwnThread;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The files of an image, or a directory of them, as a volume that nobody can write to (KEP-4639). Each is an overlay of
 * its own without a place for changes, so its file system stays read-only whoever mounts it anew.
 */
final class ImageMount {
    /** The word by which kubelet knows the failure (k8s.io/cri-api, {@code ErrImageVolumeMountFailed}). */
    private static final String REASON = "ImageVolumeMountFailed: ";

    private ImageMount() {}

    /** See {@link VolumeMount#ofImage}. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // closed on failure, else the caller's
    static Fd open(List<Path> layersTopFirst, String subPath, VolumeOptions options, Optional<Fd> userNamespace) {
        Fd mount = mount(LayerStack.readOnly(layersTopFirst).with(options.label()), subPath, userNamespace);
        try {
            // device nodes come by request alone, not with files
            long attributes = options.recursiveAttributes() | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV;
            Kernel.mountSetattr(
                    mount,
                    "",
                    AT_EMPTY_PATH,
                    MountAttributes.propagation(Propagation.PRIVATE.flag()).and(MountAttributes.set(attributes)));
            return mount;
        } catch (RuntimeException e) {
            mount.close();
            throw e;
        }
    }

    @MustBeClosed
    private static Fd mount(LayerStack layers, String subPath, Optional<Fd> userNamespace) {
        try {
            return subPath.isEmpty()
                    ? OverlayMount.of(layers, userNamespace)
                    : directory(layers, subPath, userNamespace);
        } catch (KernelException e) {
            throw new MountRefusal(REASON + "the image of " + layers.description() + ": " + e.getMessage(), e);
        }
    }

    /**
     * Before Linux 6.15 only what is attached can be cloned: it is, in a mount namespace that ends with its thread. The
     * clone stays.
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the thread hands it to the caller
    private static Fd directory(LayerStack layers, String subPath, Optional<Fd> userNamespace) {
        boolean lowerdirPlus = OverlayMount.supportsLowerdirPlus();
        return OwnThread.call("image-volume", () -> {
            OverlayMount.enterOwnNamespace();
            try (Fd whole = OverlayMount.here(layers, userNamespace, lowerdirPlus)) {
                Kernel.moveMount(whole, "", Fd.CWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
                try (Fd found = find(whole, subPath)) {
                    return Kernel.openTree(found, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);
                }
            }
        });
    }

    /** Links of the image lead where they would lead a process whose root it is, never out of it. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // closed on failure, else the caller's
    private static Fd find(Fd image, String subPath) {
        Fd found = lookUp(image, subPath)
                .orElseThrow(() -> refused(subPath, "does not exist", "name a directory of the image"));
        FileStatus status = Kernel.fstat(found);
        if (status.isDirectory()) {
            return found;
        }
        found.close();
        String kind = status.isRegularFile() ? "a file" : RootPath.kind(status);
        throw refused(subPath, "is " + kind, "name a directory: only directories can be mounted");
    }

    private static Optional<Fd> lookUp(Fd image, String subPath) {
        try {
            return RootPath.find(image, subPath);
        } catch (KernelException e) {
            if (e.is(Errno.ELOOP)) {
                throw refused(subPath, "leads through too many links, or through one of the kernel's", "name another");
            }
            throw e;
        }
    }

    private static MountRefusal refused(String subPath, String wrong, String cure) {
        return new MountRefusal(REASON + "image_sub_path \"" + subPath + "\" " + wrong + " in the image; " + cure);
    }
}
