package io.portafilter.config;

import java.nio.file.Path;

/**
 * One thing that is wrong in a configuration file.
 *
 * @param line from 1; 0 when the file as a whole is meant
 * @param sentence what is wrong and what would be right
 */
public record ConfigProblem(Path file, int line, String sentence) {
    @Override
    public String toString() {
        return file + (line > 0 ? ":" + line : "") + ": " + sentence;
    }
}
