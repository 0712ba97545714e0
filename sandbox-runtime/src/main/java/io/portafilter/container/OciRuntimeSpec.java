package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NODEV;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NOEXEC;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NOSUID;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_RDONLY;
import static io.portafilter.linux.LinuxConstants.RLIMIT_NOFILE;

import io.portafilter.cgroup.CgroupLimits;
import io.portafilter.cgroup.DeviceRule;
import io.portafilter.linux.Capability;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.security.CapabilitySets;
import io.portafilter.security.Credentials;
import io.portafilter.security.IdMapping;
import io.portafilter.security.IdMappings;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;

/**
 * A plan in the words of the OCI runtime specification 1.2 ({@code config.json}), as objects and lists: for the tools
 * that read {@code .info.runtimeSpec} of crictl's answers. Nothing is made of it: a launch program is. Without the seccomp
 * filter, of which only the compiled program is known.
 */
public final class OciRuntimeSpec {

    private static final String VERSION = "1.2.0";
    private static final String RECURSIVE_BIND = "rbind";

    private OciRuntimeSpec() {}

    /**
     * A container's.
     *
     * @param pausePid of the pod whose namespaces it joins, 0 if it does not run
     * @param cgroupPath of the container, below the root of each hierarchy
     * @param annotations as they were asked for
     */
    public static Map<String, Object> of(
            ContainerPlan plan, int pausePid, String cgroupPath, CgroupLimits limits, Map<String, String> annotations) {
        Map<String, Object> spec = new LinkedHashMap<>();
        spec.put("ociVersion", VERSION);
        spec.put("process", process(plan));
        spec.put("root", Map.of("path", "rootfs", "readonly", plan.security().readOnlyRootfs()));
        spec.put(
                "mounts",
                plan.mounts().stream().map(mount -> mount(mount, plan)).toList());
        spec.put("annotations", annotations);
        Map<String, Object> linux = new LinkedHashMap<>();
        plan.ids().ifPresent(ids -> putMappings(linux, ids));
        linux.put("cgroupsPath", cgroupPath);
        linux.put("resources", resources(limits));
        linux.put("namespaces", namespaces(plan, pausePid));
        linux.put("maskedPaths", plan.security().maskedPaths());
        linux.put("readonlyPaths", plan.security().readOnlyPaths());
        spec.put("linux", linux);
        return spec;
    }

    /**
     * A pod sandbox's: the namespaces that its containers join, by the pause process that holds them.
     *
     * @param pausePid 0 if it does not run
     * @param cgroupPath of the pod, below the root of each hierarchy
     * @param annotations as they were asked for
     */
    public static Map<String, Object> of(
            PodRequest pod, int pausePid, String cgroupPath, Map<String, String> annotations) {
        Map<String, Object> spec = new LinkedHashMap<>();
        spec.put("ociVersion", VERSION);
        spec.put("hostname", pod.hostname());
        spec.put("annotations", annotations);
        Map<String, Object> linux = new LinkedHashMap<>();
        pod.ids().ifPresent(ids -> putMappings(linux, ids));
        linux.put("cgroupsPath", cgroupPath);
        linux.put("sysctl", pod.sysctls());
        List<Map<String, Object>> namespaces = new ArrayList<>();
        putNamespace(namespaces, "pid", !pod.hostPid(), "pid", pausePid);
        putPodNamespaces(namespaces, pod.hostNetwork(), pod.hostIpc(), pod.ids().isPresent(), pausePid);
        linux.put("namespaces", namespaces);
        spec.put("linux", linux);
        return spec;
    }

