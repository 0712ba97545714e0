package io.portafilter.security;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What the Linux security modules are told of a container: no more than the host has.
 *
 * @param appArmor the profile that the program runs under; absent: the one that the server itself runs under
 * @param selinux the program's SELinux label; absent where the host has no SELinux
 * @param selinuxMounts the label of the files that are the container's own; absent where they keep those they have
 */
public record Labels(Optional<String> appArmor, Optional<String> selinux, Optional<String> selinuxMounts) {

    /** The profile that {@code RuntimeDefault} means. */
    public static final String DEFAULT_PROFILE = "portafilter-default";

    /** Nothing is told. */
    public static final Labels NONE = new Labels(Optional.empty(), Optional.empty(), Optional.empty());

    private static final String USER = "system_u";
    private static final String ROLE = "system_r";

    /** The type that container policies confine programs of containers to. */
    private static final String CONTAINER = "container_t";

    /** The type of a container that is not kept from the host ("super privileged container"). */
    private static final String SUPER_PRIVILEGED = "spc_t";

    private static final String LEVEL = "s0";

    /** The label of volumes that are relabelled: none for a program that was asked to be kept from nothing. */
    public Optional<String> selinuxVolumes(boolean privileged) {
        return selinuxMounts.filter(_ -> privileged
                || selinux.filter(label -> label.contains(":" + SUPER_PRIVILEGED + ":"))
                        .isEmpty());
    }

    /** These as a text that {@link #parseSaved} reads. */
    public String saved() {
        return Stream.of(appArmor, selinux, selinuxMounts)
                .map(label -> label.orElse("") + "\n")
                .collect(Collectors.joining());
    }

    /** What was saved; throws IllegalArgumentException for another text: it does not stand for no labels. */
    public static Labels parseSaved(String text) {
        String[] labels = text.split("\n", -1);
        if (labels.length != 4 || !labels[3].isEmpty()) {
            throw new IllegalArgumentException("the labels that a container was given cannot be read: " + text.length()
                    + " characters, " + (labels.length - 1) + " labels");
        }
        return new Labels(told(labels[0]), told(labels[1]), told(labels[2]));
    }

    private static Optional<String> told(String label) {
        return label.isEmpty() ? Optional.empty() : Optional.of(label);
    }

    /** The labels of what the containers of a pod share. */
    public static Labels ofPod(SelinuxOptions options, boolean sharesHostProcesses, HostFacts host) {
        return of(
                new LabelRequest(new AppArmorRequest.Unconfined(), options, sharesHostProcesses),
                false,
                host.modules(),
                new ArrayList<>());
    }

    /** Whether there is anything to tell of a program. */
    public boolean areForPrograms() {
        return appArmor.isPresent() || selinux.isPresent();
    }

    /**
     * Whether a program whose AppArmor label this is runs under the profile that it was given, or under a child of it.
     *
     * @param label as {@code /proc/PID/attr/apparmor/current} has it: {@code NAME (MODE)}
     */
    public boolean agreeWithAppArmor(String label) {
        if (appArmor.isEmpty()) {
            return true;
        }
        String profile = appArmor.get();
        if (profile.equals(DEFAULT_PROFILE)) {
            return label.equals(DEFAULT_PROFILE + " (enforce)");
        }
        int mode = label.lastIndexOf(" (");
        String name = mode < 0 ? label : label.substring(0, mode);
        // the mode of a profile of the node's is the node's to choose
        return name.equals(profile) || name.startsWith(profile + "//");
    }

    /**
     * Whether a program that has just been started may have this AppArmor label. A profile of the node's may send
     * programs under another one, at a moment of its own: only a program that no profile confines is not as it was asked.
     *
     * @param label as {@link #agreeWithAppArmor} has it; empty: none
     */
    public boolean areKeptToBy(String label) {
        if (appArmor.isEmpty() || appArmor.get().equals(DEFAULT_PROFILE)) {
            return agreeWithAppArmor(label);
        }
        return !label.isEmpty() && !label.equals("unconfined");
    }

