package io.portafilter.linux;

import java.util.Optional;

/**
 * What mount_setattr(2) changes of a mount.
 *
 * @param set attributes to set, {@code MOUNT_ATTR_*}
 * @param clear attributes to clear
 * @param propagation {@code MS_PRIVATE}, {@code MS_SLAVE}, {@code MS_SHARED}, {@code MS_UNBINDABLE}, or 0 to leave it
 * @param userNamespace whose mapping {@code MOUNT_ATTR_IDMAP} takes; stays the caller's
 */
public record MountAttributes(long set, long clear, long propagation, Optional<Fd> userNamespace) {

    /** Sets attributes. */
    public static MountAttributes set(long attributes) {
        return new MountAttributes(attributes, 0, 0, Optional.empty());
    }

    /** Clears attributes. */
    public static MountAttributes clear(long attributes) {
        return new MountAttributes(0, attributes, 0, Optional.empty());
    }

    /** Sets the propagation. */
    public static MountAttributes propagation(long propagation) {
        return new MountAttributes(0, 0, propagation, Optional.empty());
    }

    /** Maps the ids of a detached mount as this user namespace does. */
    public static MountAttributes idMapped(Fd userNamespace) {
        return new MountAttributes(LinuxConstants.MOUNT_ATTR_IDMAP, 0, 0, Optional.of(userNamespace));
    }

    /** Both in one call. */
    public MountAttributes and(MountAttributes other) {
        return new MountAttributes(
                set | other.set,
                clear | other.clear,
                other.propagation != 0 ? other.propagation : propagation,
                other.userNamespace.or(() -> userNamespace));
    }

    String print() {
        return "{attr_set=" + ArgumentKind.MOUNT_ATTRIBUTES.print(set)
                + ", attr_clr=" + ArgumentKind.MOUNT_ATTRIBUTES.print(clear)
                + ", propagation=" + ArgumentKind.MOUNT_FLAGS.print(propagation)
                + ", userns_fd=" + userNamespace.map(Fd::toString).orElse("0") + "}";
    }
}
