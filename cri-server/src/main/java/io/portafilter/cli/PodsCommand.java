package io.portafilter.cli;

import io.portafilter.cri.v1.ListPodSandboxRequest;
import io.portafilter.cri.v1.ListPodSandboxResponse;
import io.portafilter.cri.v1.PodSandbox;
import io.portafilter.cri.v1.PodSandboxState;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(name = "pods", description = "Lists pod sandboxes, as crictl does.", mixinStandardHelpOptions = true)
final class PodsCommand implements Callable<Integer> {
    @Mixin
    private ServerOptions server = new ServerOptions();

    @Mixin
    private ListOptions list = new ListOptions();

    @Override
    public Integer call() throws Exception {
        try (Connection connection = server.connect()) {
            ListPodSandboxResponse pods =
                    connection.runtime().listPodSandbox(ListPodSandboxRequest.getDefaultInstance());
            Table table = new Table("POD ID", "CREATED", "STATE", "NAME", "NAMESPACE", "ATTEMPT", "RUNTIME");
            List<PodSandbox> newestFirst = pods.getItemsList().stream()
                    .sorted(Comparator.comparingLong(PodSandbox::getCreatedAt).reversed())
                    .toList();
            for (PodSandbox pod : newestFirst) {
                table.row(
                        Shown.id(pod.getId()),
                        Shown.ago(pod.getCreatedAt(), Instant.now()),
                        pod.getState() == PodSandboxState.SANDBOX_READY ? "Ready" : "NotReady",
                        pod.getMetadata().getName(),
                        pod.getMetadata().getNamespace(),
                        Integer.toUnsignedString(pod.getMetadata().getAttempt()),
                        pod.getRuntimeHandler().isEmpty() ? "(default)" : pod.getRuntimeHandler());
            }
            list.print(
                    ListPodSandboxResponse.newBuilder().addAllItems(newestFirst).build(), table);
        }
        return 0;
    }
}
