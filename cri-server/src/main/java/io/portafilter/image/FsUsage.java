package io.portafilter.image;

import java.nio.file.Path;

/**
 * What the unpacked layers take.
 *
 * @param mountpoint the directory on whose file system they lie
 * @param bytes space on the disk
 * @param inodes files, directories and all else
 */
public record FsUsage(Path mountpoint, long bytes, long inodes) {}
