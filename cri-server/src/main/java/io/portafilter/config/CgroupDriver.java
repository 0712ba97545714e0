package io.portafilter.config;

/** Who makes the cgroups of pods and containers; the value that kubelet is told by RuntimeConfig. */
public enum CgroupDriver {
    /** Portafilter writes to the cgroup file system itself. */
    CGROUPFS,

    /** systemd makes a transient scope for each, in the slice that kubelet has made for the pod. Cgroup version 2 alone. */
    SYSTEMD
}
