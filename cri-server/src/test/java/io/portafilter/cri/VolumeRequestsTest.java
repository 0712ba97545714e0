package io.portafilter.cri;

import static io.portafilter.cri.RequestFixture.podSpec;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.grpc.Status;
import io.portafilter.container.MountRequest;
import io.portafilter.container.MountRequest.Source;
import io.portafilter.cri.v1.ContainerConfig;
import io.portafilter.cri.v1.IDMapping;
import io.portafilter.cri.v1.ImageSpec;
import io.portafilter.cri.v1.Mount;
import io.portafilter.cri.v1.MountPropagation;
import io.portafilter.rootfs.Propagation;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Images as volumes, and the volumes that an image declares. */
class VolumeRequestsTest {

    private static MountRequest image(Consumer<Mount.Builder> change) {
        return mounts("", config -> change.accept(imageMount(config))).getFirst();
    }

    private static Mount.Builder imageMount(ContainerConfig.Builder config) {
        return config.addMountsBuilder()
                .setContainerPath("/models")
                .setReadonly(true)
                .setImage(ImageSpec.newBuilder().setImage("model"));
    }

    private static List<MountRequest> mounts(String imageConfig, Consumer<ContainerConfig.Builder> change) {
        return RequestFixture.spec(change, podSpec(_ -> {}), "'Cmd':['/app']" + imageConfig)
                .mounts();
    }

    private static void refuses(String field, Consumer<Mount.Builder> change) {
        assertThatThrownBy(() -> image(change)).satisfies(error -> {
            assertThat(StatusInterceptor.status(error, "CreateContainer").getCode())
                    .isEqualTo(Status.Code.INVALID_ARGUMENT);
            assertThat(error)
                    .hasMessageStartingWith("ImageVolumeMountFailed: config.mounts[0]")
                    .hasMessageContaining(field);
        });
    }

    @Test
    void anImageIsMountedReadOnlyAndPrivate() {
        MountRequest mount = image(m -> m.setContainerPath("//models/").setImageSubPath("./a//b/"));

        assertThat(mount.containerPath()).isEqualTo("/models");
        assertThat(mount.source()).isEqualTo(new Source.Image(List.of(Path.of("/layers/model/models")), "a/b"));
        assertThat(mount.readOnly()).isTrue();
        assertThat(mount.propagation()).isEqualTo(Propagation.PRIVATE);
        assertThat(image(m -> m.setImageSubPath(".")).source())
                .isEqualTo(new Source.Image(List.of(Path.of("/layers/model/models")), ""));
    }

    @Test
    void optionsOfAnImageMayTakeAwayMore() {
        assertThat(image(m -> m.addMountOptions("noexec")).restrictions())
                .containsExactly(MountRequest.Restriction.NOEXEC);
        assertThat(image(m -> m.setRecursiveReadOnly(true)).recursiveReadOnly()).isTrue();
        // nothing is ever mounted below it, so there is nothing to receive
        assertThat(image(m -> m.setPropagation(MountPropagation.PROPAGATION_HOST_TO_CONTAINER))
                        .propagation())
                .isEqualTo(Propagation.PRIVATE);
    }

    @Test
    void anImageThatIsAskedForWronglyIsRefusedWithKubeletsWord() {
        refuses("readonly", m -> m.setReadonly(false));
        refuses("host_path", m -> m.setHostPath("/etc"));
        refuses("image.image", m -> m.getImageBuilder().clearImage());
        refuses("propagation", m -> m.setPropagation(MountPropagation.PROPAGATION_BIDIRECTIONAL));
        refuses("propagation", m -> m.setPropagationValue(9));
        refuses("image_sub_path", m -> m.clearImage().setHostPath("/srv").setImageSubPath("a"));
        for (String subPath : List.of("..", "a/../b", "../etc", "/etc", "/", "a\0b")) {
            refuses("image_sub_path", m -> m.setImageSubPath(subPath));
        }
    }

    @Test
    void mappingsOfAnImageAreTakenOver() {
        IDMapping ids = IDMapping.newBuilder().setHostId(65536).setLength(65536).build();
        assertThat(image(m -> m.addUidMappings(ids).addGidMappings(ids)).ids()).isPresent();
        assertThat(image(_ -> {}).ids()).isEmpty();
        assertThatThrownBy(() -> image(m -> m.addUidMappings(ids))).hasMessageContaining("gidMappings");
    }

    @ParameterizedTest
    @CsvSource({"/data,/data", "data,/data", "/data/,/data", "/a/../data,/data", "../../data,/data", "//x/./y,/x/y"})
    void theImagesVolumesAreMountsOfTheirOwn(String written, String path) {
        List<MountRequest> mounts = mounts(",'Volumes':{'" + written + "':{}}", _ -> {});

        assertThat(mounts.getLast()).isEqualTo(MountRequest.declared(path, 0));
        assertThat(mounts.getLast().readOnly()).isFalse();
    }

    @Test
    void whatIsMountedAnywayIsNoVolumeOfTheImage() {
        List<MountRequest> mounts = mounts(
                ",'Volumes':{'/models':{},'/data':{},'/data/':{},'/etc/hosts':{},'/models/below':{}}",
                VolumeRequestsTest::imageMount);

        assertThat(mounts.stream()
                        .filter(mount -> mount.source() instanceof Source.Declared)
                        .map(MountRequest::containerPath))
                .containsExactlyInAnyOrder("/data", "/models/below");
        assertThat(mounts)
                .filteredOn(mount -> mount.containerPath().equals("/etc/hosts"))
                .hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"/", "", ".", "..", "/..", "/a/..", "../..", "/x\\\\ny", "/x\\\\u0000y"})
    void aVolumeOfTheImageThatCannotBeIsRefused(String written) {
        assertThatThrownBy(() -> mounts(",'Volumes':{'" + written.replace("\\\\", "\\") + "':{}}", _ -> {}))
                .satisfies(error -> assertThat(StatusInterceptor.status(error, "CreateContainer")
                                .getCode())
                        .isEqualTo(Status.Code.INVALID_ARGUMENT))
                .hasMessageContaining("the image's Volumes");
    }

    @Test
    void anImageMayNotDeclareVolumesWithoutEnd() {
        String many =
                IntStream.rangeClosed(0, 100).mapToObj(i -> "'/v" + i + "':{}").collect(Collectors.joining(","));
        assertThatThrownBy(() -> mounts(",'Volumes':{" + many + "}", _ -> {})).hasMessageContaining("101");
    }
}
