package io.portafilter.cgroup;

import static io.portafilter.linux.LinuxConstants.EPOLLPRI;
import static io.portafilter.linux.LinuxConstants.O_CLOEXEC;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;

import io.portafilter.linux.Errno;
import io.portafilter.linux.EventLoop;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * How many processes of a cgroup the kernel killed for want of memory, known when the cgroup is gone: systemd removes a
 * scope as soon as nothing runs in it. The kernel tells of a kill before the process that it kills has ended (version 2,
 * {@code memory.events}). Who comes too late all the same finds it in the cgroup above, which counts those below it too.
 */
public final class OomCount implements AutoCloseable {
    private static final int MAX_FILE_BYTES = 4096;

    private final Fd own;
    private final Fd above;
    private final List<EventLoop.Registration> registrations = new ArrayList<>();
    private boolean closed;
    private boolean gone;
    private long kills;
    private long killsAbove;

    private OomCount(Fd own, Fd above) {
        this.own = own;
        this.above = above;
    }

    /** Counts from now on; empty without a memory controller, or if the cgroup is gone already. The caller closes it. */
    @SuppressWarnings("MustBeClosedChecker") // the result owns both
    public static Optional<OomCount> watch(CgroupHierarchy.V2 hierarchy, String path, EventLoop loop) {
        String directory = hierarchy.directory() + new CgroupPath(path).value();
        Optional<Fd> above = open(directory.substring(0, directory.lastIndexOf('/')));
        if (above.isEmpty()) {
            return Optional.empty();
        }
        Optional<Fd> own = open(directory);
        if (own.isEmpty()) {
            above.get().close();
            return Optional.empty();
        }
        OomCount count = new OomCount(own.get(), above.get());
        try {
            count.begin(loop);
        } catch (RuntimeException e) {
            count.close();
            throw e;
        }
        return Optional.of(count);
    }

    @SuppressWarnings("MustBeClosedChecker") // handed over in the result
    private static Optional<Fd> open(String directory) {
        try {
            return Optional.of(Kernel.open(directory + "/memory.events", O_RDONLY | O_CLOEXEC));
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) || e.is(Errno.ENODEV)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    private synchronized void begin(EventLoop loop) {
        for (Fd events : List.of(own, above)) {
            registrations.add(loop.watch(events, EPOLLPRI, _ -> look()));
        }
        look();
    }

    /** What is counted above while the cgroup is there is in its own count, or another's. */
    private synchronized void look() {
        if (closed || gone) {
            return;
        }
        OptionalLong nowAbove = read(above); // first: what comes in between is counted below
        OptionalLong now = read(own);
        if (now.isEmpty()) {
            gone = true;
            // a file of a cgroup that is gone would be reported without end
            registrations.forEach(EventLoop.Registration::cancel);
            return;
        }
        kills = now.getAsLong();
        killsAbove = nowAbove.orElse(killsAbove);
    }

    private static OptionalLong read(Fd events) {
        byte[] text = new byte[MAX_FILE_BYTES];
        try {
            int length = Kernel.pread(events, text, 0, text.length, 0);
            return OptionalLong.of(KeyedValues.get(new String(text, 0, length, StandardCharsets.UTF_8), "oom_kill"));
        } catch (KernelException e) {
            if (e.is(Errno.ENODEV)) {
                return OptionalLong.empty();
            }
            throw e;
        }
    }

    /** As many as were seen in the cgroup. */
    public synchronized long kills() {
        look();
        return kills;
    }

    /** The same, with what was counted above between the last look at the cgroup and now, when it is gone. */
    public synchronized long killsOrAbove() {
        look();
        return closed || !gone ? kills : kills + read(above).orElse(killsAbove) - killsAbove;
    }

    @Override
    public synchronized void close() {
        if (!closed) {
            closed = true;
            registrations.forEach(EventLoop.Registration::cancel);
            try (above) {
                own.close();
            }
        }
    }
}
