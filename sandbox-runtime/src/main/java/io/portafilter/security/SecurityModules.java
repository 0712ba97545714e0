package io.portafilter.security;

/**
 * The Linux security modules of a host.
 *
 * @param appArmor whether profiles can be given
 * @param selinux whether processes and files have labels
 */
public record SecurityModules(AppArmor appArmor, boolean selinux) {

    /** A host with neither. */
    public static final SecurityModules NONE = new SecurityModules(new AppArmor.Off(), false);

    /** What AppArmor is on a host. */
    public sealed interface AppArmor {

        /** The kernel has none, or it is off. */
        record Off() implements AppArmor {}

        /** Profiles can be given. */
        record On() implements AppArmor {}

        /**
         * It is on, and the server cannot load its default profile.
         *
         * @param why a clause
         * @param cure what to do about it
         */
        record WithoutDefault(String why, String cure) implements AppArmor {}
    }
}
