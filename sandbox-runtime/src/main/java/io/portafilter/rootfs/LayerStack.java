package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.AT_SYMLINK_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;

import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * The directories that an overlay is made of (kernel documentation: filesystems/overlayfs).
 *
 * @param lowerTopFirst the unpacked layers, at least one; the first hides those behind it
 * @param writable where changes go; empty for an overlay that nobody can write to, whatever its mount says
 * @param label the SELinux label of all files in the overlay; empty: those that they have
 */
public record LayerStack(List<Path> lowerTopFirst, Optional<Writable> writable, Optional<String> label) {
    /**
     * The directories behind what is written.
     *
     * @param upper where the container's changes go
     * @param work the kernel's own, empty, in the same file system as {@code upper}
     */
    public record Writable(Path upper, Path work) {}

    /** The kernel's {@code OVL_MAX_STACK}. */
    private static final int MAX_LOWER_LAYERS = 500;

    private static final int DEFAULT_MODE = 0755;

    public LayerStack {
        lowerTopFirst = List.copyOf(lowerTopFirst);
        if (lowerTopFirst.isEmpty() || lowerTopFirst.size() > MAX_LOWER_LAYERS) {
            throw new MountRefusal("an overlay of " + lowerTopFirst.size() + " lower layers: 1 to " + MAX_LOWER_LAYERS
                    + " were expected");
        }
    }

    /** Layers with a place for changes. */
    public LayerStack(List<Path> lowerTopFirst, Path upper, Path work) {
        this(lowerTopFirst, Optional.of(new Writable(upper, work)), Optional.empty());
    }

    /** Layers that stay as they are: at least two, for overlay takes no single one without a place for changes. */
    public static LayerStack readOnly(List<Path> lowerTopFirst) {
        return new LayerStack(lowerTopFirst, Optional.empty(), Optional.empty());
    }

    /** The same layers, whose files all have this SELinux label in the overlay. */
    public LayerStack with(Optional<String> otherLabel) {
        return new LayerStack(lowerTopFirst, writable, otherLabel);
    }

    /** What an error says of them. */
    String description() {
        return lowerTopFirst.size() + " layers"
                + writable.map(place -> ", changes in " + place.upper()).orElse("");
    }

    /**
     * Makes {@code upper} and {@code work} in a directory that only root can reach. The root directory of the container
     * is {@code upper}: it belongs to the container's root and has the mode of the topmost layer. What an earlier attempt
     * wrote there stays; its {@code work} is made anew, for overlay refuses one that a volatile mount has used. An image
     * without layers gets an empty one.
     *
     * @param rootUid the host's id of the container's root
     * @param rootGid likewise its group
     */
    public static LayerStack create(List<Path> lowerTopFirst, Path writableDirectory, long rootUid, long rootGid) {
        try (Fd directory = Kernel.open(writableDirectory.toString(), O_RDONLY | O_DIRECTORY)) {
            int mode = lowerTopFirst.isEmpty() ? DEFAULT_MODE : modeOf(lowerTopFirst.getFirst());
            make(directory, "upper", mode, rootUid, rootGid);
            Kernel.removeTree(directory, "work");
            make(directory, "work", 0700, rootUid, rootGid);
            List<Path> lower = lowerTopFirst;
            if (lower.isEmpty()) {
                make(directory, "empty", DEFAULT_MODE, rootUid, rootGid);
                lower = List.of(writableDirectory.resolve("empty"));
            }
            return new LayerStack(lower, writableDirectory.resolve("upper"), writableDirectory.resolve("work"));
        }
    }

    private static int modeOf(Path layer) {
        return Kernel.statx(Fd.CWD, layer.toString(), AT_SYMLINK_NOFOLLOW).permissions();
    }

    private static void make(Fd parent, String name, int mode, long uid, long gid) {
        try {
            Kernel.mkdirat(parent, name, 0700);
        } catch (KernelException e) {
            if (e.is(Errno.EEXIST)) {
                return;
            }
            throw e;
        }
        try (Fd made = Kernel.openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)) {
            Kernel.fchown(made, (int) uid, (int) gid);
            Kernel.fchmod(made, mode);
        }
    }
}
