package io.portafilter.network;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What a pod's request says that matters for its network.
 *
 * @param id which plugins know as the container's id
 * @param dns absent if the request says nothing about it
 * @param cgroupParent empty for none
 * @param podCidr the node's range for pods as kubelet told it, perhaps two with a comma between; empty if it told none
 */
public record PodAsked(
        String id,
        String namespace,
        String name,
        String uid,
        Map<String, String> annotations,
        List<HostPort> ports,
        Optional<Dns> dns,
        String cgroupParent,
        String podCidr) {

    public PodAsked {
        annotations = Map.copyOf(annotations);
        ports = List.copyOf(ports);
    }

    /**
     * A port of the node that leads to one of the pod.
     *
     * @param protocol tcp, udp or sctp
     * @param hostIp empty for all addresses of the node
     */
    public record HostPort(int hostPort, int containerPort, String protocol, String hostIp) {}

    /** What the pod's resolv.conf says. */
    public record Dns(List<String> servers, List<String> searches, List<String> options) {}
}
