package io.portafilter.cgroup;

import static io.portafilter.linux.LinuxConstants.EPOLLPRI;
import static io.portafilter.linux.LinuxConstants.O_CLOEXEC;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;

import com.google.errorprone.annotations.MustBeClosed;
import com.google.errorprone.annotations.concurrent.GuardedBy;
import io.portafilter.linux.Errno;
import io.portafilter.linux.EventLoop;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/**
 * How many processes of a cgroup the kernel killed for want of memory, known when the cgroup is gone: systemd removes a
 * scope as soon as nothing runs in it. The kernel tells of a kill before the process that it kills has ended (version 2,
 * {@code memory.events}).
 */
public final class OomCount implements AutoCloseable {
    private static final int MAX_FILE_BYTES = 4096;

    private final Fd events;

    @GuardedBy("this")
    private Optional<EventLoop.Registration> registration = Optional.empty();

    @GuardedBy("this")
    private boolean closed;

    private volatile long kills;

    private OomCount(Fd events) {
        this.events = events;
    }

    /** Counts from now on; empty without a memory controller, or if the cgroup is gone already. The caller closes it. */
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    public static Optional<OomCount> watch(CgroupHierarchy.V2 hierarchy, String path, EventLoop loop) {
        OomCount count;
        try {
            count = new OomCount(open(hierarchy, path));
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) || e.is(Errno.ENODEV)) {
                return Optional.empty();
            }
            throw e;
        }
        count.begin(loop);
        return Optional.of(count);
    }

    @MustBeClosed
    private static Fd open(CgroupHierarchy.V2 hierarchy, String path) {
        return Kernel.open(
                hierarchy.directory() + new CgroupPath(path).value() + "/memory.events", O_RDONLY | O_CLOEXEC);
    }

    private synchronized void begin(EventLoop loop) {
        registration = Optional.of(loop.watch(events, EPOLLPRI, _ -> read()));
        read();
    }

    /** A file of a cgroup that is gone would be reported without end. */
    private synchronized void read() {
        if (closed) {
            return;
        }
        byte[] text = new byte[MAX_FILE_BYTES];
        try {
            int length = Kernel.pread(events, text, 0, text.length, 0);
            kills = KeyedValues.get(new String(text, 0, length, StandardCharsets.UTF_8), "oom_kill");
        } catch (KernelException e) {
            registration.ifPresent(EventLoop.Registration::cancel);
            if (!e.is(Errno.ENODEV)) {
                throw e;
            }
        }
    }

    /** As many as were seen. */
    public long kills() {
        return kills;
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            registration.ifPresent(EventLoop.Registration::cancel);
            events.close();
        }
    }
}
