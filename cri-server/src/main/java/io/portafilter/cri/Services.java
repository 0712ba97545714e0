package io.portafilter.cri;

import io.portafilter.config.Config;
import io.portafilter.container.HostFeatures;
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
        AtomicReference<String> podCidr) {

    static Services of(Config config, Node node) {
        LiveTable<LivePod> podTable =
                new LiveTable<>("pod sandbox", LivePod::id, pod -> pod.spec().identity());
        LiveTable<LiveContainer> containerTable = new LiveTable<>(
                "container", LiveContainer::id, container -> container.spec().identity());
        ContainerLifecycle containers = new ContainerLifecycle(config, node, podTable, containerTable);
        return new Services(
                config,
                node,
                HostFeatures.tried(
                        config.root(), config.state(), config.usernsRange().first()),
                podTable,
                containerTable,
                new PodLifecycle(node, podTable, containers),
                containers,
                new ResourceUpdate(node, podTable, containerTable),
                new ExecSync(node, containerTable, containers),
                new AtomicReference<>(""));
    }
}
