package io.portafilter.cri;

import com.google.protobuf.ByteString;
import io.portafilter.cri.v1.ContainerFilter;
import io.portafilter.cri.v1.PodSandboxFilter;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.PodRecord;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * What the List and Stream calls answer, newest first. Which there are is decided at once, what is said of each when it
 * is taken from the stream: one that was removed meanwhile is left out, and one is never there twice.
 */
record Listing(Services services) {

    /**
     * The pod sandboxes for which all of the filter holds: serialised messages of type PodSandbox.
     *
     * @throws CriException INVALID_ARGUMENT when several ids begin as the filter's does; none is no error
     */
    Stream<ByteString> pods(PodSandboxFilter filter) {
        Collection<LivePod> chosen = chosen(services.podTable(), filter.getId());
        return newestFirst(chosen, pod -> record(pod).map(PodRecord::createdAtNanos))
                .mapMulti((pod, items) -> record(pod)
                        .filter(record -> CriAnswers.matches(filter, pod, record))
                        .map(record -> pod.listed().of(record, r -> CriAnswers.listed(pod, r)))
                        .ifPresent(items));
    }

    /** The containers for which all of the filter holds, as {@link #pods}: messages of type Container. */
    Stream<ByteString> containers(ContainerFilter filter) {
        Collection<LiveContainer> chosen = chosen(services.containerTable(), filter.getId());
        if (!filter.getPodSandboxId().isEmpty()) {
            String podId = services.podTable()
                    .find(filter.getPodSandboxId())
                    .map(LivePod::id)
                    .orElse("");
            chosen = chosen.stream()
                    .filter(container -> container.podId().equals(podId))
                    .toList();
        }
        return newestFirst(chosen, container -> record(container).map(ContainerRecord::createdAtNanos))
                .mapMulti((container, items) -> record(container)
                        .filter(record -> CriAnswers.matches(filter, container, record))
                        .map(record -> container.listed().of(record, r -> CriAnswers.listed(container, r)))
                        .ifPresent(items));
    }

    private static <T> Collection<T> chosen(LiveTable<T> table, String idOrPrefix) {
        return idOrPrefix.isEmpty()
                ? table.all()
                : table.find(idOrPrefix).stream().toList();
    }

    private record Dated<T>(T entry, long createdAt) implements Comparable<Dated<T>> {
        @Override
        public int compareTo(Dated<T> other) {
            return Long.compare(other.createdAt, createdAt);
        }
    }

    /** Sorted at once: a comparison must not change its mind when a record goes. One that has none is left out. */
    private static <T> Stream<T> newestFirst(Collection<T> entries, Function<T, Optional<Long>> createdAt) {
        List<Dated<T>> dated = new ArrayList<>(entries.size());
        for (T entry : entries) {
            createdAt.apply(entry).ifPresent(at -> dated.add(new Dated<>(entry, at)));
        }
        Collections.sort(dated);
        return dated.stream().map(Dated::entry);
    }

    private Optional<PodRecord> record(LivePod pod) {
        return services.node().database().pod(pod.id());
    }

    private Optional<ContainerRecord> record(LiveContainer container) {
        return services.node().database().container(container.id());
    }
}
