package io.portafilter.systemd;

import java.io.Serial;

/** systemd, or the bus that leads to it, did not do what it was asked for. The message names the unit and the cause. */
public final class SystemdException extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    private final String error;

    SystemdException(String message) {
        super(message);
        error = "";
    }

    SystemdException(String message, Throwable cause) {
        super(message, cause);
        error = "";
    }

    private SystemdException(String message, String error) {
        super(message);
        this.error = error;
    }

    static SystemdException answered(String asked, String error, String message) {
        return new SystemdException(asked + ": " + error + ": " + message, error);
    }

    /** The D-Bus error's name, such as {@code org.freedesktop.systemd1.UnitExists}; empty when no answer was one. */
    public String error() {
        return error;
    }
}
