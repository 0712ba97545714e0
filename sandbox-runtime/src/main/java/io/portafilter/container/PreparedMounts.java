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
 * @param terminals the file system of the container's devpts, which the launching process makes
 * @param pause the file systems of the pod's first process
 */
record PreparedMounts(
        long root,
        long devices,
        Device nullDevice,
        List<Long> volumes,
        List<Long> cgroups,
        Device terminals,
        PauseMounts pause) {

    /** The file system of a devpts that is not made yet: none has this number. */
    static final Device NO_TERMINALS = new Device(0, 0);

    PreparedMounts with(Device made) {
        return new PreparedMounts(root, devices, nullDevice, volumes, cgroups, made, pause);
    }

    PreparedMounts {
        cgroups = List.copyOf(cgroups);
        volumes = List.copyOf(volumes);
    }
}
