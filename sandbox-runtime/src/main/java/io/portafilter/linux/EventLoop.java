package io.portafilter.linux;

import static io.portafilter.linux.LinuxConstants.EFD_NONBLOCK;
import static io.portafilter.linux.LinuxConstants.EPOLLIN;

import com.google.errorprone.annotations.MustBeClosed;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntConsumer;

/**
 * One platform thread that waits for many descriptors (epoll(7)). What it calls must not block; longer work is handed
 * to another thread.
 */
public final class EventLoop implements AutoCloseable {

    private static final Logger LOG = System.getLogger(EventLoop.class.getName());
    private static final int EVENTS_AT_ONCE = 64;
    private static final long WAKE = 0;

    private final Fd epoll;
    private final Fd wake;
    private final Map<Long, Registration> registrations = new ConcurrentHashMap<>();
    private final ConcurrentLinkedQueue<Runnable> tasks = new ConcurrentLinkedQueue<>();
    private final AtomicLong lastToken = new AtomicLong(WAKE);
    private final Thread thread;
    private volatile boolean closing;

    private EventLoop(String name, Fd epoll, Fd wake) {
        this.epoll = epoll;
        this.wake = wake;
        this.thread = Thread.ofPlatform().name(name).daemon().unstarted(this::run);
    }

    /** Starts a loop whose thread has this name. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the result owns both
    public static EventLoop start(String name) {
        EventLoop loop = new EventLoop(name, Kernel.epollCreate(), Kernel.eventfd(EFD_NONBLOCK));
        Kernel.epollAdd(loop.epoll, loop.wake, EPOLLIN, WAKE);
        loop.thread.start();
        return loop;
    }

    /** A descriptor that is being watched. */
    public final class Registration {
        private final long token;
        private final Fd descriptor;
        private final IntConsumer onReady;

        private Registration(long token, Fd descriptor, IntConsumer onReady) {
            this.token = token;
            this.descriptor = descriptor;
            this.onReady = onReady;
        }

        /**
         * Watches no longer; do so before the descriptor is closed. Called on the loop's thread, nothing is reported
         * afterwards; called elsewhere, a report may be under way. Doing it again does nothing.
         */
        public void cancel() {
            if (registrations.remove(token) != null && descriptor.isOpen()) {
                Kernel.epollDelete(epoll, descriptor);
            }
        }
    }

    /**
     * Watches a descriptor, which stays the caller's.
     *
     * @param events {@code EPOLL*} flags
     * @param onReady called on the loop's thread with the events that happened
     */
    public Registration watch(Fd descriptor, int events, IntConsumer onReady) {
        Registration registration = new Registration(lastToken.incrementAndGet(), descriptor, onReady);
        registrations.put(registration.token, registration);
        try {
            Kernel.epollAdd(epoll, descriptor, events, registration.token);
        } catch (KernelException e) {
            registrations.remove(registration.token);
            throw e;
        }
        return registration;
    }

    /** Runs something on the loop's thread, after what was asked for earlier; events are looked at in between. */
    public void execute(Runnable task) {
        if (closing) {
            throw new IllegalStateException("the event loop " + thread.getName() + " is closed");
        }
        tasks.add(task);
        if (Thread.currentThread() != thread) {
            Kernel.eventfdAdd(wake, 1);
        }
    }

    private void run() {
        EpollEvents events = new EpollEvents(EVENTS_AT_ONCE);
        byte[] counter = new byte[Long.BYTES];
        while (!closing) {
            int count = Kernel.epollWait(epoll, events, tasks.isEmpty() ? -1 : 0);
            for (int i = 0; i < count; i++) {
                if (events.data(i) == WAKE) {
                    int _ = Kernel.read(wake, counter, 0, counter.length);
                } else {
                    report(events.data(i), events.events(i));
                }
            }
            for (int waiting = tasks.size(); waiting > 0; waiting--) {
                Runnable task = tasks.poll();
                if (task != null) {
                    guarded(task);
                }
            }
        }
        for (Runnable task = tasks.poll(); task != null; task = tasks.poll()) {
            guarded(task);
        }
    }

    private void report(long token, int happened) {
        Registration registration = registrations.get(token);
        if (registration != null) {
            guarded(() -> registration.onReady.accept(happened));
        }
    }

    /** One container's trouble must not end the loop of all. */
    private void guarded(Runnable task) {
        try {
            task.run();
        } catch (RuntimeException | Error e) {
            LOG.log(Level.ERROR, "loop.failed thread=" + thread.getName(), e);
        }
    }

    /** Ends the thread after what was asked for so far; descriptors stay their owners'. */
    @Override
    public void close() {
        if (closing) {
            return;
        }
        closing = true;
        Kernel.eventfdAdd(wake, 1);
        boolean interrupted = false;
        while (thread.isAlive() && Thread.currentThread() != thread) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        try (epoll) {
            wake.close();
        }
    }
}
