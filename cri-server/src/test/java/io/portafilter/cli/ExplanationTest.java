package io.portafilter.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.config.Config;
import io.portafilter.container.LaunchFacts;
import io.portafilter.cri.CriException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ExplanationTest {
    private static final Path GOLDEN = Path.of("src", "test", "golden");

    @TempDir
    Path directory = Path.of("");

    private static LaunchFacts host() throws CommandException, IOException {
        return HostFile.read(GOLDEN.resolve("host.toml"));
    }

    private static String explained(Pod pod) throws CommandException, IOException {
        return Explanation.of(pod, Config.defaults(), host());
    }

    /** The filter's length and the names it lacks depend on the libseccomp that is installed. */
    private static String withoutFilter(String text) {
        return text.lines()
                        .filter(line -> !line.matches("  (seccomp|note) .*"))
                        .map(line -> line.replaceAll("[0-9]+ instructions", "N instructions"))
                        .collect(Collectors.joining("\n"))
                + "\n";
    }

    @Test
    void theRestrictedExampleBecomesThisProgram() throws CommandException, IOException, ManifestException {
        String text =
                withoutFilter(explained(PodManifest.read(Path.of("..", "deploy", "examples", "restricted.yaml"))));
        Path golden = GOLDEN.resolve("explain-restricted.txt");
        if ("update".equals(System.getProperty("golden"))) {
            Files.writeString(golden, text);
        }
        assertThat(text).isEqualTo(Files.readString(golden));
    }

    @Test
    void whatTheServerWouldRefuseIsRefused() throws ManifestException {
        Pod pod = PodManifest.parse("pod.yaml", """
                apiVersion: v1
                kind: Pod
                metadata: {name: web}
                spec:
                  securityContext: {sysctls: [{name: kernel.pid_max, value: "1"}]}
                  containers: [{name: app, image: localhost/app}]
                """);
        assertThatThrownBy(() -> explained(pod))
                .isInstanceOf(CriException.class)
                .hasMessageContaining("kernel.pid_max");
    }

    @Test
    void theImagesProgramIsSaidToBeUnknown() throws CommandException, IOException, ManifestException {
        Pod pod = PodManifest.parse("pod.yaml", """
                apiVersion: v1
                kind: Pod
                metadata: {name: web}
                spec:
                  containers: [{name: app, image: localhost/app}]
                """);
        assertThat(explained(pod))
                .contains("its program, here /program-of-the-image", "its user, here root")
                .contains("execve(\"/program-of-the-image\"");
    }

    @Test
    void printedFactsCanBeReadAgain() throws CommandException, IOException {
        Path file = Files.writeString(directory.resolve("host.toml"), HostFile.text(host()));
        assertThat(HostFile.read(file)).isEqualTo(host());
    }

    @Test
    void aWrongFactIsRefused() throws IOException {
        Path file = Files.writeString(directory.resolve("host.toml"), "kernal = \"6.12\"\n");
        assertThatThrownBy(() -> HostFile.read(file))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining("kernal");
        Files.writeString(file, "capabilities = \"CHOWN, FLY\"\n");
        assertThatThrownBy(() -> HostFile.read(file)).hasMessageContaining("FLY");
    }
}
