package io.portafilter.cri;

import static io.portafilter.cri.CriException.precondition;

import com.google.protobuf.ByteString;
import io.portafilter.cgroup.CgroupUsage;
import io.portafilter.cgroup.Pressure;
import io.portafilter.cri.v1.ContainerAttributes;
import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.ContainerFilter;
import io.portafilter.cri.v1.ContainerStats;
import io.portafilter.cri.v1.ContainerStatsFilter;
import io.portafilter.cri.v1.CpuUsage;
import io.portafilter.cri.v1.FilesystemIdentifier;
import io.portafilter.cri.v1.FilesystemUsage;
import io.portafilter.cri.v1.IoUsage;
import io.portafilter.cri.v1.LinuxPodSandboxStats;
import io.portafilter.cri.v1.MemoryUsage;
import io.portafilter.cri.v1.NetworkInterfaceUsage;
import io.portafilter.cri.v1.NetworkUsage;
import io.portafilter.cri.v1.PodSandboxAttributes;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.PodSandboxFilter;
import io.portafilter.cri.v1.PodSandboxState;
import io.portafilter.cri.v1.PodSandboxStateValue;
import io.portafilter.cri.v1.PodSandboxStats;
import io.portafilter.cri.v1.PodSandboxStatsFilter;
import io.portafilter.cri.v1.ProcessUsage;
import io.portafilter.cri.v1.PsiData;
import io.portafilter.cri.v1.PsiStats;
import io.portafilter.cri.v1.SwapUsage;
import io.portafilter.cri.v1.UInt64Value;
import io.portafilter.linux.InterfaceCounters;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.ContainerState;
import io.portafilter.state.PodRecord;
import io.portafilter.state.PodState;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.stream.Stream;

/**
 * What containers and pods use, as CRI tells it. A container's numbers are its cgroup's, a pod's those of the cgroup that
 * its containers are in. What the kernel does not count is left unset.
 */
final class Statistics {

    private static final Logger LOG = System.getLogger(Statistics.class.getName());

    private final Node node;
    private final Path root;
    private final Listing listing;
    private final WritableLayers layers;

    /**
     * Answers for one server.
     *
     * @param root the directory that stands for the file system, as ImageFsInfo names it
     */
    Statistics(Node node, Path root, Listing listing, WritableLayers layers) {
        this.node = node;
        this.root = root;
        this.listing = listing;
        this.layers = layers;
    }

    // ---- lists

    /** Serialised messages of type ContainerStats, of all containers for which the filter holds, whatever their state. */
    Stream<ByteString> containers(ContainerStatsFilter filter) {
        ContainerFilter chosen = ContainerFilter.newBuilder()
                .setId(filter.getId())
                .setPodSandboxId(filter.getPodSandboxId())
                .putAllLabelSelector(filter.getLabelSelectorMap())
                .build();
        return listing.containerEntries(chosen)
                .mapMulti((entry, items) -> unlessBroken(
                                entry.live().id(), () -> container(entry.live(), entry.record()))
                        .map(ContainerStats::toByteString)
                        .ifPresent(items));
    }

    /** Serialised messages of type PodSandboxStats, of the READY pods for which the filter holds. */
    Stream<ByteString> pods(PodSandboxStatsFilter filter) {
        return listing.podEntries(ready(filter.getId(), filter))
                .mapMulti((entry, items) -> unlessBroken(entry.live().id(), () -> pod(entry.live(), entry.record()))
                        .map(PodSandboxStats::toByteString)
                        .ifPresent(items));
    }

    private static PodSandboxFilter ready(String id, PodSandboxStatsFilter filter) {
        return PodSandboxFilter.newBuilder()
                .setId(id)
                .putAllLabelSelector(filter.getLabelSelectorMap())
                .setState(PodSandboxStateValue.newBuilder().setState(PodSandboxState.SANDBOX_READY))
                .build();
    }

    /** One that fails, for it goes away meanwhile, must not fail the list of the others. */
    static <T> Optional<T> unlessBroken(String id, Supplier<T> message) {
        try {
            return Optional.of(message.get());
        } catch (RuntimeException e) {
            LOG.log(Level.DEBUG, "stats.missing id=" + id, e);
            return Optional.empty();
        }
    }

    // ---- containers

    /** What a container uses; of one that does not run only what it is and what it has written. */
    ContainerStats container(LiveContainer container, ContainerRecord record) {
        ContainerStats.Builder stats = ContainerStats.newBuilder().setAttributes(attributes(container));
        layers.of(container, record).ifPresent(layer -> stats.setWritableLayer(writableLayer(layer)));
        if (record.state() == ContainerState.RUNNING) {
            CgroupUsage usage = CgroupUsage.of(node.host().cgroups(), ContainerEnd.cgroupPath(node, container));
            Usage messages = new Usage(usage, Node.now(), container.cpuRate());
            messages.cpu().ifPresent(stats::setCpu);
            messages.memory().ifPresent(stats::setMemory);
            messages.swap().ifPresent(stats::setSwap);
            messages.io().ifPresent(stats::setIo);
        }
        return stats.build();
    }

    private static ContainerAttributes attributes(LiveContainer container) {
        ContainerConfig config = container.request().getConfig();
        return ContainerAttributes.newBuilder()
                .setId(container.id())
                .setMetadata(config.getMetadata())
                .putAllLabels(config.getLabelsMap())
                .putAllAnnotations(config.getAnnotationsMap())
                .build();
    }

    private FilesystemUsage writableLayer(WritableLayers.Counted layer) {
        return FilesystemUsage.newBuilder()
                .setTimestamp(layer.atNanos())
                .setFsId(FilesystemIdentifier.newBuilder().setMountpoint(root.toString()))
                .setUsedBytes(value(layer.bytes()))
                .setInodesUsed(value(layer.inodes()))
                .build();
    }

