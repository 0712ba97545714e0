package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.ImageSpec;
import io.portafilter.cri.v1.Mount;
import io.portafilter.cri.v1.MountPropagation;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Images as volumes: whole ones, and directories of them (KEP-4639). */
class ImageVolumeTest {
    private static final int FIRST_HOST_ID = 5_242_880;
    private static final String REASON = "ImageVolumeMountFailed: ";

    @RegisterExtension
    static final Live live = Live.server();

    /** Two layers; links that try to lead out. */
    private static TarWriter lower() {
        return new TarWriter()
                .directory("models")
                .file("models/weights", "1 2 3\n")
                .file("models/replaced", "lower\n")
                .file("models/removed", "lower\n")
                .directory("models/of-app", 0750, 1000, 1000)
                .file("models/of-app/private", 0640, 1000, 1000, "of app\n".getBytes(StandardCharsets.UTF_8))
                .directory("bin")
                .program("bin/tool", "#!/bin/sh\necho executed\n".getBytes(StandardCharsets.UTF_8))
                .directory("etc")
                .file("etc/of-the-image", "image\n");
    }

    private static byte[] upper() {
        return new TarWriter()
                .directory("models")
                .file("models/replaced", "upper\n")
                .whiteout("models/removed")
                .symlink("current", "/models")
                .symlink("host-etc", "/etc")
                .symlink("above", "../../../../../../../../etc")
                .symlink("magic", "/proc/1/root/etc")
                .symlink("dangling", "/nowhere")
                .finish();
    }

    private static TestImage data() {
        return TestImage.of("", lower().finish(), upper());
    }

    private static Mount.Builder mount(String image, String subPath, String place) {
        return Mount.newBuilder()
                .setContainerPath(place)
                .setReadonly(true)
                .setImage(ImageSpec.newBuilder().setImage(image).setUserSpecifiedImage(image))
                .setImageSubPath(subPath);
    }

    private static ContainerFixture idle(Pod pod, Mount.Builder... mounts) {
        return pod.container(live.busybox()).idle().configure(config -> {
            for (Mount.Builder mount : mounts) {
                config.addMounts(mount);
            }
        });
    }

    @Test
    void anImageIsSeenWithItsLayersAndNothingOfTheRuntimes() {
        String image = live.image(data());
        Container container = idle(live.pod().run(), mount(image, "", "/image")).start();

        assertThat(container.shell("ls /image"))
                .isEqualTo("above\nbin\ncurrent\ndangling\netc\nhost-etc\nmagic\nmodels");
        assertThat(container.shell("cat /image/models/weights /image/models/replaced"))
                .isEqualTo("1 2 3\nupper");
        assertThat(container.shell("ls /image/models /image/etc; stat -c '%u %g %a' /image/models/of-app"))
                .isEqualTo("/image/etc:\nof-the-image\n\n/image/models:\nof-app\nreplaced\nweights\n1000 1000 750");
        assertThat(container.shell("/image/bin/tool")).isEqualTo("executed");
    }

    @Test
    void anImageOfOneLayerIsSeenToo() {
        String image = live.image(TestImage.of("", lower().finish()));
        Container container = idle(live.pod().run(), mount(image, "", "/image"), mount(image, "models", "/models"))
                .start();

        assertThat(container.shell("ls /image")).isEqualTo("bin\netc\nmodels");
        assertThat(container.shell("cat /models/removed")).isEqualTo("lower");
    }

    /** Neither the flag of the mount nor its file system lets anybody write, whatever they may do. */
    @Test
    void nobodyCanWriteToIt() throws IOException {
        String image = live.image(data());
        Pod pod = live.pod().privileged().run();
        Container container = pod.container(live.busybox())
                .idle()
                .privileged()
                .configure(config ->
                        config.addMounts(mount(image, "", "/image")).addMounts(mount(image, "models", "/models")))
                .start();

        for (String place : new String[] {"/image", "/models"}) {
            assertThat(container.shell("touch " + place + "/x 2>&1; true")).contains("Read-only file system");
            assertThat(container.shell("mount -o remount,bind,rw " + place + " 2>&1; touch " + place + "/x 2>&1; true"))
                    .contains("Read-only file system");
            assertThat(container.shell("mount -o remount,rw " + place + " 2>&1; touch " + place + "/x 2>&1; true"))
                    .contains("Read-only file system");
        }
        Container other = idle(pod, mount(image, "", "/image")).start();
        assertThat(other.shell("find /image -name x")).isEmpty();
        assertThat(inLayers("x")).isFalse();
    }

    private static boolean inLayers(String name) throws IOException {
        try (Stream<Path> files = Files.walk(live.portafilter().root().resolve("layers"))) {
            return files.anyMatch(file -> String.valueOf(file.getFileName()).equals(name));
        }
    }

