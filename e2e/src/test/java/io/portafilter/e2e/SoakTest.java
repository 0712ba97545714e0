package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ExecSyncRequest;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.SecurityProfile.ProfileType;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Many pods and execs one after another leave the server as large as it was. */
class SoakTest {
    @RegisterExtension
    static final Live live = Live.server();

    private static final int PODS = 500;
    private static final int EXECS = 1000;
    private static final int BROKEN_EXECS = 2000;

    /** What may grow if something leaks. */
    private record Size(int descriptors, int threads, long heapBytes, int processes, int cgroups) {
        static Size now() {
            long pid = live.portafilter().pid();
            long heap = Host.heapAfterCollection(pid);
            Host host = live.host();
            return new Size(
                    Host.descriptorsOf(pid).size(),
                    host.threads(),
                    heap,
                    host.processes().size(),
                    host.cgroups().size());
        }
    }

    private static void pods(int from, int to) {
        String image = live.busybox();
        for (int i = from; i < to; i++) {
            PodFixture fixture = live.pod();
            Pod pod = switch (i % 4) {
                case 0 -> fixture.userNamespace(5_242_880).run();
                case 1 -> fixture.pid(NamespaceMode.POD).run();
                case 2 -> fixture.hostNetwork().run();
                default -> fixture.run();
            };
            Container container = pod.container(image)
                    .shell("echo hello")
                    .seccomp(ProfileType.RuntimeDefault)
                    .runToEnd();
            assertThat(container.status().getExitCode()).isZero();
            pod.stop();
            pod.remove();
        }
    }

    @Test
    void fiveHundredPodsLeaveDescriptorsThreadsAndHeapFlat() {
        // Caches and pools are filled, classes loaded, the attach listener of jcmd started.
        pods(0, 60);
        var _ = Size.now();
        Size before = Size.now();
        pods(0, PODS);
        Await.untilEquals(
                "processes",
                Duration.ofSeconds(10),
                before.processes(),
                () -> live.host().processes().size());
        Await.until(
                "descriptors are as few as before",
                Duration.ofSeconds(10),
                () -> Host.descriptorsOf(live.portafilter().pid()).size() <= before.descriptors() + 4);
        Size after = Size.now();
        System.out.println("SoakTest: before " + before + ", after " + PODS + " pods " + after);
        assertThat(after.descriptors()).isBetween(before.descriptors() - 8, before.descriptors() + 4);
        assertThat(after.threads()).isLessThanOrEqualTo(before.threads() + 4);
        assertThat(after.cgroups()).isEqualTo(before.cgroups());
        // A kilobyte for each pod would show.
        assertThat(after.heapBytes()).isLessThan(before.heapBytes() + PODS * 1024L);
    }

    @Test
    void aThousandExecsLeaveThemFlatToo() {
        Container container = live.pod().run().container(live.busybox()).idle().start();
        execs(container, 100);
        var _ = Size.now();
        Size before = Size.now();
        execs(container, EXECS);
        Await.until(
                "descriptors are as few as before",
                Duration.ofSeconds(10),
                () -> Host.descriptorsOf(live.portafilter().pid()).size() <= before.descriptors() + 2);
        Size after = Size.now();
        System.out.println("SoakTest: before " + before + ", after " + EXECS + " execs " + after);
        assertThat(after.threads()).isLessThanOrEqualTo(before.threads() + 4);
        assertThat(after.processes()).isEqualTo(before.processes());
        assertThat(after.heapBytes()).isLessThan(before.heapBytes() + EXECS * 512L);
    }

    private static void execs(Container container, int times) {
        for (int i = 0; i < times; i++) {
            assertThat(container.exec("/bin/true")).isEqualTo(new Container.Output("", "", 0));
        }
    }

    /** Sessions that are cut off, or never come to run, are what an attacker can have without end. */
    @Test
    void twoThousandBrokenExecsLeaveThemFlatToo() {
        Container container = live.pod().run().container(live.busybox()).idle().start();
        brokenExecs(container, 100);
        var _ = Size.now();
        Size before = Size.now();
        brokenExecs(container, BROKEN_EXECS);
        Await.untilEquals(
                "processes",
                Duration.ofSeconds(20),
                before.processes(),
                () -> live.host().processes().size());
        Await.until(
                "descriptors are as few as before",
                Duration.ofSeconds(10),
                () -> Host.descriptorsOf(live.portafilter().pid()).size() <= before.descriptors() + 2);
        Size after = Size.now();
        System.out.println("SoakTest: before " + before + ", after " + BROKEN_EXECS + " broken execs " + after);
        assertThat(after.threads()).isLessThanOrEqualTo(before.threads() + 4);
        assertThat(after.cgroups()).isEqualTo(before.cgroups());
        assertThat(after.heapBytes()).isLessThan(before.heapBytes() + BROKEN_EXECS * 512L);
        assertThat(container.shell("ps -o args | grep -c '^sleep 700' || true")).isEqualTo("0");
        assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
    }

    private static void brokenExecs(Container container, int times) {
        AtOnce.run(IntStream.range(0, times).<Runnable>mapToObj(i -> () -> {
            switch (i % 4) {
                case 0 ->
                    assertThat(container.exec("/no/such/program").exitCode()).isEqualTo(127);
                case 1 -> assertThat(container.exec("/etc/passwd").exitCode()).isEqualTo(126);
                case 2 ->
                    assertThat(container.exec("/bin/sh", "-c", "kill -9 $$").exitCode())
                            .isEqualTo(137);
                default ->
                    // The caller goes away, now before the program runs and now while it does.
                    assertThat(Refusal.of(() -> live.cri()
                                            .runtime(Duration.ofMillis(1 + i % 40))
                                            .execSync(ExecSyncRequest.newBuilder()
                                                    .setContainerId(container.id())
                                                    .addCmd("sleep")
                                                    .addCmd("700")
                                                    .build()))
                                    .code())
                            .isEqualTo(Status.Code.DEADLINE_EXCEEDED);
            }
        }));
    }

    @Test
    void manyContainersTakeNoThreadEach() {
        Pod pod = live.pod().run();
        String image = live.busybox();
        Container first = pod.container(image).idle().start();
        int before = Host.threadsOf(live.portafilter().pid());
        List<Container> all = IntStream.range(0, 40)
                .mapToObj(i -> pod.container(image)
                        .shell("while true; do echo line; sleep 0.05; done")
                        .start())
                .toList();
        assertThat(Host.threadsOf(live.portafilter().pid())).isLessThanOrEqualTo(before + 6);
        for (Container container : all) {
            Await.until(
                    "the log grows",
                    Duration.ofSeconds(10),
                    () -> container.logLines().size() > 2);
        }
        assertThat(first.shell("echo responsive")).isEqualTo("responsive");
    }
}
