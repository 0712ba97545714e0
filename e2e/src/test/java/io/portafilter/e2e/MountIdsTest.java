package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.Mount;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Volumes whose owners are mapped, as their own mappings say: seen from inside, and what lies on the disk afterwards. */
class MountIdsTest {
    private static final int DISK_ID = 1000;

    @RegisterExtension
    static final Live live = Live.server();

    private Path volume = Path.of("/");

    @BeforeEach
    void aVolumeOfAUserOfTheDisk() throws IOException {
        volume = live.directory("volume");
        Path file = Files.writeString(volume.resolve("file"), "content");
        for (Path path : List.of(volume, file)) {
            own(path, DISK_ID, DISK_ID + 1);
        }
    }

    private static void own(Path path, int uid, int gid) throws IOException {
        var _ = Files.setAttribute(path, "unix:uid", uid);
        var _ = Files.setAttribute(path, "unix:gid", gid);
    }

    private static IDMapping line(int disk, int host, int length) {
        return IDMapping.newBuilder()
                .setContainerId(disk)
                .setHostId(host)
                .setLength(length)
                .build();
    }

    private static ContainerFixture mounted(ContainerFixture container, Path source, IDMapping uids, IDMapping gids) {
        return container.configure(c -> c.addMounts(Mount.newBuilder()
                .setHostPath(source.toString())
                .setContainerPath("/data")
                .addUidMappings(uids)
                .addGidMappings(gids)));
    }

    private static String owner(Path path) throws IOException {
        return Files.getAttribute(path, "unix:uid") + ":" + Files.getAttribute(path, "unix:gid");
    }

    @Test
    void inAPodWithoutAUserNamespaceAnotherUserOwnsTheVolume() throws IOException {
        Container container = mounted(
                        live.pod().run().container(live.busybox()).idle(),
                        volume,
                        line(DISK_ID, 70_000, 1),
                        line(DISK_ID, 80_000, 2))
                .runAsUser(70_000)
                .runAsGroup(80_001)
                .start();

        assertThat(container.shell("stat -c '%u:%g' /data /data/file")).isEqualTo("70000:80001\n70000:80001");
        assertThat(container.shell("echo new > /data/new && stat -c '%u:%g' /data/new"))
                .isEqualTo("70000:80001");
        assertThat(owner(volume.resolve("new"))).isEqualTo(DISK_ID + ":" + (DISK_ID + 1));
        assertThat(container.shell("grep ' /data ' /proc/self/mountinfo")).contains("idmapped");
    }

    @Test
    void whomNoLineHoldsOwnsNothingAndMakesNothing() throws IOException {
        Path others = Files.writeString(volume.resolve("others"), "content");
        own(others, 7, 7);
        Files.setPosixFilePermissions(volume, java.nio.file.attribute.PosixFilePermissions.fromString("rwxrwxrwx"));
        Container container = mounted(
                        live.pod().run().container(live.busybox()).idle(),
                        volume,
                        line(DISK_ID, 70_000, 1),
                        line(DISK_ID, 80_000, 2))
                .start();

        assertThat(container.shell("stat -c '%u:%g' /data/others")).isEqualTo("65534:65534");
        // root of the container is the host's 0, which is nobody's on this volume
        assertThat(container.exec("/bin/sh", "-c", "echo x > /data/by-root").stderr())
                .contains("Value too large");
        assertThat(volume.resolve("by-root")).doesNotExist();
    }

    @Test
    void inAUserNamespaceTheMappingNeedNotBeThePods() throws IOException {
        Pod pod = live.pod().userNamespace(300_000).run();
        Container container = mounted(
                        pod.container(live.busybox()).idle(),
                        volume,
                        line(DISK_ID, 300_000, 1),
                        line(DISK_ID, 300_000, 2))
                .start();

        assertThat(container.shell("stat -c '%u:%g' /data/file")).isEqualTo("0:1");
        assertThat(container.shell("echo new > /data/new && chown 0:1 /data/new && stat -c '%u:%g' /data/new"))
                .isEqualTo("0:1");
        assertThat(owner(volume.resolve("new"))).isEqualTo(DISK_ID + ":" + (DISK_ID + 1));
    }

    @Test
    void thePodsOwnMappingIsStillAMapping() throws IOException {
        own(volume, 0, 0);
        Pod pod = live.pod().userNamespace(300_000).run();
        Container container = mounted(
                        pod.container(live.busybox()).idle(), volume, line(0, 300_000, 65536), line(0, 300_000, 65536))
                .start();

        assertThat(container.shell("stat -c '%u:%g' /data /data/file")).isEqualTo("0:0\n1000:1001");
        assertThat(container.shell("echo new > /data/new")).isEmpty();
        assertThat(owner(volume.resolve("new"))).isEqualTo("0:0");
    }

    @Test
    void aFileSystemThatCannotMapIsNamedAndNothingIsLeft() {
        Pod pod = live.pod().run();
        Host before = live.host();
        Refusal refusal = Refusal.of(() -> mounted(
                        pod.container(live.busybox()).idle(),
                        Path.of("/sys/kernel"),
                        line(0, 70_000, 1),
                        line(0, 70_000, 1))
                .create());

        assertThat(refusal.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(refusal.message())
                .contains("/sys/kernel")
                .contains("(sysfs)")
                .contains("cannot map ids");
        live.awaitAsBefore(before);
    }

    @Test
    void mappingsThatContradictThemselvesAreRefusedByName() {
        ContainerFixture both = live.pod().run().container(live.busybox()).idle();
        Refusal overlap = Refusal.of(() -> mounted(both, volume, line(0, 70_000, 10), line(0, 70_000, 10))
                .configure(c -> c.getMountsBuilder(0).addUidMappings(line(9, 90_000, 1)))
                .create());
        assertThat(overlap.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(overlap.message()).contains("config.mounts[0].uidMappings").contains("9 90000 1");

        ContainerFixture half = live.pod().run().container(live.busybox()).idle();
        Refusal missing = Refusal.of(() -> mounted(half, volume, line(0, 70_000, 10), line(0, 70_000, 10))
                .configure(c -> c.getMountsBuilder(0).clearGidMappings())
                .create());
        assertThat(missing.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(missing.message()).contains("gidMappings");
    }
}
