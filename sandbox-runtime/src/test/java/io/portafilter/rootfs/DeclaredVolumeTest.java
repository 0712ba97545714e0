package io.portafilter.rootfs;

import static io.portafilter.rootfs.RootfsFixture.gid;
import static io.portafilter.rootfs.RootfsFixture.layers;
import static io.portafilter.rootfs.RootfsFixture.mode;
import static io.portafilter.rootfs.RootfsFixture.stack;
import static io.portafilter.rootfs.RootfsFixture.uid;
import static io.portafilter.rootfs.UserNamespaceFixture.FIRST_HOST_ID;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DeclaredVolumeTest {
    /** struct vfs_cap_data, revision 2, effective: CAP_NET_RAW. */
    private static final byte[] NET_RAW = {1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

    @TempDir
    Path directory;

    private Path top;
    private List<Path> lower;
    private Path own;

    @BeforeEach
    void makeImage() throws IOException {
        RootfsFixture.requireRoot();
        lower = layers(directory, 2);
        top = lower.getFirst();
        own = Files.createDirectories(directory.resolve("container"));
    }

    private Path create(String path) throws IOException {
        try (Fd root = DetachedMount.overlay(stack(directory, lower, 0), Optional.empty())) {
            return DeclaredVolume.create(root, path, own, 0, 0, 0);
        }
    }

    @Test
    void beginsWithWhatTheImageHasThere() throws IOException {
        Path data = Files.createDirectories(top.resolve("var/data/deep/er"));
        Path hidden = Files.createDirectories(lower.get(1).resolve("var/data"));
        Files.writeString(hidden.resolve("of-the-lower-layer"), "lower");
        Files.writeString(hidden.resolve("removed"), "");
        RootfsFixture.run("mknod", top.resolve("var/data/removed").toString(), "c", "0", "0");
        Path file = Files.writeString(data.resolve("file"), "content");
        Files.setAttribute(file, "unix:uid", 1000);
        Files.setAttribute(file, "unix:gid", 2000);
        Files.setAttribute(file, "unix:mode", 06751);
        Files.setLastModifiedTime(file, FileTime.from(Instant.parse("2020-01-02T03:04:05.678Z")));
        Files.setAttribute(top.resolve("var/data"), "unix:uid", 999);
        Files.setAttribute(top.resolve("var/data"), "unix:mode", 01770);
        Files.createSymbolicLink(top.resolve("var/data/link"), Path.of("/etc/shadow"));
        RootfsFixture.run("mkfifo", "-m", "640", top.resolve("var/data/fifo").toString());

        Path volume = create("/var/data");

        assertThat(volume).isEqualTo(own.resolve("volumes/0"));
        assertThat(volume.toFile().list()).containsExactlyInAnyOrder("deep", "of-the-lower-layer", "link", "fifo");
        assertThat(List.of(uid(volume), gid(volume), (long) mode(volume))).containsExactly(999L, 0L, 01770L);
        Path copy = volume.resolve("deep/er/file");
        assertThat(copy).hasContent("content");
        assertThat(List.of(uid(copy), gid(copy), (long) mode(copy))).containsExactly(1000L, 2000L, 06751L);
        assertThat(Files.getLastModifiedTime(copy)).isEqualTo(Files.getLastModifiedTime(file));
        assertThat(Files.readSymbolicLink(volume.resolve("link"))).isEqualTo(Path.of("/etc/shadow"));
        assertThat(mode(volume.resolve("fifo"))).isEqualTo(0640);
        assertThat(file).hasContent("content");
    }

    @Test
    void keepsExtendedAttributesHardLinksAndHoles() throws IOException {
        Path data = Files.createDirectory(top.resolve("data"));
        Path file = Files.writeString(data.resolve("a"), "x".repeat(300_000));
        try (Fd opened = RootfsFixture.open(data)) {
            Kernel.setxattr(opened, "user.of-directory", "d".getBytes(StandardCharsets.UTF_8), 0);
        }
        try (Fd opened = Kernel.open(file.toString(), 0)) {
            Kernel.setxattr(opened, "user.note", "n".getBytes(StandardCharsets.UTF_8), 0);
            Kernel.setxattr(opened, "security.capability", NET_RAW, 0);
        }
        Files.createLink(data.resolve("b"), file);
        RootfsFixture.run("truncate", "-s", "64M", data.resolve("sparse").toString());

        Path volume = create("/data");

        try (Fd copy = Kernel.open(volume.resolve("a").toString(), 0);
                Fd copied = RootfsFixture.open(volume)) {
            assertThat(Kernel.getxattr(copy, "user.note")).hasValue("n".getBytes(StandardCharsets.UTF_8));
            assertThat(Kernel.getxattr(copy, "security.capability")).hasValue(NET_RAW);
            assertThat(Kernel.getxattr(copied, "user.of-directory")).hasValue("d".getBytes(StandardCharsets.UTF_8));
            assertThat(Kernel.fstat(copy).links()).isEqualTo(2);
        }
        assertThat(volume.resolve("a")).hasContent("x".repeat(300_000));
        assertThat(Files.isSameFile(volume.resolve("a"), volume.resolve("b"))).isTrue();
        assertThat(Files.size(volume.resolve("sparse"))).isEqualTo(64 << 20);
        try (Fd sparse = Kernel.open(volume.resolve("sparse").toString(), 0)) {
            assertThat(Kernel.fstat(sparse).blocks()).isLessThan(1000);
        }
    }

    @Test
    void deviceNodesAreLeftOut() throws IOException {
        Path data = Files.createDirectory(top.resolve("data"));
        RootfsFixture.run("mknod", data.resolve("disk").toString(), "b", "7", "0");
        RootfsFixture.run("mknod", data.resolve("mem").toString(), "c", "1", "1");
        Files.createFile(data.resolve("file"));

        assertThat(create("/data").toFile().list()).containsExactly("file");
    }

    /** CVE-2022-23648: the path, and the links on it, are the image's word. */
    @Test
    void noPathLeadsOutOfTheImage() throws IOException {
        Files.writeString(Files.createDirectory(top.resolve("etc")).resolve("of-the-image"), "");
        Files.createSymbolicLink(top.resolve("absolute"), Path.of("/etc"));
        Files.createSymbolicLink(top.resolve("above"), Path.of("../../../../../../../../../../etc"));

        for (String path : List.of("/absolute", "/above", "/../../../../../../../../etc")) {
            assertThat(create(path).toFile().list()).as(path).containsExactly("of-the-image");
        }
    }

    @Test
    void isAnEmptyDirectoryOfTheContainersRootWhereTheImageHasNothing() throws IOException {
        Files.createSymbolicLink(top.resolve("dangling"), Path.of("/nowhere"));
        for (String path : List.of("/nothing/here", "/dangling")) {
            Path volume;
            try (Fd root = DetachedMount.overlay(stack(directory, lower, 0), Optional.empty())) {
                volume = DeclaredVolume.create(root, path, own, 7, FIRST_HOST_ID, FIRST_HOST_ID + 1);
            }
            assertThat(volume).isEqualTo(own.resolve("volumes/7")).isEmptyDirectory();
            assertThat(List.of(uid(volume), gid(volume), (long) mode(volume)))
                    .containsExactly(FIRST_HOST_ID, FIRST_HOST_ID + 1, 0755L);
        }
    }

    @Test
    void aFileCannotBeOne() {
        assertThatThrownBy(() -> create("/who"))
                .isInstanceOf(MountRefusal.class)
                .hasMessageContaining("/who")
                .hasMessageContaining("only a directory");
    }

    @Test
    void isMadeAnewForAnotherAttempt() throws IOException {
        Files.writeString(Files.createDirectory(top.resolve("data")).resolve("file"), "of the image");
        Path volume = create("/data");
        Files.writeString(volume.resolve("file"), "changed");
        Files.createFile(volume.resolve("left"));

        assertThat(create("/data")).isEqualTo(volume);

        assertThat(volume.toFile().list()).containsExactly("file");
        assertThat(volume.resolve("file")).hasContent("of the image");
    }

    @Test
    void refusesATreeThatIsTooDeep() throws IOException {
        RootfsFixture.run("mkdir", "-p", top.resolve("data" + "/d".repeat(400)).toString());

        assertThatThrownBy(() -> create("/data"))
                .isInstanceOf(MountRefusal.class)
                .hasMessageContaining("deep");
    }

    @Test
    void ownersAreTheHostsIdsOfTheUserNamespace() throws IOException {
        Path data = Files.createDirectory(top.resolve("data"));
        Path file = Files.writeString(data.resolve("file"), "x");
        Files.setAttribute(file, "unix:uid", 33);
        Files.createSymbolicLink(data.resolve("link"), Path.of("file"));
        try (Fd opened = Kernel.open(file.toString(), 0)) {
            Kernel.setxattr(opened, "security.capability", NET_RAW, 0);
        }

        Path volume;
        try (UserNamespaceFixture users = new UserNamespaceFixture();
                Fd root = DetachedMount.overlay(
                        stack(directory, lower, FIRST_HOST_ID), Optional.of(users.descriptor()))) {
            volume = DeclaredVolume.create(root, "/data", own, 0, FIRST_HOST_ID, FIRST_HOST_ID);
        }

        assertThat(uid(volume)).isEqualTo(FIRST_HOST_ID);
        assertThat(uid(volume.resolve("file"))).isEqualTo(FIRST_HOST_ID + 33);
        assertThat(((Number) Files.getAttribute(volume.resolve("link"), "unix:uid", LinkOption.NOFOLLOW_LINKS))
                        .longValue())
                .isEqualTo(FIRST_HOST_ID);
        // the capability counts in that namespace alone: revision 3 names its root
        try (Fd copy = Kernel.open(volume.resolve("file").toString(), 0)) {
            byte[] capability = Kernel.getxattr(copy, "security.capability").orElseThrow();
            assertThat(capability).hasSize(24);
            assertThat(java.nio.ByteBuffer.wrap(capability)
                            .order(java.nio.ByteOrder.LITTLE_ENDIAN)
                            .getInt(20))
                    .isEqualTo((int) FIRST_HOST_ID);
        }
    }
}
