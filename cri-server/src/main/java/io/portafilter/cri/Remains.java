package io.portafilter.cri;

import java.util.Arrays;
import java.util.stream.Collectors;

/** Words for a creation that failed and could not be undone either. */
final class Remains {

    private Remains() {}

    /** Why it failed, and what kept it from being undone; never empty. */
    static String of(Throwable cause) {
        String undo = Arrays.stream(cause.getSuppressed()).map(Remains::words).collect(Collectors.joining(", "));
        return words(cause) + (undo.isEmpty() ? "" : "; not undone: " + undo);
    }

    private static String words(Throwable error) {
        String message = error.getMessage();
        return message == null || message.isBlank() ? error.toString() : message;
    }
}
