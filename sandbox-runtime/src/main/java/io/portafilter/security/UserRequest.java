package io.portafilter.security;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * Who the program shall be, as pod and image say it. Ids are checked when they are resolved.
 *
 * @param uid {@code run_as_user}
 * @param name {@code run_as_username}, which wins over the number
 * @param gid {@code run_as_group}, refused without a user
 * @param imageUser the image's {@code User}, {@code U[:G]} in numbers or names, or empty; only used when neither uid
 *     nor name is given
 * @param supplementalGroups {@code supplemental_groups}
 * @param strictGroups the policy Strict: the groups that {@code /etc/group} of the image lists for the user are left out
 */
public record UserRequest(
        OptionalLong uid,
        Optional<String> name,
        OptionalLong gid,
        String imageUser,
        List<Long> supplementalGroups,
        boolean strictGroups) {

    public UserRequest {
        supplementalGroups = List.copyOf(supplementalGroups);
    }

    /** What the image says, alone. */
    public static UserRequest ofImage(String imageUser) {
        return new UserRequest(
                OptionalLong.empty(), Optional.empty(), OptionalLong.empty(), imageUser, List.of(), false);
    }
}
