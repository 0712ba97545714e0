package io.portafilter.security;

/** The AppArmor profile that is asked for. */
public sealed interface AppArmorRequest {

    /** Nothing is said: the default profile where there is one, unless the container is privileged. */
    record Unspecified() implements AppArmorRequest {}

    /** The runtime's own profile; privileged containers have none. */
    record RuntimeDefault() implements AppArmorRequest {}

    /** No profile. */
    record Unconfined() implements AppArmorRequest {}

    /**
     * A profile that the node has loaded; privileged containers get it too.
     *
     * @param profile its name, as {@code /sys/kernel/security/apparmor/profiles} has it
     */
    record Localhost(String profile) implements AppArmorRequest {}
}
