package io.portafilter.config;

import java.util.List;
import java.util.stream.Collectors;

/** The configuration is refused; the message has a line for each problem, so that all are mended at once. */
public final class ConfigException extends Exception {
    private static final long serialVersionUID = 1;

    private final transient List<ConfigProblem> problems;

    ConfigException(List<ConfigProblem> problems) {
        super(problems.stream().map(ConfigProblem::toString).collect(Collectors.joining("\n")));
        this.problems = List.copyOf(problems);
    }

    /** In the order of the files and lines; never empty. */
    public List<ConfigProblem> problems() {
        return problems;
    }
}
