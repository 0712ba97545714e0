package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.cri.v1.Image;
import io.portafilter.cri.v1.ListImagesRequest;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** One image is one id, whatever it is called by, and is there from the end of its pull to that of its removal. */
class ImageIdentityTest {
    @RegisterExtension
    static final Live live = Live.server();

    private static final AtomicInteger NUMBER = new AtomicInteger();

    private static TestImage image() {
        return TestImages.busyboxWith(new TarWriter().file("marker", "identity " + NUMBER.incrementAndGet()));
    }

    private static String name() {
        return "image-identity-" + NUMBER.incrementAndGet();
    }

    private static List<Image> listed() {
        return live.cri()
                .images()
                .listImages(ListImagesRequest.getDefaultInstance())
                .getImagesList();
    }

    @Test
    void everyCallNamesAnImageByTheSameId() {
        TestImage image = image();
        String tagged = live.registry().push(name(), "v1", image);
        String byDigest = tagged.substring(0, tagged.lastIndexOf(':')) + "@"
                + image.manifest().digest();
        for (String reference : List.of(tagged, byDigest)) {
            String pulled = live.cri().pull(reference);
            assertThat(pulled).isEqualTo(image.id());
            assertThat(listed()).extracting(Image::getId).containsOnlyOnce(pulled);
            for (String by : List.of(reference, byDigest, pulled)) {
                assertThat(live.cri().imageStatus(by).getId()).as(by).isEqualTo(pulled);
            }
            Container container = live.pod().run().container(reference).idle().create();
            assertThat(container.status().getImageId()).isEqualTo(pulled);
            assertThat(container.status().getImage().getImage()).isEqualTo(reference);
            assertThat(live.cri().containers())
                    .filteredOn(listed -> listed.getId().equals(container.id()))
                    .singleElement()
                    .satisfies(listed -> {
                        assertThat(listed.getImageId()).isEqualTo(pulled);
                        assertThat(live.cri().imageStatus(listed.getImageRef()).getId())
                                .isEqualTo(pulled);
                    });
            assertThat(live.cri().imageStatus(container.status().getImageRef()).getId())
                    .isEqualTo(pulled);
        }
        live.cri().removeImage(tagged);
    }

    @Test
    void aReferenceWithoutATagIsTheTagLatest() {
        TestImage image = image();
        String latest = live.registry().push(name(), "latest", image);
        String bare = latest.substring(0, latest.lastIndexOf(':'));
        assertThat(live.cri().pull(bare)).isEqualTo(image.id());
        assertThat(live.cri().imageStatus(bare).getRepoTagsList()).containsExactly(latest);
        assertThat(live.cri().imageStatus(latest).getId()).isEqualTo(image.id());
        live.cri().removeImage(bare);
        assertThat(live.cri().imageStatus(latest).getId()).isEmpty();
    }

    @Test
    void threeImagesAreThreeOfTheListAndThreeTagsAreOne() {
        List<TestImage> images = List.of(image(), image(), image());
        List<String> apart = images.stream()
                .map(image -> live.registry().push(name(), "v1", image))
                .toList();
        apart.forEach(reference -> live.cri().pull(reference));
        for (int i = 0; i < images.size(); i++) {
            String id = images.get(i).id();
            String reference = apart.get(i);
            assertThat(listed())
                    .filteredOn(image -> image.getId().equals(id))
                    .singleElement()
                    .satisfies(image -> assertThat(image.getRepoTagsList()).containsExactly(reference));
        }
        TestImage one = image();
        String repository = name();
        List<String> tags = Stream.of("1", "2", "3")
                .map(tag -> live.registry().push(repository, tag, one))
                .toList();
        tags.forEach(reference -> live.cri().pull(reference));
        assertThat(listed())
                .filteredOn(image -> image.getId().equals(one.id()))
                .singleElement()
                .satisfies(image -> {
                    assertThat(image.getRepoTagsList()).containsExactlyInAnyOrderElementsOf(tags);
                    assertThat(image.getRepoDigestsList()).hasSize(1);
                });
        Stream.concat(apart.stream(), Stream.of(tags.get(1))).forEach(live.cri()::removeImage);
        assertThat(listed())
                .extracting(Image::getId)
                .doesNotContain(one.id())
                .doesNotContainAnyElementsOf(images.stream().map(TestImage::id).toList());
    }

    @Test
    void oneImageOfTwoRegistriesIsOneAndGoesUnderBothNames() {
        TestImage image = image();
        String first = live.registry().push(name(), "v1", image);
        String second = first.replace("127.0.0.1", "localhost");
        assertThat(live.cri().pull(first)).isEqualTo(live.cri().pull(second));
        assertThat(live.cri().imageStatus(image.id()).getRepoTagsList()).containsExactlyInAnyOrder(first, second);
        assertThat(live.cri().imageStatus(image.id()).getRepoDigestsList()).hasSize(2);
        live.cri().removeImage(first);
        for (String gone : List.of(first, second, image.id())) {
            assertThat(live.cri().imageStatus(gone).getId()).as(gone).isEmpty();
        }
    }

    @Test
    void removalsAtOnceAllSucceedAndTheImageIsGoneWhenTheyReturn() throws ExecutionException, InterruptedException {
        String reference = live.registry().push(name(), "v1", image());
        String id = live.cri().pull(reference);
        assertThat(listed()).extracting(Image::getId).contains(id);
        assertThat(live.cri().imageStatus(reference).getId()).isEqualTo(id);
        try (ExecutorService callers = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Boolean>> calls = Stream.of(reference, id, reference, id, reference)
                    .map(by -> callers.submit(() -> {
                        live.cri().removeImage(by);
                        return listed().stream()
                                .noneMatch(image -> image.getId().equals(id));
                    }))
                    .toList();
            for (Future<Boolean> call : calls) {
                assertThat(call.get()).as("gone when the call returned").isTrue();
            }
        }
        assertThat(live.cri().imageStatus(reference).getId()).isEmpty();
        assertThat(live.cri().imageStatus(id).getId()).isEmpty();
    }
}
