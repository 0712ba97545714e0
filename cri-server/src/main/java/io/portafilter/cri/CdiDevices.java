package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;
import static io.portafilter.cri.CriException.shown;
import static io.portafilter.cri.CriException.unsupported;

import io.grpc.Status;
import io.portafilter.cdi.Catalogue;
import io.portafilter.cdi.CdiException;
import io.portafilter.cdi.DeviceName;
import io.portafilter.cdi.Injection;
import io.portafilter.cri.v1.CDIDevice;
import io.portafilter.cri.v1.ContainerConfig;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * The devices of the Container Device Interface that a container asks for by name. A container keeps copies of the
 * specifications: what becomes of it later is decided by what they said when it was created.
 *
 * @param directories of the node's specifications, later ones go before
 * @param stateDirectory the container's
 */
record CdiDevices(List<Path> directories, Path stateDirectory) {

    /** What asks for devices where a kubelet or a device plugin cannot fill the field. */
    private static final String ANNOTATION = "cdi.k8s.io/";

    static final String FIELD = "config.CDI_devices";

    /** Where specifications come from. */
    @FunctionalInterface
    interface Source {
        /** What the devices change; refuses those that are not described. */
        Injection of(List<DeviceName> names);
    }

    CdiDevices {
        directories = List.copyOf(directories);
    }

    /** What the devices that a request asks for change of the container; refuses what cannot be done of it. */
    static Injection asked(ContainerConfig config, Source source) {
        List<DeviceName> names = names(config);
        if (names.isEmpty()) {
            return Injection.NONE;
        }
        Injection injection = source.of(names);
        List<String> notDone = injection.edits().notDone();
        if (!notDone.isEmpty()) {
            throw unsupported(
                    FIELD,
                    names.stream().map(DeviceName::toString).collect(Collectors.joining(", ")) + " of "
                            + injection.paths().stream().map(Path::toString).collect(Collectors.joining(", "))
                            + " would need "
                            + notDone.stream().distinct().collect(Collectors.joining(", "))
                            + ": hooks are not run, Intel RDT is not set and network devices are not moved",
                    "use specifications that do without");
        }
        return injection;
    }

    /** Each once: those of the field in its order, then those of the annotations, by the annotations' names. */
    private static List<DeviceName> names(ContainerConfig config) {
        Map<String, DeviceName> names = new LinkedHashMap<>();
        for (int i = 0; i < config.getCDIDevicesCount(); i++) {
            CDIDevice device = config.getCDIDevices(i);
            names.putIfAbsent(device.getName(), name(FIELD + "[" + i + "].name", device.getName()));
        }
        new TreeMap<>(config.getAnnotationsMap()).forEach((key, value) -> {
            if (key.startsWith(ANNOTATION)) {
                for (String name : value.split(",", -1)) {
                    names.putIfAbsent(name, name("config.annotations[" + key + "]", name));
                }
            }
        });
        return new ArrayList<>(names.values());
    }

    private static DeviceName name(String field, String text) {
        try {
            return DeviceName.parse(text);
        } catch (CdiException e) {
            throw invalid(field, shown(text) + " " + e.getMessage(), "name a device as its vendor does");
        }
    }

    /** From the node's specifications as they are now. */
    Injection fromNode(List<DeviceName> names) {
        return injection(Catalogue.read(directories), names);
    }

    /** From the container's copies. */
    Injection kept(List<DeviceName> names) {
        Catalogue copies = Catalogue.kept(copies());
        if (copies.names().isEmpty()) {
            // after a reboot the container has ended: nothing will be changed any more
            return Injection.NONE;
        }
        return injection(copies, names);
    }

    private static Injection injection(Catalogue catalogue, List<DeviceName> names) {
        try {
            return catalogue.injection(names);
        } catch (CdiException e) {
            throw new CriException(
                    Status.Code.INVALID_ARGUMENT,
                    FIELD,
                    String.valueOf(e.getMessage()),
                    "install the specification of the device's vendor, or name another device",
                    e);
        }
    }

    /** Keeps copies of the specifications that were used. */
    void keep(Injection used) {
        used.keep(copies());
    }

    private Path copies() {
        return stateDirectory.resolve("cdi");
    }
}
