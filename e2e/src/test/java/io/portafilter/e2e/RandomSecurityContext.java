package io.portafilter.e2e;

import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.Int64Value;
import io.portafilter.cri.v1.LinuxContainerSecurityContext;
import io.portafilter.cri.v1.LinuxSandboxSecurityContext;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.SELinuxOption;
import io.portafilter.cri.v1.SecurityProfile;
import io.portafilter.cri.v1.SecurityProfile.ProfileType;
import io.portafilter.cri.v1.SupplementalGroupsPolicy;
import io.portafilter.cri.v1.UserNamespace;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * A pod and a container with random security contexts, made of parts that can be left out one by one. Most parts are
 * valid, so that most whole contexts are, or nearly.
 *
 * @param imageUser what the image's configuration says
 */
record RandomSecurityContext(String imageUser, List<Part> parts) {
    /** The id of a container of the pod that runs, once there is one; and of one that has exited. */
    static final String RUNNING = "RUNNING";

    static final String STOPPED = "STOPPED";

    private static final long MAX = Integer.MAX_VALUE;
    private static final List<Long> IDS =
            List.of(0L, 0L, 1L, 5L, 1000L, 1000L, 1001L, 1002L, 4242L, 65534L, 65535L, 65536L, 70_000L, MAX);
    private static final List<Long> WRONG_IDS = List.of(-1L, MAX + 1, 1L << 32, Long.MIN_VALUE, Long.MAX_VALUE);
    private static final List<String> IMAGE_USERS = List.of(
            "",
            "",
            "",
            "",
            "",
            "",
            "root",
            "app",
            "1000",
            "1001",
            "",
            "",
            "",
            "app",
            "1000:audio",
            "app:0",
            "4242",
            "twin",
            "root",
            "app:",
            "4242:77",
            "2147483648",
            "ghost",
            "1000:ghost",
            "big",
            ":5");
    private static final List<String> USER_NAMES = List.of(
            "app",
            "other",
            "twin",
            "root",
            "app",
            "other",
            "twin",
            "root",
            "max",
            "1000",
            "0",
            "4242",
            "far",
            "ghost",
            "big",
            "wide",
            "4294967296",
            "+0");
    private static final List<String> CAPABILITIES = List.of(
            "CHOWN",
            "KILL",
            "NET_RAW",
            "NET_BIND_SERVICE",
            "SETPCAP",
            "SETUID",
            "SYS_ADMIN",
            "SYS_TIME",
            "SYS_PTRACE",
            "SYSLOG",
            "NET_ADMIN",
            "MKNOD",
            "BPF",
            "CHECKPOINT_RESTORE",
            "SYS_RESOURCE");
    private static final List<String> WRONG_CAPABILITIES = List.of("FLY", "", "CAP_ALL", "SYS TIME", "CAP_CAP_KILL");
    static final List<String> MASKED =
            List.of("/m/file", "/m/dir", "/m/dir/", "/m/other", "/proc/timer_list", "/sys/firmware", "/no/such");
    static final List<String> READ_ONLY =
            List.of("/m/protected", "/m/text", "/proc/sys", "/proc/irq", "/home", "/m/none");
    private static final List<String> WRONG_PATHS = List.of("m/file", "", "/", "./x");

    /** One thing that is asked for, of the pod or of the container. */
    record Part(
            String text,
            Consumer<LinuxSandboxSecurityContext.Builder> pod,
            Consumer<LinuxContainerSecurityContext.Builder> container) {}

    RandomSecurityContext {
        parts = List.copyOf(parts);
    }

    LinuxSandboxSecurityContext pod() {
        LinuxSandboxSecurityContext.Builder pod = LinuxSandboxSecurityContext.newBuilder();
        parts.forEach(part -> part.pod().accept(pod));
        return pod.build();
    }

    /** As kubelet does it, the container repeats the pod's namespaces; its own parts come after that. */
    LinuxContainerSecurityContext container() {
        LinuxContainerSecurityContext.Builder container = LinuxContainerSecurityContext.newBuilder();
        LinuxSandboxSecurityContext pod = pod();
        if (pod.hasNamespaceOptions()) {
            container.setNamespaceOptions(pod.getNamespaceOptions());
        }
        parts.forEach(part -> part.container().accept(container));
        return container.build();
    }

