package io.portafilter.security;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class PlanLineTest {
    /** What is decided of a program's rights, and the lines that say so to people. */
    private static final Map<String, List<String>> LINES = Map.of(
            "ids", List.of("user namespace"),
            "user", List.of("user", "group", "groups"),
            "capabilities", List.of("bounding", "permitted", "effective", "inheritable", "ambient"),
            "seccomp", List.of("seccomp"),
            "noNewPrivileges", List.of("no_new_privs"),
            "readOnlyRootfs", List.of("root filesystem"),
            "privileged", List.of("privileged"),
            "maskedPaths", List.of("masked paths"),
            "readOnlyPaths", List.of("read-only paths"),
            // sentences beside the lines
            "notes", List.of());

    /** A new part of the plan needs a line in {@link SecurityPlan#lines()}: explain finds out its cause by itself. */
    @Test
    void everyPartOfASecurityPlanHasALine() {
        assertThat(Arrays.stream(SecurityPlan.class.getRecordComponents()).map(RecordComponent::getName))
                .containsExactlyInAnyOrderElementsOf(LINES.keySet());
        assertThat(SecurityFixture.container().plan().lines())
                .extracting(PlanLine::name)
                .containsExactlyInAnyOrderElementsOf(
                        LINES.values().stream().flatMap(List::stream).toList());
    }

    @Test
    void aListKnowsItsItems() {
        assertThat(PlanLine.list("groups", List.of("0", "5")).items()).containsExactly("0", "5");
        assertThat(PlanLine.list("ambient", List.of()).items()).isEmpty();
        assertThat(PlanLine.of("user", "none, of course").items()).containsExactly("none, of course");
        assertThat(PlanLine.about("mount", "/data", "from /srv")).hasToString("mount            /data from /srv");
    }
}
