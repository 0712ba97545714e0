package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.shown;
import static io.portafilter.cri.CriException.unsupported;

import io.portafilter.cri.v1.SELinuxOption;
import io.portafilter.cri.v1.SecurityProfile;
import io.portafilter.security.SeccompRequest;
import java.util.regex.Pattern;

/** Seccomp, AppArmor and SELinux as pods and containers spell them, the old spellings included. */
final class SecurityProfiles {

    /** {@code sN[-sN][:cN(.cN)(,cN)...]}. */
    private static final Pattern LEVEL =
            Pattern.compile("s\\d{1,2}(-s\\d{1,2})?(:c\\d{1,4}(\\.c\\d{1,4})?(,c\\d{1,4}(\\.c\\d{1,4})?)*)?");

    /** All 1024 categories fit; the pattern needs a stack as deep as the level is long. */
    private static final int LONGEST_LEVEL = 8192;

    private static final String LOCALHOST = "localhost/";

    /** Where the texts of the node's profiles come from. */
    @FunctionalInterface
    interface ProfileSource {
        /** The profile's text; refuses, naming the field, when it cannot be read. */
        String text(String field, String path);
    }

    private SecurityProfiles() {}

    /**
     * The filter that is asked for. The new field wins; an <em>empty</em> message of it means RuntimeDefault, its
     * absence with an empty old field means none.
     */
    static SeccompRequest seccomp(
            String parent, boolean isSet, SecurityProfile profile, String oldPath, ProfileSource profiles) {
        if (!isSet) {
            return oldSeccomp(parent + ".seccomp_profile_path", oldPath, profiles);
        }
        String field = parent + ".seccomp";
        boolean named = !profile.getLocalhostRef().isEmpty();
        return switch (profile.getProfileType()) {
            case RuntimeDefault -> {
                refuseReference(field, named, "RuntimeDefault");
                yield new SeccompRequest.RuntimeDefault();
            }
            case Unconfined -> {
                refuseReference(field, named, "Unconfined");
                yield new SeccompRequest.Unconfined();
            }
            case Localhost -> localhost(field + ".localhost_ref", profile.getLocalhostRef(), profiles);
            case UNRECOGNIZED ->
                throw invalid(
                        field + ".profile_type",
                        profile.getProfileTypeValue() + " is unknown",
                        "give RuntimeDefault, Unconfined or Localhost");
        };
    }

    private static SeccompRequest oldSeccomp(String field, String path, ProfileSource profiles) {
        return switch (path) {
            case "", "unconfined" -> new SeccompRequest.Unconfined();
            case "runtime/default", "docker/default" -> new SeccompRequest.RuntimeDefault();
            default -> {
                if (path.startsWith(LOCALHOST)) {
                    yield localhost(field, path, profiles);
                }
                throw invalid(
                        field,
                        shown(path) + " is no profile",
                        "give runtime/default, unconfined or localhost/PATH, or better the field seccomp");
            }
        };
    }

    private static SeccompRequest localhost(String field, String reference, ProfileSource profiles) {
        String path = reference.startsWith(LOCALHOST) ? reference.substring(LOCALHOST.length()) : reference;
        String file = Fields.absolutePath(field, path);
        return new SeccompRequest.Localhost(file, profiles.text(field, file));
    }

    private static void refuseReference(String field, boolean named, String type) {
        if (named) {
            throw invalid(
                    field + ".localhost_ref",
                    "is set together with the type " + type,
                    "give the type Localhost, or no path");
        }
    }

    /** The same checks where no filter is made of it. */
    static void checkSeccomp(String parent, boolean isSet, SecurityProfile profile, String oldPath) {
        SeccompRequest _ = seccomp(parent, isSet, profile, oldPath, (_, _) -> "");
    }

    /** A profile that this version could not enforce is refused: nothing runs less confined than it asked to be. */
    static void checkAppArmor(String parent, boolean isSet, SecurityProfile profile, String oldProfile) {
        String field = parent + (isSet ? ".apparmor" : ".apparmor_profile");
        boolean asksForOne = isSet
                ? profile.getProfileType() == SecurityProfile.ProfileType.Localhost
                : oldProfile.startsWith("localhost/");
        boolean known = isSet
                ? profile.getProfileType() != SecurityProfile.ProfileType.UNRECOGNIZED
                : asksForOne
                        || oldProfile.isEmpty()
                        || oldProfile.equals("unconfined")
                        || oldProfile.equals("runtime/default");
        if (!known) {
            throw invalid(field, "names no profile type", "give RuntimeDefault, Unconfined or Localhost");
        }
        if (isSet && !asksForOne) {
            refuseReference(
                    field,
                    !profile.getLocalhostRef().isEmpty(),
                    profile.getProfileType().name());
        }
        if (asksForOne) {
            throw unsupported(
                    field,
                    "the AppArmor profile " + shown(isSet ? profile.getLocalhostRef() : oldProfile)
                            + " is asked for, and this version loads none",
                    "use RuntimeDefault or Unconfined");
        }
    }

    /** The level's form; labels themselves matter only where SELinux is on. */
    static void checkSelinux(String parent, boolean isSet, SELinuxOption options) {
        if (isSet
                && !options.getLevel().isEmpty()
                && (options.getLevel().length() > LONGEST_LEVEL
                        || !LEVEL.matcher(options.getLevel()).matches())) {
            throw invalid(
                    parent + ".selinux_options.level",
                    shown(options.getLevel()) + " is no level",
                    "give one such as s0 or s0:c4,c5");
        }
    }
}
