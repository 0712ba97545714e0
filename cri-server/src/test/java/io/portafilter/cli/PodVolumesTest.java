package io.portafilter.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PodVolumesTest {
    @TempDir
    Path base = Path.of("");

    private Path host = Path.of("");

    @BeforeEach
    void makeTheHostsDirectory() throws IOException {
        base = base.toRealPath();
        host = Files.createDirectory(base.resolve("host"));
    }

    private Pod pod(String volume, String mount) throws ManifestException {
        return PodManifest.parse("pod.yaml", """
                apiVersion: v1
                kind: Pod
                metadata: {name: web}
                spec:
                  containers:
                  - name: app
                    image: localhost/app
                    volumeMounts: [{name: v, mountPath: /v%s}]
                  volumes: [{name: v, %s}]
                """.formatted(
                        mount.isEmpty() ? "" : ", " + mount, volume.replace("HOST", host.toString())));
    }

    private String onHost(Pod pod, Map<String, String> env, PodVolumes volumes) throws CommandException {
        return volumes.hostPath(pod.containers().getFirst().mounts().getFirst(), env);
    }

    private PodVolumes create(Pod pod) throws CommandException, IOException {
        return PodVolumes.create(base.resolve("run").resolve("volumes"), pod);
    }

    @Test
    void anEmptyDirIsFreshOpenToAllAndEndsWithTheRun() throws CommandException, IOException, ManifestException {
        Pod pod = pod("emptyDir: {}", "");
        Path path;
        try (PodVolumes volumes = create(pod)) {
            path = Path.of(onHost(pod, Map.of(), volumes));
            assertThat(path).isEmptyDirectory();
            assertThat((Integer) Files.getAttribute(path, "unix:mode") & 07777).isEqualTo(0777);
            Files.createSymbolicLink(path.resolve("link"), host);
            Files.writeString(host.resolve("kept"), "");
        }
        assertThat(path).doesNotExist();
        assertThat(host.resolve("kept")).exists();
    }

    @Test
    void aSubPathThatIsMissingIsMade() throws CommandException, IOException, ManifestException {
        Pod pod = pod("hostPath: {path: HOST}", "subPath: a/b");
        try (PodVolumes volumes = create(pod)) {
            assertThat(Path.of(onHost(pod, Map.of(), volumes)).toRealPath()).isEqualTo(host.resolve("a/b"));
        }
        assertThat(host.resolve("a/b")).isDirectory();
    }

    @Test
    void aLinkDoesNotLeadASubPathOutOfTheVolume() throws CommandException, IOException, ManifestException {
        Path outside = Files.createDirectory(base.resolve("outside"));
        for (String target : List.of(outside.toString(), "../outside", "/")) {
            Path link = Files.createSymbolicLink(host.resolve("link"), Path.of(target));
            Pod pod = pod("hostPath: {path: HOST}", "subPath: link");
            try (PodVolumes volumes = create(pod)) {
                Path found = Path.of(onHost(pod, Map.of(), volumes)).toRealPath();
                assertThat(found.startsWith(host))
                        .as("%s leads to %s", target, found)
                        .isTrue();
            } catch (CommandException refused) {
                assertThat(refused).hasMessageContaining("sub path");
            }
            Files.delete(link);
        }
        assertThat(outside).isEmptyDirectory();
    }

    @Test
    void aSubPathThatIsExchangedLaterStaysWhatItWas() throws CommandException, IOException, ManifestException {
        Path inside = Files.createDirectory(host.resolve("inside"));
        Pod pod = pod("hostPath: {path: HOST}", "subPath: inside");
        try (PodVolumes volumes = create(pod)) {
            Path opened = Path.of(onHost(pod, Map.of(), volumes));
            Files.move(inside, host.resolve("moved"));
            Files.createSymbolicLink(inside, Path.of("/etc"));
            assertThat(opened.toRealPath()).isEqualTo(host.resolve("moved"));
        }
    }

    @Test
    void aVariableDoesNotLeadASubPathOutOfTheVolume() throws CommandException, IOException, ManifestException {
        Pod pod = pod("hostPath: {path: HOST}", "subPathExpr: $(WHERE)");
        try (PodVolumes volumes = create(pod)) {
            for (String where : List.of("..", "a/../../b", "/etc", "")) {
                assertThatThrownBy(() -> onHost(pod, Map.of("WHERE", where), volumes))
                        .isInstanceOf(CommandException.class)
                        .hasMessageContaining("must be relative");
            }
            assertThat(Path.of(onHost(pod, Map.of("WHERE", "fine"), volumes)).toRealPath())
                    .isEqualTo(host.resolve("fine"));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "Directory,does not exist",
        "File,does not exist",
        "Socket,does not exist",
    })
    void aHostPathMustBeThereWhereItsTypeSaysSo(String type, String hint) throws ManifestException {
        Pod pod = pod("hostPath: {path: HOST/none, type: " + type + "}", "");
        assertThatThrownBy(() -> create(pod))
                .isInstanceOf(CommandException.class)
                .hasMessageContaining(hint);
        assertThat(base.resolve("run").resolve("volumes")).doesNotExist();
    }

    @Test
    void aHostPathMustBeOfItsType() throws CommandException, IOException, ManifestException {
        Pod file = pod("hostPath: {path: HOST, type: File}", "");
        assertThatThrownBy(() -> create(file)).hasMessageContaining("is not a regular file");
        Pod made = pod("hostPath: {path: HOST/new, type: FileOrCreate}", "");
        try (PodVolumes volumes = create(made)) {
            assertThat(onHost(made, Map.of(), volumes)).isEqualTo(host + "/new");
        }
        assertThat(host.resolve("new")).isRegularFile();
        Pod device = pod("hostPath: {path: /dev/null, type: CharDevice}", "");
        create(device).close();
    }
}
