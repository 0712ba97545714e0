package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ContainerStatus;
import io.portafilter.cri.v1.ImageStatusRequest;
import io.portafilter.cri.v1.ListContainersRequest;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.PodSandboxState;
import io.portafilter.cri.v1.ReopenContainerLogRequest;
import io.portafilter.cri.v1.SecurityProfile.ProfileType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Nothing dies with the server: it is killed, ended and started again in the middle of everything. */
class RestartTest {
    @RegisterExtension
    static final Live live = Live.server();

    private static final int FIRST_HOST_ID = 3_932_160;

    @Test
    void aKilledServerFindsItsContainersRunning() {
        List<Pod> pods = List.of(
                live.pod().run(),
                live.pod().pid(NamespaceMode.POD).run(),
                live.pod().userNamespace(FIRST_HOST_ID).run(),
                live.pod().hostNetwork().run());
        List<Container> containers = pods.stream()
                .flatMap(pod -> List.of(
                        pod.container(live.busybox()).idle().start(),
                        pod.container(live.busybox())
                                .idle()
                                .seccomp(ProfileType.RuntimeDefault)
                                .runAsUser(1000)
                                .start())
                        .stream())
                .toList();
        List<ContainerStatus> statuses =
                containers.stream().map(Container::status).toList();
        List<Long> pids = containers.stream().map(c -> c.process().pid()).toList();
        var list = live.cri().runtime().listContainers(ListContainersRequest.getDefaultInstance());
        var podStatuses = pods.stream().map(Pod::status).toList();

        live.portafilter().killAndStart();

        assertThat(containers.stream().map(Container::status)).isEqualTo(statuses);
        assertThat(containers.stream().map(c -> c.process().pid())).isEqualTo(pids);
        assertThat(pods.stream().map(Pod::status)).isEqualTo(podStatuses);
        assertThat(live.cri()
                        .runtime()
                        .listContainers(ListContainersRequest.getDefaultInstance())
                        .getContainersList())
                .containsExactlyInAnyOrderElementsOf(list.getContainersList());
        for (Container container : containers) {
            assertThat(container.shell("echo exec after restart")).isEqualTo("exec after restart");
            container.stop(Duration.ofSeconds(10));
            assertThat(container.status().getExitCode()).isEqualTo(143);
        }
        Container late =
                pods.getFirst().container(live.busybox()).shell("exit 4").runToEnd();
        assertThat(late.status().getExitCode()).isEqualTo(4);
    }

    @Test
    void exitsWhileTheServerWasDeadAreKnownAfterwards() throws IOException {
        Path signal = live.directory("signal");
        Pod pod = live.pod().run();
        Pod shared = live.pod().pid(NamespaceMode.POD).run();
        String wait = "until [ -e /signal/go ]; do sleep 0.05; done; ";
        Container seven = pod.container(live.busybox())
                .shell(wait + "echo last words; exit 7")
                .mount(signal, "/signal")
                .start();
        Container zero = shared.container(live.busybox())
                .shell(wait + "exit 0")
                .mount(signal, "/signal")
                .start();
        Container segv = shared.container(live.busybox())
                .shell(wait + "kill -SEGV $$")
                .mount(signal, "/signal")
                .start();
        Container oom = pod.container(live.busybox())
                .shell(wait + "dd if=/dev/zero of=/dev/null bs=64M count=1")
                .memoryLimit(15 << 20)
                .mount(signal, "/signal")
                .start();
        List<Container> all = List.of(seven, zero, segv, oom);
        List<Long> pids = all.stream().map(c -> c.process().pid()).toList();

        live.portafilter().kill();
        // The time of a file may lie a tick of the kernel behind the clock: 10 ms at most.
        long before = (System.currentTimeMillis() - 10) * 1_000_000;
        Files.createFile(signal.resolve("go"));
        Await.until("all end", Duration.ofSeconds(15), () -> pids.stream().noneMatch(Proc::isAlive));
        var _ = live.portafilter().start();
        live.portafilter().awaitRecovery();

        assertThat(all.stream().map(c -> c.status().getState())).containsOnly(ContainerState.CONTAINER_EXITED);
        assertThat(all.stream().map(c -> c.status().getExitCode())).containsExactly(7, 0, 139, 137);
        assertThat(all.stream().map(c -> c.status().getReason()))
                .containsExactly("Error", "Completed", "Error", "OOMKilled");
        assertThat(all.stream().map(c -> c.status().getFinishedAt()))
                .allSatisfy(at -> assertThat(at).isBetween(before, System.currentTimeMillis() * 1_000_000));
        assertThat(seven.output()).isEqualTo("last words\n");
    }

