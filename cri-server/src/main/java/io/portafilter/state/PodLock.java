package io.portafilter.state;

import com.google.errorprone.annotations.MustBeClosed;

/**
 * One lock per pod sandbox. Taken before a container's lock, never after; never held over a grace period or a pull.
 * What needs the lock takes {@link Held} as its proof.
 */
public final class PodLock {
    private final KeyedLocks locks = new KeyedLocks();

    /** Waits for the lock of this pod; the caller's thread closes what it gets. */
    @MustBeClosed
    public Held hold(String podId) {
        locks.lock(podId);
        return new Held(podId);
    }

    /** Proof that this thread holds a pod's lock. */
    public final class Held implements AutoCloseable {
        private final String podId;

        private Held(String podId) {
            this.podId = podId;
        }

        /** Whose lock it is. */
        public String podId() {
            return podId;
        }

        /** Refuses a proof for another pod, or one that was given up: a mistake in the program. */
        public void require(String id) {
            if (!podId.equals(id) || !locks.heldByThisThread(id)) {
                throw new IllegalStateException("the lock of pod " + id + " is not held");
            }
        }

        @Override
        public void close() {
            locks.unlock(podId);
        }
    }
}
