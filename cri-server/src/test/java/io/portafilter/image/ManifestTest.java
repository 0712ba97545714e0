package io.portafilter.image;

import static io.portafilter.image.StoreFixture.failureOf;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ManifestTest {
    private static final String DIGEST = "sha256:" + "ab".repeat(32);

    private static Manifest parse(String document) {
        return Manifest.parse(document.getBytes(StandardCharsets.UTF_8), "", "manifest of x");
    }

    private static Manifest.Index index(String... platforms) {
        List<String> entries = new ArrayList<>();
        for (int i = 0; i < platforms.length; i++) {
            String[] parts = platforms[i].split("/");
            entries.add("""
                    {"digest":"sha256:%s","size":%d,"platform":{"os":"%s","architecture":"%s","variant":"%s"}}""".formatted(
                    Integer.toString(10 + i).repeat(32), i, parts[0], parts[1], parts.length > 2 ? parts[2] : ""));
        }
        return (Manifest.Index) parse("{\"manifests\":[" + String.join(",", entries) + "]}");
    }

    @ParameterizedTest
    @CsvSource({
        "linux/amd64, linux/arm64 linux/amd64, 1",
        "linux/amd64, linux/amd64 linux/amd64, 0",
        "linux/arm64, linux/arm/v7 linux/arm64/v8, 1",
        "linux/arm64, linux/arm64 linux/arm64/v8, 0",
        "linux/amd64, linux/amd64/v1, 0",
        "linux/amd64, linux/amd64/v3 linux/amd64, 1",
        "linux/amd64, windows/amd64 linux/x86_64, 1",
    })
    void picksWhatThisMachineRuns(String host, String offered, int chosen) {
        String[] parts = host.split("/");

        Descriptor picked = index(offered.split(" ")).select(new Platform(parts[0], parts[1], ""), "x");

        assertThat(picked.sizeBytes()).isEqualTo(chosen);
    }

    @Test
    void namesThePlatformsWhenNoneFits() {
        ImageException none = failureOf(
                () -> index("linux/s390x", "linux/amd64/v3").select(new Platform("linux", "amd64", ""), "index"));

        assertThat(none.kind()).isEqualTo(ImageException.Kind.UNSUPPORTED);
        assertThat(none).hasMessageContaining("linux/s390x").hasMessageContaining("linux/amd64/v3");
    }

    @Test
    void anAttestationIsNoImage() {
        Manifest.Index index = (Manifest.Index) parse("""
                {"manifests":[{"digest":"%1$s","size":1,"platform":{"os":"unknown","architecture":"unknown"},
                  "annotations":{"vnd.docker.reference.type":"attestation-manifest"}}]}""".formatted(DIGEST));

        assertThat(failureOf(() -> index.select(new Platform("linux", "amd64", ""), "x"))
                        .kind())
                .isEqualTo(ImageException.Kind.UNSUPPORTED);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "nonsense",
                "{\"schemaVersion\":2,",
                "{} {}",
                "{\"a\":1,\"a\":2,\"manifests\":[]}",
                "{\"manifests\":[],\"layers\":[]}",
                "{\"manifests\":[],\"config\":{}}",
                "{\"layers\":[]}",
                "{\"config\":{\"digest\":\"sha256:xyz\",\"size\":1},\"layers\":[]}",
                "{\"config\":{\"digest\":\"../../../etc/passwd\",\"size\":1},\"layers\":[]}",
                "{\"manifests\":[{\"size\":1}]}",
                "{\"manifests\":[{\"digest\":\"sha256:abababababababababababababababababababababababababababababababab\",\"size\":-1}]}"
            })
    void refusesWhatIsMalformed(String document) {
        assertThat(failureOf(() -> parse(document)).kind()).isEqualTo(ImageException.Kind.INVALID_IMAGE);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"schemaVersion\":1,\"manifests\":[]}",
                "{\"mediaType\":\"application/vnd.cncf.helm.config\",\"layers\":[],\"config\":{}}",
                "{\"schemaVersion\":2}",
                "[]"
            })
    void refusesWhatIsNoImage(String document) {
        assertThat(failureOf(() -> parse(document)).kind()).isEqualTo(ImageException.Kind.UNSUPPORTED);
    }

    @Test
    void refusesMoreLayersThanOverlayStacks() {
        String layer = "{\"digest\":\"" + DIGEST + "\",\"size\":1}";
        String layers = String.join(",", Collections.nCopies(Manifest.MAX_LAYERS + 1, layer));

        ImageException failure = failureOf(() -> parse("{\"config\":" + layer + ",\"layers\":[" + layers + "]}"));

        assertThat(failure).hasMessageContaining("501 layers");
    }

    @Test
    void refusesADocumentOfMoreValuesThanMemoryIsGoodFor() {
        ImageException failure = failureOf(() -> parse("{\"manifests\":[" + "1,".repeat(200_000) + "1]}"));

        assertThat(failure).hasMessageContaining("100000 values");
    }

    @Test
    void chainIdsAreThoseOfTheSpecification() {
        // OCI image specification, config.md: ChainID(A|B) = Digest(ChainID(A) + " " + DiffID(B))
        ImageConfig config = ImageConfig.parse(
                ("{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\""
                                + DIGEST + "\",\"" + DIGEST + "\"]}}")
                        .getBytes(StandardCharsets.UTF_8));

        assertThat(config.chainIds())
                .containsExactly(
                        new Digest("sha256", "ab".repeat(32)),
                        Digest.sha256((DIGEST + " " + DIGEST).getBytes(StandardCharsets.UTF_8)));
    }
}
