package io.portafilter.container;

import io.portafilter.launch.LaunchException;
import io.portafilter.linux.Device;
import io.portafilter.linux.Errno;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.MountInfo;
import io.portafilter.linux.ProcDirectory;
import io.portafilter.linux.ProcessRef;
import java.util.List;

/**
 * The file systems of a pod's first process, parts of which its containers have.
 *
 * @param root the one that holds the empty directory of masks
 * @param proc the one of the pod's PID namespace
 * @param sharedMemory the one for /dev/shm
 */
record PauseMounts(Device root, Device proc, Device sharedMemory) {

    /** Read from its list of mounts alone: no path is looked up in what a container may have changed. */
    static PauseMounts of(ProcessRef pause) {
        try (ProcDirectory process = ProcDirectory.open(pause.pid())) {
            List<MountInfo> mounts = process.mounts();
            if (!pause.isAlive()) {
                throw ended(); // its number may be another process's by now
            }
            return new PauseMounts(
                    device(mounts, "/"), device(mounts, "/proc"), device(mounts, PausePlan.SHARED_MEMORY));
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) || e.is(Errno.ESRCH)) {
                throw ended();
            }
            throw e;
        }
    }

    private static LaunchException ended() {
        return LaunchException.because("the pod sandbox is not running: its first process has ended");
    }

    private static Device device(List<MountInfo> mounts, String path) {
        return mounts.stream()
                .filter(mount -> mount.mountPoint().equals(path))
                .map(MountInfo::device)
                .findFirst()
                .orElseThrow(() -> LaunchException.because("the pod's first process has no mount on " + path));
    }
}
