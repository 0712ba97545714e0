package io.portafilter.cli;

import io.portafilter.cri.v1.Container;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ListContainersRequest;
import java.util.Comparator;
import java.util.List;

/** Finds the container that a person means. */
final class Lookup {
    private Lookup() {}

    /**
     * The container with this id or the beginning of it, or with this name, or the only one of the pod with this name,
     * or POD/CONTAINER; of several attempts or runs the newest.
     */
    static Container container(Connection connection, String asked) throws CommandException {
        List<Container> all =
                connection
                        .runtime()
                        .listContainers(ListContainersRequest.getDefaultInstance())
                        .getContainersList()
                        .stream()
                        .sorted(Comparator.comparing((Container container) -> !isRunning(container))
                                .thenComparing(Comparator.comparingLong(Container::getCreatedAt)
                                        .reversed()))
                        .toList();
        List<Container> byId = all.stream()
                .filter(container -> container.getId().startsWith(asked))
                .toList();
        if (byId.size() == 1) {
            return byId.getFirst();
        }
        if (byId.size() > 1 && asked.matches("[0-9a-f]+")) {
            throw new CommandException(ExitStatus.FAILED, asked + " is the beginning of " + byId.size() + " ids");
        }
        List<Container> byName = all.stream()
                .filter(container -> container.getMetadata().getName().equals(asked)
                        || (pod(container) + "/" + container.getMetadata().getName()).equals(asked))
                .toList();
        if (!byName.isEmpty()) {
            return byName.getFirst();
        }
        List<Container> ofPod =
                all.stream().filter(container -> pod(container).equals(asked)).toList();
        if (ofPod.isEmpty()) {
            throw new CommandException(
                    ExitStatus.FAILED, "no container is called " + asked + ": portafilter ps -a lists them");
        }
        Container newest = ofPod.getFirst();
        List<String> names = ofPod.stream()
                .filter(container -> container.getPodSandboxId().equals(newest.getPodSandboxId()))
                .map(container -> container.getMetadata().getName())
                .distinct()
                .sorted()
                .toList();
        if (names.size() > 1) {
            throw new CommandException(
                    ExitStatus.FAILED,
                    "pod " + asked + " has several containers, say which: " + asked + "/"
                            + String.join(", " + asked + "/", names));
        }
        return newest;
    }

    private static boolean isRunning(Container container) {
        return container.getState() == ContainerState.CONTAINER_RUNNING;
    }

    private static String pod(Container container) {
        return container.getLabelsOrDefault("io.kubernetes.pod.name", "");
    }
}
