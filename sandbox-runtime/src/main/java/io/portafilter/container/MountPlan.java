package io.portafilter.container;

import java.util.List;
import java.util.Optional;

/** A mount that the launch program makes or attaches; {@code target} is a path inside the container. */
sealed interface MountPlan {

    String target();

    /** A file system of the launching process's own namespaces, which only it can make. */
    record FileSystem(String type, String target, List<Option> options, long attributes, boolean pidNamespace)
            implements MountPlan {
        public FileSystem {
            options = List.copyOf(options);
        }
    }

    /** A detached mount that the server made and hands over: slot MOUNT of that index. */
    record Prepared(String target, int index) implements MountPlan {}

    /** The detached mount of slot DEVICES. */
    record Devices(String target) implements MountPlan {}

    /** The file system of the container's terminals, {@link ContainerPlan#terminals}: slot TERMINALS. */
    record Terminals(String target) implements MountPlan {}

    /** The terminal of the container's program, bound by its descriptor. */
    record Console(String target) implements MountPlan {}

    /** A directory of the pause process's root, cloned from its mount namespace. */
    record OfPause(String target, String pausePath) implements MountPlan {}

    /** The proc file system of the container whose PID namespace is joined, cloned from its mount namespace. */
    record OfTarget(String target) implements MountPlan {}

    /** Where v1 cgroups are mounted: the detached mount of slot CGROUP_TREE. */
    record CgroupTree(String target) implements MountPlan {}

    /** The container's own cgroup in a v1 hierarchy: the detached mount of slot CGROUP_VIEW of that index. */
    record CgroupView(String target, int index) implements MountPlan {}

    /** An option of {@code fsconfig(2)}: a flag, or a key with a value. */
    record Option(String key, Optional<String> value) {
        static Option of(String key, String value) {
            return new Option(key, Optional.of(value));
        }

        static Option flag(String key) {
            return new Option(key, Optional.empty());
        }
    }
}
