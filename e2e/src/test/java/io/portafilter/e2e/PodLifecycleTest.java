package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.Status;
import io.portafilter.cri.v1.CgroupDriver;
import io.portafilter.cri.v1.ContainerFilter;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ContainerStateValue;
import io.portafilter.cri.v1.ContainerStatus;
import io.portafilter.cri.v1.ListContainersRequest;
import io.portafilter.cri.v1.ListPodSandboxRequest;
import io.portafilter.cri.v1.MountPropagation;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.PodSandboxFilter;
import io.portafilter.cri.v1.PodSandboxState;
import io.portafilter.cri.v1.PodSandboxStatus;
import io.portafilter.cri.v1.RuntimeCondition;
import io.portafilter.cri.v1.RuntimeConfigRequest;
import io.portafilter.cri.v1.StatusRequest;
import io.portafilter.cri.v1.VersionRequest;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class PodLifecycleTest {
    private static final int FIRST_HOST_ID = 1_310_720;
    private static final int SIGTERM = 15;

    @RegisterExtension
    static final Live live = Live.server();

    @Test
    void versionNamesTheRuntime() {
        var version = live.cri().runtime().version(VersionRequest.getDefaultInstance());
        assertThat(version.getVersion()).isEqualTo("0.1.0");
        assertThat(version.getRuntimeName()).isEqualTo("portafilter");
        assertThat(version.getRuntimeVersion()).matches("\\d+\\.\\d+\\.\\d+.*");
        assertThat(version.getRuntimeApiVersion()).isEqualTo("v1");
    }

    @Test
    void statusHasBothConditionsAndTheDefaultHandler() {
        var status = live.cri().runtime().status(StatusRequest.getDefaultInstance());
        assertThat(status.getStatus().getConditionsList())
                .extracting(RuntimeCondition::getType)
                .contains("RuntimeReady", "NetworkReady");
        assertThat(status.getStatus().getConditionsList())
                .filteredOn(c -> c.getType().equals("RuntimeReady"))
                .allMatch(RuntimeCondition::getStatus);
        assertThat(status.getRuntimeHandlersList()).anyMatch(h -> h.getName().isEmpty());
    }

    @Test
    void runtimeConfigSaysCgroupfs() {
        var config = live.cri().runtime().runtimeConfig(RuntimeConfigRequest.getDefaultInstance());
        assertThat(config.getLinux().getCgroupDriver()).isEqualTo(CgroupDriver.CGROUPFS);
    }

    @Test
    void containersOfAPodShareNetworkAndIpcButNotProcesses() {
        Pod pod = live.pod().run();
        var first = pod.container(live.busybox()).idle().start();
        var second = pod.container(live.busybox()).idle().start();

        Proc one = first.process();
        Proc two = second.process();
        assertThat(one.namespace("net")).isEqualTo(two.namespace("net"));
        assertThat(one.namespace("ipc")).isEqualTo(two.namespace("ipc"));
        assertThat(one.namespace("uts")).isEqualTo(two.namespace("uts"));
        assertThat(one.namespace("pid")).isNotEqualTo(two.namespace("pid"));
        assertThat(one.namespace("mnt")).isNotEqualTo(two.namespace("mnt"));
        for (String kind : List.of("net", "ipc", "uts", "pid", "mnt")) {
            assertThat(one.namespace(kind)).as(kind).isNotEqualTo(Proc.self().namespace(kind));
        }
        assertThat(one.namespace("user")).isEqualTo(Proc.self().namespace("user"));

        // Not only by name: what one container opens the other reaches.
        assertThat(first.shell("nc -l -p 4242 -e echo from-the-first >/dev/null 2>&1 & "
                        + "until netstat -ltn | grep -q :4242; do :; done; echo listening"))
                .isEqualTo("listening");
        assertThat(second.shell("nc 127.0.0.1 4242 </dev/null")).isEqualTo("from-the-first");
        assertThat(first.shell("hostname")).isEqualTo(pod.config().getHostname());
        assertThat(first.shell("ps -o pid,args | grep -c 'sleep 1000$'")).isEqualTo("1");
    }

    @Test
    void loopbackIsUpInAPodOfItsOwnAndTheHostsWithHostNetwork() {
        var own = live.pod().run().container(live.busybox()).idle().start();
        assertThat(own.shell("ip -o addr show")).contains("127.0.0.1/8").doesNotContain("eth0");
        var host =
                live.pod().hostNetwork().run().container(live.busybox()).idle().start();
        assertThat(host.process().namespace("net")).isEqualTo(Proc.self().namespace("net"));
    }

    @Test
    void sharedPidNamespaceShowsTheOtherContainerAndPauseIsItsFirstProcess() {
        Pod pod = live.pod().pid(NamespaceMode.POD).run();
        var first = pod.container(live.busybox()).shell("sleep 7771").start();
        var second = pod.container(live.busybox()).shell("sleep 7772").start();
        assertThat(first.process().namespace("pid")).isEqualTo(second.process().namespace("pid"));
        assertThat(second.shell("ps -o args")).contains("sleep 7771").contains("sleep 7772");
        assertThat(pod.pause().namespace("pid")).isEqualTo(first.process().namespace("pid"));
        assertThat(second.shell("grep NSpid /proc/1/status")).isEqualTo("NSpid:\t1");
        assertThat(second.shell("readlink /proc/1/root 2>&1 || true")).doesNotContain("home");
    }

    @Test
    void hostPidNamespaceShowsTheHost() {
        var container = live.pod()
                .pid(NamespaceMode.NODE)
                .run()
                .container(live.busybox())
                .idle()
                .start();
        assertThat(container.process().namespace("pid")).isEqualTo(Proc.self().namespace("pid"));
        assertThat(container.shell("ps -o pid"))
                .contains(Long.toString(live.portafilter().pid()));
    }

    private static ContainerFixture besides(Pod pod, Container target) {
        return pod.container(live.busybox())
                .idle()
                .security(s -> s.getNamespaceOptionsBuilder()
                        .setPid(NamespaceMode.TARGET)
                        .setTargetId(target.id()));
    }

    @Test
    void aContainerMaySharePidsWithATargetOfItsPodAlone() {
        for (Pod pod : List.of(
                live.pod().run(), live.pod().userNamespace(FIRST_HOST_ID).run())) {
            var target = pod.container(live.busybox())
                    .shell("exec sleep 7773")
                    .pid(NamespaceMode.CONTAINER)
                    .start();
            var other = pod.container(live.busybox())
                    .idle()
                    .pid(NamespaceMode.CONTAINER)
                    .start();
            var debugger = besides(pod, target).start();

            assertThat(debugger.process().namespace("pid"))
                    .isEqualTo(target.process().namespace("pid"));
            assertThat(other.process().namespace("pid"))
                    .isNotEqualTo(target.process().namespace("pid"));
            assertThat(debugger.shell("tr '\\0' ' ' < /proc/1/cmdline")).isEqualTo("sleep 7773");
            assertThat(debugger.shell("kill 1 2>&1; echo sent")).isEqualTo("sent");
            // a third one may name the second
            assertThat(besides(pod, debugger).start().process().namespace("pid"))
                    .isEqualTo(target.process().namespace("pid"));

            target.stop(java.time.Duration.ZERO);
            assertThat(debugger.awaitExit().getExitCode()).isEqualTo(137);
        }
    }

    @Test
    void aTargetMustRunInTheSamePodAtCreateAndAtStart() {
        Pod pod = live.pod().run();
        Pod another = live.pod().run();
        var target = pod.container(live.busybox())
                .idle()
                .pid(NamespaceMode.CONTAINER)
                .create();
        Refusal notYet = Refusal.of(() -> besides(pod, target).create());
        assertThat(notYet.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(notYet.message()).contains("target_id").contains(target.id()).contains("not running");

        target.start();
        Refusal foreign = Refusal.of(() -> besides(another, target).create());
        assertThat(foreign.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(foreign.message()).contains("target_id").contains("this pod");

        var created = besides(pod, target).create();
        target.stop(java.time.Duration.ZERO);
        Refusal gone = Refusal.of(created::start);
        assertThat(gone.code()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        assertThat(gone.message()).contains("target_id").contains("not running");
    }

    @Test
    void rootOfAUserNamespacedPodIsUnprivilegedOnTheHost() throws IOException {
        Path volume = live.directory("volume");
        Files.setPosixFilePermissions(volume, java.nio.file.attribute.PosixFilePermissions.fromString("rwxrwxrwx"));
        Pod beside = live.pod().run();
        var plain = beside.container(live.busybox()).idle().start();
        Pod pod = live.pod().userNamespace(FIRST_HOST_ID).run();
        var container =
                pod.container(live.busybox()).idle().mount(volume, "/volume").start();

        Proc process = container.process();
        assertThat(process.namespace("user"))
                .isNotEqualTo(Proc.self().namespace("user"))
                .isEqualTo(pod.pause().namespace("user"));
        assertThat(plain.process().namespace("user")).isEqualTo(Proc.self().namespace("user"));
        assertThat(process.read("uid_map").trim().split("\\s+")).containsExactly("0", "" + FIRST_HOST_ID, "65536");
        assertThat(process.read("gid_map").trim().split("\\s+")).containsExactly("0", "" + FIRST_HOST_ID, "65536");
        assertThat(process.status().get("Uid"))
                .isEqualTo((FIRST_HOST_ID + " ").repeat(4).trim());

        assertThat(container.shell("id -u")).isEqualTo("0");
        // Files of the image belong to their owner within, not to nobody; what is written goes to the mapped root.
        assertThat(container.shell("stat -c %u:%g /bin/busybox /home/app")).isEqualTo("0:0\n1000:1000");
        assertThat(container.shell("echo x > /written && chown 1000:1000 /written && stat -c %u /written"))
                .isEqualTo("1000");
        assertThat(ownerBelow(live.portafilter().root(), "written")).contains(FIRST_HOST_ID + 1000);
        assertThat(container.shell("mknod /tmp/null c 1 3 2>&1 || echo refused"))
                .contains("refused");
        assertThat(container.shell("ls /dev/null && echo ok > /dev/null && stat -c %a /dev/null"))
                .endsWith("666");
    }

    private static Optional<Integer> ownerBelow(Path root, String name) throws IOException {
        try (var files = Files.walk(root)) {
            Optional<Path> file = files.filter(p -> p.endsWith(name)).findFirst();
            return file.isPresent()
                    ? Optional.of((Integer) Files.getAttribute(file.get(), "unix:uid"))
                    : Optional.empty();
        }
    }

    @Test
    void twoUserNamespacedPodsWithDifferentRangesShareAnImage() {
        var first = live.pod()
                .userNamespace(FIRST_HOST_ID)
                .run()
                .container(live.busybox())
                .idle()
                .start();
        var second = live.pod()
                .userNamespace(FIRST_HOST_ID + 65536)
                .run()
                .container(live.busybox())
                .idle()
                .start();
        assertThat(first.shell("stat -c %u /bin/busybox")).isEqualTo("0");
        assertThat(second.shell("stat -c %u /bin/busybox")).isEqualTo("0");
        assertThat(first.process().status().get("Uid"))
                .isNotEqualTo(second.process().status().get("Uid"));
    }

    @Test
    void statesAndTimesFollowAContainerThroughItsLife() {
        Pod pod = live.pod().run();
        Instant before = Instant.now();
        var container = pod.container(live.busybox())
                .shell("until [ -e /go ]; do sleep 0.01; done; exit 3")
                .create();
        ContainerStatus created = container.status();
        assertThat(created.getState()).isEqualTo(ContainerState.CONTAINER_CREATED);
        assertThat(instant(created.getCreatedAt())).isBetween(before.minusMillis(1), Instant.now());
        assertThat(created.getStartedAt()).isZero();
        assertThat(created.getFinishedAt()).isZero();

        container.start();
        ContainerStatus running = container.status();
        assertThat(running.getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
        assertThat(running.getStartedAt()).isGreaterThan(created.getCreatedAt());
        assertThat(running.getFinishedAt()).isZero();
        assertThat(running.getReason()).isEmpty();

        container.shell("touch /go");
        ContainerStatus exited = container.awaitExit();
        assertThat(exited.getExitCode()).isEqualTo(3);
        assertThat(exited.getReason()).isEqualTo("Error");
        assertThat(exited.getFinishedAt()).isGreaterThanOrEqualTo(running.getStartedAt());
        assertThat(exited.getStartedAt()).isEqualTo(running.getStartedAt());
        assertThat(exited.getCreatedAt()).isEqualTo(created.getCreatedAt());
        assertThat(exited.getImageId())
                .isEqualTo(exited.getImageRef().contains("@") ? exited.getImageId() : exited.getImageRef());
        assertThat(exited.getImageRef()).isNotEmpty();
        assertThat(exited.getImage().getImage()).isEqualTo(live.busybox());
        assertThat(exited.getLogPath()).isEqualTo(container.log().toString());
    }

    private static Instant instant(long nanos) {
        return Instant.ofEpochSecond(0, nanos);
    }

    @Test
    void exitZeroIsCompleted() {
        ContainerStatus status = live.pod()
                .run()
                .container(live.busybox())
                .shell("exit 0")
                .runToEnd()
                .status();
        assertThat(status.getExitCode()).isZero();
        assertThat(status.getReason()).isEqualTo("Completed");
    }

    @Test
    void aSignalIsItsNumberPlus128() {
        ContainerStatus status = live.pod()
                .pid(NamespaceMode.POD)
                .run()
                .container(live.busybox())
                .shell("kill -SEGV $$")
                .runToEnd()
                .status();
        assertThat(status.getExitCode()).isEqualTo(139);
        assertThat(status.getReason()).isEqualTo("Error");
    }

    @Test
    void outOfMemoryIs137AndOomKilled() {
        ContainerStatus status = live.pod()
                .run()
                .container(live.busybox())
                .shell("dd if=/dev/zero of=/dev/null bs=64M count=1")
                .memoryLimit(15 << 20)
                .runToEnd()
                .status();
        assertThat(status.getExitCode()).isEqualTo(137);
        assertThat(status.getReason()).isEqualTo("OOMKilled");
    }

    @Test
    void aKilledContainerThatHadMemoryLeftIsNotOomKilled() {
        var container = live.pod()
                .run()
                .container(live.busybox())
                .idle()
                .memoryLimit(64 << 20)
                .start();
        container.stop(Duration.ZERO);
        assertThat(container.status().getExitCode()).isEqualTo(137);
        assertThat(container.status().getReason()).isEqualTo("Error");
    }

    @Test
    void stopSendsSigtermAndTheExitCodeIs143() {
        // Process 1 of its namespace: only a handler ends it, so the shell exits as a program does that honours
        // SIGTERM.
        var container = live.pod().run().container(live.busybox()).idle().start();
        container.awaitHandlerOf(SIGTERM);
        container.stop(Duration.ofSeconds(20));
        assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
        assertThat(container.status().getExitCode()).isEqualTo(143);

        var plain = live.pod()
                .pid(NamespaceMode.POD)
                .run()
                .container(live.busybox())
                .command("sleep", "1000")
                .start();
        plain.stop(Duration.ofSeconds(20));
        assertThat(plain.status().getExitCode()).isEqualTo(143);
    }

    @Test
    void aProgramThatIgnoresSigtermIsKilledAfterTheGrace() {
        var container = live.pod()
                .run()
                .container(live.busybox())
                .shell("trap 'echo got it' TERM; echo ready; while true; do sleep 1000 & wait $!; done")
                .start();
        Await.until(
                "the trap is set",
                Duration.ofSeconds(5),
                () -> container.logged("stdout").contains("ready"));
        long begin = System.nanoTime();
        container.stop(Duration.ofSeconds(1));
        Duration took = Duration.ofNanos(System.nanoTime() - begin);
        assertThat(container.status().getExitCode()).isEqualTo(137);
        assertThat(took).isBetween(Duration.ofMillis(900), Duration.ofSeconds(4));
        assertThat(container.logged("stdout")).isEqualTo("ready\ngot it\n");
    }

    @Test
    void theImagesStopSignalIsSent() {
        var container = live.pod()
                .run()
                .container(live.image(TestImages.layered()))
                .command("/bin/sh", "-c", "trap 'exit 9' USR1; echo ready; while true; do sleep 1000 & wait $!; done")
                .start();
        Await.until(
                "the trap is set",
                Duration.ofSeconds(5),
                () -> container.logged("stdout").contains("ready"));
        container.stop(Duration.ofSeconds(10));
        assertThat(container.status().getExitCode()).isEqualTo(9);
    }

    @Test
    void stoppingTakesTheChildrenAlongAlsoInASharedPidNamespace() {
        var container = live.pod()
                .pid(NamespaceMode.POD)
                .run()
                .container(live.busybox())
                .shell("sleep 8881 & sleep 8882 & wait")
                .start();
        Await.until(
                "children run",
                Duration.ofSeconds(5),
                () -> container.shell("ps -o args").contains("sleep 8882"));
        List<Path> groups = container.process().cgroup("memory").stream().toList();
        container.stop(Duration.ofSeconds(1));
        assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
        for (Path group : groups) {
            Await.until(
                    "no process is left in " + group,
                    Duration.ofSeconds(5),
                    () -> !Files.exists(group)
                            || Files.readString(group.resolve("cgroup.procs")).isEmpty());
        }
    }

    @Test
    void execRunsInTheContainerWithItsIdentity() {
        var container = live.pod()
                .run()
                .container(live.busybox())
                .idle()
                .runAsUser(1000)
                .runAsGroup(1000)
                .env("GREETING", "hello there")
                .workingDirectory("/tmp")
                .start();
        assertThat(container.shell("id -u; id -g; pwd; echo $GREETING; echo $HOME"))
                .isEqualTo("1000\n1000\n/tmp\nhello there\n/home/app");
        var output = container.exec("sh", "-c", "echo out; echo err >&2; exit 5");
        assertThat(output).isEqualTo(new Container.Output("out\n", "err\n", 5));
        for (String kind : List.of("pid", "mnt", "net", "ipc", "uts", "user")) {
            assertThat(container.shell("readlink /proc/self/ns/" + kind))
                    .isEqualTo(container.process().namespace(kind));
        }
        assertThat(container.shell("cat /proc/self/cgroup")).isEqualTo(container.shell("cat /proc/1/cgroup"));
    }

    @Test
    void execOfALargeOutputIsComplete() {
        var container = live.pod().run().container(live.busybox()).idle().start();
        var output = container.exec("sh", "-c", "seq 1 200000");
        assertThat(output.stdout().lines().count()).isEqualTo(200_000);
        assertThat(output.stdout()).endsWith("200000\n");
    }

    @Test
    void execThatTakesTooLongIsKilledWithItsChildren() {
        var container = live.pod().run().container(live.busybox()).idle().start();
        Refusal refusal =
                Refusal.of(() -> container.exec(Duration.ofSeconds(1), "sh", "-c", "sleep 4321 & sleep 4321; true"));
        assertThat(refusal.code()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
        Await.untilEquals(
                "processes of the exec",
                Duration.ofSeconds(5),
                "0",
                () -> container.shell("ps -o args | grep -c '^sleep 4321' || true"));
        assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
    }

    @Test
    void execAnswersWhenABackgroundChildKeepsTheOutputOpen() {
        var container = live.pod().run().container(live.busybox()).idle().start();
        long begin = System.nanoTime();
        assertThat(container.shell("sleep 600 & echo started")).isEqualTo("started");
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(10));
        assertThat(container.shell("ps -o args | grep -c '^sleep 600'")).isEqualTo("1");
    }

    @Test
    void execOfAMissingProgramSaysSo() {
        var container = live.pod().run().container(live.busybox()).idle().start();
        try {
            var output = container.exec("/no/such/program");
            assertThat(output.exitCode()).isEqualTo(127);
        } catch (io.grpc.StatusRuntimeException e) {
            assertThat(e.getStatus().getDescription()).contains("/no/such/program");
        }
    }

    @Test
    void logsHaveTheFormOfCri() {
        Instant before = Instant.now();
        var container = live.pod()
                .run()
                .container(live.busybox())
                .shell("echo one; echo; echo two >&2; printf unfinished")
                .runToEnd();
        List<Container.LogLine> lines = container.logLines();
        assertThat(lines.stream().filter(l -> l.stream().equals("stdout")).map(l -> l.tag() + l.text()))
                .containsExactly("Fone", "F", "Punfinished");
        assertThat(lines.stream().filter(l -> l.stream().equals("stderr")).map(l -> l.tag() + l.text()))
                .containsExactly("Ftwo");
        assertThat(lines)
                .extracting(l -> Instant.parse(l.time()))
                .allSatisfy(t -> assertThat(t).isBetween(before.minusMillis(1), Instant.now()));
    }

    @Test
    void longLinesAreSplitIntoPartsThatMakeTheLineAgain() {
        var container = live.pod()
                .run()
                .container(live.busybox())
                .shell("head -c 50000 /dev/zero | tr '\\0' x; echo; echo end")
                .runToEnd();
        var lines = container.logLines();
        assertThat(lines.getLast().text()).isEqualTo("end");
        var parts = lines.subList(0, lines.size() - 1);
        assertThat(parts).hasSizeGreaterThan(2).allMatch(l -> l.text().length() <= 16 << 10);
        assertThat(parts.stream().map(l -> l.tag()).toList())
                .isEqualTo(IntStream.range(0, parts.size())
                        .mapToObj(i -> i == parts.size() - 1 ? "F" : "P")
                        .toList());
        assertThat(parts.stream().mapToInt(l -> l.text().length()).sum()).isEqualTo(50_000);
    }

    @Test
    void everyLineOfManyIsLoggedInOrder() {
        var container =
                live.pod().run().container(live.busybox()).shell("seq 1 50000").runToEnd();
        String expected =
                IntStream.rangeClosed(1, 50_000).mapToObj(i -> i + "\n").collect(Collectors.joining());
        assertThat(container.logged("stdout")).isEqualTo(expected);
    }

    @Test
    void environmentOfImageAndRequestAreMerged() {
        var container = live.pod()
                .run()
                .container(live.image(TestImages.layered()))
                .command("/bin/env")
                .env("BOTH", "request")
                .env("NEW", "with = and spaces ")
                .runToEnd();
        assertThat(container.output().lines())
                .contains("PATH=/bin", "FROM_IMAGE=yes", "BOTH=request", "NEW=with = and spaces ")
                .contains("HOME=/home/app")
                .anyMatch(line -> line.startsWith("HOSTNAME=pod-"))
                .doesNotHaveDuplicates()
                .doesNotContain("BOTH=image");
    }

    @Test
    void entrypointAndCommandOfTheImageAreUsedAsDockerDoes() {
        String image = live.image(TestImages.layered());
        Pod pod = live.pod().run();
        assertThat(pod.container(image).runToEnd().output().lines())
                .containsExactly("uid=1000(app) gid=1000(app) groups=1000(app),2000(disk),2001(audio)", "/work", "yes");
        assertThat(pod.container(image).args("echo args only").runToEnd().output())
                .isEqualTo("args only\n");
        assertThat(pod.container(image)
                        .command("/bin/echo")
                        .args("command", "and args")
                        .runToEnd()
                        .output())
                .isEqualTo("command and args\n");
    }

    @Test
    void layersAreStackedWithTheirWhiteouts() {
        var container = live.pod()
                .run()
                .container(live.image(TestImages.layered()))
                .shell("cd /stack && for f in kept replaced linked opaque/shown; do cat $f; done; ls; ls opaque")
                .runToEnd();
        assertThat(container.output().lines())
                .containsExactly("lower", "upper", "lower", "upper", "kept", "linked", "opaque", "replaced", "shown");
    }

    @Test
    void volumesOfTheImageAreFreshCopies() {
        String image = live.image(TestImages.layered());
        Pod pod = live.pod().run();
        var first = pod.container(image)
                .shell("cat /data/from-image; echo changed > /data/from-image; stat -c %u /data/from-image")
                .runToEnd();
        assertThat(first.output()).isEqualTo("volume content\n1000\n");
        var second = pod.container(image).shell("cat /data/from-image").runToEnd();
        assertThat(second.output()).isEqualTo("volume content\n");
    }

    @Test
    void writesOfOneContainerAreNotSeenByAnother() {
        Pod pod = live.pod().run();
        pod.container(live.busybox()).shell("echo mine > /tmp/file; rm /bin/vi").runToEnd();
        assertThat(pod.container(live.busybox())
                        .shell("ls /tmp; ls /bin/vi")
                        .runToEnd()
                        .output())
                .isEqualTo("/bin/vi\n");
    }

    @Test
    void workingDirectoryIsMadeWhenTheImageLacksIt() {
        var container = live.pod()
                .run()
                .container(live.busybox())
                .shell("pwd; stat -c %a .")
                .workingDirectory("/made/for/this")
                .runToEnd();
        assertThat(container.output()).isEqualTo("/made/for/this\n755\n");
    }

    @Test
    void volumesAreMountedReadOnlyAndReadWrite() throws IOException {
        Path shared = live.directory("shared");
        Files.writeString(shared.resolve("from-host"), "host\n");
        Pod pod = live.pod().run();
        var writer = pod.container(live.busybox())
                .shell("cat /data/from-host; echo container > /data/from-container")
                .mount(shared, "/data")
                .runToEnd();
        assertThat(writer.output()).isEqualTo("host\n");
        assertThat(shared.resolve("from-container")).hasContent("container");
        var reader = pod.container(live.busybox())
                .shell("cat /data/from-container; touch /data/x 2>&1")
                .readOnlyMount(shared, "/data")
                .runToEnd();
        assertThat(reader.output()).startsWith("container\n").contains("Read-only file system");
        assertThat(reader.status().getMountsList()).singleElement().satisfies(m -> {
            assertThat(m.getHostPath()).isEqualTo(shared.toString());
            assertThat(m.getContainerPath()).isEqualTo("/data");
            assertThat(m.getReadonly()).isTrue();
        });
    }

    @Test
    void aSingleFileIsMountedOverAFileOfTheImage() throws IOException {
        Path file = live.directory("file").resolve("passwd");
        Files.writeString(file, "mounted:x:0:0::/:/bin/sh\n");
        var container = live.pod()
                .run()
                .container(live.busybox())
                .shell("cat /etc/passwd")
                .readOnlyMount(file, "/etc/passwd")
                .runToEnd();
        assertThat(container.output()).isEqualTo("mounted:x:0:0::/:/bin/sh\n");
    }

    @Test
    void aMissingHostPathIsMadeAsADirectory() {
        Path missing = live.directory("parent").resolve("made/for/pod");
        var container = live.pod()
                .run()
                .container(live.busybox())
                .shell("touch /data/file")
                .mount(missing, "/data")
                .runToEnd();
        assertThat(container.status().getExitCode()).isZero();
        assertThat(missing.resolve("file")).exists();
    }

    @Test
    void aLinkOfTheHostIsFollowedForAVolume() throws IOException {
        Path directory = live.directory("real");
        Files.writeString(directory.resolve("file"), "through the link\n");
        Path link = live.directory("links").resolve("link");
        Files.createSymbolicLink(link, directory);
        var container = live.pod()
                .run()
                .container(live.busybox())
                .shell("cat /data/file")
                .mount(link, "/data")
                .runToEnd();
        assertThat(container.output()).isEqualTo("through the link\n");
        assertThat(container.status().getMounts(0).getHostPath()).isEqualTo(link.toString());
    }

    @Test
    void volumesNestInOneAnother() throws IOException {
        Path outer = live.directory("outer");
        Path inner = live.directory("inner");
        Files.writeString(outer.resolve("o"), "");
        Files.writeString(inner.resolve("i"), "");
        var container = live.pod()
                .run()
                .container(live.busybox())
                .shell("ls /data /data/in")
                .mount(inner, "/data/in")
                .mount(outer, "/data")
                .runToEnd();
        assertThat(container.output()).isEqualTo("/data:\nin\no\n\n/data/in:\ni\n");
    }

    @Test
    void recursiveReadOnlyCoversMountsBelowTheVolume() throws IOException {
        Path volume = live.directory("rro");
        Path below = Files.createDirectory(volume.resolve("below"));
        Commands.run("mount", "-t", "tmpfs", "tmpfs", below.toString()).orFail();
        try {
            Pod pod = live.pod().run();
            String script = "touch /data/below/x && echo written";
            assertThat(pod.container(live.busybox())
                            .shell(script)
                            .readOnlyMount(volume, "/data")
                            .runToEnd()
                            .output())
                    .isEqualTo("written\n");
            var recursive = pod.container(live.busybox())
                    .shell(script)
                    .readOnlyMount(volume, "/data")
                    .configure(c -> c.getMountsBuilder(0)
                            .setRecursiveReadOnly(true)
                            .setPropagation(MountPropagation.PROPAGATION_PRIVATE))
                    .runToEnd();
            assertThat(recursive.output()).isEmpty();
            assertThat(recursive.logged("stderr")).contains("Read-only file system");
        } finally {
            Commands.run("umount", below.toString()).orFail();
        }
    }

    @Test
    void mountsOfTheHostReachAContainerThatAskedForIt() throws IOException {
        Path volume = live.directory("propagation");
        Commands.run("mount", "--bind", volume.toString(), volume.toString()).orFail();
        Commands.run("mount", "--make-shared", volume.toString()).orFail();
        Path late = Files.createDirectory(volume.resolve("late"));
        try {
            Pod pod = live.pod().run();
            var listening = pod.container(live.busybox())
                    .idle()
                    .mount(volume, "/data")
                    .configure(
                            c -> c.getMountsBuilder(0).setPropagation(MountPropagation.PROPAGATION_HOST_TO_CONTAINER))
                    .start();
            var alone =
                    pod.container(live.busybox()).idle().mount(volume, "/data").start();
            Commands.run("mount", "-t", "tmpfs", "tmpfs", late.toString()).orFail();
            Files.writeString(late.resolve("seen"), "");
            assertThat(listening.shell("ls /data/late")).isEqualTo("seen");
            assertThat(alone.shell("ls /data/late")).isEmpty();
        } finally {
            Commands.run("umount", "-R", volume.toString()).orFail();
        }
    }

    @Test
    void devicesAndSharedMemoryAreThere() {
        Pod pod = live.pod().run();
        var container = pod.container(live.busybox()).idle().start();
        assertThat(container.shell("for d in null zero full random urandom tty; do stat -c '%n %F %a' /dev/$d; done"))
                .isEqualTo("null zero full random urandom tty"
                        .lines()
                        .flatMap(l -> List.of(l.split(" ")).stream())
                        .map(d -> "/dev/" + d + " character special file 666")
                        .collect(Collectors.joining("\n")));
        assertThat(container.shell("for l in fd stdin stdout stderr; do readlink /dev/$l; done"))
                .isEqualTo("/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2");
        assertThat(container.shell("stat -c %a /dev/shm; df -k /dev/shm | tail -1 | awk '{print $2}'"))
                .isEqualTo("1777\n65536");
        var second = pod.container(live.busybox()).idle().start();
        container.shell("echo shared > /dev/shm/file");
        assertThat(second.shell("cat /dev/shm/file")).isEqualTo("shared");
        assertThat(container.shell("echo to-dev-stdout > /dev/stdout")).isEqualTo("to-dev-stdout");
    }

    @Test
    void anUnprivilegedUserWritesToItsStandardStreamsByName() {
        var container = live.pod()
                .run()
                .container(live.busybox())
                .shell("echo one > /dev/stdout; echo two > /dev/stderr")
                .runAsUser(1000)
                .runToEnd();
        assertThat(container.logged("stdout")).isEqualTo("one\n");
        assertThat(container.logged("stderr")).isEqualTo("two\n");
    }

    @Test
    void hostsHostnameAndResolvConfAreThere() {
        var container = live.pod()
                .configure(p -> p.getDnsConfigBuilder()
                        .addServers("10.0.0.10")
                        .addSearches("e2e.local")
                        .addOptions("ndots:5"))
                .run()
                .container(live.busybox())
                .idle()
                .start();
        assertThat(container.shell("cat /etc/resolv.conf"))
                .isEqualTo("search e2e.local\nnameserver 10.0.0.10\noptions ndots:5");
        assertThat(container.shell("cat /etc/hostname")).isEqualTo(container.shell("hostname"));
        assertThat(container.shell("grep -c localhost /etc/hosts")).isNotEqualTo("0");
    }

    @Test
    void limitsAreInTheContainersCgroup() throws IOException {
        var container = live.pod()
                .run()
                .container(live.busybox())
                .idle()
                .memoryLimit(48 << 20)
                .resources(r -> r.setCpuShares(512)
                        .setCpuQuota(20_000)
                        .setCpuPeriod(100_000)
                        .setOomScoreAdj(500))
                .start();
        Proc process = container.process();
        assertThat(process.read("oom_score_adj").trim()).isEqualTo("500");
        Path memory = process.cgroup("memory").orElseThrow();
        assertThat(memory.toString()).contains(live.portafilter().cgroupParent());
        if (Files.exists(memory.resolve("memory.limit_in_bytes"))) {
            assertThat(memory.resolve("memory.limit_in_bytes")).hasContent("" + (48 << 20));
            Path cpu = process.cgroup("cpu").orElseThrow();
            assertThat(cpu.resolve("cpu.shares")).hasContent("512");
            assertThat(cpu.resolve("cpu.cfs_quota_us")).hasContent("20000");
            assertThat(cpu.resolve("cpu.cfs_period_us")).hasContent("100000");
        } else {
            assertThat(memory.resolve("memory.max")).hasContent("" + (48 << 20));
            assertThat(memory.resolve("cpu.max")).hasContent("20000 100000");
        }
    }

    @Test
    void devicesOfTheHostStayShutForARootContainerThatMakesTheirNodes() {
        assumeTrue(Files.exists(Path.of("/dev/kmsg")), "no /dev/kmsg on this host");
        var container = live.pod().run().container(live.busybox()).idle().start();
        // MKNOD is in the default set: the node can be made, the devices cgroup keeps it shut.
        assertThat(container.shell("mknod /tmp/kmsg c 1 11 && (head -c 1 /tmp/kmsg 2>&1 || true)"))
                .contains("Operation not permitted");
        assertThat(container.shell("mknod /tmp/zero c 1 5 && head -c 4 /tmp/zero | wc -c"))
                .isEqualTo("4");
    }

    @Test
    void listsFilterByEverything() {
        Pod pod = live.pod()
                .configure(p ->
                        p.putLabels("app", "web").putLabels("tier", "front").putAnnotations("note", "kept = as is\n"))
                .run();
        Pod other = live.pod().configure(p -> p.putLabels("app", "web")).run();
        var container = pod.container(live.busybox())
                .idle()
                .configure(c -> c.putLabels("role", "main").putAnnotations("a", "b"))
                .start();
        var created = other.container(live.busybox()).idle().create();

        assertThat(pods(PodSandboxFilter.newBuilder().putLabelSelector("app", "web")))
                .containsExactlyInAnyOrder(pod.id(), other.id());
        assertThat(pods(PodSandboxFilter.newBuilder()
                        .putLabelSelector("app", "web")
                        .putLabelSelector("tier", "front")))
                .containsExactly(pod.id());
        assertThat(pods(PodSandboxFilter.newBuilder().setId(pod.id().substring(0, 12))))
                .containsExactly(pod.id());
        assertThat(pods(PodSandboxFilter.newBuilder().setId("f".repeat(64)))).isEmpty();

        assertThat(containers(ContainerFilter.newBuilder().setPodSandboxId(pod.id())))
                .containsExactly(container.id());
        assertThat(containers(ContainerFilter.newBuilder().putLabelSelector("role", "main")))
                .containsExactly(container.id());
        assertThat(containers(ContainerFilter.newBuilder()
                        .setState(ContainerStateValue.newBuilder().setState(ContainerState.CONTAINER_CREATED))))
                .containsExactly(created.id());
        assertThat(containers(ContainerFilter.newBuilder()
                        .setPodSandboxId(other.id())
                        .setState(ContainerStateValue.newBuilder().setState(ContainerState.CONTAINER_RUNNING))))
                .isEmpty();
        PodSandboxStatus status = pod.status();
        assertThat(status.getAnnotationsMap()).containsEntry("note", "kept = as is\n");
        assertThat(status.getLabelsMap()).containsEntry("tier", "front");
        assertThat(container.status().getAnnotationsMap()).containsEntry("a", "b");
    }

    private static List<String> pods(PodSandboxFilter.Builder filter) {
        return live
                .cri()
                .runtime()
                .listPodSandbox(
                        ListPodSandboxRequest.newBuilder().setFilter(filter).build())
                .getItemsList()
                .stream()
                .map(p -> p.getId())
                .toList();
    }

    private static List<String> containers(ContainerFilter.Builder filter) {
        return live
                .cri()
                .runtime()
                .listContainers(
                        ListContainersRequest.newBuilder().setFilter(filter).build())
                .getContainersList()
                .stream()
                .map(c -> c.getId())
                .toList();
    }

    @Test
    void stopAndRemoveMayBeRepeated() {
        Pod pod = live.pod().run();
        var container = pod.container(live.busybox()).idle().start();
        container.stop(Duration.ofSeconds(5));
        container.stop(Duration.ofSeconds(5));
        container.remove();
        container.remove();
        assertThat(Refusal.of(container::status).code()).isEqualTo(Status.Code.NOT_FOUND);
        pod.stop();
        pod.stop();
        assertThat(pod.status().getState()).isEqualTo(PodSandboxState.SANDBOX_NOTREADY);
        pod.remove();
        pod.remove();
        assertThat(Refusal.of(pod::status).code()).isEqualTo(Status.Code.NOT_FOUND);
    }

    @Test
    void stoppingAPodKillsItsContainersAndRemovingItRemovesThem() {
        Pod pod = live.pod().run();
        var container = pod.container(live.busybox()).idle().start();
        Proc process = container.process();
        pod.stop();
        assertThat(container.status().getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
        assertThat(Proc.isAlive(process.pid())).isFalse();
        assertThat(Refusal.of(() -> pod.container(live.busybox()).idle().create())
                        .message())
                .isNotEmpty();
        pod.remove();
        assertThat(Refusal.of(container::status).code()).isEqualTo(Status.Code.NOT_FOUND);
    }

    @Test
    void removingARunningContainerEndsIt() {
        Pod pod = live.pod().run();
        var container = pod.container(live.busybox()).idle().start();
        Proc process = container.process();
        container.remove();
        assertThat(Proc.isAlive(process.pid())).isFalse();
        assertThat(container.log()).exists();
    }

    @Test
    void theSameRequestAgainAnswersTheSameSandboxAndAnotherOfThatNameIsRefused() {
        PodFixture fixture = live.pod();
        Pod pod = fixture.run();
        assertThat(fixture.run().id()).isEqualTo(pod.id());
        Refusal refusal = Refusal.of(
                () -> fixture.configure(p -> p.putLabels("other", "request")).run());
        assertThat(refusal.code()).isEqualTo(Status.Code.ALREADY_EXISTS);
        assertThat(refusal.message()).contains(pod.id().substring(0, 12));
    }

    @Test
    void sysctlsOfThePodAreSetInItsNamespaces() {
        var container = live.pod()
                .configure(p -> p.getLinuxBuilder()
                        .putSysctls("kernel.shm_rmid_forced", "1")
                        .putSysctls("fs.mqueue.msg_max", "100")
                        .putSysctls("net.ipv4.ip_unprivileged_port_start", "80"))
                .run()
                .container(live.busybox())
                .idle()
                .start();
        assertThat(
                        container.shell(
                                "cd /proc/sys; cat kernel/shm_rmid_forced fs/mqueue/msg_max net/ipv4/ip_unprivileged_port_start"))
                .isEqualTo("1\n100\n80");
    }

    @Test
    void inItsOwnNetworkAnyUserBindsLowPortsUnlessThePodSaysOtherwise() {
        String listens = "timeout 0.2 nc -l -p 77 2>&1; [ $? = 143 ] && echo listened";
        Pod pod = live.pod().run();
        Container container =
                pod.container(live.busybox()).idle().runAsUser(1000).drop("ALL").start();
        assertThat(container.shell(listens)).endsWith("listened");
        assertThat(container.shell("cat /proc/sys/net/ipv4/ping_group_range")).matches("0\\s+2147483647");

        Container mapped = live.pod()
                .userNamespace(300_000)
                .run()
                .container(live.busybox())
                .idle()
                .runAsUser(1000)
                .start();
        assertThat(mapped.shell(listens)).endsWith("listened");

        Container kept = live.pod()
                .configure(p -> p.getLinuxBuilder().putSysctls("net.ipv4.ip_unprivileged_port_start", "1024"))
                .run()
                .container(live.busybox())
                .idle()
                .runAsUser(1000)
                .start();
        assertThat(kept.exec("/bin/sh", "-c", listens).stdout()).contains("denied");
    }

    @Test
    void readsAnswerWhileAContainerIsStopping() {
        var container = live.pod()
                .run()
                .container(live.busybox())
                .shell("trap '' TERM; while true; do sleep 1000; done")
                .start();
        Thread stopping = Thread.ofVirtual().start(() -> container.stop(Duration.ofSeconds(2)));
        long begin = System.nanoTime();
        assertThat(container.status().getState())
                .isIn(Set.of(ContainerState.CONTAINER_RUNNING, ContainerState.CONTAINER_EXITED));
        assertThat(container.shell("echo still here")).isEqualTo("still here");
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(1));
        try {
            stopping.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        assertThat(container.status().getExitCode()).isEqualTo(137);
    }

    @Test
    void mountOptionsOfAVolumeHoldForWhatLiesBelowItToo() throws IOException {
        Path volume = live.directory("restricted");
        Files.copy(Path.of("/bin/true"), volume.resolve("true"), java.nio.file.StandardCopyOption.COPY_ATTRIBUTES);
        for (boolean restricted : List.of(false, true)) {
            var container = live.pod()
                    .run()
                    .container(live.busybox())
                    .idle()
                    .configure(c -> {
                        var mount = c.addMountsBuilder()
                                .setHostPath(volume.toString())
                                .setContainerPath("/volume");
                        if (restricted) {
                            mount.addMountOptions("noexec")
                                    .addMountOptions("nodev")
                                    .addMountOptions("nosuid");
                        }
                    })
                    .start();
            Set<String> flags = Set.of(container
                    .shell("grep ' /volume ' /proc/self/mountinfo")
                    .split(" ")[5]
                    .split(","));
            if (restricted) {
                assertThat(flags).contains("noexec", "nodev", "nosuid");
                assertThat(container.exec("/volume/true").exitCode()).isNotZero();
            } else {
                assertThat(flags).doesNotContain("noexec", "nosuid");
            }
        }
    }
}
