package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** {@code /sys/fs/cgroup} of a container on a host with cgroup version 1. */
class CgroupMountTest {
    private static final int FIRST_HOST_ID = 400_000;
    private static final long LIMIT = 64L << 20;

    @RegisterExtension
    static final Live live = Live.server();

    @BeforeEach
    void needsVersion1() {
        assumeTrue(
                Files.isDirectory(Path.of("/sys/fs/cgroup/memory")),
                "the memory controller of cgroup version 1 is not mounted on this host");
    }

    private static Container limited(PodFixture pod) {
        return pod.run().container(live.busybox()).idle().memoryLimit(LIMIT).start();
    }

    @Test
    void aProgramFindsItsOwnLimitsWhereItLooksForThemInEveryKindOfPod() {
        for (PodFixture pod : List.of(
                live.pod(),
                live.pod().userNamespace(FIRST_HOST_ID),
                live.pod().hostNetwork(),
                live.pod().hostNetwork().userNamespace(FIRST_HOST_ID))) {
            Container container = limited(pod);
            assertThat(container.shell("cat /sys/fs/cgroup/memory/memory.limit_in_bytes"))
                    .isEqualTo(Long.toString(LIMIT));
            assertThat(container.shell("cat /sys/fs/cgroup/memory/cgroup.procs").lines())
                    .contains("1");
            // The path in its own /proc/self/cgroup is the root of what is mounted, as runtimes of languages expect.
            String path = container.shell("grep ':memory:' /proc/self/cgroup").split(":", 3)[2];
            assertThat(container.shell("grep ' /sys/fs/cgroup/memory ' /proc/self/mountinfo"))
                    .contains(" " + path + " /sys/fs/cgroup/memory ");
        }
    }

    @Test
    void nothingThereCanBeWritten() {
        for (PodFixture pod : List.of(live.pod(), live.pod().userNamespace(FIRST_HOST_ID))) {
            Container container = limited(pod);
            for (String attempt : List.of(
                    "mkdir /sys/fs/cgroup/memory/x",
                    "echo -1 > /sys/fs/cgroup/memory/memory.limit_in_bytes",
                    "echo a > /sys/fs/cgroup/devices/devices.allow",
                    "echo 1 > /sys/fs/cgroup/memory/cgroup.procs",
                    "touch /sys/fs/cgroup/x",
                    "mount -o remount,rw /sys/fs/cgroup/memory")) {
                assertThat(container.exec("/bin/sh", "-c", attempt).exitCode())
                        .as(attempt)
                        .isNotZero();
            }
            assertThat(container.shell("cat /sys/fs/cgroup/memory/memory.limit_in_bytes"))
                    .isEqualTo(Long.toString(LIMIT));
        }
    }

    @Test
    void everyMountIsReadOnlyAndBareAndShowsNoOtherContainer() {
        Container other = limited(live.pod());
        Container container = limited(live.pod());
        List<String> mounts = container
                .shell("grep ' /sys/fs/cgroup' /proc/self/mountinfo")
                .lines()
                .toList();
        assertThat(mounts)
                .hasSizeGreaterThan(3)
                .allSatisfy(mount ->
                        assertThat(Set.of(mount.split(" ")[5].split(","))).contains("ro", "nosuid", "nodev", "noexec"));
        assertThat(container.shell("find /sys/fs/cgroup -mindepth 2 -type d")).isEmpty();
        assertThat(container.shell("cat /proc/self/mountinfo")).doesNotContain(other.id());
    }

    @Test
    void aPrivilegedContainerMayMakeCgroupsAndTheyGoWithIt() {
        Pod pod = live.pod().privileged().run();
        Container container = pod.container(live.busybox()).idle().privileged().start();
        assertThat(container.shell("mkdir /sys/fs/cgroup/memory/sub && echo made"))
                .isEqualTo("made");
        container.stop(java.time.Duration.ZERO);
        container.remove();
    }

    @Test
    void aVolumeThereTakesTheirPlace() throws IOException {
        Path volume = live.directory("volume");
        Files.writeString(volume.resolve("mine"), "x");
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .idle()
                .mount(volume, "/sys/fs/cgroup")
                .start();
        assertThat(container.shell("ls /sys/fs/cgroup")).isEqualTo("mine");
        assertThat(mountPoints(container).get("/sys/fs/cgroup")).isEqualTo(1L);
        assertThat(mountPoints(container)).doesNotContainKey("/sys/fs/cgroup/memory");
    }

    private static java.util.Map<String, Long> mountPoints(Container container) {
        return container
                .shell("cut -d' ' -f5 /proc/self/mountinfo")
                .lines()
                .collect(Collectors.groupingBy(Function.identity(), Collectors.counting()));
    }
}
