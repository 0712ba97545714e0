package io.portafilter.e2e;

import io.portafilter.cri.v1.Capability;
import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.LinuxContainerSecurityContext;
import io.portafilter.cri.v1.LinuxSandboxSecurityContext;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.NamespaceOption;
import io.portafilter.cri.v1.SELinuxOption;
import io.portafilter.cri.v1.SecurityProfile;
import io.portafilter.cri.v1.SupplementalGroupsPolicy;
import io.portafilter.cri.v1.UserNamespace;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/**
 * What a security context must become: the rules of CRI, of kubelet's expectations and of capabilities(7), written down
 * a second time and without the server's code, so that the two can disagree.
 *
 * @param image the image's configured {@code User}
 * @param passwd of the image
 * @param group of the image
 * @param allCapabilities those that kernel and server have
 * @param targets whether a container of the pod with this id runs
 * @param profiles whether a seccomp profile can be read from this path
 * @param isThere whether a path exists in the container
 */
record SecurityContextModel(
        String image,
        String passwd,
        String group,
        Set<String> allCapabilities,
        Predicate<String> targets,
        Predicate<String> profiles,
        Predicate<String> isThere) {

    private static final long LAST_ID = Integer.MAX_VALUE;
    private static final long HOST_IDS = 0xFFFF_FFFFL;
    private static final Set<String> BY_DEFAULT = Set.of(
            ("CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL"
                            + " AUDIT_WRITE")
                    .split(" "));

    /** Everything that capabilities(7) names. */
    private static final Set<String> KNOWN = Set.copyOf(Proc.capabilityNames("1ffffffffff"));

    /** Whose namespace: the pod's is that of its first process. */
    enum Whose {
        POD,
        HOST,
        OWN,
        TARGET
    }

    /**
     * What an accepted context becomes, in ids of the container.
     *
     * @param usable permitted and effective set
     * @param kept inheritable and ambient set
     * @param masked of the paths that exist
     * @param readOnly likewise
     * @param uidMap in the pod's own user namespace
     */
    record Rights(
            long uid,
            long gid,
            List<Long> groups,
            Set<String> bounding,
            Set<String> usable,
            Set<String> kept,
            boolean noNewPrivs,
            boolean filtered,
            boolean readOnlyRoot,
            Set<String> masked,
            Set<String> readOnly,
            Whose network,
            Whose ipc,
            Whose pid,
            Optional<String> uidMap,
            Optional<String> gidMap) {}

    /** Why a request is refused; empty when it is not. */
    static final class Reasons {
        private final List<String> reasons = new ArrayList<>();
        private boolean securityModule;

        void add(boolean wrong, String reason) {
            if (wrong) {
                reasons.add(reason);
            }
        }

        boolean isEmpty() {
            return reasons.isEmpty();
        }

        /** An AppArmor profile where AppArmor is off is not a mistake of the request alone. */
        boolean namesSecurityModule() {
            return securityModule;
        }

        @Override
        public String toString() {
            return reasons.toString();
        }
    }

    // The pod

    static Reasons refusedPod(LinuxSandboxSecurityContext pod) {
        Reasons reasons = new Reasons();
        NamespaceOption options = pod.getNamespaceOptions();
        for (NamespaceMode mode : List.of(options.getNetwork(), options.getIpc(), options.getPid())) {
            reasons.add(mode == NamespaceMode.TARGET || mode == NamespaceMode.UNRECOGNIZED, "a pod's mode " + mode);
        }
        userNamespace(options, reasons);
        reasons.add(
                ownUsers(pod) && (options.getPid() == NamespaceMode.NODE || options.getIpc() == NamespaceMode.NODE),
                "own users with the host's processes or IPC");
        reasons.add(pod.hasRunAsGroup() && !pod.hasRunAsUser(), "a pod's group without a user");
        reasons.add(pod.hasRunAsUser() && !isId(pod.getRunAsUser().getValue()), "a pod's user out of range");
        reasons.add(pod.hasRunAsGroup() && !isId(pod.getRunAsGroup().getValue()), "a pod's group out of range");
        reasons.add(
                !pod.getSupplementalGroupsList().stream().allMatch(SecurityContextModel::isId),
                "a pod's supplemental group out of range");
        reasons.add(
                pod.getSupplementalGroupsPolicy() == SupplementalGroupsPolicy.UNRECOGNIZED, "a pod's unknown policy");
        return reasons;
    }

    private static void userNamespace(NamespaceOption options, Reasons reasons) {
        UserNamespace users = options.getUsernsOptions();
        switch (users.getMode()) {
            case NODE -> reasons.add(users.getUidsCount() + users.getGidsCount() > 0, "mappings of the host's users");
            case CONTAINER, TARGET, UNRECOGNIZED -> reasons.add(true, "users of mode " + users.getModeValue());
            case POD -> {
                if (options.hasUsernsOptions()) {
                    reasons.add(!isMap(users.getUidsList()), "user mappings");
                    reasons.add(!isMap(users.getGidsList()), "group mappings");
                }
            }
        }
    }

    /** One line from 0 on, whose end the host has. */
    private static boolean isMap(List<IDMapping> lines) {
        if (lines.size() != 1) {
            return false;
        }
        IDMapping line = lines.getFirst();
        long length = Integer.toUnsignedLong(line.getLength());
        return length > 0
                && line.getContainerId() == 0
                && Integer.toUnsignedLong(line.getHostId()) + length <= HOST_IDS
                && length <= HOST_IDS;
    }

    static boolean ownUsers(LinuxSandboxSecurityContext pod) {
        return pod.getNamespaceOptions().hasUsernsOptions()
                && pod.getNamespaceOptions().getUsernsOptions().getMode() == NamespaceMode.POD;
    }

    private static boolean isId(long id) {
        return id >= 0 && id <= LAST_ID;
    }

    // The container

    Reasons refused(LinuxSandboxSecurityContext pod, LinuxContainerSecurityContext asked) {
        Reasons reasons = new Reasons();
        reasons.add(asked.getPrivileged() && !pod.getPrivileged(), "privileged in a pod that is not");
        namespaces(pod, asked.getNamespaceOptions(), reasons);
        capabilities(asked.getCapabilities(), reasons);
        seccomp(asked, reasons);
        appArmor(asked, reasons);
        selinux(asked.getSelinuxOptions(), reasons);
        for (String path : asked.getMaskedPathsList()) {
            reasons.add(!isPath(path), "masked path " + path);
        }
        for (String path : asked.getReadonlyPathsList()) {
            reasons.add(!isPath(path), "read-only path " + path);
        }
        reasons.add(asked.getSupplementalGroupsPolicy() == SupplementalGroupsPolicy.UNRECOGNIZED, "an unknown policy");
        Optional<Who> who = who(asked, reasons);
        if (ownUsers(pod) && who.isPresent()) {
            UserNamespace users = pod.getNamespaceOptions().getUsernsOptions();
            reasons.add(
                    who.get().uid() >= Integer.toUnsignedLong(users.getUids(0).getLength()),
                    "a user that is not mapped");
            reasons.add(
                    who.get().groups().stream()
                            .anyMatch(id -> id
                                    >= Integer.toUnsignedLong(users.getGids(0).getLength())),
                    "a group that is not mapped");
        }
        return reasons;
    }

    private void namespaces(LinuxSandboxSecurityContext pod, NamespaceOption asked, Reasons reasons) {
        NamespaceOption pods = pod.getNamespaceOptions();
        asHost("network", asked.getNetwork(), pods.getNetwork(), reasons);
        asHost("IPC", asked.getIpc(), pods.getIpc(), reasons);
        switch (asked.getPid()) {
            case POD, CONTAINER -> {}
            case NODE -> reasons.add(pods.getPid() != NamespaceMode.NODE, "the host's processes");
            case TARGET -> reasons.add(!targets.test(asked.getTargetId()), "a target that does not run");
            case UNRECOGNIZED -> reasons.add(true, "an unknown PID mode");
        }
        if (asked.hasUsernsOptions()) {
            userNamespace(asked, reasons);
            boolean own = asked.getUsernsOptions().getMode() == NamespaceMode.POD;
            reasons.add(own != ownUsers(pod), "other users than the pod's");
            reasons.add(
                    own && ownUsers(pod) && !asked.getUsernsOptions().equals(pods.getUsernsOptions()),
                    "other mappings");
        }
    }

    private static void asHost(String what, NamespaceMode asked, NamespaceMode pods, Reasons reasons) {
        reasons.add(asked == NamespaceMode.NODE && pods != NamespaceMode.NODE, what + " of the host");
        reasons.add(asked == NamespaceMode.TARGET || asked == NamespaceMode.UNRECOGNIZED, what + " of mode " + asked);
    }

    private static Optional<String> capability(String name) {
        String upper = name.toUpperCase(Locale.ROOT);
        return Optional.of(upper.startsWith("CAP_") ? upper.substring(4) : upper)
                .filter(KNOWN::contains);
    }

    private static boolean isAll(String name) {
        return name.toUpperCase(Locale.ROOT).equals("ALL");
    }

    private static void capabilities(Capability asked, Reasons reasons) {
        for (Collection<String> names : List.of(asked.getAddCapabilitiesList(), asked.getDropCapabilitiesList())) {
            names.forEach(name -> reasons.add(!isAll(name) && capability(name).isEmpty(), "capability " + name));
        }
        asked.getAddAmbientCapabilitiesList()
                .forEach(name -> reasons.add(capability(name).isEmpty(), "ambient capability " + name));
    }

    @SuppressWarnings("deprecation") // an older kubelet still sends it
    private void seccomp(LinuxContainerSecurityContext asked, Reasons reasons) {
        if (asked.hasSeccomp()) {
            profile("seccomp", asked.getSeccomp(), reasons);
            if (asked.getSeccomp().getProfileType() == SecurityProfile.ProfileType.Localhost) {
                readable(asked.getSeccomp().getLocalhostRef(), reasons);
            }
            return;
        }
        String old = asked.getSeccompProfilePath();
        if (old.startsWith("localhost/")) {
            readable(old, reasons);
        } else {
            reasons.add(
                    !Set.of("", "unconfined", "runtime/default", "docker/default")
                            .contains(old),
                    "old profile " + old);
        }
    }

    private void readable(String reference, Reasons reasons) {
        String path = reference.startsWith("localhost/") ? reference.substring("localhost/".length()) : reference;
        reasons.add(!profiles.test(path), "profile " + reference);
    }

    private static void profile(String what, SecurityProfile profile, Reasons reasons) {
        reasons.add(profile.getProfileType() == SecurityProfile.ProfileType.UNRECOGNIZED, what + " of an unknown type");
        reasons.add(
                profile.getProfileType() != SecurityProfile.ProfileType.Localhost
                        && !profile.getLocalhostRef().isEmpty(),
                what + " with a name and another type");
    }

    /** Where AppArmor is off: an explicit profile is an error, the rest has nothing to do. */
    @SuppressWarnings("deprecation") // an older kubelet still sends it
    private static void appArmor(LinuxContainerSecurityContext asked, Reasons reasons) {
        String old = asked.getApparmorProfile();
        boolean explicit = asked.hasApparmor()
                ? asked.getApparmor().getProfileType() == SecurityProfile.ProfileType.Localhost
                : old.startsWith("localhost/");
        reasons.add(explicit, "an AppArmor profile");
        reasons.securityModule |= explicit;
        if (asked.hasApparmor()) {
            profile("AppArmor", asked.getApparmor(), reasons);
        } else {
            reasons.add(
                    !explicit && !Set.of("", "unconfined", "runtime/default").contains(old), "old AppArmor " + old);
        }
    }

    private static void selinux(SELinuxOption options, Reasons reasons) {
        String category = "c\\d{1,4}(\\.c\\d{1,4})?";
        reasons.add(
                !options.getLevel().matches("|s\\d{1,2}(-s\\d{1,2})?(:" + category + "(," + category + ")*)?"),
                "level " + options.getLevel());
    }

    private static boolean isPath(String path) {
        return path.startsWith("/") && path.indexOf('\0') < 0 && !path.matches("[/.]*/\\.?");
    }

    // Identity

    private record Who(long uid, long gid, List<Long> groups) {}

    /** A line of the image's files, if it is one: at least so many fields, a name, numbers where they belong. */
    private static List<List<String>> lines(String text, int fields, int... numbers) {
        List<List<String>> lines = new ArrayList<>();
        for (String line : text.split("\n")) {
            List<String> parts = List.of(line.strip().split(":", -1));
            boolean isLine = parts.size() >= fields && parts.getFirst().matches("[^#+-].*");
            for (int number : numbers) {
                isLine = isLine && parts.get(number).matches("-?\\d+");
            }
            if (isLine) {
                lines.add(parts);
            }
        }
        return lines;
    }

    private List<List<String>> users() {
        return lines(passwd, 4, 2, 3);
    }

    private List<List<String>> groups() {
        return lines(group, 3, 2);
    }

    private static Optional<Long> id(String text, String what, Reasons reasons) {
        boolean inRange = text.matches("\\d+") && new BigInteger(text).compareTo(BigInteger.valueOf(LAST_ID)) <= 0;
        reasons.add(!inRange, what + " " + text + " out of range");
        return inRange ? Optional.of(Long.valueOf(text)) : Optional.empty();
    }

    /** Empty when somebody is meant who cannot be. */
    private Optional<Who> who(LinuxContainerSecurityContext asked, Reasons reasons) {
        String name = asked.getRunAsUsername();
        boolean byRequest = !name.isEmpty() || asked.hasRunAsUser();
        reasons.add(asked.hasRunAsGroup() && !byRequest, "a group without a user");
        reasons.add(asked.hasRunAsUser() && !isId(asked.getRunAsUser().getValue()), "a user out of range");
        reasons.add(asked.hasRunAsGroup() && !isId(asked.getRunAsGroup().getValue()), "a group out of range");
        reasons.add(
                !asked.getSupplementalGroupsList().stream().allMatch(SecurityContextModel::isId),
                "a supplemental group out of range");
        String[] shape = (image.isEmpty() ? "0" : image).split(":", -1);
        if (!byRequest && (shape.length > 2 || shape[0].isEmpty())) {
            reasons.add(true, "the image's user " + image);
        }
        if (!reasons.isEmpty()) {
            return Optional.empty();
        }
        String text = !name.isEmpty()
                ? name
                : asked.hasRunAsUser() ? Long.toString(asked.getRunAsUser().getValue()) : shape[0];
        boolean number = text.matches("[+-]?\\d+");
        Optional<Long> given = number ? id(text, "user", reasons) : Optional.empty();
        Optional<List<String>> line = users().stream()
                .filter(user -> number
                        ? given.isPresent() && new BigInteger(user.get(2)).equals(BigInteger.valueOf(given.get()))
                        : user.getFirst().equals(text))
                .findFirst();
        reasons.add(!number && line.isEmpty(), "user " + text + " unknown");
        Optional<Long> uid = number ? given : line.flatMap(user -> id(user.get(2), "the image's user", reasons));
        String ofImage = !byRequest && shape.length == 2 ? shape[1] : "";
        Optional<Long> gid = asked.hasRunAsGroup()
                ? Optional.of(asked.getRunAsGroup().getValue())
                : !ofImage.isEmpty()
                        ? groupOf(ofImage, reasons)
                        : line.isPresent() ? id(line.get().get(3), "the image's group", reasons) : Optional.of(0L);
        Set<Long> all = new TreeSet<>(asked.getSupplementalGroupsList());
        if (asked.getSupplementalGroupsPolicy() == SupplementalGroupsPolicy.Merge && line.isPresent()) {
            String member = line.get().getFirst();
            groups().stream()
                    .filter(candidate -> candidate.size() > 3
                            && List.of(candidate.get(3).split(",")).contains(member))
                    .forEach(candidate -> id(candidate.get(2), "a group of the image", reasons)
                            .ifPresent(all::add));
        }
        if (uid.isEmpty() || gid.isEmpty() || !reasons.isEmpty()) {
            return Optional.empty();
        }
        all.add(gid.get());
        return Optional.of(new Who(uid.get(), gid.get(), List.copyOf(all)));
    }

    private Optional<Long> groupOf(String text, Reasons reasons) {
        if (text.matches("[+-]?\\d+")) {
            return id(text, "the image's group", reasons);
        }
        Optional<List<String>> line =
                groups().stream().filter(one -> one.getFirst().equals(text)).findFirst();
        reasons.add(line.isEmpty(), "group " + text + " unknown");
        return line.flatMap(one -> id(one.get(2), "the image's group", reasons));
    }

    // What it becomes

    /** Of a context that is not refused. */
    Rights rights(LinuxSandboxSecurityContext pod, LinuxContainerSecurityContext asked) {
        Reasons reasons = new Reasons();
        Who who = who(asked, reasons)
                .orElseThrow(() -> new AssertionError("the model refuses what it accepted: " + reasons));
        Capability names = asked.getCapabilities();
        Set<String> dropped = named(names.getDropCapabilitiesList());
        Set<String> ambient = named(names.getAddAmbientCapabilitiesList());
        ambient.removeAll(dropped);
        Set<String> bounding = new TreeSet<>(allCapabilities);
        if (!asked.getPrivileged()) {
            Set<String> wanted = new TreeSet<>(
                    names.getAddCapabilitiesList().stream().anyMatch(SecurityContextModel::isAll)
                            ? allCapabilities
                            : BY_DEFAULT);
            if (names.getDropCapabilitiesList().stream().anyMatch(SecurityContextModel::isAll)) {
                wanted.clear();
            }
            wanted.addAll(named(names.getAddCapabilitiesList()));
            wanted.addAll(ambient);
            wanted.removeAll(dropped);
            bounding.retainAll(wanted);
        }
        ambient.retainAll(bounding);
        NamespaceOption pods = pod.getNamespaceOptions();
        boolean own = ownUsers(pod);
        return new Rights(
                who.uid(),
                who.gid(),
                who.groups(),
                bounding,
                who.uid() == 0 ? bounding : ambient,
                ambient,
                asked.getNoNewPrivs(),
                filtered(asked),
                asked.getReadonlyRootfs(),
                existing(asked, asked.getMaskedPathsList()),
                existing(asked, asked.getReadonlyPathsList()),
                pods.getNetwork() == NamespaceMode.NODE ? Whose.HOST : Whose.POD,
                pods.getIpc() == NamespaceMode.NODE ? Whose.HOST : Whose.POD,
                pid(asked.getNamespaceOptions().getPid(), pods.getPid()),
                own ? Optional.of(map(pods.getUsernsOptions().getUids(0))) : Optional.empty(),
                own ? Optional.of(map(pods.getUsernsOptions().getGids(0))) : Optional.empty());
    }

    private static Whose pid(NamespaceMode asked, NamespaceMode pods) {
        return switch (asked) {
            case POD -> pods == NamespaceMode.NODE ? Whose.HOST : Whose.POD;
            case CONTAINER -> Whose.OWN;
            case NODE -> Whose.HOST;
            case TARGET -> Whose.TARGET;
            case UNRECOGNIZED -> throw new AssertionError("the model accepts an unknown mode");
        };
    }

    private static Set<String> named(List<String> names) {
        Set<String> known = new TreeSet<>();
        names.forEach(name -> capability(name).ifPresent(known::add));
        return known;
    }

    @SuppressWarnings("deprecation") // an older kubelet still sends it
    private static boolean filtered(LinuxContainerSecurityContext asked) {
        if (asked.getPrivileged()) {
            return false;
        }
        return asked.hasSeccomp()
                ? asked.getSeccomp().getProfileType() != SecurityProfile.ProfileType.Unconfined
                : !Set.of("", "unconfined").contains(asked.getSeccompProfilePath());
    }

    private Set<String> existing(LinuxContainerSecurityContext asked, List<String> paths) {
        return asked.getPrivileged()
                ? Set.of()
                : paths.stream()
                        .map(path -> path.replaceAll("/+$", ""))
                        .filter(isThere)
                        .collect(Collectors.toCollection(HashSet::new));
    }

    private static String map(IDMapping line) {
        return Integer.toUnsignedString(line.getContainerId()) + " " + Integer.toUnsignedString(line.getHostId()) + " "
                + Integer.toUnsignedString(line.getLength());
    }
}
