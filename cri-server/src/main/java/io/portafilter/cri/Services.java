package io.portafilter.cri;

import io.portafilter.config.Config;
import io.portafilter.container.HostFeatures;
import io.portafilter.network.PodNetwork;
import io.portafilter.streaming.StreamServer;

/**
 * What the calls are answered from, once the records were read.
 *
 * @param features what this host was found to do when the server started
 * @param layers counts what containers wrote into their own file systems
 * @param network that pods come into
 * @param podCidr what UpdateRuntimeConfig was told last
 */
record Services(
        Config config,
        Node node,
        HostFeatures features,
        LiveTable<LivePod> podTable,
        LiveTable<LiveContainer> containerTable,
        PodLifecycle pods,
        ContainerLifecycle containers,
        ResourceUpdate resources,
        ExecSync execSync,
        Streams streams,
        Listing listing,
        WritableLayers layers,
        Statistics statistics,
        Metrics metrics,
        ContainerEvents events,
        PodNetwork network,
        PodCidr podCidr) {

    static Services of(Config config, Node node, StreamServer server, PodNetwork network) {
        LiveTable<LivePod> podTable =
                new LiveTable<>("pod sandbox", LivePod::id, pod -> pod.spec().identity());
        LiveTable<LiveContainer> containerTable = new LiveTable<>(
                "container", LiveContainer::id, container -> container.spec().identity());
        HostFeatures features = HostFeatures.tried(
                config.root(), config.state(), config.usernsRange().first());
        Listing listing = new Listing(node.database(), podTable, containerTable);
        ContainerEvents events = new ContainerEvents(listing);
        ContainerLifecycle containers = new ContainerLifecycle(config, node, podTable, containerTable, events);
        WritableLayers layers = new WritableLayers(node.places());
        PodCidr podCidr = new PodCidr(config.root());
        SandboxNetwork sandboxes = new SandboxNetwork(node.host(), network, podCidr);
        PodLifecycle pods = new PodLifecycle(node, features, sandboxes, podTable, containers, events);
        return new Services(
                config,
                node,
                features,
                podTable,
                containerTable,
                pods,
                containers,
                new ResourceUpdate(node, podTable, containerTable),
                new ExecSync(node, containerTable, containers),
                new Streams(node, podTable, containerTable, containers, pods, server),
                listing,
                layers,
                new Statistics(node, config.root(), listing, layers),
                new Metrics(node, config.root(), listing, layers),
                events,
                network,
                podCidr);
    }
}
