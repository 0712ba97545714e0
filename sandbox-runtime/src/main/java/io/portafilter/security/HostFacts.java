package io.portafilter.security;

import io.portafilter.linux.Architecture;
import io.portafilter.linux.CapabilitySet;

/**
 * What a plan has to know of the host, as values, so that a plan never reads the host itself.
 *
 * @param ownCapabilities the server's own bounding set: nobody can be given more
 * @param lastCapability the highest capability that this kernel knows ({@code /proc/sys/kernel/cap_last_cap})
 * @param kernel the kernel's version
 * @param architecture the processor's
 * @param cgroupV2 whether the unified cgroup hierarchy is in use
 * @param procPidnsOption whether a proc file system can be opened for another PID namespace (6.17, {@code pidns=})
 * @param lowerdirPlus whether overlay takes its lower layers one by one (6.7, {@code lowerdir+})
 * @param modules the Linux security modules that can be told of a container
 */
public record HostFacts(
        CapabilitySet ownCapabilities,
        int lastCapability,
        KernelVersion kernel,
        Architecture architecture,
        boolean cgroupV2,
        boolean procPidnsOption,
        boolean lowerdirPlus,
        SecurityModules modules) {

    /** The same host with these Linux security modules. */
    public HostFacts with(SecurityModules others) {
        return new HostFacts(
                ownCapabilities, lastCapability, kernel, architecture, cgroupV2, procPidnsOption, lowerdirPlus, others);
    }

    /** The capabilities that {@code ALL} stands for: those that both the kernel and the server have. */
    public CapabilitySet allCapabilities() {
        return CapabilitySet.upTo(lastCapability).intersect(ownCapabilities);
    }
}
