package io.portafilter.e2e.kubelet;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** The cgroup below which kubelet makes all of its own. It wants to find it, in every hierarchy of version 1. */
final class CgroupRoot {
    private static final Path CGROUP = Path.of("/sys/fs/cgroup");

    private CgroupRoot() {}

    static void make(String name) {
        try {
            for (Path hierarchy : hierarchies()) {
                Path cgroup = hierarchy.resolve(name.substring(1));
                if (Files.isDirectory(cgroup)) {
                    continue;
                }
                Files.createDirectory(cgroup);
                // cgroup-v1/cpusets.rst: nothing runs in a cpuset that has no processor or no node
                for (String file : List.of("cpuset.cpus", "cpuset.mems")) {
                    if (Files.exists(cgroup.resolve(file))) {
                        Files.writeString(cgroup.resolve(file), Files.readString(hierarchy.resolve(file)));
                    }
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<Path> hierarchies() throws IOException {
        if (Files.exists(CGROUP.resolve("cgroup.controllers"))) {
            return List.of(CGROUP);
        }
        try (Stream<Path> all = Files.list(CGROUP)) {
            return all.filter(path -> Files.isDirectory(path) && !Files.isSymbolicLink(path))
                    .toList();
        }
    }
}
