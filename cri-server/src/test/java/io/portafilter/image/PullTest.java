package io.portafilter.image;

import static io.portafilter.image.RegistryFixture.Wants.BASIC;
import static io.portafilter.image.RegistryFixture.Wants.TOKEN;
import static io.portafilter.image.StoreFixture.failureOf;
import static io.portafilter.image.TarFixture.tar;
import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.state.ImageRecord;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Pulls from a registry on loopback, which behaves well or badly. */
@Timeout(60)
class PullTest {
    private static final byte[] HELLO =
            tar().directory("etc/").file("etc/hello", "hello\n").bytes();

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

    @Test
    void unpacksTheLayersInOrderAndNamesTheImageByItsConfiguration() throws IOException {
        var published = registry.image("1", HELLO, tar().file("etc/second", "2").bytes());

        ImageRecord image = fixture.pull(registry.reference("1"));

        assertThat(image.id()).isEqualTo(published.id().toString());
        assertThat(image.tags()).containsExactly(registry.reference("1").toString());
        assertThat(image.digests()).containsExactly(registry.reference("1").name() + "@" + published.manifest());
        assertThat(image.sizeBytes()).isPositive();
        assertThat(image.annotations()).containsEntry("a", "b");
        List<Path> layers = fixture.store.layerPathsTopFirst(image);
        assertThat(layers).hasSize(3);
        assertThat(layers.getFirst().resolve("etc/second")).hasContent("2");
        assertThat(layers.get(1).resolve("etc/hello")).hasContent("hello\n");
        assertThat(layers.getLast().resolve("etc/hosts")).isEmptyFile();
        assertThat(fixture.leftovers()).isEmpty();
        assertThat(fixture.store.usage().bytes()).isPositive();
        assertThat(fixture.store.usage().inodes()).isEqualTo(6);
        assertThat(ImageConfig.parse(image.config().toByteArray()).user()).isEqualTo("1000");
    }

    @Test
    void leavesNeitherThreadNorDescriptor() throws InterruptedException {
        registry.image("1", HELLO);
        fixture.pull(registry.reference("1"));
        await(() -> threads("HttpClient-") + threads("image-") == 0);
        long before = descriptors();

        for (int i = 0; i < 5; i++) {
            fixture.store.remove(registry.reference("1").toString());
            fixture.pull(registry.reference("1"));
        }

        await(() -> threads("HttpClient-") + threads("image-") == 0);
        await(() -> descriptors() <= before);
    }

