package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ContainerStatus;
import io.portafilter.cri.v1.ImageStatusRequest;
import io.portafilter.cri.v1.PodSandboxState;
import io.portafilter.cri.v1.SecurityProfile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;

/**
 * The service as systemd runs it, from its unit, with its default directories: for the machine of {@code e2e/vm} alone. A
 * restart of that machine lies between the tests that are tagged so.
 */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class SystemdUnitTest {
    private static final Path BASE = Path.of("/var/lib/portafilter-vm/unit");
    private static final Path NOTE = BASE.resolve("before-the-restart");
    private static final Duration SOON = Duration.ofSeconds(20);
    private static final String UNIT = "portafilter.service";

    private UnitServer server = UnitServer.connected(BASE);

    @BeforeAll
    static void install() throws IOException {
        assumeTrue(Boolean.getBoolean("portafilter.vm"), "starts and stops this machine's service: only in e2e/vm");
        Path unit = Path.of("/etc/systemd/system", UNIT);
        if (!Files.exists(unit)) {
            Files.copy(Tree.root().resolve("deploy").resolve(UNIT), unit, StandardCopyOption.REPLACE_EXISTING);
            systemctl("daemon-reload");
        }
    }

    @BeforeEach
    void begin() throws IOException {
        Files.createDirectories(BASE.resolve("logs"));
        connect();
    }

    @AfterEach
    void end() {
        server.close();
    }

    /** The channel of a server that has ended waits before it tries again. */
    private void connect() {
        server.close();
        server = UnitServer.connected(BASE);
    }

    private static void systemctl(String... arguments) {
        String[] command = new String[arguments.length + 1];
        command[0] = "systemctl";
        System.arraycopy(arguments, 0, command, 1, arguments.length);
        String _ = Commands.run(command).orFail();
    }

    private static String property(String name) {
        return Commands.run("systemctl", "show", "--value", "--property=" + name, UNIT)
                .orFail()
                .strip();
    }

    private String busybox() {
        try (TestRegistry registry = TestRegistry.start()) {
            String reference = registry.push("unit-busybox", "1", TestImages.busybox());
            var _ = server.cri().pull(reference);
            return reference;
        }
    }

    /** Everything in one life of the unit: each start of it costs half a minute on an emulated processor. */
    @Test
    @Tag("vm")
    void containersOutliveTheUnitsRestartStopAndKill() throws IOException {
        systemctl("start", UNIT);
        // Type=notify: who was started answers at once
        connect();
        assertThat(server.cri().pods()).isEmpty();
        assertThat(property("ActiveState")).isEqualTo("active");
        Proc main = new Proc(Long.parseLong(property("MainPID")));
        assertThat(main.read("oom_score_adj").strip()).isEqualTo("-999");
        assertThat(main.capabilities("CapEff")).contains("SYS_PTRACE", "SYS_RESOURCE", "SYS_ADMIN");

        String busybox = busybox();
        Pod pod = PodFixture.pod(server).name("unit").run();
        Container container = pod.container(busybox)
                .shell("trap 'exit 5' TERM; i=0; while true; do echo line $i; i=$((i+1)); sleep 1; done")
                .memoryLimit(32 << 20)
                .resources(r -> r.setOomScoreAdj(-500))
                .start();
        Proc process = container.process();
        assertThat(process.read("oom_score_adj").strip()).isEqualTo("-500");
        // systemd ends what is in a unit's cgroup when it counts its memory or kills it: a container is not there
        assertThat(process.read("cgroup").strip()).isEqualTo("0::/portafilter/pod" + pod.id() + "/" + container.id());
        assertThat(new Proc(process.parent()).read("cgroup")).doesNotContain(pod.id());

        systemctl("restart", UNIT);
        container = again(container);
        assertThat(property("MainPID")).isNotEqualTo(Long.toString(main.pid()));
        assertThat(container.process()).isEqualTo(process);
        assertThat(container.shell("cat /sys/fs/cgroup/memory.max")).isEqualTo("" + (32 << 20));

        systemctl("stop", UNIT);
        assertThat(property("ActiveState")).isEqualTo("inactive");
        assertThat(Proc.isAlive(process.pid())).isTrue();
        assertThat(server.state().resolve("portafilter.sock")).doesNotExist();
        systemctl("start", UNIT);
        container = again(container);
        assertThat(container.process()).isEqualTo(process);

        systemctl("kill", "--kill-whom=main", "--signal=KILL", UNIT);
        Await.until("systemd starts it again", SOON, () -> property("NRestarts").equals("1"));
        Await.until("it is active", SOON, () -> property("ActiveState").equals("active"));
        container = again(container);
        assertThat(container.process()).isEqualTo(process);
        container.stop(Duration.ofSeconds(20));
        assertThat(container.status().getExitCode()).isEqualTo(5);
        List<String> lines = container.logged("stdout").lines().toList();
        assertThat(lines).isNotEmpty();
        for (int i = 0; i < lines.size(); i++) {
            assertThat(lines.get(i)).isEqualTo("line " + i);
        }
        server.cri().removePod(pod.id());
        assertThat(Path.of("/sys/fs/cgroup/portafilter/pod" + pod.id())).doesNotExist();
    }

    private Container again(Container container) {
        connect();
        Container same = new Container(server, container.id(), container.log());
        assertThat(same.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
        return same;
    }

    @Test
    @Tag("vm")
    void aContainerThatWantsAnAppArmorProfileHasItWhereTheKernelEnforcesThem() throws IOException {
        Path enabled = Path.of("/sys/module/apparmor/parameters/enabled");
        assumeTrue(Files.exists(enabled) && Files.readString(enabled).startsWith("Y"), "the kernel has no AppArmor");
        systemctl("start", UNIT);
        connect();
        Pod pod = PodFixture.pod(server).name("apparmor").run();
        Container container = pod.container(busybox())
                .idle()
                .security(s -> s.setApparmor(
                        SecurityProfile.newBuilder().setProfileType(SecurityProfile.ProfileType.RuntimeDefault)))
                .start();
        assertThat(container.process().read("attr/apparmor/current").strip())
                .isEqualTo("portafilter-default (enforce)");
        server.cri().removePod(pod.id());
    }

    @Test
    @Order(Integer.MAX_VALUE) // the others find no pods when they begin
    @Tag("vm-before-restart")
    void podsAreLeftForTheRestart() throws IOException {
        systemctl("enable", "--now", UNIT);
        connect();
        String busybox = busybox();
        Pod pod = PodFixture.pod(server).name("left").run();
        Container running = pod.container(busybox).idle().start();
        Container created = pod.container(busybox).idle().create();
        Container exited = pod.container(busybox).shell("exit 6").runToEnd();
        String image = imageId(busybox);
        Files.writeString(
                NOTE,
                String.join("\n", pod.id(), running.id(), created.id(), exited.id(), busybox, image, bootId()) + "\n");
        Commands.run("sync").orFail();
    }

    @Test
    @Tag("vm-after-restart")
    void afterTheRestartPodsAreNotReadyContainersUnknownAndImagesWhole() throws IOException {
        List<String> note = Files.readAllLines(NOTE);
        assertThat(bootId()).isNotEqualTo(note.get(6));
        Await.until(
                "the unit is active by itself",
                SOON,
                () -> property("ActiveState").equals("active"));
        connect();
        Pod pod =
                new Pod(server, note.get(0), PodFixture.pod(server).name("left").build());
        assertThat(pod.status().getState()).isEqualTo(PodSandboxState.SANDBOX_NOTREADY);
        for (String lost : List.of(note.get(1), note.get(2))) {
            ContainerStatus status = new Container(server, lost, BASE).status();
            assertThat(status.getState()).isEqualTo(ContainerState.CONTAINER_EXITED);
            assertThat(status.getExitCode()).isEqualTo(255);
            assertThat(status.getReason()).isEqualTo("Unknown");
        }
        assertThat(new Container(server, note.get(3), BASE).status().getExitCode())
                .isEqualTo(6);

        // no registry is there now: what runs is what was stored
        String busybox = note.get(4);
        assertThat(imageId(busybox)).isEqualTo(note.get(5));
        Pod fresh = PodFixture.pod(server).name("fresh").run();
        assertThat(fresh.container(busybox).shell("echo new life").runToEnd().output())
                .isEqualTo("new life\n");
        server.cri().removePod(fresh.id());
        server.cri().removePod(pod.id());
        assertThat(server.cri().pods()).isEmpty();
    }

    private String imageId(String reference) {
        return server.cri()
                .images()
                .imageStatus(ImageStatusRequest.newBuilder()
                        .setImage(Cri.image(reference))
                        .build())
                .getImage()
                .getId();
    }

    private static String bootId() throws IOException {
        return Files.readString(Path.of("/proc/sys/kernel/random/boot_id")).strip();
    }
}
