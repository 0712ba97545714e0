package io.portafilter.security;

import java.util.List;

/**
 * The user and group mapping of a pod's user namespace, as the CRI has it: exactly one line each.
 *
 * @param uids the only line of {@code uid_map}
 * @param gids the only line of {@code gid_map}
 */
public record IdMappings(List<IdMapping> uids, List<IdMapping> gids) {

    public IdMappings {
        uids = List.copyOf(uids);
        gids = List.copyOf(gids);
        requireOne("uids", uids);
        requireOne("gids", gids);
    }

    private static void requireOne(String field, List<IdMapping> lines) {
        if (lines.size() != 1) {
            throw new SecurityRefusal(
                    "userns_options." + field,
                    lines.size() + " mappings",
                    "give exactly one, for a user namespace of the pod needs one block of ids");
        }
    }

    /**
     * Refuses a mapping without id 0, which a pod needs: its mounts and its first steps belong to the root of the user
     * namespace.
     */
    public void requireRootMapped() {
        requireZero("uids", uids.getFirst());
        requireZero("gids", gids.getFirst());
    }

    private static void requireZero(String field, IdMapping line) {
        if (!line.maps(0)) {
            throw new SecurityRefusal(
                    "userns_options." + field,
                    "container id 0 is not mapped (the block begins at " + line.containerId() + ")",
                    "give a block with container_id 0");
        }
    }

    /** Whether this user of the container exists outside. */
    public boolean mapsUid(long uid) {
        return uids.getFirst().maps(uid);
    }

    /** Whether this group of the container exists outside. */
    public boolean mapsGid(long gid) {
        return gids.getFirst().maps(gid);
    }

    /** The host's id of a user of the container; refuses one that the mapping does not hold. */
    public long hostUid(long uid) {
        requireMapped("user id", uid, uids.getFirst());
        return uids.getFirst().translate(uid);
    }

    /** The host's id of a group of the container; refuses one that the mapping does not hold. */
    public long hostGid(long gid) {
        requireMapped("group id", gid, gids.getFirst());
        return gids.getFirst().translate(gid);
    }

    private static void requireMapped(String what, long id, IdMapping line) {
        if (!line.maps(id)) {
            throw new SecurityRefusal(
                    what,
                    id + " does not exist in the pod's user namespace",
                    "give one from " + line.containerId() + " to " + line.lastContainerId()
                            + ", or a pod in the host's user namespace (hostUsers: true)");
        }
    }

    /** What is written to {@code /proc/PID/uid_map}, in one write. */
    public String uidMapText() {
        return uids.getFirst().text();
    }

    /** What is written to {@code /proc/PID/gid_map}, in one write. */
    public String gidMapText() {
        return gids.getFirst().text();
    }
}
