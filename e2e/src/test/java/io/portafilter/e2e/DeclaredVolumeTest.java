package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.portafilter.cri.v1.ContainerState;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The volumes that an image's configuration declares. */
class DeclaredVolumeTest {
    private static final int FIRST_HOST_ID = 5_898_240;

    @RegisterExtension
    static final Live live = Live.server();

    private static String image(String volumes) {
        byte[] layer = new TarWriter()
                .directory("data", 0750, 1000, 2001)
                .file("data/file", 0640, 1000, 2001, "of the image\n".getBytes(StandardCharsets.UTF_8))
                .directory("data/below")
                .file("data/below/deep", "deep\n")
                .symlink("data/link", "/etc/passwd")
                .fifo("data/fifo")
                .hardlink("data/same", "data/file")
                .symlink("to-data", "/data")
                .symlink("a-link", "data/below")
                .symlink("to-etc", "/etc")
                .symlink("above", "../../../../../../../../etc")
                .symlink("to-root", "/")
                .symlink("to-proc", "/proc")
                .symlink("loop", "loop")
                .file("a-file", "")
                .finish();
        return live.image(TestImages.busybox()
                .plus(layer)
                .withConfig("\"Env\":[\"PATH=/bin\"],\"Cmd\":[\"sh\"],\"Volumes\":{" + volumes + "}"));
    }

    private static Path directory(Container container) {
        return live.portafilter().root().resolve("containers").resolve(container.id());
    }

    @Test
    void isADirectoryOfItsOwnThatBeginsWithWhatTheImageHas() throws IOException {
        Container container =
                live.pod().run().container(image("\"/data\":{}")).idle().start();

        assertThat(container.shell("stat -c '%u %g %a' /data /data/file /data/below"))
                .isEqualTo("1000 2001 750\n1000 2001 640\n0 0 755");
        assertThat(container.shell("cat /data/file /data/below/deep; readlink /data/link"))
                .isEqualTo("of the image\ndeep\n/etc/passwd");
        assertThat(container.shell("stat -c '%F' /data/fifo; stat -c '%h' /data/same"))
                .isEqualTo("fifo\n2");
        assertThat(container.shell("stat -c '%Y' /data/file")).isEqualTo("1700000000");
        assertThat(container.process().mounts())
                .filteredOn(mount -> mount.point().equals("/data"))
                .singleElement()
                .satisfies(mount -> assertThat(mount.options()).contains("rw").doesNotContain("ro"));

        assertThat(container.shell("echo changed > /data/file; echo new > /data/new; rm /data/link"))
                .isEmpty();
        assertThat(directory(container).resolve("volumes/0/new")).hasContent("new");
        assertThat(directory(container).resolve("upper/data/new")).doesNotExist();
        // nothing that a container wrote is seen by another, and the request's mounts alone are in the status
        Container other =
                live.pod().run().container(image("\"/data\":{}")).idle().start();
        assertThat(other.shell("cat /data/file; ls /data")).isEqualTo("of the image\nbelow\nfifo\nfile\nlink\nsame");
        assertThat(other.status().getMountsList()).isEmpty();
    }

    @Test
    void staysWritableWithAReadOnlyRoot() {
        Container container = live.pod()
                .run()
                .container(image("\"/data\":{}"))
                .idle()
                .security(security -> security.setReadonlyRootfs(true))
                .start();

        assertThat(container.shell("echo x > /data/new && cat /data/new")).isEqualTo("x");
        assertThat(container.shell("touch /tmp/x 2>&1; true")).contains("Read-only");
    }

    @Test
    void whatTheRequestMountsTakesItsPlaceHoweverItIsSpelled() throws IOException {
        Path asked = live.directory("asked");
        Files.writeString(asked.resolve("of-the-request"), "");
        for (String declared : List.of("\"/data\":{}", "\"/data/\":{}", "\"/to-data\":{}", "\"data/../data\":{}")) {
            Container container = live.pod()
                    .run()
                    .container(image(declared))
                    .idle()
                    .mount(asked, "/data")
                    .start();
            assertThat(container.shell("ls /data")).as(declared).isEqualTo("of-the-request");
            assertThat(container.shell("grep -c ' /data ' /proc/self/mountinfo"))
                    .as(declared)
                    .isEqualTo("1");
        }
        Container linked = live.pod()
                .run()
                .container(image("\"/data\":{}"))
                .idle()
                .mount(asked, "/to-data")
                .start();
        assertThat(linked.shell("ls /data")).isEqualTo("of-the-request");
    }

    /** The image leads /a-link to a place in its volume: the request's mount there stays in sight. */
    @Test
    void aLinkIntoItDoesNotHideWhatTheRequestMounts() throws IOException {
        Path asked = live.directory("linked");
        Files.writeString(asked.resolve("of-the-request"), "");
        Container container = live.pod()
                .run()
                .container(image("\"/data\":{}"))
                .idle()
                .mount(asked, "/a-link")
                .start();

        assertThat(container.shell("ls /a-link; ls /data/below; cat /data/file"))
                .isEqualTo("of-the-request\nof-the-request\nof the image");
    }

