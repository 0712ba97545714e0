package io.portafilter.cri;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HashSet;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class SelinuxLevelsTest {
    private static final Pattern PAIR = Pattern.compile("s0:c(\\d+),c(\\d+)");
    private static final int PAIRS = 1024 * 1023 / 2;

    @Test
    void noTwoPodsHaveTheSamePairUntilAllAreGone() {
        SelinuxLevels levels = new SelinuxLevels(_ -> 0);
        Set<String> taken = new HashSet<>();
        taken.add(levels.take());
        // all others are held, but one: a take looks for it
        for (int higher = 1; higher < 1024; higher++) {
            for (int lower = 0; lower < higher; lower++) {
                String level = "s0:c" + lower + ",c" + higher;
                if (!taken.contains(level) && !level.equals("s0:c1022,c1023")) {
                    levels.hold(level);
                    taken.add(level);
                }
            }
        }
        assertThat(taken).hasSize(PAIRS - 1);
        assertThat(levels.take()).isEqualTo("s0:c1022,c1023");
        assertThatThrownBy(levels::take).isInstanceOf(CriException.class).hasMessageContaining("in use");
        levels.free("s0:c4,c5");
        assertThat(levels.take()).isEqualTo("s0:c4,c5");
    }

    @Test
    void aPairIsTwoOfTheCategoriesTheLowerFirst() {
        SelinuxLevels levels = new SelinuxLevels();
        for (int i = 0; i < 10_000; i++) {
            Matcher pair = PAIR.matcher(levels.take());
            assertThat(pair.matches()).isTrue();
            int lower = Integer.parseInt(pair.group(1));
            int higher = Integer.parseInt(pair.group(2));
            assertThat(lower).isBetween(0, higher - 1);
            assertThat(higher).isLessThan(1024);
        }
    }

    @Test
    void aLevelThatTwoPodsAskForIsFreeWhenBothHaveGone() {
        SelinuxLevels levels = new SelinuxLevels(_ -> 0);
        levels.hold("s0:c0,c1");
        levels.hold("s0:c0,c1");
        levels.free("s0:c0,c1");
        assertThat(levels.take()).isEqualTo("s0:c0,c2");
        levels.free("s0:c0,c1");
        assertThat(levels.take()).isEqualTo("s0:c0,c1");
    }
}
