package io.portafilter.cli;

import io.portafilter.cri.v1.Image;
import io.portafilter.cri.v1.ImageFilter;
import io.portafilter.cri.v1.ImageSpec;
import io.portafilter.cri.v1.ListImagesRequest;
import io.portafilter.cri.v1.ListImagesResponse;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(name = "images", description = "Lists images, as crictl does.", mixinStandardHelpOptions = true)
final class ImagesCommand implements Callable<Integer> {
    @Mixin
    private ServerOptions server = new ServerOptions();

    @Mixin
    private ListOptions list = new ListOptions();

    @Parameters(arity = "0..1", paramLabel = "IMAGE", description = "Only this image, by reference or id.")
    private Optional<String> image = Optional.empty();

    @Override
    public Integer call() throws Exception {
        try (Connection connection = server.connect()) {
            ListImagesRequest.Builder request = ListImagesRequest.newBuilder();
            image.ifPresent(name -> request.setFilter(
                    ImageFilter.newBuilder().setImage(ImageSpec.newBuilder().setImage(name))));
            ListImagesResponse images = connection.images().listImages(request.build());
            Table table = new Table("IMAGE", "TAG", "IMAGE ID", "SIZE");
            for (Image one : images.getImagesList()) {
                rows(table, one);
            }
            list.print(images, table);
        }
        return 0;
    }

    private static void rows(Table table, Image image) {
        String id = Shown.id(image.getId());
        String size = Shown.size(image.getSize());
        List<String> tags = image.getRepoTagsList();
        for (String tag : tags) {
            int colon = tag.lastIndexOf(':');
            table.row(tag.substring(0, colon), tag.substring(colon + 1), id, size);
        }
        if (tags.isEmpty()) {
            String name = image.getRepoDigestsList().stream()
                    .map(digest -> digest.substring(0, digest.indexOf('@')))
                    .findFirst()
                    .orElse("<none>");
            table.row(name, "<none>", id, size);
        }
    }
}