    @Test
    void noLineOfALogIsLostOrDoubled() {
        int lines = 120_000;
        Container counter = live.pod()
                .run()
                .container(live.busybox())
                .shell("i=0; while [ $i -lt " + lines + " ]; do echo $i; i=$((i+1)); done")
                .start();
        Random random = new Random(3);
        for (int kill = 0; kill < 6; kill++) {
            // Not a wait for a condition: the kill shall come at any moment.
            LockSupport.parkNanos(random.nextLong(1_000_000, 60_000_000));
            live.portafilter().killAndStart();
        }
        assertThat(counter.awaitExit().getExitCode()).isZero();
        assertThat(counter.logged("stdout"))
                .isEqualTo(IntStream.range(0, lines).mapToObj(i -> i + "\n").collect(Collectors.joining()));
    }

    @Test
    void noLineIsLostOrDoubledWhenTheLogIsRotatedAndTheServerKilled() throws IOException {
        int lines = 400_000;
        Container counter = live.pod()
                .run()
                .container(live.busybox())
                .shell("i=0; while [ $i -lt " + lines + " ]; do echo $i; i=$((i+1)); done")
                .start();
        Random random = new Random(5);
        List<Path> parts = new ArrayList<>();
        // without a file it has ended while no server ran
        for (int turn = 0; turn < 12 && Files.exists(counter.log()); turn++) {
            // Not a wait for a condition: it shall come at any moment.
            LockSupport.parkNanos(random.nextLong(1_000_000, 20_000_000));
            Path part = Path.of(counter.log() + "." + turn);
            Files.move(counter.log(), part);
            parts.add(part);
            // every fourth time the server is killed between the two steps of a rotation
            if (turn % 4 == 3) {
                live.portafilter().killAndStart();
            } else {
                reopen(counter);
            }
        }
        assertThat(counter.awaitExit().getExitCode()).isZero();
        assertThat(parts).hasSizeGreaterThan(3);
        parts.add(counter.log());
        StringBuilder all = new StringBuilder();
        for (Path part : parts) {
            all.append(new Container(live.portafilter(), counter.id(), part).logged("stdout"));
        }
        assertThat(all.toString())
                .isEqualTo(IntStream.range(0, lines).mapToObj(i -> i + "\n").collect(Collectors.joining()));
    }

