package io.portafilter.cri;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.stub.StreamObserver;
import io.portafilter.config.Config;
import io.portafilter.cri.v1.FilesystemUsage;
import io.portafilter.cri.v1.Image;
import io.portafilter.cri.v1.ImageFsInfoRequest;
import io.portafilter.cri.v1.ImageFsInfoResponse;
import io.portafilter.state.Bytes;
import io.portafilter.state.ImageRecord;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What kubelet is told of an image: whom it runs as, whether it is pinned, and the verbose part. */
class ImageRpcTest {
    private static final String CONFIG = "{\"architecture\":\"amd64\",\"config\":{\"User\":\"1000:50\"}}";

    private static ImageRecord record(List<String> tags, List<String> digests, List<String> layers) {
        return new ImageRecord(
                "sha256:" + "a".repeat(64),
                tags,
                digests,
                Bytes.copyOf(CONFIG.getBytes(StandardCharsets.UTF_8)),
                layers,
                1,
                Map.of(),
                1);
    }

    private static Image user(String user) {
        Image.Builder image = Image.newBuilder();
        ImageRpc.user(image, user);
        return image.build();
    }

    @Test
    void aNumberIsTheUidAndAnythingElseTheName() {
        assertThat(user("1000").getUid().getValue()).isEqualTo(1000);
        assertThat(user("1000:50").getUsername()).isEmpty();
        assertThat(user("0").hasUid()).isTrue();
        assertThat(user("web").hasUid()).isFalse();
        assertThat(user("web:web").getUsername()).isEqualTo("web");
        assertThat(user("-1").hasUid()).isFalse();
    }

    @Test
    void noUserIsNeitherUidNorName() {
        for (String none : List.of("", ":50")) {
            assertThat(user(none).hasUid()).isFalse();
            assertThat(user(none).getUsername()).isEmpty();
        }
    }

    @Test
    void aNumberBeyondAllIdsIsNotWrappedIntoOne() {
        for (String beyond : List.of("2147483648", "4294967296", "18446744073709551616")) {
            assertThat(user(beyond).hasUid()).as(beyond).isFalse();
            assertThat(user(beyond).getUsername()).isEqualTo(beyond);
        }
        assertThat(user("2147483647").getUid().getValue()).isEqualTo(2147483647L);
    }

    @Test
    void aPatternPinsByTagDigestOrBeginning() {
        ImageRecord image = record(
                List.of("registry.k8s.io/pause:3.10"),
                List.of("registry.k8s.io/pause@sha256:" + "b".repeat(64)),
                List.of());
        assertThat(ImageRpc.isPinned(List.of("registry.k8s.io/pause:3.10"), image))
                .isTrue();
        assertThat(ImageRpc.isPinned(List.of("registry.k8s.io/*"), image)).isTrue();
        assertThat(ImageRpc.isPinned(List.of("registry.k8s.io/pause@sha256:*"), image))
                .isTrue();
        assertThat(ImageRpc.isPinned(List.of("registry.k8s.io/pause", "pause:*"), image))
                .isFalse();
        assertThat(ImageRpc.isPinned(List.of(), image)).isFalse();
    }

    @Test
    void anImageWithoutNamesIsPinnedByNoPattern() {
        assertThat(ImageRpc.isPinned(List.of("*"), record(List.of(), List.of(), List.of())))
                .isFalse();
    }

    /** kubelet reads the figures without looking whether they are there: one that met none ended. */
    @Test
    void theFileSystemHasFiguresBeforeTheRecordsAreRead() {
        List<ImageFsInfoResponse> answers = new ArrayList<>();
        new ImageRpc(Config.defaults(), new Recovered())
                .imageFsInfo(ImageFsInfoRequest.getDefaultInstance(), new StreamObserver<>() {
                    @Override
                    public void onNext(ImageFsInfoResponse answer) {
                        answers.add(answer);
                    }

                    @Override
                    public void onError(Throwable cause) {
                        throw new AssertionError(cause);
                    }

                    @Override
                    public void onCompleted() {}
                });
        assertThat(answers).singleElement().satisfies(answer -> {
            assertThat(answer.getImageFilesystemsList()).hasSize(1).allMatch(FilesystemUsage::hasUsedBytes);
            assertThat(answer.getContainerFilesystemsList()).hasSize(1).allMatch(FilesystemUsage::hasUsedBytes);
            assertThat(answer.getImageFilesystems(0).hasInodesUsed()).isTrue();
        });
    }

    @Test
    void theVerbosePartHasTheChainAndTheConfigurationAsItIs() {
        ImageRecord image = record(List.of(), List.of(), List.of("sha256:lower", "sha256:top"));
        assertThat(ImageRpc.info(image)).contains("\"chainID\":\"sha256:top\"").contains("\"imageSpec\":" + CONFIG);
        assertThat(ImageRpc.info(record(List.of(), List.of(), List.of()))).contains("\"chainID\":\"\"");
    }
}
