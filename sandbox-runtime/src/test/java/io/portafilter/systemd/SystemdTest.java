package io.portafilter.systemd;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Talks through a real bus to a service that answers as systemd does. */
class SystemdTest {
    private static final String UNIT = "portafilter-" + "a1".repeat(32) + ".scope";
    private static final Slice SLICE = new Slice("kubepods-burstable-pod1.slice");
    private static final Duration SOON = Duration.ofSeconds(20);

    @TempDir
    Path directory;

    private static List<Property> limits() {
        return List.of(
                Property.of("MemoryMax", 64 << 20),
                Property.of("TasksMax", Property.INFINITY),
                Property.ofList("AllowedCPUs", "0-1,9"));
    }

    @Test
    void startsAScopeInTheSliceWithTheProcessAndItsLimits() throws IOException {
        try (BusFixture bus = BusFixture.start(directory, (_, _) -> "done")) {
            Systemd systemd = Systemd.connect(bus.socket(), SOON);
            assertThat(systemd.version()).isEqualTo(252);
            systemd.startScope(UNIT, SLICE, 4711, false, limits());
            BusFixture.Started started = bus.started().getFirst();
            assertThat(started.unit()).isEqualTo(UNIT);
            assertThat(started.mode()).isEqualTo("replace");
            assertThat(started.properties())
                    .containsEntry("Slice", "kubepods-burstable-pod1.slice")
                    .containsEntry("Delegate", "true")
                    .containsEntry("PIDs", "4711")
                    .containsEntry("MemoryAccounting", "true")
                    .containsEntry("CPUAccounting", "true")
                    .containsEntry("IOAccounting", "true")
                    .containsEntry("TasksAccounting", "true")
                    .containsEntry("DefaultDependencies", "false")
                    .containsEntry("MemoryMax", "" + (64 << 20))
                    .containsEntry("TasksMax", "18446744073709551615")
                    .containsEntry("AllowedCPUs", "3 2")
                    .doesNotContainKey("OOMPolicy"); // a scope of 252 has none
        }
    }

    @Test
    void aUnitThatIsLeftOverIsResetAndTheStartTriedOnceMore() throws IOException {
        try (BusFixture bus = BusFixture.start(
                directory, (attempt, _) -> attempt == 1 ? "org.freedesktop.systemd1.UnitExists" : "done")) {
            Systemd.connect(bus.socket(), SOON).startScope(UNIT, SLICE, 1, false, List.of());
            assertThat(bus.calls()).containsExactly("ResetFailedUnit " + UNIT);
            assertThat(bus.started()).hasSize(2);
        }
        try (BusFixture bus = BusFixture.start(directory, (_, _) -> "org.freedesktop.systemd1.UnitExists")) {
            Systemd systemd = Systemd.connect(bus.socket(), SOON);
            assertThatThrownBy(() -> systemd.startScope(UNIT, SLICE, 1, false, List.of()))
                    .isInstanceOf(SystemdException.class)
                    .hasMessageContaining("UnitExists");
            assertThat(bus.started()).hasSize(2);
        }
    }

    @Test
    void aJobThatDoesNotEndAsDoneIsAnError() throws IOException {
        try (BusFixture bus = BusFixture.start(directory, (_, _) -> "failed")) {
            Systemd systemd = Systemd.connect(bus.socket(), SOON);
            assertThatThrownBy(() -> systemd.startScope(UNIT, SLICE, 1, false, List.of()))
                    .hasMessageContaining(UNIT)
                    .hasMessageContaining("\"failed\"");
        }
    }

    @Test
    void theEndOfAJobIsBelievedToSystemdAlone() throws IOException {
        try (BusFixture bus = BusFixture.start(directory, (_, _) -> BusFixture.FORGED + "failed")) {
            Systemd systemd = Systemd.connect(bus.socket(), SOON);
            assertThatThrownBy(() -> systemd.startScope(UNIT, SLICE, 1, false, List.of()))
                    .hasMessageContaining("\"failed\"");
        }
    }

    @Test
    void aJobThatNeverEndsIsGivenUpAtTheTimeLimit() throws IOException {
        try (BusFixture bus = BusFixture.start(directory, (_, _) -> "")) {
            Systemd systemd = Systemd.connect(bus.socket(), Duration.ofMillis(500));
            assertThatThrownBy(() -> systemd.startScope(UNIT, SLICE, 1, false, List.of()))
                    .hasMessageContaining("in time");
        }
    }

    @Test
    void limitsOfARunningScopeAreMadeKnown() throws IOException {
        try (BusFixture bus = BusFixture.start(directory, (_, _) -> "done")) {
            Systemd.connect(bus.socket(), SOON).setProperties(UNIT, List.of(Property.of("CPUWeight", 39)));
            assertThat(bus.calls()).containsExactly("SetUnitProperties " + UNIT + " true {CPUWeight=39}");
        }
    }

    @Test
    void limitsOfARunningScopeAreToldSoThatTheyCanBeSetAgain() throws IOException {
        try (BusFixture bus = BusFixture.start(directory, (_, _) -> "done")) {
            Systemd systemd = Systemd.connect(bus.socket(), SOON);
            systemd.startScope(UNIT, SLICE, 1, false, limits());
            List<Property> other = List.of(
                    Property.of("MemoryMax", 1),
                    Property.of("TasksMax", 2),
                    Property.ofList("AllowedCPUs", "3"),
                    Property.of("CPUWeight", 4));
            assertThat(systemd.properties(UNIT, other))
                    .containsExactly(
                            Property.of("MemoryMax", 64 << 20),
                            Property.of("TasksMax", Property.INFINITY),
                            Property.ofList("AllowedCPUs", "0-1,9"),
                            Property.of("CPUWeight", Property.INFINITY));
        }
    }

    @Test
    void aMissingBusIsTold() {
        assertThatThrownBy(() -> Systemd.connect(directory.resolve("none"), SOON))
                .isInstanceOf(SystemdException.class)
                .hasMessageContaining("none")
                .hasMessageContaining("D-Bus");
    }

    @ParameterizedTest
    @CsvSource({
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice",
        "/test.slice",
        "system.slice",
        "kubepods-besteffort-pod1_2.slice"
    })
    void aSliceIsGivenByItsNameOrItsWholePath(String text) {
        Slice slice = Slice.parse(text).orElseThrow();
        assertThat(slice.cgroupPath()).endsWith("/" + slice.name());
        assertThat(Slice.parse(slice.cgroupPath())).contains(slice);
        assertThat(new Slice("a-b-c.slice").cgroupPath()).isEqualTo("/a.slice/a-b.slice/a-b-c.slice");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/kubepods/burstable",
                "/other.slice/kubepods-burstable.slice",
                "/a-b.slice",
                "a--b.slice",
                "-.slice",
                "../a.slice",
                "a/b.slice",
                "/a.slice/",
                ".slice",
                ""
            })
    void whatLiesElsewhereThanItsNameSaysIsNoSlice(String text) {
        assertThat(Slice.parse(text)).isEmpty();
        assertThat(Slice.parse("a-".repeat(100_000) + text)).isEmpty();
    }
}
