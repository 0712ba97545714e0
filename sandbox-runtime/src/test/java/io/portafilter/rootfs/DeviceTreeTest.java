package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.AT_SYMLINK_NOFOLLOW;
import static io.portafilter.rootfs.RootfsFixture.gid;
import static io.portafilter.rootfs.RootfsFixture.in;
import static io.portafilter.rootfs.RootfsFixture.mode;
import static io.portafilter.rootfs.RootfsFixture.uid;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DeviceTreeTest {
    @BeforeEach
    void needsRoot() {
        RootfsFixture.requireRoot();
    }

    @Test
    void hasTheDefaultNodesWhichWork() throws IOException {
        Map<String, String> numbers =
                Map.of("null", "1:3", "zero", "1:5", "full", "1:7", "random", "1:8", "urandom", "1:9", "tty", "5:0");

        try (Fd tree = DeviceTree.create(List.of(), 0, 0)) {
            for (Map.Entry<String, String> node : numbers.entrySet()) {
                FileStatus status = Kernel.statx(tree, node.getKey(), AT_SYMLINK_NOFOLLOW);
                assertThat(status.isCharacterDevice()).as(node.getKey()).isTrue();
                assertThat(status.special()).as(node.getKey()).hasToString(node.getValue());
                assertThat(status.permissions()).as(node.getKey()).isEqualTo(0666);
            }
            try (var zero = Files.newInputStream(in(tree, "zero"))) {
                assertThat(zero.readNBytes(4)).containsOnly(0);
            }
            Files.write(in(tree, "null"), new byte[10]);
            assertThatThrownBy(() -> Files.write(in(tree, "full"), new byte[1])).hasMessageContaining("No space left");
        }
    }

    @Test
    void hasTheLinksAndMountPointsOfALinuxSystem() throws IOException {
        Map<String, String> links = Map.of(
                "ptmx", "pts/ptmx",
                "fd", "/proc/self/fd",
                "stdin", "/proc/self/fd/0",
                "stdout", "/proc/self/fd/1",
                "stderr", "/proc/self/fd/2");

        try (Fd tree = DeviceTree.create(List.of(), 0, 0)) {
            for (Map.Entry<String, String> link : links.entrySet()) {
                assertThat(Kernel.readlinkat(tree, link.getKey())).isEqualTo(link.getValue());
            }
            assertThat(in(tree, "pts")).isDirectory();
            assertThat(in(tree, "shm")).isDirectory();
            assertThat(in(tree, "mqueue")).isDirectory();
            assertThat(Kernel.list(tree)).hasSize(6 + 5 + 3);
        }
    }

    @Test
    void belongsToTheMappedRootAsAWhole() throws IOException {
        try (Fd tree = DeviceTree.create(List.of(), 100_000, 200_000);
                Stream<Path> entries = Files.walk(in(tree, "."))) {
            for (Path entry : entries.toList()) {
                assertThat(uid(entry)).as(entry.toString()).isEqualTo(100_000);
                assertThat(gid(entry)).as(entry.toString()).isEqualTo(200_000);
            }
            assertThat(mode(in(tree, "."))).isEqualTo(0755);
        }
    }

    @Test
    void addsTheNodesThatWereAskedForInPlaceOfDefaults() throws IOException {
        List<DeviceNode> nodes = List.of(
                new DeviceNode("/dev/net/tun", 'c', 10, 200, 0600, 1, 2),
                new DeviceNode("/dev/vda", 'b', 254, 0, 0660, 0, 6),
                new DeviceNode("/dev/tty", 'c', 4, 1, 0620, 0, 0),
                new DeviceNode("/dev/ptmx", 'c', 5, 2, 0666, 0, 0));

        try (Fd tree = DeviceTree.create(nodes, 0, 0)) {
            assertThat(uid(in(tree, "net/tun"))).isEqualTo(1);
            assertThat(gid(in(tree, "net/tun"))).isEqualTo(2);
            assertThat(mode(in(tree, "net/tun"))).isEqualTo(0600);
            FileStatus disk = Kernel.statx(tree, "vda", AT_SYMLINK_NOFOLLOW);
            assertThat(disk.isBlockDevice()).isTrue();
            assertThat(disk.special()).hasToString("254:0");
            assertThat(Kernel.statx(tree, "tty", AT_SYMLINK_NOFOLLOW).special()).hasToString("4:1");
            assertThat(Kernel.statx(tree, "ptmx", AT_SYMLINK_NOFOLLOW).isCharacterDevice())
                    .isTrue();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"/dev/../etc/passwd", "/", "/dev/", "/dev//x", "/dev/./x", "dev/x", "/dev/a/../../x"})
    void refusesANodeWhosePathIsNotPlain(String path) {
        assertThatThrownBy(() -> new DeviceNode(path, 'c', 1, 3, 0666, 0, 0))
                .isInstanceOf(MountRefusal.class)
                .hasMessageContaining(path);
    }

    @Test
    void makesNodesElsewhereInTheRootFileSystemOnceAndAgain() throws IOException {
        List<DeviceNode> nodes = List.of(
                new DeviceNode("/data/disk", 'b', 254, 1, 0640, 3, 4),
                new DeviceNode("/dev/vda", 'b', 254, 0, 0660, 0, 6));

        try (Fd root = DetachedMount.tmpfs(0, "mode=755")) {
            DeviceTree.makeElsewhere(root, nodes, 7, 8);
            DeviceTree.makeElsewhere(root, nodes, 7, 8);
            FileStatus disk = Kernel.statx(root, "data/disk", AT_SYMLINK_NOFOLLOW);
            assertThat(disk.isBlockDevice()).isTrue();
            assertThat(disk.special()).hasToString("254:1");
            assertThat(mode(in(root, "data/disk"))).isEqualTo(0640);
            assertThat(uid(in(root, "data/disk"))).isEqualTo(3);
            assertThat(gid(in(root, "data/disk"))).isEqualTo(4);
            assertThat(uid(in(root, "data"))).isEqualTo(7);
            assertThat(in(root, "dev")).doesNotExist();
        }
    }

    @Test
    void aFileOfTheImageInTheDevicesPlaceStaysAsItIs() throws IOException {
        List<DeviceNode> nodes = List.of(new DeviceNode("/data/disk", 'b', 254, 1, 0640, 3, 4));

        try (Fd root = DetachedMount.tmpfs(0, "mode=755")) {
            Files.createDirectory(in(root, "data"));
            Files.createSymbolicLink(in(root, "data/disk"), Path.of("/etc/passwd"));
            assertThatThrownBy(() -> DeviceTree.makeElsewhere(root, nodes, 0, 0))
                    .isInstanceOf(MountRefusal.class)
                    .hasMessageContaining("/data/disk");
            assertThat(Kernel.readlinkat(root, "data/disk")).isEqualTo("/etc/passwd");
        }
    }

    @Test
    void refusesANodeBelowAnotherNode() {
        List<DeviceNode> nodes = List.of(new DeviceNode("/dev/null/x", 'c', 1, 3, 0666, 0, 0));

        assertThatThrownBy(() -> create(nodes)).isInstanceOf(MountRefusal.class).hasMessageContaining("/dev/null/x");
    }

    @Test
    void honoursNoSetuidBitAndHoldsNoMoreThanItsSize() throws IOException {
        try (Fd tree = DeviceTree.create(List.of(), 0, 0)) {
            String mounts = RootfsFixture.optionsOf(tree);
            assertThat(mounts).contains("nosuid").contains("size=65536k").contains("mode=755");
            assertThat(mounts).doesNotContain("relatime").doesNotContain("noatime");
        }
    }

    @Test
    void tmpfsSaysWhichOptionTheKernelDoesNotKnow() {
        assertThatThrownBy(() -> openAndClose("no-such-option=1"))
                .isInstanceOf(KernelException.class)
                .hasMessageContaining("Unknown parameter 'no-such-option'");
    }

    private static void create(List<DeviceNode> nodes) {
        try (Fd tree = DeviceTree.create(nodes, 0, 0)) {
            assertThat(tree.isOpen()).isTrue();
        }
    }

    private static void openAndClose(String option) {
        try (Fd mount = DetachedMount.tmpfs(0, option)) {
            assertThat(mount.isOpen()).isTrue();
        }
    }
}
