package io.portafilter.cri;

import static io.portafilter.linux.LinuxConstants.AF_INET;
import static io.portafilter.linux.LinuxConstants.AF_INET6;
import static io.portafilter.linux.LinuxConstants.CLONE_NEWNET;
import static io.portafilter.linux.LinuxConstants.SOCK_NONBLOCK;
import static io.portafilter.linux.LinuxConstants.SOCK_STREAM;

import io.grpc.Status;
import io.portafilter.linux.Errno;
import io.portafilter.linux.Fd;
import io.portafilter.linux.Kernel;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.OwnThread;
import io.portafilter.streaming.StreamRequest;
import java.util.ArrayList;
import java.util.List;

/**
 * Sockets in a pod's network namespace. A socket stays in the namespace of the thread that made it, wherever it is used
 * later, so a thread of its own joins the namespace, makes them and ends (setns(2)).
 */
final class PodSockets {

    private PodSockets() {}

    static StreamRequest.Sockets of(LivePod pod) {
        if (pod.spec().hostNetwork()) {
            return new StreamRequest.Sockets(make());
        }
        LivePod.Watched watched = pod.watched()
                .orElseThrow(() -> new CriException(
                        Status.Code.FAILED_PRECONDITION,
                        "PortForward to " + pod.id(),
                        "the pod sandbox has ended",
                        ""));
        try (Fd namespace = watched.monitor().podNetwork()) {
            return new StreamRequest.Sockets(OwnThread.call("pod-sockets", () -> {
                Kernel.setns(namespace, CLONE_NEWNET);
                return make();
            }));
        }
    }

    /** One of each family that the kernel has. */
    @SuppressWarnings("MustBeClosedChecker") // the caller closes them
    private static List<Fd> make() {
        List<Fd> sockets = new ArrayList<>();
        try {
            sockets.add(Kernel.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
            sockets.add(Kernel.socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0));
        } catch (KernelException e) {
            if (!sockets.isEmpty() && e.is(Errno.EAFNOSUPPORT)) {
                return sockets;
            }
            sockets.forEach(Fd::close);
            throw e;
        }
        return sockets;
    }
}
