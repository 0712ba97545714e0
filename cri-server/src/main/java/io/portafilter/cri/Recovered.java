package io.portafilter.cri;

import io.grpc.Status;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/** The services, for which every call but the first ones waits until the server has taken its records over. */
final class Recovered {

    private final CompletableFuture<Services> future = new CompletableFuture<>();

    void complete(Services services) {
        future.complete(services);
    }

    void fail(Throwable cause) {
        future.completeExceptionally(cause);
    }

    /** Waits; UNAVAILABLE when the server cannot start. */
    Services services() {
        try {
            return future.join();
        } catch (CompletionException e) {
            throw new CriException(
                    Status.Code.UNAVAILABLE,
                    "the server",
                    "it could not start: " + cause(e).getMessage(),
                    "mend that and start it again",
                    e);
        }
    }

    private static Throwable cause(CompletionException e) {
        return Optional.ofNullable(e.getCause()).orElse(e);
    }

    /** The services if they are there already. */
    Optional<Services> now() {
        return future.isDone() && !future.isCompletedExceptionally() ? Optional.of(future.join()) : Optional.empty();
    }
}
