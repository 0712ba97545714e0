package io.portafilter.state;

import java.util.List;
import java.util.Map;

/**
 * What is kept of an image.
 *
 * @param id digest of the configuration, {@code sha256:HEX}: the same from every registry
 * @param tags normalised references with a tag, {@code host/repository:tag}
 * @param digests {@code host/repository@sha256:HEX}, as asked for (an index's digest for a multi-platform image)
 * @param config the OCI image configuration, JSON, byte for byte
 * @param layerChain the chain ids of the layers, lowest first
 * @param sizeBytes what the image occupies, at least 1
 * @param annotations the manifest's annotations
 * @param createdAtNanos when the record was made, nanoseconds since the epoch
 */
public record ImageRecord(
        String id,
        List<String> tags,
        List<String> digests,
        Bytes config,
        List<String> layerChain,
        long sizeBytes,
        Map<String, String> annotations,
        long createdAtNanos) {

    public ImageRecord {
        tags = List.copyOf(tags);
        digests = List.copyOf(digests);
        layerChain = List.copyOf(layerChain);
        annotations = Map.copyOf(annotations);
    }

    /** The same image under other names. */
    public ImageRecord named(List<String> newTags, List<String> newDigests) {
        return new ImageRecord(id, newTags, newDigests, config, layerChain, sizeBytes, annotations, createdAtNanos);
    }
}
