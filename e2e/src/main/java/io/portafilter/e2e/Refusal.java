package io.portafilter.e2e;

import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.Optional;

/** The gRPC status of a call that must fail. */
public record Refusal(Status.Code code, String message) {
    /** Makes the call, which must be refused. */
    public static Refusal of(Runnable call) {
        try {
            call.run();
        } catch (StatusRuntimeException e) {
            return new Refusal(
                    e.getStatus().getCode(),
                    Optional.ofNullable(e.getStatus().getDescription()).orElse(""));
        }
        throw new AssertionError("the call succeeded, but it must be refused");
    }
}
