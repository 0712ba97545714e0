package io.portafilter.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import io.portafilter.container.Finding;
import io.portafilter.container.Outcome;
import io.portafilter.container.Probe.Need;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What a person and a script are told of findings. */
class CheckReportTest {
    private static Finding finding(String feature, Need need, Outcome outcome) {
        return new Finding(feature, need, outcome, "lost of " + feature, "cure of " + feature);
    }

    private static final Finding OVERLAY = finding("overlay", Need.REQUIRED, new Outcome.Works("on ext4"));
    private static final Finding CPU = finding("cpu", Need.OPTIONAL, new Outcome.Missing("no \"controller\""));

    @Test
    void aMissingOptionIsToldAndTheNodeIsReady() {
        CheckReport report = new CheckReport(List.of(OVERLAY, CPU));
        assertThat(report.isReady()).isTrue();
        assertThat(report.text().lines())
                .anySatisfy(line -> assertThat(line).matches("overlay +yes"))
                .anySatisfy(line -> assertThat(line).matches("cpu +no +lost of cpu +cure of cpu"))
                .contains("  overlay: on ext4", "  cpu: no \"controller\"")
                .contains("All 1 required features work: pods can run here.");
    }

    @Test
    void whatIsRequiredAndMissingOrUntriedMakesTheNodeUnready() {
        for (Outcome outcome : List.of(new Outcome.Missing("EINVAL"), new Outcome.Untried("needs root"))) {
            CheckReport report = new CheckReport(List.of(OVERLAY, finding("openat2", Need.REQUIRED, outcome)));
            assertThat(report.isReady()).isFalse();
            assertThat(report.text())
                    .contains("(required)")
                    .contains("1 of 2 required features do not work or could not be tried: openat2.");
        }
    }

    @Test
    void whatIsNotNeededIsNotMissed() {
        CheckReport report =
                new CheckReport(List.of(finding("birth", Need.REQUIRED, new Outcome.NotNeeded("version 1"))));
        assertThat(report.isReady()).isTrue();
        assertThat(report.text()).doesNotContain("lost of birth");
    }

    @Test
    void jsonHasAnObjectForEachFeatureWithAllThatIsKnown() throws IOException {
        String json = new CheckReport(List.of(OVERLAY, CPU)).json();
        StringBuilder flat = new StringBuilder();
        try (JsonParser parser = new JsonFactory().createParser(json)) {
            for (var token = parser.nextToken(); token != null; token = parser.nextToken()) {
                flat.append(parser.getText()).append('|');
            }
        }
        assertThat(flat.toString())
                .startsWith("[|{|feature|overlay|required|true|result|works|detail|on ext4|")
                .contains("|feature|cpu|required|false|result|missing|detail|no \"controller\"|lost|lost of cpu|cure|");
    }
}
