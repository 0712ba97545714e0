package io.portafilter.launch;

import io.portafilter.linux.Errno;
import io.portafilter.linux.SystemCall;
import java.util.List;
import java.util.Optional;

/**
 * One system call of a launch program.
 *
 * @param call the call
 * @param arguments at most six
 * @param purpose what a person would call this step, such as {@code mount proc on /proc}
 * @param tolerated an error that does not count as one
 * @param next the operation that follows, or {@link #NONE}
 * @param onZero the operation that follows a result of 0, as the child of a {@code clone(2)} sees it
 * @param onError the operation that follows an error which is not tolerated
 */
public record Operation(
        SystemCall call,
        List<Operand> arguments,
        String purpose,
        Optional<Tolerated> tolerated,
        int next,
        int onZero,
        int onError) {

    /**
     * No successor: the process jumps to address 0 and dies of SIGSEGV. An operation that cannot return has no
     * successor, so that a filter which makes it return after all does not let it run on.
     */
    public static final int NONE = -1;

    /** An error that is expected, and why it may be passed over. */
    public record Tolerated(Errno errno, String why) {}

    /** Copies the arguments and refuses more than the kernel takes. */
    public Operation {
        arguments = List.copyOf(arguments);
        if (arguments.size() > 6) {
            throw new IllegalArgumentException(call.callName() + " with " + arguments.size() + " arguments");
        }
    }
}
