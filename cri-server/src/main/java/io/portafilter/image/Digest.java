package io.portafilter.image;

import com.google.errorprone.annotations.Immutable;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Optional;
import java.util.regex.Pattern;

/**
 * The name of content by its hash, {@code sha256:HEX} (OCI image specification, descriptor.md). SHA-256 and SHA-512
 * are known, as the specification registers them.
 */
@Immutable
public record Digest(String algorithm, String hex) {
    private static final Pattern SHA256 = Pattern.compile("[0-9a-f]{64}");
    private static final Pattern SHA512 = Pattern.compile("[0-9a-f]{128}");

    public Digest {
        if (!isKnown(algorithm, hex)) {
            throw new IllegalArgumentException("not a sha256 or sha512 digest: " + algorithm + ":" + hex);
        }
    }

    /** Reads {@code ALGORITHM:HEX}; empty when it is neither a SHA-256 nor a SHA-512 digest in lower-case digits. */
    public static Optional<Digest> parse(String text) {
        int colon = text.indexOf(':');
        if (colon < 0) {
            return Optional.empty();
        }
        String algorithm = text.substring(0, colon);
        String hex = text.substring(colon + 1);
        return isKnown(algorithm, hex) ? Optional.of(new Digest(algorithm, hex)) : Optional.empty();
    }

    /** The SHA-256 of these bytes. */
    public static Digest sha256(byte[] content) {
        return sha256Of(newSha256().digest(content));
    }

    static Digest sha256Of(byte[] hash) {
        return new Digest("sha256", HexFormat.of().formatHex(hash));
    }

    static MessageDigest newSha256() {
        return messageDigest("SHA-256");
    }

    /** A hash function of this digest's algorithm. */
    MessageDigest newHash() {
        return messageDigest(algorithm.equals("sha256") ? "SHA-256" : "SHA-512");
    }

    /** Whether a finished hash is this digest. */
    boolean isHash(byte[] hash) {
        return MessageDigest.isEqual(hash, HexFormat.of().parseHex(hex));
    }

    /** Whether this is the digest of the content. */
    boolean isOf(byte[] content) {
        return isHash(newHash().digest(content));
    }

    private static boolean isKnown(String algorithm, String hex) {
        return (algorithm.equals("sha256") && SHA256.matcher(hex).matches())
                || (algorithm.equals("sha512") && SHA512.matcher(hex).matches());
    }

    private static MessageDigest messageDigest(String name) {
        try {
            return MessageDigest.getInstance(name);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has " + name, e);
        }
    }

    @Override
    public String toString() {
        return algorithm + ":" + hex;
    }
}