    @Test
    void itsMountIsReadOnlyWithoutDevicesAndProgramsRunUnlessAskedOtherwise() {
        String image = live.image(data());
        Container container = idle(
                        live.pod().run(),
                        mount(image, "", "/image"),
                        mount(image, "bin", "/restricted")
                                .addMountOptions("noexec")
                                .addMountOptions("nosuid"))
                .start();

        assertThat(options(container, "/image")).contains("ro", "nodev").doesNotContain("noexec", "nosuid", "rw");
        assertThat(options(container, "/restricted")).contains("ro", "nodev", "noexec", "nosuid");
        assertThat(container.shell("/restricted/tool 2>&1; true")).contains("Permission denied");
    }

    private static Set<String> options(Container container, String point) {
        return container.process().mounts().stream()
                .filter(mount -> mount.point().equals(point))
                .findFirst()
                .orElseThrow()
                .options();
    }

    @Test
    void aSubPathIsOneDirectoryOfTheImage() {
        String image = live.image(data());
        Container container = idle(
                        live.pod().run(),
                        mount(image, "models", "/plain"),
                        mount(image, "current/of-app", "/linked"),
                        mount(image, "./models/", "/spelled"))
                .start();

        assertThat(container.shell("ls /plain")).isEqualTo("of-app\nreplaced\nweights");
        assertThat(container.shell("cat /linked/private; ls -a /linked")).isEqualTo("of app\n.\n..\nprivate");
        assertThat(container.shell("ls /spelled/.."))
                .contains("plain", "spelled")
                .doesNotContain("host-etc");
        assertThat(container.shell("grep -c lowerdir /proc/self/mountinfo")).isNotEqualTo("0");
    }

    @Test
    void noSubPathReachesTheHost() {
        String image = live.image(data());
        Pod pod = live.pod().run();
        Container container = idle(pod, mount(image, "host-etc", "/absolute"), mount(image, "above", "/above"))
                .start();
        assertThat(container.shell("ls /absolute /above"))
                .isEqualTo("/above:\nof-the-image\n\n/absolute:\nof-the-image");

        for (String subPath : new String[] {"..", "models/../../etc", "../../../../etc", "/etc", "/", "models/.."}) {
            Refusal refusal =
                    Refusal.of(() -> idle(pod, mount(image, subPath, "/x")).create());
            assertThat(refusal.code()).as(subPath).isEqualTo(Status.Code.INVALID_ARGUMENT);
            assertThat(refusal.message()).startsWith(REASON).contains("image_sub_path");
        }
        for (String subPath : new String[] {"magic", "dangling", "missing", "models/weights", "models/weights/x"}) {
            Refusal refusal =
                    Refusal.of(() -> idle(pod, mount(image, subPath, "/x")).create());
            assertThat(refusal.code()).as(subPath).isEqualTo(Status.Code.INVALID_ARGUMENT);
            assertThat(refusal.message()).startsWith(REASON).contains("image_sub_path \"" + subPath);
        }
    }

    @Test
    void whatIsAskedWronglyIsRefusedAndLeavesNothing() {
        String image = live.image(data());
        Pod pod = live.pod().run();
        var _ = idle(pod, mount(image, "models", "/x")).start();
        Host before = live.host();

        refuses(
                pod,
                Status.Code.INVALID_ARGUMENT,
                "readonly",
                mount(image, "", "/x").setReadonly(false));
        refuses(
                pod,
                Status.Code.INVALID_ARGUMENT,
                "host_path",
                mount(image, "", "/x").setHostPath("/etc"));
        refuses(pod, Status.Code.INVALID_ARGUMENT, "image.image", mount("", "", "/x"));
        refuses(
                pod,
                Status.Code.INVALID_ARGUMENT,
                "image_sub_path",
                mount(image, "models", "/x").clearImage().setHostPath("/tmp"));
        refuses(
                pod,
                Status.Code.INVALID_ARGUMENT,
                "propagation",
                mount(image, "", "/x").setPropagation(MountPropagation.PROPAGATION_BIDIRECTIONAL));
        refuses(pod, Status.Code.NOT_FOUND, "is not on this node", mount("localhost/never-pulled:1", "", "/x"));
        refuses(pod, Status.Code.INVALID_ARGUMENT, "image.image", mount("Not A Reference", "", "/x"));
        refuses(pod, Status.Code.INVALID_ARGUMENT, "missing", mount(image, "missing", "/x"));

        live.awaitAsBefore(before);
    }

    private static void refuses(Pod pod, Status.Code code, String word, Mount.Builder mount) {
        Refusal refusal = Refusal.of(() -> idle(pod, mount).create());
        assertThat(refusal.code()).as(refusal.message()).isEqualTo(code);
        assertThat(refusal.message()).startsWith(REASON).contains(word);
    }

