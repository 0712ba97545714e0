package io.portafilter.security;

import java.util.List;
import java.util.stream.Collectors;

/**
 * How the owners of a volume's files are seen: an id on the disk, "inside", and the host's id that it counts as,
 * "outside" (mount_setattr(2), {@code MOUNT_ATTR_IDMAP}). Ids that no line holds belong to nobody, and nothing of theirs
 * can be made there.
 *
 * @param uids lines that do not overlap, at least one
 * @param gids likewise
 */
public record VolumeIds(List<IdMapping> uids, List<IdMapping> gids) {

    /** A map is written at once, and the kernel takes less than a page (user_namespaces(7)). */
    public static final int LARGEST_MAP_BYTES = 4095;

    public VolumeIds {
        uids = List.copyOf(uids);
        gids = List.copyOf(gids);
        require("uidMappings", uids);
        require("gidMappings", gids);
    }

    private static void require(String field, List<IdMapping> lines) {
        if (lines.isEmpty()) {
            throw new SecurityRefusal(field, "are missing", "give both uidMappings and gidMappings, or neither");
        }
        int bytes = text(lines).length();
        if (bytes > LARGEST_MAP_BYTES) {
            throw new SecurityRefusal(
                    field,
                    lines.size() + " lines of " + bytes + " bytes",
                    "give fewer, larger blocks: the kernel takes " + LARGEST_MAP_BYTES + " bytes");
        }
        for (int i = 0; i < lines.size(); i++) {
            for (IdMapping other : lines.subList(0, i)) {
                if (lines.get(i).overlaps(other)) {
                    throw new SecurityRefusal(
                            field,
                            "two lines hold the same id: " + other.text().strip() + " and "
                                    + lines.get(i).text().strip(),
                            "give blocks that do not overlap, neither on the disk nor on the host");
                }
            }
        }
    }

    /** The mapping of a pod's user namespace, for a volume that is seen by it as if it were the pod's own. */
    public static VolumeIds of(IdMappings pod) {
        return new VolumeIds(pod.uids(), pod.gids());
    }

    /** What is written to {@code /proc/PID/uid_map}, in one write. */
    public String uidMapText() {
        return text(uids);
    }

    /** What is written to {@code /proc/PID/gid_map}, in one write. */
    public String gidMapText() {
        return text(gids);
    }

    private static String text(List<IdMapping> lines) {
        return lines.stream().map(IdMapping::text).collect(Collectors.joining());
    }
}
