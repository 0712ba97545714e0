package io.portafilter.cri;

import java.util.ArrayDeque;
import java.util.Deque;

/**
 * What has to be undone if a call fails: in reverse order, each step even if an earlier one failed. For a
 * try-with-resources statement, whose body ends with {@link #forget()}; what fails here is suppressed into the error
 * that led to it.
 */
final class Undo implements AutoCloseable {

    private final Deque<Runnable> steps = new ArrayDeque<>();

    /** Runs {@code step} unless the call succeeds. */
    void add(Runnable step) {
        steps.push(step);
    }

    /** Everything stays. */
    void forget() {
        steps.clear();
    }

    @Override
    public void close() {
        RuntimeException first = null;
        while (!steps.isEmpty()) {
            try {
                steps.pop().run();
            } catch (RuntimeException e) {
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
