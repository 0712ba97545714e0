package io.portafilter.image;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongConsumer;

/**
 * Work that several callers want at the same time and that is done once, on a platform thread of its own: it outlives the
 * caller who began it as long as anybody waits, and is interrupted when nobody does.
 *
 * @param <K> what names the work
 * @param <V> what it results in
 */
final class SharedWork<K, V> {
    /** The work; it reports bytes as they are done, and ends soon after an interrupt. */
    @FunctionalInterface
    interface Work<V> {
        V run(LongConsumer progress);
    }

    private final class Running {
        private final CompletableFuture<V> result = new CompletableFuture<>();
        private final List<LongConsumer> listeners = new CopyOnWriteArrayList<>();
        private final AtomicLong done = new AtomicLong();
        private final Thread thread;
        private int waiting;
        private boolean abandoned;

        Running(K key, Work<V> work) {
            thread = Thread.ofPlatform().daemon().name("image-" + name).unstarted(() -> {
                try {
                    V value = work.run(this::report);
                    forget(key, this);
                    result.complete(value);
                } catch (RuntimeException | Error e) {
                    forget(key, this);
                    result.completeExceptionally(e);
                }
            });
        }

        private void report(long bytes) {
            done.addAndGet(bytes);
            listeners.forEach(listener -> listener.accept(bytes));
        }
    }

    private final String name;
    private final ReentrantLock lock = new ReentrantLock();

    @GuardedBy("lock")
    private final Map<K, Running> running = new HashMap<>();

    SharedWork(String name) {
        this.name = name;
    }

    /**
     * Does the work, or waits for it where it is already being done. When work that somebody else began fails, it is
     * begun once more with the caller's own: the other's credentials may have been the reason.
     *
     * @param progress told how many bytes were done since the last time
     * @throws ImageException CANCELLED when the caller is interrupted; what the work threw
     */
    V join(K key, LongConsumer progress, Work<V> work) {
        while (true) {
            Joined<K, V> joined = begin(key, progress, work);
            try {
                return joined.running.result.get();
            } catch (InterruptedException e) {
                leave(joined.running, progress);
                Thread.currentThread().interrupt();
                throw ImageException.cancelled(name);
            } catch (ExecutionException e) {
                if (joined.own) {
                    throw rethrow(e);
                }
            }
        }
    }

    private record Joined<K, V>(SharedWork<K, V>.Running running, boolean own) {}

    private Joined<K, V> begin(K key, LongConsumer progress, Work<V> work) {
        lock.lock();
        try {
            Running known = running.get(key);
            if (known != null && known.abandoned) {
                // It is about to end by its interrupt; its end is waited for, and then it is begun anew
                return new Joined<>(known, false);
            }
            Running joined = known == null ? new Running(key, work) : known;
            joined.waiting++;
            progress.accept(joined.done.get());
            joined.listeners.add(progress);
            if (known == null) {
                running.put(key, joined);
                joined.thread.start();
            }
            return new Joined<>(joined, known == null);
        } finally {
            lock.unlock();
        }
    }

    private static RuntimeException rethrow(ExecutionException e) {
        if (e.getCause() instanceof ImageException failure) {
            return new ImageException(failure.kind(), String.valueOf(failure.getMessage()), failure);
        }
        return new IllegalStateException("unexpected: " + e.getCause(), e.getCause());
    }

    /** The last to leave ends the work and waits for that, so that nothing goes on behind the caller's back. */
    private void leave(Running joined, LongConsumer progress) {
        boolean last;
        lock.lock();
        try {
            joined.listeners.remove(progress);
            joined.waiting--;
            last = joined.waiting == 0 && !joined.abandoned;
            if (last) {
                joined.abandoned = true;
                joined.thread.interrupt();
            }
        } finally {
            lock.unlock();
        }
        if (!last) {
            return;
        }
        boolean interrupted = false;
        while (joined.thread.isAlive()) {
            try {
                joined.thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void forget(K key, Running ended) {
        lock.lock();
        try {
            running.remove(key, ended);
        } finally {
            lock.unlock();
        }
    }
}
