package io.portafilter.cri;

import io.portafilter.cgroup.CgroupLimits;
import io.portafilter.config.Config;
import io.portafilter.container.ContainerPlan;
import io.portafilter.container.ContainerRequest;
import io.portafilter.container.LaunchFacts;
import io.portafilter.container.PausePlan;
import io.portafilter.container.PlanLines;
import io.portafilter.container.PodRequest;
import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.CreateContainerRequest;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.RunPodSandboxRequest;
import io.portafilter.image.ImageConfig;
import io.portafilter.rootfs.MountRefusal;
import io.portafilter.security.ImageAccounts;
import io.portafilter.security.PlanLine;
import io.portafilter.security.SecurityRefusal;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * What RunPodSandbox and CreateContainer would launch, by the same checks and defaults, without doing it: for {@code
 * explain}. Ids, which a server makes up, are the words POD and CONTAINER.
 *
 * @param config of the server
 * @param nodeName what a pod in the host's network sees as its host's name
 * @param host what the plans rest on
 * @param id of the container: what it has kept of the node's files is read where only its words count
 */
public record LaunchPreview(Config config, String nodeName, LaunchFacts host, String id) {
    private static final String POD = "POD";
    private static final String CONTAINER = "CONTAINER";

    /** Stands for a profile of the node where only its name counts. */
    private static final String ANY_PROFILE = "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}";

    /** Of nothing that is there. */
    public LaunchPreview(Config config, String nodeName, LaunchFacts host) {
        this(config, nodeName, host, CONTAINER);
    }

    /** A container's request and plan. */
    public record Container(ContainerRequest asked, ContainerPlan plan, List<PlanLine> lines) {
        public Container {
            lines = List.copyOf(lines);
        }

        /** What the spec became. */
        static Container of(ContainerSpec spec, ContainerRequest asked, ContainerPlan plan) {
            List<PlanLine> lines = new ArrayList<>(PlanLines.of(asked, plan));
            if (spec.security().privileged()) {
                lines.add(PlanLine.about("device", "/dev/*", "all of the host's, rwm"));
            }
            for (DeviceRequest device : spec.devices()) {
                lines.add(PlanLine.about(
                        "device", device.containerPath(), "the host's " + device.hostPath() + ", " + device.access()));
            }
            return new Container(asked, plan, lines);
        }
    }

    /** The pod sandbox; refuses as the server does. */
    public PodRequest pod(PodSandboxConfig pod) {
        PodSpec spec = podSpec(pod);
        places().requireFits(spec.cgroupParent());
        return spec.launch(POD, files(), places().cgroup(spec.cgroupParent(), POD, POD), places().podState(POD));
    }

    /** The pod sandbox's plan for people. */
    public List<PlanLine> podLines(PodSandboxConfig pod) {
        PodRequest asked = pod(pod);
        return PlanLines.of(asked, PausePlan.of(asked, host));
    }

    /** A container of it; refuses as the server does. */
    public Container container(
            PodSandboxConfig pod, ContainerConfig container, ImageConfig image, ImageAccounts accounts) {
        ContainerSources sources =
                ContainerSources.Of.container(config, places(), CONTAINER).fromNode();
        ContainerSpec spec = spec(pod, container, image, sources);
        ContainerRequest asked = launch(spec);
        return Container.of(
                spec, asked, ContainerPlan.preview(asked, accounts, host.joining(hierarchies(asked.limits()))));
    }

    /**
     * The lines of a container with those of its pod sandbox, where the filter is named and never compiled, and no profile
     * is read; absent for what the server would refuse.
     */
    public Optional<Map<Provenance.Key, PlanLine>> outline(
            PodSandboxConfig pod, ContainerConfig container, ImageConfig image, ImageAccounts accounts) {
        return unlessRefused(() -> {
            ContainerSources kept =
                    ContainerSources.Of.container(config, places(), id).kept();
            ContainerSources sources =
                    new ContainerSources((_, _) -> ANY_PROFILE, kept.devices(), kept.devicesOfTheUser());
            ContainerSpec spec = spec(pod, container, image, sources);
            ContainerRequest asked = launch(spec);
            ContainerPlan plan = ContainerPlan.outline(asked, accounts, host.joining(hierarchies(asked.limits())));
            return Provenance.byKey(Container.of(spec, asked, plan).lines());
        });
    }

