package io.portafilter.linux;

import java.util.List;

/**
 * A program to start with posix_spawn(3).
 *
 * @param path the executable; no search
 * @param arguments all arguments, the name first
 * @param environment {@code NAME=value} each
 * @param standard the descriptors that become 0, 1 and 2; empty: all three are {@code /dev/null}
 * @param descriptors the descriptors that become 3, 4, 5 and so on; they stay the caller's
 * @param ownGroup it leads a process group of its own, by which all that it starts can be killed
 */
public record SpawnRequest(
        String path,
        List<String> arguments,
        List<String> environment,
        List<Integer> standard,
        List<Integer> descriptors,
        boolean ownGroup) {

    public SpawnRequest {
        arguments = List.copyOf(arguments);
        environment = List.copyOf(environment);
        standard = List.copyOf(standard);
        descriptors = List.copyOf(descriptors);
        if (!standard.isEmpty() && standard.size() != 3) {
            throw new IllegalArgumentException(
                    "standard input, output and error are three descriptors, not " + standard.size());
        }
        if (arguments.isEmpty()) {
            throw new IllegalArgumentException("a program needs its name as first argument: " + path);
        }
    }

    /** With {@code /dev/null} as standard input, output and error. */
    public static SpawnRequest detached(
            String path, List<String> arguments, List<String> environment, List<Integer> descriptors) {
        return new SpawnRequest(path, arguments, environment, List.of(), descriptors, false);
    }
}
