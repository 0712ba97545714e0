package io.portafilter.security;

import io.portafilter.linux.Architecture;
import io.portafilter.linux.Capability;
import io.portafilter.linux.CapabilitySet;
import java.util.Set;

/** When a row of a seccomp profile is part of the filter. */
sealed interface SeccompGuard {

    /** The container's bounding set has the capability, or lacks it. */
    record HasCapability(Capability capability, boolean wanted) implements SeccompGuard {}

    /** The machine is one of these architectures, in Go's names, or none of them. */
    record OnArchitecture(Set<String> names, boolean wanted) implements SeccompGuard {

        public OnArchitecture {
            names = Set.copyOf(names);
        }
    }

    /** The kernel is of this version or newer, or it is older. */
    record KernelAtLeast(KernelVersion version, boolean wanted) implements SeccompGuard {}

    /** Whether the guard lets its row in. */
    default boolean holds(CapabilitySet bounding, Architecture architecture, KernelVersion kernel) {
        return switch (this) {
            case HasCapability(Capability capability, boolean wanted) -> bounding.contains(capability) == wanted;
            case OnArchitecture(Set<String> names, boolean wanted) -> names.contains(goName(architecture)) == wanted;
            case KernelAtLeast(KernelVersion version, boolean wanted) -> (kernel.compareTo(version) >= 0) == wanted;
        };
    }

    private static String goName(Architecture architecture) {
        return switch (architecture) {
            case X86_64 -> "amd64";
            case AARCH64 -> "arm64";
        };
    }
}