    private static Map<String, Object> process(ContainerPlan plan) {
        Credentials user = plan.security().user();
        CapabilitySets sets = plan.security().capabilities();
        Map<String, Object> process = new LinkedHashMap<>();
        process.put("terminal", plan.streams().terminal());
        process.put("user", Map.of("uid", user.uid(), "gid", user.gid(), "additionalGids", user.groups()));
        process.put("args", plan.arguments());
        process.put("env", plan.environment());
        process.put("cwd", plan.workingDirectory());
        Map<String, Object> capabilities = new LinkedHashMap<>();
        capabilities.put("bounding", names(sets.bounding()));
        capabilities.put("effective", names(sets.effective()));
        capabilities.put("permitted", names(sets.permitted()));
        capabilities.put("inheritable", names(sets.inheritable()));
        capabilities.put("ambient", names(sets.ambient()));
        process.put("capabilities", capabilities);
        process.put(
                "rlimits",
                plan.limits().stream()
                        .filter(limit -> limit.resource() == RLIMIT_NOFILE)
                        .map(limit -> Map.of("type", "RLIMIT_NOFILE", "soft", limit.soft(), "hard", limit.hard()))
                        .toList());
        process.put("noNewPrivileges", plan.security().noNewPrivileges());
        plan.security().labels().appArmor().ifPresent(profile -> process.put("apparmorProfile", profile));
        plan.security().labels().selinux().ifPresent(label -> process.put("selinuxLabel", label));
        process.put("oomScoreAdj", plan.oomScoreAdj());
        return process;
    }

    private static List<String> names(CapabilitySet set) {
        return set.numbers().stream()
                .map(number -> Capability.ofNumber(number).map(Capability::name).orElse("CAP_" + number))
                .toList();
    }

    private static Map<String, Object> mount(MountPlan mount, ContainerPlan plan) {
        return switch (mount) {
            case MountPlan.FileSystem made -> fileSystem(made);
            case MountPlan.Terminals _ -> fileSystem(plan.terminals());
            case MountPlan.Console(String target) -> mount(target, "bind", "its terminal", List.of("bind"));
            case MountPlan.Prepared(String target, int index) ->
                volume(target, plan.prepared().get(index));
            case MountPlan.Devices(String target) -> mount(target, "tmpfs", "tmpfs", List.of("nosuid"));
            case MountPlan.OfPause(String target, String path) ->
                mount(target, "bind", "the pod sandbox's " + path, List.of(RECURSIVE_BIND));
            case MountPlan.OfTarget(String target) ->
                mount(target, "proc", "the target container's " + target, List.of());
            case MountPlan.CgroupTree(String target) -> mount(target, "tmpfs", "tmpfs", List.of("ro"));
            case MountPlan.CgroupView(String target, int _) -> mount(target, "cgroup", "cgroup", List.of());
        };
    }

    private static Map<String, Object> fileSystem(MountPlan.FileSystem made) {
        List<String> options = attributes(made.attributes());
        made.options()
                .forEach(option -> options.add(
                        option.key() + option.value().map(value -> "=" + value).orElse("")));
        return mount(made.target(), made.type(), made.type(), options);
    }

    private static Map<String, Object> mount(String target, String type, String source, List<String> options) {
        Map<String, Object> mount = new LinkedHashMap<>();
        mount.put("destination", target);
        mount.put("type", type);
        mount.put("source", source);
        mount.put("options", options);
        return mount;
    }

    private static Map<String, Object> volume(String target, MountRequest asked) {
        List<String> options = new ArrayList<>();
        options.add(asked.alone() ? "bind" : RECURSIVE_BIND);
        options.add(
                switch (asked.propagation()) {
                    case PRIVATE -> "rprivate";
                    case HOST_TO_CONTAINER -> "rslave";
                    case BIDIRECTIONAL -> "rshared";
                });
        options.add(asked.readOnly() ? "ro" : "rw");
        if (asked.recursiveReadOnly()) {
            options.add("rro");
        }
        asked.restrictions().stream()
                .map(MountRequest.Restriction::option)
                .sorted()
                .forEach(options::add);
        String source = switch (asked.source()) {
            case MountRequest.Source.HostPath(var path) -> path.toString();
            case MountRequest.Source.Image(var _, String subPath) -> "the image's /" + subPath;
            case MountRequest.Source.Declared _ -> "the volume that the image declares";
        };
        return mount(target, "bind", source, options);
    }

    private static List<String> attributes(long set) {
        List<String> options = new ArrayList<>();
        addIf(options, set, MOUNT_ATTR_NOSUID, "nosuid");
        addIf(options, set, MOUNT_ATTR_NOEXEC, "noexec");
        addIf(options, set, MOUNT_ATTR_NODEV, "nodev");
        addIf(options, set, MOUNT_ATTR_RDONLY, "ro");
        return options;
    }

    private static void addIf(List<String> options, long set, long attribute, String option) {
        if ((set & attribute) != 0) {
            options.add(option);
        }
    }

