package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.PodSandboxState;
import io.portafilter.cri.v1.RemoveImageRequest;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Random;
import java.util.Set;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * A server whose disk is full, has no inodes left, or has become read-only: what cannot be done is refused with the
 * reason and leaves nothing behind; what ends and is removed ends and is removed; and all goes on when there is room.
 */
class ServerOnFullDiskTest {
    /** Has the registry; the servers of the tests lie on small disks. */
    @RegisterExtension
    static final Live live = Live.server();

    private static final Duration SOON = Duration.ofSeconds(20);
    private static final String IDLE = "trap 'exit 143' TERM; echo ready; while true; do sleep 1000 & wait $!; done";

    private static String busybox() {
        return live.busybox();
    }

    /** Other contents than those of the image that is there already. */
    private static String anotherImage() {
        byte[] noise = new byte[6 << 20];
        new Random(4711).nextBytes(noise);
        return live.registry()
                .push("noise", "1", TestImages.busyboxWith(new TarWriter().file("noise", 0644, 0, 0, noise)));
    }

    /** What runs, waits and has ended when the disk becomes full. */
    private record Before(Pod pod, Container running, Container ending, Container created, Container ended) {
        static Before on(PortafilterServer server) {
            var _ = server.cri().pull(busybox());
            Pod pod = PodFixture.pod(server).run();
            return new Before(
                    pod,
                    ready(pod.container(busybox()).shell(IDLE).start()),
                    ready(pod.container(busybox()).shell(IDLE).start()),
                    pod.container(busybox()).shell(IDLE).create(),
                    pod.container(busybox()).shell("exit 3").runToEnd());
        }

        private static Container ready(Container container) {
            Await.until("it is ready", SOON, () -> container.logged("stdout").contains("ready"));
            return container;
        }
    }

    private static Map<String, ContainerState> states(PortafilterServer server) {
        Map<String, ContainerState> states = new HashMap<>();
        server.cri().containers().forEach(container -> states.put(container.getId(), container.getState()));
        return states;
    }

