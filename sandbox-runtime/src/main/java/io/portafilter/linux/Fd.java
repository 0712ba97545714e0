package io.portafilter.linux;

import com.google.errorprone.annotations.MustBeClosed;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Owns one open file descriptor and closes it exactly once.
 *
 * <p>Closing again does nothing; using a descriptor that was closed or handed over is an
 * {@link IllegalStateException}, for its number may already mean another file.
 */
public final class Fd implements AutoCloseable {

    /**
     * The process's working directory ({@code AT_FDCWD}), for calls with an absolute path. Closing it does nothing.
     */
    public static final Fd CWD = new Fd(LinuxConstants.AT_FDCWD);

    private final int number;
    private final AtomicBoolean open = new AtomicBoolean(true);

    private Fd(int number) {
        this.number = number;
    }

    /** Takes ownership of an open descriptor, such as one that was received over a socket. */
    @MustBeClosed
    public static Fd own(int number) {
        if (number < 0) {
            throw new IllegalArgumentException("no file descriptor: " + number);
        }
        return new Fd(number);
    }

    /** The descriptor's number, valid until this object is closed. */
    public int number() {
        if (!open.get()) {
            throw new IllegalStateException("file descriptor " + number + " was closed or handed over");
        }
        return number;
    }

    /**
     * The path that leads to the open file from within this process, {@code /proc/self/fd/N}. It means another file in
     * another process.
     */
    public String path() {
        return "/proc/self/fd/" + number();
    }

    /** A second, close-on-exec descriptor of the same open file; the caller closes it. */
    @MustBeClosed
    public Fd duplicate() {
        return Kernel.duplicate(this, 0);
    }

    /** Hands the bare number over: from now on its receiver closes it. */
    public int transfer() {
        if (this == CWD || !open.compareAndSet(true, false)) {
            throw new IllegalStateException("file descriptor " + number + " is not ours to hand over");
        }
        return number;
    }

    /** Whether it is still open here. */
    public boolean isOpen() {
        return open.get();
    }

    @Override
    public void close() {
        if (this != CWD && open.compareAndSet(true, false)) {
            Kernel.close(number);
        }
    }

    @Override
    public String toString() {
        if (this == CWD) {
            return "AT_FDCWD";
        }
        return open.get() ? Integer.toString(number) : number + " (closed)";
    }
}
