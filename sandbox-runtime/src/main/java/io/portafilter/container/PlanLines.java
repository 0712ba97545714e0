package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NODEV;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NOEXEC;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_NOSUID;
import static io.portafilter.linux.LinuxConstants.MOUNT_ATTR_RDONLY;
import static io.portafilter.linux.LinuxConstants.RLIMIT_NOFILE;

import io.portafilter.cgroup.CgroupLimits;
import io.portafilter.cgroup.DeviceRule;
import io.portafilter.security.PlanLine;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Plans for people: each fact that a launch makes true, one a line. */
public final class PlanLines {

    private final List<PlanLine> lines = new ArrayList<>();

    private PlanLines() {}

    /** Those of a pod sandbox. */
    public static List<PlanLine> of(PodRequest asked, PausePlan plan) {
        PlanLines text = new PlanLines();
        text.add("hostname", plan.hostname().isEmpty() ? "the host's" : plan.hostname());
        text.add("network", ownOrHosts(plan.hostNetwork()));
        text.add("ipc", ownOrHosts(plan.hostIpc()));
        text.add("pids", ownOrHosts(plan.hostPid()));
        text.add("users", ownOrHosts(plan.ids().isEmpty()));
        plan.sysctls().forEach((name, value) -> text.add("sysctl", name, "= " + value));
        text.limits(asked.limits());
        text.add("oom_score_adj", Integer.toString(plan.oomScoreAdj()));
        return List.copyOf(text.lines);
    }

    /** Those of a container: who it is and what it may do, then where it is, then what it may use. */
    public static List<PlanLine> of(ContainerRequest asked, ContainerPlan plan) {
        PlanLines text = new PlanLines();
        text.lines.addAll(plan.security().lines());
        text.add(
                "pids",
                switch (plan.pidMode()) {
                    case POD -> "the pod's";
                    case CONTAINER -> "its own";
                    case NODE -> "the host's";
                    case TARGET -> "those of the target container";
                });
        text.add("network", podsOrHosts(plan.hostNetwork()));
        text.add("ipc", podsOrHosts(plan.hostIpc()));
        text.add("cgroups", ownOrHosts(!plan.cgroupNamespace()));
        text.add("directory", plan.workingDirectory());
        text.add("stdin", stdin(plan.streams()));
        plan.mounts().forEach(mount -> text.add("mount", mount.target(), mount(mount, plan)));
        text.devices(asked);
        text.limits(asked.limits());
        text.add("oom_score_adj", Integer.toString(plan.oomScoreAdj()));
        for (ProcessLimit limit : plan.limits()) {
            text.add(
                    "limit",
                    limit.resource() == RLIMIT_NOFILE ? "open files" : "rlimit " + limit.resource(),
                    limit.soft() + " to " + limit.hard());
        }
        return List.copyOf(text.lines);
    }

    private void add(String name, String value) {
        lines.add(PlanLine.of(name, value));
    }

    private void add(String name, String subject, String value) {
        lines.add(PlanLine.about(name, subject, value));
    }

    private static String ownOrHosts(boolean hosts) {
        return hosts ? "the host's" : "its own";
    }

    private static String podsOrHosts(boolean hosts) {
        return hosts ? "the host's" : "the pod's";
    }

    private static String stdin(StandardStreams streams) {
        if (streams.terminal()) {
            return "a terminal, as stdout and stderr are" + (streams.stdin() ? "" : ", without input");
        }
        if (!streams.stdin()) {
            return "the null device";
        }
        return "a pipe, which " + (streams.stdinOnce() ? "ends with the first who attached" : "stays open");
    }

