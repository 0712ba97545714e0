package io.portafilter.container;

import io.portafilter.linux.Device;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.FileStatus;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.ProcDirectory;

/**
 * What a descriptor is open on: no two files have the same.
 *
 * @param device the file system
 * @param inode in that
 * @param special the device that a node stands for, else 0:0
 */
record OpenFile(Device device, long inode, Device special) {

    /** A descriptor that is not open. */
    static final OpenFile NONE = new OpenFile(new Device(0, 0), 0, new Device(0, 0));

    private static OpenFile of(FileStatus status) {
        return new OpenFile(status.device(), status.inode(), status.special());
    }

    static OpenFile of(Fd descriptor) {
        return of(Kernel.fstat(descriptor));
    }

    /** A file in a directory that nobody can make links in. */
    static OpenFile in(Fd directory, String name) {
        return of(Kernel.statx(directory, name, 0));
    }

    /** A descriptor of another process. */
    static OpenFile of(ProcDirectory process, int descriptor) {
        try {
            return of(Kernel.statx(process.descriptor(), "fd/" + descriptor, 0));
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) && process.status().parentPid() > 0) {
                return NONE;
            }
            throw e;
        }
    }

    @Override
    public String toString() {
        return this.equals(NONE)
                ? "nothing"
                : "inode " + inode + " of " + device + (special.major() == 0 ? "" : ", device " + special);
    }
}
