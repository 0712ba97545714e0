package io.portafilter.cri;

import com.google.errorprone.annotations.Immutable;
import com.google.protobuf.ByteString;
import io.portafilter.cri.v1.MetricDescriptor;
import io.portafilter.cri.v1.MetricType;
import java.util.List;
import java.util.stream.Stream;

/**
 * The metrics of containers and pods, by the names that cAdvisor gave them, under which kubelet passes them on to who
 * collects them. Values are whole numbers: times are whole seconds.
 */
enum MetricFamily {
    CPU_USAGE(counter("cpu_usage_seconds_total"), "Processor time used, in seconds."),
    CPU_USER(counter("cpu_user_seconds_total"), "Processor time used by programs themselves, in seconds."),
    CPU_SYSTEM(counter("cpu_system_seconds_total"), "Processor time used by the kernel for programs, in seconds."),
    CPU_PERIODS(counter("cpu_cfs_periods_total"), "Periods of the processor quota that have passed."),
    CPU_THROTTLED_PERIODS(
            counter("cpu_cfs_throttled_periods_total"), "Periods in which the processor quota was used up."),
    CPU_THROTTLED(
            counter("cpu_cfs_throttled_seconds_total"),
            "Time that was waited for the next period of the quota, in seconds."),

    MEMORY_CACHE(gauge("memory_cache"), "Bytes of files in memory."),
    MEMORY_RSS(gauge("memory_rss"), "Bytes of anonymous memory."),
    MEMORY_KERNEL(gauge("memory_kernel_usage"), "Bytes that the kernel uses for the container."),
    MEMORY_MAPPED(gauge("memory_mapped_file"), "Bytes of files that are mapped into memory."),
    MEMORY_SWAP(gauge("memory_swap"), "Bytes of memory that lie on the disk."),
    MEMORY_LIMIT_HITS(counter("memory_failcnt"), "How often the limit of memory was met."),
    MEMORY_USAGE(gauge("memory_usage_bytes"), "Bytes of memory used, files in memory included."),
    MEMORY_MAXIMUM(gauge("memory_max_usage_bytes"), "The most bytes of memory that were ever used."),
    MEMORY_WORKING_SET(
            gauge("memory_working_set_bytes"), "Bytes of memory used, but for files that were not used lately."),
    MEMORY_FAULTS(counter("memory_failures_total"), "Page faults.", "failure_type", "scope"),
    OOM_KILLS(counter("oom_events_total"), "Processes that the kernel killed for want of memory."),
    HUGE_PAGES(gauge("hugetlb_usage_bytes"), "Bytes of huge pages used.", "pagesize"),
    HUGE_PAGES_MAXIMUM(
            gauge("hugetlb_max_usage_bytes"), "The most bytes of huge pages that were ever used.", "pagesize"),

    FS_INODES_FREE(gauge("fs_inodes_free"), "Inodes that are free on the file system of containers.", "device"),
    FS_INODES(gauge("fs_inodes_total"), "Inodes of the file system of containers.", "device"),
    FS_LIMIT(gauge("fs_limit_bytes"), "Bytes that the file system of containers holds.", "device"),
    FS_USAGE(gauge("fs_usage_bytes"), "Bytes that the container wrote into its own file system.", "device"),
    FS_READ_BYTES(counter("fs_reads_bytes_total"), "Bytes read from a device.", "device"),
    FS_READS(counter("fs_reads_total"), "Reads from a device.", "device"),
    FS_WRITTEN_BYTES(counter("fs_writes_bytes_total"), "Bytes written to a device.", "device"),
    FS_WRITES(counter("fs_writes_total"), "Writes to a device.", "device"),
    BLOCK_DEVICE(
            counter("blkio_device_usage_total"),
            "Bytes read from and written to a device.",
            "device",
            "major",
            "minor",
            "operation"),

