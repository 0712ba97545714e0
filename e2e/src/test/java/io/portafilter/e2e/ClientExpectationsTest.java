package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.grpc.Status;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.MountPropagation;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.ReopenContainerLogRequest;
import io.portafilter.cri.v1.SecurityProfile.ProfileType;
import io.portafilter.cri.v1.UserNamespace;
import java.io.IOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What a client of CRI takes a field to mean, by what a container can then do and what the host sees of it. */
class ClientExpectationsTest {
    @RegisterExtension
    static final Live live = Live.server();

    private static Container idleIn(PodFixture pod) {
        return pod.run().container(live.busybox()).idle().start();
    }

    @Test
    void whatAContainerMountsReachesTheHostBelowABidirectionalVolumeAlone() throws IOException {
        Path volume = live.directory("bidirectional");
        Commands.run("mount", "--bind", volume.toString(), volume.toString()).orFail();
        Commands.run("mount", "--make-shared", volume.toString()).orFail();
        try {
            Pod pod = live.pod().privileged().run();
            for (MountPropagation propagation : List.of(
                    MountPropagation.PROPAGATION_PRIVATE,
                    MountPropagation.PROPAGATION_HOST_TO_CONTAINER,
                    MountPropagation.PROPAGATION_BIDIRECTIONAL)) {
                String name = propagation.name().toLowerCase(Locale.ROOT);
                Path inside = Files.createDirectory(volume.resolve(name));
                Path late = Files.createDirectory(volume.resolve(name + "-late"));
                Container container = pod.container(live.busybox())
                        .idle()
                        .privileged()
                        .mount(volume, "/data")
                        .configure(c -> c.getMountsBuilder(0).setPropagation(propagation))
                        .start();
                container.shell("mount -t tmpfs none /data/" + name + " && touch /data/" + name + "/made");
                assertThat(Files.exists(inside.resolve("made")))
                        .as("mounted by the container, seen on the host: %s", propagation)
                        .isEqualTo(propagation == MountPropagation.PROPAGATION_BIDIRECTIONAL);
                Commands.run("mount", "-t", "tmpfs", "tmpfs", late.toString()).orFail();
                Files.writeString(late.resolve("made"), "");
                assertThat(container.shell("ls /data/" + name + "-late"))
                        .as("mounted by the host, seen in the container: %s", propagation)
                        .isEqualTo(propagation == MountPropagation.PROPAGATION_PRIVATE ? "" : "made");
                assertThat(container.status().getMountsList())
                        .singleElement()
                        .satisfies(mount -> assertThat(mount.getPropagation()).isEqualTo(propagation));
            }
        } finally {
            Commands.run("umount", "-R", volume.toString()).orFail();
        }
    }

    @Test
    void aVolumeByALinkIsListedAsItWasAskedFor() throws IOException {
        Path directory = live.directory("volume");
        Path link = Files.createSymbolicLink(directory.resolveSibling("link-" + directory.getFileName()), directory);
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .idle()
                .mount(link, "/data")
                .start();
        container.shell("echo written > /data/file");
        assertThat(directory.resolve("file")).hasContent("written");
        assertThat(container.status().getMountsList()).singleElement().satisfies(mount -> {
            assertThat(mount.getHostPath()).isEqualTo(link.toString());
            assertThat(mount.getContainerPath()).isEqualTo("/data");
        });
    }

    @Test
    void aSharedMemorySegmentOfTheHostIsSeenInItsIpcNamespaceAlone() {
        assumeTrue(Files.isExecutable(Path.of("/usr/bin/ipcmk")), "ipcmk of util-linux is missing");
        String id = Commands.run("ipcmk", "--shmem", "4096").orFail().replaceAll("\\D", "");
        try {
            assertThat(segments(idleIn(live.pod().hostIpc()))).contains(id);
            assertThat(segments(idleIn(live.pod()))).isEmpty();
        } finally {
            Commands.run("ipcrm", "--shmem-id", id).orFail();
        }
    }

    private static List<String> segments(Container container) {
        return container
                .shell("awk 'NR > 1 {print $2}' /proc/sysvipc/shm")
                .lines()
                .toList();
    }

    @Test
    void aServerInTheHostsNetworkIsReachedFromTheHostAndOneInItsOwnIsNot() throws IOException {
        int port = TestRegistry.freePort();
        String serve = "httpd -p 127.0.0.1:" + port + " -h /etc && wget -q -O - http://127.0.0.1:" + port + "/group";
        String served = TestImages.GROUP.stripTrailing();
        assertThat(idleIn(live.pod()).shell(serve)).isEqualTo(served);
        assertThat(answersOnTheHost(port)).isFalse();
        assertThat(idleIn(live.pod().hostNetwork()).shell(serve)).isEqualTo(served);
        assertThat(answersOnTheHost(port)).isTrue();
    }

