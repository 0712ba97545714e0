package io.portafilter.audit;

import io.portafilter.security.CapabilitySets;
import io.portafilter.security.Credentials;
import io.portafilter.security.IdMappings;
import io.portafilter.security.Labels;
import io.portafilter.security.SecurityPlan;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The rights that a container's program was started with.
 *
 * @param ids the pod's user namespace, absent in the host's
 * @param uid the user, as the container sees it
 * @param gid the group, as the container sees it
 * @param groups the supplementary groups, as the container sees them, the group included
 * @param capabilities the sets after execve
 * @param seccompFilters how many filters apply, those included that the server has itself
 * @param noNewPrivileges whether execve can gain nothing
 * @param cgroups where its processes are: controllers to path, as {@code /proc/PID/cgroup} writes both
 * @param labels what the Linux security modules were told
 */
public record GivenRights(
        Optional<IdMappings> ids,
        long uid,
        long gid,
        List<Long> groups,
        CapabilitySets capabilities,
        int seccompFilters,
        boolean noNewPrivileges,
        Map<String, String> cgroups,
        Labels labels) {

    public GivenRights {
        groups = List.copyOf(groups);
        cgroups = Map.copyOf(cgroups);
    }

    /** Those of a plan, carried out by a server that is under {@code serversFilters} filters itself. */
    public static GivenRights of(SecurityPlan plan, int serversFilters, Map<String, String> cgroups) {
        Credentials user = plan.user();
        return new GivenRights(
                plan.ids(),
                user.uid(),
                user.gid(),
                user.groups(),
                plan.capabilities(),
                serversFilters + (plan.seccomp().isPresent() ? 1 : 0),
                plan.noNewPrivileges(),
                cgroups,
                plan.labels());
    }

    /** Whether a {@code /proc/PID/cgroup} says the cgroup, or one below it, in one of the hierarchies. */
    boolean isInOneCgroup(String procCgroup) {
        Map<String, String> found = lines(procCgroup);
        return cgroups.keySet().stream().anyMatch(hierarchy -> isIn(hierarchy, found));
    }

    /** Whether it says so in every hierarchy. */
    boolean isInCgroups(String procCgroup) {
        Map<String, String> found = lines(procCgroup);
        return cgroups.keySet().stream().allMatch(hierarchy -> isIn(hierarchy, found));
    }

    private boolean isIn(String hierarchy, Map<String, String> found) {
        String own = cgroups.getOrDefault(hierarchy, "");
        String path = found.getOrDefault(hierarchy, "");
        return !own.isEmpty() && (path.equals(own) || path.startsWith(own + "/"));
    }

    /** Controllers to path; the unified hierarchy has no controllers' names. */
    private static Map<String, String> lines(String procCgroup) {
        Map<String, String> lines = new HashMap<>();
        procCgroup
                .lines()
                .map(line -> line.split(":", 3))
                .filter(fields -> fields.length == 3)
                .forEach(fields -> lines.put(fields[1], fields[2]));
        return lines;
    }

    /** The host's id of a user of the container. */
    long hostUid(long id) {
        return ids.map(known -> known.hostUid(id)).orElse(id);
    }

    /** The host's id of a group of the container. */
    long hostGid(long id) {
        return ids.map(known -> known.hostGid(id)).orElse(id);
    }
}
