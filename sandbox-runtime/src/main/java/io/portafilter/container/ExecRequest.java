package io.portafilter.container;

import java.util.List;

/**
 * A program to run in a running container, as that container's user and with its rights.
 *
 * @param id unique, for the names of its files
 * @param arguments the program and its arguments, not empty
 */
public record ExecRequest(String id, List<String> arguments) {
    public ExecRequest {
        arguments = List.copyOf(arguments);
    }
}
