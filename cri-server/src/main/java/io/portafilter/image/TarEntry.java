package io.portafilter.image;

import java.time.Instant;
import java.util.List;
import java.util.Map;

/**
 * One entry of a tar stream.
 *
 * @param name as written; bytes that are not UTF-8 are kept as {@code KernelText} keeps them
 * @param mode the permission bits, set-id bits and sticky bit
 * @param dataBytes what the stream holds for it
 * @param fileBytes the size of the file, larger than {@code dataBytes} for a sparse one
 * @param linkName the target of a link, empty otherwise
 * @param runs for a sparse file: where the data goes, in order; empty for any other
 * @param attributes the extended attributes, {@code SCHILY.xattr.NAME}; the values are bytes
 */
record TarEntry(
        String name,
        Type type,
        int mode,
        long uid,
        long gid,
        Instant modified,
        long dataBytes,
        long fileBytes,
        String linkName,
        long deviceMajor,
        long deviceMinor,
        List<Run> runs,
        Map<String, byte[]> attributes) {

    /** What an entry is. */
    enum Type {
        FILE,
        HARD_LINK,
        SYMBOLIC_LINK,
        CHARACTER_DEVICE,
        BLOCK_DEVICE,
        DIRECTORY,
        FIFO
    }

    /** A piece of a sparse file that is not a hole. */
    record Run(long offset, long bytes) {}
}
