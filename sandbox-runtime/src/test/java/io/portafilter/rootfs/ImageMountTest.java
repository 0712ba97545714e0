package io.portafilter.rootfs;

import static io.portafilter.rootfs.RootfsFixture.in;
import static io.portafilter.rootfs.RootfsFixture.layers;
import static io.portafilter.rootfs.RootfsFixture.uid;
import static io.portafilter.rootfs.UserNamespaceFixture.FIRST_HOST_ID;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.LinuxConstants;
import io.portafilter.linux.MountAttributes;
import io.portafilter.linux.OwnThread;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ImageMountTest {
    private static final VolumeOptions READ_ONLY = new VolumeOptions(true, false, Propagation.PRIVATE);

    @TempDir
    Path directory;

    @BeforeEach
    void needsRoot() {
        RootfsFixture.requireRoot();
    }

    @MustBeClosed
    private static VolumeMount mount(List<Path> layers, String subPath) {
        return VolumeMount.ofImage(layers, subPath, READ_ONLY, Optional.empty());
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 60})
    void showsTheLayersAndTakesNoWrites(int count) throws IOException {
        List<Path> layers = layers(directory, count);

        try (VolumeMount image = mount(layers, "")) {
            assertThat(image.isDirectory()).isTrue();
            assertThat(in(image.mount(), "who")).hasContent("layer 1");
            assertThat(in(image.mount(), "only-" + count)).exists();
            assertThatThrownBy(() -> Files.writeString(in(image.mount(), "who"), "changed"))
                    .hasMessageContaining("Read-only file system");
            assertThatThrownBy(() -> Files.createFile(in(image.mount(), "new")))
                    .hasMessageContaining("Read-only file system");
        }

        assertThat(layers.getFirst().resolve("who")).hasContent("layer 1");
    }

    /** The flag of the mount can go; the file system has no place for changes. */
    @Test
    void cannotBeMadeWritable() throws IOException {
        List<Path> layers = layers(directory, 2);
        try (VolumeMount image = mount(layers, "")) {
            Kernel.mountSetattr(
                    image.mount(),
                    "",
                    LinuxConstants.AT_EMPTY_PATH,
                    MountAttributes.clear(LinuxConstants.MOUNT_ATTR_RDONLY));
            assertThatThrownBy(() -> Files.createFile(in(image.mount(), "new")))
                    .hasMessageContaining("Read-only file system");
            assertThatThrownBy(() -> reconfigured(image.mount()))
                    .isInstanceOf(KernelException.class)
                    .hasMessageContaining("EROFS");
        }
    }

    private static boolean reconfigured(Fd mount) {
        return OwnThread.call("reconfigure", () -> {
            OverlayMount.enterOwnNamespace();
            Kernel.moveMount(mount, "", Fd.CWD, "/mnt", LinuxConstants.MOVE_MOUNT_F_EMPTY_PATH);
            try (Fd context = Kernel.fspick(Fd.CWD, "/mnt", 0)) {
                Kernel.fsconfigFlag(context, "rw");
                Kernel.fsconfigReconfigure(context);
                return true;
            }
        });
    }

    @Test
    void hasNoDevicesAndStaysOutOfTheMountTable() throws IOException {
        VolumeOptions noPrograms = new VolumeOptions(true, false, Propagation.PRIVATE, true, false, true, false, false);
        try (VolumeMount plain = mount(layers(directory, 2), "");
                VolumeMount restricted = VolumeMount.ofImage(layers(directory, 2), "", noPrograms, Optional.empty())) {
            assertThat(Files.readString(Path.of("/proc/self/mountinfo"))).doesNotContain(directory.toString());
            assertThat(RootfsFixture.optionsOf(plain.mount()))
                    .contains(" ro,nodev,relatime - overlay")
                    .doesNotContain("upperdir");
            assertThat(RootfsFixture.optionsOf(restricted.mount())).contains(" ro,nosuid,nodev,noexec,relatime - ");
        }
    }

    @Test
    void mountsADirectoryOfTheImageThroughItsLinks() throws IOException {
        List<Path> layers = layers(directory, 2);
        Files.createDirectories(layers.get(1).resolve("releases/7/models"));
        Files.writeString(layers.get(1).resolve("releases/7/models/a"), "lower");
        Files.createDirectories(layers.getFirst().resolve("releases/7/models"));
        Files.writeString(layers.getFirst().resolve("releases/7/models/b"), "upper");
        Files.createSymbolicLink(layers.getFirst().resolve("current"), Path.of("/releases/7"));
        Files.createSymbolicLink(layers.getFirst().resolve("far"), Path.of("../../../../releases"));

        for (String subPath : List.of("releases/7/models", "current/models", "far/7/models", "./releases//7/models/")) {
            try (VolumeMount image = mount(layers, subPath)) {
                assertThat(in(image.mount(), "").toFile().list()).containsExactlyInAnyOrder("a", "b");
                assertThat(in(image.mount(), "a")).hasContent("lower");
                // the directory is the root of the mount: there is nothing above it
                assertThat(in(image.mount(), "../b")).exists();
                assertThatThrownBy(() -> Files.createFile(in(image.mount(), "new")))
                        .hasMessageContaining("Read-only file system");
            }
        }
    }

    @Test
    void noSubPathLeadsOutOfTheImage() throws IOException {
        List<Path> layers = layers(directory, 2);
        Path etc = Files.createDirectories(layers.getFirst().resolve("etc"));
        Files.writeString(etc.resolve("of-the-image"), "");
        Files.createSymbolicLink(layers.getFirst().resolve("absolute"), Path.of("/etc"));
        Files.createSymbolicLink(layers.getFirst().resolve("above"), Path.of("../../../../../../../../etc"));
        Files.createSymbolicLink(layers.getFirst().resolve("magic"), Path.of("/proc/self/root/etc"));

        for (String subPath : List.of("absolute", "above", "../../../../../etc", "/etc")) {
            try (VolumeMount image = mount(layers, subPath)) {
                assertThat(in(image.mount(), "").toFile().list()).as(subPath).containsExactly("of-the-image");
            }
        }
        assertThatThrownBy(() -> openAndClose(layers, "magic"))
                .isInstanceOf(MountRefusal.class)
                .hasMessageStartingWith("ImageVolumeMountFailed: ")
                .hasMessageContaining("magic");
    }

    @Test
    void onlyADirectoryThatIsThereCanBeMounted() throws IOException {
        List<Path> layers = layers(directory, 2);
        Files.createSymbolicLink(layers.getFirst().resolve("loop"), Path.of("loop"));
        RootfsFixture.run("mkfifo", layers.getFirst().resolve("fifo").toString());
        RootfsFixture.run("mknod", layers.getFirst().resolve("only-2").toString(), "c", "0", "0");

        refuses(layers, "missing/directory", "does not exist");
        refuses(layers, "who", "is a file");
        refuses(layers, "who/below", "does not exist");
        refuses(layers, "fifo", "a FIFO");
        refuses(layers, "loop", "links");
        refuses(layers, "only-2", "does not exist");
    }

    private static void refuses(List<Path> layers, String subPath, String why) {
        assertThatThrownBy(() -> openAndClose(layers, subPath))
                .isInstanceOf(MountRefusal.class)
                .hasMessageStartingWith("ImageVolumeMountFailed: ")
                .hasMessageContaining("image_sub_path \"" + subPath + "\"")
                .hasMessageContaining(why);
    }

    private static void openAndClose(List<Path> layers, String subPath) {
        try (VolumeMount mount = mount(layers, subPath)) {
            assertThat(mount.mount().isOpen()).isTrue();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {2, 60})
    void mapsOwnersIntoAUserNamespace(int count) throws IOException {
        List<Path> layers = layers(directory, count);
        Path below = Files.createDirectories(layers.getLast().resolve("a/b"));
        Files.setAttribute(below, "unix:uid", 33);

        try (UserNamespaceFixture users = new UserNamespaceFixture();
                VolumeMount whole = VolumeMount.ofImage(layers, "", READ_ONLY, Optional.of(users.descriptor()));
                VolumeMount part = VolumeMount.ofImage(layers, "a", READ_ONLY, Optional.of(users.descriptor()))) {
            assertThat(uid(in(whole.mount(), "who"))).isEqualTo(FIRST_HOST_ID);
            assertThat(uid(in(whole.mount(), "a/b"))).isEqualTo(FIRST_HOST_ID + 33);
            assertThat(uid(in(part.mount(), "b"))).isEqualTo(FIRST_HOST_ID + 33);
        }
        assertThat(uid(below)).isEqualTo(33);
    }

    @Test
    void leavesNoDescriptorOpen() throws IOException {
        List<Path> layers = layers(directory, 3);
        Files.createDirectories(layers.getFirst().resolve("a"));
        openAndClose(layers, "a");
        long before = openDescriptors();

        openAndClose(layers, "a");
        openAndClose(layers, "");
        refuses(layers, "missing", "does not exist");

        assertThat(openDescriptors()).isEqualTo(before);
    }

    private static long openDescriptors() throws IOException {
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
            return descriptors.count();
        }
    }
}
