package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.AT_EMPTY_PATH;
import static io.portafilter.linux.LinuxConstants.MOVE_MOUNT_F_EMPTY_PATH;
import static io.portafilter.linux.LinuxConstants.OPEN_TREE_CLONE;
import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_PATH;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.MountAttributes;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * The directories of a {@link LayerStack}, opened: overlay gets them as {@code /proc/self/fd/N}, which is short and
 * needs no escaping.
 */
final class OpenLayers implements AutoCloseable {
    private final List<Fd> lower = new ArrayList<>();
    private final List<Fd> writable = new ArrayList<>();

    private final Optional<String> label;

    private OpenLayers(Optional<String> label) {
        this.label = label;
    }

    /** The SELinux label that all files get. */
    Optional<String> label() {
        return label;
    }

    /** Opens all; with a user namespace the lower layers are detached copies that map their owners. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // owned by this object
    static OpenLayers of(LayerStack layers, Optional<Fd> userNamespace) {
        OpenLayers open = new OpenLayers(layers.label());
        try {
            if (layers.writable().isPresent()) {
                open.writable.add(directory(layers.writable().get().upper()));
                open.writable.add(directory(layers.writable().get().work()));
            }
            for (Path layer : layers.lowerTopFirst()) {
                open.lower.add(userNamespace.isPresent() ? mapped(layer, userNamespace.get()) : directory(layer));
            }
            return open;
        } catch (RuntimeException e) {
            open.close();
            throw e;
        }
    }

    /** Options of overlay that name the place for changes; none for one that has none. */
    Map<String, String> writableOptions() {
        return writable.isEmpty()
                ? Map.of()
                : Map.of(
                        "upperdir", writable.getFirst().path(),
                        "workdir", writable.getLast().path());
    }

    List<Fd> lower() {
        return lower;
    }

    /** The layers' numbers, as paths relative to {@code /proc/self/fd}. */
    String numbers() {
        return lower.stream().map(layer -> Integer.toString(layer.number())).collect(Collectors.joining(":"));
    }

    /** Attaches the detached layers to this thread's own mount namespace, one over the other: their place is no matter. */
    void attachLower() {
        for (Fd layer : lower) {
            Kernel.moveMount(layer, "", Fd.CWD, "/", MOVE_MOUNT_F_EMPTY_PATH);
        }
    }

    @MustBeClosed
    private static Fd directory(Path path) {
        return Kernel.open(path.toString(), O_PATH | O_DIRECTORY);
    }

    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // closed on failure, else the caller's
    private static Fd mapped(Path layer, Fd userNamespace) {
        Fd clone = Kernel.openTree(Fd.CWD, layer.toString(), OPEN_TREE_CLONE);
        try {
            Kernel.mountSetattr(clone, "", AT_EMPTY_PATH, MountAttributes.idMapped(userNamespace));
            return clone;
        } catch (KernelException e) {
            clone.close();
            if (e.is(Errno.EINVAL) || e.is(Errno.ENOSYS)) {
                throw new MountRefusal(
                        "the file system of layer " + layer + " cannot map ids (" + e.getMessage()
                                + "): put the image store on ext4, xfs or btrfs, use Linux 5.19 or newer, or run the pod without a user namespace",
                        e);
            }
            throw e;
        }
    }

    @Override
    public void close() {
        lower.forEach(Fd::close);
        writable.forEach(Fd::close);
    }
}
