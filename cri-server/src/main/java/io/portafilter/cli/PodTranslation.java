package io.portafilter.cli;

import com.google.protobuf.ByteString;
import io.portafilter.cri.v1.Capability;
import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.ContainerMetadata;
import io.portafilter.cri.v1.DNSConfig;
import io.portafilter.cri.v1.HugepageLimit;
import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.ImageSpec;
import io.portafilter.cri.v1.Int64Value;
import io.portafilter.cri.v1.KeyValue;
import io.portafilter.cri.v1.LinuxContainerConfig;
import io.portafilter.cri.v1.LinuxContainerResources;
import io.portafilter.cri.v1.LinuxContainerSecurityContext;
import io.portafilter.cri.v1.LinuxPodSandboxConfig;
import io.portafilter.cri.v1.LinuxSandboxSecurityContext;
import io.portafilter.cri.v1.Mount;
import io.portafilter.cri.v1.MountPropagation;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.NamespaceOption;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.PodSandboxMetadata;
import io.portafilter.cri.v1.PortMapping;
import io.portafilter.cri.v1.Protocol;
import io.portafilter.cri.v1.SELinuxOption;
import io.portafilter.cri.v1.SecurityProfile;
import io.portafilter.cri.v1.SupplementalGroupsPolicy;
import io.portafilter.cri.v1.UserNamespace;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * What kubelet would send for a pod: pure, from the manifest and {@link RunFacts}. The defaults are kubelet's: masked and
 * read-only paths, CPU shares, OOM score, seccomp Unconfined where no profile is named.
 */
record PodTranslation(Pod pod, RunFacts facts) {
    static final List<String> MASKED_PATHS = List.of(
            "/proc/asound",
            "/proc/acpi",
            "/proc/interrupts",
            "/proc/kcore",
            "/proc/keys",
            "/proc/latency_stats",
            "/proc/timer_list",
            "/proc/timer_stats",
            "/proc/sched_debug",
            "/proc/scsi",
            "/sys/firmware",
            "/sys/devices/virtual/powercap");
    static final List<String> READ_ONLY_PATHS =
            List.of("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger");

    private static final Pattern MAP_FIELD = Pattern.compile("metadata\\.(labels|annotations)\\['([^']+)']");
    private static final int CPU_PERIOD_MICROS = 100_000;
    private static final String SECCOMP_DIRECTORY = "/var/lib/kubelet/seccomp/";

    // ---- the pod

    PodSandboxConfig sandbox() {
        PodSandboxConfig.Builder config = PodSandboxConfig.newBuilder()
                .setMetadata(PodSandboxMetadata.newBuilder()
                        .setName(pod.name())
                        .setUid(facts.uid())
                        .setNamespace(pod.namespace()))
                .setHostname(hostname())
                .setLogDirectory(facts.logDirectory())
                .putAllLabels(pod.labels())
                .putAllLabels(podLabels())
                .putAllAnnotations(pod.annotations())
                .addAllPortMappings(portMappings())
                .setLinux(LinuxPodSandboxConfig.newBuilder()
                        .setSecurityContext(sandboxSecurity())
                        .putAllSysctls(pod.security().sysctls()));
        dns().ifPresent(config::setDnsConfig);
        return config.build();
    }

    /** As kubelet sends them: all ports, those without one of the node too. */
    private List<PortMapping> portMappings() {
        return pod.allContainers().stream()
                .flatMap(container -> container.ports().stream())
                .map(port -> PortMapping.newBuilder()
                        .setProtocol(Protocol.valueOf(port.protocol().name()))
                        .setContainerPort(port.containerPort())
                        .setHostPort(port.hostPort())
                        .setHostIp(port.hostIp())
                        .build())
                .toList();
    }

    /** The host's own name for a pod in its network: empty. */
    private String hostname() {
        if (pod.hostNetwork()) {
            return "";
        }
        String name = pod.hostname().orElse(pod.name());
        // HOST_NAME_MAX is 64; Kubernetes cuts at 63 and leaves no '-' or '.' at the end.
        return name.length() <= 63 ? name : name.substring(0, 63).replaceAll("[-.]+$", "");
    }

    private Map<String, String> podLabels() {
        return Map.of(
                "io.kubernetes.pod.name", pod.name(),
                "io.kubernetes.pod.namespace", pod.namespace(),
                "io.kubernetes.pod.uid", facts.uid());
    }

