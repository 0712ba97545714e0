package io.portafilter.security;

import io.portafilter.linux.Libseccomp;
import java.util.List;

/**
 * What happens to a system call of this name when all conditions hold.
 *
 * @param syscall the kernel's name of the call on any architecture
 * @param action the answer as the kernel encodes it, see {@link SeccompAction}
 * @param conditions on arguments, at most one for each
 * @param intArgument the kernel takes the first conditioned argument as a 32-bit integer and drops its upper half. A
 *     filter compares 64 bits, so a comparison such as "greater" would hold for a value that the kernel then cuts down
 *     to a forbidden one: the upper half must be zero for the call to pass
 */
record SeccompRule(String syscall, int action, List<Libseccomp.Comparison> conditions, boolean intArgument) {

    SeccompRule {
        conditions = List.copyOf(conditions);
    }
}
