package io.portafilter.audit;

import io.portafilter.security.CapabilitySets;
import io.portafilter.security.Credentials;
import io.portafilter.security.IdMappings;
import io.portafilter.security.SecurityPlan;
import java.util.List;
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
 */
public record GivenRights(
        Optional<IdMappings> ids,
        long uid,
        long gid,
        List<Long> groups,
        CapabilitySets capabilities,
        int seccompFilters,
        boolean noNewPrivileges) {

    public GivenRights {
        groups = List.copyOf(groups);
    }

    /** Those of a plan, carried out by a server that is under {@code serversFilters} filters itself. */
    public static GivenRights of(SecurityPlan plan, int serversFilters) {
        Credentials user = plan.user();
        return new GivenRights(
                plan.ids(),
                user.uid(),
                user.gid(),
                user.groups(),
                plan.capabilities(),
                serversFilters + (plan.seccomp().isPresent() ? 1 : 0),
                plan.noNewPrivileges());
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