    @Test
    void ownersAreThoseOfTheImageInAUserNamespace() {
        String image = live.image(data());
        Pod pod = live.pod().userNamespace(FIRST_HOST_ID).run();
        IDMapping ids = IDMapping.newBuilder()
                .setHostId(FIRST_HOST_ID)
                .setContainerId(0)
                .setLength(65536)
                .build();
        Container container = idle(
                        pod,
                        mount(image, "", "/image").addUidMappings(ids).addGidMappings(ids),
                        mount(image, "models/of-app", "/part"))
                .start();

        assertThat(container.shell("stat -c '%u %g' /image /image/models/of-app /part /part/private"))
                .isEqualTo("0 0\n1000 1000\n1000 1000\n1000 1000");
        assertThat(container.shell("cat /part/private; touch /part/x 2>&1; true"))
                .contains("of app")
                .contains("Read-only file system");
        assertThat(container.shell("mount -o remount,rw /part 2>&1; touch /part/x 2>&1; true"))
                .doesNotContain("rw,")
                .containsPattern("Read-only file system|not permitted|denied");
    }

    @Test
    void theStatusGivesTheMountBackWithTheImagesId() {
        TestImage image = data();
        String reference = live.image(image);
        Mount asked = mount(reference, "models", "/image").build();
        Container container = idle(live.pod().run(), asked.toBuilder()).start();

        assertThat(container.status().getMountsList())
                .containsExactly(asked.toBuilder()
                        .setImage(asked.getImage().toBuilder().setImageRef(image.id()))
                        .build());
    }

    /** A pull may move the name to another image: a container keeps what it has. */
    @Test
    void aContainerKeepsItsImageWhateverBecomesOfTheName() {
        String name = "moving-" + UUID.randomUUID();
        String first = live.registry().push(name, "1", TestImage.of("", file("version", "first")));
        var _ = live.cri().pull(first);
        Pod pod = live.pod().run();
        Container old = idle(pod, mount(first, "", "/image")).start();
        var _ = live.registry().push(name, "1", TestImage.of("", file("version", "second")));
        var _ = live.cri().pull(first);
        Container late = idle(pod, mount(first, "", "/image")).start();

        assertThat(old.shell("cat /image/version")).isEqualTo("first");
        assertThat(late.shell("cat /image/version")).isEqualTo("second");
        assertThat(old.status().getMounts(0).getImage().getImageRef())
                .isNotEqualTo(late.status().getMounts(0).getImage().getImageRef());
    }

    private static byte[] file(String name, String content) {
        return new TarWriter().file(name, content + "\n").finish();
    }

    @Test
    void removingTheImageTakesNothingFromARunningContainerNorDoesAKilledServer() {
        TestImage image = TestImage.of(
                "",
                file("version", "kept " + UUID.randomUUID()),
                new TarWriter().directory("models").file("models/a", "a\n").finish());
        String reference = live.registry().push("kept-" + UUID.randomUUID(), "1", image);
        Pod pod = live.pod().run();
        var _ = idle(pod).start(); // brings busybox here
        Host without = live.host();
        var _ = live.cri().pull(reference);
        Container running = idle(pod, mount(reference, "", "/image")).start();
        Container created = idle(pod, mount(reference, "models", "/models")).create();

        live.cri().removeImage(reference);
        assertThat(isThere(reference)).isFalse();
        assertThat(running.shell("cat /image/version")).startsWith("kept");

        live.portafilter().killAndStart();

        assertThat(running.status().getState()).isEqualTo(ContainerState.CONTAINER_RUNNING);
        assertThat(running.status().getMounts(0).getImage().getImageRef()).isEqualTo(image.id());
        assertThat(running.shell("cat /image/version")).startsWith("kept");
        // prepared anew by this server, from layers that no image names any more
        created.start();
        assertThat(created.shell("ls /models")).isEqualTo("a");
        assertThat(Refusal.of(() -> idle(pod, mount(reference, "", "/x")).create())
                        .code())
                .isEqualTo(Status.Code.NOT_FOUND);

        for (Container container : new Container[] {running, created}) {
            container.stop(Duration.ZERO);
            container.remove();
        }
        Await.untilEquals(
                "what the image left",
                Duration.ofSeconds(10),
                java.util.List.of(),
                () -> live.host().remainsSince(without));
    }

    private static boolean isThere(String reference) {
        return !live.cri().imageStatus(reference).getId().isEmpty();
    }

    @Test
    void nothingIsLeftAfterThem() {
        String image = live.image(data());
        Runnable deed = () -> {
            Pod pod = live.pod().run();
            Container container = idle(pod, mount(image, "", "/image"), mount(image, "models", "/models"))
                    .start();
            assertThat(container.shell("ls /models/weights")).isEqualTo("/models/weights");
            pod.stop();
            pod.remove();
        };
        deed.run();
        Host before = live.host();
        deed.run();
        live.awaitAsBefore(before);
        assertThat(mountsOfTheHost())
                .noneMatch(line -> line.contains(live.portafilter().root().toString()));
    }

    private static Stream<String> mountsOfTheHost() {
        try {
            return Files.readAllLines(Path.of("/proc/" + live.portafilter().pid() + "/mountinfo")).stream();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
