package io.portafilter.cri;

import io.grpc.Status;
import io.portafilter.container.Host;
import io.portafilter.container.PodLaunch;
import io.portafilter.container.PodRequest;
import io.portafilter.container.Rollback;
import io.portafilter.cri.v1.DNSConfig;
import io.portafilter.cri.v1.PodSandboxConfig;
import io.portafilter.cri.v1.PortMapping;
import io.portafilter.linux.Fd;
import io.portafilter.network.NetworkException;
import io.portafilter.network.PodAsked;
import io.portafilter.network.PodNetwork;
import io.portafilter.network.PodNetwork.PlannedNetwork;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/** Launches pod sandboxes with their network, and takes them out of it. */
final class SandboxNetwork {

    private static final Logger LOG = System.getLogger(SandboxNetwork.class.getName());

    /** What every pod has that says nothing about it: they speak of no interface, and may be set at any time. */
    private static final Set<String> OF_NO_INTERFACE =
            Set.of("net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range");

    private final Host host;
    private final PodNetwork network;
    private final PodCidr podCidr;

    /** A launch and the addresses of its pod. */
    record Launched(PodLaunch launch, List<String> addresses) {}

    SandboxNetwork(Host host, PodNetwork network, PodCidr podCidr) {
        this.host = host;
        this.network = network;
        this.podCidr = podCidr;
    }

    /**
     * Prepares the launch of a sandbox and sets up its network, side by side where that can be: plugins take far longer
     * than all the rest.
     *
     * @param undo closes the launch if something fails; taking the pod out of the network is the caller's
     */
    @SuppressWarnings("MustBeClosedChecker") // closed by undo
    Launched launch(LivePod pod, PodRequest asked, Rollback undo) {
        Optional<PlannedNetwork> planned = asked.hostNetwork() ? Optional.empty() : plan(pod);
        if (!PodLaunch.takesNetwork(asked)) {
            PodLaunch launch = PodLaunch.prepare(host, asked);
            undo.add(launch::close);
            return new Launched(launch, planned.isEmpty() ? List.of() : addInside(pod, planned.get(), launch));
        }
        try (Fd namespace = network.newNamespace()) {
            if (planned.isEmpty()) {
                return new Launched(prepare(asked, namespace, undo), List.of());
            }
            if (OF_NO_INTERFACE.containsAll(networkSysctls(asked))) {
                return sideBySide(pod, planned.get(), asked, namespace, undo);
            }
            // net.ipv4.conf.eth0 is there when eth0 is
            List<String> addresses = add(pod, planned.get(), namespace);
            return new Launched(prepare(asked, namespace, undo), addresses);
        }
    }

    private static List<String> networkSysctls(PodRequest asked) {
        return asked.sysctls().keySet().stream()
                .filter(name -> name.startsWith("net."))
                .toList();
    }

    @SuppressWarnings("MustBeClosedChecker") // closed by undo
    private PodLaunch prepare(PodRequest asked, Fd namespace, Rollback undo) {
        PodLaunch launch = PodLaunch.prepare(host, asked, namespace);
        undo.add(launch::close);
        return launch;
    }

    /** The network namespace that the pod's own user namespace owns is made in there, so it is set up afterwards. */
    private List<String> addInside(LivePod pod, PlannedNetwork planned, PodLaunch launch) {
        try (Fd namespace = launch.network()
                .orElseThrow(() -> CriException.precondition(
                        asked(pod), "its first process ended before the network was set up", "try again"))) {
            return add(pod, planned, namespace);
        }
    }

