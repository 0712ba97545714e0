package io.portafilter.container;

/**
 * A resource limit of a process ({@code getrlimit(2)}).
 *
 * @param resource the kernel's number of the resource, {@code RLIMIT_NOFILE} and others
 * @param soft the limit in force
 * @param hard the highest value that the process may raise it to
 */
public record ProcessLimit(int resource, long soft, long hard) {}
