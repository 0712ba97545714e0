package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.MessageLite;
import io.portafilter.cri.v1.ContainerFilter;
import io.portafilter.cri.v1.ContainerState;
import io.portafilter.cri.v1.ContainerStateValue;
import io.portafilter.cri.v1.Image;
import io.portafilter.cri.v1.ImageFilter;
import io.portafilter.cri.v1.ListContainersRequest;
import io.portafilter.cri.v1.ListImagesRequest;
import io.portafilter.cri.v1.ListPodSandboxRequest;
import io.portafilter.cri.v1.PodSandbox;
import io.portafilter.cri.v1.PodSandboxFilter;
import io.portafilter.cri.v1.StreamContainersRequest;
import io.portafilter.cri.v1.StreamContainersResponse;
import io.portafilter.cri.v1.StreamImagesRequest;
import io.portafilter.cri.v1.StreamImagesResponse;
import io.portafilter.cri.v1.StreamPodSandboxesRequest;
import io.portafilter.cri.v1.StreamPodSandboxesResponse;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** StreamPodSandboxes, StreamContainers and StreamImages say what the List calls say. */
class ListsTest {
    @RegisterExtension
    static final Live live = Live.server();

    private static final int MIB = 1 << 20;

    private static <A extends MessageLite> List<A> messages(Iterator<A> stream) {
        List<A> all = new ArrayList<>();
        stream.forEachRemaining(all::add);
        assertThat(all).allMatch(message -> message.getSerializedSize() < MIB);
        return all;
    }

    private static List<StreamContainersResponse> containers(ContainerFilter filter) {
        return messages(live.cri()
                .runtime()
                .streamContainers(
                        StreamContainersRequest.newBuilder().setFilter(filter).build()));
    }

    private static List<io.portafilter.cri.v1.Container> streamed(ContainerFilter filter) {
        return containers(filter).stream()
                .flatMap(message -> message.getContainersList().stream())
                .toList();
    }

    private static List<io.portafilter.cri.v1.Container> listed(ContainerFilter filter) {
        return live.cri()
                .runtime()
                .listContainers(
                        ListContainersRequest.newBuilder().setFilter(filter).build())
                .getContainersList();
    }

    private static List<StreamPodSandboxesResponse> pods(PodSandboxFilter filter) {
        return messages(live.cri()
                .runtime()
                .streamPodSandboxes(
                        StreamPodSandboxesRequest.newBuilder().setFilter(filter).build()));
    }

    private static List<StreamImagesResponse> images(ImageFilter filter) {
        return messages(live.cri()
                .images()
                .streamImages(StreamImagesRequest.newBuilder().setFilter(filter).build()));
    }

    private static List<Image> streamed(ImageFilter filter) {
        return images(filter).stream()
                .flatMap(message -> message.getImagesList().stream())
                .toList();
    }

    @Test
    void withoutPodsAndContainersThereIsNoMessage() {
        assertThat(pods(PodSandboxFilter.getDefaultInstance())).isEmpty();
        assertThat(containers(ContainerFilter.getDefaultInstance())).isEmpty();
        assertThat(images(ImageFilter.newBuilder()
                        .setImage(Cri.image("sha256:" + "f".repeat(64)))
                        .build()))
                .isEmpty();
    }

    @Test
    void everythingIsStreamedOnceAsItIsListedInMessagesBelowOneMebibyte() {
        Pod pod = live.pod().configure(p -> p.putLabels("app", "web")).run();
        Pod other = live.pod().run();
        String large = "x".repeat(100_000);
        for (int i = 0; i < 30; i++) {
            int number = i;
            Container container = (i % 2 == 0 ? pod : other)
                    .container(live.busybox())
                    .idle()
                    .configure(c ->
                            c.putLabels("number", Integer.toString(number % 3)).putAnnotations("large", large))
                    .create();
            if (i % 5 == 0) {
                container.start();
            }
        }
        ContainerFilter all = ContainerFilter.getDefaultInstance();
        assertThat(listed(all)).hasSize(30);
        assertThat(containers(all)).hasSizeGreaterThan(2);
        List<ContainerFilter> filters = List.of(
                all,
                ContainerFilter.newBuilder().setPodSandboxId(pod.id()).build(),
                ContainerFilter.newBuilder().putLabelSelector("number", "1").build(),
                ContainerFilter.newBuilder()
                        .setPodSandboxId(pod.id())
                        .putLabelSelector("number", "0")
                        .setState(ContainerStateValue.newBuilder().setState(ContainerState.CONTAINER_RUNNING))
                        .build());
        assertThat(filters).allSatisfy(filter -> {
            assertThat(listed(filter)).isNotEmpty();
            assertThat(streamed(filter)).isEqualTo(listed(filter));
        });
        // CREATED is 0: it is told from "any" by the message around it
        assertThat(streamed(ContainerFilter.newBuilder()
                        .setState(ContainerStateValue.getDefaultInstance())
                        .build()))
                .hasSize(24);
        PodSandboxFilter web =
                PodSandboxFilter.newBuilder().putLabelSelector("app", "web").build();
        assertThat(pods(web).stream()
                        .flatMap(message -> message.getPodSandboxesList().stream())
                        .toList())
                .isEqualTo(live.cri()
                        .runtime()
                        .listPodSandbox(ListPodSandboxRequest.newBuilder()
                                .setFilter(web)
                                .build())
                        .getItemsList())
                .extracting(PodSandbox::getId)
                .containsExactly(pod.id());
    }

    @Test
    void imagesAreStreamedAsTheyAreListed() {
        String busybox = live.busybox();
        var _ = live.image(TestImages.layered());
        List<Image> listed = live.cri()
                .images()
                .listImages(ListImagesRequest.getDefaultInstance())
                .getImagesList();
        assertThat(listed).hasSizeGreaterThan(1);
        assertThat(streamed(ImageFilter.getDefaultInstance())).containsExactlyInAnyOrderElementsOf(listed);
        assertThat(streamed(
                        ImageFilter.newBuilder().setImage(Cri.image(busybox)).build()))
                .singleElement()
                .satisfies(image -> assertThat(image.getRepoTagsList()).contains(busybox));
    }
}
