package com.example.parity.driver;

import static com.example.parity.driver.NumberCases.checkNumber;

import com.example.parity.client.Client;
import com.example.parity.numbers.v1.Committed;
import com.example.parity.numbers.v1.CountRequest;
import com.example.parity.numbers.v1.CountResponse;
import com.example.parity.numbers.v1.Draw;
import com.example.parity.numbers.v1.DrawRequest;
import com.example.parity.numbers.v1.Increment;
import com.example.parity.numbers.v1.ListClientsRequest;
import com.example.parity.numbers.v1.Parity;
import com.example.parity.numbers.v1.Register;
import com.example.parity.numbers.v1.Registered;
import com.example.parity.numbers.v1.Report;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import java.util.ArrayList;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Cases of Count. */
final class CountCases {
    private static final long BEYOND_DOUBLE = (1L << 53) + 1;

    /** How soon the headers of Count must arrive. */
    private static final long HEADERS_SECONDS = 5;

    /** How long one read waits for a response that must not come. */
    private static final long POLL_MILLIS = 50;

    private static final long DEADLINE_MILLIS = 300;

    private CountCases() {}

    private static CountRequest register(int id) {
        return CountRequest.newBuilder()
                .setRegistration(Register.newBuilder().setClientId(id))
                .build();
    }

    private static CountRequest report(long value) {
        return CountRequest.newBuilder().setReport(Report.newBuilder().setValue(value)).build();
    }

    private static CountRequest draw(Parity parity) {
        return CountRequest.newBuilder().setDraw(Draw.newBuilder().setParity(parity)).build();
    }

    /** Reads the answer to Register. */
    private static Registered registered(BlockingClientCall<CountRequest, CountResponse> call)
            throws Exception {
        var response = call.read();
        Check.that(
                response != null && response.hasRegistered(),
                "Register is answered by %s",
                response);
        return response.getRegistered();
    }

    /** Half-closes, and returns the last confirmation; last is that of before, or null. */
    private static Committed close(
            BlockingClientCall<CountRequest, CountResponse> call, Committed last)
            throws Exception {
        call.halfClose();
        for (var response = call.read(); response != null; response = call.read()) {
            Check.that(response.hasCommitted(), "got %s after half-closing", response);
            last = response.getCommitted();
        }
        return last;
    }

    /** Reports 1, 2, 3, draws odd and even, and returns the last number drawn. */
    private static int countToThree(Client client, int id) throws Exception {
        var call = client.numbers().count();
        call.write(register(id));
        registered(call);
        for (int value = 1; value <= 3; value++) {
            call.write(report(value));
        }
        // Both are sent before the first answer is read: the answers keep the order.
        call.write(draw(Parity.PARITY_ODD));
        call.write(draw(Parity.PARITY_EVEN));
        var drawn = new ArrayList<Increment>();
        Committed last = null; // the reports may be durable before the draws are answered
        while (drawn.size() < 2) {
            var response = call.read();
            Check.that(response != null, "the session ended before the increments");
            if (response.hasIncrement()) {
                drawn.add(response.getIncrement());
            } else if (response.hasCommitted()) {
                last = response.getCommitted();
            }
        }
        checkNumber(drawn.get(0).getNumber(), drawn.get(0).getParity(), Parity.PARITY_ODD);
        checkNumber(drawn.get(1).getNumber(), drawn.get(1).getParity(), Parity.PARITY_EVEN);
        var want = Committed.newBuilder().setReports(3).setValue(3).build();
        last = close(call, last);
        Check.that(want.equals(last), "the last confirmation is %s, want %s", last, want);
        return drawn.get(1).getNumber();
    }

    static void session(Args args) throws Exception {
        try (var client = args.client()) {
            countToThree(client, args.idBase + 1);
        }
    }

    static void resume(Args args) throws Exception {
        int id = args.idBase + 2;
        try (var client = args.client()) {
            int number = countToThree(client, id);
            var call = client.numbers().count();
            call.write(register(id));
            var start = registered(call);
            Check.that(
                    start.getValue() == 3 && start.getIncrement() == number && start.getReturning(),
                    "registered as %s, want value 3, increment %d, returning",
                    start,
                    number);
            close(call, null);
        }
    }

    static void badFirstMessage(Args args) throws Exception {
        try (var client = args.client()) {
            var call = client.numbers().count();
            call.write(report(1));
            Check.refused(Status.Code.FAILED_PRECONDITION, "NOT_REGISTERED", call::read);
        }
    }

    static void headersFirst(Args args) throws Exception {
        try (var client = args.client()) {
            var headers = new HeadersInterceptor();
            var call = client.numbers().withInterceptors(headers).count();
            awaitHeaders(call, headers);
            call.write(register(args.idBase + 3));
            registered(call);
            close(call, null);
        }
    }

    /** Reads, which is when a blocking call handles events, until the headers are here. */
    private static void awaitHeaders(
            BlockingClientCall<CountRequest, CountResponse> call, HeadersInterceptor headers)
            throws Exception {
        long start = System.nanoTime();
        while (!headers.received().isDone()) {
            Check.that(
                    System.nanoTime() - start < TimeUnit.SECONDS.toNanos(HEADERS_SECONDS),
                    "no headers after %d s without a request",
                    HEADERS_SECONDS);
            try {
                var early = call.read(POLL_MILLIS, TimeUnit.MILLISECONDS);
                throw new Check.Failure("got " + early + " before Register");
            } catch (TimeoutException e) {
                // Nothing but headers may come.
            }
        }
        headers.received().get(); // throws if the call failed
    }

    static void int64Extremes(Args args) throws Exception {
        int id = args.idBase + 4;
        try (var client = args.client()) {
            for (long value : new long[] {Long.MAX_VALUE, Long.MIN_VALUE, BEYOND_DOUBLE}) {
                var call = client.numbers().count();
                call.write(register(id));
                registered(call);
                call.write(report(value));
                var last = close(call, null);
                Check.that(
                        last != null && last.getReports() == 1 && last.getValue() == value,
                        "the last confirmation is %s, want value %d",
                        last,
                        value);
                call = client.numbers().count();
                call.write(register(id));
                long got = registered(call).getValue();
                Check.that(got == value, "registered with %d, want %d", got, value);
                close(call, null);
            }
            var listed = listedValue(client, id);
            Check.that(
                    listed.equals(Optional.of(BEYOND_DOUBLE)),
                    "ListClients has %s, want 2^53+1",
                    listed);
        }
    }

    private static Optional<Long> listedValue(Client client, int id) throws StatusException {
        var request = ListClientsRequest.newBuilder().setPageSize(100);
        while (true) {
            var page = client.numbers().listClients(request.build());
            for (var entry : page.getClientsList()) {
                if (entry.getClientId() == id) {
                    return Optional.of(entry.getLastValue());
                }
            }
            if (page.getNextPageToken().isEmpty()) {
                return Optional.empty();
            }
            request.setPageToken(page.getNextPageToken());
        }
    }

    static void deadline(Args args) throws Exception {
        try (var client = args.client()) {
            // Connects, so that the deadline need not.
            client.numbers().draw(DrawRequest.getDefaultInstance());
            var call =
                    client.numbers()
                            .withDeadlineAfter(DEADLINE_MILLIS, TimeUnit.MILLISECONDS)
                            .count();
            call.write(register(args.idBase + 5));
            registered(call);
            Check.refused(Status.Code.DEADLINE_EXCEEDED, "", call::read);
        }
    }
}
