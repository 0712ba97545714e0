package io.portafilter.cli;

import io.portafilter.config.IdRange;
import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.ListPodSandboxRequest;
import io.portafilter.cri.v1.NamespaceOption;
import io.portafilter.cri.v1.PodSandbox;
import io.portafilter.cri.v1.PodSandboxStatusRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/** Host ids for a pod with a user namespace of its own, when there is no kubelet to choose them. */
final class PodIds {
    private PodIds() {}

    /** The first id of the lowest block of 65536 in the range that overlaps no mapping; empty if there is none. */
    static Optional<Long> free(IdRange range, List<IDMapping> used) {
        return LongStream.iterate(
                        range.first(), first -> first < range.first() + range.length(), first -> first + IdRange.BLOCK)
                .filter(first -> used.stream().noneMatch(mapping -> overlaps(first, mapping)))
                .boxed()
                .findFirst();
    }

    private static boolean overlaps(long first, IDMapping mapping) {
        long other = Integer.toUnsignedLong(mapping.getHostId());
        return first < other + Integer.toUnsignedLong(mapping.getLength()) && other < first + IdRange.BLOCK;
    }

    /** What the server's pods use, also those that are stopped: their files are still there. */
    static List<IDMapping> used(Connection connection) {
        List<IDMapping> used = new ArrayList<>();
        List<PodSandbox> pods = connection
                .runtime()
                .listPodSandbox(ListPodSandboxRequest.getDefaultInstance())
                .getItemsList();
        for (PodSandbox pod : pods) {
            NamespaceOption options = connection
                    .runtime()
                    .podSandboxStatus(PodSandboxStatusRequest.newBuilder()
                            .setPodSandboxId(pod.getId())
                            .build())
                    .getStatus()
                    .getLinux()
                    .getNamespaces()
                    .getOptions();
            Stream.concat(
                            options.getUsernsOptions().getUidsList().stream(),
                            options.getUsernsOptions().getGidsList().stream())
                    .forEach(used::add);
        }
        return used;
    }
}
