package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.cri.v1.Device;
import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.Mount;
import io.portafilter.cri.v1.NamespaceMode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Pods with a user namespace of their own: all that is theirs belongs to them, and nothing of the host's does. */
class UserNamespaceTest {
    private static final int FIRST_HOST_ID = 7_208_960;
    private static final int IDS = 65_536;
    private static final int LAYERS = 100;

    @RegisterExtension
    static final Live live = Live.server();

    private static Pod pod() {
        return live.pod().userNamespace(FIRST_HOST_ID).run();
    }

    private static Mount.Builder mapped(Path volume) {
        IDMapping ids = IDMapping.newBuilder()
                .setContainerId(0)
                .setHostId(FIRST_HOST_ID)
                .setLength(IDS)
                .build();
        return Mount.newBuilder()
                .setHostPath(volume.toString())
                .setContainerPath("/data")
                .addUidMappings(ids)
                .addGidMappings(ids);
    }

    /** A directory of the host's root that others may enter. */
    private static Path volume() throws IOException {
        return Files.setPosixFilePermissions(live.directory("volume"), PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private static String owner(Path path) throws IOException {
        return Files.getAttribute(path, "unix:uid") + ":" + Files.getAttribute(path, "unix:gid");
    }

    @Test
    void whatIsMountedBelongsToTheRootOfThePod() {
        for (NamespaceMode pids : List.of(NamespaceMode.CONTAINER, NamespaceMode.POD)) {
            Container container = live.pod()
                    .userNamespace(FIRST_HOST_ID)
                    .pid(pids)
                    .run()
                    .container(live.busybox())
                    .idle()
                    .start();

            String places = "/ /bin/busybox /tmp /dev /dev/null /dev/shm /dev/mqueue /dev/pts /etc/hosts /etc/hostname"
                    + " /etc/resolv.conf";
            assertThat(container.shell("stat -c '%n %u:%g' " + places).lines())
                    .as("processes: " + pids)
                    .hasSize(places.split(" ").length)
                    .allMatch(line -> line.endsWith(" 0:0"));
            assertThat(container.shell(
                            "touch /dev/shm/x /dev/mqueue/x /dev/x && stat -c %u:%g /dev/shm/x /dev/mqueue/x"))
                    .isEqualTo("0:0\n0:0");
        }
    }

    @Test
    void anotherUserOfThePodUsesItsQueuesAndSharedMemory() {
        Container container =
                pod().container(live.busybox()).idle().runAsUser(1000).start();

        assertThat(container.shell("touch /dev/shm/x /dev/mqueue/x && stat -c %u:%g /dev/shm/x /dev/mqueue/x"))
                .isEqualTo("1000:1000\n1000:1000");
        assertThat(container.exec("/bin/sh", "-c", "chmod 0700 /dev/mqueue").stderr())
                .contains("Operation not permitted");
    }

    @Test
    void containersOneAfterAnotherAndSideBySideAreThePodsAndSoAreTheirExecs() throws IOException {
        Path volume = volume();
        Pod pod = pod();
        for (String name : List.of("first", "second")) {
            Container init = pod.container(live.busybox())
                    .configure(c -> c.addMounts(mapped(volume)))
                    .shell("echo " + name + " >> /data/order && chown 1000:1001 /data/order && id -u")
                    .runToEnd();
            assertThat(init.output()).isEqualTo("0\n");
        }
        Container one = pod.container(live.busybox())
                .configure(c -> c.addMounts(mapped(volume)))
                .idle()
                .start();
        Container other = pod.container(live.busybox())
                .configure(c -> c.addMounts(mapped(volume)))
                .runAsUser(1000)
                .idle()
                .start();

        assertThat(Files.readString(volume.resolve("order"))).isEqualTo("first\nsecond\n");
        // The volume's ids are those of the disk, whatever the pod's are on the host.
        assertThat(owner(volume.resolve("order"))).isEqualTo("1000:1001");
        assertThat(other.shell("echo third >> /data/order; cat /data/order")).isEqualTo("first\nsecond\nthird");
        String namespace = pod.pause().namespace("user");
        assertThat(namespace).isNotEqualTo(Proc.self().namespace("user"));
        for (Container container : List.of(one, other)) {
            assertThat(container.process().namespace("user")).isEqualTo(namespace);
            assertThat(container.shell("readlink /proc/self/ns/user")).isEqualTo(namespace);
            assertThat(container.shell("readlink /proc/self/ns/pid"))
                    .isEqualTo(container.process().namespace("pid"));
        }
        assertThat(one.process().namespace("pid")).isNotEqualTo(other.process().namespace("pid"));
        assertThat(one.shell("cat /proc/self/uid_map").trim().split("\\s+"))
                .containsExactly("0", "" + FIRST_HOST_ID, "" + IDS);
        assertThat(one.shell("id -u; id -g")).isEqualTo("0\n0");
        assertThat(other.shell("id -u; id -g")).isEqualTo("1000\n1000");
    }

    @Test
    void inASharedPidNamespaceTheyActOnOneAnotherAsTheirUsersMay() {
        Pod pod = live.pod().userNamespace(FIRST_HOST_ID).pid(NamespaceMode.POD).run();
        Container victim = pod.container(live.busybox())
                .command("/bin/sleep", "4321")
                .runAsUser(1000)
                .start();
        Container stranger =
                pod.container(live.busybox()).idle().runAsUser(1001).start();
        Container root = pod.container(live.busybox()).idle().start();

        assertThat(victim.process().namespace("pid")).isEqualTo(root.process().namespace("pid"));
        String[] pids = Proc.required(victim.process().status(), "NSpid").split(" ");
        String kill = "kill " + pids[pids.length - 1];
        assertThat(stranger.exec("/bin/sh", "-c", kill).stderr()).contains("not permitted");
        assertThat(root.shell("ls -l /proc/1/root 2>&1 || true")).contains("denied");
        assertThat(root.shell(kill)).isEmpty();
        assertThat(victim.awaitExit().getExitCode()).isEqualTo(143);
        assertThat(stranger.shell("echo on")).isEqualTo("on");
    }

    @Test
    void whatAContainerWritesBelongsToTheMappedIdsOnTheHost() throws IOException {
        Pod pod = pod();
        Container container = pod.container(live.busybox()).idle().start();

        assertThat(container.shell("echo x > /by-root; echo x > /tmp/by-app && chown 1000:1001 /tmp/by-app"))
                .isEmpty();
        assertThat(owner(below("by-root"))).isEqualTo(FIRST_HOST_ID + ":" + FIRST_HOST_ID);
        assertThat(owner(below("by-app"))).isEqualTo((FIRST_HOST_ID + 1000) + ":" + (FIRST_HOST_ID + 1001));
        // Its log is kubelet's.
        assertThat(owner(container.log())).isEqualTo("0:0");
        assertThat(container.exec("/bin/sh", "-c", "chown 65536:0 /by-root").exitCode())
                .isNotZero();
    }

    private static Path below(String name) throws IOException {
        try (var files = Files.walk(live.portafilter().root())) {
            return files.filter(path -> path.endsWith(name)).findFirst().orElseThrow();
        }
    }

    @Test
    void aVolumeWithoutMappingsIsNobodysAndKeepsItsOwners() throws IOException {
        Path volume = volume();
        Path secret = Files.writeString(volume.resolve("secret"), "of the host's root\n");
        Files.setPosixFilePermissions(secret, PosixFilePermissions.fromString("rw-------"));
        Container container = pod().container(live.busybox())
                .mount(volume, "/data")
                .add("ALL")
                .idle()
                .start();

        assertThat(container.shell("stat -c %u:%g /data/secret")).isEqualTo("65534:65534");
        for (String attempt : List.of(
                "cat /data/secret",
                "chown 0:0 /data/secret",
                "chmod 0666 /data/secret",
                "rm -f /data/secret",
                "echo x > /data/new",
                "mount -o remount,exec,dev,suid /data")) {
            assertThat(container.exec("/bin/sh", "-c", attempt).exitCode())
                    .as(attempt)
                    .isNotZero();
        }
        assertThat(Files.readString(secret)).isEqualTo("of the host's root\n");
        assertThat(owner(secret)).isEqualTo("0:0");
    }

    @Test
    void aDeviceOfTheHostIsThereAndItsModeStillDecides() {
        Path devices = live.directory("devices");
        assumeTrue(
                !Commands.run("findmnt", "-no", "OPTIONS", "--target", devices.toString())
                        .stdout()
                        .contains("nodev"),
                () -> devices
                        + " lies on a file system without devices: java.io.tmpdir elsewhere, /var/tmp for instance");
        for (String mode : List.of("0600", "0666")) {
            var _ = Commands.run("mknod", "-m", mode, devices.resolve(mode).toString(), "c", "1", "11")
                    .orFail();
        }
        Container container = pod().container(live.busybox())
                .configure(c -> List.of("0600", "0666")
                        .forEach(mode -> c.addDevices(Device.newBuilder()
                                .setHostPath(devices.resolve(mode).toString())
                                .setContainerPath("/dev/" + mode)
                                .setPermissions("rw"))))
                .idle()
                .start();

        assertThat(container.shell("stat -c '%u:%g %t:%T' /dev/0600 /dev/0666"))
                .isEqualTo("65534:65534 1:b\n65534:65534 1:b");
        // The pod's root is no owner of what belongs to the host's, and no capability of its own overrides that.
        assertThat(container.exec("/bin/sh", "-c", ": > /dev/0600").stderr()).contains("Permission denied");
        assertThat(container.exec("/bin/sh", "-c", "chmod 0666 /dev/0600").exitCode())
                .isNotZero();
        assertThat(container.shell(": > /dev/0666 && echo open")).isEqualTo("open");
    }

    @Test
    void anImageOfAHundredLayersIsMapped() {
        TestImage image = TestImages.busybox();
        for (int i = 2; i <= LAYERS; i++) {
            image = image.plus(new TarWriter()
                    .directory("layers")
                    .file("layers/" + i, 0640, i, i + 1, new byte[] {'x'})
                    .finish());
        }
        Container container = pod().container(live.image(image)).idle().start();

        assertThat(container.shell("ls /layers | wc -l")).isEqualTo("" + (LAYERS - 1));
        assertThat(container.shell("stat -c %u:%g /bin/busybox /layers /layers/2 /layers/" + LAYERS))
                .isEqualTo("0:0\n0:0\n2:3\n%d:%d".formatted(LAYERS, LAYERS + 1));
        assertThat(container.shell("echo y >> /layers/2 && stat -c %u:%g /layers/2 && cat /layers/2"))
                .isEqualTo("2:3\nxy");
    }

    /** CVE-2025-47291: a runtime forgot the parent when the pod had a user namespace. */
    @Test
    void itsProcessesAreInTheCgroupThatKubeletNamed() {
        String parent = live.portafilter().cgroupParent() + "/kubepods/pod" + UUID.randomUUID();
        Pod pod = live.pod()
                .userNamespace(FIRST_HOST_ID)
                .configure(config -> config.getLinuxBuilder().setCgroupParent(parent))
                .run();
        Container container =
                pod.container(live.busybox()).memoryLimit(64 << 20).idle().start();

        for (String controller : List.of("memory", "pids")) {
            assertThat(container.process().cgroup(controller).orElseThrow().toString())
                    .as(controller)
                    .endsWith(parent + "/" + container.id());
            assertThat(pod.pause().cgroup(controller).orElseThrow().toString())
                    .as(controller + " of the first process of the pod")
                    .endsWith(parent + "/" + pod.id());
        }
        assertThat(container
                        .exec("/bin/sh", "-c", "mkdir /sys/fs/cgroup/memory/own /sys/fs/cgroup/own")
                        .exitCode())
                .isNotZero();
    }

    @Test
    void nothingIsLeftOfContainersInASharedPidNamespace() {
        Host before = live.host();
        Pod pod = live.pod().userNamespace(FIRST_HOST_ID).pid(NamespaceMode.POD).run();
        for (int i = 0; i < 3; i++) {
            var _ = pod.container(live.busybox()).idle().start().shell("id -u");
        }
        pod.stop();
        pod.remove();

        live.awaitAsBefore(before);
    }
}