    /** The same of the pod sandbox alone. */
    public Optional<Map<Provenance.Key, PlanLine>> outline(PodSandboxConfig pod) {
        return unlessRefused(() -> Provenance.byKey(podLines(pod)));
    }

    private static <T> Optional<T> unlessRefused(Supplier<T> plan) {
        try {
            return Optional.of(plan.get());
        } catch (CriException | SecurityRefusal | MountRefusal | IllegalArgumentException e) {
            return Optional.empty();
        }
    }

    /**
     * Why each line of a container is as it is; empty if the server would refuse it now.
     *
     * @param origin whose words the messages are
     * @param first layers to ask before
     */
    public List<Provenance.Line> provenance(
            List<PlanLine> lines,
            Cause.Origin origin,
            PodSandboxConfig pod,
            ContainerConfig container,
            ImageConfig image,
            ImageAccounts accounts,
            List<Provenance.Layer> first) {
        List<Provenance.Layer> layers = new ArrayList<>(first);
        layers.add(new RequestLayer(
                origin, pod, container, (otherPod, other) -> outline(otherPod, other, image, accounts)));
        layers.add(new ImageLayer(
                image, accounts, (other, otherAccounts) -> outline(pod, container, other, otherAccounts)));
        return outline(pod, container, image, accounts)
                .map(base -> Provenance.of(lines, base, layers))
                .orElse(List.of());
    }

    /** Why each line of a pod sandbox is as it is. */
    public List<Provenance.Line> provenance(
            List<PlanLine> lines, Cause.Origin origin, PodSandboxConfig pod, List<Provenance.Layer> first) {
        List<Provenance.Layer> layers = new ArrayList<>(first);
        ContainerConfig.Builder container = ContainerConfig.newBuilder();
        container
                .getLinuxBuilder()
                .getSecurityContextBuilder()
                .setNamespaceOptions(pod.getLinux().getSecurityContext().getNamespaceOptions());
        layers.add(new RequestLayer(origin, pod, container.build(), (otherPod, _) -> outline(otherPod)));
        return Provenance.of(lines, outline(pod).orElseThrow(), layers);
    }

    /** The configuration of an image, JSON. */
    public static ImageConfig image(byte[] json) {
        return ImageConfig.parse(json);
    }

    private static PodSpec podSpec(PodSandboxConfig pod) {
        return PodSpec.of(RunPodSandboxRequest.newBuilder().setConfig(pod).build());
    }

    private ContainerSpec spec(
            PodSandboxConfig pod, ContainerConfig container, ImageConfig image, ContainerSources sources) {
        return ContainerSpec.of(
                CreateContainerRequest.newBuilder()
                        .setPodSandboxId(POD)
                        .setSandboxConfig(pod)
                        .setConfig(container)
                        .build(),
                POD,
                podSpec(pod),
                image,
                files(),
                sources,
                (_, _, volume) -> List.of(Path.of("/layers-of-" + volume.replace('/', '_'))));
    }

    private ContainerRequest launch(ContainerSpec spec) {
        return spec.launch(
                CONTAINER,
                new ContainerSpec.Place(
                        places().containerFiles(CONTAINER),
                        places().containerState(CONTAINER),
                        places().cgroup(spec.cgroupParent(), POD, CONTAINER)),
                List.of(Path.of("/layers-of-the-image")),
                HostDevices.NONE);
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

    private Places places() {
        return new Places(config.root(), config.state(), config.cgroupDriver(), config.cgroupParent());
    }

    private PodFiles files() {
        return new PodFiles(places().podFiles(POD), nodeName);
    }
}
