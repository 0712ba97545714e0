package io.portafilter.rootfs;

import static io.portafilter.rootfs.RootfsFixture.mode;
import static io.portafilter.rootfs.RootfsFixture.run;
import static io.portafilter.rootfs.RootfsFixture.uid;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.linux.Fd;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(20)
class RootPathTest {
    @TempDir
    Path directory;

    private Path image;
    private Path outside;
    private Fd root;

    @BeforeEach
    @SuppressWarnings("MustBeClosedChecker") // closed after each test
    void openImage() throws IOException {
        RootfsFixture.requireRoot();
        image = directory.resolve("image");
        Files.createDirectories(image.resolve("etc"));
        outside = Files.createDirectory(directory.resolve("outside"));
        Files.writeString(outside.resolve("secret"), "the host's");
        root = RootfsFixture.open(image);
    }

    @AfterEach
    void closeImage() {
        root.close();
    }

    private Optional<String> read(String path, int limit) {
        return RootPath.readRegular(root, path, limit).map(bytes -> new String(bytes, StandardCharsets.UTF_8));
    }

    @Test
    void readsAFileAndFollowsLinksInsideTheRoot() throws IOException {
        Files.writeString(image.resolve("etc/passwd.real"), "root:x:0:0\n");
        Files.createSymbolicLink(image.resolve("etc/passwd"), Path.of("/etc/passwd.real"));

        assertThat(read("/etc/passwd", 100)).contains("root:x:0:0\n");
        assertThat(read("/etc/group", 100)).isEmpty();
        assertThat(read("/etc/passwd.real/x", 100)).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"%s/secret", "../../outside/secret", "../../../../../../../../%s/secret"})
    void aLinkToTheHostLeadsNowhere(String target) throws IOException {
        Files.createSymbolicLink(image.resolve("etc/passwd"), Path.of(target.formatted(outside)));

        assertThat(read("/etc/passwd", 100)).isEmpty();
        assertThat(read("/etc/../../../../" + outside + "/secret", 100)).isEmpty();
    }

    @Test
    void aMagicLinkIsNotFollowed() throws IOException {
        Files.createDirectory(image.resolve("proc"));
        Files.createSymbolicLink(image.resolve("etc/passwd"), Path.of("/proc/self/root/etc/passwd"));

        assertThat(read("/etc/passwd", 1 << 20)).isEmpty();
    }

    @Test
    void aFifoADeviceAndADirectoryAreRefusedWithoutWaiting() throws IOException {
        run("mkfifo", image.resolve("etc/fifo").toString());
        run("mknod", image.resolve("etc/device").toString(), "c", "1", "5");

        assertThatThrownBy(() -> read("/etc/fifo", 100))
                .isInstanceOf(MountRefusal.class)
                .hasMessageContaining("/etc/fifo")
                .hasMessageContaining("FIFO");
        assertThatThrownBy(() -> read("/etc/device", 100)).hasMessageContaining("a device node");
        assertThatThrownBy(() -> read("/etc", 100)).hasMessageContaining("a directory");
    }

    @Test
    void aFileBeyondTheLimitIsRefused() throws IOException {
        Files.write(image.resolve("etc/group"), new byte[1001]);

        assertThatThrownBy(() -> read("/etc/group", 1000)).hasMessageContaining("larger than 1000 bytes");
        assertThat(read("/etc/group", 1001).orElseThrow()).hasSize(1001);
    }

    @Test
    void makesDirectoriesAndFilesWithModeAndOwner() throws IOException {
        try (Fd made = RootPath.ensureDirectory(root, "/a/b/c", 0711, 1000, 1001);
                Fd file = RootPath.ensureFile(root, "/a/f", 0604, 1000, 1001)) {
            assertThat(Path.of(made.path()).toRealPath())
                    .isEqualTo(image.resolve("a/b/c").toRealPath());
            assertThat(file.isOpen()).isTrue();
        }

        assertThat(mode(image.resolve("a/b/c"))).isEqualTo(0711);
        assertThat(uid(image.resolve("a/b"))).isEqualTo(1000);
        assertThat(RootfsFixture.gid(image.resolve("a/f"))).isEqualTo(1001);
        assertThat(mode(image.resolve("a/f"))).isEqualTo(0604);
    }

    @Test
    void leavesWhatIsThereAsItIs() throws IOException {
        Files.createDirectory(image.resolve("data"));
        Files.setAttribute(image.resolve("data"), "unix:mode", 0700);

        try (Fd there = RootPath.ensureDirectory(root, "/data", 0755, 5, 5)) {
            assertThat(there.isOpen()).isTrue();
        }

        assertThat(mode(image.resolve("data"))).isEqualTo(0700);
        assertThat(uid(image.resolve("data"))).isZero();
    }

    @ParameterizedTest
    @ValueSource(strings = {"/link/new", "/etc/../../../../link/new", "/up/new", "/a/../../../up/./new"})
    void makesNothingOutsideOfTheRoot(String path) throws IOException {
        Files.createSymbolicLink(image.resolve("link"), outside);
        Files.createSymbolicLink(image.resolve("up"), Path.of("../outside"));

        try (Fd made = RootPath.ensureDirectory(root, path, 0755, 0, 0)) {
            assertThat(Path.of(made.path()).toRealPath().startsWith(image.toRealPath()))
                    .isTrue();
        }

        try (var entries = Files.list(outside)) {
            assertThat(entries.map(Path::getFileName)).containsExactly(Path.of("secret"));
        }
    }

    @Test
    void goesAlongADanglingLinkInsideTheRoot() throws IOException {
        Files.createDirectory(image.resolve("var"));
        Files.createSymbolicLink(image.resolve("var/run"), Path.of("/run"));

        try (Fd made = RootPath.ensureFile(root, "/var/run/secrets/token", 0644, 0, 0)) {
            assertThat(made.isOpen()).isTrue();
        }

        assertThat(image.resolve("run/secrets/token")).isRegularFile();
    }

    @Test
    void givesUpOnLinksThatLeadInACircle() throws IOException {
        Files.createSymbolicLink(image.resolve("a"), Path.of("b"));
        Files.createSymbolicLink(image.resolve("b"), Path.of("a"));

        assertThatThrownBy(() -> ensure("/a/x"))
                .isInstanceOf(MountRefusal.class)
                .hasMessageContaining("40 links");
    }

    @Test
    void refusesToGoThroughAFile() throws IOException {
        Files.writeString(image.resolve("etc/file"), "");

        assertThatThrownBy(() -> ensure("/etc/file/x")).hasMessageContaining("/etc/file is not a directory");
        assertThatThrownBy(() -> ensure("/etc/file")).hasMessageContaining("a file where a directory was expected");
        assertThatThrownBy(() -> ensure("relative")).hasMessageContaining("absolute");
    }

    private void ensure(String path) {
        try (Fd made = RootPath.ensureDirectory(root, path, 0755, 0, 0)) {
            assertThat(made.isOpen()).isTrue();
        }
    }

    /** A process swaps a directory for a link to the host all the time: whatever is made, is made inside. */
    @Test
    void survivesADirectoryThatIsSwappedForALink() throws IOException {
        Files.createDirectory(image.resolve("real"));
        Files.createSymbolicLink(image.resolve("evil"), outside);
        Process swapper = new ProcessBuilder(
                        "python3",
                        "-c",
                        """
                        import ctypes, sys
                        libc = ctypes.CDLL(None)
                        a, b = sys.argv[1].encode(), sys.argv[2].encode()
                        while True:
                            libc.renameat2(-100, a, -100, b, 2)
                        """,
                        image.resolve("real").toString(),
                        image.resolve("evil").toString())
                .start();
        try {
            long end = System.nanoTime() + Duration.ofMillis(700).toNanos();
            for (int i = 0; System.nanoTime() < end; i++) {
                try (Fd made = RootPath.ensureDirectory(root, "/real/new" + i, 0755, 0, 0)) {
                    assertThat(made.isOpen()).isTrue();
                }
            }
        } finally {
            swapper.destroyForcibly();
        }

        try (var entries = Files.list(outside)) {
            assertThat(entries.map(Path::getFileName)).containsExactly(Path.of("secret"));
        }
    }
}
