package io.portafilter.container;

/**
 * What the three streams of a container's program are.
 *
 * @param terminal all three are a terminal of its own; its output is all stdout
 * @param stdin who attaches may write to it; without, and without a terminal, stdin is the null device
 * @param stdinOnce input that is no terminal ends with the first who attached to it, else only with the container
 */
public record StandardStreams(boolean terminal, boolean stdin, boolean stdinOnce) {
    /** Output alone. */
    public static final StandardStreams OUTPUT = new StandardStreams(false, false, false);

    /** Whether stdin is a pipe whose other end is kept for those who attach. */
    boolean inputPipe() {
        return stdin && !terminal;
    }

    /** Whether that pipe is closed on demand. */
    public boolean inputEnds() {
        return inputPipe() && stdinOnce;
    }
}