    private Optional<DNSConfig> dns() {
        Pod.Dns own = pod.dns();
        boolean nothingOwn = own.servers().isEmpty()
                && own.searches().isEmpty()
                && own.options().isEmpty();
        boolean alone = own.policy().equals(Optional.of(Pod.DnsPolicy.NONE));
        if (nothingOwn && !alone) {
            return Optional.empty();
        }
        Pod.Dns host = alone ? own : facts.hostDns();
        return Optional.of(DNSConfig.newBuilder()
                .addAllServers(joined(host.servers(), own.servers()))
                .addAllSearches(joined(host.searches(), own.searches()))
                .addAllOptions(joined(host.options(), own.options()))
                .build());
    }

    private static List<String> joined(List<String> first, List<String> second) {
        return Stream.concat(first.stream(), second.stream()).distinct().toList();
    }

    private LinuxSandboxSecurityContext sandboxSecurity() {
        Pod.Security asked = pod.security();
        LinuxSandboxSecurityContext.Builder security = LinuxSandboxSecurityContext.newBuilder()
                .setNamespaceOptions(namespaces())
                .setPrivileged(pod.allContainers().stream()
                        .anyMatch(container -> container.security().privileged()))
                .setSeccomp(SecurityProfile.newBuilder().setProfileType(SecurityProfile.ProfileType.RuntimeDefault))
                .setSupplementalGroupsPolicy(groupsPolicy())
                .addAllSupplementalGroups(supplementalGroups());
        asked.runAsUser().ifPresent(uid -> {
            security.setRunAsUser(number(uid));
            asked.runAsGroup().ifPresent(gid -> security.setRunAsGroup(number(gid)));
        });
        asked.seLinux().ifPresent(options -> security.setSelinuxOptions(seLinux(options)));
        return security.build();
    }

    private NamespaceOption namespaces() {
        NamespaceOption.Builder options = NamespaceOption.newBuilder()
                .setNetwork(pod.hostNetwork() ? NamespaceMode.NODE : NamespaceMode.POD)
                .setIpc(pod.hostIpc() ? NamespaceMode.NODE : NamespaceMode.POD)
                .setPid(pidMode());
        UserNamespace.Builder users = UserNamespace.newBuilder();
        if (facts.firstHostId().isPresent()) {
            options.setUsernsOptions(users.setMode(NamespaceMode.POD)
                    .addUids(mapping(facts.firstHostId().get()))
                    .addGids(mapping(facts.firstHostId().get())));
        } else {
            options.setUsernsOptions(users.setMode(NamespaceMode.NODE));
        }
        return options.build();
    }

    private NamespaceMode pidMode() {
        if (pod.hostPid()) {
            return NamespaceMode.NODE;
        }
        return pod.shareProcessNamespace() ? NamespaceMode.POD : NamespaceMode.CONTAINER;
    }

    private static IDMapping mapping(long firstHostId) {
        return IDMapping.newBuilder()
                .setHostId((int) firstHostId)
                .setLength(65536)
                .build();
    }

    private SupplementalGroupsPolicy groupsPolicy() {
        return pod.security().strictGroups() ? SupplementalGroupsPolicy.Strict : SupplementalGroupsPolicy.Merge;
    }

    private List<Long> supplementalGroups() {
        return Stream.concat(pod.security().supplementalGroups().stream(), pod.security().fsGroup().stream())
                .distinct()
                .toList();
    }

    // ---- a container

    /** Where a container's log is, below the pod's log directory. */
    static String logPath(String container, int attempt) {
        return container + "/" + attempt + ".log";
    }

