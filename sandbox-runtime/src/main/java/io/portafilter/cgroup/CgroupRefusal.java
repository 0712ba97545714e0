package io.portafilter.cgroup;

import io.portafilter.linux.Errno;
import io.portafilter.linux.KernelException;
import java.io.Serial;

/**
 * What was asked of a cgroup cannot be had: the path or value is wrong, or this host has no controller for it. The
 * message names both and says what would help.
 */
public final class CgroupRefusal extends RuntimeException {
    @Serial
    private static final long serialVersionUID = 1L;

    private final boolean forNow;

    /** For what no other moment makes right. */
    public CgroupRefusal(String message) {
        super(message);
        forNow = false;
    }

    CgroupRefusal(String message, Throwable cause) {
        super(message, cause);
        forNow = cause instanceof KernelException failed && failed.is(Errno.EBUSY);
    }

    private CgroupRefusal(String message, boolean forNow) {
        super(message);
        this.forNow = forNow;
    }

    /** What the cgroup's present use forbids, though another time it may be had. */
    static CgroupRefusal forNow(String message) {
        return new CgroupRefusal(message, true);
    }

    /** Whether nothing is wrong with the request but the moment. */
    public boolean isForNow() {
        return forNow;
    }
}