    private static void reopen(Container container) {
        try {
            var _ = live.cri()
                    .runtime()
                    .reopenContainerLog(ReopenContainerLogRequest.newBuilder()
                            .setContainerId(container.id())
                            .build());
        } catch (StatusRuntimeException e) {
            // it has ended already: kubelet hears that, too, and there is no new file
            assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.FAILED_PRECONDITION);
        }
    }

    @Test
    void partsOfLongLinesAreNotLostEither() {
        Container writer = live.pod()
                .run()
                .container(live.busybox())
                .shell(
                        "i=0; l=$(head -c 40000 /dev/zero | tr '\\0' x); while [ $i -lt 400 ]; do echo $i$l; i=$((i+1)); done")
                .start();
        for (int kill = 0; kill < 3; kill++) {
            live.portafilter().killAndStart();
        }
        assertThat(writer.awaitExit().getExitCode()).isZero();
        List<String> lines = writer.logged("stdout").lines().toList();
        assertThat(lines).hasSize(400);
        assertThat(IntStream.range(0, 400))
                .allSatisfy(i -> assertThat(lines.get(i)).isEqualTo(i + "x".repeat(40_000)));
    }

    @Test
    void atSigtermTheServerEndsAndContainersLiveOn() {
        Container container = live.pod().run().container(live.busybox()).idle().start();
        Proc process = container.process();
        int status = live.portafilter().terminate();
        assertThat(status).isIn(0, 143);
        assertThat(Proc.isAlive(process.pid())).isTrue();
        assertThat(live.portafilter().socket()).doesNotExist();
        var _ = live.portafilter().start();
        live.portafilter().awaitRecovery();
        assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
        assertThat(container.process()).isEqualTo(process);
    }

    @Test
    void aContainerCreatedBeforeTheKillStartsAfterIt() {
        for (NamespaceMode mode : List.of(NamespaceMode.CONTAINER, NamespaceMode.POD)) {
            Container container = live.pod()
                    .pid(mode)
                    .run()
                    .container(live.busybox())
                    .shell("echo started; exit 5")
                    .create();
            live.portafilter().killAndStart();
            assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_CREATED);
            container.start();
            assertThat(container.awaitExit().getExitCode()).isEqualTo(5);
            assertThat(container.output()).isEqualTo("started\n");
        }
    }

    @Test
    void whateverTheServerDidWhenItWasKilledNothingIsLeft() {
        String image = live.busybox();
        // what a server makes for its first pod and keeps
        Pod first = live.pod().run();
        var _ = first.container(image).idle().start();
        first.remove();
        live.portafilter().killAndStart();
        Host before = live.host();
        Random random = new Random(5);
        for (int kill = 0; kill < 10; kill++) {
            boolean mapped = kill % 2 == 0;
            Thread work = Thread.ofVirtual().start(() -> {
                try {
                    for (int i = 0; i < 50; i++) {
                        PodFixture fixture = live.pod();
                        Pod pod = (mapped ? fixture.userNamespace(FIRST_HOST_ID) : fixture).run();
                        Container container = pod.container(image).idle().start();
                        var _ = container.exec("true");
                        container.stop(Duration.ZERO);
                        pod.remove();
                    }
                } catch (StatusRuntimeException | IllegalStateException e) {
                    // The server is gone: as intended.
                    assertThat(e).isNotNull();
                }
            });
            LockSupport.parkNanos(random.nextLong(1_000_000, 80_000_000));
            live.portafilter().kill();
            try {
                work.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            var _ = live.portafilter().start();
            for (var pod : live.cri().pods()) {
                live.cri().removePod(pod.getId());
            }
        }
        assertThat(live.cri().pods()).isEmpty();
        assertThat(live.cri()
                        .runtime()
                        .listContainers(ListContainersRequest.getDefaultInstance())
                        .getContainersList())
                .isEmpty();
        Await.untilEquals(
                "what is left",
                Duration.ofSeconds(10),
                List.of(),
                () -> live.host().remainsSince(before));
    }

    @Test
    void afterARebootPodsAreNotReadyAndContainersExitedUnknown() throws IOException {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/unshare")), "unshare of util-linux is missing");
        PortafilterServer server = live.portafilter();
        Pod pod = live.pod().run();
        Container running = pod.container(live.busybox()).idle().start();
        Container created = pod.container(live.busybox()).idle().create();
        Container exited = pod.container(live.busybox()).shell("exit 6").runToEnd();
        ContainerStatus wasRunning = running.status();
        String imageId = live.cri()
                .images()
                .imageStatus(ImageStatusRequest.newBuilder()
                        .setImage(Cri.image(live.busybox()))
                        .build())
                .getImage()
                .getId();

        server.kill();
        server.takeAsARebootDoes();
        // Where the kernel shows another boot id, a server sees a reboot.
        Path bootId = live.directory("boot").resolve("boot_id");
        Files.writeString(bootId, UUID.randomUUID() + "\n");
        var _ = server.start(List.of(
                "unshare",
                "-m",
                "sh",
                "-c",
                "mount --bind " + bootId + " /proc/sys/kernel/random/boot_id && exec \"$@\"",
                "sh"));
        server.awaitRecovery();

        assertThat(pod.status().getState()).isEqualTo(PodSandboxState.SANDBOX_NOTREADY);
        for (Container lost : List.of(running, created)) {
            ContainerStatus status = lost.status();
            assertThat(status.getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
            assertThat(status.getExitCode()).isEqualTo(255);
            assertThat(status.getReason()).isEqualTo("Unknown");
            assertThat(status.getFinishedAt()).isGreaterThanOrEqualTo(status.getStartedAt());
        }
        assertThat(running.status().getStartedAt()).isEqualTo(wasRunning.getStartedAt());
        assertThat(exited.status().getExitCode()).isEqualTo(6);
        assertThat(live.cri()
                        .images()
                        .imageStatus(ImageStatusRequest.newBuilder()
                                .setImage(Cri.image(live.busybox()))
                                .build())
                        .getImage()
                        .getId())
                .isEqualTo(imageId);
        pod.stop();
        pod.remove();
        assertThat(live.pod()
                        .run()
                        .container(live.busybox())
                        .shell("echo new life")
                        .runToEnd()
                        .output())
                .isEqualTo("new life\n");
        // Back to the machine's own boot id for the tests that follow.
        live.cri().pods().forEach(p -> live.cri().removePod(p.getId()));
        var _ = server.terminate();
        var _ = server.start();
    }

    @Test
    void aSecondServerOnTheSameRootIsRefusedNamingTheFirst() {
        var outcome = Commands.run(
                Tree.launcher().toString(),
                "serve",
                "--config",
                live.portafilter().configFile().toString());
        assertThat(outcome.status()).isNotZero();
        assertThat(outcome.stdout() + outcome.stderr())
                .contains(Long.toString(live.portafilter().pid()));
        assertThat(live.cri().pods()).isEmpty();
    }

    @Test
    void aContainerWhoseMonitorIsKilledDiesAndIsUnknown() {
        Container container = live.pod().run().container(live.busybox()).idle().start();
        Proc process = container.process();
        ProcessHandle.of(process.parent()).ifPresent(ProcessHandle::destroyForcibly);
        ContainerStatus status = container.awaitExit();
        assertThat(status.getExitCode()).isEqualTo(255);
        assertThat(status.getReason()).isEqualTo("Unknown");
        Await.until("the program is gone", Duration.ofSeconds(5), () -> !Proc.isAlive(process.pid()));
    }

    @Test
    void aMonitorKilledWhileTheServerWasDeadIsUnknownToo() {
        Container container = live.pod().run().container(live.busybox()).idle().start();
        Proc process = container.process();
        long monitor = process.parent();
        live.portafilter().kill();
        ProcessHandle.of(monitor).ifPresent(ProcessHandle::destroyForcibly);
        Await.until("the program is gone", Duration.ofSeconds(5), () -> !Proc.isAlive(process.pid()));
        var _ = live.portafilter().start();
        live.portafilter().awaitRecovery();
        assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
        assertThat(container.status().getExitCode()).isEqualTo(255);
        assertThat(container.status().getReason()).isEqualTo("Unknown");
    }

    @Test
    void aPodWhosePauseDiesIsNotReadyAlsoWhenTheServerWasDead() {
        Pod pod = live.pod().run();
        Pod other = live.pod().run();
        ProcessHandle.of(pod.pause().pid()).ifPresent(ProcessHandle::destroyForcibly);
        Await.untilEquals(
                "state",
                Duration.ofSeconds(10),
                PodSandboxState.SANDBOX_NOTREADY,
                () -> pod.status().getState());
        long pause = other.pause().pid();
        live.portafilter().kill();
        ProcessHandle.of(pause).ifPresent(ProcessHandle::destroyForcibly);
        Await.until("pause is gone", Duration.ofSeconds(5), () -> !Proc.isAlive(pause));
        var _ = live.portafilter().start();
        live.portafilter().awaitRecovery();
        assertThat(other.status().getState()).isEqualTo(PodSandboxState.SANDBOX_NOTREADY);
    }

    @Test
    void aPullThatTheKillCutOffIsDoneAnew() {
        byte[] bulk = new byte[24 << 20];
        new Random(11).nextBytes(bulk);
        TestImage image = TestImages.busyboxWith(new TarWriter().file("bulk", 0644, 0, 0, bulk));
        String reference = live.registry().push("restart-pull", "v1", image);
        for (int millis : List.of(20, 60, 120)) {
            Thread pull = Thread.ofVirtual().start(() -> {
                try {
                    var _ = live.cri().pull(reference);
                } catch (StatusRuntimeException | IllegalStateException e) {
                    assertThat(e).isNotNull(); // the server is gone: as intended
                }
            });
            LockSupport.parkNanos(millis * 1_000_000L);
            live.portafilter().kill();
            try {
                pull.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            var _ = live.portafilter().start();
        }
        assertThat(live.cri().pull(reference)).isEqualTo(image.id());
        Container sum = live.pod()
                .run()
                .container(reference)
                .command("/bin/sha256sum", "/bulk")
                .runToEnd();
        assertThat(sum.output()).startsWith(TestImage.sha256(com.google.protobuf.ByteString.copyFrom(bulk)));
    }
}
