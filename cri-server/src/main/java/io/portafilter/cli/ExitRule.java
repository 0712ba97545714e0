package io.portafilter.cli;

import java.util.Collection;
import java.util.Locale;
import java.util.regex.Pattern;

/** How the ends of containers become the exit status of {@code run}. */
final class ExitRule {
    private static final Pattern NO_PROGRAM = Pattern.compile("ENOENT|no such file|not found|does not exist");
    private static final Pattern NO_EXECUTION =
            Pattern.compile("EACCES|ENOEXEC|EISDIR|ETXTBSY|ELIBBAD|EPERM|permission denied|not executable");

    private ExitRule() {}

    /** The first status that is not zero, of the containers in the manifest's order, init containers first. */
    static int ofPod(Collection<Integer> statuses) {
        return statuses.stream().filter(status -> status != 0).findFirst().orElse(0);
    }

    /** Whether a container that ended is to be started again. */
    static boolean restarts(Pod.RestartPolicy policy, int status) {
        return switch (policy) {
            case ALWAYS -> true;
            case ON_FAILURE -> status != 0;
            case NEVER -> false;
        };
    }

    /** What a launch that failed means, by the sentence that tells its step: 127, 126, or 125. */
    static int ofFailedStart(String sentence) {
        String lower = sentence.toLowerCase(Locale.ROOT);
        boolean execution = lower.contains("execute ") || lower.contains("executable") || lower.contains("program");
        if (!execution) {
            return ExitStatus.RUN_FAILED;
        }
        if (NO_PROGRAM.matcher(sentence).find()) {
            return ExitStatus.NOT_FOUND;
        }
        return NO_EXECUTION.matcher(sentence).find() ? ExitStatus.NOT_EXECUTABLE : ExitStatus.RUN_FAILED;
    }
}
