package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

final class DocumentedDifferencesTest {
    private static final String HEADING = "### ";

    @Test
    void eachExpectedDifferenceHasItsReasonInTheDocumentAndNoOther() throws IOException {
        Path document = Tree.root().resolve("docs/differences.md");
        Set<String> documented = Files.readAllLines(document).stream()
                .filter(line -> line.startsWith(HEADING))
                .map(line -> line.substring(HEADING.length()).strip())
                .collect(Collectors.toCollection(TreeSet::new));
        Set<String> expected = ExpectedDifference.ALL.stream()
                .map(ExpectedDifference::name)
                .collect(Collectors.toCollection(TreeSet::new));

        assertThat(documented).isNotEmpty().isEqualTo(expected);
    }
}
