package io.portafilter.security;

import java.util.List;
import java.util.Optional;

/**
 * All that a container's security context asks for, free of the CRI's messages.
 *
 * @param privileged the container asks for the rights that the server itself has
 * @param podPrivileged the pod sandbox permits privileged containers
 * @param capabilities additions to and drops from the default set
 * @param user user, group and supplementary groups
 * @param noNewPrivileges {@code no_new_privs}, taken as it is
 * @param readOnlyRootfs the root filesystem is read-only
 * @param maskedPaths literal paths to hide; ignored when privileged
 * @param readOnlyPaths literal paths to make read-only; ignored when privileged
 * @param seccomp the filter; ignored when privileged
 * @param ids the pod's user namespace, absent in the host's
 */
public record SecurityRequest(
        boolean privileged,
        boolean podPrivileged,
        CapabilityRequest capabilities,
        UserRequest user,
        boolean noNewPrivileges,
        boolean readOnlyRootfs,
        List<String> maskedPaths,
        List<String> readOnlyPaths,
        SeccompRequest seccomp,
        Optional<IdMappings> ids) {

    public SecurityRequest {
        maskedPaths = List.copyOf(maskedPaths);
        readOnlyPaths = List.copyOf(readOnlyPaths);
        if (privileged && !podPrivileged) {
            throw new SecurityRefusal(
                    "privileged",
                    "a privileged container in a pod sandbox that is not privileged",
                    "create the sandbox with privileged set in its security context");
        }
        requirePaths("masked_paths", maskedPaths);
        requirePaths("readonly_paths", readOnlyPaths);
    }

    private static void requirePaths(String field, List<String> paths) {
        for (String path : paths) {
            if (!path.startsWith("/") || path.indexOf('\0') >= 0) {
                throw new SecurityRefusal(field, "\"" + path + "\" is no absolute path", "begin it with /");
            }
        }
    }
}
