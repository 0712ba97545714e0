package io.portafilter.cdi;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import org.snakeyaml.engine.v2.api.Load;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;

/**
 * Reads a specification, YAML or JSON, as the CDI specification 1.1.0 has it: a field that is unknown, or newer than the
 * version that the file claims, makes the file unusable.
 */
final class SpecificationReader {
    private static final long LARGEST_ID = (1L << 32) - 2;
    private static final long LARGEST_MAJOR = (1L << 12) - 1;
    private static final long LARGEST_MINOR = (1L << 20) - 1;

    /** The type of a file in its mode, which some specifications repeat (stat(2)). */
    private static final int FILE_TYPE = 0170000;

    private static final int PERMISSIONS = 0777;

    private static final Set<String> HOOKS =
            Set.of("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop");

    private CdiVersion needed = CdiVersion.V0_3_0;
    private String because = "";

    private SpecificationReader() {}

    /**
     * Reads it.
     *
     * @throws CdiException that says where it is wrong
     */
    static Specification read(SpecificationFile file) {
        return new SpecificationReader().specification(file, document(file));
    }

    private static Object document(SpecificationFile file) {
        try {
            Object document = new Load(LoadSettings.builder()
                            .setAllowDuplicateKeys(false)
                            .setCodePointLimit(SpecificationFile.MAX_BYTES)
                            .build())
                    .loadFromString(file.text());
            if (document == null) {
                throw new CdiException("is empty");
            }
            return document;
        } catch (MarkedYamlEngineException e) {
            String line = e.getProblemMark()
                    .map(mark -> "line " + (mark.getLine() + 1) + ": ")
                    .orElse("");
            throw new CdiException(line + e.getProblem(), e);
        } catch (YamlEngineException e) {
            throw new CdiException(String.valueOf(e.getMessage()), e);
        }
    }

    private Specification specification(SpecificationFile file, Object document) {
        SpecificationNode node = SpecificationNode.of("", document);
        CdiVersion version = CdiVersion.parse(node.required("cdiVersion"));
        String kind = node.required("kind");
        if (!DeviceName.isKind(kind)) {
            throw new CdiException("kind \"" + kind + "\" is not vendor/class, such as vendor.com/gpu");
        }
        if (kind.substring(kind.indexOf('/')).contains(".")) {
            need(CdiVersion.V0_6_0, "a class with a dot");
        }
        annotations(node);
        ContainerEdits edits = node.object("containerEdits").map(this::edits).orElse(ContainerEdits.NONE);
        Map<String, ContainerEdits> devices = new LinkedHashMap<>();
        for (SpecificationNode device : node.objects("devices")) {
            device(device, devices);
        }
        node.done();
        if (devices.isEmpty()) {
            throw new CdiException("devices is missing or empty");
        }
        if (version.compareTo(needed) < 0) {
            throw new CdiException("cdiVersion is " + version + ", and " + because + " needs " + needed + " at least");
        }
        return new Specification(file, kind, edits, devices);
    }

    private void device(SpecificationNode node, Map<String, ContainerEdits> devices) {
        String name = node.required("name");
        if (!DeviceName.isName(name)) {
            throw new CdiException(node.at() + ".name \"" + name + "\" is no name of a device");
        }
        if (Character.isDigit(name.charAt(0))) {
            need(CdiVersion.V0_5_0, "a device name that begins with a digit");
        }
        annotations(node);
        ContainerEdits edits = node.object("containerEdits").map(this::edits).orElse(ContainerEdits.NONE);
        node.done();
        if (edits.isEmpty()) {
            throw new CdiException(node.at() + ".containerEdits is missing or empty");
        }
        if (devices.put(name, edits) != null) {
            throw new CdiException("device \"" + name + "\" is there twice");
        }
    }

    private void annotations(SpecificationNode node) {
        if (node.annotations("annotations")) {
            need(CdiVersion.V0_6_0, "annotations");
        }
    }

    private void need(CdiVersion version, String what) {
        if (version.compareTo(needed) > 0) {
            needed = version;
            because = what;
        }
    }

