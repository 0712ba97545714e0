package io.portafilter.security;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * All that a container's security context asks for, free of the CRI's messages.
 *
 * @param privileged the container asks for the rights that the server itself has
 * @param podPrivileged the pod sandbox permits privileged containers
 * @param capabilities additions to and drops from the default set
 * @param user user, group and supplementary groups
 * @param noNewPrivileges {@code no_new_privs}, taken as it is
 * @param readOnlyRootfs the root filesystem is read-only
 * @param maskedPaths absolute paths to hide; ignored when privileged
 * @param readOnlyPaths absolute paths to make read-only; ignored when privileged
 * @param seccomp the filter; ignored when privileged
 * @param ids the pod's user namespace, absent in the host's
 * @param labels what is asked of the Linux security modules
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
        Optional<IdMappings> ids,
        LabelRequest labels) {

    public SecurityRequest {
        maskedPaths = paths("masked_paths", maskedPaths, "name what is to be hidden in it");
        readOnlyPaths = paths("readonly_paths", readOnlyPaths, "use readonly_rootfs");
        if (privileged && !podPrivileged) {
            throw new SecurityRefusal(
                    "privileged",
                    "a privileged container in a pod sandbox that is not privileged",
                    "create the sandbox with privileged set in its security context");
        }
    }

    /**
     * Each once, in its shortest spelling. {@code ..} stays, for it leads out of whatever the name before it is a link
     * to, which is for the kernel to find.
     */
    private static List<String> paths(String field, List<String> asked, String insteadOfRoot) {
        return asked.stream()
                .map(path -> path(field, path, insteadOfRoot))
                .distinct()
                .toList();
    }

    private static String path(String field, String path, String insteadOfRoot) {
        String named = "\"" + AccountId.shortened(path) + "\"";
        if (!path.startsWith("/") || path.indexOf('\0') >= 0) {
            throw new SecurityRefusal(field, named + " is no absolute path", "begin it with /");
        }
        String shortest = Arrays.stream(path.split("/"))
                .filter(name -> !name.isEmpty() && !name.equals("."))
                .collect(Collectors.joining("/", "/", ""));
        if (shortest.equals("/")) {
            throw new SecurityRefusal(field, named + " is the root of the container", insteadOfRoot);
        }
        return shortest;
    }
}
