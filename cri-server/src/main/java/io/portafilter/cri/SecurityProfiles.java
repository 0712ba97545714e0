package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.shown;

import io.portafilter.cri.v1.SELinuxOption;
import io.portafilter.cri.v1.SecurityProfile;
import io.portafilter.security.AppArmorRequest;
import io.portafilter.security.SeccompRequest;
import io.portafilter.security.SelinuxLevel;
import io.portafilter.security.SelinuxOptions;
import java.util.Optional;
import java.util.regex.Pattern;

/** Seccomp, AppArmor and SELinux as pods and containers spell them, the old spellings included. */
final class SecurityProfiles {

    private static final Pattern IDENTIFIER = Pattern.compile("[A-Za-z][A-Za-z0-9_.-]*");

    private static final int LONGEST_IDENTIFIER = 255;

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

    /** The profile that is asked for. The new field wins; the absence of both says nothing. */
    static AppArmorRequest appArmor(String parent, boolean isSet, SecurityProfile profile, String oldProfile) {
        if (!isSet) {
            return oldAppArmor(parent + ".apparmor_profile", oldProfile);
        }
        String field = parent + ".apparmor";
        boolean named = !profile.getLocalhostRef().isEmpty();
        return switch (profile.getProfileType()) {
            case RuntimeDefault -> {
                refuseReference(field, named, "RuntimeDefault");
                yield new AppArmorRequest.RuntimeDefault();
            }
            case Unconfined -> {
                refuseReference(field, named, "Unconfined");
                yield new AppArmorRequest.Unconfined();
            }
            case Localhost -> loaded(field + ".localhost_ref", profile.getLocalhostRef());
            case UNRECOGNIZED ->
                throw invalid(
                        field + ".profile_type",
                        profile.getProfileTypeValue() + " is unknown",
                        "give RuntimeDefault, Unconfined or Localhost");
        };
    }

    private static AppArmorRequest oldAppArmor(String field, String profile) {
        return switch (profile) {
            case "" -> new AppArmorRequest.Unspecified();
            case "runtime/default" -> new AppArmorRequest.RuntimeDefault();
            case "unconfined" -> new AppArmorRequest.Unconfined();
            default -> {
                if (profile.startsWith(LOCALHOST)) {
                    yield loaded(field, profile);
                }
                throw invalid(
                        field,
                        shown(profile) + " is no profile",
                        "give runtime/default, unconfined or localhost/NAME, or better the field apparmor");
            }
        };
    }

    private static AppArmorRequest loaded(String field, String reference) {
        String name = reference.startsWith(LOCALHOST) ? reference.substring(LOCALHOST.length()) : reference;
        return new AppArmorRequest.Localhost(Fields.required(field, name));
    }

    /** The parts of a label that are given, each of the form that it has in one. */
    static SelinuxOptions selinux(String parent, SELinuxOption options) {
        String field = parent + ".selinux_options.";
        return new SelinuxOptions(
                identifier(field + "user", options.getUser()),
                identifier(field + "role", options.getRole()),
                identifier(field + "type", options.getType()),
                level(field + "level", options.getLevel()));
    }

    /** As the kernel will write it. */
    private static Optional<String> level(String field, String level) {
        if (level.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(SelinuxLevel.canonical(level)
                .orElseThrow(() -> invalid(field, shown(level) + " is no level", "give one such as s0 or s0:c4,c5")));
    }

    private static Optional<String> identifier(String field, String name) {
        if (name.isEmpty()) {
            return Optional.empty();
        }
        if (name.length() > LONGEST_IDENTIFIER || !IDENTIFIER.matcher(name).matches()) {
            throw invalid(field, shown(name) + " is no name of SELinux", "give one such as container_t");
        }
        return Optional.of(name);
    }
}
