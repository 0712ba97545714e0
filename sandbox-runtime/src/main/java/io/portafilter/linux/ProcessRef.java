package io.portafilter.linux;

/**
 * A process of this boot, safe against a reused pid.
 *
 * @param pid as the server's own PID namespace sees it
 * @param startTime field 22 of /proc/PID/stat, in clock ticks since the boot
 */
public record ProcessRef(int pid, long startTime) {}
