package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.Status;
import io.portafilter.cri.v1.AuthConfig;
import io.portafilter.cri.v1.FilesystemUsage;
import io.portafilter.cri.v1.Image;
import io.portafilter.cri.v1.ImageFilter;
import io.portafilter.cri.v1.ImageFsInfoRequest;
import io.portafilter.cri.v1.ListImagesRequest;
import io.portafilter.cri.v1.PullImageRequest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class ImagePullTest {
    @RegisterExtension
    static final Live live = Live.server();

    private static final AtomicInteger NUMBER = new AtomicInteger();

    /** An image that no other test has: its own digest, and no more than a marker in its one layer. */
    private static TestImage small() {
        String marker = "marker " + NUMBER.incrementAndGet() + "\n";
        return TestImage.of(
                "\"Labels\":{\"n\":\"" + NUMBER.get() + "\"}",
                new TarWriter().file("marker", marker).finish());
    }

    private static String name() {
        return "image-pull-" + NUMBER.incrementAndGet();
    }

    private static boolean isThere(String reference) {
        return !live.cri().imageStatus(reference).getId().isEmpty();
    }

    private static String pullWith(String reference, AuthConfig.Builder auth) {
        return live.cri()
                .images()
                .pullImage(PullImageRequest.newBuilder()
                        .setImage(Cri.image(reference))
                        .setAuth(auth)
                        .build())
                .getImageRef();
    }

    @Test
    void everyKindOfLayerAndManifestIsPulledAndRuns() {
        Pod pod = live.pod().run();
        for (TestImage.Dialect dialect : TestImage.Dialect.values()) {
            for (TestImage.Compression compression : TestImage.Compression.values()) {
                String what = dialect + " " + compression;
                TestImage image = TestImages.busyboxWith(new TarWriter().file("marker", what + "\n"))
                        .in(dialect)
                        .with(compression);
                String reference = live.registry().push(name(), "v1", image);
                String ref = live.cri().pull(reference);
                assertThat(ref).as(what).isEqualTo(image.id());
                assertThat(pod.container(reference)
                                .command("/bin/cat", "/marker")
                                .runToEnd()
                                .output())
                        .isEqualTo(what + "\n");
            }
        }
    }

    @Test
    void ofAnIndexTheImageOfThisMachineIsTaken() {
        for (TestImage.Dialect dialect : TestImage.Dialect.values()) {
            TestImage foreign = small().in(dialect).forArchitecture("s390x");
            TestImage ours = small().in(dialect);
            String reference = live.registry().pushIndex(name(), "multi", dialect, List.of(foreign, ours));
            assertThat(live.cri().pull(reference)).isEqualTo(ours.id());
            Image status = live.cri().imageStatus(reference);
            assertThat(status.getRepoTagsList()).containsExactly(reference);
            // What the tag names is the index.
            String repository = reference.substring(0, reference.lastIndexOf(':'));
            assertThat(status.getRepoDigestsList())
                    .contains(repository + "@"
                            + TestImage.index(dialect, List.of(foreign, ours)).digest());
        }
    }

    @Test
    void anIndexWithoutThisPlatformIsRefusedNamingIt() {
        String reference = live.registry()
                .pushIndex(name(), "foreign", TestImage.Dialect.OCI, List.of(small().forArchitecture("s390x")));
        Refusal refusal = Refusal.of(() -> live.cri().pull(reference));
        assertThat(refusal.message()).contains("amd64");
        assertThat(isThere(reference)).isFalse();
    }

    @Test
    void statusAndListTellWhatWasPulled() {
        TestImage image = small().withConfig("\"User\":\"1000:1000\"");
        String reference = live.registry().push(name(), "v1", image);
        assertThat(isThere(reference)).isFalse();
        String ref = live.cri().pull(reference);
        Image status = live.cri().imageStatus(reference);
        assertThat(status.getId()).isEqualTo(image.id()).isEqualTo(ref);
        assertThat(status.getRepoTagsList()).containsExactly(reference);
        assertThat(status.getRepoDigestsList())
                .containsExactly(reference.substring(0, reference.lastIndexOf(':')) + "@"
                        + image.manifest().digest());
        assertThat(status.getSize()).isPositive();
        assertThat(status.getUid().getValue()).isEqualTo(1000);
        assertThat(status.getUsername()).isEmpty();
        // By id, with and without its algorithm, whole and shortened.
        for (String by : List.of(ref, ref.substring(7), ref.substring(7, 27))) {
            assertThat(live.cri().imageStatus(by).getId()).as(by).isEqualTo(ref);
        }
        assertThat(live.cri()
                        .images()
                        .listImages(ListImagesRequest.newBuilder()
                                .setFilter(ImageFilter.newBuilder().setImage(Cri.image(reference)))
                                .build())
                        .getImagesList())
                .extracting(Image::getId)
                .containsExactly(ref);
        assertThat(live.cri()
                        .images()
                        .listImages(ListImagesRequest.getDefaultInstance())
                        .getImagesList())
                .extracting(Image::getId)
                .contains(ref);
    }

    @Test
    void aUserNameOfTheConfigurationIsTold() {
        TestImage image = small().withConfig("\"User\":\"app\"");
        String reference = live.registry().push(name(), "v1", image);
        var _ = live.cri().pull(reference);
        assertThat(live.cri().imageStatus(reference).getUsername()).isEqualTo("app");
        assertThat(live.cri().imageStatus(reference).hasUid()).isFalse();
    }

    @Test
    void pulledByDigestAnImageHasThatDigestAndNoTag() {
        TestImage image = small();
        String tagged = live.registry().push(name(), "v1", image);
        String byDigest = tagged.substring(0, tagged.lastIndexOf(':')) + "@"
                + image.manifest().digest();
        var _ = live.cri().pull(byDigest);
        assertThat(live.cri().imageStatus(byDigest).getRepoTagsList()).isEmpty();
        assertThat(live.cri().imageStatus(byDigest).getRepoDigestsList()).containsExactly(byDigest);
    }

    @Test
    void twoTagsOfOneImageAreOneImage() {
        TestImage image = small();
        String repository = name();
        String first = live.registry().push(repository, "first", image);
        String second = live.registry().push(repository, "second", image);
        assertThat(live.cri().pull(first)).isEqualTo(live.cri().pull(second));
        assertThat(live.cri().imageStatus(first).getRepoTagsList()).containsExactlyInAnyOrder(first, second);
        live.cri().removeImage(first);
        assertThat(isThere(first)).isFalse();
        assertThat(isThere(second)).isFalse();
        assertThat(isThere(image.id())).isFalse();
    }

    @Test
    void aMovedTagLeavesTheOldImageWithoutIt() {
        TestImage old = small();
        TestImage fresh = small();
        String repository = name();
        String reference = live.registry().push(repository, "moving", old);
        var _ = live.cri().pull(reference);
        assertThat(live.registry().push(repository, "moving", fresh)).isEqualTo(reference);
        assertThat(live.cri().pull(reference)).isEqualTo(fresh.id());
        assertThat(live.cri().imageStatus(reference).getId()).isEqualTo(fresh.id());
        assertThat(live.cri().imageStatus(old.id()).getRepoTagsList()).isEmpty();
    }

    @Test
    void removalIsRepeatableAndFreesTheLayers() throws IOException {
        byte[] bulk = new byte[8 << 20];
        new Random(7).nextBytes(bulk);
        TestImage image =
                TestImage.of("", new TarWriter().file("bulk", 0644, 0, 0, bulk).finish());
        String reference = live.registry().push(name(), "v1", image);
        long before = used(live.portafilter().root());
        var _ = live.cri().pull(reference);
        assertThat(used(live.portafilter().root())).isGreaterThanOrEqualTo(before + bulk.length);
        live.cri().removeImage(reference);
        live.cri().removeImage(reference);
        live.cri().removeImage("f".repeat(64));
        live.cri().removeImage("no.such.host/none:v1");
        assertThat(isThere(reference)).isFalse();
        Await.until(
                "the layer's space is free again",
                Duration.ofSeconds(10),
                () -> used(live.portafilter().root()) < before + bulk.length);
    }

    private static long used(Path root) throws IOException {
        try (var files = Files.walk(root)) {
            return files.filter(Files::isRegularFile)
                    .mapToLong(f -> f.toFile().length())
                    .sum();
        }
    }

    @Test
    void anImageInUseLosesItsNameButTheContainerRunsOn() {
        TestImage image = TestImages.busyboxWith(new TarWriter().file("marker", "in use\n"));
        String reference = live.registry().push(name(), "v1", image);
        var _ = live.cri().pull(reference);
        Container container = live.pod().run().container(reference).idle().start();
        live.cri().removeImage(reference);
        assertThat(isThere(reference)).isFalse();
        assertThat(container.shell("cat /marker; ls /bin/sh")).isEqualTo("in use\n/bin/sh");
        assertThat(container.status().getImage().getImage()).isEqualTo(reference);
    }

    @Test
    void fsInfoCountsTheImages() {
        var _ = live.busybox();
        Await.until(
                "used bytes are counted",
                Duration.ofSeconds(15),
                () -> fsInfo().getUsedBytes().getValue() > 1_000_000);
        FilesystemUsage usage = fsInfo();
        assertThat(usage.getFsId().getMountpoint())
                .isEqualTo(live.portafilter().root().toString());
        assertThat(usage.getTimestamp()).isPositive();
        assertThat(usage.getInodesUsed().getValue()).isPositive();
    }

    private static FilesystemUsage fsInfo() {
        return live.cri()
                .images()
                .imageFsInfo(ImageFsInfoRequest.getDefaultInstance())
                .getImageFilesystems(0);
    }

    @Test
    void aLayerThatIsNotWhatItsDigestSaysIsRefused() {
        TestImage image = small();
        String layer = image.layerBlobs().getFirst().digest();
        String reference = live.registry().push(name(), "v1", image);
        try (RegistryFront front = RegistryFront.plain(live.registry(), new RegistryFront.Door.Corrupting(layer))) {
            String through = reference.replace(live.registry().host(), front.host());
            Refusal refusal = Refusal.of(() -> live.cri().pull(through));
            assertThat(refusal.message()).contains(layer);
            assertThat(isThere(through)).isFalse();
            assertThat(isThere(image.id())).isFalse();
        }
    }

    @Test
    void aConfigurationOrManifestThatIsNotWhatItsDigestSaysIsRefused() {
        TestImage image = small();
        String reference = live.registry().push(name(), "v1", image);
        for (String digest : List.of(image.id(), image.manifest().digest())) {
            try (RegistryFront front =
                    RegistryFront.plain(live.registry(), new RegistryFront.Door.Corrupting(digest))) {
                String repository = reference.substring(0, reference.lastIndexOf(':'));
                String through = repository.replace(live.registry().host(), front.host()) + "@"
                        + image.manifest().digest();
                Refusal refusal = Refusal.of(() -> live.cri().pull(through));
                assertThat(refusal.message()).contains(digest);
                assertThat(isThere(image.id())).isFalse();
            }
        }
    }

    @Test
    void aPrivateRegistryWantsTheRightPassword() {
        TestImage image = small();
        String reference = live.registry().push(name(), "v1", image);
        try (RegistryFront front =
                RegistryFront.plain(live.registry(), new RegistryFront.Door.Basic("reader", "s3cret-of-e2e"))) {
            String through = reference.replace(live.registry().host(), front.host());
            assertThat(Refusal.of(() -> live.cri().pull(through)).message()).isNotEmpty();
            Refusal wrong = Refusal.of(() -> pullWith(
                    through, AuthConfig.newBuilder().setUsername("reader").setPassword("wrong-of-e2e")));
            assertThat(wrong.message()).doesNotContain("wrong-of-e2e");
            assertThat(isThere(through)).isFalse();
            assertThat(pullWith(
                            through,
                            AuthConfig.newBuilder().setUsername("reader").setPassword("s3cret-of-e2e")))
                    .isEqualTo(image.id());
            // Present already, and still each caller must show its own credentials.
            assertThat(Refusal.of(() -> live.cri().pull(through)).message()).isNotEmpty();
            String encoded =
                    Base64.getEncoder().encodeToString("reader:s3cret-of-e2e".getBytes(StandardCharsets.UTF_8));
            assertThat(pullWith(through, AuthConfig.newBuilder().setAuth(encoded)))
                    .isEqualTo(image.id());
            assertThat(live.portafilter().logText())
                    .doesNotContain("s3cret-of-e2e")
                    .doesNotContain(encoded);
        }
    }

    @Test
    void aTokenIsFetchedFromTheRealmThatTheRegistryNames() {
        TestImage image = small();
        String reference = live.registry().push(name(), "v1", image);
        try (RegistryFront front =
                RegistryFront.plain(live.registry(), new RegistryFront.Door.Token("reader", "s3cret"))) {
            String through = reference.replace(live.registry().host(), front.host());
            assertThat(pullWith(
                            through,
                            AuthConfig.newBuilder().setUsername("reader").setPassword("s3cret")))
                    .isEqualTo(image.id());
            assertThat(front.seen()).anyMatch(seen -> seen.path().equals("/token"));
            assertThat(Refusal.of(() -> pullWith(
                                    through,
                                    AuthConfig.newBuilder()
                                            .setUsername("reader")
                                            .setPassword("wrong")))
                            .message())
                    .isNotEmpty();
        }
    }

    @Test
    void aRegistryTokenIsSentAsItIs() {
        TestImage image = small();
        String reference = live.registry().push(name(), "v1", image);
        try (RegistryFront front =
                RegistryFront.plain(live.registry(), new RegistryFront.Door.Token("reader", "s3cret"))) {
            String through = reference.replace(live.registry().host(), front.host());
            assertThat(pullWith(through, AuthConfig.newBuilder().setRegistryToken(RegistryFront.TOKEN)))
                    .isEqualTo(image.id());
            assertThat(front.seen()).noneMatch(seen -> seen.path().equals("/token"));
        }
    }

    @Test
    void credentialsAreNotSentToAnotherHost() {
        TestImage image = small();
        String reference = live.registry().push(name(), "v1", image);
        try (RegistryFront store = RegistryFront.plain(live.registry(), new RegistryFront.Door.Open());
                RegistryFront front = RegistryFront.plain(
                        live.registry(),
                        new RegistryFront.Door.RedirectingBlobs(store.url().replace("127.0.0.1", "localhost")))) {
            String through = reference.replace(live.registry().host(), front.host());
            assertThat(pullWith(
                            through,
                            AuthConfig.newBuilder().setUsername("reader").setPassword("s3cret")))
                    .isEqualTo(image.id());
            assertThat(store.seen())
                    .isNotEmpty()
                    .allMatch(seen -> seen.authorization().isEmpty());
        }
        // Nor are credentials that name another server.
        TestImage other = small();
        String second = live.registry().push(name(), "v1", other);
        try (RegistryFront front =
                RegistryFront.plain(live.registry(), new RegistryFront.Door.Basic("reader", "s3cret"))) {
            String through = second.replace(live.registry().host(), front.host());
            assertThat(Refusal.of(() -> pullWith(
                                    through,
                                    AuthConfig.newBuilder()
                                            .setUsername("reader")
                                            .setPassword("s3cret")
                                            .setServerAddress("registry.example")))
                            .message())
                    .isNotEmpty();
            assertThat(front.seen()).allMatch(seen -> seen.authorization().isEmpty());
        }
    }

    @Test
    void aMirrorOfHostsTomlIsAskedInsteadOfTheHost() throws IOException {
        TestImage image = small();
        String repository = name();
        var _ = live.registry().push(repository, "v1", image);
        hostsToml(
                "registry.e2e.invalid",
                "server = \"https://registry.e2e.invalid\"\n[host.\"http://"
                        + live.registry().host() + "\"]\n  capabilities = [\"pull\", \"resolve\"]\n");
        String reference = "registry.e2e.invalid/" + repository + ":v1";
        assertThat(live.cri().pull(reference)).isEqualTo(image.id());
        assertThat(live.cri().imageStatus(reference).getRepoTagsList()).containsExactly(reference);
    }

    @Test
    void afterADeadMirrorTheNextIsAsked() throws IOException {
        TestImage image = small();
        String repository = name();
        var _ = live.registry().push(repository, "v1", image);
        hostsToml(
                "second.e2e.invalid",
                "[host.\"http://127.0.0.1:" + TestRegistry.freePort() + "\"]\n[host.\"http://"
                        + live.registry().host() + "\"]\n");
        assertThat(live.cri().pull("second.e2e.invalid/" + repository + ":v1")).isEqualTo(image.id());
    }

    @Test
    void httpsIsBelievedOnlyWithTheAuthorityOfHostsToml() throws IOException {
        TestImage image = small();
        String reference = live.registry().push(name(), "v1", image);
        Path authority = live.directory("ca").resolve("ca.pem");
        try (RegistryFront front = RegistryFront.tls(live.registry(), new RegistryFront.Door.Open(), authority)) {
            String through = reference.replace(live.registry().host(), front.host());
            String server = "server = \"" + front.url() + "\"\n";
            hostsToml(front.host(), server);
            assertThat(Refusal.of(() -> live.cri().pull(through)).message()).isNotEmpty();
            assertThat(front.seen()).isEmpty();
            hostsToml(front.host(), server + "ca = \"" + authority + "\"\n");
            assertThat(live.cri().pull(through)).isEqualTo(image.id());
        }
    }

    private static void hostsToml(String host, String text) throws IOException {
        Path directory = live.portafilter().registryConfig().resolve(host);
        Files.createDirectories(directory);
        Files.writeString(directory.resolve("hosts.toml"), text);
    }

    @Test
    void whatTheRegistryLacksIsNotFoundAndNothingIsKept() {
        String reference = live.registry().host() + "/no/such/image:v1";
        Refusal refusal = Refusal.of(() -> live.cri().pull(reference));
        assertThat(refusal.message()).contains("no/such/image");
        assertThat(refusal.code()).isIn(Status.Code.NOT_FOUND, Status.Code.UNKNOWN);
    }

    @Test
    void aRegistryThatDoesNotAnswerIsUnavailableInTheWordsThatKubeletKnows() throws IOException {
        String reference = "127.0.0.1:" + TestRegistry.freePort() + "/none:v1";
        Refusal refusal = Refusal.of(() -> live.cri().pull(reference));
        assertThat(refusal.code()).isEqualTo(Status.Code.UNKNOWN);
        assertThat(refusal.message()).startsWith("RegistryUnavailable");
    }

    @Test
    void malformedReferencesAreInvalid() {
        for (String reference :
                List.of("", "host.example/UPPER", "127.0.0.1:5000/name@sha256:1234", "a//b", "name:bad tag")) {
            Refusal refusal = Refusal.of(() -> live.cri().pull(reference));
            assertThat(refusal.code()).as(reference).isEqualTo(Status.Code.INVALID_ARGUMENT);
        }
    }

    @Test
    void theCallersDeadlineEndsAPull() {
        byte[] bulk = new byte[8 << 20];
        new Random(8).nextBytes(bulk);
        String reference = live.registry()
                .push(
                        name(),
                        "v1",
                        TestImage.of(
                                "",
                                new TarWriter().file("bulk", 0644, 0, 0, bulk).finish()));
        Refusal refusal = Refusal.of(() -> live.cri()
                .images(Duration.ofMillis(1))
                .pullImage(PullImageRequest.newBuilder()
                        .setImage(Cri.image(reference))
                        .build()));
        assertThat(refusal.code()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
        assertThat(live.cri().pull(reference)).isNotEmpty();
    }

    @Test
    void layersCannotWriteOutsideTheirOwnDirectory() throws IOException {
        Path target = live.directory("outside");
        Path victim = target.resolve("victim");
        Files.writeString(victim, "untouched\n");
        for (TarWriter layer : List.of(
                new TarWriter().file("../".repeat(8) + victim.toString().substring(1), "dots\n"),
                new TarWriter().file(victim.toString(), "absolute\n"),
                new TarWriter().symlink("link", target.toString()).file("link/victim", "link\n"),
                new TarWriter().symlink("link", victim.toString()).file("link", "over a link\n"),
                new TarWriter().hardlink("hard", victim.toString()).file("hard", "hard\n"),
                new TarWriter().symlink("link", target.toString()).whiteout("link/victim"))) {
            String reference = live.registry().push(name(), "v1", TestImage.of("", layer.finish()));
            try {
                var _ = live.cri().pull(reference);
            } catch (io.grpc.StatusRuntimeException refused) {
                assertThat(refused.getStatus().getDescription()).isNotEmpty();
            }
            assertThat(victim).hasContent("untouched");
            assertThat(target).isDirectoryContaining(p -> p.equals(victim));
        }
        // Across layers, too: the link is in one, what goes through it in the next.
        String reference = live.registry()
                .push(
                        name(),
                        "v1",
                        TestImage.of(
                                "",
                                new TarWriter()
                                        .symlink("link", target.toString())
                                        .finish(),
                                new TarWriter()
                                        .file("link/victim", "two layers\n")
                                        .finish()));
        try {
            var _ = live.cri().pull(reference);
        } catch (io.grpc.StatusRuntimeException refused) {
            assertThat(refused.getStatus().getDescription()).isNotEmpty();
        }
        assertThat(victim).hasContent("untouched");
    }

    @Test
    void concurrentPullsOfOneImageAllSucceed() {
        TestImage image = TestImages.busyboxWith(new TarWriter().file("marker", name()));
        String reference = live.registry().push(name(), "v1", image);
        List<Thread> pulls = java.util.stream.IntStream.range(0, 5)
                .mapToObj(i -> Thread.ofVirtual().unstarted(() -> live.cri().pull(reference)))
                .toList();
        pulls.forEach(Thread::start);
        try {
            for (Thread pull : pulls) {
                pull.join();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        assertThat(live.cri().imageStatus(reference).getId()).isEqualTo(image.id());
        assertThat(live.pod()
                        .run()
                        .container(reference)
                        .command("/bin/cat", "/marker")
                        .runToEnd()
                        .output())
                .startsWith("image-pull-");
    }
}
