package io.portafilter.cdi;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What a device changes of a container. Paths are as the file has them.
 *
 * @param environment {@code NAME=VALUE}, which replace those of the same name
 * @param deviceNodes to make, in place of others at the same paths
 * @param mounts to attach, in place of others at the same paths
 * @param additionalGroups that its processes are in too; no 0 among them
 * @param notDone what the file asks for besides and Portafilter does not do, a few words each
 */
public record ContainerEdits(
        List<String> environment,
        List<Node> deviceNodes,
        List<Mount> mounts,
        List<Long> additionalGroups,
        List<String> notDone) {

    /** Changes nothing. */
    public static final ContainerEdits NONE = new ContainerEdits(List.of(), List.of(), List.of(), List.of(), List.of());

    public ContainerEdits {
        environment = List.copyOf(environment);
        deviceNodes = List.copyOf(deviceNodes);
        mounts = List.copyOf(mounts);
        additionalGroups = List.copyOf(additionalGroups);
        notDone = List.copyOf(notDone);
    }

    /**
     * A device node.
     *
     * @param path in the container
     * @param hostPath of the device on the host, whose type, numbers and mode fill in what is absent here
     * @param type {@code b} or {@code c}; absent: the host's
     * @param major 0: the host's numbers
     * @param mode permission bits; absent: the host's
     * @param access a subset of {@code rwm}, empty for none
     * @param uid the owner, as the container counts; absent: the user that its program runs as
     * @param gid likewise its group
     */
    public record Node(
            String path,
            String hostPath,
            Optional<Character> type,
            int major,
            int minor,
            Optional<Integer> mode,
            String access,
            OptionalLong uid,
            OptionalLong gid) {}

    /** A mount, with options as runtimes spell them ({@code mount(8)}). */
    public record Mount(String hostPath, String containerPath, String type, List<String> options) {
        public Mount {
            options = List.copyOf(options);
        }
    }

    boolean isEmpty() {
        return equals(NONE);
    }

    /** These, then the others. */
    ContainerEdits and(ContainerEdits later) {
        return new ContainerEdits(
                joined(environment, later.environment),
                joined(deviceNodes, later.deviceNodes),
                joined(mounts, later.mounts),
                joined(additionalGroups, later.additionalGroups),
                joined(notDone, later.notDone));
    }

    private static <T> List<T> joined(List<T> first, List<T> second) {
        List<T> all = new ArrayList<>(first);
        all.addAll(second);
        return all;
    }
}
