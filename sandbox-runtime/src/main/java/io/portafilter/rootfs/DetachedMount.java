package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.AT_EMPTY_PATH;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_RDONLY;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.MountAttributes;
import java.util.Optional;

/**
 * File systems that are mounted nowhere: a descriptor is all there is of them until it is attached (fsmount(2),
 * move_mount(2)). They never appear in the host's mount table and end with their last descriptor.
 */
public final class DetachedMount {
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

    /** Makes a detached mount read-only, once all mount points in it exist. */
    public static void setReadOnly(Fd mount) {
        Kernel.mountSetattr(mount, "", AT_EMPTY_PATH, MountAttributes.set(MOUNT_ATTR_RDONLY));
    }
}