    /**
     * A container of the pod.
     *
     * @param hostPaths where each of its volumes is on the host
     */
    ContainerConfig container(
            Pod.Container container,
            int attempt,
            Optional<RunFacts.Image> image,
            Function<Pod.VolumeMount, String> hostPaths) {
        Map<String, String> env = env(container);
        ContainerConfig.Builder config = ContainerConfig.newBuilder()
                .setMetadata(
                        ContainerMetadata.newBuilder().setName(container.name()).setAttempt(attempt))
                .setImage(ImageSpec.newBuilder()
                        .setImage(image.map(RunFacts.Image::reference).orElse(container.image()))
                        .setUserSpecifiedImage(container.image()))
                .setWorkingDir(container.workingDirectory().orElse(""))
                .putLabels("io.kubernetes.container.name", container.name())
                .putAllLabels(podLabels())
                .putAnnotations("io.kubernetes.container.restartCount", Integer.toString(attempt))
                .setLogPath(logPath(container.name(), attempt))
                .setStdin(container.stdin())
                .setStdinOnce(container.stdinOnce())
                .setTty(container.tty())
                .setLinux(LinuxContainerConfig.newBuilder()
                        .setResources(resources(container))
                        .setSecurityContext(security(container, image)));
        container.command().forEach(word -> config.addCommand(expand(word, env)));
        container.args().forEach(word -> config.addArgs(expand(word, env)));
        env.forEach((name, value) ->
                config.addEnvs(KeyValue.newBuilder().setKey(name).setValue(ByteString.copyFromUtf8(value))));
        for (Pod.VolumeMount mount : container.mounts()) {
            config.addMounts(mount(mount, hostPaths.apply(mount)));
        }
        boolean ownHosts =
                container.mounts().stream().anyMatch(mount -> mount.path().equals("/etc/hosts"));
        if (facts.hostsFile().isPresent() && !ownHosts) {
            config.addMounts(mapped(Mount.newBuilder()
                    .setContainerPath("/etc/hosts")
                    .setHostPath(facts.hostsFile().get())
                    .setReadonly(container.security().readOnlyRootFilesystem())));
        }
        return config.build();
    }

    private Mount mount(Pod.VolumeMount mount, String hostPath) {
        boolean recursive = switch (mount.recursiveReadOnly()) {
            case DISABLED -> false;
            case IF_POSSIBLE -> facts.recursiveReadOnly() && mount.propagation() == Pod.Propagation.NONE;
            case ENABLED -> true;
        };
        return mapped(Mount.newBuilder()
                .setContainerPath(mount.path())
                .setHostPath(hostPath)
                .setReadonly(mount.readOnly())
                .setRecursiveReadOnly(recursive)
                .setPropagation(
                        switch (mount.propagation()) {
                            case NONE -> MountPropagation.PROPAGATION_PRIVATE;
                            case HOST_TO_CONTAINER -> MountPropagation.PROPAGATION_HOST_TO_CONTAINER;
                            case BIDIRECTIONAL -> MountPropagation.PROPAGATION_BIDIRECTIONAL;
                        }));
    }

    /** In a pod with its own user namespace volumes are id-mapped, so that files keep their owners (KEP-127). */
    private Mount mapped(Mount.Builder mount) {
        facts.firstHostId()
                .ifPresent(first -> mount.addUidMappings(mapping(first)).addGidMappings(mapping(first)));
        return mount.build();
    }

    private LinuxContainerSecurityContext security(Pod.Container container, Optional<RunFacts.Image> image) {
        Pod.ContainerSecurity own = container.security();
        Pod.Security shared = pod.security();
        boolean unmasked = own.privileged() || own.unmaskedProc();
        LinuxContainerSecurityContext.Builder security = LinuxContainerSecurityContext.newBuilder()
                .setCapabilities(Capability.newBuilder()
                        .addAllAddCapabilities(own.addCapabilities())
                        .addAllDropCapabilities(own.dropCapabilities()))
                .setPrivileged(own.privileged())
                .setNamespaceOptions(namespaces())
                .setReadonlyRootfs(own.readOnlyRootFilesystem())
                .addAllSupplementalGroups(supplementalGroups())
                .setSupplementalGroupsPolicy(groupsPolicy())
                .setNoNewPrivs(own.allowPrivilegeEscalation().equals(Optional.of(false)))
                .addAllMaskedPaths(unmasked ? List.of() : MASKED_PATHS)
                .addAllReadonlyPaths(unmasked ? List.of() : READ_ONLY_PATHS)
                .setSeccomp(seccomp(own.seccomp().or(shared::seccomp).orElse(new Pod.Profile.Unconfined())));
        Optional<Long> uid = own.runAsUser().or(shared::runAsUser);
        if (uid.isPresent()) {
            security.setRunAsUser(number(uid.get()));
        } else if (image.isPresent()) {
            if (image.get().username().isEmpty()) {
                security.setRunAsUser(number(image.get().uid().orElse(0L)));
            } else {
                security.setRunAsUsername(image.get().username());
            }
        }
        own.runAsGroup().or(shared::runAsGroup).ifPresent(gid -> security.setRunAsGroup(number(gid)));
        own.appArmor().or(shared::appArmor).ifPresent(profile -> security.setApparmor(profile(profile, "")));
        own.seLinux().or(shared::seLinux).ifPresent(options -> security.setSelinuxOptions(seLinux(options)));
        return security.build();
    }