    @Test
    void mountsOfTheRequestBelowItAreSeen() throws IOException {
        Path asked = live.directory("below");
        Files.writeString(asked.resolve("of-the-request"), "");
        Container container = live.pod()
                .run()
                .container(image("\"/data\":{},\"/new/volume\":{}"))
                .idle()
                .mount(asked, "/data/below")
                .mount(asked, "/new/volume/made")
                .start();

        assertThat(container.shell("ls /data/below /new/volume/made; cat /data/file"))
                .isEqualTo("/data/below:\nof-the-request\n\n/new/volume/made:\nof-the-request\nof the image");
        assertThat(container.shell("stat -c '%u %a' /new/volume")).isEqualTo("0 755");
    }

    /** CVE-2022-23648, and links of the image in its place. */
    @Test
    void neverHoldsAnythingOfTheHost() {
        for (String path : List.of("/to-etc", "/above", "/x/../../../../etc", "../../../../../../../etc")) {
            Container container = live.pod()
                    .run()
                    .container(image("\"" + path + "\":{}"))
                    .idle()
                    .start();
            assertThat(container.shell("ls /etc"))
                    .as(path)
                    .contains("group", "passwd")
                    .doesNotContain("shadow", "apt");
            assertThat(container.shell("cat /etc/passwd")).as(path).isEqualTo(TestImages.PASSWD.strip());
            assertThat(directory(container).resolve("volumes/0/passwd")).hasContent(TestImages.PASSWD);
            assertThat(directory(container).resolve("volumes/0/shadow")).doesNotExist();
        }
    }

    @Test
    void isRefusedWhereNothingMayBeMountedAndLeavesNothing() {
        Pod pod = live.pod().run();
        var _ = pod.container(image("\"/data\":{}")).idle().start();
        List<String> wrong = List.of(
                "/",
                "",
                "..",
                "../..",
                "/..",
                "/proc",
                "/proc/self",
                "/to-root",
                "/to-proc",
                "/to-proc/sys",
                "/loop",
                "/a-file",
                "/a-file/below",
                "/x\\u0000y",
                "/x\\ny",
                "/" + "x".repeat(300),
                "/x".repeat(3000));
        wrong.forEach(path -> image("\"" + path + "\":{}"));
        Host before = live.host();

        for (String path : wrong) {
            Refusal refusal = Refusal.of(
                    () -> pod.container(image("\"" + path + "\":{}")).idle().create());
            assertThat(refusal.code()).as(path + ": " + refusal.message()).isEqualTo(Status.Code.INVALID_ARGUMENT);
        }
        live.awaitAsBefore(before);
    }

    @Test
    void ofTwoAtOnePlaceOneIsMadeAndTheRuntimesFilesStay() {
        Container container = live.pod()
                .run()
                .container(image("\"/data\":{},\"/to-data\":{},\"/etc/hosts\":{}"))
                .idle()
                .start();

        assertThat(container.shell("cat /data/file; grep -c ' /data ' /proc/self/mountinfo"))
                .isEqualTo("of the image\n1");
        assertThat(container.shell("grep -c localhost /etc/hosts")).isNotEqualTo("0");
    }

    @Test
    void ownersAreThoseOfTheImageInAUserNamespace() throws IOException {
        Container container = live.pod()
                .userNamespace(FIRST_HOST_ID)
                .run()
                .container(image("\"/data\":{},\"/new\":{}"))
                .idle()
                .start();

        assertThat(container.shell("stat -c '%u %g %a' /data /data/file /new"))
                .isEqualTo("1000 2001 750\n1000 2001 640\n0 0 755");
        assertThat(container.shell("echo x > /new/x; chown 5 /new/x; stat -c %u /new/x"))
                .isEqualTo("5");
        Path volume = directory(container).resolve("volumes/0");
        assertThat(Files.getAttribute(volume.resolve("file"), "unix:uid")).isEqualTo(FIRST_HOST_ID + 1000);
        assertThat(Files.getAttribute(directory(container).resolve("volumes/1/x"), "unix:uid"))
                .isEqualTo(FIRST_HOST_ID + 5);
    }

    @Test
    void staysWithItsContainerOverAKilledServerAndGoesWithIt() throws IOException {
        String image = image("\"/data\":{}");
        Pod pod = live.pod().run();
        Container first = pod.container(image).idle().start();
        first.stop(Duration.ZERO);
        first.remove();
        Host before = live.host();
        Container running = pod.container(image).idle().start();
        Container created = pod.container(image).idle().create();
        assertThat(running.shell("echo kept > /data/file")).isEmpty();

        live.portafilter().killAndStart();

        assertThat(running.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
        assertThat(running.shell("cat /data/file")).isEqualTo("kept");
        created.start();
        assertThat(created.shell("cat /data/file")).isEqualTo("of the image");
        for (Container container : List.of(running, created)) {
            container.stop(Duration.ZERO);
            assertThat(directory(container).resolve("volumes")).exists();
            container.remove();
            assertThat(directory(container)).doesNotExist();
        }
        Await.untilEquals(
                "what is left",
                Duration.ofSeconds(10),
                List.of(),
                () -> live.host().remainsSince(before));
        try (Stream<String> mounts = Files.lines(Path.of("/proc/self/mountinfo"))) {
            assertThat(mounts).noneMatch(line -> line.contains("/volumes/0"));
        }
    }
}
