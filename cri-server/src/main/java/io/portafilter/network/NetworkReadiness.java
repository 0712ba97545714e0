package io.portafilter.network;

import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/**
 * Whether pods can be put into a network now.
 *
 * @param ready whether they can
 * @param message why not; empty if they can
 * @param file the configuration, if there is one
 * @param config what is in it, if it can be used
 */
public record NetworkReadiness(
        boolean ready, String message, Optional<Path> file, Optional<Map<String, Object>> config) {}
