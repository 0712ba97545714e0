package io.portafilter.container;

import io.portafilter.cgroup.CgroupRefusal;
import io.portafilter.launch.LaunchException;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.rootfs.MountRefusal;
import io.portafilter.security.SecurityRefusal;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * Something that Portafilter builds on, and how to find out whether this host has it.
 *
 * @param feature its name
 * @param need whether pods cannot be without it
 * @param lost what does not work where it is missing
 * @param cure what a person can do about it
 * @param trial tries it and leaves nothing behind; what it throws means that it does not work
 */
public record Probe(String feature, Need need, String lost, String cure, Supplier<Outcome> trial) {

    /** How much depends on it. */
    public enum Need {
        /** No pod runs without it. */
        REQUIRED,
        /** Something is lost without it. */
        OPTIONAL
    }

    /** A probe whose trial shows by not failing that the feature works. */
    public static Probe of(String feature, Need need, String lost, String cure, Runnable trial) {
        return new Probe(feature, need, lost, cure, () -> {
            trial.run();
            return new Outcome.Works("");
        });
    }

    /** Tries it. */
    public Finding run() {
        return new Finding(feature, need, outcome(), lost, cure);
    }

    private Outcome outcome() {
        try {
            return trial.get();
        } catch (KernelException | LaunchException | CgroupRefusal | MountRefusal | SecurityRefusal e) {
            String why = String.valueOf(e.getMessage());
            return Kernel.geteuid() != 0 && isForbidden(e)
                    ? new Outcome.Untried("needs root")
                    : new Outcome.Missing(why);
        }
    }

    private static boolean isForbidden(Throwable failure) {
        return errno(failure)
                .filter(errno -> errno.equals(Errno.EPERM) || errno.equals(Errno.EACCES))
                .isPresent();
    }

    private static Optional<Errno> errno(Throwable failure) {
        if (failure instanceof KernelException kernel) {
            return Optional.of(kernel.errno());
        }
        if (failure instanceof LaunchException launch) {
            return launch.failure().map(LaunchException.Failure::errno);
        }
        return Optional.ofNullable(failure.getCause()).flatMap(Probe::errno);
    }
}
