package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.MOVE_MOUNT_F_EMPTY_PATH;
import static io.portafilter.rootfs.RootfsFixture.in;
import static io.portafilter.rootfs.RootfsFixture.mode;
import static io.portafilter.rootfs.RootfsFixture.optionsOf;
import static io.portafilter.rootfs.RootfsFixture.run;
import static io.portafilter.rootfs.RootfsFixture.uid;
import static io.portafilter.rootfs.UserNamespaceFixture.FIRST_HOST_ID;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class VolumeMountTest {
    @TempDir
    Path directory;

    private Path volume;
    private Optional<Path> mounted = Optional.empty();

    @BeforeEach
    void makeVolume() throws IOException {
        RootfsFixture.requireRoot();
        volume = Files.createDirectory(directory.resolve("volume"));
        Files.writeString(volume.resolve("file"), "content");
    }

    @AfterEach
    void unmount() throws IOException {
        if (mounted.isPresent()) {
            run("umount", "-R", mounted.get().toString());
        }
    }

    /** A tmpfs on a directory of the host, below which mounts propagate as asked. */
    private Path mountTmpfs(Path target, String propagation) throws IOException {
        Files.createDirectories(target);
        run("mount", "-t", "tmpfs", "portafilter-test", target.toString());
        if (mounted.isEmpty()) {
            mounted = Optional.of(target);
        }
        run("mount", "--make-" + propagation, target.toString());
        return target;
    }

    private static VolumeOptions options(boolean readOnly, boolean recursive) {
        return new VolumeOptions(readOnly, recursive, Propagation.PRIVATE);
    }

    @Test
    void isTheDirectoryItselfEvenWhenThePathChangesMeaning() throws IOException {
        try (VolumeMount mount = VolumeMount.open(volume, VolumeOptions.DEFAULT, Optional.empty())) {
            Files.move(volume, directory.resolve("moved"));
            Files.createSymbolicLink(volume, Path.of("/etc"));
            Files.writeString(in(mount.mount(), "new"), "x");
        }

        assertThat(directory.resolve("moved/new")).exists();
        assertThat(Path.of("/etc/new")).doesNotExist();
    }

    @Test
    void followsTheLinksOfTheHost() throws IOException {
        Path link = Files.createSymbolicLink(directory.resolve("link"), volume);

        try (VolumeMount mount = VolumeMount.open(link, VolumeOptions.DEFAULT, Optional.empty())) {
            assertThat(in(mount.mount(), "file")).hasContent("content");
            assertThat(mount.isDirectory()).isTrue();
        }
    }

    @Test
    void mayBeASingleFile() throws IOException {
        try (VolumeMount mount = VolumeMount.open(volume.resolve("file"), VolumeOptions.DEFAULT, Optional.empty())) {
            assertThat(mount.isDirectory()).isFalse();
            assertThat(Path.of(mount.mount().path())).hasContent("content");
        }
    }

    @Test
    void readOnlyMeansTheVolumeAloneAndRecursiveAllBelow() throws IOException {
        mountTmpfs(volume.resolve("inner"), "private");

        try (VolumeMount plain = VolumeMount.open(volume, options(true, false), Optional.empty());
                VolumeMount recursive = VolumeMount.open(volume, options(true, true), Optional.empty())) {
            assertThatThrownBy(() -> Files.writeString(in(plain.mount(), "x"), ""))
                    .hasMessageContaining("Read-only");
            Files.writeString(in(plain.mount(), "inner/x"), "");
            assertThatThrownBy(() -> Files.writeString(in(recursive.mount(), "x"), ""))
                    .hasMessageContaining("Read-only");
            assertThatThrownBy(() -> Files.writeString(in(recursive.mount(), "inner/y"), ""))
                    .hasMessageContaining("Read-only");
        }

        Files.writeString(volume.resolve("still-writable"), "");
    }

    @Test
    void keepsWhatTheSourceForbids() throws IOException {
        Path tmpfs = mountTmpfs(directory.resolve("tmpfs"), "private");
        run("mount", "-o", "remount,bind,nosuid,nodev,noexec", tmpfs.toString());

        try (VolumeMount mount = VolumeMount.open(tmpfs, options(true, false), Optional.empty())) {
            assertThat(optionsOf(mount.mount())).contains("ro,nosuid,nodev,noexec");
        }
    }

    @Test
    void forbidsWhatWasAskedInMountsBelowToo() throws IOException {
        mountTmpfs(volume.resolve("inner"), "private");
        run("cp", "/bin/true", volume.resolve("inner/true").toString());
        VolumeOptions options = new VolumeOptions(false, false, Propagation.PRIVATE, true, true, true, false, false);

        try (VolumeMount mount = VolumeMount.open(volume, options, Optional.empty())) {
            String program = "/proc/" + ProcessHandle.current().pid() + "/fd/"
                    + mount.mount().number() + "/inner/true";
            assertThatThrownBy(() -> run(program)).hasMessageContaining("Permission denied");
            assertThat(optionsOf(mount.mount())).contains("nosuid,nodev,noexec");
        }
    }

    @ParameterizedTest
    @EnumSource(Propagation.class)
    void mountsMadeLaterAreSeenAsPropagationSays(Propagation propagation) throws IOException {
        Path shared = mountTmpfs(directory.resolve("shared"), "shared");
        Path later = Files.createDirectory(shared.resolve("later"));
        VolumeOptions options = new VolumeOptions(false, false, propagation);

        try (VolumeMount mount = VolumeMount.open(shared, options, Optional.empty())) {
            run("mount", "-t", "tmpfs", "portafilter-test", later.toString());
            Files.writeString(later.resolve("inside"), "");
            // propagation reaches attached mounts only
            String seen = optionsOf(mount.mount());
            switch (propagation) {
                case PRIVATE -> assertThat(seen).doesNotContain("shared:").doesNotContain("master:");
                case HOST_TO_CONTAINER ->
                    assertThat(seen).doesNotContain("shared:").contains("master:");
                case BIDIRECTIONAL -> assertThat(seen).contains("shared:");
            }
        }
    }

    @Test
    void refusesPropagationThatTheSourceCannotGive() throws IOException {
        Path tmpfs = mountTmpfs(directory.resolve("tmpfs"), "private");

        assertThatThrownBy(() -> open(tmpfs, new VolumeOptions(false, false, Propagation.HOST_TO_CONTAINER)))
                .isInstanceOf(MountRefusal.class)
                .hasMessageContaining("needs a shared or slave mount")
                .hasMessageContaining("mount --make-shared " + tmpfs);
        assertThatThrownBy(() -> open(tmpfs, new VolumeOptions(false, false, Propagation.BIDIRECTIONAL)))
                .hasMessageContaining("needs a shared mount");
    }

    @Test
    void refusesRecursiveReadOnlyWithoutItsConditions() {
        assertThatThrownBy(() -> options(false, true)).hasMessageContaining("needs readonly");
        assertThatThrownBy(() -> new VolumeOptions(true, true, Propagation.HOST_TO_CONTAINER))
                .hasMessageContaining("needs propagation PRIVATE");
    }

    @Test
    void makesAMissingDirectoryAndRemovesItAgain() throws IOException {
        Path missing = volume.resolve("a/b");

        try (VolumeMount mount = VolumeMount.open(missing, VolumeOptions.DEFAULT, Optional.empty())) {
            assertThat(missing).isDirectory();
            assertThat(mode(missing)).isEqualTo(0755);
            mount.removeCreated();
        }

        assertThat(volume.resolve("a")).doesNotExist();
        assertThat(volume).isDirectory();
    }

    @Test
    void leavesWhatSomebodyUsesMeanwhile() throws IOException {
        Path missing = volume.resolve("a/b");

        try (VolumeMount mount = VolumeMount.open(missing, VolumeOptions.DEFAULT, Optional.empty())) {
            Files.writeString(volume.resolve("a/other"), "");
            mount.removeCreated();
        }

        assertThat(missing).doesNotExist();
        assertThat(volume.resolve("a/other")).exists();
    }

    @Test
    void makesNothingWhenTheMountIsRefused() throws IOException {
        Path tmpfs = mountTmpfs(directory.resolve("tmpfs"), "private");

        assertThatThrownBy(() -> open(tmpfs.resolve("x/y"), new VolumeOptions(false, false, Propagation.BIDIRECTIONAL)))
                .isInstanceOf(MountRefusal.class);

        assertThat(tmpfs.resolve("x")).doesNotExist();
    }

    @ParameterizedTest
    @ValueSource(strings = {"relative", "", "/etc/../etc/hostname-that-is-missing/../x"})
    void refusesASourceThatIsNoPlainPath(String source) {
        assertThatThrownBy(() -> open(Path.of(source), VolumeOptions.DEFAULT)).isInstanceOf(MountRefusal.class);
    }

    @Test
    void refusesASourceBelowAFile() {
        assertThatThrownBy(() -> open(volume.resolve("file/x"), VolumeOptions.DEFAULT))
                .isInstanceOf(MountRefusal.class)
                .hasMessageContaining("ENOTDIR");
    }

    @Test
    void mapsOwnersOnlyWhenAsked() throws IOException {
        try (UserNamespaceFixture users = new UserNamespaceFixture();
                VolumeMount mapped = VolumeMount.open(volume, VolumeOptions.DEFAULT, Optional.of(users.descriptor()));
                VolumeMount plain = VolumeMount.open(volume, VolumeOptions.DEFAULT, Optional.empty())) {
            assertThat(uid(in(mapped.mount(), "file"))).isEqualTo(FIRST_HOST_ID);
            assertThat(uid(in(plain.mount(), "file"))).isZero();
        }
    }

    @Test
    void namesTheFileSystemThatCannotMapOwners() throws IOException {
        try (UserNamespaceFixture users = new UserNamespaceFixture()) {
            assertThatThrownBy(() -> openMapped(Path.of("/proc/sys"), users))
                    .isInstanceOf(MountRefusal.class)
                    .hasMessageContaining("/proc/sys")
                    .hasMessageContaining("(proc)");
        }
    }

    @Test
    void aloneItLeavesOutTheMountsBelow() throws IOException {
        Path inner = mountTmpfs(volume.resolve("inner"), "private");
        Files.writeString(inner.resolve("below"), "content");
        VolumeOptions alone = new VolumeOptions(false, false, Propagation.PRIVATE, false, false, false, true, false);

        try (VolumeMount mount = VolumeMount.open(volume, alone, Optional.empty());
                VolumeMount all = VolumeMount.open(volume, VolumeOptions.DEFAULT, Optional.empty())) {
            assertThat(in(mount.mount(), "file")).exists();
            assertThat(in(mount.mount(), "inner/below")).doesNotExist();
            assertThat(in(all.mount(), "inner/below")).exists();
        }
    }

    @Test
    void aSourceThatMustExistIsNotMade() {
        Path missing = directory.resolve("missing");
        VolumeOptions existing = new VolumeOptions(false, false, Propagation.PRIVATE, false, false, false, false, true);

        assertThatThrownBy(() -> open(missing, existing))
                .isInstanceOf(MountRefusal.class)
                .hasMessageContaining(missing + " cannot be opened: ENOENT");
        assertThat(missing).doesNotExist();
    }

    @Test
    void saysThatOwnersAreMappedAlready() throws IOException {
        Path place = Files.createDirectory(directory.resolve("mapped"));
        try (UserNamespaceFixture users = new UserNamespaceFixture();
                VolumeMount mapped = VolumeMount.open(volume, VolumeOptions.DEFAULT, Optional.of(users.descriptor()))) {
            Kernel.moveMount(mapped.mount(), "", Fd.CWD, place.toString(), MOVE_MOUNT_F_EMPTY_PATH);
            mounted = Optional.of(place);

            assertThatThrownBy(() -> openMapped(place, users))
                    .isInstanceOf(MountRefusal.class)
                    .hasMessageContaining(place.toString())
                    .hasMessageContaining("mapped already");
        }
    }

    private static void openMapped(Path source, UserNamespaceFixture users) {
        try (VolumeMount mount = VolumeMount.open(source, VolumeOptions.DEFAULT, Optional.of(users.descriptor()))) {
            assertThat(Kernel.fstat(mount.mount())).isNull();
        }
    }

    private static void open(Path source, VolumeOptions options) {
        try (VolumeMount mount = VolumeMount.open(source, options, Optional.empty())) {
            assertThat(mount.mount().isOpen()).isTrue();
        }
    }
}
