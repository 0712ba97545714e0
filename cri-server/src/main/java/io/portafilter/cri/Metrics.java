package io.portafilter.cri;

import com.google.protobuf.ByteString;
import io.portafilter.cgroup.CgroupCounters;
import io.portafilter.cgroup.CgroupHierarchy;
import io.portafilter.cgroup.CgroupUsage;
import io.portafilter.cgroup.Pressure;
import io.portafilter.cri.v1.ContainerMetrics;
import io.portafilter.cri.v1.ImageSpec;
import io.portafilter.cri.v1.LinuxContainerResources;
import io.portafilter.cri.v1.MetricDescriptor;
import io.portafilter.cri.v1.PodSandboxFilter;
import io.portafilter.cri.v1.PodSandboxMetrics;
import io.portafilter.cri.v1.PodSandboxState;
import io.portafilter.cri.v1.PodSandboxStateValue;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileSystemStatus;
import io.portafilter.linux.InterfaceCounters;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.MountInfo;
import io.portafilter.linux.OpenFiles;
import io.portafilter.linux.ProcFile;
import io.portafilter.linux.ProcessRef;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.ContainerState;
import io.portafilter.state.PodRecord;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** The metrics that kubelet passes on at {@code /metrics/cadvisor}: of READY pods and their running containers. */
final class Metrics {

    /** A hostile container may have any number of processes and of open files: so many are looked at. */
    private static final int MOST_PROCESSES = 1024;

    private static final int MOST_DESCRIPTORS = 4096;

    /** Of a number that a {@code long} holds. */
    private static final int MOST_DIGITS = 18;

    private static final long DEFAULT_CPU_PERIOD = 100_000;

    /** The limits as {@code /proc/PID/limits} names them, and by the names of setrlimit(2)'s constants. */
    private static final Map<String, String> LIMIT_NAMES = Map.ofEntries(
            Map.entry("Max cpu time", "cpu"),
            Map.entry("Max file size", "fsize"),
            Map.entry("Max data size", "data"),
            Map.entry("Max stack size", "stack"),
            Map.entry("Max core file size", "core"),
            Map.entry("Max resident set", "rss"),
            Map.entry("Max processes", "nproc"),
            Map.entry("Max open files", "max_open_files"),
            Map.entry("Max locked memory", "memlock"),
            Map.entry("Max address space", "as"),
            Map.entry("Max file locks", "locks"),
            Map.entry("Max pending signals", "sigpending"),
            Map.entry("Max msgqueue size", "msgqueue"),
            Map.entry("Max nice priority", "nice"),
            Map.entry("Max realtime priority", "rtprio"),
            Map.entry("Max realtime timeout", "rttime"));

    private final Node node;
    private final Path root;
    private final Listing listing;
    private final WritableLayers layers;

    /**
     * Answers for one server.
     *
     * @param root the directory in which containers' own files lie
     */
    Metrics(Node node, Path root, Listing listing, WritableLayers layers) {
        this.node = node;
        this.root = root;
        this.listing = listing;
        this.layers = layers;
    }

    static List<MetricDescriptor> descriptors() {
        return Arrays.stream(MetricFamily.values())
                .map(MetricFamily::descriptor)
                .toList();
    }

    /** Serialised messages of type PodSandboxMetrics. */
    Stream<ByteString> pods() {
        PodSandboxFilter ready = PodSandboxFilter.newBuilder()
                .setState(PodSandboxStateValue.newBuilder().setState(PodSandboxState.SANDBOX_READY))
                .build();
        FileSystem fileSystem = FileSystem.of(root);
        return listing.podEntries(ready)
                .mapMulti((entry, items) -> Statistics.unlessBroken(
                                entry.live().id(), () -> pod(entry.live(), entry.record(), fileSystem))
                        .map(PodSandboxMetrics::toByteString)
                        .ifPresent(items));
    }

