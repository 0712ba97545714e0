package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.portafilter.cri.v1.ExecSyncRequest;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.RunPodSandboxRequest;
import io.portafilter.cri.v1.RuntimeServiceGrpc;
import io.portafilter.cri.v1.SecurityProfile.ProfileType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Processes, mounts, cgroups, network namespaces, the server's descriptors and directories are the same before and
 * after. Before each comparison the same is done once more, so that what is kept ready on purpose is there already.
 */
class NothingLeftTest {
    @RegisterExtension
    static final Live live = Live.server();

    private static final int FIRST_HOST_ID = 2_621_440;

    /** Does it once to warm the server up, looks, does it three times, and wants everything to be as it was. */
    private static void leavesNothing(Runnable deed) {
        deed.run();
        settle();
        Host before = live.host();
        for (int i = 0; i < 3; i++) {
            deed.run();
        }
        live.awaitAsBefore(before);
    }

    /** Waits until two looks in a row see the same: what happens in the background has happened. */
    private static void settle() {
        Await.until("the server is quiet", Duration.ofSeconds(10), () -> {
            Host one = live.host();
            // Time for a background task to change something.
            LockSupport.parkNanos(Duration.ofMillis(100).toNanos());
            return live.host().differencesFrom(one).isEmpty();
        });
    }

    private static void runAndRemove(PodFixture fixture) {
        String image = live.busybox();
        Pod pod = fixture.run();
        Container ended = pod.container(image).shell("echo out; exit 3").runToEnd();
        Container running = pod.container(image).idle().start();
        Container created = pod.container(image).idle().create();
        assertThat(running.shell("echo exec")).isEqualTo("exec");
        assertThat(ended.status().getExitCode()).isEqualTo(3);
        running.stop(Duration.ofSeconds(5));
        running.remove();
        pod.stop();
        pod.remove();
        assertThat(Refusal.of(created::status).code()).isEqualTo(Status.Code.NOT_FOUND);
    }

    @Test
    void afterAPodWithNamespacesOfItsOwn() {
        leavesNothing(() -> runAndRemove(live.pod()));
    }

    @Test
    void afterAPodOnTheHostsNetwork() {
        leavesNothing(() -> runAndRemove(live.pod().hostNetwork()));
    }

    @Test
    void afterAPodWithASharedPidNamespace() {
        leavesNothing(() -> runAndRemove(live.pod().pid(NamespaceMode.POD)));
    }

    @Test
    void afterAPodInTheHostsPidAndIpcNamespaces() {
        leavesNothing(() -> runAndRemove(live.pod().pid(NamespaceMode.NODE).hostIpc()));
    }

    @Test
    void afterAPodWithAUserNamespace() {
        leavesNothing(() -> runAndRemove(live.pod().userNamespace(FIRST_HOST_ID)));
        leavesNothing(() -> runAndRemove(live.pod().userNamespace(FIRST_HOST_ID).pid(NamespaceMode.POD)));
    }

    @Test
    void afterAPodWithVolumesFiltersAndLimits() {
        Path volume = live.directory("volume");
        leavesNothing(() -> {
            Pod pod = live.pod().run();
            Container container = pod.container(live.image(TestImages.layered()))
                    .command("/bin/sh", "-c", "echo x > /volume/x; sleep 1000")
                    .runAsUser(0)
                    .mount(volume, "/volume")
                    .readOnlyMount(volume, "/read/only")
                    .seccomp(ProfileType.RuntimeDefault)
                    .memoryLimit(32 << 20)
                    .security(s -> s.addMaskedPaths("/proc/kcore")
                            .addReadonlyPaths("/proc/sys")
                            .setReadonlyRootfs(true))
                    .start();
            assertThat(container.shell("ls /volume")).contains("x");
            container.stop(Duration.ZERO);
            pod.stop();
            pod.remove();
        });
    }

    @Test
    void afterExecsThatEndFailHangAndLeaveChildren() {
        Pod pod = live.pod().run();
        Container container = pod.container(live.busybox()).idle().start();
        leavesNothing(() -> {
            assertThat(container.exec("true").exitCode()).isZero();
            assertThat(container.exec("sh", "-c", "exit 7").exitCode()).isEqualTo(7);
            assertThat(container.exec("sh", "-c", "kill -9 $$").exitCode()).isEqualTo(137);
            try {
                var _ = container.exec("/no/such/program");
            } catch (StatusRuntimeException e) {
                assertThat(e.getStatus().getDescription()).contains("/no/such/program");
            }
            assertThat(Refusal.of(() -> container.exec(Duration.ofSeconds(1), "sleep", "600"))
                            .code())
                    .isEqualTo(Status.Code.DEADLINE_EXCEEDED);
        });
    }

