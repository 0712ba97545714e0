package io.portafilter.container;

import io.portafilter.linux.Device;
import java.util.List;

/**
 * The mounts that the server made, by their numbers ({@code STATX_MNT_ID}): a detached mount keeps its number when it is
 * attached, so that nothing else can pass for it.
 *
 * @param root of the root file system
 * @param devices of the one for /dev
 * @param nullDevice the file system of the node that masks are made of; not attached where a volume lies on /dev
 * @param volumes in the plan's order
 * @param cgroups the tree of the v1 cgroups, then each of them in the order of joining; empty where v2 is used
 * @param terminals the container's devpts; the launching process makes it
 * @param pause the file systems of the pod's first process
 */
record PreparedMounts(
        long root,
        long devices,
        Device nullDevice,
        List<Long> volumes,
        List<Long> cgroups,
        Terminals terminals,
        PauseMounts pause) {

    /**
     * A devpts.
     *
     * @param mount its mount's number
     * @param device its file system's
     */
    record Terminals(long mount, Device device) {
        /** Not made yet: no mount has this number. */
        static final Terminals NONE = new Terminals(-1, new Device(0, 0));
    }

    PreparedMounts with(Terminals made) {
        return new PreparedMounts(root, devices, nullDevice, volumes, cgroups, made, pause);
    }

    PreparedMounts {
        cgroups = List.copyOf(cgroups);
        volumes = List.copyOf(volumes);
    }
}
