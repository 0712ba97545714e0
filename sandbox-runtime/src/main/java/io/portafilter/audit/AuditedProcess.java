package io.portafilter.audit;

import io.portafilter.audit.Difference.Kind;
import io.portafilter.linux.ProcStatus;
import java.util.List;

/**
 * A process of a container: what the kernel says of it, and in what that is not what was given.
 *
 * @param status {@code /proc/PID/status}, ids as on the host
 * @param pid its number on the host
 * @param uidMap {@code /proc/PID/uid_map}
 * @param label {@code /proc/PID/attr/current}: the LSM's label, empty without an LSM
 */
public record AuditedProcess(
        AuditedContainer container,
        int pid,
        ProcStatus status,
        String uidMap,
        String label,
        List<Difference> differences) {

    public AuditedProcess {
        differences = List.copyOf(differences);
    }

    /** Whether it may do what its container was not given. */
    public boolean hasMore() {
        return differences.stream().anyMatch(difference -> difference.kind() == Kind.MORE);
    }
}
