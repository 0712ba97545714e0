package io.portafilter.e2e;

import java.nio.file.Path;

/**
 * The server that systemd runs from its unit, with its default directories. It is not this object's to start or end:
 * closing this closes the connection alone.
 *
 * @param cri the connection
 * @param base where the logs of its containers go
 */
public record UnitServer(Cri cri, Path base) implements CriServer {
    private static final Path STATE = Path.of("/run/portafilter");

    /** Connects, when the first call is made, to whatever listens by then. */
    public static UnitServer connected(Path base) {
        return new UnitServer(new Cri(STATE.resolve("portafilter.sock")), base);
    }

    @Override
    public Path state() {
        return STATE;
    }

    @Override
    public String cgroupParent() {
        return "/portafilter";
    }

    @Override
    public void close() {
        cri.close();
    }
}
