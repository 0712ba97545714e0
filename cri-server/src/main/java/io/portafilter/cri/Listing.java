package io.portafilter.cri;

import com.google.protobuf.ByteString;
import io.portafilter.cri.v1.ContainerFilter;
import io.portafilter.cri.v1.PodSandboxFilter;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.Database;
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
record Listing(Database database, LiveTable<LivePod> podTable, LiveTable<LiveContainer> containerTable) {

    /** A pod sandbox or container, and what is recorded of it. */
    record Entry<T, R>(T live, R record) {}

    /**
     * The pod sandboxes for which all of the filter holds: serialised messages of type PodSandbox.
     *
     * @throws CriException INVALID_ARGUMENT when several ids begin as the filter's does; none is no error
     */
    Stream<ByteString> pods(PodSandboxFilter filter) {
        return podEntries(filter)
                .map(entry -> entry.live().listed().of(entry.record(), r -> CriAnswers.listed(entry.live(), r)));
    }

    /** The containers for which all of the filter holds, as {@link #pods}: messages of type Container. */
    Stream<ByteString> containers(ContainerFilter filter) {
        return containerEntries(filter)
                .map(entry -> entry.live().listed().of(entry.record(), r -> CriAnswers.listed(entry.live(), r)));
    }

    /** As {@link #pods}, for who says something else of them. */
    Stream<Entry<LivePod, PodRecord>> podEntries(PodSandboxFilter filter) {
        Collection<LivePod> chosen = chosen(podTable, filter.getId());
        return newestFirst(chosen, pod -> record(pod).map(PodRecord::createdAtNanos))
                .mapMulti((pod, entries) -> record(pod)
                        .filter(record -> CriAnswers.matches(filter, pod, record))
                        .map(record -> new Entry<>(pod, record))
                        .ifPresent(entries));
    }

    /** As {@link #containers}, for who says something else of them. */
    Stream<Entry<LiveContainer, ContainerRecord>> containerEntries(ContainerFilter filter) {
        Collection<LiveContainer> chosen = chosen(containerTable, filter.getId());
        if (!filter.getPodSandboxId().isEmpty()) {
            String podId =
                    podTable.find(filter.getPodSandboxId()).map(LivePod::id).orElse("");
            chosen = chosen.stream()
                    .filter(container -> container.podId().equals(podId))
                    .toList();
        }
        return newestFirst(chosen, container -> record(container).map(ContainerRecord::createdAtNanos))
                .mapMulti((container, entries) -> record(container)
                        .filter(record -> CriAnswers.matches(filter, container, record))
                        .map(record -> new Entry<>(container, record))
                        .ifPresent(entries));
    }

    /** One pod sandbox, by its whole id. */
    Optional<Entry<LivePod, PodRecord>> pod(String id) {
        return podTable.exactly(id).flatMap(pod -> record(pod).map(record -> new Entry<>(pod, record)));
    }

    /** All containers of a pod sandbox. */
    List<Entry<LiveContainer, ContainerRecord>> ofPod(String podId) {
        return containerEntries(
                        ContainerFilter.newBuilder().setPodSandboxId(podId).build())
                .toList();
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
        return database.pod(pod.id());
    }

    private Optional<ContainerRecord> record(LiveContainer container) {
        return database.container(container.id());
    }
}
