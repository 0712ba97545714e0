package io.portafilter.cri;

import io.grpc.Status;
import io.portafilter.image.ImageException;
import io.portafilter.image.ImageStore;
import io.portafilter.image.ImageStore.LeasedImage;
import io.portafilter.state.VolumeImage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Finds images for volumes, and keeps their layers until it is closed: by then a record lists them. */
final class LeasedVolumeImages implements VolumeImages, AutoCloseable {
    private final ImageStore images;
    private final List<LeasedImage> leases = new ArrayList<>();
    private final Map<String, VolumeImage> found = new LinkedHashMap<>();

    LeasedVolumeImages(ImageStore images) {
        this.images = images;
    }

    @Override
    public List<Path> layersTopFirst(String field, String containerPath, String image) {
        LeasedImage leased = lease(field, image)
                .orElseThrow(() -> new CriException(
                        Status.Code.NOT_FOUND,
                        REASON + field + ".image.image",
                        "image " + CriException.shown(image) + " is not on this node",
                        "pull it first"));
        leases.add(leased);
        VolumeImage volume = new VolumeImage(leased.image().id(), leased.image().layerChain());
        found.put(containerPath, volume);
        return images.volumeLayersTopFirst(volume.layerChain());
    }

    private Optional<LeasedImage> lease(String field, String image) {
        try {
            return images.lease(image);
        } catch (ImageException e) {
            throw new CriException(
                    Status.Code.INVALID_ARGUMENT,
                    REASON + field + ".image.image",
                    String.valueOf(e.getMessage()),
                    "",
                    e);
        }
    }

    /** What was found, by the mounts' paths in the container. */
    Map<String, VolumeImage> found() {
        return Map.copyOf(found);
    }

    @Override
    public void close() {
        leases.forEach(LeasedImage::close);
    }
}
