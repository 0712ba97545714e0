package io.portafilter.linux;

/**
 * A resource limit, getrlimit(2). Unsigned; {@code RLIM_INFINITY} is -1.
 *
 * @param soft what the kernel enforces
 * @param hard up to where the soft limit may be raised
 */
public record ResourceLimit(long soft, long hard) {}