    /** Without sockets: the fixture is in this process, too, and keeps idle connections. */
    private static long descriptors() {
        try (var open = Files.list(Path.of("/proc/self/fd"))) {
            return open.filter(path -> !target(path).startsWith("socket:")).count();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static String target(Path link) {
        try {
            return Files.readSymbolicLink(link).toString();
        } catch (IOException e) {
            return "closed meanwhile";
        }
    }

    @Test
    void pullsAgainWithoutTheLayersWhenTheyAreHere() {
        registry.image("1", HELLO);
        fixture.pull(registry.reference("1"));
        long blobs = registry.count("/blobs/");

        fixture.pull(registry.reference("1"));

        // The configuration alone
        assertThat(registry.count("/blobs/")).isEqualTo(blobs + 1);
    }

    @Test
    void takesTheImageOfItsPlatformFromAnIndexAndKeepsTheIndexsDigest() {
        var other = registry.image(
                Manifest.OCI_MANIFEST, "", "arm64", tar().file("a", "arm").bytes());
        var own = registry.image(Manifest.OCI_MANIFEST, "", "amd64", HELLO);
        Digest index = registry.manifest(
                """
                {"schemaVersion":2,"manifests":[
                 {"mediaType":"%1$s","digest":"%2$s","size":%3$d,"platform":{"os":"linux","architecture":"arm64"}},
                 {"mediaType":"%1$s","digest":"%4$s","size":%5$d,"platform":{"os":"linux","architecture":"amd64"}}]}""".formatted(
                                Manifest.OCI_MANIFEST,
                                other.manifest(),
                                other.manifestBytes(),
                                own.manifest(),
                                own.manifestBytes()),
                Manifest.OCI_INDEX,
                "multi");

        ImageRecord image = fixture.pull(registry.reference("multi"));

        assertThat(image.id()).isEqualTo(own.id().toString());
        assertThat(image.digests()).containsExactly(registry.reference("multi").name() + "@" + index);
    }

    @Test
    void pullsByDigestWithoutGivingATag() {
        var published = registry.image(Manifest.DOCKER_MANIFEST, "1", "amd64", HELLO);
        String name = registry.reference("1").name() + "@" + published.manifest();

        ImageRecord image = fixture.pull(ImageReference.parse(name));

        assertThat(image.tags()).isEmpty();
        assertThat(image.digests()).containsExactly(name);
        assertThat(fixture.store.find(name)).contains(image);
    }

    // ---- credentials

    @Test
    void getsATokenAnonymously() {
        registry.wants = TOKEN;
        registry.image("1", HELLO);

        assertThat(fixture.pull(registry.reference("1")).tags()).hasSize(1);
        var token = registry.requests.stream()
                .filter(request -> request.path().equals("/token"))
                .findFirst()
                .orElseThrow();
        assertThat(token.query()).contains("service=fixture").contains("scope=repository%3Ateam%2Fapp%3Apull");
    }

    @Test
    void getsATokenWithAPasswordAndByAnIdentityToken() {
        registry.wants = TOKEN;
        registry.user = "joe";
        registry.password = "secret";
        registry.image("1", HELLO);

        ImageException refused = failureOf(() -> fixture.pull(registry.reference("1")));
        assertThat(refused.kind()).isEqualTo(ImageException.Kind.UNAUTHORIZED);
        assertThat(fixture.store.list()).isEmpty();

        pull("1", new RegistryCredentials.Basic("joe", "secret"));
        pull("1", new RegistryCredentials.IdentityToken("secret"));
        pull("1", new RegistryCredentials.RegistryToken("good"));
        assertThat(fixture.store.list()).hasSize(1);
    }

    private ImageRecord pull(String tag, RegistryCredentials credentials) {
        return fixture.store.pull(registry.reference(tag), credentials, _ -> {});
    }

    @Test
    void namesNoSecretWhenTheRegistryRefusesIt() {
        registry.wants = BASIC;
        registry.user = "joe";
        registry.password = "secret";
        registry.image("1", HELLO);

        ImageException refused = failureOf(() -> pull("1", new RegistryCredentials.Basic("joe", "wr0ng-pw")));

        assertThat(refused.kind()).isEqualTo(ImageException.Kind.UNAUTHORIZED);
        assertThat(refused.getMessage()).contains(registry.authority()).doesNotContain("wr0ng-pw");
        assertThat(pull("1", new RegistryCredentials.Basic("joe", "secret")).tags())
                .hasSize(1);
    }

    @Test
    void neverSendsCredentialsWhereARequestIsRedirected() {
        try (RegistryFixture elsewhere = RegistryFixture.plain()) {
            registry.wants = BASIC;
            registry.user = "joe";
            registry.password = "secret";
            registry.image("1", HELLO);
            elsewhere.image("1", HELLO);
            registry.blobsAt = Optional.of(URI.create("http://" + elsewhere.authority()));

            pull("1", new RegistryCredentials.Basic("joe", "secret"));

            assertThat(elsewhere.requests).isNotEmpty();
            assertThat(elsewhere.requests)
                    .allSatisfy(request ->
                            assertThat(request.header("Authorization")).isEmpty());
        }
    }

    @Test
    void doesNotAnswerAHostThatItIsRedirectedToAndThatAsksForCredentials() {
        try (RegistryFixture thief = RegistryFixture.plain()) {
            registry.wants = BASIC;
            registry.user = "joe";
            registry.password = "secret";
            registry.image("1", HELLO);
            thief.wants = TOKEN;
            registry.blobsAt = Optional.of(URI.create("http://" + thief.authority()));

            ImageException refused = failureOf(() -> pull("1", new RegistryCredentials.Basic("joe", "secret")));

            assertThat(refused.kind()).isEqualTo(ImageException.Kind.UNAUTHORIZED);
            assertThat(thief.count("/token")).isZero();
            assertThat(thief.requests)
                    .allSatisfy(request ->
                            assertThat(request.header("Authorization")).isEmpty());
        }
    }

    @Test
    void neverSendsCredentialsToTheUrlsThatAManifestNames() {
        try (RegistryFixture thief = RegistryFixture.plain()) {
            byte[] layer = RegistryFixture.gzip(HELLO);
            var published = registry.image("1", HELLO);
            registry.manifest(
                    """
                    {"schemaVersion":2,"config":%s,"layers":[{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                     "digest":"%s","size":%d,"urls":["http://%s/steal"]}]}""".formatted(
                            configDescriptor(published.id()), Digest.sha256(layer), layer.length, thief.authority()),
                    Manifest.OCI_MANIFEST,
                    "foreign");

            fixture.pull(registry.reference("foreign"));

            assertThat(thief.requests).isEmpty();
        }
    }

    private String configDescriptor(Digest id) {
        ImageRecord known = fixture.pull(registry.reference("1"));
        return RegistryFixture.descriptor("", id, known.config().size());
    }

    @Test
    void everyCallerIsCheckedThoughTheDownloadIsShared()
            throws ExecutionException, InterruptedException, TimeoutException {
        registry.wants = BASIC;
        registry.user = "joe";
        registry.password = "secret";
        registry.image("1", big(200_000));
        registry.stall = new CountDownLatch(1);
        try (ExecutorService callers = Executors.newFixedThreadPool(3)) {
            Future<ImageRecord> first = callers.submit(() -> pull("1", new RegistryCredentials.Basic("joe", "secret")));
            await(() -> registry.count("/blobs/") >= 2);
            Future<ImageRecord> second =
                    callers.submit(() -> pull("1", new RegistryCredentials.Basic("joe", "secret")));
            Future<ImageException> stranger =
                    callers.submit(() -> failureOf(() -> pull("1", RegistryCredentials.anonymous())));

            assertThat(stranger.get(20, TimeUnit.SECONDS).kind()).isEqualTo(ImageException.Kind.UNAUTHORIZED);
            await(() -> registry.count("/manifests/") >= 3);
            registry.stall.countDown();

            assertThat(first.get(20, TimeUnit.SECONDS)).isEqualTo(second.get(20, TimeUnit.SECONDS));
        }
        // Twice the configuration and once the layer, each time first without and then with the header
        long layerAnswers = registry.requests.stream()
                .filter(request -> request.path().contains("/blobs/"))
                .filter(request -> request.header("Authorization").isPresent())
                .count();
        assertThat(layerAnswers).isEqualTo(3);
    }

    // ---- failures that pass

    @Test
    void triesAgainWhenTheRegistryIsBusy() {
        registry.image("1", HELLO);
        registry.failures.set(2);
        registry.failureStatus = 429;

        assertThat(fixture.pull(registry.reference("1")).tags()).hasSize(1);
    }

    @Test
    void givesUpWithASentenceWhenTheRegistryGoesOnFailing() {
        registry.image("1", HELLO);
        registry.failures.set(1000);

        ImageException failure = failureOf(() -> fixture.pull(registry.reference("1")));

        assertThat(failure.kind()).isEqualTo(ImageException.Kind.REGISTRY_UNAVAILABLE);
        assertThat(failure.getMessage())
                .contains(registry.authority())
                .contains("HTTP 503")
                .contains("after 4 attempts");
    }

    /** Of what arrives and is not read before its connection breaks, nothing is kept. */
    private void breakAfterBytesArrived(int times) {
        AtomicLong kept = new AtomicLong();
        registry.beforeBreak = () -> {
            await(() -> partialBytes() > kept.get());
            kept.set(partialBytes());
        };
        registry.breaks.set(times);
    }

    @Test
    void goesOnWhereABrokenConnectionStopped() {
        registry.image("1", big(400_000));
        breakAfterBytesArrived(2);

        ImageRecord image = fixture.pull(registry.reference("1"));

        assertThat(fixture.top(image).resolve("big")).hasSize(400_000);
        assertThat(registry.requests.stream()
                        .filter(request -> request.header("Range").isPresent()))
                .hasSize(2);
        assertThat(fixture.leftovers()).isEmpty();
    }

    @Test
    void startsOverWhereTheRegistryKnowsNoRanges() {
        registry.image("1", big(400_000));
        registry.breaks.set(1);
        registry.ranges = false;

        assertThat(fixture.top(fixture.pull(registry.reference("1"))).resolve("big"))
                .hasSize(400_000);
    }

    @Test
    void aLaterPullGoesOnWithWhatAFailedOneReceived() {
        registry.image("1", big(400_000));
        breakAfterBytesArrived(4);
        RegistryOptions once = new RegistryOptions(
                List.of(),
                Path.of("/nonexistent"),
                Proxies.none(),
                new Platform("linux", "amd64", ""),
                3,
                Duration.ofSeconds(20),
                Duration.ofMillis(1),
                1,
                Duration.ofHours(1));
        fixture.close();
        fixture = StoreFixture.open(root.resolve("lib"), once);
        assertThat(failureOf(() -> fixture.pull(registry.reference("1"))).kind())
                .isEqualTo(ImageException.Kind.REGISTRY_UNAVAILABLE);
        assertThat(fixture.leftovers()).hasSize(1);
        registry.breaks.set(0);
        fixture.close();
        fixture = StoreFixture.open(root.resolve("lib"), once);
        int before = registry.requests.size();

        fixture.pull(registry.reference("1"));

        assertThat(registry.requests.subList(before, registry.requests.size()))
                .anyMatch(request -> request.header("Range").isPresent());
        assertThat(fixture.leftovers()).isEmpty();
    }

    @Test
    void aSilentNetworkEndsThePull() {
        registry.image("1", big(400_000));
        registry.stall = new CountDownLatch(1);
        fixture.close();
        RegistryOptions impatient = new RegistryOptions(
                List.of(),
                Path.of("/nonexistent"),
                Proxies.none(),
                new Platform("linux", "amd64", ""),
                3,
                Duration.ofMillis(300),
                Duration.ofMillis(1),
                2,
                Duration.ofHours(1));
        fixture = StoreFixture.open(root.resolve("lib"), impatient);

        ImageException failure = failureOf(() -> fixture.pull(registry.reference("1")));

        assertThat(failure.kind()).isEqualTo(ImageException.Kind.REGISTRY_UNAVAILABLE);
        assertThat(failure.getMessage()).contains("nothing was received");
    }

    // ---- lies

    @Test
    void refusesALayerThatIsNotWhatItsDigestSays() {
        var published = registry.image("1", big(100_000));
        byte[] layer = RegistryFixture.gzip(big(100_000));
        byte[] wrong = layer.clone();
        wrong[layer.length / 2] ^= 1;
        registry.falsify(Digest.sha256(layer), wrong);

        ImageException failure = failureOf(() -> fixture.pull(registry.reference("1")));

        assertThat(failure.kind()).isEqualTo(ImageException.Kind.INVALID_IMAGE);
        assertThat(failure.getMessage()).contains("digest");
        assertThat(fixture.store.find(published.id().toString())).isEmpty();
        assertThat(fixture.database.layers()).isEmpty();
    }

    @Test
    void refusesALayerOfAnotherSizeBeforeItIsRead() {
        registry.image("1", HELLO);
        registry.falsify(Digest.sha256(RegistryFixture.gzip(HELLO)), new byte[10_000_000]);

        ImageException failure = failureOf(() -> fixture.pull(registry.reference("1")));

        assertThat(failure.kind()).isEqualTo(ImageException.Kind.INVALID_IMAGE);
        assertThat(failure.getMessage()).contains("10000000 bytes");
    }

    @Test
    void refusesALayerThatIsNotWhatTheConfigurationSays() {
        byte[] other = RegistryFixture.gzip(tar().file("etc/evil", "x").bytes());
        var honest = registry.image("1", HELLO);
        registry.manifest(
                "{\"schemaVersion\":2,\"config\":%s,\"layers\":[%s]}"
                        .formatted(
                                configDescriptor(honest.id()),
                                RegistryFixture.descriptor("", registry.blob(other), other.length)),
                Manifest.OCI_MANIFEST,
                "evil");
        fixture.store.remove(honest.id().toString());

        ImageException failure = failureOf(() -> fixture.pull(registry.reference("evil")));

        assertThat(failure.kind()).isEqualTo(ImageException.Kind.INVALID_IMAGE);
        assertThat(failure.getMessage()).contains("configuration says");
        assertThat(fixture.database.layers()).isEmpty();
    }

    @Test
    void layersOfAFailedPullServeTheNextOneUntilTheyExpire() {
        byte[] other = RegistryFixture.gzip(tar().file("etc/evil", "x").bytes());
        byte[] second = tar().file("second", "2").bytes();
        var whole = registry.image("1", HELLO, second);
        registry.falsify(Digest.sha256(RegistryFixture.gzip(second)), other);
        assertThat(failureOf(() -> fixture.pull(registry.reference("1"))).kind())
                .isEqualTo(ImageException.Kind.INVALID_IMAGE);
        assertThat(fixture.database.layers()).hasSize(1);
        long first = registry.count("/blobs/" + Digest.sha256(RegistryFixture.gzip(HELLO)));

        registry.image("1", HELLO, second);
        assertThat(fixture.pull(registry.reference("1")).id())
                .isEqualTo(whole.id().toString());

        assertThat(registry.count("/blobs/" + Digest.sha256(RegistryFixture.gzip(HELLO))))
                .isEqualTo(first);
        fixture.store.remove(whole.id().toString());
        registry.falsify(Digest.sha256(RegistryFixture.gzip(second)), other);
        fixture.close();
        fixture = StoreFixture.open(root.resolve("lib"), forgetful());
        assertThat(failureOf(() -> fixture.pull(registry.reference("1"))).kind())
                .isEqualTo(ImageException.Kind.INVALID_IMAGE);
        assertThat(fixture.database.layers()).isEmpty();
        assertThat(fixture.leftovers()).isEmpty();
    }

    private static RegistryOptions forgetful() {
        RegistryOptions usual = StoreFixture.options();
        return new RegistryOptions(
                usual.certsDirectories(),
                usual.trustBundle(),
                usual.proxies(),
                usual.platform(),
                1,
                usual.noProgress(),
                usual.firstRetry(),
                usual.maxAttempts(),
                Duration.ofMinutes(-1));
    }

    @Test
    void triesAgainWhenAManifestBreaksOff() {
        registry.image("1", HELLO);
        registry.cut.set(1);

        assertThat(fixture.pull(registry.reference("1")).tags()).hasSize(1);
    }

    @Test
    void refusesAnEncryptedLayer() {
        byte[] layer = RegistryFixture.gzip(HELLO);
        var honest = registry.image("1", HELLO);
        registry.manifest(
                "{\"schemaVersion\":2,\"config\":%s,\"layers\":[%s]}"
                        .formatted(
                                configDescriptor(honest.id()),
                                RegistryFixture.descriptor(
                                        "application/vnd.oci.image.layer.v1.tar+gzip+encrypted",
                                        Digest.sha256(layer),
                                        layer.length)),
                Manifest.OCI_MANIFEST,
                "encrypted");

        assertThat(failureOf(() -> fixture.pull(registry.reference("encrypted"))))
                .hasMessageContaining("encrypted");
    }

    @Test
    void refusesAnOversizeManifestAndConfiguration() {
        registry.manifest("{\"x\":\"" + "y".repeat(Manifest.MAX_BYTES) + "\"}", Manifest.OCI_MANIFEST, "huge");
        registry.manifest(
                "{\"schemaVersion\":2,\"config\":%s,\"layers\":[]}"
                        .formatted(RegistryFixture.descriptor("", Digest.sha256(HELLO), 9L << 20)),
                Manifest.OCI_MANIFEST,
                "config");

        assertThat(failureOf(() -> fixture.pull(registry.reference("huge"))).getMessage())
                .contains("larger than");
        assertThat(failureOf(() -> fixture.pull(registry.reference("config"))).getMessage())
                .contains("the limit is");
    }

    @Test
    void refusesAManifestThatIsNotTheDigestAskedFor() {
        var published = registry.image("1", HELLO);
        registry.manifest("{}", Manifest.OCI_MANIFEST, published.manifest().toString());

        ImageException failure = failureOf(
                () -> fixture.pull(ImageReference.parse(registry.reference("1").name() + "@" + published.manifest())));

        assertThat(failure.kind()).isEqualTo(ImageException.Kind.INVALID_IMAGE);
    }

    @Test
    void saysWhatIsMissingAndWhatIsUnsupported() {
        ImageException missing = failureOf(() -> fixture.pull(registry.reference("nowhere")));
        assertThat(missing.kind()).isEqualTo(ImageException.Kind.NOT_FOUND);
        assertThat(missing.getMessage()).contains("nowhere").contains("no such thing");

        registry.manifest(
                "{\"schemaVersion\":1,\"fsLayers\":[]}", "application/vnd.docker.distribution.manifest.v1+json", "old");
        ImageException old = failureOf(() -> fixture.pull(registry.reference("old")));
        assertThat(old.kind()).isEqualTo(ImageException.Kind.UNSUPPORTED);
        assertThat(old.getMessage()).contains("schema 1");

        registry.image(Manifest.OCI_MANIFEST, "arm", "arm64", HELLO);
        ImageException arm = failureOf(() -> fixture.pull(registry.reference("arm")));
        assertThat(arm.kind()).isEqualTo(ImageException.Kind.UNSUPPORTED);
        assertThat(arm.getMessage()).contains("linux/arm64").contains("linux/amd64");
    }

    // ---- together and not to the end

    @Test
    void pullsOfOneImageAtTheSameTimeDownloadItOnce()
            throws ExecutionException, InterruptedException, TimeoutException {
        registry.image("1", big(300_000), HELLO);
        registry.stall = new CountDownLatch(1);
        try (ExecutorService callers = Executors.newFixedThreadPool(5)) {
            List<Future<ImageRecord>> pulls = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                pulls.add(callers.submit(() -> fixture.pull(registry.reference("1"))));
            }
            // Five configurations, and the layer that stalls
            await(() -> registry.count("/blobs/") >= 6);
            registry.stall.countDown();
            for (Future<ImageRecord> pull : pulls) {
                assertThat(pull.get(30, TimeUnit.SECONDS).layerChain()).hasSize(2);
            }
        }
        assertThat(registry.count("/blobs/" + Digest.sha256(RegistryFixture.gzip(big(300_000)))))
                .isEqualTo(1);
        assertThat(fixture.store.list()).hasSize(1);
        assertThat(fixture.leftovers()).isEmpty();
    }

    @Test
    void aCancelledPullStopsAtOnceAndKeepsWhatItReceivedToGoOnWith() throws InterruptedException {
        registry.image("1", big(400_000));
        registry.stall = new CountDownLatch(1);
        AtomicReference<Throwable> thrown = new AtomicReference<>(new AssertionError("not ended"));
        Thread pull =
                Thread.ofVirtual().start(() -> thrown.set(failureOf(() -> fixture.pull(registry.reference("1")))));
        await(() -> partialBytes() > 0);

        pull.interrupt();

        assertThat(pull.join(Duration.ofSeconds(5))).isTrue();
        assertThat(((ImageException) thrown.get()).kind()).isEqualTo(ImageException.Kind.CANCELLED);
        assertThat(fixture.store.list()).isEmpty();
        assertThat(fixture.database.layers()).isEmpty();
        assertThat(fixture.leftovers()).hasSize(1);
        assertThat(Thread.getAllStackTraces().keySet())
                .noneMatch(thread -> thread.getName().startsWith("image-"));
        registry.stall.countDown();
        assertThat(fixture.pull(registry.reference("1")).tags()).hasSize(1);
    }

    @Test
    void aPullOutlivesTheCancelOfTheOneThatItShares()
            throws ExecutionException, InterruptedException, TimeoutException {
        registry.image("1", big(400_000));
        registry.stall = new CountDownLatch(1);
        Thread first = Thread.ofVirtual().start(() -> {
            ImageException _ = failureOf(() -> fixture.pull(registry.reference("1")));
        });
        await(() -> partialBytes() > 0);
        try (ExecutorService callers = Executors.newFixedThreadPool(1)) {
            Future<ImageRecord> second = callers.submit(() -> fixture.pull(registry.reference("1")));
            await(() -> registry.count("/blobs/") >= 3);
            await(() -> threads("image-pull-") >= 2);

            first.interrupt();
            assertThat(first.join(Duration.ofSeconds(5))).isTrue();
            registry.stall.countDown();

            assertThat(second.get(20, TimeUnit.SECONDS).tags()).hasSize(1);
        }
    }

    private static long threads(String prefix) {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith(prefix))
                .count();
    }

    private long partialBytes() {
        try (var files = Files.list(root.resolve("lib/blobs/partial"))) {
            long sum = 0;
            for (Path file : files.toList()) {
                sum += Files.size(file);
            }
            return sum;
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static byte[] big(int bytes) {
        byte[] random = new byte[bytes];
        new Random(7).nextBytes(random);
        return tar().file("big", random).bytes();
    }

    static void await(java.util.function.BooleanSupplier condition) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as("deadline").isLessThan(deadline);
            Thread.sleep(5);
        }
    }
}
