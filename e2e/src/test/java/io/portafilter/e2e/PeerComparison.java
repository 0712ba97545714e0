package io.portafilter.e2e;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.BiFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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
        Path volumes = Files.createTempDirectory("pf-peer-");
        PeerComparison comparison;
        try {
            Containerd containerd = startedOrSkipped(PeerSite.required(references, "pause"));
            comparison = new PeerComparison(
                    containerd,
                    new PeerSite(live.portafilter(), references, volumes),
                    new PeerSite(containerd, references, volumes),
                    volumes,
                    new TreeSet<>());
        } catch (RuntimeException | Error e) {
            PeerCases.removeVolumes(volumes);
            throw e;
        }
        try {
            references.values().forEach(reference -> {
                String _ = comparison.containerd().cri().pull(reference);
            });
            PeerCases.makeVolumes(volumes);
            return comparison;
        } catch (IOException | RuntimeException | Error e) {
            comparison.close();
            throw e;
        }
    }

    private static Containerd startedOrSkipped(String pause) {
        try {
            return Containerd.started(pause);
        } catch (AssertionError e) {
            return abort("containerd does not run here: " + e.getMessage());
        }
    }

    /**
     * Observes a case at both, at once unless they take turns, for most of the time is waiting for processes; fails with
     * every difference that is not an {@link ExpectedDifference}.
     */
    void compare(PeerCase asked, BiFunction<PeerCase, PeerSite, PeerObservation> observe)
            throws ExecutionException, InterruptedException {
        try (ExecutorService both = asked.takesTurns()
                ? Executors.newSingleThreadExecutor()
                : Executors.newVirtualThreadPerTaskExecutor()) {
            Future<PeerObservation> mine = both.submit(() -> observe.apply(asked, ours));
            Future<PeerObservation> other = both.submit(() -> observe.apply(asked, peers));
            compare(asked, mine.get(), other.get());
        }
    }

    private void compare(PeerCase asked, PeerObservation mine, PeerObservation other) {
        List<PeerDifference> unexpected = new ArrayList<>();
        for (PeerDifference found : PeerObservation.differences(asked, mine, other)) {
            ExpectedDifference.ALL.stream()
                    .filter(expected -> expected.covers(found))
                    .findFirst()
                    .ifPresentOrElse(expected -> seen.add(expected.name()), () -> unexpected.add(found));
        }
        if (!unexpected.isEmpty()) {
            Releases these = new Releases(release(containerd.version()), release(runcVersion()));
            if (!these.equals(Releases.KNOWN)) {
                abort("the differences are known for %s; this is %s: %d others: %s"
                        .formatted(
                                Releases.KNOWN,
                                these,
                                unexpected.size(),
                                unexpected.stream().map(PeerDifference::key).collect(Collectors.joining(", "))));
            }
            fail("%d differences from containerd %s that docs/differences.md does not have:%n%s%n"
                    .formatted(
                            unexpected.size(),
                            containerd.version(),
                            unexpected.stream().map(PeerDifference::toString).collect(Collectors.joining("\n"))));
        }
    }

    /** Debian's unstable suite moves on: what another release does differently is to be looked at, and no error of ours. */
    private record Releases(String containerd, String runc) {
        static final Releases KNOWN = known();

        private static Releases known() {
            Path file = Tree.root().resolve("docs/differences.md");
            try {
                Matcher named = Pattern.compile("\\((\\S+) and (\\S+) when this was written\\)")
                        .matcher(Files.readString(file));
                if (!named.find()) {
                    throw new IllegalStateException(file + " names no versions that it was written for");
                }
                return new Releases(release(named.group(1)), release(named.group(2)));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        public String toString() {
            return "containerd " + containerd + " and runc " + runc;
        }
    }

    /** The first two numbers of a version, such as {@code 2.1} of {@code 2.1.9~ds1}. */
    private static String release(String version) {
        Matcher numbers = Pattern.compile("\\d+\\.\\d+").matcher(version);
        return numbers.find() ? numbers.group() : version;
    }

    private static String runcVersion() {
        return Commands.run(Tree.runc().orElseThrow().toString(), "--version").orFail();
    }

    @Override
    public void close() {
        try {
            containerd.close();
        } finally {
            PeerCases.removeVolumes(volumes);
        }
    }
}
