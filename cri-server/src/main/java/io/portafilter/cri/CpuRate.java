package io.portafilter.cri;

import java.util.OptionalLong;

/** How fast processor time is used: the difference of two looks, a second apart at least, whoever asked for them. */
final class CpuRate {

    private static final long SECOND_NANOS = 1_000_000_000L;

    private boolean seen;
    private long lastUsage;
    private long lastAt;
    private OptionalLong rate = OptionalLong.empty();

    /**
     * Nanoseconds of processor time for each second; empty until a second has passed since the first look.
     *
     * @param usageNanos what was used until now
     * @param atNanos of a clock that never goes back
     */
    synchronized OptionalLong at(long usageNanos, long atNanos) {
        boolean startsAnew = !seen || usageNanos < lastUsage;
        long elapsed = atNanos - lastAt;
        if (!startsAnew && elapsed < SECOND_NANOS) {
            return rate;
        }
        rate = startsAnew
                ? OptionalLong.empty()
                : OptionalLong.of(Math.round((double) (usageNanos - lastUsage) / elapsed * SECOND_NANOS));
        seen = true;
        lastUsage = usageNanos;
        lastAt = atNanos;
        return rate;
    }
}
