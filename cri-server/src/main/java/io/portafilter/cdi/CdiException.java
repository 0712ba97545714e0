package io.portafilter.cdi;

import java.io.Serial;

/** A device that cannot be given, or a specification that cannot be used: a sentence that says what and why. */
public final class CdiException extends RuntimeException {

    @Serial
    private static final long serialVersionUID = 1L;

    /** The sentence alone. */
    public CdiException(String message) {
        super(message);
    }

    /** With the error that led to it. */
    public CdiException(String message, Throwable cause) {
        super(message, cause);
    }
}
