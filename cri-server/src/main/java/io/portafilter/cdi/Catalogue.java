package io.portafilter.cdi;

import io.portafilter.linux.DirectoryEntry;
import io.portafilter.linux.DirectoryTree;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.LinuxConstants;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * The devices that the specifications of a node describe, as they were when it was read. A device of a later directory
 * hides one of the same name in an earlier; one that two files of a directory describe is nobody's. A file that cannot be
 * used takes nothing from the others.
 */
public final class Catalogue {
    private static final int MOST_NAMED = 8;

    private record Device(Specification specification, ContainerEdits edits) {}

    private final List<Path> directories;
    private final Map<String, Device> devices = new TreeMap<>();
    private final Map<Path, String> problems = new TreeMap<>();

    private Catalogue(List<Path> directories) {
        this.directories = List.copyOf(directories);
    }

    /**
     * Reads all {@code .json} and {@code .yaml} files of the directories; one that does not exist has none.
     *
     * @param directories later ones go before
     */
    public static Catalogue read(List<Path> directories) {
        Catalogue catalogue = new Catalogue(directories);
        for (int i = 0; i < directories.size(); i++) {
            catalogue.readDirectory(directories.get(i), i);
        }
        return catalogue;
    }

    /** What {@link Injection#keep} kept in this directory; nothing if it is not there. */
    public static Catalogue kept(Path directory) {
        Set<Integer> numbers = new TreeSet<>();
        names(directory).forEach(name -> numbers.add(Integer.valueOf(name)));
        return read(numbers.stream()
                .map(number -> directory.resolve(number.toString()))
                .toList());
    }

    /** Directories and files that cannot be used, and devices that several describe, a sentence each. */
    public List<String> problems() {
        return problems.entrySet().stream()
                .map(problem -> problem.getKey() + ": " + problem.getValue())
                .toList();
    }

    /** The qualified names of all devices, sorted. */
    public Collection<String> names() {
        return List.copyOf(devices.keySet());
    }

    /**
     * What these devices change of a container.
     *
     * @throws CdiException if one of them is not described, or by two files
     */
    public Injection injection(Collection<DeviceName> names) {
        List<String> unknown = names.stream()
                .map(DeviceName::toString)
                .filter(name -> !devices.containsKey(name))
                .toList();
        if (!unknown.isEmpty()) {
            throw new CdiException(notDescribed(unknown));
        }
        ContainerEdits edits = ContainerEdits.NONE;
        Set<Specification> used = new LinkedHashSet<>();
        for (DeviceName name : names) {
            Device device = devices.get(name.toString());
            if (device == null) {
                throw new IllegalStateException(name + " was there");
            }
            if (used.add(device.specification())) {
                edits = edits.and(device.specification().edits());
            }
            edits = edits.and(device.edits());
        }
        return new Injection(used.stream().map(Specification::file).toList(), edits);
    }

    private String notDescribed(List<String> unknown) {
        String read = directories.stream().map(Path::toString).collect(Collectors.joining(", "));
        StringBuilder sentence = new StringBuilder(String.join(", ", unknown))
                .append(unknown.size() == 1 ? " is" : " are")
                .append(" described in no file of ")
                .append(read.isEmpty() ? "any directory" : read);
        String there = devices.keySet().stream().limit(MOST_NAMED).collect(Collectors.joining(", "));
        sentence.append(", which describe ")
                .append(devices.isEmpty() ? "no device" : there)
                .append(devices.size() > MOST_NAMED ? " and " + (devices.size() - MOST_NAMED) + " more" : "");
        problems().stream()
                .limit(MOST_NAMED)
                .forEach(problem -> sentence.append("; not used: ").append(problem));
        return sentence.toString();
    }

    private void readDirectory(Path directory, int number) {
        Map<String, Device> here = new HashMap<>();
        Set<String> conflicts = new TreeSet<>();
        List<String> names;
        try {
            names = names(directory);
        } catch (KernelException e) {
            problems.put(directory, "cannot be listed: " + e.errno());
            return;
        }
        for (String name : names) {
            if (name.endsWith(".json") || name.endsWith(".yaml")) {
                Path path = directory.resolve(name);
                try {
                    Specification specification = SpecificationReader.read(SpecificationFile.read(path, number));
                    add(specification, here, conflicts);
                } catch (CdiException e) {
                    problems.put(path, String.valueOf(e.getMessage()));
                }
            }
        }
        devices.putAll(here);
        conflicts.forEach(devices::remove);
    }

    private void add(Specification specification, Map<String, Device> here, Set<String> conflicts) {
        specification.devices().forEach((name, edits) -> {
            String qualified = new DeviceName(specification.kind(), name).toString();
            Device other = here.putIfAbsent(qualified, new Device(specification, edits));
            if (other != null) {
                conflicts.add(qualified);
                problems.merge(
                        specification.file().path(),
                        qualified + " is described in "
                                + other.specification().file().path() + " too",
                        (before, after) -> before + "; " + after);
            }
        });
    }

    /** Sorted; subdirectories are left to whoever opens them. */
    private static List<String> names(Path directory) {
        int flags = LinuxConstants.O_RDONLY | LinuxConstants.O_DIRECTORY | LinuxConstants.O_CLOEXEC;
        try (Fd opened = Kernel.open(directory.toString(), flags)) {
            List<String> names = new ArrayList<>();
            for (DirectoryEntry entry : DirectoryTree.list(opened)) {
                names.add(entry.name());
            }
            names.sort(null);
            return names;
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT)) {
                return List.of();
            }
            throw e;
        }
    }
}
