package io.portafilter.cri;

import com.google.errorprone.annotations.MustBeClosed;
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

    /** A launch and the network that its pod came into. */
    record Launched(PodLaunch launch, PodNetwork.Added network) {}

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
        Adding adding = new Adding(pod, asked.hostNetwork() ? Optional.empty() : plan(pod), namesInterfaces(asked));
        try {
            PodLaunch launch = prepare(asked, adding);
            undo.add(launch::close);
            return new Launched(launch, adding.result());
        } catch (RuntimeException | Error e) {
            adding.end(e);
            throw e;
        }
    }

    /** net.ipv4.conf.eth0 is there when eth0 is. */
    private static boolean namesInterfaces(PodRequest asked) {
        return asked.sysctls().keySet().stream()
                .anyMatch(name -> name.startsWith("net.") && !OF_NO_INTERFACE.contains(name));
    }

    @MustBeClosed
    private PodLaunch prepare(PodRequest asked, Adding adding) {
        if (!PodLaunch.takesNetwork(asked)) {
            // the network namespace that the pod's own user namespace owns is made in there
            return PodLaunch.prepare(host, asked, adding::begin);
        }
        try (Fd namespace = network.newNamespace()) {
            adding.begin(namespace);
            return PodLaunch.prepare(host, asked, namespace);
        }
    }

    /** A pod's way into its network, beside its launch. Belongs to one thread. */
    private final class Adding {
        private final LivePod pod;
        private final Optional<PlannedNetwork> planned;
        private final boolean first;
        private CompletableFuture<PodNetwork.Added> begun = CompletableFuture.completedFuture(PodNetwork.Added.NOTHING);

        /** @param first whether nothing else goes on until the pod is in its network */
        Adding(LivePod pod, Optional<PlannedNetwork> planned, boolean first) {
            this.pod = pod;
            this.planned = planned;
            this.first = first;
        }

        /** @param namespace the pod's; it stays the caller's */
        void begin(Fd namespace) {
            if (planned.isEmpty()) {
                return;
            }
            begun = addTo(planned.get(), namespace);
            if (first) {
                PodNetwork.Added _ = result();
            }
        }

        @SuppressWarnings("MustBeClosedChecker") // closed by who adds
        private CompletableFuture<PodNetwork.Added> addTo(PlannedNetwork asked, Fd namespace) {
            Fd own = namespace.duplicate();
            return CompletableFuture.supplyAsync(
                    () -> {
                        try (own) {
                            return network.add(asked, pod.files().directory(), own);
                        } catch (NetworkException e) {
                            throw told(asked(pod), e);
                        }
                    },
                    Thread::startVirtualThread);
        }

        PodNetwork.Added result() {
            try {
                return begun.join();
            } catch (CompletionException e) {
                throw e.getCause() instanceof RuntimeException cause ? cause : e;
            }
        }

        /** Returns when it has come to its end, however: what is to be undone must have. */
        void end(Throwable failed) {
            try {
                PodNetwork.Added _ = result();
            } catch (RuntimeException e) {
                if (!e.equals(failed)) {
                    failed.addSuppressed(e);
                }
            }
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
