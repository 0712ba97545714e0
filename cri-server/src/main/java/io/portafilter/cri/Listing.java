package io.portafilter.cri;

import io.portafilter.cri.v1.Container;
import io.portafilter.cri.v1.ContainerFilter;
import io.portafilter.cri.v1.PodSandbox;
import io.portafilter.cri.v1.PodSandboxFilter;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.PodRecord;
import java.util.Collection;
import java.util.Comparator;
import java.util.Optional;
import java.util.function.ToLongFunction;
import java.util.stream.Stream;

/**
 * What the List and Stream calls answer, newest first. Which there are is decided at once, what is said of each when it
 * is taken from the stream: one that was removed meanwhile is left out, and one is never there twice.
 */
record Listing(Services services) {

    /**
     * The pod sandboxes for which all of the filter holds.
     *
     * @throws CriException INVALID_ARGUMENT when several ids begin as the filter's does; none is no error
     */
    Stream<PodSandbox> pods(PodSandboxFilter filter) {
        return newestFirst(chosen(services.podTable(), filter.getId()), pod -> createdAt(record(pod)))
                .flatMap(pod -> record(pod)
                        .filter(record -> CriAnswers.matches(filter, pod, record))
                        .map(record -> CriAnswers.listed(pod, record))
                        .stream());
    }

    /** The containers for which all of the filter holds; as {@link #pods}. */
    Stream<Container> containers(ContainerFilter filter) {
        Optional<String> podId = Optional.of(filter.getPodSandboxId()).filter(id -> !id.isEmpty());
        Optional<LivePod> pod = podId.flatMap(services.podTable()::find);
        if (podId.isPresent() && pod.isEmpty()) {
            return Stream.empty();
        }
        Stream<LiveContainer> ofPod = chosen(services.containerTable(), filter.getId())
                .filter(container -> pod.isEmpty() || pod.get().id().equals(container.podId()));
        return newestFirst(
                        ofPod,
                        container -> record(container)
                                .map(ContainerRecord::createdAtNanos)
                                .orElse(0L))
                .flatMap(container -> record(container)
                        .filter(record -> CriAnswers.matches(filter, container, record))
                        .map(record -> CriAnswers.listed(container, record))
                        .stream());
    }

    private static <T> Stream<T> chosen(LiveTable<T> table, String idOrPrefix) {
        Collection<T> all = idOrPrefix.isEmpty()
                ? table.all()
                : table.find(idOrPrefix).stream().toList();
        return all.stream();
    }

    private record Dated<T>(T entry, long createdAt) {}

    /** Sorted at once: a comparison must not change its mind when a record goes. */
    private static <T> Stream<T> newestFirst(Stream<T> entries, ToLongFunction<T> createdAt) {
        return entries
                .map(entry -> new Dated<>(entry, createdAt.applyAsLong(entry)))
                .sorted(Comparator.<Dated<T>>comparingLong(Dated::createdAt).reversed())
                .toList()
                .stream()
                .map(Dated::entry);
    }

    private static long createdAt(Optional<PodRecord> record) {
        return record.map(PodRecord::createdAtNanos).orElse(0L);
    }

    private Optional<PodRecord> record(LivePod pod) {
        return services.node().database().pod(pod.id());
    }

    private Optional<ContainerRecord> record(LiveContainer container) {
        return services.node().database().container(container.id());
    }
}
