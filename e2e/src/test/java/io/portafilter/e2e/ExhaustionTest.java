package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.StatusRuntimeException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Containers that take all they can get, and those that turn against their own cgroups: others run on, and they end. */
class ExhaustionTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final Path CGROUPS = Path.of("/sys/fs/cgroup");

    /** Of a hybrid host the controllers are version 1's. */
    private static final boolean VERSION_2 = Files.exists(CGROUPS.resolve("cgroup.controllers"));

    @RegisterExtension
    static final Live live = Live.server();

    /** Kubelet limits the processes of a pod in the pod's cgroup, which is its own. */
    @Test
    void aForkBombStaysBelowThePodsLimitAndEnds() throws IOException {
        String parent = live.portafilter().cgroupParent() + "/bomb";
        Container bystander = live.pod().run().container(live.busybox()).idle().start();
        Pod pod = live.pod()
                .configure(c -> c.getLinuxBuilder().setCgroupParent(parent))
                .run();
        // Made by kubelet otherwise, with its limit, and before the pod.
        Container first = pod.container(live.busybox()).idle().start();
        Optional<Path> own = first.process().cgroup("pids");
        assumeTrue(
                own.isPresent() && Files.exists(own.get().resolve("pids.max")),
                "this host has no controller pids, of neither version");
        Path pids = own.orElseThrow();
        while (!pids.endsWith(parent.substring(1))) {
            pids = Objects.requireNonNull(pids.getParent(), () -> own + " is not below " + parent);
        }
        first.remove();
        bombBelow(pids, pod, bystander);
    }

    private static void bombBelow(Path pids, Pod pod, Container bystander) throws IOException {
        Files.writeString(pids.resolve("pids.max"), "60");
        Container bomb = pod.container(live.attacker())
                .command(
                        "/usr/bin/perl",
                        "-e",
                        "$SIG{$_} = 'IGNORE' for qw(TERM INT HUP);"
                                + "while (1) { defined(fork) or select(undef, undef, undef, 0.1) }")
                .start();
        // Counted in the cgroup of the one who forked, or, by newer kernels on version 2, in the one that has the
        // limit.
        Path events = bomb.process().cgroup("pids").orElseThrow().resolve("pids.events");
        Await.until(
                "the limit is hit",
                PATIENCE,
                () -> Stream.of(events, pids.resolve("pids.events")).anyMatch(ExhaustionTest::countsRefusals));
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
        // The server may have removed what it made.
        if (Files.exists(pids)) {
            assertThat(Files.readString(pids.resolve("pids.current")).trim()).isEqualTo("0");
            Files.delete(pids);
        }
    }

    private static boolean countsRefusals(Path events) {
        try {
            return !Files.readString(events).contains("max 0\n");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
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

    private static final List<String> CONTROLLERS = List.of("memory", "freezer", "pids", "cpu", "devices");

    private static final String OWN = "c=/sys/fs/cgroup; for s in " + (VERSION_2 ? "." : String.join(" ", CONTROLLERS))
            + "; do mount -o remount,rw,bind $c/$s || exit 1; done; ";

    private static final List<String> DEEDS_OF_VERSION_1 = List.of(
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
            "rmdir $c/memory 2>/dev/null; echo done");

    private static final List<String> DEEDS_OF_VERSION_2 = List.of(
            "umount -l $c; echo done",
            "umount -l $c; mount -t tmpfs none $c; mkdir $c/child; echo 1 > $c/memory.max; echo done",
            "mkdir $c/child; echo 1 > $c/child/cgroup.procs; echo done",
            "mkdir $c/child; sleep 1000 & echo $! > $c/child/cgroup.procs; echo 1 > $c/child/cgroup.freeze; echo done",
            "mkdir $c/child; echo 1 > $c/child/cgroup.procs; echo 1 > $c/child/cgroup.freeze; echo done",
            "mkdir $c/child; sleep 1000 & echo $! > $c/child/cgroup.procs; echo threaded > $c/child/cgroup.type; echo done",
            "d=$c; for i in $(seq 60); do d=$d/deep; mkdir $d; done; sleep 1000 & echo $! > $d/cgroup.procs; echo done",
            "for i in $(seq 300); do mkdir $c/wide-$i; done; echo done",
            "mkdir \"$c/$(printf 'a\\nb')\" \"$c/$(printf '\\377')\" \"$c/ \" $c/-rf; echo done",
            "mkdir $c/child; echo 0 > $c/cgroup.max.descendants; echo 0 > $c/cgroup.max.depth; echo done",
            "echo 0 > $c/pids.max; echo done",
            "rmdir $c 2>/dev/null; echo done");

    private static Container withRights() {
        assumeTrue(
                VERSION_2
                        || CONTROLLERS.stream().allMatch(controller -> Files.isDirectory(CGROUPS.resolve(controller))),
                () -> "this host has neither version 2 nor all of " + CONTROLLERS + " of version 1");
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
        return AtOnce.cases((VERSION_2 ? DEEDS_OF_VERSION_2 : DEEDS_OF_VERSION_1)
                .stream()
                        .map(deed -> DynamicTest.dynamicTest(deed.replace("\\", ""), () -> {
                            Container container = withRights();
                            assertThat(container.shell("c=/sys/fs/cgroup; { " + deed + "; } </dev/null 2>/dev/null"))
                                    .endsWith("done");
                            assertTimeoutPreemptively(PATIENCE, () -> {
                                try {
                                    var _ = container.exec(Duration.ofSeconds(1), "/bin/true");
                                } catch (StatusRuntimeException refused) {
                                    assertThat(refused.getStatus().getDescription())
                                            .isNotBlank();
                                }
                                container.stop(Duration.ofSeconds(1));
                                container.remove();
                            });
                            assertThat(Host.cgroupDirectories(live.portafilter().cgroupParent()))
                                    .noneMatch(path -> path.toString().contains(container.id()));
                        })));
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
                .filteredOn(mount -> mount.type().startsWith("cgroup"))
                .isNotEmpty()
                .allMatch(mount -> mount.root().contains(container.id()));
    }
}
