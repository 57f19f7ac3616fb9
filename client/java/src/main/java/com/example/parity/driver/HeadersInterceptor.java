package com.example.parity.driver;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.util.concurrent.CompletableFuture;

/** Gives access to the response headers of one call. */
final class HeadersInterceptor implements ClientInterceptor {
    private final CompletableFuture<Metadata> received = new CompletableFuture<>();

    /** Returns the headers, as soon as they are here. */
    CompletableFuture<Metadata> received() {
        return received;
    }

    @Override
    public <Q, R> ClientCall<Q, R> interceptCall(
            MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
        return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
            @Override
            public void start(Listener<R> listener, Metadata sent) {
                super.start(new HeadersListener<>(listener), sent);
            }
        };
    }

    private final class HeadersListener<R> extends SimpleForwardingClientCallListener<R> {
        private HeadersListener(ClientCall.Listener<R> next) {
            super(next);
        }

        @Override
        public void onHeaders(Metadata headers) {
            received.complete(headers);
            super.onHeaders(headers);
        }

        @Override
        public void onClose(Status status, Metadata trailers) {
            received.completeExceptionally(status.asException());
            super.onClose(status, trailers);
        }
    }
}
