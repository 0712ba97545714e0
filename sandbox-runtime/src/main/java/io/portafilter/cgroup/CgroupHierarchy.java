package io.portafilter.cgroup;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelText;
import io.portafilter.linux.LinuxConstants;
import io.portafilter.linux.MountInfo;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Where this host's cgroups are mounted. A hybrid host (version 1, and 2 without controllers) counts as version 1. */
public sealed interface CgroupHierarchy {
    /** A machine with many mounts has a long {@code mountinfo}. */
    int MAX_PROC_FILE_BYTES = 64 << 20;

    /**
     * Cgroup version 1.
     *
     * @param mounts one for each hierarchy
     */
    record V1(List<Mount> mounts) implements CgroupHierarchy {
        public V1 {
            mounts = List.copyOf(mounts);
        }

        /** The hierarchy that has this controller. */
        Optional<Mount> of(String controller) {
            // not by a stream: asked for each file of each cgroup that is measured
            for (Mount mount : mounts) {
                if (mount.controllers().contains(controller)) {
                    return Optional.of(mount);
                }
            }
            return Optional.empty();
        }
    }

    /**
     * Cgroup version 2.
     *
     * @param directory where its root is mounted
     * @param root the path of that root as {@code /proc/PID/cgroup} would show it, {@code /} as a rule
     */
    record V2(String directory, String root) implements CgroupHierarchy {
        String shownPath(String path) {
            return CgroupHierarchy.join(root, path);
        }
    }

    /**
     * A mounted hierarchy of version 1.
     *
     * @param line its controllers as {@code /proc/PID/cgroup} writes them, such as {@code cpu,cpuacct}
     * @param controllers the same, taken apart
     * @param directory where it is mounted
     * @param root the path of what is mounted there, {@code /} as a rule
     */
    record Mount(String line, Set<String> controllers, String directory, String root) {
        public Mount {
            controllers = Set.copyOf(controllers);
        }

        /** The name of the directory where it is mounted. */
        String name() {
            return directory.substring(directory.lastIndexOf('/') + 1);
        }

        String shownPath(String path) {
            return CgroupHierarchy.join(root, path);
        }
    }

    /**
     * The names of the hierarchies of version 1 that a cgroup with these limits is joined in, see {@link
     * CgroupView#hierarchy}; empty for version 2.
     */
    default List<String> joined(CgroupLimits limits) {
        return switch (this) {
            case V1 hierarchy ->
                CgroupV1.mountsFor(hierarchy, limits).stream().map(Mount::name).toList();
            case V2 _ -> List.of();
        };
    }

    /** What requests ask for that this host leaves undone, a sentence each; nothing is refused for it. */
    default List<String> shortcomings() {
        List<String> found = new ArrayList<>();
        switch (this) {
            case V1 hierarchy -> {
                if (hierarchy.of("hugetlb").isEmpty()) {
                    found.add(NO_HUGETLB);
                }
                boolean countsSwap = hierarchy
                        .of("memory")
                        .filter(memory -> new CgroupDirectory(memory.directory()).exists("memory.memsw.limit_in_bytes"))
                        .isPresent();
                if (!countsSwap) {
                    found.add("the swap of containers is not limited: this kernel does not count it; boot it with"
                            + " swapaccount=1 if the host has swap");
                }
            }
            case V2 hierarchy -> {
                String controllers = new CgroupDirectory(hierarchy.directory())
                        .readIfPresent("cgroup.controllers")
                        .orElse("");
                if (!List.of(controllers.split(" ")).contains("hugetlb")) {
                    found.add(NO_HUGETLB);
                }
            }
        }
        return List.copyOf(found);
    }

    /** kubelet sends a limit for every page size. */
    String NO_HUGETLB = "hugepage_limits are skipped: this host has no cgroup controller hugetlb";

    /** Reads {@code /proc/self/mountinfo} and {@code /proc/self/cgroup}. */
    static CgroupHierarchy detect() {
        return of(MountInfo.parse(read("/proc/self/mountinfo")), read("/proc/self/cgroup"));
    }

    /** What these mounts and this text of {@code /proc/self/cgroup} say. */
    static CgroupHierarchy of(List<MountInfo> mounts, String selfCgroup) {
        List<Mount> found = new ArrayList<>();
        for (String line : selfCgroup.lines().toList()) {
            String[] fields = line.split(":", 3);
            if (fields.length == 3 && !fields[1].isEmpty()) {
                Set<String> controllers = Set.of(fields[1].split(","));
                mounts.stream()
                        .filter(mount -> mount.type().equals("cgroup"))
                        .filter(mount ->
                                List.of(mount.superOptions().split(",")).containsAll(controllers))
                        .filter(mount -> isBelowOurRoot(mount.root()))
                        .findFirst()
                        .ifPresent(mount ->
                                found.add(new Mount(fields[1], controllers, mount.mountPoint(), mount.root())));
            }
        }
        if (found.stream().anyMatch(mount -> !mount.line().startsWith("name="))) {
            return new V1(found);
        }
        return mounts.stream()
                .filter(mount -> mount.type().equals("cgroup2"))
                .filter(mount -> isBelowOurRoot(mount.root()))
                .findFirst()
                .map(mount -> new V2(mount.mountPoint(), mount.root()))
                .orElseThrow(
                        () -> new CgroupRefusal("no cgroup file system is mounted: /proc/self/mountinfo has neither"
                                + " cgroup nor cgroup2; mount cgroup2 on /sys/fs/cgroup"));
    }

    private static String read(String path) {
        try (Fd file = Kernel.open(path, LinuxConstants.O_RDONLY)) {
            byte[] bytes = Kernel.readAll(file, MAX_PROC_FILE_BYTES);
            return KernelText.decode(bytes, 0, bytes.length);
        }
    }

    /** A root of {@code /..} lies outside of our cgroup namespace: no path would lead there. */
    private static boolean isBelowOurRoot(String root) {
        return !root.startsWith("/..");
    }

    private static String join(String root, String path) {
        return root.equals("/") ? path : root + path;
    }
}
