package io.portafilter.launch;

import io.portafilter.linux.Errno;
import io.portafilter.linux.NamespaceLimits;
import io.portafilter.linux.SystemCall;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/** A launch that did not come to its end. The message is a sentence: what was done, what failed, at which operation. */
public final class LaunchException extends RuntimeException {

    private static final long serialVersionUID = 1;

    /** What failed: a call of the program, with the kernel's answer. */
    public record Failure(SystemCall call, Errno errno, String purpose) {}

    private final transient Optional<Failure> failure;

    private LaunchException(String message, Optional<Failure> failure) {
        super(message);
        this.failure = failure;
    }

    /** An operation of the program failed. */
    static LaunchException failed(LaunchProgram program, int index, Errno errno) {
        Operation operation = program.operations().get(index);
        String sentence = operation.call() == SystemCall.EXECVE
                ? operation.purpose() + ": " + notExecuted(errno)
                : String.format(
                        "%s: %s: %s (%s), operation %d of %d%s",
                        operation.purpose(),
                        ProgramText.call(program, index),
                        errno.name(),
                        errno.text(),
                        index,
                        program.operations().size(),
                        hint(operation.call(), errno));
        return new LaunchException(sentence, Optional.of(new Failure(operation.call(), errno, operation.purpose())));
    }

    /** In the words of whoever chose the program; {@code execve(2)} lists what each error may mean. */
    private static String notExecuted(Errno errno) {
        String said = errno.text() + " (" + errno.name() + ")";
        if (errno.equals(Errno.ENOENT)) {
            return said + ": the container lacks this file, or the interpreter that the file names";
        }
        if (errno.equals(Errno.EACCES)) {
            return said + ": it is not a file that this user may execute";
        }
        if (errno.equals(Errno.ENOEXEC)) {
            return said + ": it is neither a program for this machine nor a script that begins with #!";
        }
        return said;
    }

    private static String hint(SystemCall call, Errno errno) {
        return NamespaceLimits.isReached(call.callName(), errno) ? NamespaceLimits.CURE : "";
    }

    /**
     * No directory of the search path has the program.
     *
     * @param candidates the paths that were tried, at least one
     * @param last why the last of them could not be executed
     */
    static LaunchException notFound(List<String> candidates, LaunchException last) {
        String first = candidates.getFirst();
        String searched = candidates.stream()
                .map(path -> path.substring(0, path.lastIndexOf('/')))
                .collect(Collectors.joining(":"));
        return last.saying("execute " + first.substring(first.lastIndexOf('/') + 1)
                + ": No such file or directory (ENOENT) in the container's PATH, which is " + searched);
    }

    /** The same failure in other words. */
    public LaunchException saying(String sentence) {
        LaunchException other = new LaunchException(sentence, failure);
        other.addSuppressed(this);
        return other;
    }

    /** The process ended, by whatever cause, while an operation was under way. */
    static LaunchException ended(LaunchProgram program, int index) {
        String where = index == Operation.NONE
                ? "before its first step"
                : "at: " + program.operations().get(index).purpose() + ": " + ProgramText.call(program, index)
                        + ", operation " + index + " of " + program.operations().size();
        return new LaunchException("the launch was ended from outside " + where, Optional.empty());
    }

    /** The launch failed for a reason that no operation tells. */
    public static LaunchException because(String sentence) {
        return new LaunchException(sentence, Optional.empty());
    }

    /** The call that failed, if a call did. */
    public Optional<Failure> failure() {
        return failure;
    }

    /** Whether it was the program that could not be executed, with this error. */
    public boolean isExecveError(Errno errno) {
        return failure.filter(f -> f.call() == SystemCall.EXECVE && f.errno().equals(errno))
                .isPresent();
    }

    /** Whether it was the program that could not be executed. */
    public boolean isExecveError() {
        return failure.filter(f -> f.call() == SystemCall.EXECVE).isPresent();
    }
}