    private static List<Map<String, Object>> namespaces(ContainerPlan plan, int pausePid) {
        List<Map<String, Object>> namespaces = new ArrayList<>();
        namespaces.add(Map.of("type", "mount"));
        switch (plan.pidMode()) {
            case CONTAINER -> namespaces.add(Map.of("type", "pid"));
            case POD -> putNamespace(namespaces, "pid", true, "pid", pausePid);
            case NODE, TARGET -> {}
        }
        if (plan.cgroupNamespace()) {
            namespaces.add(Map.of("type", "cgroup"));
        }
        putPodNamespaces(
                namespaces, plan.hostNetwork(), plan.hostIpc(), plan.ids().isPresent(), pausePid);
        return namespaces;
    }

    private static void putPodNamespaces(
            List<Map<String, Object>> namespaces, boolean hostNetwork, boolean hostIpc, boolean user, int pausePid) {
        putNamespace(namespaces, "network", !hostNetwork, "net", pausePid);
        putNamespace(namespaces, "uts", !hostNetwork, "uts", pausePid);
        putNamespace(namespaces, "ipc", !hostIpc, "ipc", pausePid);
        putNamespace(namespaces, "user", user, "user", pausePid);
    }

    /** One that is left out is the host's. */
    private static void putNamespace(
            List<Map<String, Object>> namespaces, String type, boolean own, String file, int pid) {
        if (own) {
            Map<String, Object> namespace = new LinkedHashMap<>();
            namespace.put("type", type);
            if (pid != 0) {
                namespace.put("path", "/proc/" + pid + "/ns/" + file);
            }
            namespaces.add(namespace);
        }
    }

    private static void putMappings(Map<String, Object> linux, IdMappings ids) {
        linux.put(
                "uidMappings", ids.uids().stream().map(OciRuntimeSpec::mapping).toList());
        linux.put(
                "gidMappings", ids.gids().stream().map(OciRuntimeSpec::mapping).toList());
    }

    private static Map<String, Long> mapping(IdMapping line) {
        return Map.of("containerID", line.containerId(), "hostID", line.hostId(), "size", line.length());
    }

    private static Map<String, Object> resources(CgroupLimits limits) {
        Map<String, Object> resources = new LinkedHashMap<>();
        resources.put("devices", devices(limits.devices()));
        Map<String, Object> memory = new LinkedHashMap<>();
        put(memory, "limit", limits.memoryLimitBytes());
        put(memory, "swap", limits.memorySwapLimitBytes());
        resources.put("memory", memory);
        Map<String, Object> cpu = new LinkedHashMap<>();
        put(cpu, "shares", limits.cpuShares());
        put(cpu, "quota", limits.cpuQuotaMicros());
        put(cpu, "period", limits.cpuPeriodMicros());
        putUnlessEmpty(cpu, "cpus", limits.cpusetCpus());
        putUnlessEmpty(cpu, "mems", limits.cpusetMems());
        resources.put("cpu", cpu);
        limits.pidsLimit().ifPresent(limit -> resources.put("pids", Map.of("limit", limit)));
        resources.put(
                "hugepageLimits",
                limits.hugepageLimitBytes().entrySet().stream()
                        .sorted(Map.Entry.comparingByKey())
                        .map(entry -> Map.of("pageSize", entry.getKey(), "limit", entry.getValue()))
                        .toList());
        resources.put("unified", limits.unified());
        return resources;
    }

    /** All is denied that no rule allows. */
    private static List<Map<String, Object>> devices(List<DeviceRule> rules) {
        List<Map<String, Object>> devices = new ArrayList<>();
        devices.add(Map.of("allow", false, "access", "rwm"));
        for (DeviceRule rule : rules) {
            Map<String, Object> device = new LinkedHashMap<>();
            device.put("allow", true);
            device.put("type", String.valueOf(rule.type()));
            if (rule.major() != DeviceRule.ANY) {
                device.put("major", rule.major());
            }
            if (rule.minor() != DeviceRule.ANY) {
                device.put("minor", rule.minor());
            }
            device.put("access", rule.access());
            devices.add(device);
        }
        return devices;
    }

    private static void put(Map<String, Object> fields, String name, OptionalLong value) {
        value.ifPresent(known -> fields.put(name, known));
    }

    private static void putUnlessEmpty(Map<String, Object> fields, String name, String value) {
        if (!value.isEmpty()) {
            fields.put(name, value);
        }
    }
}