    private PodSandboxMetrics pod(LivePod pod, PodRecord record, FileSystem fileSystem) {
        PodSandboxMetrics.Builder metrics = PodSandboxMetrics.newBuilder()
                .setPodSandboxId(pod.id())
                .addAllMetrics(network(pod, PodInterfaces.of(pod, record)).all());
        for (Listing.Entry<LiveContainer, ContainerRecord> entry : listing.ofPod(pod.id())) {
            if (entry.record().state() == ContainerState.RUNNING) {
                String id = entry.live().id();
                Statistics.unlessBroken(id, () -> container(pod, entry.live(), entry.record(), fileSystem))
                        .ifPresent(samples -> metrics.addContainerMetrics(
                                ContainerMetrics.newBuilder().setContainerId(id).addAllMetrics(samples.all())));
            }
        }
        return metrics.build();
    }

    // ---- pods

    private static MetricSamples network(LivePod pod, List<InterfaceCounters> interfaces) {
        MetricSamples samples = new MetricSamples(labels(pod, "", pod.id(), ""));
        for (InterfaceCounters each : interfaces) {
            InterfaceCounters.Traffic received = each.received();
            samples.add(MetricFamily.RECEIVED_BYTES, received.bytes(), each.name());
            samples.add(MetricFamily.RECEIVED_PACKETS, received.packets(), each.name());
            samples.add(MetricFamily.RECEIVED_DROPPED, received.dropped(), each.name());
            samples.add(MetricFamily.RECEIVE_ERRORS, received.errors(), each.name());
            InterfaceCounters.Traffic sent = each.sent();
            samples.add(MetricFamily.SENT_BYTES, sent.bytes(), each.name());
            samples.add(MetricFamily.SENT_PACKETS, sent.packets(), each.name());
            samples.add(MetricFamily.SENT_DROPPED, sent.dropped(), each.name());
            samples.add(MetricFamily.SEND_ERRORS, sent.errors(), each.name());
        }
        return samples;
    }

    private static List<String> labels(LivePod pod, String container, String id, String image) {
        Identity.Pod identity = pod.spec().identity();
        return List.of(identity.name(), identity.namespace(), container, id, image);
    }

    // ---- containers

    private MetricSamples container(
            LivePod pod, LiveContainer container, ContainerRecord record, FileSystem fileSystem) {
        ImageSpec image = container.request().getConfig().getImage();
        MetricSamples samples = new MetricSamples(labels(
                pod,
                container.spec().identity().name(),
                container.id(),
                image.getUserSpecifiedImage().isEmpty() ? image.getImage() : image.getUserSpecifiedImage()));
        CgroupHierarchy cgroups = node.host().cgroups();
        String path = ContainerEnd.cgroupPath(node, container);
        usage(samples, CgroupUsage.of(cgroups, path));
        counters(samples, CgroupCounters.of(cgroups, path), fileSystem);
        layers.of(container, record)
                .ifPresent(layer -> samples.add(MetricFamily.FS_USAGE, layer.bytes(), fileSystem.device()));
        processes(samples, CgroupUsage.processes(cgroups, path), record);
        samples.addNanos(MetricFamily.LAST_SEEN, Node.now());
        samples.addNanos(MetricFamily.START_TIME, record.startedAtNanos());
        resources(
                samples,
                ResourceRequests.effective(container.spec().config().getLinux().getResources(), container.plan()));
        return samples;
    }

    private static void usage(MetricSamples samples, CgroupUsage usage) {
        usage.cpuNanos().ifPresent(nanos -> samples.addNanos(MetricFamily.CPU_USAGE, nanos));
        usage.memory().ifPresent(memory -> {
            samples.add(MetricFamily.MEMORY_CACHE, memory.cacheBytes());
            samples.add(MetricFamily.MEMORY_RSS, memory.rssBytes());
            samples.add(MetricFamily.MEMORY_MAPPED, memory.mappedBytes());
            samples.add(MetricFamily.MEMORY_USAGE, memory.usageBytes());
            samples.add(MetricFamily.MEMORY_WORKING_SET, memory.workingSetBytes());
            // the kernel counts those of the cgroups below as well
            for (String scope : List.of("container", "hierarchy")) {
                samples.add(MetricFamily.MEMORY_FAULTS, memory.faults().minorAndMajor(), "pgfault", scope);
                samples.add(MetricFamily.MEMORY_FAULTS, memory.faults().major(), "pgmajfault", scope);
            }
            // a kernel that counts no swap has none to count
            samples.add(
                    MetricFamily.MEMORY_SWAP,
                    usage.swap().map(CgroupUsage.Swap::usageBytes).orElse(0L));
        });
        pressure(samples, usage.cpuPressure(), MetricFamily.CPU_WAITING, MetricFamily.CPU_STALLED);
        pressure(samples, usage.memoryPressure(), MetricFamily.MEMORY_WAITING, MetricFamily.MEMORY_STALLED);
        pressure(samples, usage.ioPressure(), MetricFamily.IO_WAITING, MetricFamily.IO_STALLED);
    }

