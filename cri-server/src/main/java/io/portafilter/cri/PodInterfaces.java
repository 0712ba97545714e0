package io.portafilter.cri;

import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.linux.Errno;
import io.portafilter.linux.InterfaceCounters;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.ProcFile;
import io.portafilter.linux.ProcessRef;
import io.portafilter.state.PodRecord;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * The network interfaces of a pod that lead somewhere, the one that is shown as the pod's first: {@code eth0}, or the
 * first there is. A pod in the host's network has none of its own.
 */
final class PodInterfaces {

    private static final String DEFAULT = "eth0";

    /** A container with CAP_NET_ADMIN may make thousands, of which a list is not to grow beyond what clients take. */
    private static final int MOST = 64;

    private PodInterfaces() {}

    /** Empty also when the pod has just ended. */
    static List<InterfaceCounters> of(LivePod pod, PodRecord record) {
        NamespaceMode network = pod.request()
                .getConfig()
                .getLinux()
                .getSecurityContext()
                .getNamespaceOptions()
                .getNetwork();
        if (network == NamespaceMode.NODE || record.launched().isEmpty()) {
            return List.of();
        }
        return text(record.launched().get().pause()).map(PodInterfaces::of).orElse(List.of());
    }

    static List<InterfaceCounters> of(String text) {
        List<InterfaceCounters> found = new ArrayList<>();
        for (InterfaceCounters each : InterfaceCounters.parse(text)) {
            if (each.name().equals(DEFAULT)) {
                found.addFirst(each);
            } else if (!each.isLoopback()) {
                found.add(new InterfaceCounters(printable(each.name()), each.received(), each.sent()));
            }
        }
        return found.stream().limit(MOST).toList();
    }

    /** A name may hold any byte; protobuf takes only text, and who reads it only what can be shown. */
    private static String printable(String name) {
        return name.codePoints()
                .mapToObj(c -> c < ' ' || c == 0x7f || c > 0xffff || Character.isSurrogate((char) c)
                        ? "?"
                        : Character.toString(c))
                .collect(Collectors.joining());
    }

    private static Optional<String> text(ProcessRef pause) {
        try {
            String text = ProcFile.read("/proc/" + pause.pid() + "/net/dev");
            // asked afterwards: then it was that process's
            return pause.isAlive() ? Optional.of(text) : Optional.empty();
        } catch (KernelException e) {
            if (e.is(Errno.ENOENT) || e.is(Errno.ESRCH) || e.is(Errno.EINVAL)) {
                return Optional.empty();
            }
            throw e;
        }
    }
}
