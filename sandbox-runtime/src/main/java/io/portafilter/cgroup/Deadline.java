package io.portafilter.cgroup;

import java.time.Duration;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * A point in time up to which a condition is waited for, in growing steps: the kernel tells nobody when a v1 cgroup
 * becomes empty. An interrupt does not cut the waiting short, for what waits here is the undoing of something; it is
 * seen afterwards.
 */
final class Deadline {
    private static final long FIRST_STEP_NANOS = TimeUnit.MICROSECONDS.toNanos(50);
    private static final long LONGEST_STEP_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

    private final long end;
    private long step = FIRST_STEP_NANOS;

    Deadline(Duration fromNow) {
        this.end = System.nanoTime() + fromNow.toNanos();
    }

    boolean isOver() {
        return System.nanoTime() - end >= 0;
    }

    /** Rests for the next step. */
    void pause() {
        boolean interrupted = Thread.interrupted();
        LockSupport.parkNanos(step);
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        step = Math.min(2 * step, LONGEST_STEP_NANOS);
    }

    /** Begins again with the shortest step. */
    void hasten() {
        step = FIRST_STEP_NANOS;
    }
}
