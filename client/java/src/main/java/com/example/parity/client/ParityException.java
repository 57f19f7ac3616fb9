package com.example.parity.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.io.IOException;
import java.net.ConnectException;
import java.nio.file.FileSystemException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/** Why something failed. Its message is one sentence for people. */
public final class ParityException extends Exception {
    private static final long serialVersionUID = 1;

    /** The domain of the server's reasons. */
    private static final String DOMAIN = "parity";

    /** What failed. */
    public enum Kind {
        /** A call ended with a status other than OK. */
        CALL,
        /** The server broke the rules of the API, or data was damaged on the way. */
        RESPONSE,
        /** A file operation failed here. */
        LOCAL,
        /** The target of a download exists, and is not to be replaced. */
        EXISTS,
        /** The caller asked for something impossible. */
        USAGE
    }

    private final Kind kind;

    private ParityException(Kind kind, String message, Throwable cause) {
        super(message, cause);
        this.kind = kind;
    }

    /** Returns the exception for a call about {@code what} that ended with an exception. */
    public static ParityException call(String what, Throwable cause) {
        return new ParityException(
                Kind.CALL, Text.printable(what) + ": " + sentence(cause), cause);
    }

    static ParityException response(String what, String problem) {
        return new ParityException(
                Kind.RESPONSE, Text.printable(what) + ": " + Text.printable(problem), null);
    }

    static ParityException local(Path path, IOException cause) {
        String why = cause.getMessage();
        if (cause instanceof FileSystemException e) {
            // Its message begins with the path.
            why = e.getReason() != null ? e.getReason() : e.getClass().getSimpleName();
        }
        return new ParityException(Kind.LOCAL, Text.printable(path + ": " + why), cause);
    }

    static ParityException exists(Path path) {
        return new ParityException(
                Kind.EXISTS,
                Text.printable(path.toString()) + ": exists already (--force replaces it)",
                null);
    }

    static ParityException usage(String text) {
        return new ParityException(Kind.USAGE, Text.printable(text), null);
    }

    private static String sentence(Throwable cause) {
        var status = Status.fromThrowable(cause);
        var message = Optional.ofNullable(status.getDescription()).orElse("no description");
        var reason = reasonOf(cause);
        if (reason.isPresent()) {
            return Text.printable(message + " [" + reason.get() + "]");
        }
        if (status.getCause() != null) {
            return "no connection to the server: " + Text.printable(innermost(status.getCause()));
        }
        return Text.printable(message + " [" + status.getCode() + "]");
    }

    private static String innermost(Throwable cause) {
        while (true) {
            if (cause instanceof ConnectException e
                    && String.valueOf(e.getMessage()).contains("refused")) {
                return "connection refused (is it running?)";
            }
            if (cause.getCause() == null) {
                return String.valueOf(cause.getMessage());
            }
            cause = cause.getCause();
        }
    }

    /** Returns the reason in the details of a status, if the server gave one. */
    public static Optional<String> reasonOf(Throwable cause) {
        return detail(cause, ErrorInfo.class)
                .filter(info -> info.getDomain().equals(DOMAIN))
                .map(ErrorInfo::getReason);
    }

    /** Returns the detail of that type of a status, if the server gave one. */
    public static <T extends Message> Optional<T> detail(Throwable cause, Class<T> type) {
        var status = StatusProto.fromThrowable(cause);
        if (status == null) {
            return Optional.empty();
        }
        for (Any any : status.getDetailsList()) {
            try {
                if (any.is(type)) {
                    return Optional.of(any.unpack(type));
                }
            } catch (InvalidProtocolBufferException e) {
                return Optional.empty(); // as if the server had not sent it
            }
        }
        return Optional.empty();
    }

    /** Returns what failed. */
    public Kind kind() {
        return kind;
    }

    /** Returns the code of the status, OK if no call failed. */
    public Status.Code code() {
        return kind == Kind.CALL ? Status.fromThrowable(getCause()).getCode() : Status.Code.OK;
    }

    /** Returns the server's reason, such as {@code FILE_NOT_FOUND}. */
    public Optional<String> reason() {
        return kind == Kind.CALL ? reasonOf(getCause()) : Optional.empty();
    }

    /** Returns how long the server asks to wait before a retry. */
    Optional<Duration> retryDelay() {
        if (kind != Kind.CALL) {
            return Optional.empty();
        }
        // Bounded here already: Duration.ofSeconds refuses what does not fit.
        return detail(getCause(), RetryInfo.class)
                .map(info -> info.getRetryDelay().getSeconds())
                .map(s -> Math.max(0, Math.min(s, Backoff.LONGEST_ASKED.toSeconds())))
                .map(Duration::ofSeconds);
    }

    /** Returns whether the same call may succeed later. */
    boolean isTransient() {
        return switch (code()) {
            // What a server that goes away, or a proxy before it, makes of a call.
            case UNAVAILABLE, CANCELLED, DEADLINE_EXCEEDED, UNKNOWN, INTERNAL -> true;
            // Without a delay, what is exhausted may stay so.
            case RESOURCE_EXHAUSTED -> retryDelay().isPresent();
            default -> kind == Kind.RESPONSE;
        };
    }
}
