package io.portafilter.container;

import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.ProcDirectory;
import io.portafilter.linux.ProcessRef;
import java.util.Optional;

/**
 * The two processes of a pod sandbox.
 *
 * @param monitor keeps the pod's namespaces
 * @param pause is the first process in them
 */
public record LaunchedPod(ProcessRef monitor, ProcessRef pause) {

    /** The network namespace of its first process; empty when that has ended. The caller closes it. */
    @SuppressWarnings("MustBeClosedChecker") // handed to the caller
    public Optional<Fd> network() {
        try (ProcDirectory process = ProcDirectory.open(pause.pid())) {
            Fd network = process.openNamespace("net");
            if (pause.isAlive()) {
                return Optional.of(network);
            }
            network.close(); // its number may be another process's by now
            return Optional.empty();
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) || e.is(Errno.ESRCH)) {
                return Optional.empty();
            }
            throw e;
        }
    }
}
