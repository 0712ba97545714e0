package io.portafilter.image;

import java.io.Serial;

/**
 * An image could not be found, fetched, read or stored. The message is a sentence that names the reference, the host
 * and what failed; it never holds a credential.
 */
public final class ImageException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    /** What went wrong, as far as a caller decides by it. */
    public enum Kind {
        /** The reference asked for is not one. */
        INVALID_REFERENCE,
        /** The registry, or this node, has no such image or blob. */
        NOT_FOUND,
        /** The registry refused the credentials, or wants some. */
        UNAUTHORIZED,
        /** The registry could not be reached, or went on failing. */
        REGISTRY_UNAVAILABLE,
        /** What was received is malformed, too large, or not what its digest says. */
        INVALID_IMAGE,
        /** Well-formed, but of a kind that is not supported, or for another platform. */
        UNSUPPORTED,
        /** The caller gave up. */
        CANCELLED,
        /** The node's own storage failed, for instance because it is full. */
        STORAGE
    }

    private final Kind kind;

    ImageException(Kind kind, String message) {
        super(message);
        this.kind = kind;
    }

    ImageException(Kind kind, String message, Throwable cause) {
        super(message, cause);
        this.kind = kind;
    }

    public Kind kind() {
        return kind;
    }

    static ImageException invalid(String message) {
        return new ImageException(Kind.INVALID_IMAGE, message);
    }

    static ImageException unsupported(String message) {
        return new ImageException(Kind.UNSUPPORTED, message);
    }

    static ImageException cancelled(String what) {
        return new ImageException(Kind.CANCELLED, what + " was cancelled");
    }

    /** The same failure with what was being done before it. */
    ImageException during(String doing) {
        return new ImageException(kind, doing + ": " + getMessage(), this);
    }
}