    /** Why kubelet would refuse to run this image under runAsNonRoot; empty if it would not. */
    Optional<String> rootRefusal(Pod.Container container, RunFacts.Image image) {
        Pod.ContainerSecurity own = container.security();
        if (!own.runAsNonRoot().or(pod.security()::runAsNonRoot).orElse(false)) {
            return Optional.empty();
        }
        Optional<Long> uid = own.runAsUser().or(pod.security()::runAsUser);
        if (uid.isPresent()) {
            return uid.get() == 0
                    ? Optional.of("runAsNonRoot is true and runAsUser is 0: give another runAsUser")
                    : Optional.empty();
        }
        if (!image.username().isEmpty()) {
            return Optional.of("runAsNonRoot is true and the image's user " + image.username()
                    + " is a name, which cannot be verified: give runAsUser");
        }
        return image.uid().orElse(0L) == 0
                ? Optional.of("runAsNonRoot is true and the image runs as root: give runAsUser")
                : Optional.empty();
    }

    private static SecurityProfile seccomp(Pod.Profile profile) {
        return profile(profile, SECCOMP_DIRECTORY);
    }

    private static SecurityProfile profile(Pod.Profile profile, String directory) {
        SecurityProfile.Builder built = SecurityProfile.newBuilder();
        return switch (profile) {
            case Pod.Profile.RuntimeDefault() ->
                built.setProfileType(SecurityProfile.ProfileType.RuntimeDefault).build();
            case Pod.Profile.Unconfined() ->
                built.setProfileType(SecurityProfile.ProfileType.Unconfined).build();
            case Pod.Profile.Localhost(String name) ->
                built.setProfileType(SecurityProfile.ProfileType.Localhost)
                        .setLocalhostRef(directory + name)
                        .build();
        };
    }

    private static SELinuxOption seLinux(Pod.SeLinux options) {
        return SELinuxOption.newBuilder()
                .setUser(options.user())
                .setRole(options.role())
                .setType(options.type())
                .setLevel(options.level())
                .build();
    }

    private static Int64Value number(long value) {
        return Int64Value.newBuilder().setValue(value).build();
    }

    // ---- resources

    private LinuxContainerResources resources(Pod.Container container) {
        Pod.Resources asked = container.resources();
        long requested = asked.request("cpu").map(Quantity::thousandths).orElse(0L);
        LinuxContainerResources.Builder resources = LinuxContainerResources.newBuilder()
                // 1024 shares a CPU, at least 2 and at most 262144, as the kernel has it
                .setCpuShares(Math.clamp(requested * 1024 / 1000, 2, 262_144))
                .setOomScoreAdj(oomScoreAdj(container));
        asked.limit("cpu")
                .map(Quantity::thousandths)
                .filter(limit -> limit > 0)
                .ifPresent(limit -> resources
                        .setCpuPeriod(CPU_PERIOD_MICROS)
                        // the kernel refuses a quota below a millisecond
                        .setCpuQuota(Math.max(1000, limit * CPU_PERIOD_MICROS / 1000)));
        asked.limit("memory")
                .map(Quantity::units)
                .filter(limit -> limit > 0)
                .ifPresent(resources::setMemoryLimitInBytes);
        asked.limits().forEach((name, limit) -> {
            if (name.startsWith("hugepages-")) {
                resources.addHugepageLimits(HugepageLimit.newBuilder()
                        .setPageSize(pageSize(name.substring("hugepages-".length())))
                        .setLimit(limit.units()));
            }
        });
        return resources.build();
    }

    /** The kernel says 2MB where Kubernetes says 2Mi. */
    private static String pageSize(String size) {
        return size.endsWith("i") ? size.substring(0, size.length() - 1) + "B" : size;
    }

    /** The more of its memory a container asked for, the later the kernel kills it (kubelet's QoS classes). */
    private int oomScoreAdj(Pod.Container container) {
        if (pod.allContainers().stream().allMatch(PodTranslation::isGuaranteed)) {
            return -997;
        }
        if (pod.allContainers().stream().allMatch(PodTranslation::asksForNothing)) {
            return 1000;
        }
        long request =
                container.resources().request("memory").map(Quantity::units).orElse(0L);
        long adjustment = 1000 - 1000 * Math.min(request, facts.memoryBytes()) / facts.memoryBytes();
        return Math.clamp(adjustment, 3, 999);
    }

