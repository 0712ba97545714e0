package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.Status;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ContainerStatus;
import io.portafilter.cri.v1.PodSandboxState;
import io.portafilter.cri.v1.PodSandboxStatusRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * A creation that fails and cannot be undone either: what is left is listed, so that it is removed when that can be done.
 * A directory of which nothing can be removed (append-only, {@code chattr +a}) stands for whatever holds it.
 */
class UndoFailedTest {
    @RegisterExtension
    static final Live live = Live.server();

    private final List<Path> held = new ArrayList<>();

    private void hold(Path directory) throws IOException {
        var _ = Files.createDirectories(directory);
        assumeTrue(
                Commands.run("chattr", "+a", directory.toString()).status() == 0,
                "the file system of " + directory + " has no append-only directories");
        held.add(directory);
    }

    @AfterEach
    void letGo() {
        held.forEach(
                directory -> Commands.run("chattr", "-a", directory.toString()).orFail());
        held.clear();
    }

    /** What the first pod and container make, and what stays. */
    @BeforeEach
    void settle() {
        Pod pod = live.pod().run();
        var _ = pod.container(live.busybox()).idle().create();
        pod.remove();
    }

    private static List<Path> directoriesOf(String kind) {
        return List.of(
                live.portafilter().root().resolve(kind),
                live.portafilter().state().resolve(kind));
    }

    private static void restart() {
        live.portafilter().killAndStart();
    }

    /** The kernel refuses its value only when it is written in the pod's own namespace. */
    private static PodFixture brokenPod() {
        return live.pod().configure(config -> config.getLinuxBuilder().putSysctls("net.ipv4.ip_forward", "no number"));
    }

    private static ContainerFixture brokenContainer(Pod pod) {
        return pod.container(live.busybox()).idle().mount(Path.of("/etc"), "/proc/sys");
    }

    @Test
    void aPodThatCouldNotBeUndoneIsListedUntilItIsRemoved() throws IOException {
        Host before = live.host();
        for (boolean restarted : List.of(false, true)) {
            for (Path directory : directoriesOf("pods")) {
                hold(directory);
                PodFixture broken = brokenPod();
                Refusal refusal = Refusal.of(broken::run);
                assertThat(refusal.message()).contains("ip_forward");
                assertThat(live.cri().pods()).hasSize(1);
                String id = live.cri().pods().getFirst().getId();
                if (restarted) {
                    restart();
                }
                Pod left = new Pod(live.portafilter(), id, broken.build());
                assertThat(left.status().getState()).isEqualTo(PodSandboxState.SANDBOX_NOTREADY);
                // the same try again says what is in its way
                Refusal again = Refusal.of(broken::run);
                assertThat(again.code()).isEqualTo(Status.Code.ALREADY_EXISTS);
                assertThat(again.message()).contains(id);
                Refusal removal = Refusal.of(left::remove);
                assertThat(removal.code()).isEqualTo(Status.Code.FAILED_PRECONDITION);
                assertThat(removal.message()).contains(id).contains("EPERM");
                assertThat(live.cri().pods()).hasSize(1);
                letGo();
                left.remove();
                assertThat(live.cri().pods()).isEmpty();
                assertThat(live.host().remainsSince(before)).isEmpty();
            }
        }
    }

    @Test
    void theSameTryAgainClearsAwayWhatTheFirstLeft() throws IOException {
        hold(live.portafilter().root().resolve("pods"));
        PodFixture broken = brokenPod();
        assertThat(Refusal.of(broken::run).message()).contains("ip_forward");
        String left = live.cri().pods().getFirst().getId();
        letGo();
        // it fails for the same reason as before, not for a name that is taken
        assertThat(Refusal.of(broken::run).message()).contains("ip_forward");
        assertThat(live.cri().pods()).isEmpty();
        assertThat(Refusal.of(() -> {
                            var _ = live.cri()
                                    .runtime()
                                    .podSandboxStatus(PodSandboxStatusRequest.newBuilder()
                                            .setPodSandboxId(left)
                                            .build());
                        })
                        .code())
                .isEqualTo(Status.Code.NOT_FOUND);
    }

    @Test
    void aContainerThatCouldNotBeUndoneIsListedUntilItIsRemoved() throws IOException {
        Pod pod = live.pod().run();
        String image = live.busybox();
        Host before = live.host();
        for (boolean restarted : List.of(false, true)) {
            for (Path directory : directoriesOf("containers")) {
                hold(directory);
                ContainerFixture broken = brokenContainer(pod);
                Refusal refusal = Refusal.of(broken::create);
                assertThat(refusal.message()).contains("/proc");
                assertThat(live.cri().containers()).hasSize(1);
                String id = live.cri().containers().getFirst().getId();
                if (restarted) {
                    restart();
                }
                Container left = new Container(live.portafilter(), id, Path.of("/nonexistent"));
                ContainerStatus status = left.status();
                assertThat(status.getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
                assertThat(status.getReason()).isEqualTo("CreateContainerError");
                assertThat(status.getMessage())
                        .contains("/proc")
                        .contains("not undone")
                        .contains("EPERM");
                assertThat(status.getExitCode()).isEqualTo(128);
                assertThat(status.getFinishedAt()).isPositive();
                assertThat(status.getImage().getImage()).isEqualTo(image);
                Refusal again = Refusal.of(broken::create);
                assertThat(again.code()).isEqualTo(Status.Code.ALREADY_EXISTS);
                assertThat(again.message()).contains(id);
                assertThat(Refusal.of(left::start).code()).isEqualTo(Status.Code.FAILED_PRECONDITION);
                left.stop(java.time.Duration.ZERO);
                Refusal removal = Refusal.of(left::remove);
                assertThat(removal.code()).isEqualTo(Status.Code.FAILED_PRECONDITION);
                assertThat(removal.message()).contains(id).contains("EPERM");
                // nor does the pod go, with what is in it
                assertThat(live.cri().containers()).hasSize(1);
                letGo();
                left.remove();
                assertThat(live.cri().containers()).isEmpty();
                assertThat(live.host().remainsSince(before)).isEmpty();
            }
        }
    }

    @Test
    void aPodIsRemovedWithTheRemainsOfItsContainer() throws IOException {
        Host before = live.host();
        Pod pod = live.pod().run();
        hold(live.portafilter().root().resolve("containers"));
        ContainerFixture broken = brokenContainer(pod);
        assertThat(Refusal.of(broken::create).message()).contains("/proc");
        pod.stop();
        assertThat(Refusal.of(pod::remove).code()).isEqualTo(Status.Code.FAILED_PRECONDITION);
        assertThat(live.cri().pods()).hasSize(1);
        letGo();
        pod.remove();
        assertThat(live.cri().pods()).isEmpty();
        assertThat(live.cri().containers()).isEmpty();
        assertThat(live.host().remainsSince(before)).isEmpty();
    }

    /** A server that is killed has recorded nothing of what it was making: the next one removes it, when it can. */
    @Test
    void whatAKilledServerLeftIsRemovedAsSoonAsThatCanBeDone() throws IOException {
        Host before = live.host();
        String id = "0123456789abcdef".repeat(4);
        Path orphan = live.portafilter().root().resolve("containers").resolve(id);
        live.portafilter().kill();
        var _ = Files.createDirectories(orphan.resolve("upper"));
        hold(orphan);
        var _ = live.portafilter().start();
        live.portafilter().awaitRecovery();
        assertThat(orphan).exists();
        letGo();
        Await.until("it is removed", java.time.Duration.ofSeconds(30), () -> !Files.exists(orphan));
        assertThat(live.host().remainsSince(before)).isEmpty();
    }
}
