package io.portafilter.container;

import static io.portafilter.linux.LinuxConstants.CLONE_NEWUSER;
import static io.portafilter.linux.LinuxConstants.O_CLOEXEC;
import static io.portafilter.linux.LinuxConstants.O_RDONLY;
import static io.portafilter.linux.LinuxConstants.O_WRONLY;

import com.google.errorprone.annotations.MustBeClosed;
import io.portafilter.launch.Launcher;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.security.VolumeIds;

/** A user namespace of any mapping, which a process holds until this is closed. */
final class HeldUserNamespace implements AutoCloseable {
    private final TrialProcess holder;
    private final Fd descriptor;

    private HeldUserNamespace(TrialProcess holder, Fd descriptor) {
        this.holder = holder;
        this.descriptor = descriptor;
    }

    /** Makes it. */
    @MustBeClosed
    @SuppressWarnings("MustBeClosedChecker") // the result owns them, or they are closed here
    static HeldUserNamespace open(Launcher launcher, VolumeIds ids) {
        TrialProcess holder =
                TrialProcess.start(launcher, TrialProgram.unshare("user", CLONE_NEWUSER), new Descriptors());
        try {
            holder.awaitWorked();
            write(holder, "uid_map", ids.uidMapText());
            write(holder, "gid_map", ids.gidMapText());
            return new HeldUserNamespace(
                    holder, Kernel.open("/proc/" + holder.pid() + "/ns/user", O_RDONLY | O_CLOEXEC));
        } catch (RuntimeException e) {
            holder.close();
            throw e;
        }
    }

    private static void write(TrialProcess holder, String file, String text) {
        try (Fd opened = Kernel.open("/proc/" + holder.pid() + "/" + file, O_WRONLY | O_CLOEXEC)) {
            Kernel.writeText(opened, text);
        }
    }

    /** The namespace; stays this object's. */
    Fd descriptor() {
        return descriptor;
    }

    @Override
    public void close() {
        descriptor.close();
        holder.close();
    }
}
