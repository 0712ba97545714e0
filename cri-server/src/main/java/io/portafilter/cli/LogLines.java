package io.portafilter.cli;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.logging.ConsoleHandler;
import java.util.logging.Formatter;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;

/**
 * The server's log: {@code TIME LEVEL event key=value} on stderr, through System.Logger. Under systemd's journal, which
 * knows the time, the level becomes the prefix that it understands (sd-daemon(3)).
 */
final class LogLines extends Formatter {
    private final boolean journal;

    // Kept: a logger that nobody refers to loses its level.
    private static final Logger BOOTSTRAP = Logger.getLogger("io.netty.bootstrap");

    private LogLines(boolean journal) {
        this.journal = journal;
    }

    /** From now on lines at least as severe as this are written, by this process alone. */
    static void install(System.Logger.Level least) {
        Logger root = Logger.getLogger("");
        for (Handler handler : root.getHandlers()) {
            root.removeHandler(handler);
        }
        Handler handler = new ConsoleHandler();
        handler.setFormatter(new LogLines(System.getenv("JOURNAL_STREAM") != null));
        handler.setLevel(Level.ALL);
        root.addHandler(handler);
        root.setLevel(level(least));
        // Libraries say at INFO what is of no use here.
        Logger.getLogger("io.grpc").setLevel(Level.WARNING);
        Logger.getLogger("io.netty").setLevel(Level.WARNING);
        // A warning for each connection, as gRPC sets SO_KEEPALIVE on unix sockets too.
        BOOTSTRAP.setLevel(Level.SEVERE);
    }

    private static Level level(System.Logger.Level level) {
        return switch (level) {
            case ALL -> Level.ALL;
            case TRACE -> Level.FINER;
            case DEBUG -> Level.FINE;
            case INFO -> Level.INFO;
            case WARNING -> Level.WARNING;
            case ERROR -> Level.SEVERE;
            case OFF -> Level.OFF;
        };
    }

    @Override
    public String format(LogRecord entry) {
        StringBuilder line = new StringBuilder();
        int severity = entry.getLevel().intValue();
        if (journal) {
            line.append('<').append(priority(severity)).append('>');
        } else {
            line.append(Instant.ofEpochMilli(entry.getMillis()).truncatedTo(ChronoUnit.MILLIS));
            line.append(' ').append(word(severity)).append(' ');
        }
        // One event is one line, whatever a message carries along.
        line.append(formatMessage(entry)
                .replace("\n", "\\n")
                .replace("\r", "\\r")
                .replaceAll("[\\p{Cc}&&[^\t]]", "?")); // whoever looks at it may have a terminal
        line.append('\n');
        Throwable thrown = entry.getThrown();
        if (thrown != null) {
            StringWriter trace = new StringWriter();
            thrown.printStackTrace(new PrintWriter(trace));
            line.append(trace);
        }
        return line.toString();
    }

    private static int priority(int severity) {
        if (severity >= Level.SEVERE.intValue()) {
            return 3;
        }
        if (severity >= Level.WARNING.intValue()) {
            return 4;
        }
        return severity >= Level.INFO.intValue() ? 6 : 7;
    }

    private static String word(int severity) {
        if (severity >= Level.SEVERE.intValue()) {
            return "ERROR";
        }
        if (severity >= Level.WARNING.intValue()) {
            return "WARN";
        }
        if (severity >= Level.INFO.intValue()) {
            return "INFO";
        }
        return severity >= Level.FINE.intValue() ? "DEBUG" : "TRACE";
    }
}
