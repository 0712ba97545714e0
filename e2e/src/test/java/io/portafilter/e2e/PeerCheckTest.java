package io.portafilter.e2e;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * The same pods run by us and by Debian's containerd with runc: what is seen from inside and on the host is alike, but
 * for what {@link ExpectedDifference} names and docs/differences.md gives reasons for.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class PeerCheckTest {
    @RegisterExtension
    static final Live live = Live.server();

    private Optional<Containerd> containerd = Optional.empty();
    private Optional<Path> volumes = Optional.empty();

    private Optional<PeerSite> ours = Optional.empty();
    private Optional<PeerSite> peers = Optional.empty();

    @BeforeAll
    void startPeer() throws IOException {
        assumeTrue(Tree.containerd().isPresent(), "containerd is missing");
        assumeTrue(Tree.runc().isPresent(), "runc is missing");
        Map<String, String> references = new HashMap<>();
        PeerCases.images().forEach((name, image) -> references.put(name, live.image(image)));
        Containerd peer = startedOrSkipped(PeerSite.required(references, "pause"));
        containerd = Optional.of(peer);
        references.values().forEach(reference -> {
            String _ = peer.cri().pull(reference);
        });
        Path directory = Files.createTempDirectory("pf-peer-");
        volumes = Optional.of(directory);
        PeerCases.makeVolumes(directory);
        ours = Optional.of(new PeerSite(live.portafilter(), references, directory));
        peers = Optional.of(new PeerSite(peer, references, directory));
    }

    private static Containerd startedOrSkipped(String pause) {
        try {
            return Containerd.started(pause);
        } catch (AssertionError e) {
            return abort("containerd does not run here: " + e.getMessage());
        }
    }

    @AfterAll
    void endPeer() {
        containerd.ifPresent(Containerd::close);
        volumes.ifPresent(PeerCases::removeVolumes);
    }

    @AfterEach
    void showLogOfServerThatDied() {
        if (!live.portafilter().isRunning()) {
            System.err.println("--- our server ended while containers were compared\n"
                    + live.portafilter().logTail() + "\n---");
        }
    }

    @TestFactory
    Stream<DynamicTest> differsFromContainerdOnlyAsDocumented() {
        return PeerCases.all(volumes.orElseThrow()).stream()
                .map(asked -> DynamicTest.dynamicTest(asked.name(), () -> compare(asked)));
    }

    private void compare(PeerCase asked) {
        PeerObservation mine = PeerObservation.of(asked, ours.orElseThrow());
        PeerObservation other = PeerObservation.of(asked, peers.orElseThrow());
        List<String> unexpected = PeerObservation.differences(asked, mine, other).stream()
                .filter(found -> ExpectedDifference.ALL.stream().noneMatch(expected -> expected.covers(found)))
                .map(PeerDifference::toString)
                .toList();
        if (!unexpected.isEmpty()) {
            fail("%d differences from containerd %s that docs/differences.md does not have:%n%s%n"
                    .formatted(unexpected.size(), containerd.orElseThrow().version(), String.join("\n", unexpected)));
        }
    }
}
