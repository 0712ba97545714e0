package io.portafilter.linux;

import static io.portafilter.linux.LinuxConstants.O_DIRECTORY;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;

import java.util.ArrayList;
import java.util.List;

/**
 * How many files a process has open.
 *
 * @param descriptors all of them
 * @param sockets those of the descriptors looked at that are sockets
 */
public record OpenFiles(long descriptors, long sockets) {

    /** Of a process that is not there. */
    public static final OpenFiles NONE = new OpenFiles(0, 0);

    /**
     * Looks at the descriptors of a process; none when it has ended.
     *
     * @param maximum how many are looked at: a hostile process may have a million
     */
    public static OpenFiles of(int pid, int maximum) {
        try (Fd directory = Kernel.open("/proc/" + pid + "/fd", O_RDONLY | O_DIRECTORY)) {
            List<DirectoryEntry> entries = new ArrayList<>();
            while (entries.size() < maximum && DirectoryTree.readSome(directory, entries)) {}
            long sockets = entries.stream()
                    .limit(maximum)
                    .filter(entry -> isSocket(directory, entry.name()))
                    .count();
            // since Linux 6.2 its size is the number of descriptors
            long told = Kernel.fstat(directory).sizeBytes();
            return new OpenFiles(Math.max(told, entries.size()), sockets);
        } catch (KernelException e) {
            if (isGone(e)) {
                return NONE;
            }
            throw e;
        }
    }

    private static boolean isSocket(Fd directory, String descriptor) {
        try {
            return Kernel.readlinkat(directory, descriptor).startsWith("socket:");
        } catch (KernelException e) {
            if (isGone(e)) {
                return false;
            }
            throw e;
        }
    }

    private static boolean isGone(KernelException e) {
        return e.is(Errno.ENOENT) || e.is(Errno.ESRCH);
    }
}