    RandomSecurityContext without(int part) {
        List<Part> fewer = new ArrayList<>(parts);
        var _ = fewer.remove(part);
        return new RandomSecurityContext(imageUser, fewer);
    }

    @Override
    public String toString() {
        return "image user \"" + imageUser + "\"\n  "
                + String.join("\n  ", parts.stream().map(Part::text).toList());
    }

    /**
     * @param random where all choices come from
     * @param profile a seccomp profile that lets everything needed pass
     */
    static RandomSecurityContext of(Random random, String profile) {
        Draft draft = new Draft(random, profile);
        draft.namespacesOfPod();
        draft.restOfPod();
        draft.identity();
        draft.capabilities();
        draft.privileges();
        draft.paths();
        draft.namespacesOfContainer();
        return new RandomSecurityContext(draft.oneOf(IMAGE_USERS), draft.parts);
    }

    /** Makes the parts of one context. */
    private record Draft(Random random, String profile, List<Part> parts) {
        Draft(Random random, String profile) {
            this(random, profile, new ArrayList<>());
        }

        boolean percent(int chance) {
            return random.nextInt(100) < chance;
        }

        <T> T oneOf(List<T> values) {
            return values.get(random.nextInt(values.size()));
        }

        long id() {
            return percent(4) ? oneOf(WRONG_IDS) : oneOf(IDS);
        }

        void pod(String text, Consumer<LinuxSandboxSecurityContext.Builder> change) {
            parts.add(new Part("pod: " + text, change, _ -> {}));
        }

        void container(String text, Consumer<LinuxContainerSecurityContext.Builder> change) {
            parts.add(new Part("container: " + text, _ -> {}, change));
        }

        NamespaceMode mode() {
            return percent(2) ? NamespaceMode.TARGET : percent(25) ? NamespaceMode.NODE : NamespaceMode.POD;
        }

        void namespacesOfPod() {
            if (percent(30)) {
                NamespaceMode mode = mode();
                pod("network " + mode, pod -> pod.getNamespaceOptionsBuilder().setNetwork(mode));
            }
            if (percent(30)) {
                NamespaceMode mode = mode();
                pod("ipc " + mode, pod -> pod.getNamespaceOptionsBuilder().setIpc(mode));
            }
            if (percent(80)) {
                NamespaceMode mode = percent(75) ? NamespaceMode.CONTAINER : mode();
                pod("pid " + mode, pod -> pod.getNamespaceOptionsBuilder().setPid(mode));
            }
            if (percent(35)) {
                UserNamespace users = users();
                pod(
                        "users " + shown(users),
                        pod -> pod.getNamespaceOptionsBuilder().setUsernsOptions(users));
            }
        }

        UserNamespace users() {
            if (percent(10)) {
                return UserNamespace.newBuilder().setMode(NamespaceMode.NODE).build();
            }
            IDMapping uids = line();
            IDMapping gids = percent(75) ? uids : line();
            UserNamespace.Builder users = UserNamespace.newBuilder()
                    .setMode(NamespaceMode.POD)
                    .addUids(uids)
                    .addGids(gids);
            if (percent(12)) {
                switch (random.nextInt(6)) {
                    case 0 ->
                        users.addUids(
                                IDMapping.newBuilder().setContainerId(100_000).setLength(1));
                    case 1 -> users.clearGids();
                    case 2 -> users.getUidsBuilder(0).setLength(0);
                    case 3 -> users.getGidsBuilder(0).setContainerId(1);
                    case 4 -> users.getUidsBuilder(0).setHostId(-1);
                    default -> users.setMode(NamespaceMode.CONTAINER);
                }
            }
            return users.build();
        }

        IDMapping line() {
            int length = percent(70) ? 65536 : oneOf(List.of(1, 6, 1000, 1002, 70_001, 200_000));
            return IDMapping.newBuilder()
                    .setHostId(3_014_656 + 65536 * random.nextInt(100))
                    .setLength(length)
                    .build();
        }

