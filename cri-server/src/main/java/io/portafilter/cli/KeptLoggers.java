package io.portafilter.cli;

import java.util.logging.LogManager;

/**
 * Keeps the log open while the JVM ends: the one of the JDK closes it in a shutdown hook, and what a server says while it
 * is being stopped would be lost. Named by the system property {@code java.util.logging.manager}.
 */
public final class KeptLoggers extends LogManager {
    /** For the JDK, which makes the only one. */
    public KeptLoggers() {}

    @Override
    public void reset() {
        // LogLines takes the standard handler away itself
    }
}
