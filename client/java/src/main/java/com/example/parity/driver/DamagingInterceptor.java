package com.example.parity.driver;

import com.example.parity.files.v1.GetResponse;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ForwardingClientCall.SimpleForwardingClientCall;
import io.grpc.ForwardingClientCallListener.SimpleForwardingClientCallListener;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;

/** Makes the checksum of every response wrong. */
final class DamagingInterceptor implements ClientInterceptor {
    @Override
    public <Q, R> ClientCall<Q, R> interceptCall(
            MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
        return new SimpleForwardingClientCall<>(next.newCall(method, options)) {
            @Override
            public void start(Listener<R> listener, Metadata headers) {
                super.start(new DamagingListener<>(listener), headers);
            }
        };
    }

    private static final class DamagingListener<R> extends SimpleForwardingClientCallListener<R> {
        private DamagingListener(ClientCall.Listener<R> next) {
            super(next);
        }

        @Override
        @SuppressWarnings("unchecked") // a GetResponse is replaced by a GetResponse
        public void onMessage(R message) {
            if (message instanceof GetResponse response && response.hasCrc32C()) {
                var damaged = response.toBuilder().setCrc32C(~response.getCrc32C());
                super.onMessage((R) damaged.build());
            } else {
                super.onMessage(message);
            }
        }
    }
}
