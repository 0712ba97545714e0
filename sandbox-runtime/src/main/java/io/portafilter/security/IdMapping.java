package io.portafilter.security;

/**
 * One line of {@code uid_map} or {@code gid_map}: a block of ids inside a user namespace and the block outside that it
 * stands for (user_namespaces(7)).
 *
 * @param containerId the first id inside
 * @param hostId the first id outside
 * @param length how many ids follow one another, at least 1
 */
public record IdMapping(long containerId, long hostId, long length) {

    /** The largest id that a mapping may hold: 2^32 - 1 means "no id" to the kernel. */
    private static final long LAST_ID = 0xFFFF_FFFEL;

    public IdMapping {
        if (length < 1) {
            throw new SecurityRefusal(
                    "userns_options", "a mapping of " + length + " ids", "give a length of at least 1");
        }
        requireBlock("container_id", containerId, length);
        requireBlock("host_id", hostId, length);
    }

    private static void requireBlock(String field, long first, long length) {
        if (first < 0 || length > LAST_ID + 1 || first > LAST_ID - (length - 1)) {
            throw new SecurityRefusal(
                    "userns_options." + field,
                    length + " ids from " + first + " on are out of range",
                    "give a block that lies between 0 and " + LAST_ID);
        }
    }

    /** Whether the id inside the user namespace has a counterpart outside. */
    public boolean maps(long id) {
        return id >= containerId && id - containerId < length;
    }

    /** The id outside that stands for {@code id} inside, which must be mapped. */
    long translate(long id) {
        return hostId + (id - containerId);
    }

    /** The line as the kernel reads it, with its line feed. */
    String text() {
        return containerId + " " + hostId + " " + length + "\n";
    }

    /** Whether an id of it, inside or outside, is one of the other's too. */
    boolean overlaps(IdMapping other) {
        return overlap(containerId, other.containerId, other.length) || overlap(hostId, other.hostId, other.length);
    }

    private boolean overlap(long first, long otherFirst, long otherLength) {
        return first < otherFirst + otherLength && otherFirst < first + length;
    }

    /** The last id inside. */
    long lastContainerId() {
        return containerId + length - 1;
    }
}
