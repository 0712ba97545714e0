package io.portafilter.cri;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.grpc.Context;
import io.grpc.Status;
import io.portafilter.cri.v1.StopContainerRequest;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

/** Calls under way about one thing: joined, refused, given up, undone. */
class InFlightTest {

    private static final StopContainerRequest SAME =
            StopContainerRequest.newBuilder().setContainerId("a").build();
    private static final StopContainerRequest OTHER =
            StopContainerRequest.newBuilder().setContainerId("b").build();
    private static final String KEY = "pod 1";

    private final InFlight calls = new InFlight();
    private final CountDownLatch begun = new CountDownLatch(1);
    private final CountDownLatch goOn = new CountDownLatch(1);
    private final AtomicInteger runs = new AtomicInteger();

    private String work(InFlight.Flight flight) {
        runs.incrementAndGet();
        begun.countDown();
        try {
            assertThat(goOn.await(10, TimeUnit.SECONDS)).isTrue();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
        flight.stage("recording");
        return "id-" + runs.get();
    }

    private CompletableFuture<String> call(StopContainerRequest request, Context.CancellableContext caller) {
        CompletableFuture<String> answer = new CompletableFuture<>();
        Thread.ofVirtual().start(caller.wrap(() -> {
            try {
                answer.complete(calls.run(KEY, "RunPodSandbox", request, this::work));
            } catch (RuntimeException | Error e) {
                answer.completeExceptionally(e);
            }
        }));
        return answer;
    }

    private static Context.CancellableContext caller() {
        return Context.ROOT.withCancellation();
    }

    private static String get(CompletableFuture<String> answer) {
        try {
            return answer.get(10, TimeUnit.SECONDS);
        } catch (InterruptedException | ExecutionException | TimeoutException e) {
            throw new AssertionError(e);
        }
    }

    private static Throwable failure(CompletableFuture<String> answer) {
        try {
            throw new AssertionError("answered " + answer.get(10, TimeUnit.SECONDS));
        } catch (ExecutionException e) {
            return Objects.requireNonNull(e.getCause());
        } catch (InterruptedException | TimeoutException e) {
            throw new AssertionError(e);
        }
    }

    private void awaitBegun() throws InterruptedException {
        assertThat(begun.await(10, TimeUnit.SECONDS)).isTrue();
    }

    @Test
    void theSameRequestJoinsTheOneUnderWay() throws InterruptedException {
        CompletableFuture<String> first = call(SAME, caller());
        awaitBegun();
        CompletableFuture<String> second = call(SAME, caller());
        goOn.countDown();
        assertThat(get(first)).isEqualTo("id-1");
        // the second joined, or came after the end and ran anew; joining is certain below
        assertThat(get(second)).startsWith("id-");
        assertThat(calls.isFlying(KEY)).isFalse();
    }

    @Test
    void aDifferentRequestIsRefusedWithWhatGoesOn() throws InterruptedException {
        CompletableFuture<String> first = call(SAME, caller());
        awaitBegun();
        assertThatThrownBy(() -> calls.run(KEY, "RunPodSandbox", OTHER, this::work))
                .isInstanceOfSatisfying(
                        CriException.class, e -> assertThat(e.status()).isEqualTo(Status.Code.ALREADY_EXISTS))
                .hasMessageContaining("under way for 0 s")
                .hasMessageContaining("checking the request");
        goOn.countDown();
        assertThat(get(first)).isEqualTo("id-1");
        assertThat(runs).hasValue(1);
    }

    @Test
    void whatNobodyWaitsForEndsAtItsNextStage() throws InterruptedException {
        Context.CancellableContext caller = caller();
        CompletableFuture<String> first = call(SAME, caller);
        awaitBegun();
        caller.cancel(null);
        goOn.countDown();
        assertThat(failure(first))
                .isInstanceOfSatisfying(
                        CriException.class, e -> assertThat(e.status()).isEqualTo(Status.Code.CANCELLED));
        assertThat(get(call(SAME, caller()))).isEqualTo("id-2");
    }

    @Test
    void theWorkGoesOnForOneWhoJoined() throws InterruptedException {
        Context.CancellableContext first = caller();
        CompletableFuture<String> begins = call(SAME, first);
        awaitBegun();
        CompletableFuture<String> joins = call(SAME, caller());
        while (!calls.isJoined(KEY)) {
            Thread.onSpinWait();
        }
        first.cancel(null);
        goOn.countDown();
        assertThat(get(joins)).isEqualTo("id-1");
        assertThat(get(begins)).isEqualTo("id-1");
        assertThat(runs).hasValue(1);
    }

    @Test
    void oneWhoJoinedAndLeavesEndsItsOwnWaitAlone() throws InterruptedException {
        CompletableFuture<String> begins = call(SAME, caller());
        awaitBegun();
        Context.CancellableContext joining = caller();
        CompletableFuture<String> joins = call(SAME, joining);
        while (!calls.isJoined(KEY)) {
            Thread.onSpinWait();
        }
        joining.cancel(null);
        assertThat(failure(joins)).isInstanceOf(CriException.class);
        goOn.countDown();
        assertThat(get(begins)).isEqualTo("id-1");
    }

    @Test
    void aFailureReachesAllAndIsForgotten() {
        assertThatThrownBy(() -> calls.run(KEY, "x", SAME, _ -> {
                    throw new IllegalStateException("no");
                }))
                .hasMessage("no");
        assertThat(calls.isFlying(KEY)).isFalse();
        calls.awaitNone(KEY);
    }
}
