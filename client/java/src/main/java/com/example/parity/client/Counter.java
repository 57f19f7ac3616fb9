package com.example.parity.client;

import com.example.parity.numbers.v1.Registered;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * Counts as one client. After failures that may pass it reconnects, and goes on from the value
 * that the server has.
 */
public final class Counter {
    /** What happens while counting. */
    public interface Listener {
        /** A session began, and goes on from there. */
        void registered(Registered start);

        /** A value was counted to and reported. */
        void reported(long value);

        /** This is the number to count by from now on. */
        void increment(int number);

        /** All reports up to this value are durable. */
        void committed(long value);

        /** The session was lost; the next one begins after the wait. */
        void lost(ParityException error, Duration wait);
    }

    /** What was counted in all sessions: reports, how many are confirmed, the last of these. */
    public record Totals(long reports, long committed, long value) {}

    private final Client client;
    private final int id;
    private final Listener listener;
    private final CountDownLatch stopped = new CountDownLatch(1);

    /** Returns a counter for the client with that ID. */
    public Counter(Client client, int id, Listener listener) {
        this.client = client;
        this.id = id;
        this.listener = listener;
    }

    /** Ends the counting: {@link #run} half-closes and waits for the last confirmation. */
    public void stop() {
        stopped.countDown();
    }

    /** Counts until {@link #stop}. Any thread may call that. */
    public Totals run() throws ParityException, InterruptedException {
        long reports = 0;
        long committed = 0;
        long value = 0;
        int failures = 0;
        while (stopped.getCount() > 0) {
            var session = new CountSession(client.numbers(), id, listener, stopped);
            ParityException lost = null;
            try {
                session.run();
            } catch (ParityException e) {
                lost = e;
            }
            reports += session.reports();
            committed += session.committed();
            if (session.committed() > 0) {
                value = session.committedValue();
            }
            if (lost == null) {
                break;
            }
            // After stop the last confirmation is missing: the caller must know.
            if (stopped.getCount() == 0 || !lost.isTransient()) {
                throw lost;
            }
            failures = session.registered() ? 0 : failures + 1;
            var wait = Backoff.delay(failures, lost.retryDelay().orElse(Duration.ZERO));
            listener.lost(lost, wait);
            stopped.await(wait.toMillis(), TimeUnit.MILLISECONDS);
            client.reconnect();
        }
        return new Totals(reports, committed, value);
    }
}
