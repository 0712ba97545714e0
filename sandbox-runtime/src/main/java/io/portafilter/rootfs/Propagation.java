package io.portafilter.rootfs;

import static io.portafilter.linux.LinuxConstants.MS_PRIVATE;
import static io.portafilter.linux.LinuxConstants.MS_SHARED;
import static io.portafilter.linux.LinuxConstants.MS_SLAVE;

import io.portafilter.linux.MountInfo;

/** Whether mounts that are made below a volume later are seen on the other side (mount_namespaces(7)). */
public enum Propagation {
    /** By neither side. */
    PRIVATE(MS_PRIVATE),
    /** The container sees those of the host. */
    HOST_TO_CONTAINER(MS_SLAVE),
    /** Each sees those of the other. */
    BIDIRECTIONAL(MS_SHARED);

    private final long flag;

    Propagation(long flag) {
        this.flag = flag;
    }

    long flag() {
        return flag;
    }

    boolean isPossibleFrom(MountInfo source) {
        return switch (this) {
            case PRIVATE -> true;
            case HOST_TO_CONTAINER ->
                source.sharedGroup().isPresent() || source.masterGroup().isPresent();
            case BIDIRECTIONAL -> source.sharedGroup().isPresent();
        };
    }

    String neededKind() {
        return switch (this) {
            case PRIVATE -> "any";
            case HOST_TO_CONTAINER -> "a shared or slave";
            case BIDIRECTIONAL -> "a shared";
        };
    }
}
