package io.portafilter.e2e;

import java.io.IOException;
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
 * The same pods run by us and by containerd 2.x with runc: what is seen from inside and on the host is alike, but for what
 * {@link ExpectedDifference} names and docs/differences.md gives reasons for.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class PeerCheckTest {
    @RegisterExtension
    static final Live live = Live.server();

    private Optional<PeerComparison> started = Optional.empty();

    @BeforeAll
    void startPeer() throws IOException {
        started = Optional.of(PeerComparison.started(live));
    }

    @AfterAll
    void endPeer() {
        started.ifPresent(PeerComparison::close);
        started.ifPresent(comparison -> nameDifferencesNotIn(comparison.seen()));
    }

    /** One that is never seen may be mended by now; or this host or containerd is not the one where it shows. */
    private static void nameDifferencesNotIn(Set<String> seen) {
        Set<String> unseen = ExpectedDifference.ALL.stream()
                .map(ExpectedDifference::name)
                .collect(Collectors.toCollection(TreeSet::new));
        unseen.removeAll(seen);
        if (!seen.isEmpty() && !unseen.isEmpty()) {
            System.err.println("of docs/differences.md not seen here: " + String.join(", ", unseen));
        }
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
        PeerComparison comparison = started.orElseThrow();
        return PeerCases.all(comparison.volumes()).stream()
                .map(asked ->
                        DynamicTest.dynamicTest(asked.name(), () -> comparison.compare(asked, PeerObservation::of)));
    }
}
