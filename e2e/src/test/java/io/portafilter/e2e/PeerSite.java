package io.portafilter.e2e;

import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.SecurityProfile.ProfileType;
import java.nio.file.Path;
import java.util.Map;
import java.util.function.Consumer;

/**
 * One of the two runtimes that are compared, and what the cases need to ask both for the same.
 *
 * @param images references, by the names of {@link PeerCases}
 * @param volumes of the host, the same for both
 */
record PeerSite(CriServer server, Map<String, String> images, Path volumes) {
    PeerSite {
        images = Map.copyOf(images);
    }

    String image(String name) {
        return required(images, name);
    }

    static String required(Map<String, String> images, String name) {
        String reference = images.get(name);
        if (reference == null) {
            throw new IllegalArgumentException("no image " + name + ": " + images.keySet());
        }
        return reference;
    }

    /** A pod whose name, host name and place among the cgroups are the same at both. */
    PodFixture pod() {
        return PodFixture.pod(server)
                .name("peer")
                .configure(
                        config -> config.setHostname("peer").getLinuxBuilder().setCgroupParent(server.cgroupParent()));
    }

    /** A container that observes, not started yet. Labels are not compared: the peer is told to give none. */
    ContainerFixture observer(Pod pod, String image) {
        return pod.container(image(image))
                .command("/bin/sh", "/observe.sh")
                .security(security -> security.getApparmorBuilder().setProfileType(ProfileType.Unconfined));
    }

    Container start(String image, Consumer<PodFixture> pod, Consumer<ContainerFixture> container) {
        PodFixture asked = pod();
        pod.accept(asked);
        ContainerFixture observer = observer(asked.run(), image);
        container.accept(observer);
        return observer.start();
    }

    /** A container that shares the processes of another one. */
    Container startTarget() {
        Pod pod = pod().run();
        Container target = pod.container(image("plain")).idle().start();
        return observer(pod, "plain")
                .security(security -> security.getNamespaceOptionsBuilder()
                        .setPid(NamespaceMode.TARGET)
                        .setTargetId(target.id()))
                .start();
    }
}