    private static void pressure(
            MetricSamples samples, Optional<Pressure> pressure, MetricFamily waiting, MetricFamily stalled) {
        pressure.ifPresent(known -> {
            samples.addNanos(waiting, known.some().totalNanos());
            known.full().ifPresent(full -> samples.addNanos(stalled, full.totalNanos()));
        });
    }

    private static void counters(MetricSamples samples, CgroupCounters counters, FileSystem fileSystem) {
        counters.cpu().ifPresent(cpu -> {
            samples.addNanos(MetricFamily.CPU_USER, cpu.userNanos());
            samples.addNanos(MetricFamily.CPU_SYSTEM, cpu.systemNanos());
            samples.add(MetricFamily.CPU_PERIODS, cpu.periods());
            samples.add(MetricFamily.CPU_THROTTLED_PERIODS, cpu.throttledPeriods());
            samples.addNanos(MetricFamily.CPU_THROTTLED, cpu.throttledNanos());
        });
        counters.memory().ifPresent(memory -> {
            samples.add(MetricFamily.MEMORY_KERNEL, memory.kernelBytes());
            samples.add(MetricFamily.MEMORY_LIMIT_HITS, memory.limitHits());
            samples.add(MetricFamily.MEMORY_MAXIMUM, memory.maximumBytes());
        });
        samples.add(MetricFamily.OOM_KILLS, counters.oomKills());
        samples.add(MetricFamily.THREADS, counters.tasks());
        if (counters.tasks().isPresent()) {
            samples.add(MetricFamily.THREADS_MAX, counters.taskLimit().orElse(0));
        }
        counters.hugePages().forEach((size, pages) -> {
            samples.add(MetricFamily.HUGE_PAGES, pages.usageBytes(), size);
            pages.maximumBytes().ifPresent(bytes -> samples.add(MetricFamily.HUGE_PAGES_MAXIMUM, bytes, size));
        });
        for (CgroupCounters.BlockDevice device : counters.devices()) {
            devices(samples, device);
        }
        fileSystem.add(samples);
    }

    private static void devices(MetricSamples samples, CgroupCounters.BlockDevice device) {
        String major = Integer.toString(device.major());
        String minor = Integer.toString(device.minor());
        String name = name(major + ":" + minor);
        samples.add(MetricFamily.FS_READ_BYTES, device.readBytes(), name);
        samples.add(MetricFamily.FS_READS, device.reads(), name);
        samples.add(MetricFamily.FS_WRITTEN_BYTES, device.writtenBytes(), name);
        samples.add(MetricFamily.FS_WRITES, device.writes(), name);
        samples.add(MetricFamily.BLOCK_DEVICE, device.readBytes(), name, major, minor, "Read");
        samples.add(MetricFamily.BLOCK_DEVICE, device.writtenBytes(), name, major, minor, "Write");
    }

