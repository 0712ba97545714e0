package io.portafilter.container;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * What has to be undone if a launch or a call fails: in reverse order, each step even if an earlier one failed. Used in a
 * try-with-resources statement; {@link #forget()} commits.
 */
public final class Rollback implements AutoCloseable {

    private final Deque<Runnable> steps = new ArrayDeque<>();
    private boolean failed;

    /** Undoes {@code step} unless all succeeds. */
    public void add(Runnable step) {
        steps.push(step);
    }

    /** Everything stays. */
    public void forget() {
        steps.clear();
    }

    /** What is to be undone, handed over to someone else. */
    Rollback transfer() {
        Rollback other = new Rollback();
        other.steps.addAll(steps);
        steps.clear();
        return other;
    }

    /** Whether a step failed when all was undone: something may be left. */
    public boolean hasFailed() {
        return failed;
    }

    @Override
    public void close() {
        RuntimeException first = null;
        while (!steps.isEmpty()) {
            try {
                steps.pop().run();
            } catch (RuntimeException e) {
                failed = true;
                if (first == null) {
                    first = e;
                } else {
                    first.addSuppressed(e);
                }
            }
        }
        if (first != null) {
            throw first;
        }
    }
}
