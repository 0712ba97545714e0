package io.portafilter.cri;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A page below {@code docs/} with tables of what becomes of each name, and the tests that show it.
 *
 * @param file the page
 */
record DocumentedTable(Path file) {
    /** The project's directory. */
    static final Path TREE = Objects.requireNonNull(Path.of("").toAbsolutePath().getParent());

    private static final Pattern ROW = Pattern.compile("\\| `([\\w.]+)` \\|(.*)\\|(.*)\\|");

    /**
     * A row.
     *
     * @param key the name
     * @param what becomes of it
     * @param tests the last column
     */
    record Row(String key, String what, String tests) {}

    static DocumentedTable of(String page) {
        return new DocumentedTable(TREE.resolve("docs").resolve(page));
    }

    List<Row> rows() {
        try (Stream<String> lines = Files.lines(file)) {
            return lines.filter(line -> line.startsWith("| `"))
                    .map(DocumentedTable::row)
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Row row(String line) {
        Matcher cells = ROW.matcher(line);
        assertThat(cells.matches()).as("three columns: " + line).isTrue();
        return new Row(cells.group(1), cells.group(2).strip(), cells.group(3).strip());
    }

    /** The sources of all test classes. */
    static List<Path> testSources() {
        try (Stream<Path> files = Files.find(
                TREE,
                20,
                (path, _) -> path.toString().contains("/src/test/java/")
                        && path.toString().endsWith("Test.java"))) {
            return files.toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The class of a source. */
    static String className(Path source) {
        return String.valueOf(source.getFileName()).replace(".java", "");
    }
}
