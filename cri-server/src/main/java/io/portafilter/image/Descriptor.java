package io.portafilter.image;

import java.util.Optional;

/**
 * Points to content: what it is, its digest, its size (OCI image specification, descriptor.md). Its {@code urls} are
 * ignored on purpose: content is fetched from the registry that was asked, and no credential ever goes elsewhere
 * (CVE-2020-15157).
 *
 * @param sizeBytes compared with what is received
 * @param platform for an entry of an index
 * @param referenceName the annotation {@code org.opencontainers.image.ref.name}, or containerd's full name
 */
record Descriptor(
        String mediaType,
        Digest digest,
        long sizeBytes,
        Optional<Platform> platform,
        Optional<String> referenceName,
        boolean attestation) {

    static Descriptor of(JsonValue json, String what) {
        String written = json.text("digest")
                .orElseThrow(() -> ImageException.invalid("the " + what + " has a descriptor without a digest"));
        Digest digest = Digest.parse(written)
                .orElseThrow(() -> ImageException.invalid(
                        "the " + what + " names \"" + written + "\", which is not a sha256 or sha512 digest"));
        long size = json.whole("size")
                .filter(bytes -> bytes >= 0)
                .orElseThrow(() -> ImageException.invalid("the " + what + " gives no size for " + digest));
        Optional<Platform> platform = json.member("platform")
                .map(member -> new Platform(
                        member.text("os").orElse(""),
                        member.text("architecture").orElse(""),
                        member.text("variant").orElse("")));
        var annotations = json.textMap("annotations");
        Optional<String> name = Optional.ofNullable(annotations.get("io.containerd.image.name"))
                .or(() -> Optional.ofNullable(annotations.get("org.opencontainers.image.ref.name")));
        boolean attestation = "attestation-manifest".equals(annotations.get("vnd.docker.reference.type"));
        return new Descriptor(json.text("mediaType").orElse(""), digest, size, platform, name, attestation);
    }
}
