package io.portafilter.linux;

/** The two ends of a pipe; whoever made it closes both. */
public record Pipe(Fd read, Fd write) implements AutoCloseable {

    @Override
    public void close() {
        try (write) {
            read.close();
        }
    }
}
