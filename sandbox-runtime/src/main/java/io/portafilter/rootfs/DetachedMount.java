package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.AT_EMPTY_PATH;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NODEV;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NOEXEC;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NOSUID;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_RDONLY;
import static io.portafilter.linux.LinuxConstants.PROC_SUPER_MAGIC;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.MountAttributes;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * File systems that are mounted nowhere: a descriptor is all there is of them until it is attached (fsmount(2),
 * move_mount(2)). They never appear in the host's mount table and end with their last descriptor.
 */
public final class DetachedMount {
    /** PROC_ROOT_INO of {@code linux/proc_fs.h}. */
    private static final long PROC_ROOT_INODE = 1;

    private DetachedMount() {}

    /**
     * An overlay of these layers. With a user namespace, what belongs to the host's root in the lower layers belongs to
     * the namespace's root in the container, and so on: each layer is mapped, none is changed. {@code upper} is not
     * mapped, so its owner must be a host id of that namespace ({@link LayerStack#create}).
     *
     * @param userNamespace a descriptor of it, which stays the caller's
     * @return the mount; the caller closes it
     */
    @MustBeClosed
    public static Fd overlay(LayerStack layers, Optional<Fd> userNamespace) {
        try {
            return OverlayMount.of(layers, userNamespace);
        } catch (KernelException e) {
            throw new MountRefusal(
                    "overlay of " + layers.description() + ": " + e.getMessage()
                            + "; overlayfs gives the reason in the kernel's log (dmesg)",
                    e);
        }
    }

    /** Whether overlay takes layers one by one ({@code lowerdir+}, Linux 6.7): tried once, for versions lie. */
    public static boolean supportsLowerdirPlus() {
        return OverlayMount.supportsLowerdirPlus();
    }

    /**
     * A tmpfs (tmpfs(5)).
     *
     * @param attributes {@code MOUNT_ATTR_*} of the mount, such as {@code MOUNT_ATTR_NOSUID}
     * @param options such as {@code mode=1777} and {@code size=64m}
     * @return the mount; the caller closes it
     */
    @MustBeClosed
    public static Fd tmpfs(long attributes, String... options) {
        try (Fd context = Kernel.fsopen("tmpfs")) {
            Kernel.fsconfigString(context, "source", "tmpfs");
            for (String option : options) {
                int equals = option.indexOf('=');
                if (equals < 0) {
                    Kernel.fsconfigFlag(context, option);
                } else {
                    Kernel.fsconfigString(context, option.substring(0, equals), option.substring(equals + 1));
                }
            }
            Kernel.fsconfigCreate(context);
            return Kernel.fsmount(context, attributes);
        }
    }

    /**
     * The same, all of whose files have an SELinux label.
     *
     * @param label absent: what the policy says of files in a tmpfs
     */
    @MustBeClosed
    public static Fd tmpfs(long attributes, Optional<String> label, String... options) {
        return tmpfs(
                attributes,
                Stream.concat(Stream.of(options), label.map(value -> "context=" + value).stream())
                        .toArray(String[]::new));
    }

    /**
     * A proc file system of this process's PID namespace that nothing can be mounted on.
     *
     * @throws IllegalStateException if what the kernel made is none
     */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // closed here or handed to the caller
    public static Fd proc() {
        try (Fd context = Kernel.fsopen("proc")) {
            Kernel.fsconfigCreate(context);
            Fd root = Kernel.fsmount(context, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
            if (Kernel.fstatfs(root) != PROC_SUPER_MAGIC || Kernel.fstat(root).inode() != PROC_ROOT_INODE) {
                root.close();
                throw new IllegalStateException("a new proc file system is not the root of one");
            }
            return root;
        }
    }

    /** Makes a detached mount read-only, once all mount points in it exist. */
    public static void setReadOnly(Fd mount) {
        Kernel.mountSetattr(mount, "", AT_EMPTY_PATH, MountAttributes.set(MOUNT_ATTR_RDONLY));
    }
}
