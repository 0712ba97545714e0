package io.portafilter.cgroup;

/**
 * A cgroup of version 1 as one hierarchy has it.
 *
 * @param hierarchy the name of that hierarchy's directory, its controllers as a rule: {@code memory}, {@code cpu,cpuacct}
 * @param directory where the cgroup itself lies on the host
 */
public record CgroupView(String hierarchy, String directory) {}
