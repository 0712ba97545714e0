package io.portafilter.security;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class PlanLineTest {
    /** What is decided of a program's rights, and the lines that say so to people. */
    private static final Map<String, List<String>> LINES = Map.ofEntries(
            Map.entry("ids", List.of("user namespace")),
            Map.entry("user", List.of("user", "group", "groups")),
            Map.entry("capabilities", List.of("bounding", "permitted", "effective", "inheritable", "ambient")),
            Map.entry("seccomp", List.of("seccomp")),
            Map.entry("noNewPrivileges", List.of("no_new_privs")),
            Map.entry("readOnlyRootfs", List.of("root filesystem")),
            Map.entry("privileged", List.of("privileged")),
            Map.entry("maskedPaths", List.of("masked paths")),
            Map.entry("readOnlyPaths", List.of("read-only paths")),
            // AppArmor, SELinux, SELinux files: where the host has them
            Map.entry("labels", List.of()),
            // sentences beside the lines
            Map.entry("notes", List.of()));

    /** What the part "labels" has where the host has security modules. */
    private static final List<String> LABELS = List.of("AppArmor", "SELinux", "SELinux files");

    /** A new part of the plan needs a line in {@link SecurityPlan#lines()}: explain finds out its cause by itself. */
    @Test
    void everyPartOfASecurityPlanHasALine() {
        assertThat(Arrays.stream(SecurityPlan.class.getRecordComponents()).map(RecordComponent::getName))
                .containsExactlyInAnyOrderElementsOf(LINES.keySet());
        HostFacts host = SecurityFixture.host().with(new SecurityModules(new SecurityModules.AppArmor.On(), true));
        assertThat(SecurityFixture.container().on(host).plan().lines())
                .extracting(PlanLine::name)
                .containsExactlyInAnyOrderElementsOf(
                        Stream.concat(LINES.values().stream().flatMap(List::stream), LABELS.stream())
                                .toList());
    }

    @Test
    void aListKnowsItsItems() {
        assertThat(PlanLine.list("groups", List.of("0", "5")).items()).containsExactly("0", "5");
        assertThat(PlanLine.list("ambient", List.of()).items()).isEmpty();
        assertThat(PlanLine.of("user", "none, of course").items()).containsExactly("none, of course");
        assertThat(PlanLine.about("mount", "/data", "from /srv")).hasToString("mount            /data from /srv");
    }
}