    private static void isFull(Runnable call) {
        Refusal refusal = Refusal.of(call);
        assertThat(refusal.code()).as(refusal.message()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
        assertThat(refusal.message()).containsAnyOf("No space left", "full");
    }

    private static void all(PortafilterServer server, SmallDisk disk, Runnable fill) {
        String another = anotherImage();
        server.start(disk.inside());
        Before before = Before.on(server);
        NavigableSet<String> files = disk.files();
        Set<String> known = states(server).keySet();
        fill.run();

        // nothing new, and nothing of it stays
        isFull(() -> {
            var _ = server.cri().pull(another);
        });
        isFull(() -> {
            var _ = PodFixture.pod(server).run();
        });
        isFull(() -> {
            var _ = before.pod().container(busybox()).idle().create();
        });
        assertThat(disk.files()).isEqualTo(files);
        assertThat(server.cri().pods()).hasSize(1);
        assertThat(states(server).keySet()).isEqualTo(known);

        // what runs is as it was, and ends
        assertThat(before.running().shell("echo here")).isEqualTo("here");
        before.running().stop(Duration.ofSeconds(20));
        assertThat(before.running().status().getExitCode()).isEqualTo(143);
        assertThat(before.running().status().getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
        var _ = before.ending().exec("/bin/sh", "-c", "kill -TERM 1");
        assertThat(before.ending().awaitExit().getExitCode()).isEqualTo(143);
        before.running().remove();
        before.ended().remove();
        assertThat(states(server).keySet())
                .containsExactlyInAnyOrder(
                        before.ending().id(), before.created().id());
        assertThat(disk.files())
                .noneMatch(name -> name.contains(before.running().id()));

        // killed on a full disk, and started again on it
        server.kill();
        server.start(disk.inside());
        server.awaitRecovery();
        assertThat(states(server))
                .containsEntry(before.ending().id(), ContainerState.CONTAINER_EXITED)
                .containsEntry(before.created().id(), ContainerState.CONTAINER_CREATED);
        assertThat(before.ending().status().getExitCode()).isEqualTo(143);
        assertThat(before.pod().status().getState()).isEqualTo(PodSandboxState.SANDBOX_READY);
        // one that was removed may have come back, as ended: its removal was not written
        for (Container removed : List.of(before.running(), before.ended())) {
            assertThat(states(server).getOrDefault(removed.id(), ContainerState.CONTAINER_EXITED))
                    .isEqualTo(ContainerState.CONTAINER_EXITED);
            removed.remove();
        }

        disk.makeRoom();
        before.created().start();
        assertThat(before.created().shell("echo here")).isEqualTo("here");
        assertThat(before.pod()
                        .container(busybox())
                        .shell("exit 5")
                        .runToEnd()
                        .status()
                        .getExitCode())
                .isEqualTo(5);
        fill.run();
        // the whole pod goes on a full disk, with what runs in it
        before.pod().stop();
        assertThat(before.created().status().getExitCode()).isEqualTo(137);
        before.pod().remove();
        assertThat(server.cri().pods()).isEmpty();
        assertThat(server.cri().containers()).isEmpty();
        // and so do images: that is how kubelet makes room
        var _ = server.cri()
                .images()
                .removeImage(RemoveImageRequest.newBuilder()
                        .setImage(Cri.image(busybox()))
                        .build());
        assertThat(disk.files()).noneMatch(name -> name.startsWith("layers/"));
        disk.makeRoom();
        var _ = server.cri().pull(busybox());
        Pod last = PodFixture.pod(server).run();
        assertThat(last.container(busybox())
                        .shell("echo good as new")
                        .runToEnd()
                        .output())
                .isEqualTo("good as new\n");
        server.kill();
        server.start(disk.inside());
        server.awaitRecovery();
        assertThat(server.cri().pods()).hasSize(1);
        last.remove();
        assertThat(Host.processesOf(server)).isEmpty();
        assertThat(server.logText()).doesNotContain(" ERROR ");
    }

    private static void on(Function<PortafilterServer, SmallDisk> makeDisk, Function<SmallDisk, Runnable> fill) {
        try (PortafilterServer server = PortafilterServer.configured();
                SmallDisk disk = makeDisk.apply(server)) {
            all(server, disk, fill.apply(disk));
        }
    }

    @Test
    void aFullTmpfs() {
        on(server -> SmallDisk.tmpfs("size=12m", server.root()), disk -> disk::fill);
    }

    @Test
    void aTmpfsWithoutInodes() {
        on(server -> SmallDisk.tmpfs("size=40m,nr_inodes=1500", server.root()), disk -> disk::fillInodes);
    }

    @Test
    void aFullExt4() {
        on(server -> SmallDisk.ext4(server.base().resolve("disk"), 16, server.root()), disk -> disk::fill);
    }

    private static Path[] states(PortafilterServer server, String... kinds) {
        return java.util.Arrays.stream(kinds)
                .map(kind -> server.state().resolve(kind))
                .toArray(Path[]::new);
    }

    /** The state directory alone: images and records lie elsewhere, and a container that waits there can start. */
    @Test
    void aFullStateDirectory() {
        try (PortafilterServer server = PortafilterServer.configured();
                SmallDisk disk = SmallDisk.tmpfs("size=256k", states(server, "pods", "containers"))) {
            server.start(disk.inside());
            Before before = Before.on(server);
            NavigableSet<String> files = disk.files();
            disk.fill();
            isFull(() -> {
                var _ = PodFixture.pod(server).run();
            });
            isFull(() -> {
                var _ = before.pod().container(busybox()).idle().create();
            });
            assertThat(disk.files()).isEqualTo(files);
            before.created().start();
            assertThat(before.created().shell("echo here")).isEqualTo("here");
            before.running().stop(Duration.ofSeconds(20));
            assertThat(before.running().status().getExitCode()).isEqualTo(143);
            server.kill();
            server.start(disk.inside());
            server.awaitRecovery();
            before.created().stop(Duration.ofSeconds(20));
            assertThat(before.created().status().getExitCode()).isEqualTo(143);
            before.pod().remove();
            assertThat(disk.files()).noneMatch(name -> name.length() > 10);
            disk.makeRoom();
            Pod last = PodFixture.pod(server).run();
            assertThat(last.container(busybox())
                            .shell("exit 5")
                            .runToEnd()
                            .status()
                            .getExitCode())
                    .isEqualTo(5);
            last.remove();
            assertThat(Host.processesOf(server)).isEmpty();
            // what fills the disk lies where only pods and containers do
            assertThat(server.logText().lines())
                    .noneMatch(line -> line.contains(" ERROR ") && !line.contains("filler"));
        }
    }

    /** As ext4 does after an error: what is open for writing is refused from one moment to the other. */
    @Test
    void aDiskThatBecomesReadOnly() {
        try (PortafilterServer server = PortafilterServer.configured();
                SmallDisk disk = SmallDisk.ext4(server.base().resolve("disk"), 16, server.root())) {
            server.start(disk.inside());
            Before before = Before.on(server);
            disk.run("mount -o remount,abort " + server.root());
            for (Runnable call : List.<Runnable>of(
                    () -> PodFixture.pod(server).run(),
                    () -> before.pod().container(busybox()).idle().create(),
                    before.created()::start,
                    before.ended()::remove)) {
                Refusal refusal = Refusal.of(call);
                assertThat(refusal.code()).as(refusal.message()).isEqualTo(Status.Code.FAILED_PRECONDITION);
                assertThat(refusal.message()).contains("ead-only");
            }
            assertThat(before.created().status().getState()).isEqualTo(ContainerState.CONTAINER_CREATED);
            assertThat(before.running().shell("echo here")).isEqualTo("here");
            before.running().stop(Duration.ofSeconds(20));
            assertThat(before.running().status().getExitCode()).isEqualTo(143);
            before.pod().stop();
            assertThat(before.pod().status().getState()).isEqualTo(PodSandboxState.SANDBOX_NOTREADY);
            assertThat(before.ending().status().getExitCode()).isEqualTo(137);
            assertThat(Host.processesOf(server)).isEmpty();
            // what is recorded there cannot be removed any more
            server.kill();
        }
    }
}
