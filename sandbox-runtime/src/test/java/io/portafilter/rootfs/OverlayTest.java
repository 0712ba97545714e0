package io.portafilter.rootfs;

import static io.portafilter.rootfs.RootfsFixture.in;
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
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class OverlayTest {
    @TempDir
    Path directory;

    @BeforeEach
    void needsRoot() {
        RootfsFixture.requireRoot();
    }

    /** With lowerdir+ where this kernel has it, and as older kernels need it. */
    static Stream<Boolean> waysOfThisKernel() {
        return Stream.of(true, false).filter(lowerdirPlus -> !lowerdirPlus || OverlayMount.supportsLowerdirPlus());
    }

    @ParameterizedTest
    @MethodSource("waysOfThisKernel")
    void showsTheTopmostFileAndWritesToTheUpperDirectory(boolean way) throws IOException {
        LayerStack layers = stack(directory, layers(directory, 3), 0);

        try (Fd root = OverlayMount.of(layers, Optional.empty(), way)) {
            assertThat(in(root, "who")).hasContent("layer 1");
            assertThat(in(root, "only-3")).exists();
            Files.writeString(in(root, "who"), "changed");
        }

        assertThat(upper(layers).resolve("who")).hasContent("changed");
        assertThat(layers.lowerTopFirst().getFirst().resolve("who")).hasContent("layer 1");
    }

    @ParameterizedTest
    @MethodSource("waysOfThisKernel")
    void mapsTheOwnersOfLowerLayersIntoAUserNamespace(boolean way) throws IOException {
        List<Path> lower = layers(directory, 2);
        Files.setAttribute(lower.get(1).resolve("only-2"), "unix:uid", 33);
        LayerStack layers = stack(directory, lower, FIRST_HOST_ID);

        try (UserNamespaceFixture users = new UserNamespaceFixture();
                Fd root = OverlayMount.of(layers, Optional.of(users.descriptor()), way)) {
            assertThat(uid(in(root, "who"))).isEqualTo(FIRST_HOST_ID);
            assertThat(uid(in(root, "only-2"))).isEqualTo(FIRST_HOST_ID + 33);
            assertThat(uid(in(root, "."))).isEqualTo(FIRST_HOST_ID);
            // a copy into the upper directory is stored with the host's id
            Files.writeString(in(root, "only-2"), "changed");
        }

        assertThat(uid(upper(layers).resolve("only-2"))).isEqualTo(FIRST_HOST_ID + 33);
        assertThat(uid(lower.get(1).resolve("only-2"))).isEqualTo(33);
    }

    @ParameterizedTest
    @MethodSource("waysOfThisKernel")
    void takesAsManyLayersAsAnImageMayHave(boolean way) throws IOException {
        LayerStack layers = stack(directory, layers(directory, 127), FIRST_HOST_ID);

        try (UserNamespaceFixture users = new UserNamespaceFixture();
                Fd plain = OverlayMount.of(layers, Optional.empty(), way);
                Fd mapped = OverlayMount.of(
                        stack(directory.resolve("other"), layers.lowerTopFirst(), FIRST_HOST_ID),
                        Optional.of(users.descriptor()),
                        way)) {
            assertThat(in(plain, "only-127")).exists();
            assertThat(in(plain, "who")).hasContent("layer 1");
            assertThat(uid(in(mapped, "only-127"))).isEqualTo(FIRST_HOST_ID);
        }
    }

    @Test
    void hidesWhatAWhiteoutRemoves() throws IOException {
        List<Path> lower = layers(directory, 2);
        RootfsFixture.run("mknod", lower.getFirst().resolve("only-2").toString(), "c", "0", "0");
        LayerStack layers = stack(directory, lower, 0);

        try (Fd root = DetachedMount.overlay(layers, Optional.empty())) {
            assertThat(in(root, "only-2")).doesNotExist();
            Files.delete(in(root, "only-1"));
            assertThat(in(root, "only-1")).doesNotExist();
        }

        assertThat(lower.getFirst().resolve("only-1")).exists();
        assertThat(Files.getAttribute(upper(layers).resolve("only-1"), "unix:rdev"))
                .isEqualTo(0L);
    }

    @Test
    void mountsAnImageOfOneLayerAndOneOfNone() throws IOException {
        try (Fd one = DetachedMount.overlay(stack(directory, layers(directory, 1), 0), Optional.empty());
                Fd none = DetachedMount.overlay(stack(directory.resolve("none"), List.of(), 0), Optional.empty())) {
            assertThat(in(one, "who")).hasContent("layer 1");
            assertThat(in(none, "").toFile().list()).isEmpty();
        }
    }

    @Test
    void mountsTheSameDirectoriesAgainAfterAFailedAttempt() throws IOException {
        List<Path> lower = layers(directory, 2);
        try (Fd first = DetachedMount.overlay(stack(directory, lower, 0), Optional.empty())) {
            Files.writeString(in(first, "left"), "by the first");
        }

        try (Fd second = DetachedMount.overlay(stack(directory, lower, 0), Optional.empty())) {
            assertThat(in(second, "left")).hasContent("by the first");
        }
    }

    @Test
    void givesTheRootDirectoryTheModeOfTheTopmostLayer() throws IOException {
        List<Path> lower = layers(directory, 2);
        Files.setAttribute(lower.getFirst(), "unix:mode", 0555);

        try (Fd root = DetachedMount.overlay(stack(directory, lower, 0), Optional.empty())) {
            assertThat(mode(in(root, "."))).isEqualTo(0555);
        }
    }

    @Test
    void followsNoRedirectThatALayerNames() throws IOException {
        List<Path> lower = layers(directory, 2);
        Path secret = Files.createDirectory(lower.get(1).resolve("secret"));
        Files.writeString(secret.resolve("key"), "hidden");
        Path redirecting = Files.createDirectory(lower.getFirst().resolve("public"));
        try (Fd opened = RootfsFixture.open(redirecting)) {
            Kernel.setxattr(opened, "trusted.overlay.redirect", "/secret".getBytes(StandardCharsets.UTF_8), 0);
        }

        try (Fd root = DetachedMount.overlay(stack(directory, lower, 0), Optional.empty())) {
            assertThatThrownBy(() -> Files.readString(in(root, "public/key"))).isInstanceOf(FileSystemException.class);
            assertThat(in(root, "secret/key")).hasContent("hidden");
        }
    }

    @Test
    void isNotSeenInTheMountTable() throws IOException {
        try (Fd root = DetachedMount.overlay(stack(directory, layers(directory, 2), 0), Optional.empty())) {
            assertThat(root.isOpen()).isTrue();
            assertThat(RootfsFixture.run(
                            "cat", "/proc/" + ProcessHandle.current().pid() + "/mountinfo"))
                    .doesNotContain(directory.toString())
                    .doesNotContain("overlay overlay");
        }
    }

    @Test
    void refusesToWriteOnceItIsReadOnly() throws IOException {
        try (Fd root = DetachedMount.overlay(stack(directory, layers(directory, 1), 0), Optional.empty())) {
            DetachedMount.setReadOnly(root);
            assertThatThrownBy(() -> Files.writeString(in(root, "new"), "x")).hasMessageContaining("Read-only");
        }
    }

    @Test
    void namesTheDirectoriesAndTheCallWhenTheyDoNotFit() throws IOException {
        LayerStack layers = stack(directory, layers(directory, 1), 0);
        LayerStack nested = new LayerStack(
                layers.lowerTopFirst(), upper(layers), upper(layers).resolve("work"));
        Files.createDirectory(upper(layers).resolve("work"));

        assertThatThrownBy(() -> openAndClose(nested))
                .isInstanceOf(MountRefusal.class)
                .hasMessageContaining("FSCONFIG_CMD_CREATE")
                .hasMessageContaining("EINVAL")
                .hasMessageContaining(upper(layers).toString());
    }

    /** Without the option the end of each container writes all dirty pages of the disk, whoever dirtied them. */
    @Test
    void isNotSyncedWhenItEnds() throws IOException {
        try (Fd root = DetachedMount.overlay(stack(directory, layers(directory, 1), 0), Optional.empty())) {
            assertThat(RootfsFixture.optionsOf(root)).contains("volatile").contains("redirect_dir=nofollow");
        }
    }

    private static Path upper(LayerStack layers) {
        return layers.writable().orElseThrow().upper();
    }

    private static void openAndClose(LayerStack layers) {
        try (Fd root = DetachedMount.overlay(layers, Optional.empty())) {
            assertThat(root.isOpen()).isTrue();
        }
    }

    @Test
    void leavesNoDescriptorOpen() throws IOException {
        List<Path> lower = layers(directory, 5);
        openAndClose(stack(directory, lower, 0));
        int before = openDescriptors();

        for (boolean way : waysOfThisKernel().toList()) {
            try (Fd root = OverlayMount.of(stack(directory, lower, 0), Optional.empty(), way)) {
                assertThat(openDescriptors()).isEqualTo(before + 1);
                assertThat(root.isOpen()).isTrue();
            }
        }

        assertThat(openDescriptors()).isEqualTo(before);
    }

    private static int openDescriptors() throws IOException {
        try (Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
            return (int) descriptors.count();
        }
    }
}
