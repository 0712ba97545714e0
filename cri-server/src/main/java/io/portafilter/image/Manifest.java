package io.portafilter.image;

import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/** What a reference leads to: one image, or a list of them by platform. */
sealed interface Manifest {
    /** No manifest or index is larger; more is refused before it is read. */
    int MAX_BYTES = 4 * 1024 * 1024;

    /** Bounds the work that a hostile manifest asks for; overlay stacks at most 500 lower layers. */
    int MAX_LAYERS = 500;

    String OCI_INDEX = "application/vnd.oci.image.index.v1+json";
    String OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
    String DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
    String DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
    String ACCEPTED = String.join(", ", OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST);

    /** An OCI image index or a Docker manifest list. */
    record Index(List<Descriptor> manifests) implements Manifest {
        /**
         * The manifest for a platform.
         *
         * @throws ImageException of kind UNSUPPORTED naming the platforms that there are
         */
        Descriptor select(Platform host, String what) {
            List<Descriptor> runnable =
                    manifests.stream().filter(entry -> !entry.attestation()).toList();
            return runnable.stream()
                    .filter(entry -> preference(host, entry) > 0)
                    // the first of equals wins
                    .reduce((best, next) -> preference(host, next) > preference(host, best) ? next : best)
                    .orElseThrow(() -> ImageException.unsupported(
                            "the " + what + " has no image for " + host + ", only for " + platforms(runnable)));
        }

        private static int preference(Platform host, Descriptor entry) {
            // An entry that names no platform is taken when no other fits
            return entry.platform()
                    .map(platform -> 2 * host.preferenceFor(platform))
                    .orElse(1);
        }

        private static String platforms(List<Descriptor> entries) {
            return entries.isEmpty()
                    ? "none"
                    : entries.stream()
                            .flatMap(entry -> entry.platform().stream())
                            .map(Platform::toString)
                            .distinct()
                            .sorted(Comparator.naturalOrder())
                            .limit(20)
                            .collect(Collectors.joining(", "));
        }
    }

    /** An OCI image manifest or a Docker manifest, schema 2. */
    record Image(Descriptor config, List<Descriptor> layers, Map<String, String> annotations) implements Manifest {}

    /**
     * Reads a manifest whose digest was verified.
     *
     * @param mediaType what the registry called it, or the descriptor that led here; may be empty
     */
    static Manifest parse(byte[] document, String mediaType, String what) {
        JsonValue json = JsonValue.parse(document, what);
        if (json.whole("schemaVersion").orElse(2L) == 1L) {
            throw ImageException.unsupported(
                    "the " + what + " is of Docker's schema 1, which is unsafe and no longer supported;"
                            + " push the image again with a current tool");
        }
        // The document decides; what the registry says about it is not covered by the digest
        String kind = json.text("mediaType").orElse(mediaType);
        boolean hasManifests = json.member("manifests").isPresent();
        boolean hasLayers =
                json.member("layers").isPresent() || json.member("config").isPresent();
        if (hasManifests && hasLayers) {
            throw ImageException.invalid("the " + what + " is both an index and an image");
        }
        if (hasManifests && (kind.isEmpty() || kind.equals(OCI_INDEX) || kind.equals(DOCKER_LIST))) {
            return new Index(json.items("manifests").stream()
                    .map(entry -> Descriptor.of(entry, what))
                    .toList());
        }
        if (hasLayers && (kind.isEmpty() || kind.equals(OCI_MANIFEST) || kind.equals(DOCKER_MANIFEST))) {
            return image(json, what);
        }
        throw ImageException.unsupported("the " + what + " has the media type \"" + kind + "\", which is no image");
    }

    private static Image image(JsonValue json, String what) {
        Descriptor config = Descriptor.of(
                json.member("config")
                        .orElseThrow(() -> ImageException.invalid("the " + what + " names no configuration")),
                what);
        List<Descriptor> layers = json.items("layers").stream()
                .map(entry -> Descriptor.of(entry, what))
                .toList();
        if (layers.size() > MAX_LAYERS) {
            throw ImageException.unsupported(
                    "the " + what + " has " + layers.size() + " layers, more than " + MAX_LAYERS);
        }
        return new Image(config, layers, json.textMap("annotations"));
    }
}
