package io.portafilter.e2e;

import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Something that kubelet could ask for, whose container runs {@code observe.sh}.
 *
 * @param takesTurns of two at once one would be in the other's way, such as two that bind a port of the host
 */
record PeerCase(String name, Function<PeerSite, Container> start, boolean takesTurns) {
    PeerCase(String name, Function<PeerSite, Container> start) {
        this(name, start, false);
    }

    PeerCase takingTurns() {
        return new PeerCase(name, start, true);
    }

    static PeerCase container(String name, Consumer<ContainerFixture> asked) {
        return pod(name, pod -> {}, asked);
    }

    static PeerCase pod(String name, Consumer<PodFixture> pod, Consumer<ContainerFixture> container) {
        return new PeerCase(name, site -> site.start("plain", pod, container));
    }

    static PeerCase image(String name, String image, Consumer<ContainerFixture> container) {
        return new PeerCase(name, site -> site.start(image, pod -> {}, container));
    }

    @Override
    public String toString() {
        return name;
    }
}
