package com.example.parity.driver;

import com.example.parity.client.Client;
import com.example.parity.client.Download;
import com.example.parity.client.ParityException;
import com.example.parity.client.Target;
import com.example.parity.files.v1.ListRequest;
import com.example.parity.files.v1.Source;
import com.example.parity.numbers.v1.DrawRequest;
import com.example.parity.numbers.v1.Parity;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.TlsChannelCredentials;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.reflection.v1.ServerReflectionGrpc;
import io.grpc.reflection.v1.ServerReflectionRequest;
import io.grpc.reflection.v1.ServiceResponse;
import java.nio.file.Files;
import java.security.cert.CertificateException;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Cases of what lies below and beside the services. */
final class ConnectionCases {
    private static final String NUMBERS = "parity.numbers.v1.NumberService";
    private static final String FILES = "parity.files.v1.FileService";
    private static final int PAGE_FILES = 25;

    /** How long the headers of a call may take. */
    private static final long HEADERS_SECONDS = 5;

    private static final Metadata.Key<String> ENCODING =
            Metadata.Key.of("grpc-encoding", Metadata.ASCII_STRING_MARSHALLER);

    private ConnectionCases() {}

    /** Downloads over a connection on which every checksum is damaged. */
    static void checksum(Args args) throws Exception {
        var dir = Files.createTempDirectory("parity-driver-");
        try (var client = args.client()) {
            var download = Download.of("small.txt", Target.below(dir, "copy"));
            var damaged = client.files().withInterceptors(new DamagingInterceptor());
            try {
                download.run(damaged);
                throw new Check.Failure("damage is not detected");
            } catch (ParityException e) {
                Check.that(e.getMessage().contains("checksum"), "the error is %s", e.getMessage());
            }
            try (var left = Files.list(dir)) {
                Check.that(left.findAny().isEmpty(), "a file is left");
            }
            // Without damage, the same download succeeds.
            Check.that(download.run(client).size() == 32, "the download is incomplete");
        } finally {
            Files.deleteIfExists(dir.resolve("copy"));
            Files.deleteIfExists(dir);
        }
    }

    static void gzip(Args args) throws Exception {
        try (var client = args.client()) {
            var draw = DrawRequest.newBuilder().setParity(Parity.PARITY_ODD).build();
            client.numbers().withCompression("gzip").draw(draw);

            var files = client.files().withCompression("gzip");
            var list =
                    ListRequest.newBuilder()
                            .setSource(Source.SOURCE_DIRECTORY)
                            .setPrefix("page/")
                            .build();
            Check.that(files.list(list).getFilesCount() == PAGE_FILES, "List is wrong");

            var headers = new HeadersInterceptor();
            Fetched.get(
                    files.withInterceptors(headers), GetCases.request("large.bin").build());
            var received = headers.received().get(HEADERS_SECONDS, TimeUnit.SECONDS);
            var encoding = received.get(ENCODING);
            Check.that(
                    encoding == null || encoding.equals("identity"),
                    "Get is compressed with %s",
                    encoding);
        }
    }

    static void tls(Args args) throws Exception {
        Check.that(args.tlsCa != null, "no --tls-ca");
        try (var client = args.client()) {
            client.numbers().draw(DrawRequest.getDefaultInstance());
        }
        // The authorities of Java.
        var credentials = TlsChannelCredentials.create();
        try (var client = new Client(Client.Options.of(args.addr), credentials)) {
            var e =
                    Check.refused(
                            Status.Code.UNAVAILABLE,
                            "",
                            () -> client.numbers().draw(DrawRequest.getDefaultInstance()));
            Throwable cause = e;
            while (cause != null && !(cause instanceof CertificateException)) {
                cause = cause.getCause();
            }
            Check.that(cause != null, "the call failed for another reason: %s", e.getStatus());
        }
    }

    static void token(Args args) throws Exception {
        if (args.token == null) {
            throw new Check.Impossible("no --token: the server has no authentication");
        }
        try (var client = args.client()) {
            client.numbers().draw(DrawRequest.getDefaultInstance());
        }
        args.token = null;
        try (var client = args.client()) {
            client.numbers().draw(DrawRequest.getDefaultInstance());
            throw new Check.Failure("a call without the token succeeded");
        } catch (StatusException e) {
            Check.that(
                    e.getStatus().getCode() == Status.Code.UNAUTHENTICATED,
                    "without the token: %s, want UNAUTHENTICATED",
                    e.getStatus());
        }
    }

    static void health(Args args) throws Exception {
        try (var client = args.client()) {
            var health = HealthGrpc.newBlockingStub(client.channel());
            for (var service : List.of("", NUMBERS)) {
                var request = HealthCheckRequest.newBuilder().setService(service).build();
                var status = health.check(request).getStatus();
                Check.that(
                        status == ServingStatus.SERVING, "\"%s\" is %s", service, status);
            }
        }
    }

    static void reflection(Args args) throws Exception {
        try (var client = args.client()) {
            var call =
                    ServerReflectionGrpc.newBlockingV2Stub(client.channel())
                            .serverReflectionInfo();
            call.write(ServerReflectionRequest.newBuilder().setListServices("").build());
            call.halfClose();
            var response = call.read();
            Check.that(response != null, "no response");
            var names =
                    response.getListServicesResponse().getServiceList().stream()
                            .map(ServiceResponse::getName)
                            .toList();
            Check.that(names.containsAll(List.of(NUMBERS, FILES)), "the services are %s", names);
        }
    }
}
