package io.portafilter.cli;

import io.portafilter.cgroup.CgroupLimits;
import io.portafilter.config.Config;
import io.portafilter.config.IdRange;
import io.portafilter.container.ContainerPlan;
import io.portafilter.container.ContainerRequest;
import io.portafilter.container.LaunchFacts;
import io.portafilter.container.MountRequest;
import io.portafilter.container.PausePlan;
import io.portafilter.container.PodRequest;
import io.portafilter.cri.LaunchPreview;
import io.portafilter.cri.v1.CreateContainerRequest;
import io.portafilter.cri.v1.RunPodSandboxRequest;
import io.portafilter.launch.LaunchProgram;
import io.portafilter.launch.ProgramText;
import io.portafilter.security.ImageAccounts;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * A pod as text: the requests that {@code run} would send become, by the server's own checks and defaults, plans and
 * launch programs, and nothing is done. The same manifest and host give the same text.
 */
final class Explanation {
    /** What stands for the image's own program where the manifest names none. */
    private static final String UNKNOWN_PROGRAM = "/program-of-the-image";

    private static final String UNKNOWN_IMAGE = "{\"config\":{\"Entrypoint\":[\"" + UNKNOWN_PROGRAM
            + "\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}";

    private final Pod pod;
    private final LaunchFacts host;
    private final PodTranslation translation;
    private final LaunchPreview preview;
    private final RunPodSandboxRequest sandbox;
    private final StringBuilder text = new StringBuilder();

    private Explanation(Pod pod, Config config, LaunchFacts host) {
        this.pod = pod;
        this.host = host;
        this.translation = new PodTranslation(pod, facts(pod, config));
        this.preview = new LaunchPreview(config, "node");
        this.sandbox = RunPodSandboxRequest.newBuilder()
                .setConfig(translation.sandbox())
                .build();
    }

    /** The pod's explanation. */
    static String of(Pod pod, Config config, LaunchFacts host) {
        Explanation explanation = new Explanation(pod, config, host);
        explanation.pod();
        pod.allContainers().forEach(explanation::container);
        return explanation.text.toString();
    }

    /** Facts of no machine in particular, so that the text depends on nothing else. */
    private static RunFacts facts(Pod pod, Config config) {
        IdRange range = config.usernsRange();
        return new RunFacts(
                "00000000-0000-0000-0000-000000000000",
                "node",
                List.of(),
                List.of(),
                config.root() + "/logs/" + pod.namespace() + "_" + pod.name(),
                Optional.of(config.root() + "/run/etc-hosts"),
                pod.hostUsers() ? Optional.empty() : Optional.of(range.first()),
                1,
                8L << 30,
                new Pod.Dns(Optional.empty(), List.of(), List.of(), List.of()),
                true);
    }

    private void line(String name, String value) {
        text.append(String.format(Locale.ROOT, "  %-16s %s%n", name, value));
    }

    private void pod() {
        text.append("pod ")
                .append(pod.namespace())
                .append('/')
                .append(pod.name())
                .append("\n\nhost\n");
        HostFile.text(host)
                .lines()
                .forEach(fact -> text.append("  ").append(fact).append('\n'));
        text.append("\nnot known here\n");
        line("addresses", "the pod's and the host's: status.podIP and status.hostIP are empty");
        line("machine", "its memory is taken for 8 GiB (oom_score_adj), its CPUs for 1");
        if (!pod.hostUsers()) {
            line("host ids", "the first block of userns_range is taken for free");
        }
        if (!pod.unused().isEmpty()) {
            line("without cluster", "these fields mean nothing: " + String.join(", ", pod.unused()));
        }
        PodRequest request = preview.pod(sandbox);
        PausePlan plan = PausePlan.of(request, host);
        text.append("\nsandbox\n");
        line("hostname", plan.hostname().isEmpty() ? "the host's" : plan.hostname());
        line("network", plan.hostNetwork() ? "the host's" : "its own");
        line("ipc", plan.hostIpc() ? "the host's" : "its own");
        line("pids", plan.hostPid() ? "the host's" : pod.shareProcessNamespace() ? "shared by all" : "for itself");
        plan.sysctls().forEach((name, value) -> line("sysctl", name + " = " + value));
        line("cgroup", request.cgroupPath());
        limits(request.limits());
        line("oom_score_adj", Integer.toString(plan.oomScoreAdj()));
        program(plan.program());
    }

