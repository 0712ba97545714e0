package io.portafilter.container;

import io.portafilter.linux.Device;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.MountInfo;
import io.portafilter.linux.ProcDirectory;
import io.portafilter.linux.ProcStatus;
import java.util.List;
import java.util.Optional;

/**
 * What the kernel says of a process that waits at gate 2, read once.
 *
 * @param status {@code /proc/PID/status}
 * @param statOwner the user to whom {@code /proc/PID/stat} belongs: root, while the process is not dumpable
 * @param namespaces its namespaces
 * @param idMaps the mappings of its user namespace; absent in the server's own
 * @param mounts the mounts that it sees
 * @param workingDirectory as seen from its root
 * @param cgroups {@code /proc/PID/cgroup}
 * @param limits {@code /proc/PID/limits}
 * @param oomScoreAdj {@code /proc/PID/oom_score_adj}
 * @param streams what its descriptors 0, 1 and 2 are open on
 * @param terminal its controlling terminal, 0:0 without one
 */
record HeldProcess(
        ProcStatus status,
        long statOwner,
        NamespaceInodes namespaces,
        Optional<IdMaps> idMaps,
        List<MountInfo> mounts,
        String workingDirectory,
        String cgroups,
        String limits,
        String oomScoreAdj,
        List<OpenFile> streams,
        Device terminal) {

    /** The files of these names below {@code /proc/PID}. */
    record IdMaps(String uidMap, String gidMap, String setgroups) {
        static IdMaps read(ProcDirectory process) {
            return new IdMaps(process.read("uid_map"), process.read("gid_map"), process.read("setgroups"));
        }
    }

    HeldProcess {
        mounts = List.copyOf(mounts);
        streams = List.copyOf(streams);
    }

    static HeldProcess read(ProcDirectory process) {
        NamespaceInodes namespaces = NamespaceInodes.of(process);
        return new HeldProcess(
                process.status(),
                Kernel.statx(process.descriptor(), "stat", 0).uid(),
                namespaces,
                namespaces.of("user") == NamespaceInodes.OWN.of("user")
                        ? Optional.empty()
                        : Optional.of(IdMaps.read(process)),
                process.mounts(),
                process.link("cwd"),
                process.read("cgroup"),
                process.read("limits"),
                process.read("oom_score_adj"),
                List.of(OpenFile.of(process, 0), OpenFile.of(process, 1), OpenFile.of(process, 2)),
                process.stat().terminal());
    }
}