    private static boolean isGuaranteed(Pod.Container container) {
        return Stream.of("cpu", "memory").allMatch(name -> {
            Optional<Quantity> limit = container.resources().limit(name);
            return limit.isPresent()
                    && limit.get()
                                    .amount()
                                    .compareTo(container
                                            .resources()
                                            .request(name)
                                            .orElse(limit.get())
                                            .amount())
                            == 0;
        });
    }

    private static boolean asksForNothing(Pod.Container container) {
        return Stream.of("cpu", "memory")
                .allMatch(name -> container.resources().request(name).isEmpty());
    }

    // ---- environment

    /** The variables in the manifest's order; of two with one name the later holds. */
    Map<String, String> env(Pod.Container container) {
        Map<String, String> env = new LinkedHashMap<>();
        for (Pod.Env variable : container.env()) {
            env.put(
                    variable.name(),
                    switch (variable) {
                        case Pod.Env.Value value -> expand(value.value(), env);
                        case Pod.Env.Field field -> field(field.fieldPath());
                        case Pod.Env.Resource resource -> resource(container, resource);
                    });
        }
        return env;
    }

    /**
     * {@code $(NAME)} becomes the variable's value, stays as it is if there is none, and {@code $$} becomes {@code $}.
     */
    static String expand(String text, Map<String, String> variables) {
        StringBuilder result = new StringBuilder();
        int at = 0;
        while (at < text.length()) {
            char c = text.charAt(at);
            int close = text.startsWith("$(", at) ? text.indexOf(')', at) : -1;
            if (text.startsWith("$$", at)) {
                result.append('$');
                at += 2;
            } else if (close > 0) {
                String reference = text.substring(at, close + 1);
                String value = variables.get(text.substring(at + 2, close));
                result.append(value == null ? reference : value);
                at = close + 1;
            } else {
                result.append(c);
                at++;
            }
        }
        return result.toString();
    }

    /** Whether a fieldRef may name this field. */
    static boolean knowsField(String path) {
        return MAP_FIELD.matcher(path).matches()
                || List.of(
                                "metadata.name",
                                "metadata.namespace",
                                "metadata.uid",
                                "spec.nodeName",
                                "spec.serviceAccountName",
                                "status.hostIP",
                                "status.hostIPs",
                                "status.podIP",
                                "status.podIPs")
                        .contains(path);
    }

    private String field(String path) {
        Matcher map = MAP_FIELD.matcher(path);
        if (map.matches()) {
            Map<String, String> of = map.group(1).equals("labels") ? pod.labels() : pod.annotations();
            return of.getOrDefault(map.group(2), "");
        }
        List<String> podIps = pod.hostNetwork() ? facts.hostIps() : facts.podIps();
        return switch (path) {
            case "metadata.name" -> pod.name();
            case "metadata.namespace" -> pod.namespace();
            case "metadata.uid" -> facts.uid();
            case "spec.nodeName" -> facts.nodeName();
            case "spec.serviceAccountName" -> "default";
            case "status.hostIP" -> facts.hostIps().stream().findFirst().orElse("");
            case "status.hostIPs" -> String.join(",", facts.hostIps());
            case "status.podIP" -> podIps.stream().findFirst().orElse("");
            case "status.podIPs" -> String.join(",", podIps);
            default -> throw new IllegalArgumentException(path + " is no field that a container can be told");
        };
    }

    private String resource(Pod.Container self, Pod.Env.Resource reference) {
        Pod.Container container = pod.allContainers().stream()
                .filter(other -> other.name().equals(reference.container()))
                .findFirst()
                .orElse(self);
        String name = reference.resource().substring(reference.resource().indexOf('.') + 1);
        BigDecimal amount;
        if (reference.resource().startsWith("limits.")) {
            amount = container.resources().limit(name).map(Quantity::amount).orElseGet(() -> capacity(name));
        } else {
            amount = container.resources().request(name).map(Quantity::amount).orElse(BigDecimal.ZERO);
        }
        return amount.divide(reference.divisor().amount(), 0, RoundingMode.CEILING)
                .toPlainString();
    }

    /** No limit: as much as the machine has. */
    private BigDecimal capacity(String resource) {
        return switch (resource) {
            case "cpu" -> BigDecimal.valueOf(facts.cpus());
            case "memory" -> BigDecimal.valueOf(facts.memoryBytes());
            default -> BigDecimal.ZERO;
        };
    }
}
