package io.portafilter.e2e;

import com.github.luben.zstd.Zstd;
import com.google.protobuf.ByteString;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.WeakHashMap;
import java.util.stream.Collectors;
import java.util.zip.GZIPOutputStream;

/**
 * An image for one platform, ready to be pushed.
 *
 * @param config the members of the OCI image configuration's {@code config} object, as JSON, without braces
 */
public record TestImage(String config, List<Layer> layers, Dialect dialect, String architecture) {
    /** Which media types the manifest uses. */
    public enum Dialect {
        OCI,
        DOCKER
    }

    public enum Compression {
        PLAIN,
        GZIP,
        ZSTD
    }

    public record Layer(ByteString tar, Compression compression) {
        public ByteString blob() {
            return packed().blob();
        }

        private Packed packed() {
            return Packed.SEEN.computeIfAbsent(this, Packed::of);
        }

        String mediaType(Dialect dialect) {
            return switch (dialect) {
                case OCI ->
                    "application/vnd.oci.image.layer.v1.tar"
                            + switch (compression) {
                                case PLAIN -> "";
                                case GZIP -> "+gzip";
                                case ZSTD -> "+zstd";
                            };
                case DOCKER ->
                    "application/vnd.docker.image.rootfs.diff.tar"
                            + switch (compression) {
                                case PLAIN -> "";
                                case GZIP -> ".gzip";
                                case ZSTD -> ".zstd";
                            };
            };
        }
    }

    /** What a layer is made into: packing one takes longer than a container, and most images have their first in common. */
    private record Packed(ByteString blob, String diffId) {
        private static final Map<Layer, Packed> SEEN = Collections.synchronizedMap(new WeakHashMap<>());

        static Packed of(Layer layer) {
            ByteString blob = switch (layer.compression()) {
                case PLAIN -> layer.tar();
                case GZIP -> gzip(layer.tar());
                case ZSTD -> ByteString.copyFrom(Zstd.compress(layer.tar().toByteArray()));
            };
            return new Packed(blob, "sha256:" + sha256(layer.tar()));
        }
    }

    /** A named blob of a manifest. */
    public record Blob(String mediaType, ByteString bytes) {
        public String digest() {
            return "sha256:" + sha256(bytes);
        }

        String descriptor() {
            return "{\"mediaType\":\"" + mediaType + "\",\"digest\":\"" + digest() + "\",\"size\":" + bytes.size()
                    + "}";
        }
    }

    public TestImage {
        layers = List.copyOf(layers);
    }

    public static TestImage of(String config, byte[]... tars) {
        List<Layer> layers = new ArrayList<>();
        for (byte[] tar : tars) {
            layers.add(new Layer(ByteString.copyFrom(tar), Compression.GZIP));
        }
        return new TestImage(config, layers, Dialect.OCI, "amd64");
    }

    public TestImage in(Dialect other) {
        return new TestImage(config, layers, other, architecture);
    }

    public TestImage with(Compression compression) {
        return new TestImage(
                config,
                layers.stream().map(l -> new Layer(l.tar(), compression)).toList(),
                dialect,
                architecture);
    }

    public TestImage withConfig(String other) {
        return new TestImage(other, layers, dialect, architecture);
    }

    public TestImage forArchitecture(String other) {
        return new TestImage(config, layers, dialect, other);
    }

    public TestImage plus(byte[] tar) {
        List<Layer> more = new ArrayList<>(layers);
        more.add(new Layer(ByteString.copyFrom(tar), Compression.GZIP));
        return new TestImage(config, more, dialect, architecture);
    }

    public Blob configBlob() {
        String ids = layers.stream().map(l -> "\"" + l.packed().diffId() + "\"").collect(Collectors.joining(","));
        String json = "{\"architecture\":\"" + architecture + "\",\"os\":\"linux\",\"config\":{" + config
                + "},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[" + ids + "]},\"history\":[]}";
        return new Blob(
                switch (dialect) {
                    case OCI -> "application/vnd.oci.image.config.v1+json";
                    case DOCKER -> "application/vnd.docker.container.image.v1+json";
                },
                ByteString.copyFromUtf8(json));
    }

    /** What CRI calls the image's id: the digest of the configuration. */
    public String id() {
        return configBlob().digest();
    }

    public List<Blob> layerBlobs() {
        return layers.stream()
                .map(l -> new Blob(l.mediaType(dialect), l.blob()))
                .toList();
    }

    public Blob manifest() {
        String type = switch (dialect) {
            case OCI -> "application/vnd.oci.image.manifest.v1+json";
            case DOCKER -> "application/vnd.docker.distribution.manifest.v2+json";
        };
        String json = "{\"schemaVersion\":2,\"mediaType\":\"" + type + "\",\"config\":"
                + configBlob().descriptor() + ",\"layers\":["
                + layerBlobs().stream().map(Blob::descriptor).collect(Collectors.joining(",")) + "]}";
        return new Blob(type, ByteString.copyFromUtf8(json));
    }

    /** An index over images for several platforms. */
    public static Blob index(Dialect dialect, List<TestImage> images) {
        String type = switch (dialect) {
            case OCI -> "application/vnd.oci.image.index.v1+json";
            case DOCKER -> "application/vnd.docker.distribution.manifest.list.v2+json";
        };
        String entries = images.stream()
                .map(i -> {
                    String d = i.manifest().descriptor();
                    return d.substring(0, d.length() - 1) + ",\"platform\":{\"os\":\"linux\",\"architecture\":\""
                            + i.architecture() + "\"}}";
                })
                .collect(Collectors.joining(","));
        return new Blob(
                type,
                ByteString.copyFromUtf8(
                        "{\"schemaVersion\":2,\"mediaType\":\"" + type + "\",\"manifests\":[" + entries + "]}"));
    }

    static String sha256(ByteString bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes.toByteArray()));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    private static ByteString gzip(ByteString bytes) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
            bytes.writeTo(gzip);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return ByteString.copyFrom(out.toByteArray());
    }
}
