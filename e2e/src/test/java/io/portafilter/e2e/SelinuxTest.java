package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.cri.v1.Mount;
import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.SELinuxOption;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Labels that a kernel enforces: in the machine of {@code e2e/vm --selinux}, whose policy is switched on here. */
@Tag("vm")
class SelinuxTest {

    @RegisterExtension
    static final Live live = Live.server();

    private static final Path ENFORCE = Path.of("/sys/fs/selinux/enforce");
    private static final Pattern PROCESS = Pattern.compile("system_u:system_r:container_t:(s0:c\\d+,c\\d+)");
    private static final String FILE = "system_u:object_r:container_file_t:";

    @BeforeAll
    static void isOn() {
        assumeTrue(Boolean.getBoolean("portafilter.vm"), "enforces a policy on the host: only in e2e/vm");
        assumeTrue(Files.exists(ENFORCE), "no policy of SELinux is loaded: e2e/vm --selinux has one");
        // As the file contexts of a node's policy have it for a runtime's root: what is made in it has this type too.
        var _ = Commands.run(
                        "chcon",
                        "-R",
                        "system_u:object_r:container_ro_file_t:s0",
                        live.portafilter().root().toString())
                .orFail();
    }

    @AfterEach
    void permissive() throws IOException {
        Files.writeString(ENFORCE, "0");
    }

    private static void enforcing() throws IOException {
        Files.writeString(ENFORCE, "1");
    }

    private static String label(Container container) {
        return container.process().read("attr/current").replace("\0", "").strip();
    }

    private static String labelOfExec(Container container) {
        return container.shell("cat /proc/self/attr/current").replace("\0", "").strip();
    }

    private static String level(Container container) {
        var label = PROCESS.matcher(label(container));
        assertThat(label.matches()).as(label(container)).isTrue();
        return label.group(1);
    }

    /** The label of a file, seen from the host. */
    private static String labelOf(Path file) {
        return Commands.run("stat", "-L", "-c", "%C", file.toString()).orFail().strip();
    }

    private static Container idle(Pod pod) {
        return pod.container(live.busybox()).idle().start();
    }

    private static Path volume(String name) throws IOException {
        Path volume = Files.setPosixFilePermissions(live.directory(name), PosixFilePermissions.fromString("rwxrwxrwx"));
        Files.writeString(volume.resolve("file"), "of the volume\n");
        return volume;
    }

    private static ContainerFixture mounting(Pod pod, Path volume, boolean relabel) {
        return pod.container(live.busybox())
                .idle()
                .configure(config -> config.addMounts(Mount.newBuilder()
                        .setHostPath(volume.toString())
                        .setContainerPath("/volume")
                        .setSelinuxRelabel(relabel)));
    }

    private static void assertDenied(Container container, String script) {
        Container.Output output = container.exec("/bin/sh", "-c", script);
        assertThat(output.exitCode()).as(script + ": " + output).isNotZero();
        assertThat(output.stderr()).as(script).containsIgnoringCase("permission denied");
    }

    @Test
    void aContainerAndItsExecsHaveTheLevelOfTheirPodAndNoOtherPodHasIt() {
        Pod pod = live.pod().run();
        Container first = idle(pod);
        Container second = idle(pod);
        Container other = idle(live.pod().run());
        assertThat(level(second)).isEqualTo(level(first));
        assertThat(level(other)).isNotEqualTo(level(first));
        assertThat(labelOfExec(first)).isEqualTo(label(first));
        live.portafilter().killAndStart();
        assertThat(labelOfExec(first)).isEqualTo(label(first));
        assertThat(level(idle(pod))).isEqualTo(level(first));
        assertThat(level(idle(live.pod().run()))).isNotIn(level(first), level(other));
    }

    @Test
    void whatAContainerHasOfItsOwnIsLabelledForItAlone() {
        for (NamespaceMode pids : new NamespaceMode[] {NamespaceMode.CONTAINER, NamespaceMode.POD}) {
            Container container =
                    live.pod().pid(pids).run().container(live.busybox()).idle().start();
            assertThat(container.shell("echo x > /tmp/new; echo made")).isEqualTo("made");
            Path root = container.process().path("root");
            for (String file : new String[] {
                "/",
                "bin/busybox",
                "tmp/new",
                "etc/hosts",
                "etc/hostname",
                "etc/resolv.conf",
                "dev",
                "dev/null",
                "dev/shm",
                "dev/pts",
                "dev/mqueue"
            }) {
                assertThat(labelOf(root.resolve(file.equals("/") ? "." : file)))
                        .as(file)
                        .isEqualTo(FILE + level(container));
            }
        }
    }

    @Test
    void aLevelIsGivenAsTheKernelWritesItWhateverTheOrder() {
        Container container = live.pod()
                .run()
                .container(live.busybox())
                .idle()
                .security(s -> s.setSelinuxOptions(SELinuxOption.newBuilder().setLevel("s0:c9,c4,c8,c7")))
                .start();
        assertThat(label(container)).isEqualTo("system_u:system_r:container_t:s0:c4,c7.c9");
        assertThat(labelOfExec(container)).isEqualTo(label(container));
    }

    @Test
    void aPrivilegedContainerIsNotKeptFromAnything() {
        Pod pod = live.pod().privileged().run();
        assertThat(label(pod.container(live.busybox()).idle().privileged().start()))
                .isEqualTo("system_u:system_r:spc_t:s0");
    }

    @Test
    void aTypeThatThePolicyDoesNotKnowFailsTheStart() {
        Pod pod = live.pod().run();
        Refusal refusal = Refusal.of(() -> pod.container(live.busybox())
                .idle()
                .security(s -> s.setSelinuxOptions(SELinuxOption.newBuilder().setType("pf_no_such_t")))
                .start());
        assertThat(refusal.message()).contains("pf_no_such_t");
    }

    @Test
    void aConfinedContainerRunsAndHasItsOwnFiles() throws IOException {
        enforcing();
        Container container = idle(live.pod().run());
        assertThat(container.shell("cat /etc/hosts /etc/hostname /etc/resolv.conf > /tmp/copy && echo x > /dev/null"
                        + " && echo x > /dev/shm/file && cat /proc/self/status > /dev/null && echo done"))
                .isEqualTo("done");
    }

    @Test
    void aVolumeIsTheContainersWhenItIsRelabelledAndNobodysElse() throws IOException {
        Path volume = volume("volume");
        Container without = mounting(live.pod().run(), volume, false).start();
        enforcing();
        assertDenied(without, "cat /volume/file");
        assertDenied(without, "echo x > /volume/new");
        permissive();

        Pod owner = live.pod().run();
        Container with = mounting(owner, volume, true).start();
        Container beside = mounting(owner, volume, false).start();
        Container stranger = mounting(live.pod().run(), volume, false).start();
        assertThat(labelOf(volume.resolve("file"))).isEqualTo(FILE + level(with));
        enforcing();
        assertThat(with.shell("cat /volume/file; echo x > /volume/new && echo written"))
                .isEqualTo("of the volume\nwritten");
        assertThat(beside.shell("cat /volume/new")).isEqualTo("x");
        // The type is the same: it is the categories that keep it out.
        assertDenied(stranger, "cat /volume/file");
        assertDenied(stranger, "cat /volume/new");
        assertDenied(stranger, "echo x > /volume/another");
    }
}
