package io.portafilter.cri;

import com.google.errorprone.annotations.concurrent.GuardedBy;
import com.google.protobuf.Message;
import io.grpc.Context;
import io.grpc.Status;
import java.time.Duration;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * Calls that are at work, by what they are about. The same request again joins the one at work and gets its answer; a
 * different one about the same thing is refused, with what is going on. Work that nobody waits for any more finds out
 * at its next stage and undoes itself, so that a retry never meets what an earlier try left behind.
 */
final class InFlight {

    private final Map<Object, Flight> flights = new ConcurrentHashMap<>();

    /** One piece of work and those who wait for it. */
    static final class Flight {
        private final String what;
        private final Message request;
        private final long startedNanos = System.nanoTime();
        private final CompletableFuture<String> answer = new CompletableFuture<>();

        @GuardedBy("this")
        private final Set<Context> waiting = new HashSet<>();

        private volatile String stage = "checking the request";

        private Flight(String what, Message request) {
            this.what = what;
            this.request = request;
        }

        /** Says what comes next; ends the work when nobody waits for it any more. */
        void stage(String next) {
            stage = next;
            requireWanted();
        }

        /** Ends the work when nobody waits for it any more; what was done is then undone by who did it. */
        void requireWanted() {
            if (!isWanted()) {
                throw new CriException(
                        Status.Code.CANCELLED, what, "its caller has gone while " + stage, "what was done is undone");
            }
        }

        private synchronized boolean isWanted() {
            return waiting.stream().anyMatch(caller -> !caller.isCancelled());
        }

        private synchronized int callers() {
            return waiting.size();
        }

        private synchronized void join(Context caller) {
            waiting.add(caller);
        }

        private String describe() {
            return what + " is under way for "
                    + Duration.ofNanos(System.nanoTime() - startedNanos).toSeconds() + " s, now " + stage;
        }
    }

    /**
     * Does the work, or waits for the same work.
     *
     * @param key what it is about
     * @param what the same for people
     * @param request compared with that of the work under way
     * @param work runs on this thread if it is the first
     * @throws CriException ALREADY_EXISTS when something else is being done about it
     */
    String run(Object key, String what, Message request, Function<Flight, String> work) {
        Context caller = Context.current();
        Flight mine = new Flight(what, request);
        mine.join(caller);
        while (true) {
            Flight flying = flights.putIfAbsent(key, mine);
            if (flying == null) {
                return fly(key, mine, work);
            }
            if (!flying.request.equals(request)) {
                throw new CriException(
                        Status.Code.ALREADY_EXISTS,
                        what,
                        flying.describe() + ", asked for differently",
                        "wait for it, or use another attempt");
            }
            flying.join(caller);
            try {
                return await(flying, caller);
            } catch (CriException e) {
                // it ended because it had been given up before we joined: our turn
                boolean givenUp = e.status() == Status.Code.CANCELLED && !caller.isCancelled();
                if (!givenUp) {
                    throw e;
                }
            }
        }
    }

    private String fly(Object key, Flight mine, Function<Flight, String> work) {
        try {
            String answer = work.apply(mine);
            flights.remove(key, mine);
            mine.answer.complete(answer);
            return answer;
        } catch (RuntimeException | Error e) {
            flights.remove(key, mine);
            mine.answer.completeExceptionally(e);
            throw e;
        }
    }

    private static String await(Flight flying, Context caller) {
        CompletableFuture<String> mine = flying.answer.copy();
        Context.CancellationListener onCancel = _ -> mine.cancel(false);
        caller.addListener(onCancel, Runnable::run);
        try {
            return mine.join();
        } catch (CancellationException e) {
            throw new CriException(Status.Code.CANCELLED, flying.what, "the caller has gone", "", e);
        } catch (CompletionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw e;
        } finally {
            caller.removeListener(onCancel);
        }
    }

    /** Returns when nothing is under way about this any more, however it ended. */
    void awaitNone(Object key) {
        Flight flying = flights.get(key);
        if (flying != null) {
            var _ = flying.answer.handle((_, _) -> "").join();
        }
    }

    /** Returns when what is under way now about the keys that {@code chosen} accepts has ended, however it did. */
    void awaitNone(Predicate<Object> chosen) {
        flights.keySet().stream().filter(chosen).toList().forEach(this::awaitNone);
    }

    /** Whether somebody waits for what another one began. */
    boolean isJoined(Object key) {
        Flight flying = flights.get(key);
        return flying != null && flying.callers() > 1;
    }

    /** Whether something is under way about this. */
    boolean isFlying(Object key) {
        return flights.containsKey(key);
    }
}
