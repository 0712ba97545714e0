package io.portafilter.e2e;

import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Supplier;

/** Waits for a condition with a deadline; says what it waited for when the deadline passes. */
public final class Await {
    private static final Duration STEP = Duration.ofMillis(4);

    /** How many times slower than a real machine this one may be. */
    private static final int PATIENCE = Integer.getInteger("portafilter.patience", 1);

    private Await() {}

    /** A limit of time as this machine needs it. */
    public static Duration patient(Duration limit) {
        return limit.multipliedBy(PATIENCE);
    }

    /** A condition that may throw, for instance because a file is not there yet: then it does not hold yet. */
    public static void until(String what, Duration limit, Callable<Boolean> condition) {
        long end = System.nanoTime() + patient(limit).toNanos();
        Optional<Exception> last = Optional.empty();
        while (true) {
            try {
                if (condition.call()) {
                    return;
                }
            } catch (Exception e) {
                last = Optional.of(e);
            }
            if (System.nanoTime() > end) {
                throw new AssertionError("after " + patient(limit) + " still not: " + what, last.orElse(null));
            }
            LockSupport.parkNanos(STEP.toNanos());
        }
    }

    /** Waits until both are equal; the failure shows the last value seen. */
    public static <T> void untilEquals(String what, Duration limit, T expected, Supplier<T> actual) {
        long end = System.nanoTime() + patient(limit).toNanos();
        while (true) {
            T now = actual.get();
            if (expected.equals(now)) {
                return;
            }
            if (System.nanoTime() > end) {
                throw new AssertionError(
                        what + ": after " + patient(limit) + " still\n  " + now + "\nexpected\n  " + expected);
            }
            LockSupport.parkNanos(STEP.toNanos());
        }
    }
}
