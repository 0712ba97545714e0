package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.cri.v1.RuntimeHandler;
import io.portafilter.cri.v1.StatusRequest;
import io.portafilter.cri.v1.StatusResponse;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** {@code portafilter check} as a person runs it, and whether Status tells kubelet the same. */
class CheckTest {
    @RegisterExtension
    static final Live live = Live.server();

    private static Commands.Outcome check(String... more) {
        return check(live.directory("check-root"), live.directory("check-state"), more);
    }

    private static Commands.Outcome check(Path root, Path state, String... more) {
        List<String> command = new ArrayList<>(
                List.of(Tree.launcher().toString(), "check", "--root", root.toString(), "--state", state.toString()));
        command.addAll(List.of(more));
        return Commands.run(Duration.ofMinutes(2), Map.of(), command.toArray(new String[0]));
    }

    private static String result(String json, String featureBegins) {
        var object = Pattern.compile("\"feature\"\\s*:\\s*\"" + Pattern.quote(featureBegins)
                        + "[^}]*?\"result\"\\s*:\\s*\"([a-z ]+)\"")
                .matcher(json);
        assertThat(object.find()).as(featureBegins + " in " + json).isTrue();
        return object.group(1);
    }

    /** Mounts and cgroups of the machine, without those that other programs change meanwhile. */
    private static Set<String> traces(Path... directories) {
        TreeSet<String> traces = new TreeSet<>();
        try {
            Files.readString(Path.of("/proc/self/mountinfo"))
                    .lines()
                    .filter(line -> line.contains("portafilter-trial"))
                    .forEach(traces::add);
            try (Stream<Path> groups = Files.find(
                    Path.of("/sys/fs/cgroup"), 3, (path, _) -> path.toString().contains("portafilter-trial"))) {
                groups.map(Path::toString).forEach(traces::add);
            }
            for (Path directory : directories) {
                try (Stream<Path> files = Files.list(directory)) {
                    files.map(Path::toString).forEach(traces::add);
                }
            }
            try (Stream<Path> processes = Files.list(Path.of("/proc"))) {
                for (Path process : processes.toList()) {
                    if (String.valueOf(process.getFileName()).matches("\\d+") && isTrial(process)) {
                        traces.add(process.toString());
                    }
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return traces;
    }

    private static boolean isTrial(Path process) {
        try {
            return Files.readString(process.resolve("cmdline")).startsWith("portafilter-trial");
        } catch (IOException | UncheckedIOException gone) {
            return false;
        }
    }

    @Test
    void thisMachineHasWhatPodsCannotBeWithout() {
        Commands.Outcome outcome = check();
        assertThat(outcome.stdout()).contains("FEATURE", "LOST WITHOUT IT", "overlay on ");
        assertThat(outcome.status()).as(outcome.stdout() + outcome.stderr()).isZero();
        assertThat(outcome.stdout()).contains("required features work: pods can run here.");
    }

    @Test
    void nothingIsLeftBehind() {
        Path root = live.directory("check-root");
        Path state = live.directory("check-state");
        assertThat(check(root, state).status()).isZero();
        assertThat(traces(root, state)).isEmpty();
    }

    @Test
    void kubeletIsToldWhatTheCheckFinds() {
        String json = check("--json").stdout();
        StatusResponse status = live.cri()
                .runtime()
                .status(StatusRequest.newBuilder().setVerbose(true).build());
        assertThat(status.getRuntimeHandlersList())
                .extracting(RuntimeHandler::getName)
                .containsExactly("", "portafilter");
        assertThat(status.getRuntimeHandlersList()).allSatisfy(handler -> {
            assertThat(handler.getFeatures().getUserNamespaces())
                    .isEqualTo(result(json, "id-mapped layers on ").equals("works"));
            assertThat(handler.getFeatures().getRecursiveReadOnlyMounts())
                    .isEqualTo(result(json, "recursive read-only mounts").equals("works"));
        });
        assertThat(status.getInfoOrThrow("features")).contains("userNamespaces", "recursiveReadOnlyMounts");
        assertThat(status.getInfoOrThrow("config")).contains("stateDir", "sandboxImage");
    }

    @Test
    void aNodeThatLacksWhatIsRequiredIsTold() {
        Commands.Outcome outcome = Commands.run(
                Duration.ofMinutes(2), Map.of(), Tree.launcher().toString(), "check", "--root", "/proc/sys");
        assertThat(outcome.status()).isEqualTo(1);
        assertThat(outcome.stdout()).contains("overlay on /proc/sys").contains("no (required)");
    }
}
