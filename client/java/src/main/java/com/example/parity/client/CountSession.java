package com.example.parity.client;

import com.example.parity.numbers.v1.Committed;
import com.example.parity.numbers.v1.CountRequest;
import com.example.parity.numbers.v1.CountResponse;
import com.example.parity.numbers.v1.Draw;
import com.example.parity.numbers.v1.NumberServiceGrpc.NumberServiceBlockingV2Stub;
import com.example.parity.numbers.v1.Parity;
import com.example.parity.numbers.v1.Register;
import com.example.parity.numbers.v1.Report;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** One session of a {@link Counter}. */
final class CountSession {
    /** How often the client counts, and reports the value. */
    private static final long REPORT_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

    /** How long after a draw the next one follows, at random. */
    private static final long DRAW_LEAST_NANOS = TimeUnit.SECONDS.toNanos(3);

    private static final long DRAW_MOST_NANOS = TimeUnit.SECONDS.toNanos(5);

    /** How long the server may take to answer the registration, and to confirm at the end. */
    private static final long ANSWER_NANOS = TimeUnit.SECONDS.toNanos(10);

    /** How long the server may be silent while reports wait for their confirmation. */
    private static final long SILENCE_NANOS = TimeUnit.SECONDS.toNanos(30);

    /** How soon a stop is noticed. */
    private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private final NumberServiceBlockingV2Stub numbers;
    private final int id;
    private final String what;
    private final Counter.Listener listener;
    private final CountDownLatch stopped;

    private BlockingClientCall<CountRequest, CountResponse> call;
    private boolean registered;
    private boolean closing;
    private long value;
    private int increment;
    private long reports;
    private long committed;
    private long committedValue;
    private long reportAt; // these are of System.nanoTime
    private long drawAt;
    private long silentAt;

    CountSession(
            NumberServiceBlockingV2Stub numbers,
            int id,
            Counter.Listener listener,
            CountDownLatch stopped) {
        this.numbers = numbers;
        this.id = id;
        this.what = "client " + id;
        this.listener = listener;
        this.stopped = stopped;
    }

    boolean registered() {
        return registered;
    }

    long reports() {
        return reports;
    }

    long committed() {
        return committed;
    }

    long committedValue() {
        return committedValue;
    }

    /** Counts until the session ends. It returns after an end in order. */
    void run() throws ParityException, InterruptedException {
        call = numbers.count();
        boolean ended = false;
        try {
            register();
            while (!ended) {
                ended = step();
            }
        } catch (StatusException e) {
            ended = true;
            throw ParityException.call(what, e);
        } catch (TimeoutException e) {
            throw ParityException.call(what, Segment.late("the server takes no messages"));
        } finally {
            if (!ended) {
                call.cancel("the session failed", null);
            }
        }
    }

    private void register()
            throws ParityException, StatusException, TimeoutException, InterruptedException {
        send(CountRequest.newBuilder().setRegistration(Register.newBuilder().setClientId(id)));
        CountResponse response;
        try {
            response = call.read(ANSWER_NANOS, TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            throw ParityException.call(what, Segment.late("the server does not answer"));
        }
        if (response == null || !response.hasRegistered()) {
            throw ParityException.response(what, "the server did not answer the registration");
        }
        registered = true;
        value = response.getRegistered().getValue();
        increment = response.getRegistered().getIncrement();
        listener.registered(response.getRegistered());
        long now = System.nanoTime();
        reportAt = now + REPORT_NANOS;
        drawAt = now + untilDraw();
        silentAt = now + SILENCE_NANOS;
    }

    /** Sends what is due, and waits for a response. It returns whether the session has ended. */
    private boolean step()
            throws ParityException, StatusException, TimeoutException, InterruptedException {
        long now = System.nanoTime();
        if (!closing && stopped.getCount() == 0) {
            closing = true;
            call.halfClose();
            silentAt = now + ANSWER_NANOS;
        }
        if (!closing) {
            sendDue(now);
        }
        if ((closing || reports > committed) && now - silentAt >= 0) {
            throw ParityException.call(
                    what, Segment.late("the server does not confirm the reports"));
        }
        try {
            var response = call.read(POLL_NANOS, TimeUnit.NANOSECONDS);
            if (response == null) {
                ended();
                return true;
            }
            receive(response);
        } catch (TimeoutException e) {
            // Nothing came, and it may be time to send.
        }
        return false;
    }

    private void sendDue(long now)
            throws ParityException, StatusException, TimeoutException, InterruptedException {
        if (now - reportAt >= 0) {
            value += increment;
            if (reports == committed) {
                silentAt = now + SILENCE_NANOS;
            }
            send(CountRequest.newBuilder().setReport(Report.newBuilder().setValue(value)));
            reports++;
            listener.reported(value);
            // Counted from now: a client that was suspended reports no burst.
            reportAt = Math.max(reportAt + REPORT_NANOS, now);
        }
        if (now - drawAt >= 0) {
            boolean even = ThreadLocalRandom.current().nextBoolean();
            var parity = even ? Parity.PARITY_EVEN : Parity.PARITY_ODD;
            send(CountRequest.newBuilder().setDraw(Draw.newBuilder().setParity(parity)));
            drawAt = now + untilDraw();
        }
    }

    private void send(CountRequest.Builder request)
            throws ParityException, StatusException, TimeoutException, InterruptedException {
        // If the call has ended, read says why.
        call.write(request.build(), ANSWER_NANOS, TimeUnit.NANOSECONDS);
    }

    private void receive(CountResponse response) {
        switch (response.getKindCase()) {
            case INCREMENT -> {
                increment = response.getIncrement().getNumber();
                listener.increment(increment);
            }
            case COMMITTED -> committed(response.getCommitted());
            default -> {} // a newer server may send more
        }
    }

    private void committed(Committed confirmed) {
        committed = Math.max(committed, Math.min(confirmed.getReports(), reports));
        committedValue = confirmed.getValue();
        silentAt = System.nanoTime() + (closing ? ANSWER_NANOS : SILENCE_NANOS);
        listener.committed(committedValue);
    }

    private void ended() throws ParityException {
        if (!closing) {
            var early = Status.UNAVAILABLE.withDescription("the server ended the session");
            throw ParityException.call(what, early.asException());
        }
        if (committed < reports) {
            throw ParityException.response(
                    what, "the server confirmed " + committed + " of " + reports + " reports");
        }
    }

    private static long untilDraw() {
        return ThreadLocalRandom.current().nextLong(DRAW_LEAST_NANOS, DRAW_MOST_NANOS);
    }
}