    private void container(Pod.Container container) {
        text.append("\ncontainer ").append(container.name()).append('\n');
        CreateContainerRequest request = CreateContainerRequest.newBuilder()
                .setPodSandboxId("POD")
                .setSandboxConfig(sandbox.getConfig())
                .setConfig(translation.container(container, 0, Optional.empty(), this::volume))
                .build();
        ContainerRequest asked = preview.container(sandbox, request, UNKNOWN_IMAGE);
        ContainerPlan plan =
                ContainerPlan.preview(asked, new ImageAccounts("", ""), host.joining(hierarchies(asked.limits())));
        line("image", container.image());
        line("not known here", notKnown(container, plan));
        line(
                "arguments",
                plan.arguments().stream().map(Explanation::quoted).collect(Collectors.joining(", ", "[", "]")));
        line(
                "environment",
                plan.environment().stream()
                        .map(variable -> variable.substring(0, variable.indexOf('=')))
                        .collect(Collectors.joining(", ")));
        line("directory", plan.workingDirectory());
        line("pids", plan.pidMode().name().toLowerCase(Locale.ROOT));
        asked.mounts().forEach(mount -> line("mount", mount(mount)));
        line("cgroup", asked.cgroupPath());
        limits(asked.limits());
        line("oom_score_adj", Integer.toString(plan.oomScoreAdj()));
        plan.security()
                .describe()
                .forEach(fact -> text.append("  ").append(fact).append('\n'));
        program(plan.program());
    }

    /** On version 1 these two are joined only where something is limited. */
    private List<String> hierarchies(CgroupLimits limits) {
        List<String> joined = new ArrayList<>(host.cgroupHierarchies());
        if (!host.host().cgroupV2()
                && !(limits.cpusetCpus().isEmpty() && limits.cpusetMems().isEmpty())) {
            joined.add("cpuset");
        }
        if (!host.host().cgroupV2() && !limits.hugepageLimitBytes().isEmpty()) {
            joined.add("hugetlb");
        }
        return joined;
    }

    private String notKnown(Pod.Container container, ContainerPlan plan) {
        List<String> unknown = new ArrayList<>(List.of("the image's environment, working directory, accounts, layers"));
        if (plan.arguments().getFirst().equals(UNKNOWN_PROGRAM)) {
            unknown.add("its program, here " + UNKNOWN_PROGRAM);
        }
        if (container.security().runAsUser().or(pod.security()::runAsUser).isEmpty()) {
            unknown.add("its user, here root");
        }
        return String.join("; ", unknown);
    }

    private String volume(Pod.VolumeMount mount) {
        String below = mount.subPath().isEmpty() ? "" : "/" + mount.subPath();
        return pod.volumes().stream()
                        .filter(volume -> volume.name().equals(mount.volume()))
                        .map(volume -> switch (volume) {
                            case Pod.Volume.EmptyDir emptyDir -> "/volumes/" + emptyDir.name();
                            case Pod.Volume.HostPath hostPath -> hostPath.path();
                        })
                        .findFirst()
                        .orElse("/volumes/" + mount.volume())
                + below;
    }

    private static String mount(MountRequest mount) {
        List<String> how = new ArrayList<>();
        how.add(mount.recursiveReadOnly() ? "recursively read-only" : mount.readOnly() ? "read-only" : "writable");
        how.add(mount.propagation().name().toLowerCase(Locale.ROOT).replace('_', ' '));
        mount.ids()
                .map(ids -> "id-mapped (uids " + lines(ids.uidMapText()) + "; gids " + lines(ids.gidMapText()) + ")")
                .ifPresent(how::add);
        mount.restrictions().stream()
                .map(MountRequest.Restriction::option)
                .sorted()
                .forEach(how::add);
        return mount.containerPath() + " from " + source(mount.source()) + ", " + String.join(", ", how);
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

    private static String lines(String map) {
        return map.strip().replace("\n", ", ");
    }

    private void limits(CgroupLimits limits) {
        Map<String, OptionalLong> numbers = new TreeMap<>(Map.of(
                "cpu shares", limits.cpuShares(),
                "cpu quota us", limits.cpuQuotaMicros(),
                "cpu period us", limits.cpuPeriodMicros(),
                "memory bytes", limits.memoryLimitBytes(),
                "memory and swap", limits.memorySwapLimitBytes(),
                "pids", limits.pidsLimit()));
        numbers.forEach((name, value) -> value.ifPresent(number -> line("limit", name + " " + number)));
        new TreeMap<>(limits.hugepageLimitBytes()).forEach((size, bytes) -> line("limit", size + " pages " + bytes));
        if (!limits.devices().isEmpty()) {
            line(
                    "devices",
                    limits.devices().stream()
                            .map(rule -> rule.type() + " " + number(rule.major()) + ":" + number(rule.minor()) + " "
                                    + rule.access())
                            .collect(Collectors.joining(", ")));
        }
    }

    private static String number(long device) {
        return device < 0 ? "*" : Long.toString(device);
    }

    private static String quoted(String argument) {
        return "\"" + argument.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + "\"";
    }

    private void program(LaunchProgram program) {
        text.append("\n  program, ").append(program.operations().size()).append(" operations\n");
        ProgramText.of(program)
                .lines()
                .forEach(operation -> text.append("  ").append(operation).append('\n'));
    }
}
