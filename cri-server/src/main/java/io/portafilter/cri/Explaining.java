package io.portafilter.cri;

import io.grpc.ClientInterceptor;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Metadata;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.stub.MetadataUtils;

/**
 * The header by which {@code portafilter explain} asks a verbose ContainerStatus for the causes of the plan too: to find
 * them some hundred plans are made, which others who ask for a verbose status need not wait for.
 */
public final class Explaining implements ServerInterceptor {

    private static final Metadata.Key<String> HEADER =
            Metadata.Key.of("portafilter-explain", Metadata.ASCII_STRING_MARSHALLER);
    private static final Context.Key<Boolean> ASKED = Context.keyWithDefault("explain", false);

    Explaining() {}

    /** For the client: adds the header to its calls. */
    public static ClientInterceptor asking() {
        Metadata headers = new Metadata();
        headers.put(HEADER, "causes");
        return MetadataUtils.newAttachHeadersInterceptor(headers);
    }

    /** Whether the caller of this call asked for causes. */
    static boolean isAsked() {
        return ASKED.get();
    }

    @Override
    public <Q, A> ServerCall.Listener<Q> interceptCall(
            ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
        return headers.containsKey(HEADER)
                ? Contexts.interceptCall(Context.current().withValue(ASKED, true), call, headers, next)
                : next.startCall(call, headers);
    }
}
