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

    /** A directory of the pause process's root, cloned from its mount namespace. */
    record OfPause(String target, String pausePath) implements MountPlan {}

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
