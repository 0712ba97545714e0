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
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * containerd beside our server, with the same images and volumes.
 *
 * @param seen names of the differences that were seen
 */
record PeerComparison(Containerd containerd, PeerSite ours, PeerSite peers, Path volumes, Set<String> seen)
        implements AutoCloseable {

    /** Starts containerd; skips the class, saying what is missing, where there is none or it does not run. */
    static PeerComparison started(Live live) throws IOException {
        assumeTrue(Tree.containerd().isPresent(), "containerd 2.x is missing: e2e/peer says why");
        assumeTrue(Tree.runc().isPresent(), "runc is missing: e2e/peer says why");
        Map<String, String> references = new HashMap<>();
        PeerCases.images().forEach((name, image) -> references.put(name, live.image(image)));
        Containerd containerd = startedOrSkipped(PeerSite.required(references, "pause"));
        references.values().forEach(reference -> {
            String _ = containerd.cri().pull(reference);
        });
        Path volumes = Files.createTempDirectory("pf-peer-");
        PeerCases.makeVolumes(volumes);
        return new PeerComparison(
                containerd,
                new PeerSite(live.portafilter(), references, volumes),
                new PeerSite(containerd, references, volumes),
                volumes,
                new TreeSet<>());
    }

    private static Containerd startedOrSkipped(String pause) {
        try {
            return Containerd.started(pause);
        } catch (AssertionError e) {
            return abort("containerd does not run here: " + e.getMessage());
        }
    }

    /** Fails with every difference that is not an {@link ExpectedDifference}. */
    void compare(PeerCase asked, PeerObservation mine, PeerObservation other) {
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
                            containerd.version(),
                            unexpected.stream().map(PeerDifference::toString).collect(Collectors.joining("\n"))));
        }
    }

    @Override
    public void close() {
        containerd.close();
        PeerCases.removeVolumes(volumes);
    }
}
