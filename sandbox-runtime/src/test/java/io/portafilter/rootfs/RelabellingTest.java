package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.MNT_DETACH;
import static io.portafilter.linux.LinuxConstants.MOVE_MOUNT_F_EMPTY_PATH;
import static io.portafilter.linux.LinuxConstants.OPEN_TREE_CLONE;
import static io.portafilter.linux.LinuxConstants.O_NOFOLLOW;
import static io.portafilter.linux.LinuxConstants.O_PATH;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Labels are extended attributes, which a kernel without SELinux keeps as well. */
class RelabellingTest {

    private static final String LABEL = "system_u:object_r:container_file_t:s0:c4,c5";

    @TempDir
    private Path directory;

    @BeforeEach
    void isRoot() {
        assumeTrue(Kernel.geteuid() == 0, "root is needed to label files");
    }

    private static Optional<String> labelOf(Path path) {
        try (Fd file = Kernel.open(path.toString(), O_PATH | O_NOFOLLOW)) {
            return Kernel.getxattr(file, Relabelling.ATTRIBUTE)
                    .map(value -> new String(value, StandardCharsets.UTF_8).replace("\0", "|"));
        }
    }

    private static void relabel(Path path) {
        VolumeOptions options = new VolumeOptions(
                true, true, Propagation.PRIVATE, false, false, false, false, true, Optional.of(LABEL));
        try (VolumeMount _ = VolumeMount.open(path, options, Optional.empty())) {
            // only the files are looked at
        }
    }

    private static void bind(Path from, Path to) {
        try (Fd mount = Kernel.openTree(Fd.CWD, from.toString(), OPEN_TREE_CLONE)) {
            Kernel.moveMount(mount, "", Fd.CWD, to.toString(), MOVE_MOUNT_F_EMPTY_PATH);
        }
    }

    @Test
    void allFilesOfAVolumeGetTheLabel() throws IOException {
        Path volume = Files.createDirectories(directory.resolve("volume"));
        Path deep = Files.createDirectories(volume.resolve("a/b"));
        Path file = Files.createFile(deep.resolve("file"));
        relabel(volume);
        for (Path path : new Path[] {volume, volume.resolve("a"), deep, file}) {
            assertThat(labelOf(path)).as(path.toString()).contains(LABEL + "|");
        }
        assertThat(labelOf(directory)).isEmpty();
    }

    @Test
    void aFileIsAVolumeToo() throws IOException {
        Path file = Files.createFile(directory.resolve("file"));
        relabel(file);
        assertThat(labelOf(file)).contains(LABEL + "|");
    }

    @Test
    void noLinkIsFollowed() throws IOException {
        Path outside = directory.resolve("outside");
        Files.createDirectories(outside.resolve("below"));
        Path file = Files.createFile(directory.resolve("file"));
        Path volume = Files.createDirectories(directory.resolve("volume"));
        Files.createSymbolicLink(volume.resolve("directory"), outside);
        Files.createSymbolicLink(volume.resolve("file"), file);
        Files.createSymbolicLink(volume.resolve("up"), Path.of(".."));
        Files.createSymbolicLink(volume.resolve("nowhere"), Path.of("nothing"));
        relabel(volume);
        assertThat(labelOf(outside)).isEmpty();
        assertThat(labelOf(outside.resolve("below"))).isEmpty();
        assertThat(labelOf(file)).isEmpty();
        assertThat(labelOf(directory)).isEmpty();
        assertThat(labelOf(volume.resolve("file"))).contains(LABEL + "|");
    }

    @Test
    void whatIsMountedInTheTreeKeepsItsLabel() throws IOException {
        Path file = Files.createFile(directory.resolve("file"));
        Path below = Files.createDirectories(directory.resolve("below"));
        Path volume = Files.createDirectories(directory.resolve("volume"));
        Path onFile = Files.createFile(volume.resolve("file"));
        Path onDirectory = Files.createDirectories(volume.resolve("directory"));
        bind(file, onFile);
        try {
            bind(below, onDirectory);
            try {
                relabel(volume);
            } finally {
                Kernel.umount2(onDirectory.toString(), MNT_DETACH);
            }
        } finally {
            Kernel.umount2(onFile.toString(), MNT_DETACH);
        }
        assertThat(labelOf(volume)).contains(LABEL + "|");
        assertThat(labelOf(file)).isEmpty();
        assertThat(labelOf(below)).isEmpty();
    }

    @Test
    void aDirectoryOfMoreNamesThanOneReadingHasIsLabelledWhole() throws IOException {
        Path volume = Files.createDirectories(directory.resolve("volume"));
        for (int i = 0; i < 3000; i++) {
            Files.createFile(volume.resolve("a-name-that-is-rather-long-so-that-few-fit-" + i));
        }
        relabel(volume);
        try (Stream<Path> files = Files.list(volume)) {
            assertThat(files).allSatisfy(file -> assertThat(labelOf(file)).contains(LABEL + "|"));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"/", "/etc", "/usr", "/tmp", "/var/lib", "/usr/bin/../../etc", "/proc/self/root/etc"})
    void theHostsOwnDirectoriesKeepTheirLabels(String path) {
        Optional<String> before = labelOf(Path.of("/etc"));
        assertThatThrownBy(() -> relabel(Path.of(path)))
                .isInstanceOf(MountRefusal.class)
                .hasMessageContaining("would harm this host");
        assertThat(labelOf(Path.of("/etc"))).isEqualTo(before);
    }

    @Test
    void aLinkToADirectoryOfTheHostIsThatDirectory() throws IOException {
        Path link = Files.createSymbolicLink(directory.resolve("link"), Path.of("/etc"));
        assertThatThrownBy(() -> relabel(link)).hasMessageContaining("volume source /etc");
    }

    @Test
    void aTreeOfTooManyLevelsIsRefused() throws IOException {
        Path volume = Files.createDirectories(directory.resolve("volume"));
        Files.createDirectories(volume.resolve("d/".repeat(Relabelling.MOST_LEVELS + 1)));
        assertThatThrownBy(() -> relabel(volume)).hasMessageContaining("levels of directories");
    }

    @Test
    void aFileSystemWithoutLabelsIsLeftAlone() {
        relabel(Path.of("/proc/sys/kernel/random"));
    }
}
