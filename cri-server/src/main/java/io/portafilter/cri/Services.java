package io.portafilter.cri;

import io.portafilter.config.Config;
import io.portafilter.container.HostFeatures;
import io.portafilter.streaming.StreamServer;
import java.util.concurrent.atomic.AtomicReference;

/**
 * What the calls are answered from, once the records were read.
 *
 * @param features what this host was found to do when the server started
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
        AtomicReference<String> podCidr) {

    static Services of(Config config, Node node, StreamServer server) {
        LiveTable<LivePod> podTable =
                new LiveTable<>("pod sandbox", LivePod::id, pod -> pod.spec().identity());
        LiveTable<LiveContainer> containerTable = new LiveTable<>(
                "container", LiveContainer::id, container -> container.spec().identity());
        HostFeatures features = HostFeatures.tried(
                config.root(), config.state(), config.usernsRange().first());
        ContainerLifecycle containers = new ContainerLifecycle(config, node, podTable, containerTable);
        PodLifecycle pods = new PodLifecycle(node, features, podTable, containers);
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
                new AtomicReference<>(""));
    }
}
