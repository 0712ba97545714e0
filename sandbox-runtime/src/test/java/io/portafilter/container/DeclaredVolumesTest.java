package io.portafilter.container;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.portafilter.rootfs.MountRefusal;
import io.portafilter.rootfs.Propagation;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class DeclaredVolumesTest {
    private static final Map<String, String> LINKS = Map.of(
            "/link", "/data",
            "/other-link", "/data",
            "/var/run", "/run",
            "/to-proc", "/proc/sys",
            "/to-root", "/");

    private static MountRequest asked(String path) {
        return new MountRequest(path, Path.of("/srv"), false, false, Propagation.PRIVATE);
    }

    private static List<String> settled(MountRequest... mounts) {
        return DeclaredVolumes.settle(List.of(mounts), path -> LINKS.getOrDefault(path, path)).stream()
                .map(mount -> (mount.isDeclared() ? "declared " : "asked ") + mount.containerPath())
                .toList();
    }

    @Test
    void aDeclaredVolumeLiesWhereItsPathLeadsTo() {
        assertThat(settled(asked("/a"), MountRequest.declared("/link", 0)))
                .containsExactly("asked /a", "declared /data");
    }

    @Test
    void itNeverHidesWhatTheRequestMountsHoweverItIsSpelled() {
        assertThat(settled(asked("/data"), MountRequest.declared("/link", 0))).containsExactly("asked /data");
        assertThat(settled(asked("/link"), MountRequest.declared("/data", 0))).containsExactly("asked /link");
        assertThat(settled(asked("/var/run"), MountRequest.declared("/run", 0))).containsExactly("asked /var/run");
        assertThat(settled(asked("/run"), MountRequest.declared("/var/run", 0))).containsExactly("asked /run");
    }

    /** A mount at /a may lead to a place below /z, by a link of the image or of another volume. */
    @Test
    void itIsAttachedBeforeWhatItCouldHide() {
        assertThat(DeclaredVolumes.ordered(List.of(
                                asked("/b/c"),
                                MountRequest.declared("/z", 0),
                                asked("/b"),
                                MountRequest.declared("/b/c/d", 1),
                                MountRequest.declared("/b/d", 2),
                                asked("/b/c/d/e"),
                                MountRequest.declared("/z/y", 3)))
                        .stream()
                        .map(MountRequest::containerPath))
                .containsExactly("/z", "/z/y", "/b", "/b/d", "/b/c", "/b/c/d", "/b/c/d/e");
    }

    @Test
    void ofSeveralAtOnePlaceTheFirstStays() {
        assertThat(settled(MountRequest.declared("/link", 0), MountRequest.declared("/other-link", 1)))
                .containsExactly("declared /data");
    }

    @Test
    void itMayNotLieOnTheRootOrInProc() {
        for (String path : List.of("/to-root", "/to-proc", "/proc", "/proc/self", "/")) {
            assertThatThrownBy(() -> settled(MountRequest.declared(path, 0)))
                    .isInstanceOf(MountRefusal.class)
                    .hasMessageContaining(path)
                    .hasMessageContaining("the image declares");
        }
    }

    @Test
    void aMountOfTheRequestMayHaveAPathThatIsNoneInTheImage() {
        assertThat(DeclaredVolumes.settle(List.of(asked("/file/x"), MountRequest.declared("/data", 0)), path -> {
                    if (path.startsWith("/file/")) {
                        throw new MountRefusal("/file is not a directory");
                    }
                    return path;
                }))
                .hasSize(2);
    }
}
