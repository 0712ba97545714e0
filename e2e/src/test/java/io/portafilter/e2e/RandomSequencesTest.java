package io.portafilter.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.portafilter.cri.v1.NamespaceMode;
import io.portafilter.cri.v1.PodSandboxConfig;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * Random sequences of calls, judged by a model of the state machine ({@link StateModel}); in the end nothing is left.
 *
 * <p>A failure names its seed and the shortest sequence that was found to fail. {@code -De2e.seed=N} begins with
 * another seed, {@code -De2e.sequences=1} stops after that one.
 */
class RandomSequencesTest {
    @RegisterExtension
    static final Live live = Live.server();

    private static final long FIRST_SEED = Long.getLong("e2e.seed", 4_000);
    private static final int SEQUENCES = Integer.getInteger("e2e.sequences", 200);
    private static final int CLIENTS = 8;
    private static final int CONCURRENT_STEPS = 40;
    private static final int ROUNDS = 6;
    private static final int FEWEST_STEPS = 6;
    private static final int MORE_STEPS = 14;
    private static final int SEQUENCES_WITH_KILLS = Integer.getInteger("e2e.killed.sequences", 12);
    private static final Duration SHORTENING = Duration.ofSeconds(40);

    private static List<Step> sequence(long seed) {
        Random random = new Random(seed);
        return Step.sequence(random, FEWEST_STEPS + random.nextInt(MORE_STEPS));
    }

    /** Pods with their own and with a shared PID namespace. */
    private static List<PodSandboxConfig> configs() {
        return List.of(live.pod().build(), live.pod().pid(NamespaceMode.POD).build());
    }

    private static void removeAll() {
        live.cri().pods().forEach(pod -> live.cri().removePod(pod.getId()));
    }

    /** Runs one, removes what it made and looks for what is left; answers what failed. */
    private static Optional<Throwable> failure(Caller caller, String image, List<Step> steps, Host before) {
        try {
            StateModel model = new StateModel(live, caller, image, configs());
            steps.forEach(model::take);
            removeAll();
            if (caller.mayKill()) {
                // another process: its descriptors are its own
                Await.untilEquals(
                        "what is left",
                        Duration.ofSeconds(10),
                        List.of(),
                        () -> live.host().remainsSince(before));
            } else {
                live.awaitAsBefore(before);
            }
            return Optional.empty();
        } catch (AssertionError | RuntimeException e) {
            removeAll();
            return Optional.of(e);
        }
    }

    /** Leaves out one step after the other as long as it still fails. */
    private static List<Step> shortened(Caller caller, String image, List<Step> failing, Host before) {
        long end = System.nanoTime() + SHORTENING.toNanos();
        List<Step> shortest = failing;
        for (int i = shortest.size() - 1; i >= 0 && System.nanoTime() < end; i--) {
            List<Step> candidate = new ArrayList<>(shortest);
            var _ = candidate.remove(i);
            if (failure(caller, image, candidate, before).isPresent()) {
                shortest = candidate;
            }
        }
        return shortest;
    }

    /** What the server has logged as its own mistake since the log was so long. */
    private static List<String> errorsSince(int length) {
        return live.portafilter()
                .logText()
                .substring(length)
                .lines()
                .filter(line -> line.contains(" ERROR "))
                .toList();
    }

    @Test
    void everyCallOfARandomSequenceAnswersAsTheModelSaysAndNothingIsLeft() {
        all(Caller.on(live.cri().channel()), SEQUENCES);
    }

    /** Wherever the server is killed: the same call again does what it would have done, and nothing else has changed. */
    @Test
    void soDoesOneWhoseServerIsKilledInTheMiddleOfItsCalls() {
        all(Caller.killing(live.portafilter()), SEQUENCES_WITH_KILLS);
    }

    private static void all(Caller client, int sequences) {
        String image = live.busybox();
        int logged = live.portafilter().logText().length();
        try (Caller caller = client) {
            // what is kept ready on purpose is there afterwards
            for (long seed = FIRST_SEED - 5; seed < FIRST_SEED; seed++) {
                var _ = failure(caller, image, sequence(seed), live.host());
            }
            settle();
            Host before = live.host();
            for (long seed = FIRST_SEED; seed < FIRST_SEED + sequences; seed++) {
                List<Step> steps = sequence(seed);
                Optional<Throwable> failed = failure(caller, image, steps, before);
                if (failed.isPresent()) {
                    List<Step> shortest = shortened(caller, image, steps, before);
                    throw new AssertionError(
                            "seed " + seed + " of " + steps.size() + " steps, fails also with these:\n  "
                                    + String.join(
                                            "\n  ",
                                            shortest.stream()
                                                    .map(Step::toString)
                                                    .toList())
                                    + "\n" + failed.get().getMessage(),
                            failed.get());
                }
            }
        }
        assertThat(errorsSince(logged)).isEmpty();
    }

    /** Each round's clients have seeds of their own; how they meet differs each time. */
    private static void round(List<Caller> callers, String image, long seed) {
        List<PodSandboxConfig> configs = configs();
        ConcurrentClient.Knowledge known = new ConcurrentClient.Knowledge();
        List<String> failures = new CopyOnWriteArrayList<>();
        try (ExecutorService clients = Executors.newFixedThreadPool(callers.size())) {
            for (int i = 0; i < callers.size(); i++) {
                long own = seed * callers.size() + i;
                ConcurrentClient client = new ConcurrentClient(live, callers.get(i), image, configs, known);
                var _ = clients.submit(() -> {
                    try {
                        Step.sequence(new Random(own), CONCURRENT_STEPS).forEach(client::take);
                    } catch (AssertionError | RuntimeException e) {
                        failures.add("seed " + own + ": " + e);
                    }
                });
            }
        }
        removeAll();
        assertThat(failures).as("round of seed " + seed).isEmpty();
    }

    @Test
    void eightClientsAtOnceGetNoWrongAnswerAndLeaveNothing() {
        String image = live.busybox();
        int logged = live.portafilter().logText().length();
        List<Cri> connections = new ArrayList<>();
        List<Caller> callers = new ArrayList<>();
        try {
            for (int i = 0; i < CLIENTS; i++) {
                Cri connection = new Cri(live.portafilter().socket());
                connections.add(connection);
                callers.add(Caller.on(connection.channel()));
            }
            round(callers, image, FIRST_SEED - 1);
            settle();
            Host before = live.host();
            for (long seed = FIRST_SEED; seed < FIRST_SEED + ROUNDS; seed++) {
                round(callers, image, seed);
                live.awaitAsBefore(before);
            }
        } finally {
            callers.forEach(Caller::close);
            connections.forEach(Cri::close);
        }
        assertThat(errorsSince(logged)).isEmpty();
    }

    /** Waits until two looks in a row see the same. */
    private static void settle() {
        Await.until("the server is quiet", Duration.ofSeconds(10), () -> {
            Host one = live.host();
            LockSupport.parkNanos(Duration.ofMillis(200).toNanos());
            return live.host().differencesFrom(one).isEmpty();
        });
    }
}
