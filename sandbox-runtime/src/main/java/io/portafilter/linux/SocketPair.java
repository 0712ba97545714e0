package io.portafilter.linux;

/** Two connected sockets; whoever made them closes both. */
public record SocketPair(Fd first, Fd second) implements AutoCloseable {

    @Override
    public void close() {
        try (second) {
            first.close();
        }
    }
}