    /**
     * The labels of a container on a host.
     *
     * @throws SecurityRefusal when a profile is asked for that this host cannot give
     */
    public static Labels of(SecurityRequest asked, HostFacts host) {
        return of(asked.labels(), asked.privileged(), host.modules(), new ArrayList<>());
    }

    /**
     * The labels for a request.
     *
     * @param notes takes what a person should know
     * @throws SecurityRefusal when a profile is asked for that this host cannot give
     */
    static Labels of(LabelRequest asked, boolean privileged, SecurityModules host, List<String> notes) {
        Optional<String> profile = switch (host.appArmor()) {
            case SecurityModules.AppArmor.Off() -> withoutAppArmor(asked.appArmor());
            case SecurityModules.AppArmor.On() -> profile(asked.appArmor(), privileged);
            case SecurityModules.AppArmor.WithoutDefault lacking ->
                withoutDefault(asked.appArmor(), privileged, lacking, notes);
        };
        if (!host.selinux()) {
            return new Labels(profile, Optional.empty(), Optional.empty());
        }
        SelinuxOptions options = asked.selinux();
        String level = options.level().orElse(LEVEL);
        if (asked.sharesHostProcesses()) {
            notes.add("selinux: the container is " + SUPER_PRIVILEGED
                    + " and its files keep their labels, for its pod has the host's PID or IPC namespace");
            return new Labels(profile, Optional.of(label(ROLE, SUPER_PRIVILEGED, LEVEL)), Optional.empty());
        }
        String process = privileged
                ? label(ROLE, SUPER_PRIVILEGED, LEVEL)
                : String.join(
                        ":",
                        options.user().orElse(USER),
                        options.role().orElse(ROLE),
                        options.type().orElse(CONTAINER),
                        level);
        String files = String.join(":", options.user().orElse(USER), "object_r", "container_file_t", level);
        return new Labels(profile, Optional.of(process), Optional.of(files));
    }

    private static String label(String role, String type, String level) {
        return String.join(":", USER, role, type, level);
    }

    private static Optional<String> profile(AppArmorRequest asked, boolean privileged) {
        return switch (asked) {
            case AppArmorRequest.Unspecified() -> privileged ? Optional.empty() : Optional.of(DEFAULT_PROFILE);
            case AppArmorRequest.RuntimeDefault() -> privileged ? Optional.empty() : Optional.of(DEFAULT_PROFILE);
            case AppArmorRequest.Unconfined() -> Optional.empty();
            case AppArmorRequest.Localhost(String name) -> Optional.of(name);
        };
    }

    /** What kubelet expects: a profile by name is an error, RuntimeDefault needs nothing. */
    private static Optional<String> withoutAppArmor(AppArmorRequest asked) {
        if (asked instanceof AppArmorRequest.Localhost(String name)) {
            throw new SecurityRefusal(
                    "apparmor",
                    "the profile \"" + name + "\" is asked for, and AppArmor is off on this host",
                    "boot the node with AppArmor, or ask for RuntimeDefault or Unconfined");
        }
        return Optional.empty();
    }

    /** A profile that is asked for is not left out; where none is, the container runs as it would without AppArmor. */
    private static Optional<String> withoutDefault(
            AppArmorRequest asked,
            boolean privileged,
            SecurityModules.AppArmor.WithoutDefault host,
            List<String> notes) {
        Optional<String> profile = profile(asked, privileged);
        if (profile.filter(DEFAULT_PROFILE::equals).isEmpty()) {
            return profile;
        }
        if (asked instanceof AppArmorRequest.Unspecified) {
            notes.add("apparmor: no profile confines the container: " + host.why() + "; " + host.cure());
            return Optional.empty();
        }
        throw new SecurityRefusal("apparmor", "RuntimeDefault is asked for, and " + host.why(), host.cure());
    }
}
