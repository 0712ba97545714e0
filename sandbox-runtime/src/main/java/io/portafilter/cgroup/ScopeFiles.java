package io.portafilter.cgroup;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The files of a scope that systemd writes, with what they held: it writes more than it was asked to, quotas rounded,
 * and what it knows of a scope is not all that was set.
 */
public final class ScopeFiles {
    /** In an order in which they can be written: an idle cgroup takes no weight. */
    private static final List<String> NAMES = List.of(
            "cpu.idle",
            "cpu.weight",
            "cpu.max",
            "cpuset.mems",
            "cpuset.cpus",
            "io.weight",
            "memory.min",
            "memory.low",
            "memory.max",
            "memory.high",
            "memory.swap.max",
            "memory.zswap.max",
            "memory.oom.group",
            "pids.max");

    private final CgroupDirectory directory;
    private final Map<String, String> values = new LinkedHashMap<>();

    private ScopeFiles(CgroupDirectory directory) {
        this.directory = directory;
    }

    /** Reads those that are there. */
    public static ScopeFiles read(CgroupHierarchy.V2 hierarchy, String path) {
        ScopeFiles files = new ScopeFiles(new CgroupDirectory(hierarchy.directory() + new CgroupPath(path).value()));
        for (String name : NAMES) {
            files.directory.readIfPresent(name).ifPresent(text -> files.values.put(name, first(text)));
        }
        return files;
    }

    /** Writes those again that hold something else now. */
    public void restore() {
        values.forEach((name, value) -> {
            boolean changed = directory
                    .readIfPresent(name)
                    .filter(text -> !first(text).equals(value))
                    .isPresent();
            if (changed) {
                directory.write(name, value.isEmpty() ? Journal.NOTHING : value);
            }
        });
    }

    /** Of io.weight, the line of the default; those of single devices systemd leaves alone. */
    private static String first(String text) {
        return text.lines().findFirst().orElse("");
    }
}
