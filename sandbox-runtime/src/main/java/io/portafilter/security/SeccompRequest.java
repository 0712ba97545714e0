package io.portafilter.security;

/** Which seccomp profile a request names. A privileged container runs without any. */
public sealed interface SeccompRequest {

    /** No filter. */
    record Unconfined() implements SeccompRequest {}

    /** The runtime's own profile. */
    record RuntimeDefault() implements SeccompRequest {}

    /**
     * A profile in OCI or Docker JSON from a file of the node.
     *
     * @param path where it lies, for messages
     * @param json its text, read by the caller
     */
    record Localhost(String path, String json) implements SeccompRequest {}
}
