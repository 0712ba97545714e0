package io.portafilter.streaming;

import io.netty.channel.IoEventLoop;
import io.netty.channel.epoll.EpollIoOps;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.net.InetAddress;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/** Connects to a port of a pod: tries one loopback address after the other. Used on an event loop's thread alone. */
final class PodConnecting {
    private static final Duration CONNECT_LIMIT = Duration.ofSeconds(10);
    private static final List<String> LOOPBACK = List.of("127.0.0.1", "::1");

    /** Takes a connected socket, which is its own from then on. */
    @FunctionalInterface
    interface Taker {
        void take(Fd socket);
    }

    /** Is told why there is none. */
    @FunctionalInterface
    interface Failure {
        void because(String why);
    }

    private final ArrayDeque<Fd> sockets;
    private final ArrayDeque<String> addresses = new ArrayDeque<>(LOOPBACK);
    private final int port;
    private final IoEventLoop loop;
    private final Taker taker;
    private final Failure failure;
    private final StringBuilder causes = new StringBuilder();
    private final Future<?> limit;
    private Optional<Watched> watched = Optional.empty();

    PodConnecting(StreamRequest.Sockets sockets, int port, IoEventLoop loop, Taker taker, Failure failure) {
        this.sockets = new ArrayDeque<>(sockets.families());
        this.port = port;
        this.loop = loop;
        this.taker = taker;
        this.failure = failure;
        this.limit = loop.schedule(() -> fail("timed out"), CONNECT_LIMIT.toMillis(), TimeUnit.MILLISECONDS);
    }

    /** Tries the first address that is left. */
    void next() {
        if (sockets.isEmpty()) {
            fail("");
            return;
        }
        watched = Optional.of(Watched.of(loop, sockets.element(), EpollIoOps.EPOLLOUT, this::proceed));
        proceed();
    }

    /** Called again it tells how the first call went on (connect(2)). */
    private void proceed() {
        Fd socket = sockets.element();
        String address = addresses.element();
        try {
            Kernel.connect(socket, InetAddress.ofLiteral(address), port);
        } catch (KernelException e) {
            if (e.is(Errno.EINPROGRESS) || e.is(Errno.EALREADY)) {
                return;
            }
            if (!e.is(Errno.EISCONN)) {
                causes.append(causes.isEmpty() ? "" : "; ")
                        .append(address)
                        .append(": ")
                        .append(e.errno());
                drop();
                next();
                return;
            }
        }
        watched.ifPresent(Watched::cancel);
        limit.cancel(false);
        Fd connected = sockets.remove();
        sockets.forEach(Fd::close);
        sockets.clear();
        taker.take(connected);
    }

    private void drop() {
        watched.ifPresent(Watched::cancel);
        sockets.remove().close();
        addresses.remove();
    }

    private void fail(String why) {
        cancel();
        failure.because("cannot connect to " + causes + (causes.isEmpty() || why.isEmpty() ? "" : "; ") + why);
    }

    void cancel() {
        limit.cancel(false);
        watched.ifPresent(Watched::cancel);
        sockets.forEach(Fd::close);
        sockets.clear();
    }
}