    RECEIVED_BYTES(counter("network_receive_bytes_total"), "Bytes received.", "interface"),
    RECEIVED_PACKETS(counter("network_receive_packets_total"), "Packets received.", "interface"),
    RECEIVED_DROPPED(counter("network_receive_packets_dropped_total"), "Packets dropped while receiving.", "interface"),
    RECEIVE_ERRORS(counter("network_receive_errors_total"), "Errors while receiving.", "interface"),
    SENT_BYTES(counter("network_transmit_bytes_total"), "Bytes sent.", "interface"),
    SENT_PACKETS(counter("network_transmit_packets_total"), "Packets sent.", "interface"),
    SENT_DROPPED(counter("network_transmit_packets_dropped_total"), "Packets dropped while sending.", "interface"),
    SEND_ERRORS(counter("network_transmit_errors_total"), "Errors while sending.", "interface"),

    CPU_STALLED(
            counter("pressure_cpu_stalled_seconds_total"),
            "Time in which all programs waited for a processor, in seconds."),
    CPU_WAITING(
            counter("pressure_cpu_waiting_seconds_total"),
            "Time in which a program waited for a processor, in seconds."),
    MEMORY_STALLED(
            counter("pressure_memory_stalled_seconds_total"),
            "Time in which all programs waited for memory, in seconds."),
    MEMORY_WAITING(
            counter("pressure_memory_waiting_seconds_total"), "Time in which a program waited for memory, in seconds."),
    IO_STALLED(
            counter("pressure_io_stalled_seconds_total"),
            "Time in which all programs waited for a device, in seconds."),
    IO_WAITING(
            counter("pressure_io_waiting_seconds_total"), "Time in which a program waited for a device, in seconds."),

    PROCESSES(gauge("processes"), "Processes that run."),
    THREADS(gauge("threads"), "Threads that run."),
    THREADS_MAX(gauge("threads_max"), "How many threads may run; 0 without a limit."),
    FILE_DESCRIPTORS(gauge("file_descriptors"), "Files that the processes have open."),
    SOCKETS(gauge("sockets"), "Sockets that the processes have open."),
    LIMITS(gauge("ulimits_soft"), "Soft limits of the first process, where there is one.", "ulimit"),
    LAST_SEEN(gauge("last_seen"), "When the container was seen last, in seconds since 1970."),
    START_TIME(gauge("start_time_seconds"), "When the container was started, in seconds since 1970."),

    SPEC_CPU_PERIOD(gauge("spec_cpu_period"), "Period of the processor quota, in microseconds."),
    SPEC_CPU_QUOTA(gauge("spec_cpu_quota"), "Processor quota, in microseconds of each period."),
    SPEC_CPU_SHARES(gauge("spec_cpu_shares"), "Weight among those that want the processor."),
    SPEC_MEMORY_LIMIT(gauge("spec_memory_limit_bytes"), "Limit of memory in bytes; 0 without a limit."),
    SPEC_MEMORY_RESERVATION(
            gauge("spec_memory_reservation_limit_bytes"),
            "Memory that is kept for the container in bytes; 0 for none."),
    SPEC_MEMORY_SWAP_LIMIT(
            gauge("spec_memory_swap_limit_bytes"), "Limit of memory and swap together in bytes; 0 without a limit.");

    @Immutable
    private record Named(String name, MetricType type) {}

    private final Named named;
    private final String help;

    @SuppressWarnings("Immutable") // it is, but does not say so
    private final ByteString nameBytes;

    @SuppressWarnings("Immutable") // a list that does not change
    private final List<String> labels;

    MetricFamily(Named named, String help, String... moreLabels) {
        this.named = named;
        this.nameBytes = ByteString.copyFromUtf8(named.name());
        this.help = help;
        this.labels = Stream.concat(Stream.of("pod", "namespace", "container", "id", "image"), Stream.of(moreLabels))
                .toList();
    }

    private static Named counter(String name) {
        return new Named("container_" + name, MetricType.COUNTER);
    }

    private static Named gauge(String name) {
        return new Named("container_" + name, MetricType.GAUGE);
    }

    /** The name as messages hold it. */
    ByteString nameBytes() {
        return nameBytes;
    }

    MetricType type() {
        return named.type();
    }

    /** The names of its labels, in the order of the values. */
    List<String> labels() {
        return labels;
    }

    MetricDescriptor descriptor() {
        return MetricDescriptor.newBuilder()
                .setName(named.name())
                .setHelp(help)
                .addAllLabelKeys(labels)
                .build();
    }
}
