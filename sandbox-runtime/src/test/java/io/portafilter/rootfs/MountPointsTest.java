package io.portafilter.rootfs;

import static io.portafilter.rootfs.RootfsFixture.mode;
import static io.portafilter.rootfs.RootfsFixture.uid;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.linux.Fd;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class MountPointsTest {
    private static final long ROOT = 100_000;

    @TempDir
    Path directory;

    private Path image;
    private Path data;
    private Path file;
    private Fd root;
    private VolumeMount volume;
    private VolumeMount fileVolume;

    @BeforeEach
    @SuppressWarnings("MustBeClosedChecker") // closed after each test
    void open() throws IOException {
        RootfsFixture.requireRoot();
        image = Files.createDirectory(directory.resolve("image"));
        data = Files.createDirectory(directory.resolve("data"));
        file = Files.writeString(directory.resolve("file"), "");
        root = RootfsFixture.open(image);
        volume = VolumeMount.open(data, VolumeOptions.DEFAULT, Optional.empty());
        fileVolume = VolumeMount.open(file, VolumeOptions.DEFAULT, Optional.empty());
    }

    @AfterEach
    void close() {
        root.close();
        volume.close();
        fileVolume.close();
    }

    private MountPoints points() {
        return new MountPoints(root, ROOT, ROOT);
    }

    @Test
    void makesTheStandardDirectoriesForTheMappedRoot() throws IOException {
        try (MountPoints points = points()) {
            assertThat(points.addOwn("/sys")).isEqualTo("/sys");
        }

        for (String name : List.of("proc", "sys", "dev")) {
            assertThat(image.resolve(name)).isDirectory();
            assertThat(uid(image.resolve(name))).isEqualTo(ROOT);
            assertThat(mode(image.resolve(name))).isEqualTo(0755);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"proc", "sys", "dev"})
    void refusesAnImageWhoseStandardDirectoryIsALinkOrAFile(String name) throws IOException {
        Files.createSymbolicLink(image.resolve(name), Path.of("/etc"));
        assertThatThrownBy(this::points)
                .isInstanceOf(MountRefusal.class)
                .hasMessageContaining("/" + name + " of the image is a symbolic link");

        Files.delete(image.resolve(name));
        Files.createSymbolicLink(image.resolve(name), directory);
        assertThatThrownBy(this::points).isInstanceOf(MountRefusal.class);

        Files.delete(image.resolve(name));
        Files.writeString(image.resolve(name), "");
        assertThatThrownBy(this::points).isInstanceOf(MountRefusal.class);
        assertThat(file).exists();
    }

    @ParameterizedTest
    @ValueSource(strings = {"/data", "/a/../../data", "/data/../../../data", "/./data//", "/data/new/.."})
    void aTargetStaysInsideTheImage(String target) throws IOException {
        Path outside = Files.createDirectory(directory.resolve("outside"));
        Files.createSymbolicLink(image.resolve("data"), outside);

        try (MountPoints points = points()) {
            String path = points.addVolume(target, volume);
            assertThat(path).isEqualTo(outside.toString());
        }

        assertThat(image.resolve(outside.toString().substring(1))).isDirectory();
        try (Stream<Path> entries = Files.list(outside)) {
            assertThat(entries).isEmpty();
        }
    }

    @Test
    void tellsWhereAPathLeadsToAndMakesNothing() throws IOException {
        Files.createDirectories(image.resolve("real/sub"));
        Files.createSymbolicLink(image.resolve("link"), Path.of("/real"));
        Files.createSymbolicLink(image.resolve("above"), Path.of("../../../../etc"));
        Files.createSymbolicLink(image.resolve("root"), Path.of("/"));
        Files.createSymbolicLink(image.resolve("loop"), Path.of("loop"));

        assertThat(MountPoints.resolve(root, "/link/sub")).isEqualTo("/real/sub");
        assertThat(MountPoints.resolve(root, "/link/new/er")).isEqualTo("/real/new/er");
        assertThat(MountPoints.resolve(root, "/above/passwd")).isEqualTo("/etc/passwd");
        assertThat(MountPoints.resolve(root, "/root")).isEqualTo("/");
        assertThat(image.resolve("etc")).doesNotExist();
        assertThat(image.resolve("real/new")).doesNotExist();
        assertThatThrownBy(() -> MountPoints.resolve(root, "/loop")).hasMessageContaining("more than 40 links");
    }

    @Test
    void aLinkToTheHostsEtcBecomesTheImagesEtc() throws IOException {
        Files.createSymbolicLink(image.resolve("data"), Path.of("/etc"));

        try (MountPoints points = points()) {
            assertThat(points.addVolume("/data", volume)).isEqualTo("/etc");
            assertThat(points.addVolume("/data/portafilter-test-mountpoint", fileVolume))
                    .isEqualTo("/etc/portafilter-test-mountpoint");
        }

        assertThat(Path.of("/etc/portafilter-test-mountpoint")).doesNotExist();
        assertThat(data.resolve("portafilter-test-mountpoint")).isRegularFile();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/proc",
                "/proc/",
                "/proc/../proc",
                "/proc/sys",
                "/proc/self/attr",
                "/link",
                "/link/1",
                "/",
                "/.."
            })
    void nothingHidesProc(String target) throws IOException {
        Files.createSymbolicLink(image.resolve("link"), Path.of("/proc"));

        try (MountPoints points = points()) {
            assertThatThrownBy(() -> points.addVolume(target, volume)).isInstanceOf(MountRefusal.class);
        }
    }

    @Test
    void lxcfsMayReplaceItsFilesBelowProc() {
        try (MountPoints points = points()) {
            assertThat(points.addVolume("/proc/meminfo", fileVolume)).isEqualTo("/proc/meminfo");
            assertThat(points.addVolume("/proc/sys/kernel/ns_last_pid", fileVolume))
                    .isEqualTo("/proc/sys/kernel/ns_last_pid");
            assertThatThrownBy(() -> points.addVolume("/proc/sys/kernel/core_pattern", fileVolume))
                    .isInstanceOf(MountRefusal.class);
        }
    }

    @Test
    void aTargetBelowAnEarlierVolumeIsMadeInThatVolume() throws IOException {
        try (MountPoints points = points()) {
            assertThat(points.addVolume("/data", volume)).isEqualTo("/data");
            assertThat(points.addVolume("/data/sub/file", fileVolume)).isEqualTo("/data/sub/file");
            assertThat(data.resolve("sub/file")).isRegularFile();
            assertThat(image.resolve("data/sub")).doesNotExist();

            points.removeMade();
        }

        assertThat(data.resolve("sub")).doesNotExist();
        assertThat(image.resolve("data")).isDirectory();
    }

    @Test
    void aLinkOfTheImageIntoAVolumeLeadsIntoThatVolume() throws IOException {
        Files.createSymbolicLink(image.resolve("short"), Path.of("/data"));

        try (MountPoints points = points()) {
            points.addVolume("/data", volume);
            assertThat(points.addVolume("/short/sub", fileVolume)).isEqualTo("/data/sub");
        }

        assertThat(data.resolve("sub")).isRegularFile();
    }

    @Test
    void aLinkInAVolumeLeadsNoFurtherThanTheRoot() throws IOException {
        Path outside = Files.createDirectory(directory.resolve("outside"));
        Files.createSymbolicLink(data.resolve("evil"), outside);

        try (MountPoints points = points()) {
            points.addVolume("/data", volume);
            assertThat(points.addVolume("/data/evil/new", fileVolume)).isEqualTo(outside + "/new");
        }

        assertThat(outside.resolve("new")).doesNotExist();
    }

    @Test
    void theDeviceTreeHoldsItsOwnMountPoints() {
        try (MountPoints points = points();
                Fd devices = DeviceTree.create(List.of(), ROOT, ROOT);
                Fd shm = DetachedMount.tmpfs(0, "mode=1777")) {
            points.addTree("/dev", devices);
            assertThat(points.addTree("/dev/shm", shm)).isEqualTo("/dev/shm");
            assertThat(points.addVolume("/dev/log", fileVolume)).isEqualTo("/dev/log");
            assertThat(RootfsFixture.in(devices, "log")).isRegularFile();
        }

        assertThat(image.resolve("dev/shm")).doesNotExist();
    }

    @Test
    void nothingIsMadeBelowWhatTheContainerMountsItself() {
        try (MountPoints points = points()) {
            points.addOwn("/sys");
            assertThat(points.addVolume("/sys/fs/bpf", volume)).isEqualTo("/sys/fs/bpf");
            assertThatThrownBy(() -> points.addVolume("/sys/../etc", volume)).hasMessageContaining("..");
        }

        assertThat(image.resolve("sys/fs")).doesNotExist();
    }

    @Test
    void sourceAndTargetMustBeOfOneKind() throws IOException {
        Files.writeString(image.resolve("f"), "");
        Files.createDirectory(image.resolve("d"));

        try (MountPoints points = points()) {
            assertThatThrownBy(() -> points.addVolume("/f", volume)).hasMessageContaining("/f is no directory");
            assertThatThrownBy(() -> points.addVolume("/d", fileVolume)).hasMessageContaining("/d is a directory");
        }
    }

    @Test
    void aReadOnlyVolumeCannotTakeANewMountPoint() {
        VolumeOptions readOnly = new VolumeOptions(true, false, Propagation.PRIVATE);

        try (MountPoints points = points();
                VolumeMount locked = VolumeMount.open(data, readOnly, Optional.empty())) {
            points.addVolume("/data", locked);
            assertThatThrownBy(() -> points.addVolume("/data/sub", fileVolume))
                    .isInstanceOf(MountRefusal.class)
                    .hasMessageContaining("EROFS");
        }
    }

    @Test
    void sortsTargetsByComponents() {
        List<String> targets = Stream.of("/data-old", "/data/b", "/", "/data", "/data/a/c", "/data.x", "/data/b/")
                .sorted(MountPoints.ORDER)
                .toList();

        assertThat(targets).containsExactly("/", "/data", "/data/a/c", "/data/b", "/data/b/", "/data-old", "/data.x");
    }

    @Test
    void whatIsMadeInTheImageKeepsNoDescriptorOpen() throws IOException {
        try (MountPoints points = points()) {
            long before = openDescriptors();
            assertThat(points.addVolume("/" + "d/".repeat(500), volume)).startsWith("/d/d");
            assertThat(openDescriptors()).isEqualTo(before);
        }
    }

    private static long openDescriptors() throws IOException {
        try (Stream<Path> open = Files.list(Path.of("/proc/self/fd"))) {
            return open.count();
        }
    }
}
