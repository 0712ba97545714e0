package io.portafilter.cri;

import static io.portafilter.cri.CriException.invalid;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;

/**
 * Pods or containers by id and by identity. What is in here is visible to callers; reading takes no lock.
 *
 * @param <T> pods or containers
 */
final class LiveTable<T> {

    private final String what;
    private final Function<T, String> id;
    private final Function<T, ? extends Identity> identity;
    private final Map<String, T> byId = new ConcurrentHashMap<>();
    private final Map<Identity, T> byIdentity = new ConcurrentHashMap<>();

    LiveTable(String what, Function<T, String> id, Function<T, ? extends Identity> identity) {
        this.what = what;
        this.id = id;
        this.identity = identity;
    }

    void add(T entry) {
        byId.put(id.apply(entry), entry);
        byIdentity.put(identity.apply(entry), entry);
    }

    void remove(T entry) {
        byId.remove(id.apply(entry));
        byIdentity.remove(identity.apply(entry), entry);
    }

    Collection<T> all() {
        return byId.values();
    }

    Optional<T> with(Identity sought) {
        return Optional.ofNullable(byIdentity.get(sought));
    }

    /** By the whole id alone. */
    Optional<T> exactly(String wholeId) {
        return Optional.ofNullable(byId.get(wholeId));
    }

    /**
     * By id or its beginning.
     *
     * @throws CriException INVALID_ARGUMENT for an empty id, or when several begin so
     */
    Optional<T> find(String idOrPrefix) {
        if (idOrPrefix.isEmpty()) {
            throw invalid("the id of the " + what, "is empty", "give the id, or a beginning that only one has");
        }
        T exact = byId.get(idOrPrefix);
        if (exact != null) {
            return Optional.of(exact);
        }
        List<String> ids =
                byId.keySet().stream().filter(key -> key.startsWith(idOrPrefix)).toList();
        if (ids.size() > 1) {
            throw invalid(
                    "the id of the " + what,
                    CriException.shown(idOrPrefix) + " is the beginning of " + ids.size() + " ids",
                    "give more of it");
        }
        return ids.stream().findFirst().flatMap(this::exactly);
    }

    /** As {@link #find}; NOT_FOUND when there is none. */
    T require(String idOrPrefix) {
        return find(idOrPrefix).orElseThrow(() -> CriException.notFound(what, CriException.shown(idOrPrefix)));
    }
}
