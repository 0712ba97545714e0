package io.portafilter.cri;

import java.nio.file.Path;
import java.util.List;

/** Where the layers of images lie that are asked for as volumes. */
@FunctionalInterface
interface VolumeImages {
    /** The word by which kubelet knows the failure (k8s.io/cri-api, {@code ErrImageVolumeMountFailed}). */
    String REASON = "ImageVolumeMountFailed: ";

    /**
     * The image's own layers, uppermost first; refuses an image that is not here.
     *
     * @param field of the mount, for errors
     * @param containerPath of the mount, which tells it from others
     * @param image reference or id
     */
    List<Path> layersTopFirst(String field, String containerPath, String image);
}
