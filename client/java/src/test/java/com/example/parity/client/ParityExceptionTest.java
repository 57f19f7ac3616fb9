package com.example.parity.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.Any;
import com.google.protobuf.Duration;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Errors and their sentences. */
final class ParityExceptionTest {
    private static ParityException fromServer(Status.Code code, String message, String domain) {
        var info = ErrorInfo.newBuilder().setDomain(domain).setReason("A_REASON").build();
        var retry =
                RetryInfo.newBuilder().setRetryDelay(Duration.newBuilder().setSeconds(2)).build();
        var status =
                com.google.rpc.Status.newBuilder()
                        .setCode(code.value())
                        .setMessage(message)
                        .addDetails(Any.pack(retry))
                        .addDetails(Any.pack(info))
                        .build();
        return ParityException.call("x", StatusProto.toStatusException(status));
    }

    @Test
    void isOneSentenceWithTheReason() {
        var refused = fromServer(Status.Code.NOT_FOUND, "no such\033 file", "parity");
        assertEquals("x: no such\\u{1b} file [A_REASON]", refused.getMessage());
        assertEquals(Optional.of("A_REASON"), refused.reason());

        var foreign = fromServer(Status.Code.NOT_FOUND, "no route", "other");
        assertEquals("x: no route [NOT_FOUND]", foreign.getMessage());
        assertEquals(Optional.empty(), foreign.reason());
    }

    @Test
    void saysThatNobodyListens() throws Exception {
        int port;
        try (var free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        try (var client = new Client(Client.Options.of("localhost:" + port))) {
            var e =
                    assertThrows(
                            ParityException.class,
                            () ->
                                    Download.of("x", Target.below(Path.of("."), "x"))
                                            .run(client.files(), duration -> {}));
            assertEquals(
                    "x: no connection to the server: connection refused (is it running?)",
                    e.getMessage());
        }
    }

    @Test
    void tellsWhatCanBeRetried() {
        assertTrue(fromServer(Status.Code.RESOURCE_EXHAUSTED, "", "parity").isTransient());
        assertTrue(ParityException.call("x", Status.UNAVAILABLE.asException()).isTransient());
        assertFalse(
                ParityException.call("x", Status.RESOURCE_EXHAUSTED.asException()).isTransient());
        assertFalse(fromServer(Status.Code.ABORTED, "", "parity").isTransient());
        assertEquals(
                Optional.of(java.time.Duration.ofSeconds(2)),
                fromServer(Status.Code.UNAVAILABLE, "", "parity").retryDelay());
    }
}
