package io.portafilter.network;

import java.io.Serial;

/** A pod's network could not be set up, checked or taken down. The message says which plugin said what. */
public final class NetworkException extends RuntimeException {

    @Serial
    private static final long serialVersionUID = 1L;

    private final Kind kind;

    /** Whose fault it is. */
    public enum Kind {
        /** The pod asks for what cannot be. */
        REQUEST,
        /** Nobody's: the plugin says that it shall be tried again later, or did not end in time. */
        FOR_NOW,
        /** A plugin's, or its configuration's. */
        NODE
    }

    private NetworkException(Kind kind, String message) {
        super(message);
        this.kind = kind;
    }

    private NetworkException(Kind kind, String message, Throwable cause) {
        super(message, cause);
        this.kind = kind;
    }

    static NetworkException because(String message) {
        return new NetworkException(Kind.NODE, message);
    }

    static NetworkException because(String message, Throwable cause) {
        return new NetworkException(Kind.NODE, message, cause);
    }

    static NetworkException forNow(String message) {
        return new NetworkException(Kind.FOR_NOW, message);
    }

    static NetworkException asked(String message) {
        return new NetworkException(Kind.REQUEST, message);
    }

    /** The same, with words before it. */
    NetworkException in(String what) {
        return new NetworkException(kind, what + ": " + getMessage(), this);
    }

    public Kind kind() {
        return kind;
    }
}
