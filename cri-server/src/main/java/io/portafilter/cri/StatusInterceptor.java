package io.portafilter.cri;

import io.grpc.Context;
import io.grpc.ForwardingServerCall.SimpleForwardingServerCall;
import io.grpc.ForwardingServerCallListener.SimpleForwardingServerCallListener;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.StatusRuntimeException;
import io.portafilter.cgroup.CgroupRefusal;
import io.portafilter.image.ImageException;
import io.portafilter.launch.LaunchException;
import io.portafilter.linux.Errno;
import io.portafilter.linux.KernelException;
import io.portafilter.linux.NamespaceLimits;
import io.portafilter.rootfs.MountRefusal;
import io.portafilter.security.SecurityRefusal;
import io.portafilter.state.DiskTrouble;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.HexFormat;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Turns what a call threw into its gRPC status, here and nowhere else. What nobody understood becomes INTERNAL with an
 * id that is logged once, together with the error.
 */
final class StatusInterceptor implements ServerInterceptor {

    private static final Logger LOG = System.getLogger(StatusInterceptor.class.getName());

    private static final Set<Errno> ASKED_WRONGLY =
            Set.of(Errno.ENOENT, Errno.ENOTDIR, Errno.EISDIR, Errno.EACCES, Errno.ENOEXEC, Errno.ELOOP, Errno.EXDEV);

    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
        String method = String.valueOf(call.getMethodDescriptor().getBareMethodName());
        ServerCall<Q, A> named = new NamingCall<>(call, method);
        ServerCall.Listener<Q> listener;
        try {
            listener = next.startCall(named, headers);
        } catch (RuntimeException | Error e) {
            close(call, e, method);
            return new ServerCall.Listener<>() {};
        }
        return new SimpleForwardingServerCallListener<>(listener) {
            @Override
            public void onHalfClose() {
                orClose(super::onHalfClose);
            }

            // a stream makes what it sends when the connection asks for it
            @Override
            public void onReady() {
                orClose(super::onReady);
            }

            private void orClose(Runnable step) {
                try {
                    step.run();
                } catch (RuntimeException | Error e) {
                    close(call, e, method);
                }
            }
        };
    }

    private static <Q, A> void close(ServerCall<Q, A> call, Throwable error, String method) {
        Status status = readable(status(error, method));
        if (!Context.current().isCancelled()) {
            call.close(status, new Metadata());
        }
        if (error instanceof Error fatal) {
            throw fatal;
        }
    }

    static Status readable(Status status) {
        String description = status.getDescription();
        return description == null ? status : status.withDescription(CriException.readable(description));
    }

    /** The status that stands for an error of the method. */
    static Status status(Throwable error, String method) {
        return switch (error) {
            case CriException e -> Status.fromCode(e.status()).withDescription(e.getMessage());
            case SecurityRefusal e -> Status.INVALID_ARGUMENT.withDescription(e.getMessage());
            case MountRefusal e -> Status.INVALID_ARGUMENT.withDescription(e.getMessage());
            case CgroupRefusal e when e.isForNow() -> Status.FAILED_PRECONDITION.withDescription(e.getMessage());
            case CgroupRefusal e -> Status.INVALID_ARGUMENT.withDescription(e.getMessage());
            case LaunchException e -> launch(e).withDescription(e.getMessage());
            case ImageException e -> image(e.kind()).withDescription(reason(e.kind()) + e.getMessage());
            case KernelException e
            when NamespaceLimits.isReached(e.call(), e.errno()) ->
                Status.RESOURCE_EXHAUSTED.withDescription(method + ": " + e.getMessage() + NamespaceLimits.CURE);
            case StatusRuntimeException e -> e.getStatus();
            case StatusException e -> e.getStatus();
            default ->
                DiskTrouble.of(error)
                        .flatMap(trouble -> disk(trouble, error, method))
                        .orElseGet(() -> internal(error, method));
        };
    }

    /** What the request named and the kernel did not find or like is the request's fault. */
    private static Status launch(LaunchException error) {
        if (error.failure().flatMap(failure -> DiskTrouble.of(failure.errno())).isPresent()) {
            return Status.RESOURCE_EXHAUSTED;
        }
        boolean asked = error.failure()
                .filter(failure -> ASKED_WRONGLY.contains(failure.errno()))
                .isPresent();
        return asked ? Status.INVALID_ARGUMENT : Status.INTERNAL;
    }

    /** UNKNOWN where kubelet looks at the message: it begins with a reason that kubelet knows. */
    private static Status image(ImageException.Kind kind) {
        return switch (kind) {
            case INVALID_REFERENCE -> Status.INVALID_ARGUMENT;
            case NOT_FOUND -> Status.NOT_FOUND;
            case UNAUTHORIZED -> Status.UNAUTHENTICATED;
            case REGISTRY_UNAVAILABLE -> Status.UNKNOWN;
            case INVALID_IMAGE -> Status.FAILED_PRECONDITION;
            case UNSUPPORTED -> Status.UNIMPLEMENTED;
            case CANCELLED -> Status.CANCELLED;
            case STORAGE -> Status.RESOURCE_EXHAUSTED;
        };
    }

    /** The words by which kubelet shows a pull's failure as a reason of its own: {@code pkg/kubelet/images/types.go}. */
    private static String reason(ImageException.Kind kind) {
        return kind == ImageException.Kind.REGISTRY_UNAVAILABLE ? "RegistryUnavailable: " : "";
    }

    /** Nothing is wrong with what was asked, nor with us; empty when it is not known what is wrong. */
    private static Optional<Status> disk(DiskTrouble trouble, Throwable error, String method) {
        return switch (trouble) {
            case FULL ->
                Optional.of(Status.RESOURCE_EXHAUSTED.withDescription(
                        method + ": " + describe(error) + "; make room (space, inodes, quota), then try again"));
            case READ_ONLY ->
                Optional.of(Status.FAILED_PRECONDITION.withDescription(method + ": " + describe(error)
                        + "; see in the kernel's log why the file system is read-only, and mount it for writing"));
            case FAILING -> Optional.empty();
        };
    }

    private static Status internal(Throwable error, String method) {
        String id = HexFormat.of().toHexDigits(ThreadLocalRandom.current().nextInt());
        LOG.log(Level.ERROR, "rpc.failed method=" + method + " error=" + id, error);
        return Status.INTERNAL.withDescription(
                method + ": " + describe(error) + " (error " + id + " in the server's log)");
    }

    private static String describe(Throwable error) {
        String message = error.getMessage();
        return message == null || message.isBlank() ? error.getClass().getSimpleName() : message;
    }

    /** Gives the generated "Method ... is unimplemented" words that a person can use. */
    private static final class NamingCall<Q, A> extends SimpleForwardingServerCall<Q, A> {
        private final String method;

        NamingCall(ServerCall<Q, A> call, String method) {
            super(call);
            this.method = method;
        }

        @Override
        public void close(Status status, Metadata trailers) {
            boolean generated = status.getCode() == Status.Code.UNIMPLEMENTED
                    && String.valueOf(status.getDescription()).startsWith("Method ");
            super.close(
                    generated
                            ? Status.UNIMPLEMENTED.withDescription(
                                    method + ": this version of Portafilter does not offer this call" + instead())
                            : status,
                    trailers);
        }

        /** What serves meanwhile, for those whom a person calls by hand. */
        private String instead() {
            return switch (method) {
                default -> "";
            };
        }
    }
}
