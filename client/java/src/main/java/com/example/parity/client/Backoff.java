package com.example.parity.client;

import java.time.Duration;
import java.util.concurrent.ThreadLocalRandom;

/** The waits between attempts to reach a server that does not answer. */
final class Backoff {
    /**
     * The wait before the first retry: short, because most connections are lost to a server that
     * restarts.
     */
    private static final Duration FIRST = Duration.ofMillis(100);

    /** Bounds every wait, so that a client is back soon after its server. */
    private static final Duration LONGEST = Duration.ofSeconds(5);

    /** Bounds the wait that a server may ask for. */
    static final Duration LONGEST_ASKED = Duration.ofSeconds(30);

    /** From here on the wait is {@link #LONGEST}; a larger shift could overflow. */
    private static final int MAX_SHIFT = 16;

    private Backoff() {}

    /**
     * Returns the wait after a number of failures in a row, counted from 0: what the server asked
     * for, but at least a delay that doubles each time. The delay is random within its upper half,
     * so that many clients do not return at the same moment.
     */
    static Duration delay(int failures, Duration asked) {
        var full = min(FIRST.multipliedBy(1L << Math.min(failures, MAX_SHIFT)), LONGEST);
        long half = full.toNanos() / 2;
        var own = Duration.ofNanos(half + ThreadLocalRandom.current().nextLong(half + 1));
        var bounded = min(asked, LONGEST_ASKED);
        return own.compareTo(bounded) > 0 ? own : bounded;
    }

    private static Duration min(Duration a, Duration b) {
        return a.compareTo(b) < 0 ? a : b;
    }
}
