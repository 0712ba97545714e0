package io.portafilter.e2e;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
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

    private final Set<String> seen = new TreeSet<>();
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

    /** One that is never seen may be mended by now; or this host or containerd is not the one where it shows. */
    @AfterAll
    void nameDifferencesNotSeen() {
        Set<String> unseen = ExpectedDifference.ALL.stream()
                .map(ExpectedDifference::name)
                .collect(Collectors.toCollection(TreeSet::new));
        unseen.removeAll(seen);
        if (!seen.isEmpty() && !unseen.isEmpty()) {
            System.err.println("of docs/differences.md not seen here: " + String.join(", ", unseen));
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
        List<PeerDifference> unexpected = new ArrayList<>();
        for (PeerDifference found : PeerObservation.differences(asked, mine, other)) {
            ExpectedDifference.ALL.stream()
                    .filter(expected -> expected.covers(found))
                    .findFirst()
                    .ifPresentOrElse(expected -> seen.add(expected.name()), () -> unexpected.add(found));
        }
        if (!unexpected.isEmpty()) {
            fail("%d differences from containerd %s that docs/differences.md does not have:%n%s%n"
                    .formatted(
                            unexpected.size(),
                            containerd.orElseThrow().version(),
                            unexpected.stream().map(PeerDifference::toString).collect(Collectors.joining("\n"))));
        }
    }
}
