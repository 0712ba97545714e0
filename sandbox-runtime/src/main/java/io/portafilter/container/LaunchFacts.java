package io.portafilter.container;

import io.portafilter.cgroup.Cgroup;
import io.portafilter.cgroup.CgroupView;
import io.portafilter.security.HostFacts;
import java.util.List;

/**
 * What a plan must know of this host beyond its security.
 *
 * @param host kernel and rights
 * @param cgroupHierarchies names of the v1 hierarchies that a container joins; empty where v2 is used
 * @param lowestOomScoreAdj the lowest out-of-memory score that the server may give
 * @param highestOpenFiles the highest hard limit of open files that the server may give
 */
public record LaunchFacts(
        HostFacts host, List<String> cgroupHierarchies, int lowestOomScoreAdj, long highestOpenFiles) {

    public LaunchFacts {
        cgroupHierarchies = List.copyOf(cgroupHierarchies);
    }

    /** The same for a cgroup in other hierarchies: cpuset and hugetlb are joined only where limited. */
    public LaunchFacts joining(List<String> hierarchies) {
        return new LaunchFacts(host, hierarchies, lowestOomScoreAdj, highestOpenFiles);
    }

    /** As {@link #joining(List)}, for that cgroup. */
    LaunchFacts joining(Cgroup cgroup) {
        return joining(cgroup.views().stream().map(CgroupView::hierarchy).toList());
    }

    /** How many {@code tasks} files a process writes to. */
    int cgroupTasksFiles() {
        return cgroupHierarchies.size();
    }

    /** Whether processes are born in a v2 cgroup instead of joining v1 ones. */
    boolean bornInCgroup() {
        return host.cgroupV2();
    }
}
