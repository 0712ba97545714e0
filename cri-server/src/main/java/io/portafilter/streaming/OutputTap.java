package io.portafilter.streaming;

import static io.portafilter.linux.LinuxConstants.EPOLLERR;
import static io.portafilter.linux.LinuxConstants.EPOLLET;
import static io.portafilter.linux.LinuxConstants.EPOLLOUT;

import io.portafilter.linux.Errno;
import io.portafilter.linux.EventLoop;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * One client's copy of one stream of a container: a pipe into which goes what the container's own pipe holds. How much
 * of that it has is all that is kept of it, so that memory does not grow with a client that is slow; the container waits
 * for it instead, as long as it takes something now and then. On the thread of the {@link LogLoop}.
 */
final class OutputTap {

    private static final Logger LOG = System.getLogger(OutputTap.class.getName());

    /** How long a client may take nothing while its container waits. */
    private static final long PATIENCE_SECONDS = 60;

    /** What an ended container has left must fit: nobody waits for it any more. */
    private static final int LAST_PIPE_BYTES = 1 << 20;

    private static final int PIECE_BYTES = 64 * 1024;

    private final LogLoop loop;
    private final Fd pipe;
    private final String name;
    private Optional<EventLoop.Registration> registration = Optional.empty();
    private Runnable onGone = () -> {};

    /** How many bytes from the head of the container's pipe on it has. */
    private int has;

    private long taken;
    private boolean waitedFor;

    /**
     * Taps nothing yet.
     *
     * @param pipe write end; owned by this
     * @param name for the server's log
     */
    OutputTap(LogLoop loop, Fd pipe, String name) {
        this.loop = loop;
        this.pipe = pipe;
        this.name = name;
    }

    /** Calls when there is room again, and when the client has gone. */
    void watch(Runnable onRoom, Runnable whenGone) {
        this.onGone = whenGone;
        registration = Optional.of(loop.events().watch(pipe, EPOLLOUT | EPOLLET, events -> {
            if ((events & EPOLLERR) != 0) {
                leave();
            } else {
                onRoom.run();
            }
        }));
    }

    boolean isOpen() {
        return pipe.isOpen();
    }

    /**
     * Gives it what it has not got of the output from the head of the container's pipe on.
     *
     * @param last what it does not take now it never gets
     * @return how much of it it has
     */
    int give(byte[] output, int available, boolean last) {
        if (last && available > has) {
            makeRoom();
        }
        while (isOpen() && has < available) {
            int count = write(output, Math.min(available - has, PIECE_BYTES));
            if (count == 0) {
                break;
            }
            has += count;
            taken += count;
        }
        if (isOpen() && has < available) {
            if (last) {
                LOG.log(Level.WARNING, "attach.cut log=" + name + " bytes=" + (available - has));
                has = available;
            } else {
                waitFor();
            }
        }
        return Math.min(has, available);
    }

    private int write(byte[] output, int length) {
        try {
            return Kernel.write(pipe, output, has, length);
        } catch (KernelException e) {
            if (e.is(Errno.EAGAIN)) {
                return 0;
            }
            if (e.is(Errno.EPIPE)) {
                leave();
                return 0;
            }
            throw e;
        }
    }

    private void makeRoom() {
        try {
            int _ = Kernel.setPipeSize(pipe, LAST_PIPE_BYTES);
        } catch (KernelException e) {
            // the user's limit of pipes' memory, of a server that is not root: as much as there is, then
            LOG.log(Level.DEBUG, "attach.small log=" + name + " cause=" + e.getMessage());
        }
    }

    /** Looks again after a while whether it has taken anything; one look at a time. */
    private void waitFor() {
        if (waitedFor) {
            return;
        }
        waitedFor = true;
        long before = taken;
        CompletableFuture.delayedExecutor(PATIENCE_SECONDS, TimeUnit.SECONDS).execute(() -> {
            try {
                loop.events().execute(() -> look(before));
            } catch (IllegalStateException e) {
                LOG.log(Level.DEBUG, "attach.over log=" + name, e); // the server ends
            }
        });
    }

    private void look(long before) {
        waitedFor = false;
        if (isOpen() && taken == before) {
            LOG.log(Level.WARNING, "attach.dropped log=" + name + " cause=took nothing for " + PATIENCE_SECONDS + " s");
            leave();
        }
    }

    private void leave() {
        if (isOpen()) {
            close();
            onGone.run();
        }
    }

    /** So much left the container's pipe; the program may have read from that, too. */
    void consumed(int bytes) {
        has = Math.max(0, has - bytes);
    }

    /** The client sees the end when it has read what it was given. */
    void close() {
        registration.ifPresent(EventLoop.Registration::cancel);
        registration = Optional.empty();
        pipe.close();
    }
}