    // ---- pods

    /**
     * What a pod uses.
     *
     * @throws CriException FAILED_PRECONDITION for one that is not READY
     */
    PodSandboxStats pod(LivePod pod, PodRecord record) {
        if (record.state() != PodState.READY) {
            throw precondition(
                    "PodSandboxStats " + pod.id(), "the pod sandbox is not ready", "only one that runs has statistics");
        }
        LinuxPodSandboxStats.Builder linux = LinuxPodSandboxStats.newBuilder();
        node.places().podCgroup(pod.spec().cgroupParent(), pod.id()).ifPresent(path -> {
            long at = Node.now();
            Usage usage = new Usage(CgroupUsage.of(node.host().cgroups(), path), at, pod.cpuRate());
            usage.cpu().ifPresent(linux::setCpu);
            usage.memory().ifPresent(linux::setMemory);
            usage.io().ifPresent(linux::setIo);
            CgroupUsage.tasks(node.host().cgroups(), path)
                    .ifPresent(tasks -> linux.setProcess(
                            ProcessUsage.newBuilder().setTimestamp(at).setProcessCount(value(tasks))));
        });
        network(PodInterfaces.of(pod, record)).ifPresent(linux::setNetwork);
        listing.ofPod(pod.id())
                .forEach(entry -> unlessBroken(entry.live().id(), () -> container(entry.live(), entry.record()))
                        .ifPresent(linux::addContainers));
        return PodSandboxStats.newBuilder()
                .setAttributes(attributes(pod))
                .setLinux(linux)
                .build();
    }

    private static PodSandboxAttributes attributes(LivePod pod) {
        PodSandboxConfig config = pod.request().getConfig();
        return PodSandboxAttributes.newBuilder()
                .setId(pod.id())
                .setMetadata(config.getMetadata())
                .putAllLabels(config.getLabelsMap())
                .putAllAnnotations(config.getAnnotationsMap())
                .build();
    }

    /** kubelet takes the default interface as given, so there is no network without one. */
    private static Optional<NetworkUsage> network(List<InterfaceCounters> interfaces) {
        if (interfaces.isEmpty()) {
            return Optional.empty();
        }
        return Optional.of(NetworkUsage.newBuilder()
                .setTimestamp(Node.now())
                .setDefaultInterface(usage(interfaces.getFirst()))
                .addAllInterfaces(
                        interfaces.stream().skip(1).map(Statistics::usage).toList())
                .build());
    }

    private static NetworkInterfaceUsage usage(InterfaceCounters counters) {
        return NetworkInterfaceUsage.newBuilder()
                .setName(counters.name())
                .setRxBytes(value(counters.received().bytes()))
                .setRxErrors(value(counters.received().errors()))
                .setTxBytes(value(counters.sent().bytes()))
                .setTxErrors(value(counters.sent().errors()))
                .build();
    }

    // ---- messages

    private static UInt64Value value(long number) {
        return UInt64Value.newBuilder().setValue(number).build();
    }

    /** What a cgroup said at a time, in messages. */
    private record Usage(CgroupUsage of, long at, CpuRate rate) {

        Optional<CpuUsage> cpu() {
            if (of.cpuNanos().isEmpty()) {
                return Optional.empty();
            }
            long used = of.cpuNanos().getAsLong();
            CpuUsage.Builder cpu = CpuUsage.newBuilder().setTimestamp(at).setUsageCoreNanoSeconds(value(used));
            rate.at(used, System.nanoTime()).ifPresent(perSecond -> cpu.setUsageNanoCores(value(perSecond)));
            of.cpuPressure().map(Usage::psi).ifPresent(cpu::setPsi);
            return Optional.of(cpu.build());
        }

        Optional<MemoryUsage> memory() {
            return of.memory().map(used -> {
                MemoryUsage.Builder memory = MemoryUsage.newBuilder()
                        .setTimestamp(at)
                        .setWorkingSetBytes(value(used.workingSetBytes()))
                        .setUsageBytes(value(used.usageBytes()))
                        .setRssBytes(value(used.rssBytes()))
                        .setPageFaults(value(used.faults().minorAndMajor()))
                        .setMajorPageFaults(value(used.faults().major()));
                used.availableBytes().ifPresent(bytes -> memory.setAvailableBytes(value(bytes)));
                of.memoryPressure().map(Usage::psi).ifPresent(memory::setPsi);
                return memory.build();
            });
        }

        Optional<SwapUsage> swap() {
            return of.swap().map(used -> {
                SwapUsage.Builder swap =
                        SwapUsage.newBuilder().setTimestamp(at).setSwapUsageBytes(value(used.usageBytes()));
                used.availableBytes().ifPresent(bytes -> swap.setSwapAvailableBytes(value(bytes)));
                return swap.build();
            });
        }

        /** There is nothing in it but pressure. */
        Optional<IoUsage> io() {
            return of.ioPressure()
                    .map(pressure -> IoUsage.newBuilder()
                            .setTimestamp(at)
                            .setPsi(psi(pressure))
                            .build());
        }

        private static PsiStats psi(Pressure pressure) {
            PsiStats.Builder psi = PsiStats.newBuilder().setSome(psi(pressure.some()));
            pressure.full().map(Usage::psi).ifPresent(psi::setFull);
            return psi.build();
        }

        private static PsiData psi(Pressure.Stall stall) {
            return PsiData.newBuilder()
                    .setTotal(stall.totalNanos())
                    .setAvg10(stall.average10())
                    .setAvg60(stall.average60())
                    .setAvg300(stall.average300())
                    .build();
        }
    }
}
