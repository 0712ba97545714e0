package io.portafilter.linux;

/**
 * One name in a directory, getdents64(2).
 *
 * @param name the name, see {@link KernelText} for bytes that are not UTF-8
 * @param inode the inode number
 * @param type {@code DT_*}; {@code DT_UNKNOWN} on file systems that do not say
 */
public record DirectoryEntry(String name, long inode, int type) {}
