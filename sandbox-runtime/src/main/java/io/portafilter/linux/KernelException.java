package io.portafilter.linux;

import java.io.Serial;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * A system call failed. The message reads as strace would print the call:
 * {@code mount("proc", "/proc", "proc", 0, NULL): EPERM (Operation not permitted)}.
 *
 * <p>It has no stack trace: many calls are expected to fail, a trace costs more than the call, and the message names
 * call and arguments. Thrown in this package alone; the caller that understands an error asks {@link #is(Errno)}.
 */
public final class KernelException extends RuntimeException {

    @Serial
    private static final long serialVersionUID = 1L;

    private final String call;
    private final transient Supplier<String> arguments;
    private final transient Errno errno;
    private final transient Optional<String> detail;

    KernelException(String call, String arguments, Errno errno) {
        this(call, () -> arguments, errno, Optional.empty());
    }

    /** With arguments that are printed when they are asked for. */
    KernelException(String call, Supplier<String> arguments, Errno errno, Optional<String> detail) {
        super(null, null, true, false);
        this.call = call;
        this.arguments = arguments;
        this.errno = errno;
        this.detail = detail;
    }

    @Override
    public String getMessage() {
        return call + "(" + arguments() + "): " + errno
                + detail.map(text -> ": " + text).orElse("");
    }

    /** The name of the system call, such as {@code move_mount}. */
    public String call() {
        return call;
    }

    /** The arguments as strace prints them, separated by a comma and a blank. */
    public String arguments() {
        return arguments.get();
    }

    /** What the kernel answered. */
    public Errno errno() {
        return errno;
    }

    /** What the kernel said beyond the error number, such as the messages of a file system context. */
    public Optional<String> detail() {
        return detail;
    }

    /** Whether the kernel answered with this error. */
    public boolean is(Errno expected) {
        return errno.number() == expected.number();
    }
}
