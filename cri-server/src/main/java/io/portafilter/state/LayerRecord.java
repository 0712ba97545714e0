package io.portafilter.state;

/**
 * An unpacked layer that is whole on the disk: it was flushed before this record was committed.
 *
 * @param id the chain id, {@code sha256:HEX}: of this layer and all below it
 * @param diffId the digest of this layer's tar, {@code sha256:HEX}
 * @param sizeBytes what the unpacked files occupy
 * @param inodes how many they are
 */
public record LayerRecord(String id, String diffId, long sizeBytes, long inodes) {}
