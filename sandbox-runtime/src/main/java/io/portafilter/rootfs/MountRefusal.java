package io.portafilter.rootfs;

import java.io.Serial;

/**
 * A mount cannot be made as it was asked for: a path, an option or what the image holds stands against it. The message
 * names what was asked, what is wrong and what would help.
 */
public final class MountRefusal extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    public MountRefusal(String message) {
        super(message);
    }

    MountRefusal(String message, Throwable cause) {
        super(message, cause);
    }
}
