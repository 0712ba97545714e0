package io.portafilter.image;

import static io.portafilter.image.StoreFixture.failureOf;
import static io.portafilter.image.TarFixture.tar;
import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.rootfs.DetachedMount;
import io.portafilter.rootfs.LayerStack;
import io.portafilter.state.Bytes;
import io.portafilter.state.Change;
import io.portafilter.state.ContainerRecord;
import io.portafilter.state.ContainerState;
import io.portafilter.state.ImageRecord;
import io.portafilter.state.VolumeImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class ImageStoreTest {
    private static final byte[] BASE = tar().directory("etc/")
            .file("etc/base", "base")
            .file("etc/gone", "x")
            .bytes();

    @TempDir
    Path root;

    private RegistryFixture registry;
    private StoreFixture fixture;

    @BeforeEach
    void open() {
        fixture = StoreFixture.open(root.resolve("lib"));
        registry = RegistryFixture.plain();
    }

    @AfterEach
    void close() {
        if (registry != null) {
            registry.close();
            fixture.close();
        }
    }

    private void reopen() {
        fixture.close();
        fixture = StoreFixture.open(root.resolve("lib"));
    }

    private ImageRecord pull(String tag) {
        return fixture.pull(registry.reference(tag));
    }

    // ---- names

    @Test
    void anImageIsOneWhicheverRegistryAndTagItCameFrom() {
        try (RegistryFixture other = RegistryFixture.plain()) {
            registry.image("1", BASE);
            registry.image("2", BASE);
            other.image("x", BASE);

            pull("1");
            pull("2");
            ImageRecord image = fixture.pull(other.reference("x"));

            assertThat(fixture.store.list()).containsExactly(image);
            assertThat(image.tags())
                    .containsExactly(
                            registry.reference("1").toString(),
                            registry.reference("2").toString(),
                            other.reference("x").toString());
            assertThat(image.digests()).hasSize(2);
        }
    }

    @Test
    void aMovedTagLeavesTheOldImageItsOtherNames() {
        var before = registry.image("latest", BASE);
        ImageRecord old = pull("latest");
        var after = registry.image("latest", tar().file("new", "n").bytes());

        ImageRecord image = pull("latest");

        assertThat(image.id()).isEqualTo(after.id().toString());
        ImageRecord left = fixture.store.find(old.id()).orElseThrow();
        assertThat(left.tags()).isEmpty();
        assertThat(left.digests()).containsExactly(registry.reference("x").name() + "@" + before.manifest());
        assertThat(fixture.store.find(registry.reference("latest").toString())).contains(image);
    }

    @Test
    void findsByIdThenByReference() {
        registry.image("1", BASE);
        ImageRecord image = pull("1");
        String hex = image.id().substring("sha256:".length());

        for (String name : List.of(
                image.id(),
                hex,
                hex.substring(0, 12),
                "sha256:" + hex.substring(0, 5),
                registry.reference("1").toString(),
                image.digests().getFirst(),
                registry.reference("1") + "@" + image.digests().getFirst().split("@")[1])) {
            assertThat(fixture.store.find(name)).as(name).contains(image);
        }
        assertThat(fixture.store.find("0".repeat(64))).isEmpty();
        assertThat(fixture.store.find("sha256:" + "0".repeat(64))).isEmpty();
        assertThat(fixture.store.find("busybox")).isEmpty();
        assertThat(failureOf(() -> fixture.store.find("NOT A NAME")).kind())
                .isEqualTo(ImageException.Kind.INVALID_REFERENCE);
    }

    @Test
    void refusesTheBeginningOfSeveralIds() {
        for (int i = 0; i < 17; i++) {
            registry.image("t" + i, tar().file("f", "content " + i).bytes());
            pull("t" + i);
        }
        String common = fixture.store.list().stream()
                .map(image -> image.id().substring(7, 8))
                .sorted()
                .reduce((a, b) -> a.equals(b) || a.length() > 1 ? a + b : b)
                .orElseThrow()
                .substring(0, 1);

        // Seventeen ids have sixteen first digits, so two have the same
        assertThat(failureOf(() -> fixture.store.find(common))).hasMessageContaining("give more of it");
    }

    // ---- removal

    @Test
    void removesByAnyNameAllNamesAndTheLayersThatNothingElseUses() {
        registry.image("1", BASE);
        registry.image("2", BASE);
        registry.image("other", BASE, tar().file("top", "t").bytes());
        pull("1");
        ImageRecord image = pull("2");
        ImageRecord other = pull("other");

        fixture.store.remove(registry.reference("1").toString());

        assertThat(fixture.store.list()).containsExactly(other);
        assertThat(fixture.store.find(image.id())).isEmpty();
        assertThat(fixture.store.layerPathsTopFirst(other))
                .allSatisfy(path -> assertThat(path).isDirectory());
        fixture.store.remove(other.id());
        assertThat(fixture.database.layers()).isEmpty();
        assertThat(fixture.leftovers()).isEmpty();
        assertThat(fixture.store.usage()).isEqualTo(new FsUsage(root.resolve("lib"), 0, 0));
    }

    @Test
    void removingWhatIsGoneSucceedsAlsoFiveTimesAtOnce()
            throws ExecutionException, InterruptedException, TimeoutException {
        registry.image("1", BASE);
        ImageRecord image = pull("1");

        try (ExecutorService callers = Executors.newFixedThreadPool(5)) {
            List<Future<?>> removals = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                removals.add(callers.submit(() -> fixture.store.remove(image.id())));
            }
            for (Future<?> removal : removals) {
                assertThat(removal.get(20, TimeUnit.SECONDS)).isNull();
            }
        }
        fixture.store.remove("0".repeat(64));
        assertThat(fixture.store.list()).isEmpty();
        assertThat(fixture.leftovers()).isEmpty();
    }

    @Test
    void layersStayWhileAContainerUsesThem() {
        registry.image("1", BASE);
        ImageRecord image = pull("1");
        fixture.database.commit(new Change.PutContainer(container(image)));

        fixture.store.remove(image.id());
        reopen();

        assertThat(fixture.store.find(image.id())).isEmpty();
        assertThat(fixture.top(image).resolve("etc/base")).hasContent("base");
        fixture.database.commit(new Change.RemoveContainer("c"));
        fixture.store.removeUnusedLayers(image.layerChain());
        assertThat(fixture.database.layers()).isEmpty();
        assertThat(fixture.leftovers()).isEmpty();
    }

    @Test
    void layersStayWhileAContainerMountsThemAsAVolume() {
        registry.image("1", BASE);
        registry.image("volume", tar().file("model", "weights").bytes());
        ImageRecord image = pull("1");
        ImageRecord volume = pull("volume");
        Map<String, VolumeImage> mounted = Map.of("/models", new VolumeImage(volume.id(), volume.layerChain()));
        fixture.database.commit(new Change.PutContainer(container(image, mounted)));

        fixture.store.remove(volume.id());
        reopen();

        List<Path> layers = fixture.store.volumeLayersTopFirst(volume.layerChain());
        assertThat(layers.getFirst().resolve("model")).hasContent("weights");
        assertThat(layers.getLast()).isEmptyDirectory();
        fixture.database.commit(new Change.RemoveContainer("c"));
        fixture.store.removeUnusedLayers(volume.layerChain());
        assertThat(layers.getFirst()).doesNotExist();
        assertThat(fixture.database.layers()).hasSameSizeAs(image.layerChain());
    }

    private static ContainerRecord container(ImageRecord image) {
        return container(image, Map.of());
    }

    private static ContainerRecord container(ImageRecord image, Map<String, VolumeImage> volumes) {
        return new ContainerRecord(
                "c",
                "p",
                "app",
                0,
                Bytes.EMPTY,
                image.id(),
                image.id(),
                image.config(),
                image.layerChain(),
                volumes,
                "",
                1,
                0,
                0,
                ContainerState.CREATED,
                0,
                "",
                "",
                Optional.empty(),
                "",
                Optional.empty());
    }

    @Test
    void layersStayWhileTheyAreLeased() {
        registry.image("1", BASE);
        ImageRecord image = pull("1");

        try (ImageStore.LeasedImage leased = fixture.store.lease(image.id()).orElseThrow()) {
            fixture.store.remove(image.id());
            assertThat(fixture.top(leased.image()).resolve("etc/base")).hasContent("base");
        }

        fixture.store.removeUnusedLayers(image.layerChain());
        assertThat(fixture.leftovers()).isEmpty();
        assertThat(fixture.database.layers()).isEmpty();
    }

    // ---- after a crash

    @Test
    void anotherLifeKnowsTheSameImages() {
        registry.image("1", BASE, tar().file("top", "t").bytes());
        ImageRecord image = pull("1");

        reopen();

        assertThat(fixture.store.list()).containsExactly(image);
        assertThat(fixture.top(image).resolve("top")).hasContent("t");
    }

    @Test
    void clearsWhatACrashLeft() throws IOException {
        registry.image("1", BASE);
        ImageRecord image = pull("1");
        Path layers = root.resolve("lib/layers");
        Files.createDirectories(layers.resolve(".tmp-x/fs/deep/er"));
        Files.writeString(layers.resolve(".tmp-x/fs/file"), "half");
        Files.createDirectories(layers.resolve("ab".repeat(32) + "/fs"));
        Files.writeString(root.resolve("lib/blobs/.import-1"), "half");

        reopen();

        assertThat(fixture.leftovers()).isEmpty();
        assertThat(fixture.store.list()).containsExactly(image);
    }

    @Test
    void anImageWhoseLayerIsGoneIsGoneAndCanBePulledAgain() {
        registry.image("1", BASE, tar().file("top", "t").bytes());
        ImageRecord image = pull("1");
        try (Fd layers = Kernel.open(root.resolve("lib/layers").toString(), 0)) {
            assertThat(Kernel.removeTree(layers, image.layerChain().getLast().substring(7)))
                    .isTrue();
        }

        reopen();

        assertThat(fixture.store.list()).isEmpty();
        assertThat(fixture.top(pull("1")).resolve("top")).hasContent("t");
    }

    @Test
    void directoriesAreForRootAlone() throws IOException {
        registry.image("1", BASE);
        pull("1");

        Path lib = root.resolve("lib");
        try (Stream<Path> layers = Files.list(lib.resolve("layers"))) {
            Stream<Path> own = Stream.of("", "blobs", "blobs/partial", "layers").map(lib::resolve);
            assertThat(Stream.concat(own, layers))
                    .allSatisfy(path -> assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(path)))
                            .isEqualTo("rwx------"));
        }
    }

    // ---- what overlay makes of it

    @Test
    void overlayShowsWhatTheLayersSayTogether() throws IOException {
        registry.image(
                "1",
                tar().mode(01777)
                        .directory("tmp/")
                        .mode(0644)
                        .file("tmp/old", "old")
                        .file("etc/gone", "x")
                        .file("opaque/old", "x")
                        .bytes(),
                tar().file("tmp/new", "new")
                        .file("etc/.wh.gone", "")
                        .file("opaque/.wh..wh..opq", "")
                        .file("opaque/new", "y")
                        .bytes());
        ImageRecord image = pull("1");
        Path writable = Files.createDirectory(root.resolve("writable"));

        try (Fd mount = DetachedMount.overlay(
                LayerStack.create(fixture.store.layerPathsTopFirst(image), writable, 0, 0), Optional.empty())) {
            Path merged = Path.of(mount.path());
            assertThat(merged.resolve("tmp/old")).hasContent("old");
            assertThat(merged.resolve("tmp/new")).hasContent("new");
            assertThat(merged.resolve("etc/gone")).doesNotExist();
            assertThat(merged.resolve("opaque/old")).doesNotExist();
            assertThat(merged.resolve("opaque/new")).hasContent("y");
            assertThat(Kernel.statx(mount, "tmp", 0).permissions()).isEqualTo(01777);
        } catch (KernelException e) {
            assumeTrue(false, "overlay cannot be mounted here: " + e.getMessage());
        }
    }

    // ---- what records cost

    private ImageRecord describe(int number, int configBytes) {
        return fixture.store.commit(
                new ImageStore.Content(
                        Digest.sha256(new byte[] {(byte) number}),
                        Bytes.copyOf(new byte[configBytes]),
                        List.of(),
                        List.of(),
                        Map.of("key", "v".repeat(512 * 1024 - 3))),
                List.of("host.example/image:" + number));
    }

    @Test
    void imagesThatAreMadeForItDoNotFillTheMemoryOfThisServerAndTheNext() {
        int each = ImageConfig.MAX_BYTES / 2;
        for (int i = 0; i < 16; i++) {
            describe(i, each);
        }
        assertThat(failureOf(() -> describe(16, each)))
                .hasMessageContaining("remove images first")
                .extracting(ImageException::kind)
                .isEqualTo(ImageException.Kind.STORAGE);
        assertThat(describe(3, each).tags()).as("known already").containsExactly("host.example/image:3");
        fixture.store.remove("host.example/image:3");
        assertThat(describe(16, each).tags()).containsExactly("host.example/image:16");
    }
}
