package io.portafilter.state;

import java.util.ArrayList;
import java.util.List;

/**
 * An image that is mounted as a volume.
 *
 * @param id digest of its configuration, {@code sha256:HEX}
 * @param layerChain the chain ids of its layers, lowest first
 */
public record VolumeImage(String id, List<String> layerChain) {
    public VolumeImage {
        layerChain = List.copyOf(layerChain);
    }

    /** As a column holds it: digests hold no spaces. */
    String text() {
        List<String> all = new ArrayList<>(List.of(id));
        all.addAll(layerChain);
        return String.join(" ", all);
    }

    static VolumeImage parse(String text) {
        List<String> all = List.of(text.split(" "));
        return new VolumeImage(all.getFirst(), all.subList(1, all.size()));
    }
}
