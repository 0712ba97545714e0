package io.portafilter.linux;

import static io.portafilter.linux.LinuxConstants.AF_INET;
import static io.portafilter.linux.LinuxConstants.CLONE_NEWNET;
import static io.portafilter.linux.LinuxConstants.IFF_UP;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.SOCK_DGRAM;

import com.google.errorprone.annotations.MustBeClosed;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Runs what changes its thread (unshare(2), setns(2), the working directory after {@code CLONE_FS}) on a platform thread
 * that ends afterwards, so that no other code ever runs with the change.
 *
 * <p>A thread that is started by a changed thread inherits the change. The task must therefore start none and wake none:
 * waking a virtual thread (a lock released, a future completed) may start a carrier. The caller waits by {@code
 * Thread.join}, where the virtual machine's own thread does the waking.
 */
public final class OwnThread {

    private OwnThread() {}

    /**
     * The task's result. What the task throws is thrown here, a checked exception as cause of an IllegalStateException.
     * The wait cannot be interrupted: an interrupt is kept for the caller.
     */
    public static <T> T call(String name, Callable<T> task) {
        AtomicReference<@Nullable T> result = new AtomicReference<>();
        AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
        Thread thread = Thread.ofPlatform().name(name).daemon(true).unstarted(() -> {
            try {
                result.set(task.call());
            } catch (Throwable e) {
                failure.set(e);
            }
        });
        thread.start();
        joinUninterruptibly(thread);
        return switch (failure.get()) {
            case null -> Objects.requireNonNull(result.get(), () -> "the task " + name + " returned null");
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            case Throwable e -> throw new IllegalStateException("the task " + name + " failed", e);
        };
    }

    private static void joinUninterruptibly(Thread thread) {
        boolean interrupted = false;
        while (true) {
            try {
                thread.join();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** A new network namespace whose loopback interface is up. It lives as long as the descriptor or a member does. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the thread hands it to the caller
    public static Fd newNetworkNamespace() {
        return call("netns", () -> {
            Kernel.unshare(CLONE_NEWNET);
            try (Fd socket = Kernel.socket(AF_INET, SOCK_DGRAM, 0)) {
                int flags = Kernel.interfaceFlags(socket, "lo");
                Kernel.setInterfaceFlags(socket, "lo", flags | IFF_UP);
            }
            return Kernel.open("/proc/thread-self/ns/net", O_RDONLY);
        });
    }
}
