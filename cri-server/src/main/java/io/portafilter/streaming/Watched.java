package io.portafilter.streaming;

import io.netty.channel.IoEvent;
import io.netty.channel.IoEventLoop;
import io.netty.channel.IoRegistration;
import io.netty.channel.epoll.EpollIoHandle;
import io.netty.channel.epoll.EpollIoOps;
import io.netty.channel.unix.FileDescriptor;
import io.portafilter.linux.Fd;
import java.util.Optional;

/**
 * A pipe, terminal or pidfd that is watched by the event loop of a connection, so that what goes between the two never
 * changes threads. Edge-triggered (epoll(7)): whoever is told uses the descriptor until it would block.
 */
final class Watched implements EpollIoHandle {

    private final FileDescriptor descriptor;
    private final Runnable onReady;
    private Optional<IoRegistration> registration = Optional.empty();

    private Watched(Fd fd, Runnable onReady) {
        this.descriptor = new FileDescriptor(fd.number());
        this.onReady = onReady;
    }

    /**
     * Watches from now on; called on the loop's thread. The descriptor stays the caller's, who stops watching before
     * closing it.
     *
     * @param events in and out, without edge-triggering, which is added
     */
    static Watched of(IoEventLoop loop, Fd fd, EpollIoOps events, Runnable onReady) {
        Watched watched = new Watched(fd, onReady);
        var registered = loop.register(watched);
        if (!registered.isSuccess()) {
            throw new IllegalStateException("cannot watch descriptor " + fd, registered.cause());
        }
        IoRegistration registration = registered.getNow();
        watched.registration = Optional.of(registration);
        long _ = registration.submit(events.with(EpollIoOps.EPOLLET));
        return watched;
    }

    /** For reading and writing without copies; never closed through this. */
    @Override
    public FileDescriptor fd() {
        return descriptor;
    }

    @Override
    public void handle(IoRegistration source, IoEvent event) {
        if (registration.isPresent()) {
            onReady.run();
        }
    }

    /** Watches no longer; again does nothing. */
    void cancel() {
        registration.ifPresent(IoRegistration::cancel);
        registration = Optional.empty();
    }

    /** The loop ends. */
    @Override
    public void close() {
        cancel();
    }
}
