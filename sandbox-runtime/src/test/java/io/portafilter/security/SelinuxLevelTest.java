package io.portafilter.security;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SelinuxLevelTest {

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "s0|s0",
                "s0:c4|s0:c4",
                "s0:c4,c5|s0:c4,c5",
                "s0:c5,c4|s0:c4,c5",
                "s0:c5,c4,c5|s0:c4,c5",
                "s0:c4.c5|s0:c4,c5",
                "s0:c4.c4|s0:c4",
                "s0:c4,c5,c6|s0:c4.c6",
                "s0:c6,c4.c5|s0:c4.c6",
                "s0:c0.c3,c2.c9,c11|s0:c0.c9,c11",
                "s0:c0.c1023|s0:c0.c1023",
                "s0-s0|s0",
                "s0-s0:c3,c1|s0-s0:c1,c3",
                "s0-s15:c0.c1023|s0-s15:c0.c1023",
                "s01:c007|s1:c7",
            })
    void theSameCategoriesAreTheSameText(String level, String canonical) {
        assertThat(SelinuxLevel.canonical(level)).contains(canonical);
        assertThat(SelinuxLevel.canonical(canonical)).contains(canonical);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "0",
                "s",
                "s0:",
                "s0:c1,",
                "s0:c1.",
                "s0:c1.c2.c3",
                "s0:c5.c4",
                "s1-s0",
                "s0:c10000",
                "s100",
                "s0:c1 ",
                "s0:c1\n",
                "s0:c1:c2",
                "S0",
                "s0:c\u0661",
            })
    void whatIsNoLevelIsNone(String text) {
        assertThat(SelinuxLevel.canonical(text)).isEmpty();
    }

    @Test
    void aLevelOfAnyLengthIsReadOrRefused() {
        assertThat(SelinuxLevel.canonical("s0" + ":c1" + ",c1".repeat(2000))).contains("s0:c1");
        assertThat(SelinuxLevel.canonical("s0" + ":c1" + ",c1".repeat(1_000_000)))
                .isEmpty();
    }
}
