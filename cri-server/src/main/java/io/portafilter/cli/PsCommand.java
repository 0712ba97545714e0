package io.portafilter.cli;

import io.portafilter.cri.v1.Container;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ListContainersRequest;
import io.portafilter.cri.v1.ListContainersResponse;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "ps", description = "Lists containers, as crictl does.", mixinStandardHelpOptions = true)
final class PsCommand implements Callable<Integer> {
    @Mixin
    private ServerOptions server = new ServerOptions();

    @Mixin
    private ListOptions list = new ListOptions();

    @Option(
            names = {"-a", "--all"},
            description = "Those that do not run too.")
    private boolean all;

    @Override
    public Integer call() throws Exception {
        try (Connection connection = server.connect()) {
            List<Container> containers =
                    connection
                            .runtime()
                            .listContainers(ListContainersRequest.getDefaultInstance())
                            .getContainersList()
                            .stream()
                            .filter(container -> all || container.getState() == ContainerState.CONTAINER_RUNNING)
                            .sorted(Comparator.comparingLong(Container::getCreatedAt)
                                    .reversed())
                            .toList();
            Table table = new Table(
                    "CONTAINER", "IMAGE", "CREATED", "STATE", "NAME", "ATTEMPT", "POD ID", "POD", "NAMESPACE");
            for (Container container : containers) {
                table.row(
                        Shown.id(container.getId()),
                        image(container),
                        Shown.ago(container.getCreatedAt(), Instant.now()),
                        state(container.getState()),
                        container.getMetadata().getName(),
                        Integer.toUnsignedString(container.getMetadata().getAttempt()),
                        Shown.id(container.getPodSandboxId()),
                        container.getLabelsOrDefault("io.kubernetes.pod.name", "unknown"),
                        container.getLabelsOrDefault("io.kubernetes.pod.namespace", "unknown"));
            }
            list.print(
                    ListContainersResponse.newBuilder()
                            .addAllContainers(containers)
                            .build(),
                    table);
        }
        return 0;
    }

    private static String image(Container container) {
        String asked = container.getImage().getUserSpecifiedImage();
        String image = asked.isEmpty() ? container.getImage().getImage() : asked;
        return image.matches("(sha256:)?[0-9a-f]{64}") ? Shown.id(image) : image;
    }

    static String state(ContainerState state) {
        return switch (state) {
            case CONTAINER_CREATED -> "Created";
            case CONTAINER_RUNNING -> "Running";
            case CONTAINER_EXITED -> "Exited";
            case CONTAINER_UNKNOWN, UNRECOGNIZED -> "Unknown";
        };
    }
}