    /** The node of a block device, or its number where sysfs does not tell. */
    private static String name(String number) {
        try {
            String link = Kernel.readlinkat(Fd.CWD, "/sys/dev/block/" + number);
            return "/dev/" + link.substring(link.lastIndexOf('/') + 1);
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT)) {
                return number;
            }
            throw e;
        }
    }

    private static void processes(MetricSamples samples, List<Integer> processes, ContainerRecord record) {
        samples.add(MetricFamily.PROCESSES, processes.size());
        long descriptors = 0;
        long sockets = 0;
        int left = MOST_DESCRIPTORS;
        for (int pid : processes.subList(0, Math.min(processes.size(), MOST_PROCESSES))) {
            OpenFiles files = OpenFiles.of(pid, left);
            descriptors += files.descriptors();
            sockets += files.sockets();
            left = (int) Math.max(0, left - files.descriptors());
        }
        samples.add(MetricFamily.FILE_DESCRIPTORS, descriptors);
        samples.add(MetricFamily.SOCKETS, sockets);
        record.launched().ifPresent(launched -> limits(samples, launched.init()));
    }

    private static void limits(MetricSamples samples, ProcessRef init) {
        String text;
        try {
            text = ProcFile.read("/proc/" + init.pid() + "/limits");
            if (!init.isAlive()) {
                return; // its number may be another process's by now
            }
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) || e.is(Errno.ESRCH)) {
                return;
            }
            throw e;
        }
        text.lines().forEach(line -> limit(samples, line));
    }

    /** Columns are as wide as the kernel makes them: name, soft, hard, unit. Not by patterns: they cost more than the file. */
    private static void limit(MetricSamples samples, String line) {
        int end = line.indexOf("  ");
        String name = LIMIT_NAMES.get(line.substring(0, Math.max(end, 0)));
        if (name == null) {
            return;
        }
        String soft = line.substring(end).stripLeading();
        int blank = soft.indexOf(' ');
        int digits = blank < 0 ? soft.length() : blank;
        if (soft.startsWith("unlimited") || digits > MOST_DIGITS) {
            return;
        }
        samples.add(MetricFamily.LIMITS, Long.parseLong(soft, 0, digits, 10), name);
    }

    private static void resources(MetricSamples samples, LinuxContainerResources resources) {
        samples.add(
                MetricFamily.SPEC_CPU_PERIOD,
                resources.getCpuPeriod() > 0 ? resources.getCpuPeriod() : DEFAULT_CPU_PERIOD);
        if (resources.getCpuQuota() > 0) {
            samples.add(MetricFamily.SPEC_CPU_QUOTA, resources.getCpuQuota());
        }
        samples.add(MetricFamily.SPEC_CPU_SHARES, Math.max(resources.getCpuShares(), 0));
        samples.add(MetricFamily.SPEC_MEMORY_LIMIT, Math.max(resources.getMemoryLimitInBytes(), 0));
        samples.add(MetricFamily.SPEC_MEMORY_RESERVATION, reservation(resources));
        samples.add(MetricFamily.SPEC_MEMORY_SWAP_LIMIT, Math.max(resources.getMemorySwapLimitInBytes(), 0));
    }

    /** CRI has no field for it but the cgroup's own. */
    private static long reservation(LinuxContainerResources resources) {
        String low = resources.getUnifiedMap().getOrDefault("memory.low", "0");
        return low.matches("\\d{1,18}") ? Long.parseLong(low) : 0;
    }

    // ---- the file system

    /**
     * Where containers' own files lie.
     *
     * @param device what is mounted there
     */
    private record FileSystem(String device, FileSystemStatus status) {

        static FileSystem of(Path directory) {
            String device = MountInfo.parse(ProcFile.read("/proc/self/mountinfo")).stream()
                    .filter(mount -> holds(mount.mountPoint(), directory.toString()))
                    .max(Comparator.comparingInt(mount -> mount.mountPoint().length()))
                    .map(MountInfo::source)
                    .orElse("");
            return new FileSystem(device, Kernel.statfs(directory.toString()));
        }

        private static boolean holds(String mountPoint, String path) {
            return path.equals(mountPoint) || path.startsWith(mountPoint.equals("/") ? "/" : mountPoint + "/");
        }

        void add(MetricSamples samples) {
            samples.add(MetricFamily.FS_INODES, status.inodes(), device);
            samples.add(MetricFamily.FS_INODES_FREE, status.freeInodes(), device);
            samples.add(MetricFamily.FS_LIMIT, status.blocks() * status.blockBytes(), device);
        }
    }
}
