package io.portafilter.linux;

import java.util.Set;

/**
 * The host's limits of the number of namespaces, {@code namespaces(7)}. Who meets one is told ENOSPC, whose text speaks
 * of a device.
 */
public final class NamespaceLimits {

    /** A mount that is not attached yet is in a mount namespace of its own ({@code alloc_mnt_ns}, {@code fs/namespace.c}). */
    private static final Set<String> MAKE_NAMESPACES = Set.of("clone", "clone3", "unshare", "fsmount", "open_tree");

    /** What may be done about it. */
    public static final String CURE =
            ": the host has as many namespaces of a kind as it allows, see the sysctls user.max_*_namespaces"
                    + " (user.max_user_namespaces for pods with hostUsers: false); raise it, or remove pods";

    private NamespaceLimits() {}

    /** Whether the error of a system call of this name is such a limit. */
    public static boolean isReached(String call, Errno errno) {
        return errno.equals(Errno.ENOSPC) && MAKE_NAMESPACES.contains(call);
    }
}
