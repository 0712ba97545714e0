package io.portafilter.image;

import io.portafilter.state.ImageRecord;
import java.util.List;

/** An image that came from an archive, and the names that it was given there. */
public record ImportedImage(ImageRecord image, List<String> names) {
    public ImportedImage {
        names = List.copyOf(names);
    }
}
