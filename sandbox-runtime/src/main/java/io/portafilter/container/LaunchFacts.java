package io.portafilter.container;

import io.portafilter.security.HostFacts;

/**
 * What a plan must know of this host beyond its security.
 *
 * @param host kernel and rights
 * @param cgroupTasksFiles how many v1 hierarchies a container joins; 0 where v2 is used
 * @param lowestOomScoreAdj the lowest out-of-memory score that the server may give
 * @param highestOpenFiles the highest hard limit of open files that the server may give
 */
public record LaunchFacts(HostFacts host, int cgroupTasksFiles, int lowestOomScoreAdj, long highestOpenFiles) {

    /** The same for a cgroup with another number of hierarchies: cpuset and hugetlb are joined only where limited. */
    public LaunchFacts joining(int tasksFiles) {
        return new LaunchFacts(host, tasksFiles, lowestOomScoreAdj, highestOpenFiles);
    }

    /** Whether processes are born in a v2 cgroup instead of joining v1 ones. */
    boolean bornInCgroup() {
        return host.cgroupV2();
    }
}
