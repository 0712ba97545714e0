package io.portafilter.linux;

/**
 * What statfs(2) says of a file system.
 *
 * @param type the file system's type, {@code *_MAGIC}
 * @param blockBytes the size of a block
 * @param blocks how many blocks there are
 * @param freeBlocks how many are free
 * @param availableBlocks how many are free for an unprivileged user
 * @param inodes how many inodes there are, 0 where the file system does not count them
 * @param freeInodes how many inodes are free
 */
public record FileSystemStatus(
        long type, long blockBytes, long blocks, long freeBlocks, long availableBlocks, long inodes, long freeInodes) {

    static final int BYTES = 120;

    /** From struct statfs of {@code asm-generic/statfs.h} on a 64-bit architecture. */
    static FileSystemStatus of(Call.Area area) {
        return new FileSystemStatus(
                area.getLong(0),
                area.getLong(8),
                area.getLong(16),
                area.getLong(24),
                area.getLong(32),
                area.getLong(40),
                area.getLong(48));
    }
}
