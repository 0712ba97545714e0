package io.portafilter.e2e;

import java.io.IOException;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * The same security contexts given to us and to containerd 2.x with runc: the first process as the host sees it and a
 * process that is executed beside it have the same ids, sets, filters, mappings, namespaces and mounts, but for what
 * {@link ExpectedDifference} names.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
final class PeerSecurityTest {
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
    }

    @TestFactory
    Stream<DynamicTest> becomesWhatItBecomesAtContainerd() {
        PeerComparison comparison = started.orElseThrow();
        return PeerSecurityCases.all(comparison.volumes()).stream()
                .map(asked -> DynamicTest.dynamicTest(
                        asked.name(), () -> comparison.compare(asked, PeerObservation::ofExec)));
    }
}
