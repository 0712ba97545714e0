package io.portafilter.state;

import com.google.errorprone.annotations.MustBeClosed;

/**
 * One lock per container. Taken after its pod's lock where both are needed; never held over a grace period.
 * What needs the lock takes {@link Held} as its proof.
 */
public final class ContainerLock {
    private final KeyedLocks locks = new KeyedLocks();

    /** Waits for the lock of this container; the caller's thread closes what it gets. */
    @MustBeClosed
    public Held hold(String containerId) {
        locks.lock(containerId);
        return new Held(containerId);
    }

    /** Proof that this thread holds a container's lock. */
    public final class Held implements AutoCloseable {
        private final String containerId;

        private Held(String containerId) {
            this.containerId = containerId;
        }

        /** Whose lock it is. */
        public String containerId() {
            return containerId;
        }

        /** Refuses a proof for another container, or one that was given up: a mistake in the program. */
        public void require(String id) {
            if (!containerId.equals(id) || !locks.heldByThisThread(id)) {
                throw new IllegalStateException("the lock of container " + id + " is not held");
            }
        }

        @Override
        public void close() {
            locks.unlock(containerId);
        }
    }
}
