package io.portafilter.cri;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.cri.DocumentedTable.Row;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Holds {@code docs/conformance.md} to the tests that there are: the one that it names for each case exists. */
class ConformanceTableTest {
    private static final List<Row> ROWS = DocumentedTable.of("conformance.md").rows();
    private static final Pattern TEST =
            Pattern.compile("^    (?:void|Stream<DynamicTest>|List<DynamicTest>) (\\w+)\\(", Pattern.MULTILINE);

    @Test
    void everyCaseHasOneRowAndSaysWhatItChecks() {
        assertThat(ROWS).extracting(Row::key).doesNotHaveDuplicates().hasSizeGreaterThan(90);
        assertThat(ROWS).allSatisfy(row -> assertThat(row.what()).as(row.key()).endsWith("."));
    }

    @Test
    void everyTestThatIsNamedExists() {
        TreeSet<String> known = DocumentedTable.testSources().stream()
                .filter(source -> source.toString().contains("/e2e/src/test/java/"))
                .flatMap(ConformanceTableTest::tests)
                .collect(Collectors.toCollection(TreeSet::new));
        assertThat(ROWS)
                .allSatisfy(row -> assertThat(row.tests().replace("`", ""))
                        .as(row.key() + " is tested by")
                        .isIn(known));
    }

    private static Stream<String> tests(Path source) {
        try {
            return TEST.matcher(Files.readString(source))
                    .results()
                    .map(found -> DocumentedTable.className(source) + "." + found.group(1));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
