package com.example.parity.driver;

import com.example.parity.client.ParityException;
import io.grpc.Status;
import io.grpc.StatusException;

/** What cases check. */
final class Check {
    /** A case failed. */
    static final class Failure extends Exception {
        private static final long serialVersionUID = 1;

        Failure(String message) {
            super(message);
        }
    }

    /** This client cannot have a case. */
    static final class Impossible extends Exception {
        private static final long serialVersionUID = 1;

        Impossible(String message) {
            super(message);
        }
    }

    /** A call. */
    @FunctionalInterface
    interface Call {
        void make() throws Exception;
    }

    private Check() {}

    static void that(boolean condition, String format, Object... args) throws Failure {
        if (!condition) {
            throw new Failure(String.format(format, args));
        }
    }

    /** Fails unless the call ends with that code and reason. It returns the exception. */
    static StatusException refused(Status.Code code, String reason, Call call) throws Exception {
        try {
            call.make();
        } catch (StatusException e) {
            var got = ParityException.reasonOf(e).orElse("");
            that(
                    e.getStatus().getCode() == code && got.equals(reason),
                    "ended with %s %s, want %s %s",
                    e.getStatus(),
                    got,
                    code,
                    reason);
            return e;
        }
        throw new Failure(String.format("ended with success, want %s %s", code, reason));
    }
}