        void restOfPod() {
            if (percent(25)) {
                pod("privileged", pod -> pod.setPrivileged(true));
            }
            if (percent(8)) {
                pod("readonly_rootfs", pod -> pod.setReadonlyRootfs(true));
            }
            if (percent(8)) {
                long id = id();
                pod(
                        "run_as_user " + id,
                        pod -> pod.setRunAsUser(Int64Value.newBuilder().setValue(id)));
            }
            if (percent(4)) {
                long id = id();
                pod(
                        "run_as_group " + id,
                        pod -> pod.setRunAsGroup(Int64Value.newBuilder().setValue(id)));
            }
            if (percent(8)) {
                long id = id();
                pod("supplemental group " + id, pod -> pod.addSupplementalGroups(id));
            }
            if (percent(8)) {
                int policy = percent(10) ? 2 : SupplementalGroupsPolicy.Strict_VALUE;
                pod("policy " + policy, pod -> pod.setSupplementalGroupsPolicyValue(policy));
            }
            if (percent(10)) {
                ProfileType type = oneOf(List.of(ProfileType.RuntimeDefault, ProfileType.Unconfined));
                pod("seccomp " + type, pod -> pod.getSeccompBuilder().setProfileType(type));
            }
        }

        boolean asksForUser() {
            return parts.stream().anyMatch(part -> part.text().startsWith("container: run_as_user"));
        }

        void identity() {
            if (percent(45)) {
                long id = id();
                container(
                        "run_as_user " + id,
                        c -> c.setRunAsUser(Int64Value.newBuilder().setValue(id)));
            }
            if (percent(15)) {
                String name = oneOf(USER_NAMES);
                container("run_as_username " + name, c -> c.setRunAsUsername(name));
            }
            if (percent(asksForUser() ? 35 : 3)) {
                long id = id();
                container(
                        "run_as_group " + id,
                        c -> c.setRunAsGroup(Int64Value.newBuilder().setValue(id)));
            }
            for (int i = percent(30) ? 1 + random.nextInt(3) : 0; i > 0; i--) {
                long id = id();
                container("supplemental group " + id, c -> c.addSupplementalGroups(id));
            }
            if (percent(25)) {
                int policy = percent(5) ? 2 : SupplementalGroupsPolicy.Strict_VALUE;
                container("policy " + policy, c -> c.setSupplementalGroupsPolicyValue(policy));
            }
        }

        String capability(boolean all) {
            if (percent(3)) {
                return oneOf(WRONG_CAPABILITIES);
            }
            if (all && percent(15)) {
                return oneOf(List.of("ALL", "all", "All"));
            }
            String name = oneOf(CAPABILITIES);
            return switch (random.nextInt(4)) {
                case 0 -> "CAP_" + name;
                case 1 -> name.toLowerCase(Locale.ROOT);
                case 2 -> "cap_" + name.toLowerCase(Locale.ROOT);
                default -> name;
            };
        }

        void capabilities() {
            for (int i = percent(45) ? 1 + random.nextInt(3) : 0; i > 0; i--) {
                String name = capability(true);
                container("add " + name, c -> c.getCapabilitiesBuilder().addAddCapabilities(name));
            }
            for (int i = percent(45) ? 1 + random.nextInt(3) : 0; i > 0; i--) {
                String name = capability(true);
                container("drop " + name, c -> c.getCapabilitiesBuilder().addDropCapabilities(name));
            }
            for (int i = percent(20) ? 1 + random.nextInt(2) : 0; i > 0; i--) {
                String name = capability(false);
                container("ambient " + name, c -> c.getCapabilitiesBuilder().addAddAmbientCapabilities(name));
            }
        }

