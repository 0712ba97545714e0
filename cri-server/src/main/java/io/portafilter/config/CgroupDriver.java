package io.portafilter.config;

/** Who makes the cgroups of pods and containers; the value that kubelet is told by RuntimeConfig. */
public enum CgroupDriver {
    /** Portafilter writes to the cgroup file system itself. */
    CGROUPFS
}
