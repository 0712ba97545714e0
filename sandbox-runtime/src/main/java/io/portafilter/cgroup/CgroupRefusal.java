package io.portafilter.cgroup;

import java.io.Serial;

/**
 * What was asked of a cgroup cannot be had: the path or value is wrong, or this host has no controller for it. The
 * message names both and says what would help.
 */
public final class CgroupRefusal extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    CgroupRefusal(String message) {
        super(message);
    }

    CgroupRefusal(String message, Throwable cause) {
        super(message, cause);
    }
}
