package io.portafilter.config;

/**
 * Host user and group ids that are free for pods with a user namespace of their own.
 *
 * @param first a multiple of 65536
 * @param length how many, a multiple of 65536
 */
public record IdRange(long first, long length) {
    /** How many ids a pod gets, as from kubelet. */
    public static final long BLOCK = 65536;

    public IdRange {
        if (first < BLOCK || first % BLOCK != 0 || length < BLOCK || length % BLOCK != 0) {
            throw new IllegalArgumentException(
                    "both numbers are multiples of 65536 and not 0, for instance 1073741824:536870912");
        }
        if (first + length > 1L << 31) {
            throw new IllegalArgumentException("ids end at 2147483647");
        }
    }
}
