package io.portafilter.cli;

import io.grpc.StatusRuntimeException;
import io.portafilter.audit.Audit;
import io.portafilter.audit.AuditedContainer;
import io.portafilter.config.ConfigException;
import io.portafilter.cri.GivenRightsJson;
import io.portafilter.cri.VerboseInfo;
import io.portafilter.cri.v1.Container;
import io.portafilter.cri.v1.ContainerFilter;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ContainerStateValue;
import io.portafilter.cri.v1.ContainerStatusRequest;
import io.portafilter.cri.v1.ContainerStatusResponse;
import io.portafilter.cri.v1.ListContainersRequest;
import io.portafilter.cri.v1.PodSandboxMetadata;
import io.portafilter.cri.v1.PodSandboxStatusRequest;
import io.portafilter.cri.v1.PodSandboxStatusResponse;
import io.portafilter.linux.Kernel;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "audit",
        description = {
            "Reads from the kernel what every process of every running container may do, those that were started later"
                    + " or by exec too: user, mapping, capability sets, seccomp filters, no_new_privs, label.",
            "A process that is not as its container was given is marked: '>' has more, '<' gave something up, '~' is in"
                    + " a user namespace that it made.",
            "Exit status: 0 when no process has more than its container was given, else 1."
        },
        mixinStandardHelpOptions = true)
final class AuditCommand implements Callable<Integer> {
    @Mixin
    private ServerOptions server = new ServerOptions();

    @Option(names = "--json", description = "An array of objects, one for each process, in place of a table.")
    private boolean json;

    @Parameters(
            paramLabel = "CONTAINER",
            arity = "0..1",
            description = "This container alone: id, its beginning, or name. Default: all.")
    private Optional<String> only = Optional.empty();

    @Override
    public Integer call() throws CommandException, ConfigException, InterruptedException {
        if (Kernel.geteuid() != 0) {
            throw new CommandException(ExitStatus.FAILED, "the processes of containers show themselves to root alone");
        }
        List<AuditedContainer> containers;
        try (Connection connection = server.connect()) {
            containers = containers(connection);
        }
        AuditReport report = new AuditReport(Audit.of(containers));
        System.out.print(json ? report.json() : report.text());
        System.out.flush();
        return report.hasMore() ? ExitStatus.FAILED : 0;
    }

    private List<AuditedContainer> containers(Connection connection) throws CommandException {
        ContainerFilter.Builder filter = ContainerFilter.newBuilder()
                .setState(ContainerStateValue.newBuilder().setState(ContainerState.CONTAINER_RUNNING));
        if (only.isPresent()) {
            filter.setId(Lookup.container(connection, only.get()).getId());
        }
        List<AuditedContainer> audited = new ArrayList<>();
        for (Container container : connection
                .runtime()
                .listContainers(
                        ListContainersRequest.newBuilder().setFilter(filter).build())
                .getContainersList()) {
            audited(connection, container).ifPresent(audited::add);
        }
        audited.sort(Comparator.comparing(AuditedContainer::name));
        return audited;
    }

    /** Absent for one that has ended by now. */
    private static Optional<AuditedContainer> audited(Connection connection, Container container) {
        try {
            PodSandboxStatusResponse pod = connection
                    .runtime()
                    .podSandboxStatus(PodSandboxStatusRequest.newBuilder()
                            .setPodSandboxId(container.getPodSandboxId())
                            .setVerbose(true)
                            .build());
            ContainerStatusResponse status = connection
                    .runtime()
                    .containerStatus(ContainerStatusRequest.newBuilder()
                            .setContainerId(container.getId())
                            .setVerbose(true)
                            .build());
            Map<String, Object> info = VerboseInfo.parse(status.getInfoOrDefault("info", "{}"));
            long init = pid(info);
            return info.get("given") instanceof Map<?, ?> given && init > 0
                    ? Optional.of(new AuditedContainer(
                            container.getId(),
                            name(pod.getStatus().getMetadata(), container),
                            Math.toIntExact(init),
                            Math.toIntExact(pid(VerboseInfo.parse(pod.getInfoOrDefault("info", "{}")))),
                            GivenRightsJson.read(given)))
                    : Optional.empty();
        } catch (StatusRuntimeException e) {
            if (Connection.isNotFound(e)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    private static long pid(Map<String, Object> info) {
        return info.get("pid") instanceof Long pid ? pid : 0;
    }

    private static String name(PodSandboxMetadata pod, Container container) {
        return pod.getNamespace() + "/" + pod.getName() + "/"
                + container.getMetadata().getName();
    }
}
