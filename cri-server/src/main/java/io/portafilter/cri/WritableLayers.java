package io.portafilter.cri;

import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_PATH;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.TreeUsage;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.ContainerState;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * What containers wrote into their own file systems. A container may write as much as the disk takes, so nobody waits for
 * the count: a small layer that was never counted is counted at once, any other by one thread for all, as often as it is
 * asked for but for a small part of the time.
 */
final class WritableLayers implements AutoCloseable {

    private static final Logger LOG = System.getLogger(WritableLayers.class.getName());

    /** A layer of so many names is counted while its asker waits, some 0.3 ms. */
    private static final int SMALL = 200;

    /** Where to stop: then it is said to be that large at least. */
    private static final long MOST_ENTRIES = 20_000_000;

    private static final Duration SHORTEST_AGE = Duration.ofSeconds(10);

    /** A count that took long is not done again before this many times as long. */
    private static final int AGE_FACTOR = 20;

    /**
     * A layer when it was counted.
     *
     * @param atNanos since the epoch
     * @param tookNanos how long the count took
     */
    record Counted(long bytes, long inodes, long atNanos, long tookNanos) {}

    /** What is known of one container's layer. */
    static final class Known {
        private volatile Optional<Counted> last = Optional.empty();
        private final AtomicBoolean queued = new AtomicBoolean();
    }

    private final Places places;
    private final ThreadPoolExecutor counting = new ThreadPoolExecutor(
            1,
            1,
            10,
            TimeUnit.SECONDS,
            new LinkedBlockingQueue<>(), // each container is in it once at most
            Thread.ofPlatform().name("layers").daemon().factory());

    WritableLayers(Places places) {
        this.places = places;
        counting.allowCoreThreadTimeOut(true);
    }

    /** The last count; empty while a large one is done for the first time, or if it cannot be done. */
    Optional<Counted> of(LiveContainer container, ContainerRecord record) {
        Known known = container.layer();
        if (known.last.isEmpty()) {
            Optional<Counted> small =
                    count(container, SMALL).filter(Counting::complete).map(Counting::counted);
            if (small.isPresent()) {
                known.last = small;
                return small;
            }
        }
        if (isDue(known, record) && known.queued.compareAndSet(false, true)) {
            enqueue(container);
        }
        return known.last;
    }

    private static boolean isDue(Known known, ContainerRecord record) {
        if (known.last.isEmpty()) {
            return true;
        }
        Counted last = known.last.get();
        boolean isFinal = record.state() == ContainerState.EXITED && last.atNanos() > record.finishedAtNanos();
        long age = Node.now() - last.atNanos();
        return !isFinal && age > Math.max(SHORTEST_AGE.toNanos(), AGE_FACTOR * last.tookNanos());
    }

    private void enqueue(LiveContainer container) {
        Known known = container.layer();
        try {
            counting.execute(() -> {
                try {
                    count(container, MOST_ENTRIES)
                            .ifPresent(done -> known.last = Optional.of(merged(known.last, done)));
                } finally {
                    known.queued.set(false);
                }
            });
        } catch (RejectedExecutionException e) {
            LOG.log(Level.DEBUG, "layer.uncounted id=" + container.id() + " cause=the server ends");
        }
    }

    /** A count that saw only a part does not make the layer smaller than it was. */
    private static Counted merged(Optional<Counted> before, Counting done) {
        Counted now = done.counted();
        if (done.complete() || before.isEmpty()) {
            return now;
        }
        return new Counted(
                Math.max(now.bytes(), before.get().bytes()),
                Math.max(now.inodes(), before.get().inodes()),
                now.atNanos(),
                now.tookNanos());
    }

    private record Counting(Counted counted, boolean complete) {}

    /** Empty if the layer is gone, as it is while its container is being removed. */
    private Optional<Counting> count(LiveContainer container, long maximumEntries) {
        long start = System.nanoTime();
        String upper = places.containerFiles(container.id()).resolve("upper").toString();
        try (Fd layer = Kernel.open(upper, O_PATH | O_DIRECTORY | O_NOFOLLOW)) {
            TreeUsage usage = TreeUsage.of(layer, maximumEntries);
            Counted counted = new Counted(usage.bytes(), usage.inodes(), Node.now(), System.nanoTime() - start);
            return Optional.of(new Counting(counted, usage.complete()));
        } catch (KernelException e) {
            LOG.log(Level.DEBUG, "layer.uncounted id=" + container.id() + " cause=" + e.getMessage());
            return Optional.empty();
        }
    }

    @Override
    public void close() {
        var _ = counting.shutdownNow();
    }
}