    @Test
    void afterAnExecWhoseCallerWentAway() {
        Pod pod = live.pod().run();
        Container container = pod.container(live.busybox()).idle().start();
        leavesNothing(() -> {
            Refusal gone = Refusal.of(() -> live.cri()
                    .runtime(Duration.ofMillis(100))
                    .execSync(ExecSyncRequest.newBuilder()
                            .setContainerId(container.id())
                            .addCmd("sleep")
                            .addCmd("700")
                            .build()));
            assertThat(gone.code()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
        });
        assertThat(container.shell("ps -o args | grep -c '^sleep 700' || true")).isEqualTo("0");
    }

    /** A launch that fails: the error names the step, and only what CRI asks for stays. */
    private static void failsAndLeavesNothing(String sentence, PodFixtureSupplier pods, Attempt attempt) {
        Pod pod = pods.get().run();
        Callable<String> deed = () -> {
            String message;
            try {
                Container container = attempt.of(pod).create();
                message = Refusal.of(container::start).message();
                assertThat(container.status().getReason()).isEqualTo("StartError");
                assertThat(container.status().getExitCode()).isEqualTo(128);
                container.remove();
            } catch (StatusRuntimeException atCreate) {
                message = String.valueOf(atCreate.getStatus().getDescription());
            }
            return message;
        };
        leavesNothing(() -> {
            try {
                assertThat(deed.call()).containsIgnoringCase(sentence);
            } catch (Exception e) {
                throw new IllegalStateException(e);
            }
        });
        pod.remove();
    }

    @FunctionalInterface
    private interface PodFixtureSupplier {
        PodFixture get();
    }

    @FunctionalInterface
    private interface Attempt {
        ContainerFixture of(Pod pod);
    }

    @Test
    void afterAMissingCommand() {
        failsAndLeavesNothing(
                "/no/such/program",
                live::pod,
                pod -> pod.container(live.busybox()).command("/no/such/program"));
        failsAndLeavesNothing(
                "not-in-path", live::pod, pod -> pod.container(live.busybox()).command("not-in-path"));
        failsAndLeavesNothing(
                "/no/such/program",
                () -> live.pod().pid(NamespaceMode.POD),
                pod -> pod.container(live.busybox()).command("/no/such/program").seccomp(ProfileType.RuntimeDefault));
        failsAndLeavesNothing(
                "/no/such/program",
                () -> live.pod().userNamespace(FIRST_HOST_ID),
                pod -> pod.container(live.busybox()).command("/no/such/program"));
    }

    @Test
    void afterAWorkingDirectoryThatIsAFile() {
        failsAndLeavesNothing(
                "/etc/passwd",
                live::pod,
                pod -> pod.container(live.busybox()).idle().workingDirectory("/etc/passwd"));
        failsAndLeavesNothing(
                "/etc/passwd",
                live::pod,
                pod -> pod.container(live.busybox()).idle().workingDirectory("/etc/passwd/below"));
    }

    @Test
    void afterAMountSourceThatMayNotBeMade() throws IOException {
        Path file = live.directory("blocked").resolve("file");
        Files.writeString(file, "");
        Path impossible = file.resolve("below/a/file");
        failsAndLeavesNothing(
                impossible.toString(),
                live::pod,
                pod -> pod.container(live.busybox()).idle().mount(impossible, "/data"));
    }

    @Test
    void afterAMountTargetThatCannotBeMade() {
        Path volume = live.directory("volume");
        failsAndLeavesNothing(
                "/etc/passwd/below",
                live::pod,
                pod -> pod.container(live.busybox()).idle().mount(volume, "/etc/passwd/below"));
        failsAndLeavesNothing(
                "/bin/sh",
                live::pod,
                pod -> pod.container(live.busybox()).command("/bin/true").mount(volume, "/bin/sh"));
    }

    @Test
    void afterAnUnknownUserName() {
        failsAndLeavesNothing(
                "ghost", live::pod, pod -> pod.container(live.busybox()).idle().runAsUsername("ghost"));
    }

    @Test
    void afterACgroupLimitThatTheKernelRefuses() {
        // More processors than any machine has: only the kernel can say so.
        failsAndLeavesNothing(
                "cpuset",
                live::pod,
                pod -> pod.container(live.busybox()).idle().resources(r -> r.setCpusetCpus("4000-4095")));
        failsAndLeavesNothing(
                "cpu",
                live::pod,
                pod -> pod.container(live.busybox())
                        .idle()
                        .resources(r -> r.setCpuQuota(10).setCpuPeriod(100_000)));
    }

    @Test
    void afterAMemoryLimitTooSmallToStart() {
        failsAndLeavesNothing(
                "memory", live::pod, pod -> pod.container(live.busybox()).idle().memoryLimit(4096));
    }

    @Test
    void afterAnImageThatIsMissingOrUnusable() {
        failsAndLeavesNothing(
                "not/here",
                live::pod,
                pod -> pod.container(live.registry().host() + "/not/here:v1").idle());
        String procLink = live.image(TestImage.of(
                "\"Cmd\":[\"/bin/sh\"]",
                new TarWriter()
                        .symlink("proc", "elsewhere")
                        .directory("elsewhere")
                        .finish()));
        failsAndLeavesNothing("/proc", live::pod, pod -> pod.container(procLink));
        String devLink = live.image(TestImage.of(
                "\"Cmd\":[\"/bin/sh\"]",
                new TarWriter().symlink("dev", "/tmp").directory("tmp").finish()));
        failsAndLeavesNothing("/dev", live::pod, pod -> pod.container(devLink));
    }

    @Test
    void afterASandboxThatCannotBeMade() {
        leavesNothing(() -> {
            Refusal refusal = Refusal.of(() -> live.pod()
                    .configure(p -> p.getLinuxBuilder().putSysctls("net.ipv4.no_such_thing", "1"))
                    .run());
            assertThat(refusal.message()).contains("no_such_thing");
            assertThat(live.cri().pods()).isEmpty();
        });
        leavesNothing(() -> {
            Refusal refusal = Refusal.of(() -> live.pod()
                    .configure(p -> p.getLinuxBuilder().putSysctls("net.ipv4.ip_unprivileged_port_start", "99999999"))
                    .run());
            assertThat(refusal.message()).contains("ip_unprivileged_port_start");
        });
    }

    @Test
    void afterCallsWhoseCallersWentAwayInTheMiddle() {
        String image = live.busybox();
        leavesNothing(() -> {
            for (int micros = 200; micros < 12_000; micros += 600) {
                abandoned(image, Duration.ofNanos(micros * 1000L));
            }
            // What a call had finished before its caller left stays, as CRI wants, and is removed here.
            live.cri().pods().forEach(pod -> live.cri().removePod(pod.getId()));
            Await.until("abandoned calls are over", Duration.ofSeconds(10), () -> {
                live.cri().pods().forEach(pod -> live.cri().removePod(pod.getId()));
                return live.cri().pods().isEmpty();
            });
        });
    }

    private static void abandoned(String image, Duration deadline) {
        PodSandboxConfig config = live.pod().build();
        try {
            var _ = RuntimeServiceGrpc.newBlockingStub(live.cri().channel())
                    .withDeadlineAfter(deadline.toNanos(), TimeUnit.NANOSECONDS)
                    .runPodSandbox(
                            RunPodSandboxRequest.newBuilder().setConfig(config).build());
        } catch (StatusRuntimeException e) {
            assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
        }
        Pod pod = live.pod().run();
        try {
            var _ = RuntimeServiceGrpc.newBlockingStub(live.cri().channel())
                    .withDeadlineAfter(deadline.toNanos(), TimeUnit.NANOSECONDS)
                    .createContainer(pod.container(image).idle().request());
        } catch (StatusRuntimeException e) {
            assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
        }
        pod.remove();
    }

    @Test
    void afterManyPodsAtOnce() {
        String image = live.busybox();
        leavesNothing(() -> {
            try (ExecutorService executor = Executors.newVirtualThreadPerTaskExecutor()) {
                List<Future<?>> all = new ArrayList<>();
                for (int i = 0; i < 12; i++) {
                    boolean mapped = i % 3 == 0;
                    int first = FIRST_HOST_ID + i * 65536;
                    all.add(executor.submit(() -> {
                        PodFixture fixture = live.pod();
                        Pod pod = (mapped ? fixture.userNamespace(first) : fixture).run();
                        Container container = pod.container(image).idle().start();
                        assertThat(container.shell("echo hi")).isEqualTo("hi");
                        if (ThreadLocalRandom.current().nextBoolean()) {
                            container.stop(Duration.ofSeconds(5));
                        }
                        pod.stop();
                        pod.remove();
                    }));
                }
                for (Future<?> one : all) {
                    one.get();
                }
            } catch (ExecutionException e) {
                throw new AssertionError(e.getCause());
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
    }

    @Test
    void afterAContainerThatLeavesProcessesMountsAndFilesBehind() {
        leavesNothing(() -> {
            Pod pod = live.pod().privileged().run();
            Container container = pod.container(live.busybox())
                    .privileged()
                    .shell("mount -t tmpfs none /tmp && mkdir /tmp/a && mount -t tmpfs none /tmp/a && "
                            + "(setsid sleep 900 &) ; (setsid sleep 901 &) ; exit 0")
                    .runToEnd();
            container.remove();
            pod.stop();
            pod.remove();
        });
    }
}
