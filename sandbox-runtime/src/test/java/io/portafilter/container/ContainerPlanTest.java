package io.portafilter.container;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.security.SecurityRefusal;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What an image or a request may not make of a launch program. */
class ContainerPlanTest {

    private static String path(int directories) {
        return IntStream.range(0, directories).mapToObj(i -> "/d" + i).collect(Collectors.joining(":", "PATH=", ""));
    }

    @Test
    void refusesASearchPathOfThousandsOfDirectories() {
        assertThat(PlanFixture.plan().environment(path(1024)).container().candidates())
                .hasSize(1024)
                .startsWith("/d0/app");
        PlanFixture hostile = PlanFixture.plan().environment(path(1025));
        assertThatThrownBy(hostile::container)
                .isInstanceOf(SecurityRefusal.class)
                .hasMessageContaining("PATH has 1025 directories");
        // whose program needs no search may have it
        assertThat(hostile.arguments("/bin/app").container().candidates()).containsExactly("/bin/app");
    }

    @Test
    void refusesATextThatNoProgramCanReceive() {
        int longest = 128 * 1024 - 1;
        assertThat(PlanFixture.plan()
                        .environment("A=" + "a".repeat(longest - 2))
                        .container()
                        .environment())
                .hasSize(2);
        assertThatThrownBy(() -> PlanFixture.plan()
                        .environment("A=" + "s3cret".repeat(30_000))
                        .container())
                .isInstanceOf(SecurityRefusal.class)
                .hasMessageContaining("environment")
                .hasMessageNotContaining("s3cret");
        assertThatThrownBy(() ->
                        PlanFixture.plan().arguments("app", "é".repeat(65_536)).container())
                .isInstanceOf(SecurityRefusal.class)
                .hasMessageContaining("131073 bytes");
    }

    @Test
    void refusesMoreThanTheKernelTakesAltogether() {
        String[] many = IntStream.range(0, 30)
                .mapToObj(i -> "V" + i + "=" + "v".repeat(100_000))
                .toArray(String[]::new);
        assertThatThrownBy(() -> PlanFixture.plan().environment(many).container())
                .isInstanceOf(SecurityRefusal.class)
                .hasMessageContaining("2097152");
        ContainerPlan plan = PlanFixture.plan().container();
        assertThatThrownBy(() -> ExecProgram.of(
                        plan,
                        0,
                        new ExecRequest("e", List.of("sh", "-c", "x".repeat(200_000)), ExecRequest.LONGEST_START)))
                .isInstanceOf(SecurityRefusal.class);
    }
}
