package io.portafilter.container;

import java.time.Duration;
import java.util.List;

/**
 * A program to run in a running container, as that container's user and with its rights.
 *
 * @param id unique, for the names of its files
 * @param arguments the program and its arguments, not empty
 * @param startLimit how long it may take until the program is executed: a process of the container may stop the one
 *     that is to become it
 * @param terminal whether its three streams are a terminal of its own
 * @param stdin whether it is given input; without, and without a terminal, it reads the null device
 */
public record ExecRequest(String id, List<String> arguments, Duration startLimit, boolean terminal, boolean stdin) {
    /** Longer than any machine needs that is not at its end. */
    public static final Duration LONGEST_START = Duration.ofSeconds(20);

    public ExecRequest {
        arguments = List.copyOf(arguments);
    }

    /** One that is only listened to. */
    public ExecRequest(String id, List<String> arguments, Duration startLimit) {
        this(id, arguments, startLimit, false, false);
    }
}