    private Launched sideBySide(LivePod pod, PlannedNetwork planned, PodRequest asked, Fd namespace, Rollback undo) {
        CompletableFuture<List<String>> adding =
                CompletableFuture.supplyAsync(() -> add(pod, planned, namespace), Thread::startVirtualThread);
        PodLaunch launch;
        try {
            launch = prepare(asked, namespace, undo);
        } catch (RuntimeException | Error e) {
            // what is to be undone must have come to its end
            adding.handle((_, failure) -> failure)
                    .thenAccept(failure -> {
                        if (failure != null) {
                            e.addSuppressed(failure);
                        }
                    })
                    .join();
            throw e;
        }
        try {
            return new Launched(launch, adding.join());
        } catch (CompletionException e) {
            throw e.getCause() instanceof RuntimeException cause ? cause : e;
        }
    }

    private List<String> add(LivePod pod, PlannedNetwork planned, Fd namespace) {
        try {
            return network.add(planned, pod.files().directory(), namespace);
        } catch (NetworkException e) {
            throw told(asked(pod), e);
        }
    }

    private Optional<PlannedNetwork> plan(LivePod pod) {
        PodAsked asked = podAsked(pod);
        try {
            Optional<PlannedNetwork> planned = network.plan(asked);
            if (!asked.ports().isEmpty()) {
                planned.ifPresentOrElse(found -> warnOfPorts(pod, found), () -> {
                    throw CriException.precondition(
                            "config.port_mappings",
                            "host port " + asked.ports().getFirst().hostPort() + " is asked for, and "
                                    + network.readiness().message(),
                            "configure one that maps ports, use the host's network, or leave the port out");
                });
            }
            return planned;
        } catch (NetworkException e) {
            throw told(asked(pod), e);
        }
    }

    /** Not refused: there are networks that see to it by themselves. */
    private static void warnOfPorts(LivePod pod, PlannedNetwork planned) {
        if (!planned.mapsPorts()) {
            LOG.log(
                    Level.WARNING,
                    "pod.ports pod=" + pod.name() + " id=" + Places.shortId(pod.id()) + " network=" + planned.name()
                            + " cause=no plugin of this network declares portMappings, so that nobody was told");
        }
    }

    private PodAsked podAsked(LivePod pod) {
        Identity.Pod identity = pod.spec().identity();
        PodSandboxConfig config = pod.spec().config();
        return new PodAsked(
                pod.id(),
                identity.namespace(),
                identity.name(),
                identity.uid(),
                config.getAnnotationsMap(),
                config.getPortMappingsList().stream()
                        .filter(port -> port.getHostPort() > 0)
                        .map(SandboxNetwork::port)
                        .toList(),
                pod.spec().dns().filter(SandboxNetwork::saysAnything).map(SandboxNetwork::dns),
                pod.spec().cgroupParent(),
                podCidr.value());
    }

    private static PodAsked.HostPort port(PortMapping port) {
        return new PodAsked.HostPort(
                port.getHostPort(),
                port.getContainerPort(),
                port.getProtocol().name().toLowerCase(Locale.ROOT),
                port.getHostIp());
    }

    private static boolean saysAnything(DNSConfig dns) {
        return dns.getServersCount() + dns.getSearchesCount() + dns.getOptionsCount() > 0;
    }

    private static PodAsked.Dns dns(DNSConfig dns) {
        return new PodAsked.Dns(
                List.copyOf(dns.getServersList()),
                List.copyOf(dns.getSearchesList()),
                List.copyOf(dns.getOptionsList()));
    }

    private static String asked(LivePod pod) {
        return "RunPodSandbox of " + pod.spec().identity();
    }

    /** Takes a pod out of its network, if it is in one. */
    void remove(LivePod pod) {
        try {
            network.remove(pod.files().directory());
        } catch (NetworkException e) {
            throw told("the network of pod sandbox " + pod.id(), e);
        }
    }

    private static CriException told(String asked, NetworkException e) {
        Status.Code status = switch (e.kind()) {
            case REQUEST -> Status.Code.INVALID_ARGUMENT;
            case FOR_NOW -> Status.Code.UNAVAILABLE;
            case NODE -> Status.Code.FAILED_PRECONDITION;
        };
        return new CriException(status, asked, String.valueOf(e.getMessage()), "", e);
    }
}
