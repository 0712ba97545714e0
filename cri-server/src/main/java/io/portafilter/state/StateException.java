package io.portafilter.state;

/** The records could not be read or written; the message says which file and why. */
public final class StateException extends RuntimeException {
    private static final long serialVersionUID = 1;

    StateException(String sentence) {
        super(sentence);
    }

    StateException(String sentence, Throwable cause) {
        super(sentence, cause);
    }
}
