package io.portafilter.cri;

import io.grpc.Context;
import io.grpc.stub.StreamObserver;
import io.portafilter.config.Config;
import io.portafilter.cri.v1.AuthConfig;
import io.portafilter.cri.v1.FilesystemIdentifier;
import io.portafilter.cri.v1.FilesystemUsage;
import io.portafilter.cri.v1.Image;
import io.portafilter.cri.v1.ImageFilter;
import io.portafilter.cri.v1.ImageFsInfoRequest;
import io.portafilter.cri.v1.ImageFsInfoResponse;
import io.portafilter.cri.v1.ImageServiceGrpc;
import io.portafilter.cri.v1.ImageSpec;
import io.portafilter.cri.v1.ImageStatusRequest;
import io.portafilter.cri.v1.ImageStatusResponse;
import io.portafilter.cri.v1.Int64Value;
import io.portafilter.cri.v1.ListImagesRequest;
import io.portafilter.cri.v1.ListImagesResponse;
import io.portafilter.cri.v1.PullImageRequest;
import io.portafilter.cri.v1.PullImageResponse;
import io.portafilter.cri.v1.RemoveImageRequest;
import io.portafilter.cri.v1.RemoveImageResponse;
import io.portafilter.cri.v1.StreamImagesRequest;
import io.portafilter.cri.v1.StreamImagesResponse;
import io.portafilter.cri.v1.UInt64Value;
import io.portafilter.image.FsUsage;
import io.portafilter.image.ImageConfig;
import io.portafilter.image.ImageReference;
import io.portafilter.image.ImageStore;
import io.portafilter.image.RegistryCredentials;
import io.portafilter.state.ImageRecord;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/** CRI's ImageService, a short method for each call; those that are not here answer UNIMPLEMENTED. */
final class ImageRpc extends ImageServiceGrpc.ImageServiceImplBase {

    private final Config config;
    private final Recovered recovered;

    ImageRpc(Config config, Recovered recovered) {
        this.config = config;
        this.recovered = recovered;
    }

    private ImageStore images() {
        return recovered.services().node().images();
    }

    private static <A> void reply(StreamObserver<A> to, A answer) {
        to.onNext(answer);
        to.onCompleted();
    }

    @Override
    public void listImages(ListImagesRequest request, StreamObserver<ListImagesResponse> answer) {
        reply(
                answer,
                ListImagesResponse.newBuilder()
                        .addAllImages(listed(request.getFilter()).toList())
                        .build());
    }

    @Override
    public void streamImages(StreamImagesRequest request, StreamObserver<StreamImagesResponse> answer) {
        ListStream.send(
                answer,
                listed(request.getFilter()).map(Image::toByteString),
                StreamImagesResponse.IMAGES_FIELD_NUMBER,
                images -> StreamImagesResponse.newBuilder()
                        .setUnknownFields(images)
                        .build());
    }

    private Stream<Image> listed(ImageFilter filter) {
        String wanted = filter.getImage().getImage();
        List<ImageRecord> found = wanted.isEmpty()
                ? images().list()
                : images().find(wanted).stream().toList();
        return found.stream().map(this::message);
    }

    @Override
    public void imageStatus(ImageStatusRequest request, StreamObserver<ImageStatusResponse> answer) {
        ImageStatusResponse.Builder response = ImageStatusResponse.newBuilder();
        images().find(named(request.getImage())).ifPresent(image -> {
            response.setImage(message(image));
            if (request.getVerbose()) {
                response.putInfo("info", info(image));
            }
        });
        reply(answer, response.build());
    }

    /** The verbose part of an image's status. */
    static String info(ImageRecord image) {
        String chainId = image.layerChain().isEmpty() ? "" : image.layerChain().getLast();
        return VerboseInfo.json(Map.of(
                "chainID",
                chainId,
                "imageSpec",
                new VerboseInfo.RawJson(image.config().text())));
    }

