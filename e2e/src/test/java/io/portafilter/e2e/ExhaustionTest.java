package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Containers that take all they can get, and those that turn against their own cgroups: others run on, and they end. */
class ExhaustionTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final Path CGROUPS = Path.of("/sys/fs/cgroup");

    @RegisterExtension
    static final Live live = Live.server();

    @BeforeEach
    void needsVersion1() {
        assumeTrue(
                Files.isDirectory(CGROUPS.resolve("pids")) && Files.isDirectory(CGROUPS.resolve("freezer")),
                "the controllers pids and freezer of cgroup version 1 are not mounted on this host");
    }

    /** Kubelet limits the processes of a pod in the pod's cgroup, which is its own. */
    @Test
    void aForkBombStaysBelowThePodsLimitAndEnds() throws IOException {
        String parent = live.portafilter().cgroupParent() + "/bomb";
        Path pids = CGROUPS.resolve("pids" + parent);
        Files.createDirectories(pids);
        Files.writeString(pids.resolve("pids.max"), "60");
        Container bystander = live.pod().run().container(live.busybox()).idle().start();
        Pod pod = live.pod()
                .configure(c -> c.getLinuxBuilder().setCgroupParent(parent))
                .run();
        Container bomb = pod.container(live.attacker())
                .command(
                        "/usr/bin/perl",
                        "-e",
                        "$SIG{$_} = 'IGNORE' for qw(TERM INT HUP);"
                                + "while (1) { defined(fork) or select(undef, undef, undef, 0.1) }")
                .start();
        // The kernel counts refusals where they happened: in the cgroup of the one who forked.
        Path events = pids.resolve(bomb.id()).resolve("pids.events");
        Await.until(
                "the limit is hit",
                PATIENCE,
                () -> !Files.readString(events).trim().equals("max 0"));
        for (int i = 0; i < 5; i++) {
            assertThat(Integer.parseInt(
                            Files.readString(pids.resolve("pids.current")).trim()))
                    .isLessThanOrEqualTo(60);
            assertThat(bystander.shell("echo alive")).isEqualTo("alive");
        }
        // An exec wants a process, too: it says that there is none, and does not hang.
        assertTimeoutPreemptively(PATIENCE, () -> {
            try {
                var _ = bomb.exec(Duration.ofSeconds(2), "/bin/true");
            } catch (StatusRuntimeException refused) {
                assertThat(refused.getStatus().getDescription()).isNotBlank();
            }
        });
        assertTimeoutPreemptively(PATIENCE, () -> bomb.stop(Duration.ofSeconds(1)));
        assertThat(bomb.status().getExitCode()).isEqualTo(137);
        assertTimeoutPreemptively(PATIENCE, pod::remove);
        assertThat(Files.readString(pids.resolve("pids.current")).trim()).isEqualTo("0");
        Files.delete(pids);
    }

    /** 16 MiB of an answer are kept, the rest is read and dropped (CVE-2022-31030). */
    @TestFactory
    Stream<DynamicTest> aFloodOfOutputFillsNoMemory() {
        Container container = live.pod().run().container(live.busybox()).idle().start();
        return Stream.of("cat /dev/zero", "cat /dev/zero >&2", "cat /dev/zero | tee /dev/stderr", "yes")
                .map(flood -> DynamicTest.dynamicTest(
                        flood,
                        () -> assertTimeoutPreemptively(PATIENCE, () -> {
                            try {
                                Container.Output output = container.exec(Duration.ofSeconds(2), "/bin/sh", "-c", flood);
                                assertThat(output.stdout().length()
                                                + output.stderr().length())
                                        .isLessThanOrEqualTo(16 << 20);
                            } catch (StatusRuntimeException late) {
                                assertThat(late.getStatus().getCode()).isEqualTo(io.grpc.Status.Code.DEADLINE_EXCEEDED);
                            }
                            assertThat(container.shell("echo alive")).isEqualTo("alive");
                        })));
    }

    // A container that may mount does what it likes to its cgroups: it is found and ended all the same.

    private static final String OWN =
            "mount -t tmpfs none /mnt 2>/dev/null; c=/sys/fs/cgroup; for s in memory freezer pids cpu devices; do"
                    + " mount -o remount,rw,bind $c/$s || exit 1; done; ";

    private static Container withRights() {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .idle()
                .add("SYS_ADMIN")
                .start();
        assertThat(container.shell("mkdir -p /mnt; " + OWN + "echo writable")).isEqualTo("writable");
        return container;
    }

    @TestFactory
    Stream<DynamicTest> whatAContainerDoesToItsOwnCgroupsKeepsNobodyFromEnteringOrEndingIt() {
        return Stream.of(
                        "umount -l $c/memory $c/freezer $c/pids; echo done",
                        "umount -l $c; mount -t tmpfs none $c; mkdir $c/memory; echo 1 > $c/memory/memory.limit_in_bytes;"
                                + " echo done",
                        "mkdir $c/memory/child $c/pids/child; echo 1 > $c/memory/child/cgroup.procs;"
                                + " echo 1 > $c/pids/child/cgroup.procs; echo done",
                        "mkdir $c/freezer/child; sleep 1000 & echo $! > $c/freezer/child/cgroup.procs;"
                                + " echo FROZEN > $c/freezer/child/freezer.state; echo done",
                        "mkdir $c/freezer/child; echo 1 > $c/freezer/child/cgroup.procs;"
                                + " echo FROZEN > $c/freezer/child/freezer.state; echo done",
                        "d=$c/memory; for i in $(seq 60); do d=$d/deep; mkdir $d; done; sleep 1000 & echo $! > $d/cgroup.procs;"
                                + " echo done",
                        "for i in $(seq 300); do mkdir $c/pids/wide-$i; done; echo done",
                        "mkdir \"$c/pids/$(printf 'a\\nb')\" \"$c/pids/$(printf '\\377')\" \"$c/pids/ \" $c/pids/-rf; echo done",
                        "echo 0 > $c/pids/pids.max; echo done",
                        "rmdir $c/memory 2>/dev/null; echo done")
                .map(deed -> DynamicTest.dynamicTest(deed.replace("\\", ""), () -> {
                    Container container = withRights();
                    assertThat(container.shell("c=/sys/fs/cgroup; { " + deed + "; } </dev/null 2>/dev/null"))
                            .endsWith("done");
                    assertTimeoutPreemptively(PATIENCE, () -> {
                        try {
                            var _ = container.exec(Duration.ofSeconds(1), "/bin/true");
                        } catch (StatusRuntimeException refused) {
                            assertThat(refused.getStatus().getDescription()).isNotBlank();
                        }
                        container.stop(Duration.ofSeconds(1));
                        container.remove();
                    });
                    for (String controller : List.of("memory", "freezer", "pids", "cpu", "devices")) {
                        Path parent =
                                CGROUPS.resolve(controller + live.portafilter().cgroupParent());
                        try (Stream<Path> left = Files.walk(parent)) {
                            assertThat(left.filter(path -> path.toString().contains(container.id())))
                                    .as("cgroups of %s", controller)
                                    .isEmpty();
                        }
                    }
                }));
    }

    /** Nor does it reach what lies above or beside it, by any name. */
    @Test
    void aWritableCgroupMountEndsAtTheContainersOwn() {
        Container beside = live.pod().run().container(live.busybox()).idle().start();
        Container container = withRights();
        assertThat(container.shell("find /sys/fs/cgroup -name '*" + beside.id() + "*'"))
                .isEmpty();
        assertThat(container.shell(
                        "ls -d /sys/fs/cgroup/memory/../../../../sys/fs/cgroup/*/release_agent 2>/dev/null; true"))
                .isEmpty();
        assertThat(container.process().mounts())
                .filteredOn(mount -> mount.type().equals("cgroup"))
                .isNotEmpty()
                .allMatch(mount -> mount.root().contains(container.id()));
    }
}
