package io.portafilter.cli;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.api.lowlevel.Compose;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;

/**
 * Reads a Pod manifest (core/v1, YAML or JSON). Every field of the API is known: it is used, or needs a cluster and is
 * listed in {@link Pod#unused()}, or would change what the pod does and is refused. Any other field is an error.
 */
final class PodManifest {
    private static final int MAXIMUM_BYTES = 1 << 20;
    private static final long LARGEST_ID = (1L << 31) - 1;
    private static final String NEEDS_A_CLUSTER = "needs an API server, and there is none here";

    private final Fields.Findings findings = new Fields.Findings();

    private PodManifest() {}

    /** Reads the file. */
    static Pod read(Path file) throws ManifestException {
        return parse(file.toString(), text(file));
    }

    /** The file's text. */
    static String text(Path file) throws ManifestException {
        try {
            byte[] bytes;
            // the size of a pipe or a device is 0, and a device may have no end
            try (InputStream in = Files.newInputStream(file)) {
                bytes = in.readNBytes(MAXIMUM_BYTES + 1);
            }
            if (bytes.length > MAXIMUM_BYTES) {
                throw new ManifestException(file.toString(), List.of(" is larger than " + MAXIMUM_BYTES + " bytes"));
            }
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (IOException e) {
            String why = Files.exists(file) ? " cannot be read: " + e.getMessage() : " does not exist";
            throw new ManifestException(file.toString(), List.of(why));
        }
    }

    /** Reads the text; {@code file} is what problems name. */
    static Pod parse(String file, String text) throws ManifestException {
        return of(file, document(file, text));
    }

    /** The pod of a document. */
    static Pod of(String file, MappingNode document) throws ManifestException {
        PodManifest manifest = new PodManifest();
        Pod pod = manifest.pod(document);
        if (!manifest.findings.sentences().isEmpty()) {
            throw new ManifestException(file, manifest.findings.sentences());
        }
        return pod;
    }

    /** The only document of a text, as it is written. */
    static MappingNode document(String file, String text) throws ManifestException {
        List<Node> found = new ArrayList<>();
        try {
            Iterator<Node> documents = new Compose(
                            LoadSettings.builder().setLabel(file).build())
                    .composeAllFromString(text)
                    .iterator();
            documents.forEachRemaining(found::add);
        } catch (MarkedYamlEngineException e) {
            int line = e.getProblemMark().map(mark -> mark.getLine() + 1).orElse(0);
            throw new ManifestException(file, List.of(line + ": " + e.getProblem()));
        } catch (YamlEngineException e) {
            throw new ManifestException(file, List.of(" " + e.getMessage()));
        } catch (StackOverflowError e) {
            throw new ManifestException(file, List.of(" nests lists or objects too deeply"));
        }
        if (found.size() != 1 || !(found.getFirst() instanceof MappingNode node)) {
            throw new ManifestException(file, List.of(" holds " + found.size() + " documents; one Pod is needed"));
        }
        return node;
    }

    private Pod pod(MappingNode node) {
        Fields top = new Fields(findings, "", node);
        if (!top.required("apiVersion").equals("v1") || !top.required("kind").equals("Pod")) {
            top.problem("kind", "apiVersion v1 and kind Pod are needed");
        }
        top.unused("status");
        Fields metadata = part(top, "metadata");
        String name = metadata.required("name");
        checkName(metadata, "name", name, 253, "[a-z0-9]([-.a-z0-9]*[a-z0-9])?");
        String namespace = metadata.text("namespace").orElse("default");
        checkName(metadata, "namespace", namespace, 63, "[a-z0-9]([-a-z0-9]*[a-z0-9])?");
        Map<String, String> labels = metadata.textMap("labels");
        Map<String, String> annotations = metadata.textMap("annotations");
        metadata.unused(
                "uid",
                "generateName",
                "resourceVersion",
                "generation",
                "creationTimestamp",
                "deletionTimestamp",
                "deletionGracePeriodSeconds",
                "finalizers",
                "ownerReferences",
                "managedFields",
                "selfLink");
        metadata.end();
        Fields spec = part(top, "spec");
        Pod pod = spec(name, namespace, labels, annotations, spec);
        spec.end();
        top.end();
        checkTogether(pod, spec);
        return pod;
    }

    private Fields part(Fields fields, String key) {
        if (!fields.has(key)) {
            fields.problem(key, "is needed");
        }
        return fields.object(key).orElseGet(() -> empty(fields.at(key)));
    }

    private Fields empty(String path) {
        return new Fields(
                new Fields.Findings(),
                path,
                new MappingNode(
                        org.snakeyaml.engine.v2.nodes.Tag.MAP,
                        List.of(),
                        org.snakeyaml.engine.v2.common.FlowStyle.BLOCK));
    }

    private static void checkName(Fields fields, String key, String name, int most, String form) {
        if (!name.isEmpty() && (name.length() > most || !name.matches(form))) {
            fields.problem(
                    key,
                    "\"" + name + "\" is no name: at most " + most
                            + " lower-case letters, digits, '-'; a letter or digit at both ends");
        }
    }

    private Pod spec(
            String name, String namespace, Map<String, String> labels, Map<String, String> annotations, Fields spec) {
        spec.unused(
                "activeDeadlineSeconds",
                "affinity",
                "automountServiceAccountToken",
                "enableServiceLinks",
                "evictionRequestResponders",
                "hostnameOverride",
                "imagePullSecrets",
                "nodeName",
                "nodeSelector",
                "overhead",
                "preemptionPolicy",
                "priority",
                "priorityClassName",
                "readinessGates",
                "resourceClaims",
                "resources",
                "runtimeClassName",
                "schedulerName",
                "schedulingGates",
                "schedulingGroup",
                "serviceAccount",
                "serviceAccountName",
                "setHostnameAsFQDN",
                "subdomain",
                "tolerations",
                "topologySpreadConstraints",
                "workloadRef");
        spec.object("os").ifPresent(os -> {
            if (!os.required("name").equals("linux")) {
                os.problem("name", "must be linux");
            }
            os.end();
        });
        spec.refused("is added to a pod that runs, not by a manifest", "ephemeralContainers");
        boolean hostNetwork = spec.isTrue("hostNetwork");
        Optional<String> hostname = spec.text("hostname");
        hostname.ifPresent(text -> checkName(spec, "hostname", text, 63, "[a-z0-9]([-a-z0-9]*[a-z0-9])?"));
        return new Pod(
                name,
                namespace,
                labels,
                annotations,
                spec.choice("restartPolicy", Pod.RestartPolicy.values(), policy -> policy.word),
                spec.number("terminationGracePeriodSeconds", 0, Integer.MAX_VALUE)
                        .orElse(30L),
                hostname,
                spec.bool("hostUsers").orElse(true),
                hostNetwork,
                spec.isTrue("hostPID"),
                spec.isTrue("hostIPC"),
                spec.isTrue("shareProcessNamespace"),
                security(spec),
                dns(spec),
                spec.objects("hostAliases").stream().map(PodManifest::hostAlias).toList(),
                spec.objects("initContainers").stream()
                        .map(fields -> container(fields, true))
                        .toList(),
                spec.objects("containers").stream()
                        .map(fields -> container(fields, false))
                        .toList(),
                volumes(spec),
                findings.unused());
    }

    private static Pod.HostAlias hostAlias(Fields fields) {
        Pod.HostAlias alias = new Pod.HostAlias(fields.required("ip"), fields.texts("hostnames"));
        fields.end();
        return alias;
    }

    private static Pod.Dns dns(Fields spec) {
        Optional<Pod.DnsPolicy> policy = spec.choice("dnsPolicy", Pod.DnsPolicy.values(), choice -> choice.word);
        if (policy.isPresent()
                && (policy.get() == Pod.DnsPolicy.CLUSTER_FIRST
                        || policy.get() == Pod.DnsPolicy.CLUSTER_FIRST_WITH_HOST_NET)) {
            spec.unused("dnsPolicy");
        }
        Optional<Fields> config = spec.object("dnsConfig");
        if (config.isEmpty()) {
            return new Pod.Dns(policy, List.of(), List.of(), List.of());
        }
        Fields fields = config.get();
        List<String> options = new ArrayList<>();
        for (Fields option : fields.objects("options")) {
            String value = option.text("value").map(text -> ":" + text).orElse("");
            options.add(option.required("name") + value);
            option.end();
        }
        Pod.Dns dns = new Pod.Dns(policy, fields.texts("nameservers"), fields.texts("searches"), options);
        fields.end();
        return dns;
    }

    private Pod.Security security(Fields spec) {
        Fields fields = spec.object("securityContext").orElseGet(() -> empty(spec.at("securityContext")));
        Map<String, String> sysctls = new LinkedHashMap<>();
        for (Fields sysctl : fields.objects("sysctls")) {
            sysctls.put(sysctl.required("name"), sysctl.text("value").orElse(""));
            sysctl.end();
        }
        fields.unused("windowsOptions", "seLinuxChangePolicy");
        Optional<String> changePolicy = choice(fields, "fsGroupChangePolicy", "Always", "OnRootMismatch");
        Optional<String> groupsPolicy = choice(fields, "supplementalGroupsPolicy", "Merge", "Strict");
        Pod.Security security = new Pod.Security(
                fields.number("runAsUser", 0, LARGEST_ID),
                fields.number("runAsGroup", 0, LARGEST_ID),
                fields.bool("runAsNonRoot"),
                fields.number("fsGroup", 0, LARGEST_ID),
                changePolicy.equals(Optional.of("OnRootMismatch")),
                fields.numbers("supplementalGroups", 0, LARGEST_ID),
                groupsPolicy.equals(Optional.of("Strict")),
                sysctls,
                profile(fields, "seccompProfile"),
                profile(fields, "appArmorProfile"),
                seLinux(fields));
        fields.end();
        return security;
    }

    private static Optional<String> choice(Fields fields, String key, String... choices) {
        Optional<String> text = fields.text(key);
        if (text.isPresent() && !List.of(choices).contains(text.get())) {
            fields.problem(key, "must be one of " + String.join(", ", choices) + ", not \"" + text.get() + "\"");
            return Optional.empty();
        }
        return text;
    }

    private static Optional<Pod.Profile> profile(Fields parent, String key) {
        return parent.object(key).map(fields -> {
            String type = choice(fields, "type", "RuntimeDefault", "Unconfined", "Localhost")
                    .orElse("");
            Optional<String> name = fields.text("localhostProfile");
            if (type.isEmpty() && !fields.has("type")) {
                fields.problem("type", "is needed");
            }
            if (type.equals("Localhost") != name.isPresent()) {
                fields.problem("localhostProfile", "is there if, and only if, type is Localhost");
            }
            fields.end();
            return switch (type) {
                case "Unconfined" -> new Pod.Profile.Unconfined();
                case "Localhost" -> new Pod.Profile.Localhost(name.orElse(""));
                default -> new Pod.Profile.RuntimeDefault();
            };
        });
    }

    private static Optional<Pod.SeLinux> seLinux(Fields parent) {
        return parent.object("seLinuxOptions").map(fields -> {
            Pod.SeLinux options = new Pod.SeLinux(
                    fields.text("user").orElse(""),
                    fields.text("role").orElse(""),
                    fields.text("type").orElse(""),
                    fields.text("level").orElse(""));
            fields.end();
            return options;
        });
    }

    private Pod.Container container(Fields fields, boolean init) {
        String name = fields.required("name");
        checkName(fields, "name", name, 63, "[a-z0-9]([-a-z0-9]*[a-z0-9])?");
        fields.unused(
                "lifecycle",
                "livenessProbe",
                "readinessProbe",
                "resizePolicy",
                "restartPolicyRules",
                "startupProbe",
                "terminationMessagePath",
                "terminationMessagePolicy");
        fields.refused("needs a persistent volume claim, and there is no cluster here", "volumeDevices");
        Optional<String> restart = choice(fields, "restartPolicy", "Always", "OnFailure", "Never");
        boolean sidecar = init && restart.equals(Optional.of("Always"));
        if (restart.isPresent() && !sidecar) {
            fields.problem("restartPolicy", "of a container: only Always, of an init container, is offered here");
        }
        for (Fields source : fields.objects("envFrom")) {
            source.text("prefix");
            for (String kind : List.of("configMapRef", "secretRef")) {
                source.object(kind).ifPresent(reference -> optionalOnly(source, kind, reference));
            }
            source.end();
        }
        Pod.Container container = new Pod.Container(
                name,
                fields.required("image"),
                fields.choice("imagePullPolicy", Pod.PullPolicy.values(), policy -> policy.word),
                fields.texts("command"),
                fields.texts("args"),
                fields.text("workingDir"),
                env(fields),
                resources(fields),
                mounts(fields),
                containerSecurity(fields),
                fields.isTrue("stdin"),
                fields.isTrue("stdinOnce"),
                fields.isTrue("tty"),
                sidecar,
                fields.objects("ports").stream().map(PodManifest::port).toList());
        fields.end();
        return container;
    }

    private static Pod.Port port(Fields fields) {
        var _ = fields.text("name");
        Optional<Long> containerPort = fields.number("containerPort", 1, 65535);
        if (containerPort.isEmpty() && !fields.has("containerPort")) {
            fields.problem("containerPort", "is missing");
        }
        Pod.Port port = new Pod.Port(
                fields.number("hostPort", 0, 65535).orElse(0L).intValue(),
                containerPort.orElse(1L).intValue(),
                fields.choice("protocol", Pod.PortProtocol.values(), Enum::name).orElse(Pod.PortProtocol.TCP),
                fields.text("hostIP").orElse(""));
        fields.end();
        return port;
    }

    /** A reference to what only a cluster has is nothing if it is optional, else an error. */
    private static void optionalOnly(Fields parent, String key, Fields reference) {
        reference.text("name");
        reference.text("key");
        if (!reference.isTrue("optional")) {
            parent.problem(key, NEEDS_A_CLUSTER + "; optional: true would leave it out");
        } else {
            parent.unused(key);
        }
        reference.end();
    }

    private static List<Pod.Env> env(Fields container) {
        List<Pod.Env> env = new ArrayList<>();
        for (Fields fields : container.objects("env")) {
            String name = fields.required("name");
            if (name.contains("=")) {
                fields.problem("name", "must not contain '='");
            }
            Optional<String> value = fields.text("value");
            Optional<Fields> from = fields.object("valueFrom");
            if (from.isPresent()) {
                if (value.isPresent() && !value.get().isEmpty()) {
                    fields.problem("valueFrom", "is there beside value; only one of the two may be");
                }
                from(name, from.get()).ifPresent(env::add);
            } else {
                env.add(new Pod.Env.Value(name, value.orElse("")));
            }
            fields.end();
        }
        return env;
    }

    private static Optional<Pod.Env> from(String name, Fields from) {
        for (String kind : List.of("configMapKeyRef", "secretKeyRef")) {
            from.object(kind).ifPresent(reference -> optionalOnly(from, kind, reference));
        }
        from.refused("is not offered here", "fileKeyRef");
        Optional<Pod.Env> found = Optional.empty();
        Optional<Fields> field = from.object("fieldRef");
        if (field.isPresent()) {
            String path = field.get().required("fieldPath");
            if (!path.isEmpty() && !PodTranslation.knowsField(path)) {
                field.get().problem("fieldPath", "\"" + path + "\" is no field that a container can be told");
            }
            choice(field.get(), "apiVersion", "v1");
            field.get().end();
            found = Optional.of(new Pod.Env.Field(name, path));
        }
        Optional<Fields> resource = from.object("resourceFieldRef");
        if (resource.isPresent()) {
            Fields fields = resource.get();
            String which = fields.required("resource");
            if (!which.isEmpty() && !which.matches("(limits|requests)\\.(cpu|memory|ephemeral-storage|hugepages-.+)")) {
                fields.problem("resource", "must be limits. or requests. with cpu, memory, ephemeral-storage");
            }
            found = Optional.of(new Pod.Env.Resource(
                    name,
                    fields.text("containerName").orElse(""),
                    which,
                    fields.quantity("divisor")
                            .filter(divisor -> divisor.amount().signum() > 0)
                            .orElse(Quantity.parse("1"))));
            fields.end();
        }
        from.end();
        return found;
    }

    private static Pod.Resources resources(Fields container) {
        Optional<Fields> resources = container.object("resources");
        if (resources.isEmpty()) {
            return new Pod.Resources(Map.of(), Map.of());
        }
        Fields fields = resources.get();
        fields.unused("claims");
        Pod.Resources read = new Pod.Resources(amounts(fields, "requests"), amounts(fields, "limits"));
        read.limits().forEach((name, limit) -> {
            Quantity request = read.requests().get(name);
            if (request != null && request.amount().compareTo(limit.amount()) > 0) {
                fields.problem("requests", name + " is more than its limit");
            }
        });
        fields.end();
        return read;
    }

    private static Map<String, Quantity> amounts(Fields resources, String key) {
        Map<String, Quantity> amounts = new LinkedHashMap<>();
        resources.object(key).ifPresent(fields -> {
            for (String name : fields.names()) {
                fields.quantity(name).ifPresent(amount -> amounts.put(name, amount));
                if (!name.equals("cpu") && !name.equals("memory") && !name.startsWith("hugepages-")) {
                    fields.unused(name);
                }
            }
        });
        return amounts;
    }

    private static List<Pod.VolumeMount> mounts(Fields container) {
        List<Pod.VolumeMount> mounts = new ArrayList<>();
        Set<String> paths = new HashSet<>();
        for (Fields fields : container.objects("volumeMounts")) {
            String path = fields.required("mountPath");
            if (path.contains(":")) {
                fields.problem("mountPath", "must not contain ':'");
            }
            if (!paths.add(path)) {
                fields.problem("mountPath", path + " is mounted twice");
            }
            Optional<String> subPath = fields.text("subPath");
            Optional<String> expression = fields.text("subPathExpr");
            if (subPath.isPresent() && expression.isPresent()) {
                fields.problem("subPathExpr", "is there beside subPath; only one of the two may be");
            }
            String below = subPath.or(() -> expression).orElse("");
            if (below.startsWith("/") || List.of(below.split("/")).contains("..")) {
                fields.problem(subPath.isPresent() ? "subPath" : "subPathExpr", "must be relative, without '..'");
            }
            boolean readOnly = fields.isTrue("readOnly");
            Pod.RecursiveReadOnly recursive = fields.choice(
                            "recursiveReadOnly", Pod.RecursiveReadOnly.values(), choice -> choice.word)
                    .orElse(Pod.RecursiveReadOnly.DISABLED);
            if (recursive != Pod.RecursiveReadOnly.DISABLED && !readOnly) {
                fields.problem("recursiveReadOnly", "needs readOnly: true");
            }
            mounts.add(new Pod.VolumeMount(
                    fields.required("name"),
                    path.startsWith("/") ? path : "/" + path,
                    readOnly,
                    recursive,
                    fields.choice("mountPropagation", Pod.Propagation.values(), choice -> choice.word)
                            .orElse(Pod.Propagation.NONE),
                    below,
                    expression.isPresent()));
            fields.end();
        }
        return mounts;
    }

    private Pod.ContainerSecurity containerSecurity(Fields container) {
        Fields fields = container.object("securityContext").orElseGet(() -> empty(container.at("securityContext")));
        fields.unused("windowsOptions");
        List<String> add = new ArrayList<>();
        List<String> drop = new ArrayList<>();
        fields.object("capabilities").ifPresent(capabilities -> {
            add.addAll(capabilities.texts("add"));
            drop.addAll(capabilities.texts("drop"));
            capabilities.end();
        });
        Optional<String> proc = choice(fields, "procMount", "Default", "Unmasked");
        Optional<Boolean> escalation = fields.bool("allowPrivilegeEscalation");
        boolean privileged = fields.isTrue("privileged");
        if (escalation.equals(Optional.of(false))
                && (privileged || add.stream().anyMatch(name -> name.matches("(?i)(CAP_)?SYS_ADMIN")))) {
            fields.problem("allowPrivilegeEscalation", "cannot be false beside privileged or SYS_ADMIN");
        }
        Pod.ContainerSecurity security = new Pod.ContainerSecurity(
                fields.number("runAsUser", 0, LARGEST_ID),
                fields.number("runAsGroup", 0, LARGEST_ID),
                fields.bool("runAsNonRoot"),
                privileged,
                fields.isTrue("readOnlyRootFilesystem"),
                escalation,
                add,
                drop,
                proc.equals(Optional.of("Unmasked")),
                profile(fields, "seccompProfile"),
                profile(fields, "appArmorProfile"),
                seLinux(fields));
        fields.end();
        return security;
    }

    private static List<Pod.Volume> volumes(Fields spec) {
        List<Pod.Volume> volumes = new ArrayList<>();
        for (Fields fields : spec.objects("volumes")) {
            String name = fields.required("name");
            Optional<Fields> empty = fields.object("emptyDir");
            Optional<Fields> host = fields.object("hostPath");
            if (empty.isPresent()) {
                volumes.add(emptyDir(name, empty.get()));
            } else if (host.isPresent()) {
                volumes.add(hostPath(name, host.get()));
            } else {
                refuseSource(fields, name);
            }
            for (String other : fields.names()) {
                fields.has(other);
            }
            if (fields.names().size() > 2) {
                fields.problem("name", "a volume has one source");
            }
            fields.end();
        }
        return volumes;
    }

    private static void refuseSource(Fields fields, String name) {
        String kind = fields.names().stream()
                .filter(other -> !other.equals("name"))
                .findFirst()
                .orElse("");
        if (kind.isEmpty()) {
            fields.problem("name", "volume " + name + " has no source; emptyDir: {} or hostPath is meant?");
        } else {
            fields.problem(kind, "volume " + name + ": only emptyDir and hostPath are offered here");
        }
    }

    private static Pod.Volume emptyDir(String name, Fields fields) {
        Optional<String> medium = choice(fields, "medium", "", "Memory");
        Pod.Volume volume =
                new Pod.Volume.EmptyDir(name, medium.equals(Optional.of("Memory")), fields.quantity("sizeLimit"));
        fields.end();
        return volume;
    }

    private static Pod.Volume hostPath(String name, Fields fields) {
        String path = fields.required("path");
        if (!path.startsWith("/") || List.of(path.split("/")).contains("..")) {
            fields.problem("path", "must be absolute, without '..'");
        }
        Pod.Volume volume = new Pod.Volume.HostPath(
                name,
                path,
                fields.choice("type", Pod.HostPathType.values(), type -> type.word)
                        .orElse(Pod.HostPathType.UNCHECKED));
        fields.end();
        return volume;
    }

    /** What concerns several fields. */
    private static void checkTogether(Pod pod, Fields spec) {
        if (pod.containers().isEmpty()) {
            spec.problem("containers", "at least one is needed");
        }
        unique(spec, "containers", pod.allContainers(), Pod.Container::name);
        unique(spec, "volumes", pod.volumes(), Pod.Volume::name);
        Set<String> volumes = new HashSet<>();
        pod.volumes().forEach(volume -> volumes.add(volume.name()));
        for (Pod.Container container : pod.allContainers()) {
            for (Pod.VolumeMount mount : container.mounts()) {
                if (!volumes.contains(mount.volume())) {
                    spec.problem(
                            "volumes",
                            "container " + container.name() + " mounts " + mount.volume() + ", not among them");
                }
                if (mount.propagation() == Pod.Propagation.BIDIRECTIONAL
                        && !container.security().privileged()) {
                    spec.problem("containers", container.name() + ": Bidirectional mounts need privileged: true");
                }
            }
            if (container.security().unmaskedProc() && pod.hostUsers()) {
                spec.problem("containers", container.name() + ": procMount Unmasked needs hostUsers: false");
            }
        }
        if (pod.hostPid() && pod.shareProcessNamespace()) {
            spec.problem("shareProcessNamespace", "cannot be true beside hostPID");
        }
        if (!pod.hostUsers() && (pod.hostPid() || pod.hostIpc())) {
            spec.problem("hostUsers", "cannot be false beside hostPID or hostIPC");
        }
        if (pod.dns().policy().equals(Optional.of(Pod.DnsPolicy.NONE))
                && pod.dns().servers().isEmpty()) {
            spec.problem("dnsConfig", "needs nameservers when dnsPolicy is None");
        }
    }

    private static <T> void unique(Fields spec, String key, List<T> items, Function<T, String> name) {
        Set<String> seen = new HashSet<>();
        for (T item : items) {
            if (!seen.add(name.apply(item))) {
                spec.problem(key, name.apply(item) + " is there twice");
            }
        }
    }
}