    @Override
    public void pullImage(PullImageRequest request, StreamObserver<PullImageResponse> answer) {
        ImageReference reference = ImageReference.parse(named(request.getImage()));
        AuthConfig auth = request.getAuth();
        RegistryCredentials credentials = RegistryCredentials.of(
                reference,
                auth.getUsername(),
                auth.getPassword(),
                auth.getAuth(),
                auth.getServerAddress(),
                auth.getIdentityToken(),
                auth.getRegistryToken());
        ImageRecord image = pull(reference, credentials);
        reply(answer, PullImageResponse.newBuilder().setImageRef(image.id()).build());
    }

    /** A caller that goes away interrupts the pull, which ends with CANCELLED. */
    private ImageRecord pull(ImageReference reference, RegistryCredentials credentials) {
        Thread puller = Thread.currentThread();
        Context caller = Context.current();
        Context.CancellationListener onCancel = _ -> puller.interrupt();
        caller.addListener(onCancel, Runnable::run);
        try {
            return images().pull(reference, credentials, _ -> {});
        } finally {
            caller.removeListener(onCancel);
            boolean _ = Thread.interrupted();
        }
    }

    @Override
    public void removeImage(RemoveImageRequest request, StreamObserver<RemoveImageResponse> answer) {
        images().remove(named(request.getImage()));
        reply(answer, RemoveImageResponse.getDefaultInstance());
    }

    /**
     * Answers before the records were read, too: clients probe the connection with it. What is used is 0 then, and not left
     * out: kubelet 1.36 takes it without looking whether it is there, and ends by it
     * (pkg/kubelet/stats/cri_stats_provider.go, ImageFsStats).
     */
    @Override
    public void imageFsInfo(ImageFsInfoRequest request, StreamObserver<ImageFsInfoResponse> answer) {
        FilesystemUsage.Builder usage = FilesystemUsage.newBuilder()
                .setTimestamp(Node.now())
                .setFsId(FilesystemIdentifier.newBuilder()
                        .setMountpoint(config.root().toString()));
        FsUsage used = recovered
                .now()
                .map(services -> services.node().images().usage())
                .orElseGet(() -> new FsUsage(config.root(), 0, 0));
        usage.setUsedBytes(UInt64Value.newBuilder().setValue(used.bytes()))
                .setInodesUsed(UInt64Value.newBuilder().setValue(used.inodes()));
        reply(
                answer,
                ImageFsInfoResponse.newBuilder()
                        .addImageFilesystems(usage)
                        .addContainerFilesystems(usage)
                        .build());
    }

    private static String named(ImageSpec image) {
        PodRequests.runtimeHandler(image.getRuntimeHandler());
        return Fields.required("image.image", image.getImage());
    }

    private Image message(ImageRecord record) {
        Image.Builder image = Image.newBuilder()
                .setId(record.id())
                .addAllRepoTags(record.tags())
                .addAllRepoDigests(record.digests())
                .setSize(record.sizeBytes())
                .setSpec(ImageSpec.newBuilder().putAllAnnotations(record.annotations()))
                .setPinned(isPinned(config.pinnedImages(), record));
        user(image, ImageConfig.parse(record.config().toByteArray()).user());
        return image.build();
    }

    /** A number that is a user id, or a name; a number beyond all ids is left for kubelet to stumble over. */
    static void user(Image.Builder image, String user) {
        String name = user.split(":", 2)[0];
        Optional<Long> id = name.matches("\\d{1,10}") ? Optional.of(Long.parseLong(name)) : Optional.empty();
        if (id.filter(number -> number <= Fields.MAX_ID).isPresent()) {
            image.setUid(Int64Value.newBuilder().setValue(id.get()));
        } else {
            image.setUsername(name);
        }
    }

    /** Whether a name of the image is one of the patterns, or begins as one that ends with {@code *}. */
    static boolean isPinned(List<String> patterns, ImageRecord record) {
        return patterns.stream()
                .anyMatch(pattern -> Stream.concat(record.tags().stream(), record.digests().stream())
                        .anyMatch(name -> matches(pattern, name)));
    }

    private static boolean matches(String pattern, String name) {
        return pattern.endsWith("*")
                ? name.startsWith(pattern.substring(0, pattern.length() - 1))
                : name.equals(pattern);
    }
}
