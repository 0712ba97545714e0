package io.portafilter.security;

import java.util.List;

/**
 * Who the program is: ids inside the container, all from 0 to 2^31 - 1.
 *
 * @param uid real, effective and saved user id
 * @param gid real, effective and saved group id
 * @param groups the whole list for setgroups(2): sorted, without duplicates, the group id included
 * @param userName the name in the image's {@code /etc/passwd}, or empty when it has none for this id
 * @param home the home directory there, or {@code /}
 */
public record Credentials(long uid, long gid, List<Long> groups, String userName, String home) {

    public Credentials {
        groups = List.copyOf(groups);
    }

    /** Whether the user is root inside the container. */
    public boolean isRoot() {
        return uid == 0;
    }
}
