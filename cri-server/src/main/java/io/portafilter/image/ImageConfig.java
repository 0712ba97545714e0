package io.portafilter.image;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * An image's configuration: what to run by default, and which layers it has (OCI image specification, config.md).
 *
 * @param user {@code USER[:GROUP]}, names or numbers, as written; empty for root
 * @param entrypoint put before {@code command}
 * @param stopSignal a name or number as written
 * @param diffIds the digests of the uncompressed layers, lowest first
 * @param platform what it was built for
 */
public record ImageConfig(
        String user,
        List<String> environment,
        List<String> entrypoint,
        List<String> command,
        List<String> volumes,
        String workingDirectory,
        Map<String, String> labels,
        Optional<String> stopSignal,
        List<Digest> diffIds,
        Platform platform) {

    /**
     * No configuration is larger; more is refused before it is read (CVE-2023-25153). Real ones have some kilobytes; to
     * take one apart costs six times its size of a small heap, again whenever images are listed.
     */
    static final int MAX_BYTES = 1024 * 1024;

    public ImageConfig {
        environment = List.copyOf(environment);
        entrypoint = List.copyOf(entrypoint);
        command = List.copyOf(command);
        volumes = List.copyOf(volumes);
        labels = Map.copyOf(labels);
        diffIds = List.copyOf(diffIds);
    }

    /**
     * Reads a configuration.
     *
     * @throws ImageException of kind INVALID_IMAGE when it is none
     */
    public static ImageConfig parse(byte[] document) {
        return parse(document, "image configuration");
    }

    static ImageConfig parse(byte[] document, String what) {
        JsonValue json = JsonValue.parse(document, what);
        JsonValue run = json.member("config").orElse(new JsonValue.Members(Map.of()));
        JsonValue rootfs = json.member("rootfs")
                .orElseThrow(() -> ImageException.invalid("the " + what + " has no rootfs: it is no image"));
        List<Digest> diffIds = new ArrayList<>();
        for (String written : rootfs.texts("diff_ids")) {
            diffIds.add(Digest.parse(written)
                    .orElseThrow(() -> ImageException.invalid("the " + what + " has the diff id \"" + written + "\"")));
        }
        if (diffIds.size() != rootfs.items("diff_ids").size()) {
            throw ImageException.invalid("the " + what + " has a diff id that is no text");
        }
        return new ImageConfig(
                run.text("User").orElse(""),
                run.texts("Env"),
                run.texts("Entrypoint"),
                run.texts("Cmd"),
                run.names("Volumes"),
                run.text("WorkingDir").orElse(""),
                run.textMap("Labels"),
                run.text("StopSignal"),
                diffIds,
                new Platform(
                        json.text("os").orElse("linux"),
                        json.text("architecture").orElse(Platform.host().architecture()),
                        json.text("variant").orElse("")));
    }

    /**
     * The chain ids of the layers, lowest first: each names a layer together with all below it (config.md, "Layer
     * ChainID").
     */
    List<Digest> chainIds() {
        List<Digest> chain = new ArrayList<>();
        for (Digest diffId : diffIds) {
            chain.add(
                    chain.isEmpty()
                            ? diffId
                            : Digest.sha256((chain.getLast() + " " + diffId).getBytes(StandardCharsets.US_ASCII)));
        }
        return List.copyOf(chain);
    }
}