        @SuppressWarnings("deprecation") // an older kubelet still sends them
        void privileges() {
            if (percent(40)) {
                container("no_new_privs", c -> c.setNoNewPrivs(true));
            }
            if (parts.stream().anyMatch(part -> part.text().equals("pod: privileged")) ? percent(60) : percent(3)) {
                container("privileged", c -> c.setPrivileged(true));
            }
            if (percent(50)) {
                SecurityProfile seccomp = seccomp();
                container("seccomp " + shown(seccomp), c -> c.setSeccomp(seccomp));
            }
            if (percent(15)) {
                String old = oneOf(List.of(
                        "runtime/default",
                        "docker/default",
                        "unconfined",
                        "localhost/" + profile,
                        "localhost//no/such",
                        "x"));
                container("seccomp_profile_path " + old, c -> c.setSeccompProfilePath(old));
            }
            if (percent(15)) {
                SecurityProfile.Builder appArmor = SecurityProfile.newBuilder()
                        .setProfileType(percent(50) ? ProfileType.RuntimeDefault : ProfileType.Unconfined);
                if (percent(10)) {
                    appArmor.setProfileType(ProfileType.Localhost).setLocalhostRef("no-such-profile");
                }
                container("apparmor " + shown(appArmor.build()), c -> c.setApparmor(appArmor));
            }
            if (percent(8)) {
                String old = oneOf(List.of("runtime/default", "unconfined", "runtime/default", "localhost/none", "y"));
                container("apparmor_profile " + old, c -> c.setApparmorProfile(old));
            }
            if (percent(10)) {
                String level = oneOf(List.of("s0", "s0:c1,c2", "s0-s1:c1.c3", "", "c1", "s0:"));
                container(
                        "selinux level " + level,
                        c -> c.setSelinuxOptions(SELinuxOption.newBuilder().setLevel(level)));
            }
        }

        SecurityProfile seccomp() {
            SecurityProfile.Builder seccomp = SecurityProfile.newBuilder();
            return switch (random.nextInt(20)) {
                case 0, 1, 2 -> seccomp.build();
                case 3, 4, 5, 6 ->
                    seccomp.setProfileType(ProfileType.Localhost)
                            .setLocalhostRef(profile)
                            .build();
                case 7 ->
                    seccomp.setProfileType(ProfileType.Localhost)
                            .setLocalhostRef(oneOf(List.of("/no/such", "relative.json", "")))
                            .build();
                case 8 -> seccomp.setLocalhostRef(profile).build();
                case 9, 10, 11 -> seccomp.setProfileType(ProfileType.Unconfined).build();
                default -> seccomp.setProfileType(ProfileType.RuntimeDefault).build();
            };
        }

        void paths() {
            if (percent(25)) {
                container("readonly_rootfs", c -> c.setReadonlyRootfs(true));
            }
            for (int i = percent(35) ? 1 + random.nextInt(4) : 0; i > 0; i--) {
                String path = percent(3) ? oneOf(WRONG_PATHS) : oneOf(MASKED);
                container("mask \"" + path + "\"", c -> c.addMaskedPaths(path));
            }
            for (int i = percent(35) ? 1 + random.nextInt(4) : 0; i > 0; i--) {
                String path = percent(3) ? oneOf(WRONG_PATHS) : oneOf(READ_ONLY);
                container("read-only \"" + path + "\"", c -> c.addReadonlyPaths(path));
            }
        }

        void namespacesOfContainer() {
            if (percent(5)) {
                container("no namespace options", LinuxContainerSecurityContext.Builder::clearNamespaceOptions);
            }
            if (percent(15)) {
                NamespaceMode mode = oneOf(List.of(
                        NamespaceMode.POD, NamespaceMode.CONTAINER, NamespaceMode.CONTAINER, NamespaceMode.NODE));
                container("pid " + mode, c -> c.getNamespaceOptionsBuilder().setPid(mode));
            }
            if (percent(12)) {
                String target = oneOf(List.of(RUNNING, RUNNING, RUNNING, RUNNING, STOPPED, "f".repeat(64), ""));
                container(
                        "pid of " + target,
                        c -> c.getNamespaceOptionsBuilder()
                                .setPid(NamespaceMode.TARGET)
                                .setTargetId(target));
            }
            if (percent(5)) {
                NamespaceMode mode = mode();
                container("network " + mode, c -> c.getNamespaceOptionsBuilder().setNetwork(mode));
            }
            if (percent(5)) {
                NamespaceMode mode = mode();
                container("ipc " + mode, c -> c.getNamespaceOptionsBuilder().setIpc(mode));
            }
            if (percent(5)) {
                container("no users", c -> c.getNamespaceOptionsBuilder().clearUsernsOptions());
            }
            if (percent(4)) {
                UserNamespace users = users();
                container(
                        "users " + shown(users),
                        c -> c.getNamespaceOptionsBuilder().setUsernsOptions(users));
            }
        }

        private static String shown(Object message) {
            return Stream.of(message.toString().split("\\s+"))
                    .filter(word -> !word.isEmpty())
                    .toList()
                    .toString();
        }
    }
}
