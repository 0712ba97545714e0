package io.portafilter.e2e;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;

/** What is independent of one another, several at once: a container waits for the kernel longer than it computes. */
public final class AtOnce {
    private static final int THREADS = 4;

    private AtOnce() {}

    /** Runs all to their end, and throws the first failure with the others suppressed in it. */
    public static void run(Stream<? extends Runnable> pieces) {
        try (ExecutorService threads = Executors.newFixedThreadPool(THREADS)) {
            List<? extends Future<?>> running = pieces.map(threads::submit).toList();
            List<Throwable> failures = running.stream()
                    .map(AtOnce::failureOf)
                    .flatMap(Optional::stream)
                    .toList();
            if (!failures.isEmpty()) {
                failures.stream().skip(1).forEach(failures.getFirst()::addSuppressed);
                rethrow(failures.getFirst());
            }
        }
    }

    /** The same cases under the same names; each waits for its turn or its end when it is asked for. */
    public static Stream<DynamicTest> cases(Stream<DynamicTest> cases) {
        ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        List<DynamicTest> begun = cases.map(each -> {
                    Future<?> running = threads.submit(() -> {
                        try {
                            each.getExecutable().execute();
                        } catch (Throwable e) {
                            rethrow(e);
                        }
                    });
                    return DynamicTest.dynamicTest(
                            each.getDisplayName(), () -> failureOf(running).ifPresent(AtOnce::rethrow));
                })
                .toList();
        threads.shutdown();
        return begun.stream();
    }

    private static Optional<Throwable> failureOf(Future<?> running) {
        try {
            var _ = running.get();
            return Optional.empty();
        } catch (ExecutionException e) {
            return Optional.of(Optional.ofNullable(e.getCause()).orElse(e));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return Optional.of(e);
        }
    }

    /** As it is, checked or not: a test may throw anything. */
    @SuppressWarnings("unchecked")
    private static <T extends Throwable> void rethrow(Throwable e) throws T {
        throw (T) e;
    }
}
