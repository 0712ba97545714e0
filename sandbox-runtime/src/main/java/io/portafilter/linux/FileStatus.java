package io.portafilter.linux;

import static io.portafilter.linux.LinuxConstants.S_IFBLK;
import static io.portafilter.linux.LinuxConstants.S_IFCHR;
import static io.portafilter.linux.LinuxConstants.S_IFDIR;
import static io.portafilter.linux.LinuxConstants.S_IFLNK;
import static io.portafilter.linux.LinuxConstants.S_IFMT;
import static io.portafilter.linux.LinuxConstants.S_IFREG;

import java.time.Instant;

/**
 * What statx(2) says of a file.
 *
 * @param mode type and permission bits, {@code S_IF*}
 * @param links the number of hard links
 * @param uid the owner, unsigned
 * @param gid the group, unsigned
 * @param inode the inode number
 * @param sizeBytes the size
 * @param blocks the space taken on the disk, in units of 512 bytes
 * @param modified when the content changed last
 * @param changed when the inode changed last
 * @param special the device that a device node stands for, else 0:0
 * @param device the device that holds the file
 * @param mountId the mount it was reached through, as in {@code mountinfo}; 0 before Linux 5.8
 */
public record FileStatus(
        int mode,
        int links,
        int uid,
        int gid,
        long inode,
        long sizeBytes,
        long blocks,
        Instant modified,
        Instant changed,
        Device special,
        Device device,
        long mountId) {

    /** From struct statx of {@code linux/stat.h}. */
    static FileStatus of(Call.Area area) {
        return new FileStatus(
                area.getShort(28) & 0xffff,
                area.getInt(16),
                area.getInt(20),
                area.getInt(24),
                inode(area),
                area.getLong(40),
                area.getLong(48),
                instant(area, 112),
                instant(area, 96),
                new Device(area.getInt(128), area.getInt(132)),
                new Device(area.getInt(136), area.getInt(140)),
                (area.getInt(0) & LinuxConstants.STATX_MNT_ID) != 0 ? area.getLong(144) : 0);
    }

    static long inode(Call.Area area) {
        return area.getLong(32);
    }

    private static Instant instant(Call.Area area, int at) {
        return Instant.ofEpochSecond(area.getLong(at), area.getInt(at + 8));
    }

    public boolean isDirectory() {
        return type() == S_IFDIR;
    }

    public boolean isRegularFile() {
        return type() == S_IFREG;
    }

    public boolean isSymbolicLink() {
        return type() == S_IFLNK;
    }

    public boolean isCharacterDevice() {
        return type() == S_IFCHR;
    }

    public boolean isBlockDevice() {
        return type() == S_IFBLK;
    }

    /** The file's type, {@code S_IF*}. */
    public int type() {
        return mode & S_IFMT;
    }

    /** The permission bits with set-user-id, set-group-id and sticky bit. */
    public int permissions() {
        return mode & ~S_IFMT;
    }

    /** Whether both are the same file. */
    public boolean isSameFile(FileStatus other) {
        return inode == other.inode && device.equals(other.device);
    }
}
