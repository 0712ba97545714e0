package io.portafilter.security;

import io.portafilter.linux.Architecture;
import io.portafilter.linux.Capability;
import io.portafilter.linux.CapabilitySet;
import io.portafilter.linux.Errno;
import java.util.List;

/**
 * A seccomp profile before it is known for which container and host it will be compiled.
 *
 * @param name the name for people
 * @param identity what tells its content from that of any other profile
 * @param defaultAction the answer to calls without a matching rule, as the kernel encodes it
 * @param modes the processor modes that the filter knows
 * @param flags of {@code SECCOMP_SET_MODE_FILTER}
 * @param rows in any order; several of one call are alternatives
 * @param conditionalCapabilities the capabilities on which the rows depend
 */
record SeccompProfile(
        String name,
        String identity,
        int defaultAction,
        SeccompModes modes,
        long flags,
        List<Row> rows,
        CapabilitySet conditionalCapabilities) {

    /** A rule and what must hold for it to be part of the filter. */
    record Row(SeccompRule rule, List<SeccompGuard> guards) {

        Row {
            guards = List.copyOf(guards);
        }
    }

    SeccompProfile {
        rows = List.copyOf(rows);
    }

    SeccompProfile(String name, String identity, int defaultAction, SeccompModes modes, long flags, List<Row> rows) {
        this(name, identity, defaultAction, modes, flags, rows, conditionalCapabilities(rows));
    }

    /** The runtime's own profile. */
    static SeccompProfile runtimeDefault() {
        return RuntimeDefaultHolder.PROFILE;
    }

    private static final class RuntimeDefaultHolder {
        private static final SeccompProfile PROFILE = new SeccompProfile(
                "RuntimeDefault",
                "RuntimeDefault",
                SeccompAction.errno(Errno.EPERM),
                new SeccompModes.All(),
                0,
                RuntimeDefaultTable.read());
    }

    /** The rules that are part of the filter of a container with this bounding set on such a host. */
    List<SeccompRule> rules(CapabilitySet bounding, Architecture architecture, KernelVersion kernel) {
        return rows.stream()
                .filter(row -> row.guards().stream().allMatch(guard -> guard.holds(bounding, architecture, kernel)))
                .map(Row::rule)
                .toList();
    }

    private static CapabilitySet conditionalCapabilities(List<Row> rows) {
        CapabilitySet set = CapabilitySet.EMPTY;
        for (Row row : rows) {
            for (SeccompGuard guard : row.guards()) {
                if (guard instanceof SeccompGuard.HasCapability(Capability capability, boolean _)) {
                    set = set.plus(capability);
                }
            }
        }
        return set;
    }
}
