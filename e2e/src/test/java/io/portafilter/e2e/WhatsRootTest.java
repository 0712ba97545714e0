package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code docs/whats-root.md}, typed as it stands: each block of commands prints the block of text that follows it. It runs
 * in a mount namespace where the default directories are empty, so that a server of this machine is not touched.
 */
class WhatsRootTest {
    private static final Pattern BLOCK =
            Pattern.compile("^```(sh|text)\n(.*?)^```$", Pattern.MULTILINE | Pattern.DOTALL);

    /** The directories that the page's commands use, as the root of the machine has them. */
    private static final List<String> DIRECTORIES =
            List.of("/var/lib/portafilter", "/run/portafilter", "/var/lib/kubelet");

    private static final List<Path> made = new ArrayList<>();

    private record Step(String commands, String output) {}

    private static List<Step> steps() throws IOException {
        List<Step> steps = new ArrayList<>();
        String commands = "";
        var matcher = BLOCK.matcher(Files.readString(Tree.root().resolve("docs/whats-root.md")));
        while (matcher.find()) {
            if (matcher.group(1).equals("sh")) {
                if (!commands.isEmpty()) {
                    steps.add(new Step(commands, ""));
                }
                commands = matcher.group(2);
            } else {
                steps.add(new Step(commands, matcher.group(2)));
                commands = "";
            }
        }
        steps.add(new Step(commands, ""));
        return steps;
    }

    @AfterAll
    static void removeMountPoints() throws IOException {
        for (Path directory : made.reversed()) {
            Files.deleteIfExists(directory);
        }
    }

    private static void mountPoint(Path directory) throws IOException {
        for (int names = 1; names <= directory.getNameCount(); names++) {
            Path above = Path.of("/").resolve(directory.subpath(0, names));
            if (!Files.exists(above)) {
                made.add(Files.createDirectory(above));
            }
        }
    }

    @Test
    void thePageIsTrue(@TempDir Path output) throws IOException {
        StringBuilder script = new StringBuilder("set -m\ncd " + Tree.root() + "\n");
        for (String directory : DIRECTORIES) {
            mountPoint(Path.of(directory));
            script.append("mount -t tmpfs -o mode=0700 tmpfs ")
                    .append(directory)
                    .append('\n');
        }
        List<Step> steps = steps();
        for (int i = 0; i < steps.size(); i++) {
            script.append("{\n")
                    .append(steps.get(i).commands())
                    .append("} > ")
                    .append(output.resolve(i + ".txt"))
                    .append(" 2>&1\n");
        }
        script.append("rmdir /sys/fs/cgroup/portafilter /sys/fs/cgroup/*/portafilter 2> /dev/null\n");
        Commands.Outcome outcome = Commands.run(
                Await.patient(Duration.ofMinutes(5)), Map.of(), "unshare", "--mount", "bash", "-c", script.toString());
        for (int i = 0; i < steps.size(); i++) {
            assertThat(Files.readString(output.resolve(i + ".txt")))
                    .as("%s%s", steps.get(i).commands(), outcome.stderr())
                    .containsPattern(pattern(steps.get(i).output()));
        }
    }

    private static Pattern pattern(String output) {
        return Pattern.compile(
                output.lines()
                        .map(line -> List.of(line.split("…", -1)).stream()
                                .map(Pattern::quote)
                                .collect(Collectors.joining(".*")))
                        .collect(Collectors.joining("\n")),
                Pattern.DOTALL);
    }
}
