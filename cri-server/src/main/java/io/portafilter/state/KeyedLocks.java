package io.portafilter.state;

import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantLock;

/** A lock per id, there only while somebody holds it or waits for it. */
final class KeyedLocks {
    private static final class Entry {
        private final ReentrantLock lock = new ReentrantLock();
        /** Holders and waiters; changed inside {@link ConcurrentHashMap#compute} only. */
        private int users;
    }

    private final ConcurrentHashMap<String, Entry> entries = new ConcurrentHashMap<>();

    void lock(String id) {
        entries.compute(id, (_, found) -> {
                    Entry entry = found == null ? new Entry() : found;
                    entry.users++;
                    return entry;
                })
                .lock
                .lock();
    }

    void unlock(String id) {
        entries.computeIfPresent(id, (_, entry) -> {
            entry.lock.unlock();
            entry.users--;
            return entry.users == 0 ? null : entry;
        });
    }

    boolean heldByThisThread(String id) {
        Entry entry = entries.get(id);
        return entry != null && entry.lock.isHeldByCurrentThread();
    }

    int size() {
        return entries.size();
    }
}
