package com.example.parity.client;

import com.example.parity.files.v1.FileServiceGrpc;
import com.example.parity.files.v1.FileServiceGrpc.FileServiceBlockingV2Stub;
import com.example.parity.numbers.v1.NumberServiceGrpc;
import com.example.parity.numbers.v1.NumberServiceGrpc.NumberServiceBlockingV2Stub;
import io.grpc.ChannelCredentials;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.TlsChannelCredentials;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.channel.AdaptiveRecvByteBufAllocator;
import io.grpc.netty.shaded.io.netty.channel.ChannelOption;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * One connection to a server. It is made by the first call, and again by the first call after it
 * was lost.
 */
public final class Client implements AutoCloseable {
    /**
     * The flow-control window, in bytes: with HTTP/2's 64 KiB, every 64 KiB of a download would
     * wait for the client.
     */
    private static final int WINDOW = 16 << 20;

    /** How much is read from the socket at once, in bytes: at first, at least, and at most. */
    private static final int READ_FIRST = 256 << 10;

    private static final int READ_LEAST = 64 << 10;
    private static final int READ_MOST = 1 << 20;

    /** How often the connection of a call is checked, and how long the answer may take. */
    private static final long KEEPALIVE_SECONDS = 30;

    private static final long KEEPALIVE_TIMEOUT_SECONDS = 20;

    /** How long calls may take to end when the client is closed. */
    private static final long CLOSE_SECONDS = 5;

    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    /**
     * Where a server is, and how to talk to it.
     *
     * @param addr host and port
     * @param tlsCa a PEM file with the certificates of the authorities to trust. Without it, the
     *     connection is not encrypted
     * @param token sent with every call as {@code authorization: Bearer TOKEN}
     */
    public record Options(String addr, Optional<Path> tlsCa, Optional<String> token) {
        /** Returns the options for an unencrypted connection. */
        public static Options of(String addr) {
            return new Options(addr, Optional.empty(), Optional.empty());
        }
    }

    private final ManagedChannel channel;

    /** Returns a client. Nothing is sent yet. */
    public Client(Options options) throws ParityException {
        this(options, credentials(options));
    }

    /** Returns a client that uses the credentials instead of those of the options. */
    public Client(Options options, ChannelCredentials credentials) {
        var builder =
                NettyChannelBuilder.forTarget(options.addr(), credentials)
                        .flowControlWindow(WINDOW)
                        .withOption(
                                ChannelOption.RCVBUF_ALLOCATOR,
                                new AdaptiveRecvByteBufAllocator(
                                        READ_LEAST, READ_FIRST, READ_MOST))
                        .keepAliveTime(KEEPALIVE_SECONDS, TimeUnit.SECONDS)
                        .keepAliveTimeout(KEEPALIVE_TIMEOUT_SECONDS, TimeUnit.SECONDS);
        options.token()
                .ifPresent(
                        token -> {
                            var headers = new Metadata();
                            headers.put(AUTHORIZATION, "Bearer " + token);
                            builder.intercept(MetadataUtils.newAttachHeadersInterceptor(headers));
                        });
        channel = builder.build();
    }

    private static ChannelCredentials credentials(Options options) throws ParityException {
        if (options.tlsCa().isEmpty()) {
            return InsecureChannelCredentials.create();
        }
        Path ca = options.tlsCa().get();
        try {
            return TlsChannelCredentials.newBuilder().trustManager(ca.toFile()).build();
        } catch (IOException e) {
            throw ParityException.local(ca, e);
        }
    }

    /** Returns the service of numbers. */
    public NumberServiceBlockingV2Stub numbers() {
        return NumberServiceGrpc.newBlockingV2Stub(channel);
    }

    /** Returns the service of files. */
    public FileServiceBlockingV2Stub files() {
        return FileServiceGrpc.newBlockingV2Stub(channel);
    }

    /** Returns the connection, for the stubs of other services. */
    public ManagedChannel channel() {
        return channel;
    }

    /**
     * Lets the next call try to connect at once. The channel itself would wait longer and longer
     * between its attempts, up to two minutes.
     */
    void reconnect() {
        channel.resetConnectBackoff();
    }

    @Override
    public void close() {
        channel.shutdown();
        try {
            if (channel.awaitTermination(CLOSE_SECONDS, TimeUnit.SECONDS)) {
                return;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        channel.shutdownNow();
    }
}
