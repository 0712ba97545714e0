package io.portafilter.cli;

import java.util.List;

/** A manifest is refused; the message has a line for each problem, so that all are mended at once. */
final class ManifestException extends Exception {
    private static final long serialVersionUID = 1;

    ManifestException(String file, List<String> problems) {
        super(String.join(
                "\n", problems.stream().map(problem -> file + ":" + problem).toList()));
    }
}