    private static boolean answersOnTheHost(int port) {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port)) {
            socket.getOutputStream().write("GET /group HTTP/1.0\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
            return answer.contains(TestImages.GROUP);
        } catch (IOException e) {
            return false;
        }
    }

    @Test
    void withACapabilityItsCallsWorkAndWithoutItTheyDoNot() {
        Pod pod = live.pod().privileged().run();
        String administer = "ip link set lo mtu 65000 2>&1 && echo done || true";
        assertThat(idle(pod).start().shell(administer)).contains("Operation not permitted");
        for (ContainerFixture able : List.of(
                idle(pod).add("NET_ADMIN"), idle(pod).add("ALL"), idle(pod).privileged())) {
            assertThat(able.start().shell(administer)).isEqualTo("done");
        }
        String ping = "ping -c 1 127.0.0.1 2>&1 && echo done || true";
        assertThat(idle(pod).start().shell(ping)).endsWith("done");
        for (ContainerFixture unable :
                List.of(idle(pod).drop("NET_RAW"), idle(pod).drop("ALL"))) {
            assertThat(unable.start().shell(ping)).containsIgnoringCase("permission denied");
        }
    }

    private static ContainerFixture idle(Pod pod) {
        return pod.container(live.busybox()).idle();
    }

    @Test
    void aProfileOfTheHostForbidsWhatACapabilityAllowsUnlessPrivileged() throws IOException {
        Path profile = live.directory("profiles").resolve("no-sethostname.json");
        Files.writeString(profile, """
                {"defaultAction": "SCMP_ACT_ALLOW",
                 "syscalls": [{"names": ["sethostname"], "action": "SCMP_ACT_ERRNO"}]}
                """);
        // The name is the pod's: each has one of its own.
        String rename = "hostname renamed 2>&1; hostname";
        assertThat(idle(live.pod().run())
                        .add("SYS_ADMIN")
                        .seccomp(ProfileType.Unconfined)
                        .start()
                        .shell(rename))
                .isEqualTo("renamed");
        Container forbidden =
                idle(live.pod().run()).add("SYS_ADMIN").seccomp(profile).start();
        assertThat(forbidden.shell(rename)).contains("Operation not permitted").doesNotEndWith("renamed");
        assertThat(forbidden.process().status().get("Seccomp")).isEqualTo("2");
        Container privileged = idle(live.pod().privileged().run())
                .privileged()
                .seccomp(profile)
                .start();
        assertThat(privileged.shell(rename)).isEqualTo("renamed");
        assertThat(privileged.process().status().get("Seccomp")).isEqualTo("0");
    }

    @Test
    void aMaskedProgramIsNotExecuted() {
        String image = live.image(TestImages.busyboxWith(
                new TarWriter().program("bin/tool", "#!/bin/sh\necho works\n".getBytes(StandardCharsets.US_ASCII))));
        Pod pod = live.pod().run();
        assertThat(pod.container(image).idle().start().shell("tool")).isEqualTo("works");
        Container masked = pod.container(image)
                .idle()
                .security(s -> s.addMaskedPaths("/bin/tool"))
                .start();
        Container.Output output = masked.exec("/bin/sh", "-c", "tool");
        assertThat(output.stdout()).isEmpty();
        assertThat(output.stderr()).contains("tool: Permission denied");
        assertThat(output.exitCode()).isNotZero();
    }

    @Test
    void aPodOfTheHostsUserNamespaceHasTheHostsIds() {
        Container container = idleIn(live.pod()
                .namespaces(n -> n.setUsernsOptions(UserNamespace.newBuilder().setMode(NamespaceMode.NODE))));
        assertThat(container.process().read("uid_map")).isEqualTo(Proc.self().read("uid_map"));
        assertThat(container.shell("cat /proc/self/gid_map | wc -l")).isEqualTo("1");
    }

    @Test
    void aContainerThatNeverRanIsRemovedAsOneThatHasEndedIs() {
        Pod pod = live.pod().run();
        Container created = idle(pod).create();
        Container ended = pod.container(live.busybox()).shell("exit 0").runToEnd();
        assertThat(live.cri().containers())
                .extracting(io.portafilter.cri.v1.Container::getId, io.portafilter.cri.v1.Container::getState)
                .containsExactlyInAnyOrder(
                        org.assertj.core.groups.Tuple.tuple(created.id(), ContainerState.CONTAINER_CREATED),
                        org.assertj.core.groups.Tuple.tuple(ended.id(), ContainerState.CONTAINER_EXITED));
        for (Container container : List.of(created, ended)) {
            container.remove();
            assertThat(Refusal.of(container::status).code()).isEqualTo(Status.Code.NOT_FOUND);
        }
        assertThat(live.cri().containers()).isEmpty();
    }

    @Test
    void aReopenedLogIsThereAtOnceAndTheRenamedOneGrowsNoMore() throws IOException {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .shell("while true; do echo line; done")
                .start();
        Await.until("lines come", Duration.ofSeconds(10), () -> Files.size(container.log()) > 0);
        Path renamed = container.log().resolveSibling("renamed.log");
        Files.move(container.log(), renamed);
        reopen(container);
        assertThat(container.log()).exists();
        long size = Files.size(renamed);
        Await.until("lines come again", Duration.ofSeconds(10), () -> Files.size(container.log()) > 0);
        container.stop(Duration.ZERO);
        assertThat(renamed).hasSize(size);
    }

    @Test
    void theLogOfAContainerThatDoesNotRunIsNotMadeAnew() throws IOException {
        Pod pod = live.pod().run();
        Container ended = pod.container(live.busybox()).shell("echo line").runToEnd();
        assertThat(ended.output()).isEqualTo("line\n");
        for (Container container : List.of(ended, idle(pod).create())) {
            Files.delete(container.log());
            assertThat(Refusal.of(() -> reopen(container)).code()).isEqualTo(Status.Code.FAILED_PRECONDITION);
            assertThat(container.log()).doesNotExist();
        }
    }

    private static void reopen(Container container) {
        var _ = live.cri()
                .runtime()
                .reopenContainerLog(ReopenContainerLogRequest.newBuilder()
                        .setContainerId(container.id())
                        .build());
    }
}
