package io.portafilter.security;

import java.util.Optional;

/**
 * Parts of an SELinux label, each of which may be left to the default.
 *
 * @param user such as {@code system_u}
 * @param role such as {@code system_r}
 * @param type such as {@code container_t}
 * @param level sensitivity and categories, such as {@code s0:c4,c5}
 */
public record SelinuxOptions(
        Optional<String> user, Optional<String> role, Optional<String> type, Optional<String> level) {

    /** Nothing is said. */
    public static final SelinuxOptions NONE =
            new SelinuxOptions(Optional.empty(), Optional.empty(), Optional.empty(), Optional.empty());

    /** These, and what they leave open as the others have it. */
    public SelinuxOptions or(SelinuxOptions others) {
        return new SelinuxOptions(
                user.or(others::user), role.or(others::role), type.or(others::type), level.or(others::level));
    }
}
