package io.portafilter.image;

import static io.portafilter.image.StoreFixture.failureOf;
import static io.portafilter.image.TarFixture.tar;
import static org.assertj.core.api.Assertions.assertThat;

import com.github.luben.zstd.Zstd;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ArchiveImportTest {
    private static final byte[] LAYER = tar().file("hello", "hello").bytes();

    @TempDir
    Path root;

    private StoreFixture fixture;

    @BeforeEach
    void open() {
        fixture = StoreFixture.open(root.resolve("lib"));
    }

    @AfterEach
    void close() {
        if (fixture != null) {
            fixture.close();
        }
    }

    private static String config(byte[]... layers) {
        StringBuilder ids = new StringBuilder();
        for (byte[] layer : layers) {
            ids.append(ids.isEmpty() ? "" : ",")
                    .append('"')
                    .append(Digest.sha256(layer))
                    .append('"');
        }
        return "{\"os\":\"linux\",\"architecture\":\"amd64\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[" + ids
                + "]}}";
    }

    private static TarFixture dockerArchive(String tags) {
        String config = config(LAYER, LAYER);
        return tar().file("a/layer.tar", LAYER)
                .symbolicLink("b/layer.tar", "../a/layer.tar")
                .file("config.json", config)
                .file(
                        "manifest.json",
                        "[{\"Config\":\"config.json\",\"RepoTags\":%s,\"Layers\":[\"a/layer.tar\",\"b/layer.tar\"]}]"
                                .formatted(tags));
    }

    private List<ImportedImage> importTar(byte[] archive, Optional<String> name) {
        return fixture.store.importArchive(new ByteArrayInputStream(archive), name);
    }

    /** Writes a layout with one image; returns its directory. */
    private Path layout(String name, byte[] layer, String annotations) throws IOException {
        Path directory = Files.createDirectories(root.resolve(name));
        Files.createDirectories(directory.resolve("blobs/sha256"));
        Files.writeString(directory.resolve("oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}");
        String config = config(LAYER);
        String manifest = "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"config\":%s,\"layers\":[%s]}"
                .formatted(
                        Manifest.OCI_MANIFEST,
                        blob(directory, config.getBytes(StandardCharsets.UTF_8)),
                        blob(directory, layer));
        String descriptor = blob(directory, manifest.getBytes(StandardCharsets.UTF_8));
        Files.writeString(
                directory.resolve("index.json"),
                "{\"schemaVersion\":2,\"manifests\":[" + descriptor.substring(0, descriptor.length() - 1) + annotations
                        + "}]}");
        return directory;
    }

    private static String blob(Path directory, byte[] content) throws IOException {
        Digest digest = Digest.sha256(content);
        Files.write(directory.resolve("blobs/sha256").resolve(digest.hex()), content);
        return RegistryFixture.descriptor("", digest, content.length);
    }

    private static String named(String name) {
        return ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"" + name + "\"}";
    }

    // ---- docker archives

    @Test
    void importsADockerArchiveFromAFileAndFromAStreamCompressedOrNot() throws IOException {
        byte[] archive = dockerArchive("[\"busybox:1\",\"localhost/x:y\"]").bytes();
        Path file = Files.write(root.resolve("a.tar"), archive);
        Path zipped = Files.write(root.resolve("a.tar.gz"), RegistryFixture.gzip(archive));

        ImportedImage first =
                fixture.store.importArchive(file, Optional.empty()).getFirst();

        assertThat(first.names()).containsExactly("docker.io/library/busybox:1", "localhost/x:y");
        assertThat(first.image().tags()).isEqualTo(first.names());
        assertThat(first.image().layerChain()).hasSize(2);
        assertThat(fixture.top(first.image()).resolve("hello")).hasContent("hello");
        assertThat(fixture.store.importArchive(zipped, Optional.empty())).containsExactly(first);
        assertThat(importTar(archive, Optional.empty())).containsExactly(first);
        assertThat(importTar(Zstd.compress(archive), Optional.empty())).containsExactly(first);
        assertThat(fixture.leftovers()).isEmpty();
    }

    @Test
    void givesTheNameAskedForToAnArchiveOfOneImage() {
        ImportedImage image =
                importTar(dockerArchive("null").bytes(), Optional.of("own:1")).getFirst();

        assertThat(image.names()).containsExactly("docker.io/library/own:1");
        assertThat(importTar(dockerArchive("null").bytes(), Optional.empty())
                        .getFirst()
                        .names())
                .isEmpty();
        byte[] two = tar().file("manifest.json", "[{},{}]").bytes();
        assertThat(failureOf(() -> importTar(two, Optional.of("own:1")))).hasMessageContaining("2 images");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "[{}]",
                "[{\"Config\":\"nowhere.json\",\"Layers\":[]}]",
                "[{\"Config\":\"config.json\",\"Layers\":[\"a/layer.tar\"]}]",
                "[{\"Config\":\"config.json\",\"Layers\":[\"a/layer.tar\",\"../../../../etc/passwd\"]}]",
                "[{\"Config\":\"/etc/passwd\",\"Layers\":[]}]"
            })
    void refusesADockerArchiveThatDoesNotHang(String manifest) {
        byte[] archive = tar().file("a/layer.tar", LAYER)
                .file("config.json", config(LAYER, LAYER))
                .file("manifest.json", manifest)
                .bytes();

        ImageException failure = failureOf(() -> importTar(archive, Optional.empty()));

        assertThat(failure.kind()).isEqualTo(ImageException.Kind.INVALID_IMAGE);
        assertThat(fixture.store.list()).isEmpty();
    }

    @Test
    void aLinkInAnArchiveReadsNoFileOfThisMachine() {
        byte[] archive = tar().symbolicLink("config.json", "/etc/passwd")
                .file("manifest.json", "[{\"Config\":\"config.json\",\"Layers\":[]}]")
                .bytes();

        assertThat(failureOf(() -> importTar(archive, Optional.empty()))).hasMessageContaining("lacks");
    }

    @Test
    void refusesALayerThatIsNotWhatTheConfigurationSays() {
        byte[] archive = tar().file("layer.tar", tar().file("evil", "x").bytes())
                .file("config.json", config(LAYER))
                .file(
                        "manifest.json",
                        "[{\"Config\":\"config.json\",\"RepoTags\":[\"x:1\"],\"Layers\":[\"layer.tar\"]}]")
                .bytes();

        assertThat(failureOf(() -> importTar(archive, Optional.empty())).kind())
                .isEqualTo(ImageException.Kind.INVALID_IMAGE);
        assertThat(fixture.store.list()).isEmpty();
        assertThat(fixture.database.layers()).isEmpty();
        assertThat(fixture.leftovers()).isEmpty();
    }

    // ---- OCI layouts

    @Test
    void namesALayoutsBareTagAfterItsDirectory() throws IOException {
        Path directory = layout("My_Image", RegistryFixture.gzip(LAYER), named("1.0"));

        ImportedImage image =
                fixture.store.importLayout(directory, Optional.empty()).getFirst();

        assertThat(image.names()).containsExactly("localhost/my-image:1.0");
        assertThat(image.image().digests()).hasSize(1).first().asString().startsWith("localhost/my-image@sha256:");
        assertThat(fixture.top(image.image()).resolve("hello")).hasContent("hello");
    }

    @Test
    void takesAWholeNameAndALayoutWithoutOne() throws IOException {
        assertThat(fixture.store
                        .importLayout(layout("a", LAYER, named("registry.example/team/app:2")), Optional.empty())
                        .getFirst()
                        .names())
                .containsExactly("registry.example/team/app:2");
        assertThat(fixture.store
                        .importLayout(layout("b", Zstd.compress(LAYER), ""), Optional.empty())
                        .getFirst()
                        .names())
                .containsExactly("localhost/b:latest");
        assertThat(fixture.store
                        .importLayout(layout("c", LAYER, named("1")), Optional.of("own/name:3"))
                        .getFirst()
                        .names())
                .containsExactly("docker.io/own/name:3");
    }

    @Test
    void importsALayoutInATarFile() throws IOException, InterruptedException {
        Path directory = layout("d", RegistryFixture.gzip(LAYER), named("1"));
        Path file = root.resolve("layout.tar");
        Process pack = new ProcessBuilder("tar", "-C", directory.toString(), "-cf", file.toString(), ".").start();
        assertThat(pack.waitFor()).isZero();

        assertThat(fixture.store
                        .importArchive(file, Optional.empty())
                        .getFirst()
                        .names())
                .containsExactly("localhost/layout:1");
    }

    @Test
    void refusesABlobThatIsNotWhatItsDigestSays() throws IOException {
        byte[] layer = RegistryFixture.gzip(LAYER);
        Path directory = layout("e", layer, named("1"));
        layer[layer.length - 1] ^= 1;
        Files.write(
                directory
                        .resolve("blobs/sha256")
                        .resolve(Digest.sha256(RegistryFixture.gzip(LAYER)).hex()),
                layer);

        assertThat(failureOf(() -> fixture.store.importLayout(directory, Optional.empty())))
                .hasMessageContaining("digest");
    }

    @Test
    void aLinkInALayoutLeadsNowhereOutside() throws IOException {
        Path directory = layout("f", LAYER, named("1"));
        Path blob =
                directory.resolve("blobs/sha256").resolve(Digest.sha256(LAYER).hex());
        Path secret = Files.write(root.resolve("secret"), LAYER);
        Files.delete(blob);
        Files.createSymbolicLink(blob, secret);

        assertThat(failureOf(() -> fixture.store.importLayout(directory, Optional.empty()))
                        .kind())
                .isEqualTo(ImageException.Kind.INVALID_IMAGE);
    }

    @Test
    void saysWhatIsNoImage() throws IOException {
        assertThat(failureOf(() -> fixture.store.importLayout(root.resolve("nowhere"), Optional.empty()))
                        .kind())
                .isEqualTo(ImageException.Kind.NOT_FOUND);
        assertThat(failureOf(() -> fixture.store.importArchive(root.resolve("nowhere"), Optional.empty()))
                        .kind())
                .isEqualTo(ImageException.Kind.NOT_FOUND);
        assertThat(failureOf(() -> importTar(LAYER, Optional.empty()))).hasMessageContaining("manifest.json");
        assertThat(failureOf(() -> importTar("text".repeat(1000).getBytes(StandardCharsets.UTF_8), Optional.empty()))
                        .kind())
                .isEqualTo(ImageException.Kind.INVALID_IMAGE);
        byte[] xz = {(byte) 0xfd, '7', 'z', 'X', 'Z', 0, 0, 0};
        assertThat(failureOf(() -> importTar(xz, Optional.empty())).kind()).isEqualTo(ImageException.Kind.UNSUPPORTED);
    }
}