    private ContainerEdits edits(SpecificationNode node) {
        List<ContainerEdits.Node> nodes =
                node.objects("deviceNodes").stream().map(this::deviceNode).toList();
        List<ContainerEdits.Mount> mounts =
                node.objects("mounts").stream().map(this::mount).toList();
        List<Long> groups = node.numbers("additionalGids", 0, Integer.MAX_VALUE);
        if (!groups.isEmpty()) {
            need(CdiVersion.V0_7_0, "additionalGids");
        }
        List<String> notDone = new ArrayList<>();
        for (SpecificationNode hook : node.objects("hooks")) {
            notDone.add(hook(hook));
        }
        node.object("intelRdt").ifPresent(rdt -> {
            intelRdt(rdt);
            notDone.add("intelRdt");
        });
        for (SpecificationNode device : node.objects("netDevices")) {
            need(CdiVersion.V1_1_0, "netDevices");
            notDone.add(
                    "the network device " + device.required("hostInterfaceName") + " as " + device.required("name"));
            device.done();
        }
        List<String> environment = node.environment("env");
        node.done();
        return new ContainerEdits(
                environment,
                nodes,
                mounts,
                groups.stream().filter(group -> group != 0).toList(),
                notDone);
    }

    private ContainerEdits.Node deviceNode(SpecificationNode node) {
        String path = node.required("path");
        Optional<String> hostPath = node.text("hostPath").filter(text -> !text.isEmpty());
        if (hostPath.isPresent()) {
            need(CdiVersion.V0_5_0, "hostPath of a device node");
        }
        Optional<Character> type = node.text("type")
                .filter(text -> !text.isEmpty())
                .map(text -> switch (text) {
                    case "b" -> 'b';
                    case "c", "u" -> 'c'; // unbuffered, mknod(1)
                    default -> throw new CdiException(node.at() + ".type \"" + text + "\" is neither b nor c");
                });
        ContainerEdits.Node read = new ContainerEdits.Node(
                path,
                hostPath.orElse(path),
                type,
                (int) node.number("major", 0, LARGEST_MAJOR).orElse(0),
                (int) node.number("minor", 0, LARGEST_MINOR).orElse(0),
                mode(node),
                access(node),
                node.number("uid", 0, LARGEST_ID),
                node.number("gid", 0, LARGEST_ID));
        node.done();
        return read;
    }

    private static Optional<Integer> mode(SpecificationNode node) {
        OptionalLong number = node.number("fileMode", 0, Integer.MAX_VALUE);
        if (number.isEmpty()) {
            return Optional.empty();
        }
        int mode = (int) number.getAsLong() & ~FILE_TYPE;
        if ((mode & ~PERMISSIONS) != 0) {
            throw new CdiException(
                    node.at() + ".fileMode has other bits than permissions: 0" + Integer.toOctalString(mode));
        }
        return Optional.of(mode);
    }

    private static String access(SpecificationNode node) {
        String permissions = node.text("permissions").orElse("");
        return switch (permissions) {
            case "" -> "rwm";
            case "none" -> "";
            default -> {
                if (!permissions.matches("[rwm]+")) {
                    throw new CdiException(
                            node.at() + ".permissions \"" + permissions + "\" is no subset of rwm, nor none");
                }
                StringBuilder each = new StringBuilder();
                for (String one : List.of("r", "w", "m")) {
                    each.append(permissions.contains(one) ? one : "");
                }
                yield each.toString();
            }
        };
    }

    private ContainerEdits.Mount mount(SpecificationNode node) {
        String type = node.text("type").orElse("");
        if (!type.isEmpty()) {
            need(CdiVersion.V0_4_0, "type of a mount");
        }
        ContainerEdits.Mount mount = new ContainerEdits.Mount(
                node.required("hostPath"), node.required("containerPath"), type, node.texts("options"));
        node.done();
        return mount;
    }

    private static String hook(SpecificationNode node) {
        String name = node.required("hookName");
        if (!HOOKS.contains(name)) {
            throw new CdiException(node.at() + ".hookName \"" + name + "\" is no hook");
        }
        String path = node.required("path");
        var _ = node.texts("args");
        var _ = node.environment("env");
        var _ = node.number("timeout", Integer.MIN_VALUE, Integer.MAX_VALUE);
        node.done();
        return "the " + name + " hook " + path;
    }

    private void intelRdt(SpecificationNode node) {
        need(CdiVersion.V0_7_0, "intelRdt");
        var _ = node.text("closID");
        var _ = node.text("l3CacheSchema");
        var _ = node.text("memBwSchema");
        boolean monitored = node.truth("enableMonitoring");
        if (node.has("schemata") || monitored) {
            need(CdiVersion.V1_1_0, "schemata and enableMonitoring of intelRdt");
        }
        var _ = node.texts("schemata");
        // fields of versions before 1.1.0
        var _ = node.truth("enableCMT");
        var _ = node.truth("enableMBM");
        node.done();
    }
}
