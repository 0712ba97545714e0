package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.portafilter.cri.v1.Device;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** Devices of the host in a container: the nodes, who owns them, and what the cgroup lets be done with them. */
class DeviceTest {
    /** Character device 1:11, the kernel's log: no container has it by default, and opening it to write does nothing. */
    private static final String KMSG = "c 1 11";

    private static final String OPENS_TO_WRITE = "if (: > $1) 2>/dev/null; then echo writable; else echo refused; fi";

    @RegisterExtension
    static final Live live = Live.server();

    @TempDir
    Path directory;

    private Path node(String name, String numbers, int mode, int uid, int gid) {
        Path path = directory.resolve(name);
        try {
            Files.createDirectories(path.getParent());
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
        var _ = Commands.run(("mknod -m " + Integer.toString(mode, 8) + " " + path + " " + numbers).split(" "))
                .orFail();
        var _ = Commands.run("chown", uid + ":" + gid, path.toString()).orFail();
        return path;
    }

    private static ContainerFixture with(ContainerFixture container, Path host, String inside, String permissions) {
        return container.configure(c -> c.addDevices(Device.newBuilder()
                .setHostPath(host.toString())
                .setContainerPath(inside)
                .setPermissions(permissions)));
    }

    private static ContainerFixture idle() {
        return live.pod().run().container(live.busybox()).idle();
    }

    private static String write(Container container, String path) {
        return container.shell(OPENS_TO_WRITE.replace("$1", path));
    }

    @Test
    void aDeviceHasTheHostsNumbersModeAndOwnerAndMayBeUsedAsAsked() {
        Path host = node("log", KMSG, 0640, 12, 34);
        Container container = with(with(idle(), host, "/dev/write/log", "w"), host, "/dev/again", "w")
                .start();

        assertThat(container.shell("stat -c '%F %t:%T %a %u:%g' /dev/write/log"))
                .isEqualTo("character special file 1:b 640 12:34");
        assertThat(write(container, "/dev/write/log")).isEqualTo("writable");
        assertThat(write(container, "/dev/again")).isEqualTo("writable");
    }

    @Test
    void permissionsAreThoseOfTheCgroupAndNoMore() {
        Path host = node("log", KMSG, 0666, 0, 0);

        assertThat(write(with(idle(), host, "/dev/log0", "r").start(), "/dev/log0"))
                .isEqualTo("refused");
        assertThat(write(with(idle(), host, "/dev/log0", "rw").start(), "/dev/log0"))
                .isEqualTo("writable");
    }

    @Test
    void aContainerThatMakesTheNodeItselfCannotOpenIt() {
        assertThat(idle().start().shell("mknod /tmp/log c 1 11 && " + OPENS_TO_WRITE.replace("$1", "/tmp/log")))
                .isEqualTo("refused");
    }

    @Test
    void linksAreResolvedOnTheHost() throws IOException {
        Path host = node("real/log", KMSG, 0600, 0, 0);
        Path link = Files.createSymbolicLink(directory.resolve("link"), host);

        Container container = with(idle(), link, "/dev/log0", "rw").start();
        assertThat(container.shell("stat -c '%F %t:%T' /dev/log0")).isEqualTo("character special file 1:b");
    }

    @Test
    void aDirectoryGivesAllNodesBelowIt() throws IOException {
        var _ = node("all/log", KMSG, 0600, 0, 0);
        var _ = node("all/deeper/loop", "b 7 0", 0660, 0, 6);
        Files.writeString(directory.resolve("all/file"), "no device");

        Container container =
                with(idle(), directory.resolve("all"), "/dev/all", "rw").start();
        assertThat(container.shell("cd /dev/all && find . ! -type d | sort")).isEqualTo("./deeper/loop\n./log");
        assertThat(container.shell("stat -c '%F %t:%T %a %g' /dev/all/deeper/loop"))
                .isEqualTo("block special file 7:0 660 6");
        assertThat(write(container, "/dev/all/log")).isEqualTo("writable");
    }

    @Test
    void aBlockVolumeMayLieOutsideOfDev() {
        Path host = node("disk", KMSG, 0600, 0, 0);

        Container container = with(idle(), host, "/data/disk", "rw").start();
        assertThat(write(container, "/data/disk")).isEqualTo("writable");
    }

    @Test
    void inAUserNamespaceTheNodeWorksAndBelongsToNobody() {
        Path host = node("log", KMSG, 0666, 0, 0);
        Pod pod = live.pod().userNamespace(300_000).run();
        Container container = with(pod.container(live.busybox()).idle(), host, "/dev/log0", "rw")
                .start();

        assertThat(container.shell("stat -c '%t:%T %a %u' /dev/log0")).isEqualTo("1:b 666 65534");
        assertThat(write(container, "/dev/log0")).isEqualTo("writable");
        assertThat(container.shell("mknod /tmp/log c 1 11 2>&1 || true")).contains("not permitted");
    }

    @Test
    void aPrivilegedContainerHasAllDevicesOfTheHost() {
        Pod pod = live.pod().privileged().run();
        Container container = pod.container(live.busybox()).idle().privileged().start();

        List<String> host = Commands.run("find", "/dev", "-xdev", "(", "-type", "c", "-o", "-type", "b", ")")
                .orFail()
                .lines()
                .filter(path -> !path.equals("/dev/console") && !path.equals("/dev/ptmx"))
                .sorted()
                .toList();
        List<String> inside = container
                .shell("find /dev -xdev '(' -type c -o -type b ')'")
                .lines()
                .toList();
        assertThat(inside).containsAll(host);
        assertThat(container.shell("mknod /tmp/log c 1 11 && " + OPENS_TO_WRITE.replace("$1", "/tmp/log")))
                .isEqualTo("writable");
    }

    @Test
    void whatIsNoDeviceIsRefusedWithFieldValueAndCure() throws IOException {
        Path file = Files.writeString(directory.resolve("file"), "x");
        Path log = node("log", KMSG, 0600, 0, 0);

        for (Path path : List.of(file, directory.resolve("missing"))) {
            Refusal refusal =
                    Refusal.of(() -> with(idle(), path, "/dev/x", "rw").create());
            assertThat(refusal.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
            assertThat(refusal.message())
                    .contains("config.devices[0].host_path")
                    .contains(path.toString())
                    .contains(";");
        }
        Refusal twice = Refusal.of(
                () -> with(with(idle(), log, "/dev/x", "r"), log, "/dev/x", "w").create());
        assertThat(twice.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(twice.message()).contains("config.devices[1].container_path").contains("/dev/x");
        Refusal nullDevice =
                Refusal.of(() -> with(idle(), log, "/dev/null", "rw").create());
        assertThat(nullDevice.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(nullDevice.message()).contains("/dev/null");
    }
}