    private static String mount(MountPlan mount, ContainerPlan plan) {
        return switch (mount) {
            case MountPlan.FileSystem(String type, String _, List<MountPlan.Option> _, long attributes, boolean _) ->
                type + ", " + flags(attributes);
            case MountPlan.Terminals _ ->
                plan.terminals().type() + ", " + flags(plan.terminals().attributes());
            case MountPlan.Console _ -> "its terminal";
            case MountPlan.Prepared(String _, int index) ->
                volume(plan.prepared().get(index));
            case MountPlan.Devices _ -> "a tmpfs of its own with its device nodes";
            case MountPlan.OfPause(String _, String path) ->
                path.equals(PausePlan.SHARED_MEMORY) ? "the pod's shared memory" : "the pod's " + path;
            case MountPlan.OfTarget _ -> "that of the target container";
            case MountPlan.CgroupTree _ -> "a tmpfs for its cgroups";
            case MountPlan.CgroupView _ ->
                "its own cgroup, " + (plan.security().privileged() ? "writable" : "read-only");
        };
    }

    private static String flags(long attributes) {
        List<String> flags = new ArrayList<>();
        flags.add((attributes & MOUNT_ATTR_RDONLY) != 0 ? "read-only" : "writable");
        new TreeMap<>(Map.of("nosuid", MOUNT_ATTR_NOSUID, "nodev", MOUNT_ATTR_NODEV, "noexec", MOUNT_ATTR_NOEXEC))
                .forEach((name, flag) -> {
                    if ((attributes & flag) != 0) {
                        flags.add(name);
                    }
                });
        return String.join(", ", flags);
    }

    private static String volume(MountRequest mount) {
        List<String> how = new ArrayList<>();
        how.add(mount.recursiveReadOnly() ? "recursively read-only" : mount.readOnly() ? "read-only" : "writable");
        how.add(mount.propagation().name().toLowerCase(Locale.ROOT).replace('_', ' '));
        mount.ids()
                .map(ids ->
                        "id-mapped (uids " + oneLine(ids.uidMapText()) + "; gids " + oneLine(ids.gidMapText()) + ")")
                .ifPresent(how::add);
        mount.restrictions().stream()
                .map(MountRequest.Restriction::option)
                .sorted()
                .forEach(how::add);
        return "from " + source(mount.source()) + ", " + String.join(", ", how);
    }

    private static String source(MountRequest.Source source) {
        return switch (source) {
            case MountRequest.Source.HostPath(Path path) -> path.toString();
            case MountRequest.Source.Image(List<Path> layers, String subPath) ->
                (subPath.isEmpty() ? "" : subPath + " in ") + "an image, "
                        + layers.stream().map(Path::toString).collect(Collectors.joining(", "));
            case MountRequest.Source.Declared _ -> "a copy of what the image has there";
        };
    }

    private static String oneLine(String map) {
        return map.strip().replace("\n", ", ");
    }

    private void devices(ContainerRequest asked) {
        for (ContainerDevice device : asked.devices()) {
            add(
                    "device",
                    device.path(),
                    device.type() + " " + device.major() + ":" + device.minor() + ", mode 0"
                            + Integer.toOctalString(device.mode()));
        }
        lines.add(PlanLine.list(
                "device rules",
                asked.limits().devices().stream().map(DeviceRule::toString).toList()));
    }

    private void limits(CgroupLimits limits) {
        Map<String, OptionalLong> numbers = new TreeMap<>(Map.of(
                "cpu shares", limits.cpuShares(),
                "cpu quota us", limits.cpuQuotaMicros(),
                "cpu period us", limits.cpuPeriodMicros(),
                "memory bytes", limits.memoryLimitBytes(),
                "memory and swap", limits.memorySwapLimitBytes(),
                "pids", limits.pidsLimit()));
        numbers.forEach((name, value) -> value.ifPresent(number -> add("limit", name, Long.toString(number))));
        new TreeMap<>(limits.hugepageLimitBytes())
                .forEach((size, bytes) -> add("limit", size + " pages", Long.toString(bytes)));
        if (!limits.cpusetCpus().isEmpty()) {
            add("limit", "cpus", limits.cpusetCpus());
        }
        if (!limits.cpusetMems().isEmpty()) {
            add("limit", "memory nodes", limits.cpusetMems());
        }
        new TreeMap<>(limits.unified()).forEach((file, value) -> add("limit", file, value));
    }
}
