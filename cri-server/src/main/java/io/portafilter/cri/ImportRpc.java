package io.portafilter.cri;

import static io.grpc.MethodDescriptor.generateFullMethodName;

import io.grpc.BindableService;
import io.grpc.MethodDescriptor;
import io.grpc.ServerServiceDefinition;
import io.grpc.protobuf.ProtoUtils;
import io.grpc.stub.ServerCalls;
import io.grpc.stub.StreamObserver;
import io.portafilter.cri.v1.Image;
import io.portafilter.cri.v1.ImageSpec;
import io.portafilter.cri.v1.ListImagesResponse;
import io.portafilter.image.ImageStore;
import io.portafilter.image.ImportedImage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * A call of our own beside CRI, for {@code portafilter import}: reads images from a file of this host. It is not part of
 * PullImage, because the image names that reach that call come from whoever may create pods.
 *
 * <p>Request: {@code image} is the absolute path of an archive or of an OCI layout's directory, {@code
 * user_specified_image} the name to give, or empty. Answer: the images, with the names that were given to them.
 */
public final class ImportRpc implements BindableService {
    private static final String SERVICE = "portafilter.v1.Images";

    /** The call, for both sides. */
    public static final MethodDescriptor<ImageSpec, ListImagesResponse> IMPORT =
            MethodDescriptor.<ImageSpec, ListImagesResponse>newBuilder()
                    .setType(MethodDescriptor.MethodType.UNARY)
                    .setFullMethodName(generateFullMethodName(SERVICE, "Import"))
                    .setRequestMarshaller(ProtoUtils.marshaller(ImageSpec.getDefaultInstance()))
                    .setResponseMarshaller(ProtoUtils.marshaller(ListImagesResponse.getDefaultInstance()))
                    .build();

    private final Supplier<ImageStore> images;

    /**
     * Serves the call.
     *
     * @param images waits until the store is open
     */
    ImportRpc(Supplier<ImageStore> images) {
        this.images = images;
    }

    @Override
    public ServerServiceDefinition bindService() {
        return ServerServiceDefinition.builder(SERVICE)
                .addMethod(IMPORT, ServerCalls.asyncUnaryCall(this::run))
                .build();
    }

    private void run(ImageSpec request, StreamObserver<ListImagesResponse> answer) {
        Path path = Path.of(Fields.absolutePath("image", request.getImage()));
        Optional<String> name = Optional.of(request.getUserSpecifiedImage()).filter(given -> !given.isEmpty());
        ListImagesResponse.Builder response = ListImagesResponse.newBuilder();
        for (ImportedImage imported : read(path, name)) {
            response.addImages(Image.newBuilder()
                    .setId(imported.image().id())
                    .addAllRepoTags(imported.names())
                    .setSize(imported.image().sizeBytes()));
        }
        answer.onNext(response.build());
        answer.onCompleted();
    }

    private List<ImportedImage> read(Path path, Optional<String> name) {
        return Files.isDirectory(path)
                ? images.get().importLayout(path, name)
                : images.get().importArchive(path, name);
    }
}
