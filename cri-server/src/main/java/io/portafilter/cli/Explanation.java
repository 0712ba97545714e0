package io.portafilter.cli;

import io.portafilter.config.Config;
import io.portafilter.config.IdRange;
import io.portafilter.container.LaunchFacts;
import io.portafilter.container.PausePlan;
import io.portafilter.container.PlanWarning;
import io.portafilter.container.PodRequest;
import io.portafilter.cri.Cause;
import io.portafilter.cri.LaunchPreview;
import io.portafilter.cri.Provenance;
import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.image.ImageConfig;
import io.portafilter.launch.LaunchProgram;
import io.portafilter.security.ImageAccounts;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.snakeyaml.engine.v2.nodes.MappingNode;

/**
 * A pod explained: the requests that {@code run} would send become, by the server's own checks and defaults, plans and
 * launch programs, and nothing is done. The same manifest and host give the same explanation.
 *
 * @param pod {@code namespace/name}
 * @param parts the sandbox, then the containers in the order of the manifest, init containers first
 * @param warnings of the manifest as a whole
 * @param standards what the Pod Security Standards say
 * @param assumed what is not known without image, server and cluster, and what it is taken for
 * @param host what the plans rest on
 */
record Explanation(
        String pod,
        List<Part> parts,
        List<PodWarnings.Warning> warnings,
        PodStandards standards,
        Map<String, String> assumed,
        LaunchFacts host) {

    /**
     * The sandbox or a container.
     *
     * @param name of the container, or empty for the sandbox
     * @param facts what is beside the plan: image, arguments, names of variables, cgroup
     * @param plan each line with its causes
     * @param warnings where the plan does not do what it seems to
     * @param notes what the plan itself has to say
     * @param program that carries it out
     */
    record Part(
            String name,
            Map<String, String> facts,
            List<Provenance.Line> plan,
            List<PlanWarning> warnings,
            List<String> notes,
            LaunchProgram program) {
        Part {
            plan = List.copyOf(plan);
            warnings = List.copyOf(warnings);
            notes = List.copyOf(notes);
        }

        boolean isSandbox() {
            return name.isEmpty();
        }
    }

    /** What stands for the image's own program where the manifest names none. */
    private static final String UNKNOWN_PROGRAM = "/program-of-the-image";

    private static final ImageConfig UNKNOWN_IMAGE = LaunchPreview.image(("{\"config\":{\"Entrypoint\":[\""
                    + UNKNOWN_PROGRAM + "\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}")
            .getBytes(StandardCharsets.UTF_8));

    Explanation {
        parts = List.copyOf(parts);
        warnings = List.copyOf(warnings);
    }

    /**
     * Explains a manifest.
     *
     * @param file what problems name
     */
    static Explanation of(String file, String text, Config config, LaunchFacts host) throws ManifestException {
        MappingNode document = PodManifest.document(file, text);
        Pod pod = PodManifest.of(file, document);
        return new Search(pod, new ManifestTree("", document), config, host).explained();
    }

    private static final class Search {
        private final Pod pod;
        private final ManifestTree manifest;
        private final Config config;
        private final LaunchFacts host;
        private final LaunchPreview preview;
        private final ManifestFields fields;

        Search(Pod pod, ManifestTree manifest, Config config, LaunchFacts host) {
            this.pod = pod;
            this.manifest = manifest;
            this.config = config;
            this.host = host;
            this.preview = new LaunchPreview(config, "node", host);
            this.fields = new ManifestFields(manifest);
        }

        Explanation explained() {
            List<Part> parts = new ArrayList<>();
            parts.add(sandbox());
            pod.allContainers().forEach(container -> parts.add(container(container)));
            return new Explanation(
                    pod.namespace() + "/" + pod.name(),
                    parts,
                    PodWarnings.of(pod),
                    PodStandards.of(manifest),
                    assumed(),
                    host);
        }

        private Map<String, String> assumed() {
            Map<String, String> assumed = new LinkedHashMap<>();
            assumed.put("image", "its environment, working directory, accounts, volumes and layers are not known");
            if (pod.allContainers().stream()
                    .anyMatch(container -> container.command().isEmpty())) {
                assumed.put("program", "the image's own is not known, here " + UNKNOWN_PROGRAM);
            }
            if (pod.allContainers().stream()
                    .anyMatch(container -> container
                            .security()
                            .runAsUser()
                            .or(pod.security()::runAsUser)
                            .isEmpty())) {
                assumed.put("user", "the image's own is not known, here root");
            }
            assumed.put("addresses", "the pod's and the host's: status.podIP and status.hostIP are empty");
            assumed.put("machine", "its memory is taken for 8 GiB (oom_score_adj), its CPUs for 1");
            if (!pod.hostUsers()) {
                assumed.put("host ids", "the first block of userns_range is taken for free");
            }
            if (!pod.unused().isEmpty()) {
                assumed.put("without cluster", "these fields mean nothing: " + String.join(", ", pod.unused()));
            }
            return assumed;
        }

        private Part sandbox() {
            PodSandboxConfig sandbox = sandbox(pod);
            PodRequest asked = preview.pod(sandbox);
            PausePlan plan = PausePlan.of(asked, host);
            return new Part(
                    "",
                    Map.of("cgroup", asked.cgroupPath()),
                    preview.provenance(
                            preview.podLines(sandbox),
                            Cause.Origin.KUBELET,
                            sandbox,
                            List.of(fields.layer(other -> preview.outline(sandbox(other))))),
                    List.of(),
                    List.of(),
                    plan.program());
        }

        private Part container(Pod.Container container) {
            PodSandboxConfig sandbox = sandbox(pod);
            ContainerConfig request = request(pod, container);
            ImageAccounts accounts = ImageAccounts.NONE;
            LaunchPreview.Container made = preview.container(sandbox, request, UNKNOWN_IMAGE, accounts);
            Provenance.Layer manifestFields = fields.layer(other -> other.allContainers().stream()
                    .filter(same -> same.name().equals(container.name()))
                    .findFirst()
                    .flatMap(same -> preview.outline(sandbox(other), request(other, same), UNKNOWN_IMAGE, accounts)));
            Map<String, String> facts = new LinkedHashMap<>();
            facts.put("image", container.image());
            facts.put(
                    "arguments",
                    String.join(
                            ", ",
                            made.plan().arguments().stream().map(Search::quoted).toList()));
            facts.put(
                    "environment",
                    String.join(
                            ", ",
                            made.plan().environment().stream()
                                    .map(variable -> variable.substring(0, variable.indexOf('=')))
                                    .toList()));
            facts.put("cgroup", made.asked().cgroupPath());
            return new Part(
                    container.name(),
                    facts,
                    preview
                            .provenance(
                                    made.lines(),
                                    Cause.Origin.KUBELET,
                                    sandbox,
                                    request,
                                    UNKNOWN_IMAGE,
                                    accounts,
                                    List.of(manifestFields))
                            .stream()
                            .map(Search::ofUnknownImage)
                            .toList(),
                    PlanWarning.of(made.asked(), made.plan(), runtimePaths(config)),
                    made.plan().security().notes(),
                    made.plan().program());
        }

        private static Provenance.Line ofUnknownImage(Provenance.Line line) {
            return new Provenance.Line(
                    line.line(),
                    line.causes().stream()
                            .map(cause -> cause.origin() == Cause.Origin.IMAGE ? Cause.UNKNOWN_IMAGE : cause)
                            .distinct()
                            .toList());
        }

        private PodSandboxConfig sandbox(Pod any) {
            return new PodTranslation(any, runFacts(any, config)).sandbox();
        }

        private ContainerConfig request(Pod any, Pod.Container container) {
            return new PodTranslation(any, runFacts(any, config))
                    .container(container, 0, Optional.empty(), mount -> volume(any, mount));
        }

        private static String volume(Pod any, Pod.VolumeMount mount) {
            String below = mount.subPath().isEmpty() ? "" : "/" + mount.subPath();
            return any.volumes().stream()
                            .filter(volume -> volume.name().equals(mount.volume()))
                            .map(volume -> switch (volume) {
                                case Pod.Volume.EmptyDir emptyDir -> "/volumes/" + emptyDir.name();
                                case Pod.Volume.HostPath hostPath -> hostPath.path();
                            })
                            .findFirst()
                            .orElse("/volumes/" + mount.volume())
                    + below;
        }

        private static String quoted(String argument) {
            return "\"" + argument.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n") + "\"";
        }
    }

    /** What of the runtime a container must not reach. */
    private static List<Path> runtimePaths(Config config) {
        return List.of(config.root(), config.state(), config.listen());
    }

    /** Facts of no machine in particular, so that the explanation depends on nothing else. */
    private static RunFacts runFacts(Pod pod, Config config) {
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
}
